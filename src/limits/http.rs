//! Bounds of HTTP and TLS connections.

use super::{KIB, OFFER_BYTES_MAX, PROFILE};

/// Bytes of an HTTP request head. Chromium sends 1 KiB in 20 headers, and a proxy adds 10 headers
/// and 0.5 KiB. The rest is for a token, or for cookies of other programs on the same host. More
/// gets 431.
pub const HTTP_HEAD_BYTES_MAX: usize = 4 * KIB;
/// Headers of a request; hyper and its maps take 200 bytes for each beside its text.
pub const HTTP_HEADERS_MAX: usize = 32;
/// Bytes that hyper reads at a time, the least it accepts. A head that does not fit gets 431.
pub const HTTP_READ_BUFFER_BYTES: usize = 8 * KIB;
/// The time limit of a request head.
pub const HTTP_HEAD_MS_MAX: u64 = 5_000;
/// Bytes of a request body; the largest is an offer.
pub const HTTP_BODY_BYTES_MAX: usize = OFFER_BYTES_MAX;
/// When all connections are taken, one that has been idle for this long is evicted for the next. If
/// its address has two more than the newcomer's, it is evicted at once.
pub const HTTP_EVICTABLE_US: u64 = 100_000;
/// Accepted connections of one listener that wait for a connection slot; one more is refused. They
/// cost no heap yet, and the kernel's queue of 128 stays short, so that every client can connect.
pub const HTTP_PENDING_MAX: usize = 32;
/// The longest wait for a connection slot, then 503: no person would wait longer than a second.
pub const HTTP_PENDING_US_MAX: u64 = 1_000_000;
/// Connections over the bound that are being answered 503; one more is closed without an answer.
pub const HTTP_REFUSALS_MAX: usize = 8;
/// The time limit of that answer.
pub const HTTP_REFUSAL_MS_MAX: u64 = 500;
/// How long an idle HTTP connection is kept.
pub const HTTP_KEEP_ALIVE_MS: u64 = 5_000;
/// How long a connection keeps its slot at its end while its client has not acknowledged
/// everything. Slow Wi-Fi takes this long for full buffers. Then the rest is dropped.
pub const HTTP_UNSENT_MS_MAX: u64 = 2_000;
/// The time limit of a request body, and the longest wait for a body buffer, then 503. 64 offers
/// that come at once are read one after the other in milliseconds.
pub const HTTP_BODY_MS_MAX: u64 = 2_000;
/// A request body that has taken this long since its first bytes is evicted when others wait for
/// its buffer. 64 slow ones keep a fast one waiting for 0.8 s.
pub const HTTP_BODY_QUIET_MS: u64 = 100;
/// Connections to the diagnostics port: a scraper, a person, and one more for each.
pub const DIAGNOSTICS_CONNECTIONS_MAX: usize = 4;

/// `SO_RCVBUF` and `SO_SNDBUF` of an HTTP connection: room for the largest request, and for most
/// pages. The kernel takes twice this for each, and frees it with the connection. If a client does
/// not read, the rest of its answer stays in weir and is charged to the connection's account.
pub const TCP_BUFFER_BYTES: usize = 16 * KIB;
/// Sockets with these buffers that send answers: all web and diagnostics connections.
pub const HTTP_SOCKETS_MAX: usize = PROFILE.http_connections + DIAGNOSTICS_CONNECTIONS_MAX;
/// Sockets that only receive: connections of the three listeners that wait for a slot or are being
/// refused one.
pub const HTTP_PLACELESS_SOCKETS_MAX: usize = 3 * (HTTP_PENDING_MAX + HTTP_REFUSALS_MAX);
/// `SO_RCVBUF` of a camera's connection. The kernel takes twice this: 12 MiB for 64 cameras that
/// all send while nothing is read. A larger key frame arrives as it is read; at a round trip of 20
/// ms that is still 38 Mbit/s.
pub const CAMERA_RECEIVE_BUFFER_BYTES: u32 = 96 << 10;
/// `SO_SNDBUF` of a camera's connection, for requests and reports. The kernel takes twice this.
pub const CAMERA_SEND_BUFFER_BYTES: u32 = 8 << 10;

/// The time limit of a TLS handshake, from the connection's begin.
pub const TLS_HANDSHAKE_MS_MAX: u64 = 5_000;
/// A handshake that has held its permit for this long is evicted when others wait. It takes some
/// 10 ms on a LAN, and 200 ms on the Wi-Fi of a phone in power save.
pub const TLS_PERMIT_MS: u64 = 250;
/// Bytes that rustls reads at a time. A connection with more unread bytes needs a permit for large
/// records. Requests of browsers are smaller, except for a long offer.
pub const TLS_READ_BYTES: usize = 4 * KIB;
/// Bytes that a TLS client may send before one of them is plaintext. A ClientHello has up to 2 KiB,
/// the largest record 18 KiB. More ends the connection; rustls by itself would gather 64 KiB.
pub const TLS_UNREAD_BYTES_MAX: usize = 24 * KIB;
/// Encrypted bytes of a TLS connection that wait for a slow client; the answer is held back too.
pub const TLS_SEALED_BYTES_MAX: usize = 8 * KIB;
/// Plaintext bytes of a TLS record that weir sends; one record is encrypted at a time.
pub const TLS_FRAGMENT_BYTES: usize = 4 * KIB;
/// Bytes of a file with a certificate and its chain, or with a key; a chain of four has 8 KiB.
pub const TLS_FILE_BYTES_MAX: usize = 64 * KIB;
/// Milliseconds between two looks at the operator's certificate files: two `stat`s each.
pub const TLS_FILES_LOOK_MS: u64 = 5_000;
/// Entries of `X-Forwarded-For` that are read, from the last on: proxies in a row.
pub const FORWARDED_ADDRESSES_MAX: usize = 16;
/// Login cookies of a request that are looked at. A browser sends one for each box that has the
/// same host name on another port.
pub const LOGIN_COOKIES_MAX: usize = 8;
/// Bytes of `prefix` in `[http]`.
pub const HTTP_PREFIX_BYTES_MAX: usize = 128;
/// Microseconds between two looks at the domains of `/etc/resolv.conf`: one read of a small file.
pub const OWN_DOMAINS_LOOK_US: u64 = 5_000_000;
/// Entries of each of `names`, `origins` and `proxies` in `[http]`.
pub const HTTP_NAMES_MAX: usize = 16;
/// Bytes of one of them: what DNS allows (RFC 1035 section 2.3.4), and a scheme and port.
pub const HTTP_NAME_BYTES_MAX: usize = 255 + 16;
/// Kernel memory of a camera's connection with both buffers full.
pub const CAMERA_SOCKET_BYTES: usize =
    2 * (CAMERA_RECEIVE_BUFFER_BYTES as usize + CAMERA_SEND_BUFFER_BYTES as usize);
