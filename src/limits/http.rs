//! HTTP and TLS connections.

use super::{KIB, OFFER_BYTES_MAX, PROFILE};

/// An HTTP request head. Chromium sends 1 KiB in 20 headers, a proxy adds 10 of them and 0.5 KiB;
/// the rest is for a token, or for the cookies of other programs on the same host. More gets 431.
pub const HTTP_HEAD_BYTES_MAX: usize = 4 * KIB;
/// Headers in it; hyper and its maps take 200 bytes for each beside its text.
pub const HTTP_HEADERS_MAX: usize = 32;
/// What hyper reads at a time, the least that it takes; a head that does not fit gets its 431.
pub const HTTP_READ_BUFFER_BYTES: usize = 8 * KIB;
/// The time that a request head may take.
pub const HTTP_HEAD_MS_MAX: u64 = 5_000;
/// A request body; the largest is an offer.
pub const HTTP_BODY_BYTES_MAX: usize = OFFER_BYTES_MAX;
/// An HTTP connection idle for this long makes room for the next one when all are taken; where its
/// address has two more than the next one's, at once.
pub const HTTP_EVICTABLE_US: u64 = 100_000;
/// Accepted connections of a listener that wait for a place; one more is refused. They cost no heap
/// yet, and the kernel's queue of 128 stays short, so that everybody can connect.
pub const HTTP_PENDING_MAX: usize = 32;
/// The longest that one of them waits, then 503: a second would already be a person's patience.
pub const HTTP_PENDING_US_MAX: u64 = 1_000_000;
/// HTTP connections over the bound that are being told so; one more is closed without a word.
pub const HTTP_REFUSALS_MAX: usize = 8;
/// How long each of them may take to hear it.
pub const HTTP_REFUSAL_MS_MAX: u64 = 500;
/// How long an idle HTTP connection is kept.
pub const HTTP_KEEP_ALIVE_MS: u64 = 5_000;
/// How long a connection keeps its place at its end, while its client has not acknowledged all that
/// was written: a slow Wi-Fi takes so long for what the buffers hold. Then the rest is dropped.
pub const HTTP_UNSENT_MS_MAX: u64 = 2_000;
/// The time a request body may take, and how long a request waits for one of the body buffers
/// before it gets 503: 64 offers that come at once are read one after the other in milliseconds.
pub const HTTP_BODY_MS_MAX: u64 = 2_000;
/// A request body that took this long since its first bytes makes room when others wait for its
/// buffer: 64 that drip keep one that comes at once waiting for 0.8 s.
pub const HTTP_BODY_QUIET_MS: u64 = 100;
/// Connections to the diagnostics port: a scraper, a person, and one of each to spare.
pub const DIAGNOSTICS_CONNECTIONS_MAX: usize = 4;

/// `SO_RCVBUF` and `SO_SNDBUF` of an HTTP connection: the largest request, and most pages. The
/// kernel takes twice this for each, and frees it with the connection. A client that reads nothing
/// keeps the rest of its answer in weir, where it is counted.
pub const TCP_BUFFER_BYTES: usize = 16 * KIB;
/// Sockets with these that answer: the places of the web and of the diagnostics port.
pub const HTTP_SOCKETS_MAX: usize = PROFILE.http_connections + DIAGNOSTICS_CONNECTIONS_MAX;
/// Sockets that only receive: those that wait for a place and those that are refused one, of the
/// three listeners.
pub const HTTP_PLACELESS_SOCKETS_MAX: usize = 3 * (HTTP_PENDING_MAX + HTTP_REFUSALS_MAX);
/// `SO_RCVBUF` of a camera's connection: the kernel takes twice this, 12 MiB for 64 cameras that
/// all write while nothing is read. A larger key frame comes in as it is read: at 20 ms of
/// distance that is still 38 Mbit/s.
pub const CAMERA_RECEIVE_BUFFER_BYTES: u32 = 96 << 10;
/// `SO_SNDBUF` of it: requests and reports. The kernel takes twice this.
pub const CAMERA_SEND_BUFFER_BYTES: u32 = 8 << 10;

/// A TLS handshake, from the connection's begin.
pub const TLS_HANDSHAKE_MS_MAX: u64 = 5_000;
/// A handshake that has had its turn this long makes room when others wait: on a LAN it takes
/// some 10 ms, on a phone's sleepy Wi-Fi 200.
pub const TLS_PERMIT_MS: u64 = 250;
/// What rustls reads at a time. A connection with more than that unread takes one of the places
/// for large records: the browsers' requests are smaller, but for a long offer.
pub const TLS_READ_BYTES: usize = 4 * KIB;
/// Bytes a TLS client may send before one of them is plaintext: a ClientHello has up to 2 KiB,
/// the largest record 18. More ends the connection; rustls alone would gather 64 KiB.
pub const TLS_UNREAD_BYTES_MAX: usize = 24 * KIB;
/// Sealed bytes of a TLS connection that wait for a slow client; the answer waits with them.
pub const TLS_SEALED_BYTES_MAX: usize = 8 * KIB;
/// Plaintext of a TLS record that we send: one is sealed at a time.
pub const TLS_FRAGMENT_BYTES: usize = 4 * KIB;
/// A file with a certificate, those it depends on, or a key; a chain of four has 8 KiB.
pub const TLS_FILE_BYTES_MAX: usize = 64 * KIB;
/// Between two looks at the operator's certificate: two `stat`s each.
pub const TLS_FILES_LOOK_MS: u64 = 5_000;
/// Entries of `X-Forwarded-For` that are looked at, from the last on: proxies in a row.
pub const FORWARDED_ADDRESSES_MAX: usize = 16;
/// Cookies of logins that a request may have; further ones are not looked at. A browser has one of
/// each box that has the same name, on other ports.
pub const LOGIN_COOKIES_MAX: usize = 8;
/// `[http] prefix`.
pub const HTTP_PREFIX_BYTES_MAX: usize = 128;
/// Between two looks at the domains of `/etc/resolv.conf`: one read of a small file.
pub const OWN_DOMAINS_LOOK_US: u64 = 5_000_000;
/// `names`, `origins` and `proxies` in `[http]`, of each.
pub const HTTP_NAMES_MAX: usize = 16;
/// One of them: what DNS allows (RFC 1035 section 2.3.4), with scheme and port around it.
pub const HTTP_NAME_BYTES_MAX: usize = 255 + 16;
/// What the kernel takes for a camera's connection, both buffers full.
pub const CAMERA_SOCKET_BYTES: usize =
    2 * (CAMERA_RECEIVE_BUFFER_BYTES as usize + CAMERA_SEND_BUFFER_BYTES as usize);
