//! Bounds of offers, handshakes and sessions.

use super::KIB;

/// Bytes of an SDP offer; it is kept only while it is answered.
pub const OFFER_BYTES_MAX: usize = 16 * KIB;
/// Media sections of an offer; more are refused.
pub const OFFER_MEDIA_MAX: usize = 4;
/// The longest wait of an offer for a camera that is starting, then 409.
pub const CAMERA_START_WAIT_US: u64 = 2_000_000;
/// The longest wait of an offer for a handshake slot, then 503.
pub const OFFER_WAIT_US: u64 = 5_000_000;
/// A handshake without a valid check for this long is evicted for an address that has fewer. So is,
/// in a full session table, an offer without any check.
pub const HANDSHAKE_QUIET_US: u64 = 500_000;
/// A handshake that has run for this long, with checks or not, is evicted for an address that has
/// fewer. A browser needs a tenth of it; the rest is for four resends of a lost flight.
pub const HANDSHAKE_SLOW_US: u64 = 1_000_000;
/// While an offer or a check waits for a handshake slot, how often to look for one to evict.
pub const HANDSHAKE_LOOK_US: u64 = 50_000;
/// Without a valid check for this long the browser is gone, and its handshake is evicted for any
/// address. A busy browser, which sends 20 checks per second, may pause for a second or two.
pub const HANDSHAKE_GONE_US: u64 = 3_000_000;
/// The time limits of an offer's wait for its first check, of the check's wait for a slot, and of
/// the handshake from then on. The check waits longer while its browser repeats it.
pub const HANDSHAKE_US_MAX: u64 = 10_000_000;
/// The longest wait of a check for a slot: a page of 64 connections on a busy machine takes long.
pub const HANDSHAKE_HELD_US_MAX: u64 = 60_000_000;
/// Bytes of a check that is kept while there is no handshake slot: enough for a user name of 513
/// bytes (RFC 8445 section 5.3) and everything else that browsers send. A longer one is dropped.
pub const HANDSHAKE_CHECK_BYTES_MAX: usize = 768;
/// DTLS records that a handshake holds until it can read them (the first of a flight was lost). One
/// more ends it. A browser's flight has 5; each costs about 5 KB while it is held.
pub const HANDSHAKE_RECORDS_HELD_MAX: usize = 16;
/// Bytes of a browser's certificate message (300 seen); a larger one is dropped unread.
pub const PEER_CERTIFICATE_BYTES_MAX: usize = 1900;
/// Formats of H.264 (packetization-mode 1) and H.265 of an offer that are compared; Chromium has 4
/// to 8 of the one and up to 4 of the other.
pub const OFFER_FORMATS_MAX: usize = 16;
/// Bytes of a media section's name that are kept for fragments; browsers' have 1, webrtcbin's 6. A
/// fragment for one with a longer name is read without it.
pub const SECTION_NAME_BYTES_MAX: usize = 16;
/// Bytes of an ICE ufrag or password, or of a media section's name; longer ones are refused.
pub const OFFER_TOKEN_BYTES_MAX: usize = 256;
/// Bytes of our last DTLS flight (75 seen) as one datagram.
pub const FLIGHT_BYTES_MAX: usize = 128;
/// Bytes of our close_notify (39) as one datagram.
pub const CLOSE_NOTIFY_BYTES_MAX: usize = 64;
/// How often the stored flight is sent again.
pub const FLIGHT_RESENDS_MAX: u32 = 20;
/// The least time between two resends of the flight.
pub const FLIGHT_RESEND_US: u64 = 50_000;

/// A session that is silent for this long is ended.
pub const SESSION_SILENCE_US: u64 = 8_000_000;
/// The same after a DTLS alert or an ICMP error hinted at its end.
pub const SESSION_HINTED_SILENCE_US: u64 = 4_000_000;
/// A session without any SRTCP for this long after its handshake, while media is sent, is ended:
/// the browser never got our Finished.
pub const SESSION_FIRST_SRTCP_US: u64 = 15_000_000;
/// In a full table, a session that is silent for longer than this is evicted.
pub const SESSION_EVICTABLE_US: u64 = 3_000_000;
/// ICMP errors read from the media socket's queue per round; the rest is read in the next one.
pub const ICMP_ERRORS_PER_ITERATION: usize = 64;
/// How often a call of the media socket is retried while ICMP errors arrive, which a call may
/// return in place of its own result. A burst on another core lasts some 100 us, a call 1 us.
pub const ICMP_RETRIES_MAX: u32 = 64;
/// The same with no error in the queue, which may be a moment late or out of memory.
pub const ICMP_RETRIES_QUIET_MAX: u32 = 2;
/// As [`SESSION_EVICTABLE_US`], for a POST from the session's own address: a player that vanished
/// is back. Chromium is never silent for longer than 1.5 s.
pub const SESSION_OWN_EVICTABLE_US: u64 = 1_600_000;
/// Microseconds between two ICE restarts of a session; a sooner one gets 429 with Retry-After.
pub const SESSION_RESTART_US: u64 = 1_000_000;
/// Senders for whose SRTCP a session keeps a replay window.
pub const SRTCP_SENDERS_MAX: usize = 4;
/// Ended sessions that `/api/sessions` still shows.
pub const ENDED_SESSIONS_SHOWN: usize = 64;
/// STUN servers that players are told of.
pub const ICE_SERVERS_MAX: usize = 4;
/// Bytes of a STUN server's URI.
pub const ICE_SERVER_BYTES_MAX: usize = 128;
/// Addresses offered as candidates: those of this host, or those of `announce`.
pub const CANDIDATES_MAX: usize = 16;

/// Pairs of addresses (the browser's and ours) that the ICE agent of one handshake learns of. It
/// keeps a candidate and a pair for each, 1.4 KB. Four networks of a browser times four of ours
/// make 16. Checks of a further pair are dropped and counted, and the browser goes on with those
/// that are answered.
pub const HANDSHAKE_PAIRS_MAX: usize = 16;
/// Datagrams of one handshake that are passed to the control thread at once: a check for each pair,
/// and a DTLS flight. More are dropped and counted, so that one client cannot fill the queue.
pub const HANDSHAKE_DATAGRAMS_BURST: u32 = 24;
/// After those, one datagram passes per this time. Browsers send a check every 20 to 50 ms.
pub const HANDSHAKE_DATAGRAM_US: u64 = 10_000;
/// Addresses that the kernel cannot resolve, and that a second socket sends to. The kernel queues
/// up to 208 KB for each; twenty of them fill the media socket. When full, the one that would
/// expire first is removed, and the media socket sends to it again.
pub const APART_PEERS_MAX: usize = 64;
/// How long an address stays with the second socket after the kernel's last error about it. The
/// kernel tries to resolve a neighbour for 3 s before it reports one.
pub const APART_US: u64 = 60_000_000;
/// Bytes of the second socket's send buffer; packets that do not fit are lost. It is part of the
/// 8 MiB that the service's memory limit leaves for the kernel.
pub const APART_BUFFER_BYTES: usize = 256 * 1024;
/// Reports of one session that are parsed at once, and after them one per [`REPORT_US`]. Chromium
/// sends one with each list of missing packets, at most 50 per second, and one more for a gap it
/// has just seen. Further reports count only as a sign of life.
pub const REPORTS_BURST: u32 = 100;
/// See [`REPORTS_BURST`].
pub const REPORT_US: u64 = 5_000;
/// Bytes of a browser's ICE ufrag that are kept, to check by ICE whether the browser is at the
/// address that its reports come from. Browsers have 4 to 16 characters, and passwords of 22 to 32.
/// A browser with longer ones is not followed when it moves, and connects again.
pub const PEER_UFRAG_BYTES_MAX: usize = 16;
/// Bytes of its ICE password; see [`PEER_UFRAG_BYTES_MAX`].
pub const PEER_PASSWORD_BYTES_MAX: usize = 40;
/// Microseconds between two checks of whether a browser is at an address.
pub const PLACE_ASKED_US: u64 = 50_000;
/// How long a live session keeps the address that its media goes to after its last sign of life,
/// even if a check of another session comes from that address. Chromium is never silent for longer
/// than 1.5 s.
pub const SESSION_ADDRESS_KEPT_US: u64 = 4_000_000;

const _: () =
    assert!(HANDSHAKE_DATAGRAMS_BURST as usize > HANDSHAKE_PAIRS_MAX, "a check for each pair");
