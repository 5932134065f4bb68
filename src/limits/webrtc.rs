//! Offers, handshakes and sessions.

use super::KIB;

/// An SDP offer; it is kept while it is answered, and no longer.
pub const OFFER_BYTES_MAX: usize = 16 * KIB;
/// Media sections of an offer.
pub const OFFER_MEDIA_MAX: usize = 4;
/// The longest an offer waits for a camera that is on its way, then 409.
pub const CAMERA_START_WAIT_US: u64 = 2_000_000;
/// The longest an offer waits for a handshake slot, then 503.
pub const OFFER_WAIT_US: u64 = 5_000_000;
/// A handshake that saw no valid check for this long makes room for another address, which has fewer;
/// so does, in a full table of sessions, an offer that none came for.
pub const HANDSHAKE_QUIET_US: u64 = 500_000;
/// A handshake that goes on for this long, checks or not, makes room for another address, which has
/// fewer: a browser needs a tenth of it, and this is room for four repetitions of a lost flight.
pub const HANDSHAKE_SLOW_US: u64 = 1_000_000;
/// Without a valid check for this long its browser is gone, and it makes room for everybody; a busy
/// one, which asks 20 times a second, may stand still for a second or two.
pub const HANDSHAKE_GONE_US: u64 = 3_000_000;
/// An offer waits so long for its first check, the check for a slot, and the handshake, from then on,
/// to be done; then it is given up. The check waits longer while its browser repeats it.
pub const HANDSHAKE_US_MAX: u64 = 10_000_000;
/// How long a check waits for a slot at most: on a busy machine a page of 64 connections takes its time.
pub const HANDSHAKE_HELD_US_MAX: u64 = 60_000_000;
/// A connectivity check that is kept while there is no handshake slot; a user name of 513 bytes
/// (RFC 8445 section 5.3) and everything else that browsers send have room. A longer one is dropped.
pub const HANDSHAKE_CHECK_BYTES_MAX: usize = 768;
/// DTLS records a handshake holds before it can read them (the first of a flight was lost); one
/// more ends it. A browser's flight has 5; each costs about 5 KB while it is held.
pub const HANDSHAKE_RECORDS_HELD_MAX: usize = 16;
/// A browser's certificate message (300 bytes seen); a larger one is dropped unread.
pub const PEER_CERTIFICATE_BYTES_MAX: usize = 1900;
/// H.264 formats (packetization-mode 1) of an offer that are weighed; Chromium has 4 to 8.
pub const OFFER_H264_FORMATS_MAX: usize = 16;
/// An ICE ufrag or password, or a media section's name: longer ones are refused.
pub const OFFER_TOKEN_BYTES_MAX: usize = 256;
/// Our last DTLS flight (75 bytes seen) as one datagram.
pub const FLIGHT_BYTES_MAX: usize = 128;
/// Our close_notify (39 bytes) as one datagram.
pub const CLOSE_NOTIFY_BYTES_MAX: usize = 64;
/// Times the stored flight is sent again, and the least time between two.
pub const FLIGHT_RESENDS_MAX: u32 = 20;
/// See [`FLIGHT_RESENDS_MAX`].
pub const FLIGHT_RESEND_US: u64 = 50_000;

/// A session without a sign of life is gone after this.
pub const SESSION_SILENCE_US: u64 = 8_000_000;
/// The same once a DTLS alert or an ICMP error hinted at its end.
pub const SESSION_HINTED_SILENCE_US: u64 = 4_000_000;
/// No SRTCP at all this long after the hand-over, while media is sent: it never got our Finished.
pub const SESSION_FIRST_SRTCP_US: u64 = 15_000_000;
/// When the table is full, a session silent for longer than this makes room.
pub const SESSION_EVICTABLE_US: u64 = 3_000_000;
/// ICMP errors taken out of the media socket's queue in a turn; more wait for the next one.
pub const ICMP_ERRORS_PER_TURN: usize = 64;
/// How often a call of the media socket is made again while ICMP errors arrive, which it may meet
/// in place of its own result: a burst that another core takes in lasts some 100 us, a call 1 us.
pub const ICMP_RETRIES_MAX: u32 = 64;
/// The same with none in the queue, which may be a moment late or out of memory.
pub const ICMP_RETRIES_QUIET_MAX: u32 = 2;
/// The same when a POST comes from the session's own address: a player that vanished is back.
/// Chromium is never silent for longer than 1.5 s.
pub const SESSION_OWN_EVICTABLE_US: u64 = 1_600_000;
/// Between two ICE restarts of a session; a sooner one gets 429 with Retry-After.
pub const SESSION_RESTART_US: u64 = 1_000_000;
/// Senders whose SRTCP a session keeps a replay window for.
pub const SRTCP_SENDERS_MAX: usize = 4;
/// Ended sessions that `/api/sessions` still shows.
pub const ENDED_SESSIONS_SHOWN: usize = 64;
/// STUN servers that players are told of, and one's URI.
pub const ICE_SERVERS_MAX: usize = 4;
/// See [`ICE_SERVERS_MAX`].
pub const ICE_SERVER_BYTES_MAX: usize = 128;
/// Addresses offered as candidates: our own, or those of `announce`.
pub const CANDIDATES_MAX: usize = 16;

/// Pairs of addresses (the browser's and ours) that the ICE agent of one handshake is told of: it
/// keeps a candidate and a pair for each, 1.4 KB. Four networks of a browser times four of ours
/// make 16. The checks of a further pair are dropped and counted, and the browser goes on with
/// those that are answered.
pub const HANDSHAKE_PAIRS_MAX: usize = 16;
/// Datagrams of one handshake that go to the control thread at once: a check for each pair, and a
/// flight of DTLS. More are dropped and counted, so that nobody fills the queue for others.
pub const HANDSHAKE_DATAGRAMS_BURST: u32 = 24;
/// After those one goes on in so long a time. Browsers pace their checks by 20 to 50 ms.
pub const HANDSHAKE_DATAGRAM_US: u64 = 10_000;
/// Addresses that the kernel does not find, and that are sent to by the second socket. It keeps up
/// to 208 KB for each: twenty of them fill the media socket. In a full table the one that would be
/// over first makes room, and is sent to by the media socket again.
pub const APART_PEERS_MAX: usize = 64;
/// How long an address stays apart after the kernel's last error about it. The kernel asks for a
/// neighbour for 3 s before it reports one.
pub const APART_US: u64 = 60_000_000;
/// The second socket's send buffer: what does not fit is lost. It is part of the 8 MiB that the
/// service's memory limit leaves for the kernel.
pub const APART_BUFFER_BYTES: usize = 256 * 1024;
/// Reports of one session that are looked into at once, and then one in [`REPORT_US`]. Chromium
/// sends one with each list of missing packets, at most 50 a second, and one more for a gap it has
/// just seen. What comes beyond that is a sign of life and nothing more.
pub const REPORTS_BURST: u32 = 100;
/// See [`REPORTS_BURST`].
pub const REPORT_US: u64 = 5_000;
/// A browser's ICE ufrag and password, to ask it with whether it is where its reports come from:
/// browsers have 4 to 16 and 22 to 32 characters. One with longer ones is not followed when it
/// moves, and connects anew.
pub const PEER_UFRAG_BYTES_MAX: usize = 16;
/// See [`PEER_UFRAG_BYTES_MAX`].
pub const PEER_PASSWORD_BYTES_MAX: usize = 40;
/// Between two times that a browser is asked whether it is at an address.
pub const PLACE_ASKED_US: u64 = 50_000;
/// How long the address that a live session's media goes to stays with it after its last sign of
/// life, whatever another session's check says: Chromium is never silent for longer than 1.5 s.
pub const SESSION_ADDRESS_KEPT_US: u64 = 4_000_000;

const _: () =
    assert!(HANDSHAKE_DATAGRAMS_BURST as usize > HANDSHAKE_PAIRS_MAX, "a check for each pair");
