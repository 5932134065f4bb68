//! Every bound of weir. The memory profile, a literal of one struct chosen at build time by
//! `WEIR_PROFILE`, states those that cost memory; what follows from them, and the few that
//! protocols fix, stands here with its reason. What they add up to is [`crate::plan`].

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The bounds a binary is built with. Counts are items; sizes end in `_bytes`.
#[derive(Debug)]
pub struct Profile {
    /// The profile's name, as `WEIR_PROFILE` gives it.
    pub name: &'static str,
    /// Cameras in the configuration; one more is refused by `weir check`.
    pub cameras: usize,
    /// Browser connections, in handshake or live; the next POST gets 503.
    pub sessions: usize,
    /// Streams being sent, over all sessions; the next POST gets 503.
    pub subscriptions: usize,
    /// Addresses a session may be checked from; a further one takes the oldest's place.
    pub addresses_per_session: usize,
    /// `str0m` handshakes at once, each from its browser's first check on; further checks and
    /// offers wait.
    pub handshakes: usize,
    /// Offers waiting for a handshake slot; one more gets 503.
    pub offers_waiting: usize,
    /// Payload bytes of one history ring chunk.
    pub ring_chunk_bytes: usize,
    /// Chunks a stream always has.
    pub ring_floor_chunks: usize,
    /// Chunks shared by the streams whose newest IDR needs them.
    pub ring_shared_chunks: usize,
    /// Carry slots of 2 KiB for unfinished interleaved frames.
    pub carry_small: usize,
    /// Carry slots of 8 KiB.
    pub carry_medium: usize,
    /// Carry slots of 64 KiB.
    pub carry_large: usize,
    /// Bytes read from one camera's socket in a turn.
    pub read_scratch_bytes: usize,
    /// Sealed bytes gathered before they are sent.
    pub batch_bytes: usize,
    /// Messages (GSO runs) gathered before they are sent.
    pub batch_messages: usize,
    /// Datagrams taken from the UDP socket by one call.
    pub udp_receive_datagrams: usize,
    /// Verified STUN and DTLS datagrams waiting for the control thread; more are dropped.
    pub handshake_datagrams: usize,
    /// Commands under way from control to media: a proof, so never full (see the assert below).
    pub commands: usize,
    /// HTTP connections; the longest idle is closed for the next one.
    pub http_connections: usize,
    /// HTTP connections from one address.
    pub http_connections_per_address: usize,
    /// TLS handshakes at once; further ones wait in their HTTP connection's place.
    pub tls_handshakes: usize,
    /// TLS connections that are in the middle of a record of more than 4 KiB, which take up to
    /// 48 KiB each; further ones are not read meanwhile.
    pub tls_large_records: usize,
    /// HTTP request bodies being read at once.
    pub http_bodies: usize,
    /// The region behind the global allocator: handshakes, HTTP, configuration.
    pub library_heap_bytes: usize,
    /// Threads, each with one stack.
    pub threads: usize,
    /// Stack of a thread.
    pub stack_bytes: usize,
    /// The program's own pages once everything has run: measured, not computed.
    pub program_bytes: usize,
    /// `SO_SNDBUF` and `SO_RCVBUF` of the media socket; kernel memory, outside the total.
    pub udp_socket_buffer_bytes: usize,
    /// What the sum of the plan may never pass.
    pub total_bytes: usize,
}

/// The profile this binary was built with.
pub const PROFILE: Profile =
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/memory-profiles/", env!("WEIR_PROFILE"), ".rs"));

/// Cameras, and with them streams.
pub const CAMERAS_MAX: usize = PROFILE.cameras;
/// Sessions, in handshake or live.
pub const SESSIONS_MAX: usize = PROFILE.sessions;
/// Subscriptions over all sessions.
pub const SUBSCRIPTIONS_MAX: usize = PROFILE.subscriptions;
/// Addresses known to the demux: a power of two, as heapless maps want it.
pub const ADDRESSES_MAX: usize =
    (PROFILE.sessions * PROFILE.addresses_per_session).next_power_of_two();

/// Packets one ring chunk describes: 16 KiB of 1200-byte payloads are 13, small ones more.
pub const CHUNK_PACKETS_MAX: usize = 64;
/// Commands under way above which offers are refused: each session that there is may still be told
/// that it lives and that it ends, and each camera to play and to stop.
pub const COMMANDS_BEHIND: usize = PROFILE.commands - 3 * PROFILE.sessions - 2 * PROFILE.cameras;
/// Ring chunks of all streams: floors and the shared remainder.
pub const CHUNKS_MAX: usize =
    PROFILE.cameras * PROFILE.ring_floor_chunks + PROFILE.ring_shared_chunks;

/// RTP payload bytes by default, FU header included, header extension and tag not. A path behind
/// the interface that takes no IPv6 packets of 1284 bytes needs less: no path MTU is learnt.
pub const PAYLOAD_BYTES_DEFAULT: usize = 1200;
/// The largest a configuration may ask for: 1400 + 12 + 8 + 16 fits an Ethernet frame with IPv4.
pub const PAYLOAD_BYTES_MAX: usize = 1400;
/// The smallest: below this headers cost more than they carry.
pub const PAYLOAD_BYTES_MIN: usize = 500;
/// RTP header (12), playout-delay extension (8) and GCM tag (16) around a payload.
pub const RTP_OVERHEAD_BYTES: usize = 12 + 8 + 16;
/// A sealed packet.
pub const PACKET_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + RTP_OVERHEAD_BYTES;
/// Segments of one GSO message: 64 is what every kernel with UDP GSO takes.
pub const GSO_SEGMENTS_MAX: usize = 64;
/// Bytes of one GSO message: an IPv4 datagram less its headers.
pub const GSO_BYTES_MAX: usize = 65_507;
/// A datagram we read: what fits an Ethernet frame; longer ones are truncated and dropped.
pub const DATAGRAM_BYTES_MAX: usize = 1500;

/// Carry slot sizes. An interleaved frame is at most 4 + 65 535 bytes.
pub const CARRY_SMALL_BYTES: usize = 2 * KIB;
/// See [`CARRY_SMALL_BYTES`].
pub const CARRY_MEDIUM_BYTES: usize = 8 * KIB;
/// See [`CARRY_SMALL_BYTES`].
pub const CARRY_LARGE_BYTES: usize = 64 * KIB + 4;

/// Cameras dialled at once; the others wait their turn.
pub const CAMERAS_DIALLED_MAX: usize = 8;
/// From the connection's begin to SETUP's answer.
pub const CAMERA_DIAL_MS_MAX: u64 = 10_000;
/// Before the second try; doubled for each further one.
pub const CAMERA_RETRY_MS_MIN: u64 = 1_000;
/// The longest between two tries, and what a camera that needs a person gets.
pub const CAMERA_RETRY_MS_MAX: u64 = 60_000;
/// A camera that played this long is dialled again as if for the first time.
pub const CAMERA_SETTLED_US: u64 = 10_000_000;

/// What is read of `/etc/passwd` and of `/etc/group`.
pub const USER_DATABASE_BYTES_MAX: u64 = 256 * KIB as u64;
/// Groups that a user's membership is kept in.
pub const USER_GROUPS_MAX: usize = 32;

/// Addresses that are tried of a camera's name.
pub const NAME_ADDRESSES_MAX: usize = 4;
/// DNS servers that are asked, and domains that a name is looked for in (resolv.conf(5)).
pub const NAME_SERVERS_MAX: usize = 3;
/// See [`NAME_SERVERS_MAX`].
pub const NAME_DOMAINS_MAX: usize = 6;
/// What is read of `/etc/hosts` and of `/etc/resolv.conf`.
pub const HOSTS_BYTES_MAX: u64 = 16 * KIB as u64;

/// An RTSP message head, and the body of a DESCRIBE answer (Hikvision's largest is 1.5 KiB).
pub const RTSP_HEAD_BYTES_MAX: usize = 8 * KIB;
/// See [`RTSP_HEAD_BYTES_MAX`].
pub const RTSP_BODY_BYTES_MAX: usize = 16 * KIB;
/// A camera's URL, and any URL it names itself; ONVIF profiles with tokens reach 250. Longer: the
/// dialog fails, naming both figures.
pub const RTSP_URL_BYTES_MAX: usize = 512;
/// A session id; 32 is the longest seen. Longer: the dialog fails.
pub const RTSP_SESSION_ID_BYTES_MAX: usize = 128;
/// A user's name, and a password.
pub const RTSP_CREDENTIAL_BYTES_MAX: usize = 64;
/// The nonce of a Digest challenge. Longer: the challenge counts as not understood.
pub const RTSP_NONCE_BYTES_MAX: usize = 256;
/// Its realm, and its opaque.
pub const RTSP_REALM_BYTES_MAX: usize = 128;
/// Requests waiting to be written to a camera. The largest, a signed PLAY, has two URLs, a
/// session id, nonce, realm, opaque, user and 450 bytes of everything else.
pub const RTSP_TRANSMIT_BYTES_MAX: usize = 2304;
/// One read while a camera is dialled: what comes behind the last SETUP answer with it is handed
/// from dialog to session.
pub const RTSP_EARLY_BYTES_MAX: usize = 4 * KIB;
/// Redirects followed for one dialog.
pub const RTSP_REDIRECTS_MAX: u32 = 3;
/// PPS taken from an SDP; two are the most seen.
pub const RTSP_SDP_PPS_MAX: usize = 4;
/// Between receiver reports to a camera; Arlo stops without one every 5 s.
pub const RTSP_REPORT_INTERVAL_US: u64 = 5_000_000;
/// A camera silent for this long gets a keepalive at once.
pub const RTSP_PROBE_US: u64 = 5_000_000;
/// A camera silent for this long is given up; a PLAY unanswered for this long as well.
pub const RTSP_SILENCE_US_MAX: u64 = 10_000_000;
/// Between key frame requests to a camera; more are dropped.
pub const RTSP_KEY_FRAME_INTERVAL_US: u64 = 1_000_000;
/// An SPS or PPS: the largest seen in the field is 64 bytes.
pub const PARAMETER_SET_BYTES_MAX: usize = 256;
/// Access units watched before a stream's marker habit is latched and viewers are let in.
pub const MARKER_PROBE_ACCESS_UNITS: u32 = 8;
/// How long a stream may keep shared chunks for its newest IDR, or for packets that a viewer who
/// is behind has yet to get.
pub const IDR_HOLD_US: u64 = 250_000;
/// Chunks one stream can hold: its floor and the whole shared remainder.
pub const RING_CHUNKS_MAX: usize = PROFILE.ring_floor_chunks + PROFILE.ring_shared_chunks;
/// SPS a stream remembers; one with a further id takes the oldest's place. Cameras send one.
pub const SPS_MAX: usize = 2;
/// PPS a stream remembers, in the same way; two were seen. 256 bytes each, as an SPS.
pub const PPS_MAX: usize = 4;
/// RTP video clock (RFC 6184 section 8.2.1).
pub const VIDEO_CLOCK_HZ: u32 = 90_000;
/// A camera's timestamp further than this from the last one is a jump, and replaced.
pub const TIMESTAMP_JUMP_S: u32 = 5;
/// A step back of less than this is a B-frame's; a longer one is a jump.
pub const TIMESTAMP_BACK_S: u32 = 1;
/// Jumps in a row after which the camera's new timeline is adopted.
pub const TIMESTAMP_JUMPS_MAX: u8 = 3;
/// How far media time may fall behind arrival before it is brought forward.
pub const TIMESTAMP_DRIFT_MS_MAX: u64 = 250;
/// The least time between frames over a gap that we stamp ourselves: 30 frames a second.
pub const TIMESTAMP_STEP_MIN: u32 = VIDEO_CLOCK_HZ / 30;

/// Segments a subscription may send at once, and then again each millisecond.
pub const PACING_SEGMENTS_PER_MS: u32 = 64;
/// Resends a second every subscription may ask for; 10 % of its bytes where that is more.
pub const RESEND_PACKETS_PER_S: u32 = 32;
/// Between sender reports of one subscription.
pub const SENDER_REPORT_INTERVAL_US: u64 = 3_000_000;

/// An SDP offer; `str0m` needs about 12.5 times its bytes to answer it.
pub const OFFER_BYTES_MAX: usize = 16 * KIB;
/// Media sections of an offer.
pub const OFFER_MEDIA_MAX: usize = 4;
/// Candidates of an offer.
pub const OFFER_CANDIDATES_MAX: usize = 32;
/// The longest an offer waits for a handshake slot, then 503.
pub const OFFER_WAIT_US: u64 = 5_000_000;
/// A handshake that saw no valid check for this long makes room when others wait; so does, in a
/// full table of sessions, an offer that none came for.
pub const HANDSHAKE_QUIET_US: u64 = 500_000;
/// A handshake that goes on for this long, checks or not, makes room when others wait: a browser
/// needs a tenth of it, and this is room for four repetitions of a lost flight.
pub const HANDSHAKE_SLOW_US: u64 = 1_000_000;
/// A handshake that is not connected by then is given up.
pub const HANDSHAKE_US_MAX: u64 = 10_000_000;
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

/// An HTTP request head, and the time it may take.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 * KIB;
/// See [`HTTP_HEAD_BYTES_MAX`].
pub const HTTP_HEAD_MS_MAX: u64 = 5_000;
/// A request body; the largest is an offer.
pub const HTTP_BODY_BYTES_MAX: usize = OFFER_BYTES_MAX;
/// An HTTP connection idle for this long makes room for the next one when all are taken.
pub const HTTP_EVICTABLE_US: u64 = 100_000;
/// HTTP connections over the bound that are being told so; one more is closed without a word.
pub const HTTP_REFUSALS_MAX: usize = 8;
/// How long each of them may take to hear it.
pub const HTTP_REFUSAL_MS_MAX: u64 = 500;
/// How long an idle HTTP connection is kept.
pub const HTTP_KEEP_ALIVE_MS: u64 = 5_000;
/// The time a request body may take, and how long a request waits for one of the body buffers
/// before it gets 503: 64 offers that come at once are read one after the other in milliseconds.
pub const HTTP_BODY_MS_MAX: u64 = 2_000;
/// A request body that took this long makes room when others wait for its buffer.
pub const HTTP_BODY_QUIET_MS: u64 = 250;
/// Connections to the diagnostics port: a scraper, a person, and one of each to spare.
pub const DIAGNOSTICS_CONNECTIONS_MAX: usize = 4;

/// A TLS handshake, from the connection's begin.
pub const TLS_HANDSHAKE_MS_MAX: u64 = 5_000;
/// A handshake that has had its turn this long makes room when others wait: on a LAN it takes
/// some 10 ms, on a phone's sleepy Wi-Fi 200.
pub const TLS_TURN_MS: u64 = 250;
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
/// Warnings and errors that `/api/status` shows, each text once.
pub const EVENTS_KEPT: usize = 64;
/// A text of those; longer ones are cut.
pub const EVENT_BYTES_MAX: usize = 160;
/// Lines of the log that a console can be shown: 11 KiB.
pub const LOG_LINES_KEPT: usize = 64;
/// Lines of one text that the log takes at once, and then one in so long a time.
pub const LOG_TEXT_LINES: u64 = 4;
/// See [`LOG_TEXT_LINES`].
pub const LOG_TEXT_US: u64 = 60_000_000;
/// Lines from one place in the program, whatever their text: each camera may say two things.
pub const LOG_SITE_LINES: u64 = 2 * PROFILE.cameras as u64 + 64;
/// See [`LOG_SITE_LINES`].
pub const LOG_SITE_US: u64 = 2_000_000;
/// Places and texts whose lines are counted; one more takes the place of the quietest.
pub const LOG_SITES_MAX: usize = 64;
/// See [`LOG_SITES_MAX`].
pub const LOG_TEXTS_MAX: usize = 256;
/// `[[user]]` and `[[token]]` sections, of each; further ones are disabled, with a warning.
pub const USERS_MAX: usize = 32;
/// See [`USERS_MAX`].
pub const TOKENS_MAX: usize = 32;
/// The name of a user or of a token.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 64;
/// A user's password; `weir password` refuses shorter and longer ones.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// See [`PASSWORD_BYTES_MIN`].
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Rounds of PBKDF2-HMAC-SHA256: what OWASP asks for, 0.2 s of a desktop's core and 1 s of a small
/// box's. A hash with fewer is refused.
pub const PASSWORD_ROUNDS_MIN: u32 = 600_000;
/// More would keep everybody waiting for one.
pub const PASSWORD_ROUNDS_MAX: u32 = 10_000_000;
/// Salt of a password's hash: made with so many bytes, read from 16 to so many.
pub const PASSWORD_SALT_BYTES_MAX: usize = 64;
/// Passwords waiting for their hash or in it, one at a time; one more gets 503.
pub const PASSWORDS_WAITING_MAX: usize = 8;
/// The stack of the thread that hashes: ring needs 2 KiB, the C library's start 16.
pub const PASSWORD_STACK_BYTES: usize = 64 * KIB;
/// A token as a request has it; `weir token` makes 43 characters.
pub const TOKEN_BYTES_MAX: usize = 256;
/// Credentials known to be right, so that a wall of pages is hashed once; the oldest makes room.
pub const CREDENTIALS_REMEMBERED_MAX: usize = 64;
/// How long they are known.
pub const CREDENTIALS_REMEMBERED_US: u64 = 600_000_000;
/// Browsers logged in; the oldest makes room. 90 bytes each in `weir-logins`.
pub const LOGINS_MAX: usize = 64;
/// How long a login lasts, unless `login_hours` says otherwise: 30 days.
pub const LOGIN_HOURS_DEFAULT: usize = 720;
/// A year.
pub const LOGIN_HOURS_MAX: usize = 8760;
/// What is read of `weir-logins`: a line for each login, twice over.
pub const LOGINS_FILE_BYTES_MAX: usize = LOGINS_MAX * 256;
/// The form of the login page.
pub const LOGIN_FORM_BYTES_MAX: usize = 4 * KIB;
/// Addresses whose failed logins are counted; one more takes the place of the one least locked
/// out, and has one free try instead of [`FAILURES_FREE`].
pub const FAILURE_ADDRESSES_MAX: usize = 64;
/// Failed logins of an address before it has to wait.
pub const FAILURES_FREE: u32 = 5;
/// The wait after that; doubled for each further failure.
pub const FAILURE_WAIT_US_MIN: u64 = 10_000_000;
/// The longest wait.
pub const FAILURE_WAIT_US_MAX: u64 = 900_000_000;
/// An address without a failure for so long has none.
pub const FAILURES_FORGOTTEN_US: u64 = 3_600_000_000;
/// `names` and `origins` in `[http]`, of each.
pub const HTTP_NAMES_MAX: usize = 16;
/// One of them: what DNS allows (RFC 1035 section 2.3.4), with scheme and port around it.
pub const HTTP_NAME_BYTES_MAX: usize = 255 + 16;

/// Network interfaces that `/api/status` and the console show, and addresses of each.
pub const LINKS_MAX: usize = 16;
/// What is read of a table in `/proc/self/net`.
pub const NET_FILE_BYTES_MAX: u64 = 64 * KIB as u64;
/// Consoles at once: one by a serial cable, the others by the socket in the state folder; one more
/// is told so and closed.
pub const CONSOLES_MAX: usize = 3;
/// A line typed at a console; the longest, that adds a camera, has a name and a URL.
pub const CONSOLE_LINE_BYTES_MAX: usize = 512;
/// Lines of before that a console keeps; the oldest makes room. 8 KiB each console.
pub const CONSOLE_HISTORY_LINES: usize = 16;
/// Bytes waiting to be sent to a console, 0.7 s of a cable of 115200 baud; a line without room is
/// left out as a whole, and counted.
pub const CONSOLE_OUTPUT_BYTES: usize = 8 * KIB;
/// Bytes typed while a command answers, for after it; more are not taken.
pub const CONSOLE_TYPED_AHEAD_BYTES: usize = 256;
/// What `weir console` sends first: its words, or that it wants to be a terminal.
pub const CONSOLE_REQUEST_BYTES_MAX: usize = 2 * KIB;
/// How long `weir console` may take to say what it wants, and to take each piece of the answer.
pub const CONSOLE_REQUEST_MS_MAX: u64 = 10_000;
/// How often a console that follows the log looks for new lines.
pub const CONSOLE_FOLLOW_MS: u64 = 200;
/// Between two tries to open a serial device that is not there.
pub const CONSOLE_REOPEN_MS: u64 = 2_000;
/// Speeds of a serial line; a number in between is the operator's affair.
pub const CONSOLE_BAUD_MIN: usize = 1_200;
/// See [`CONSOLE_BAUD_MIN`].
pub const CONSOLE_BAUD_MAX: usize = 4_000_000;
/// What the board's serial line is set to where weir is built for one (`scripts/build --board`), else
/// what most are.
pub const CONSOLE_BAUD_DEFAULT: u32 = match option_env!("WEIR_SERIAL_BAUD") {
    None => 115_200,
    Some(baud) => match u32::from_str_radix(baud, 10) {
        Ok(baud) => baud,
        Err(_) => panic!("WEIR_SERIAL_BAUD is no number"),
    },
};
const _: () = assert!(
    CONSOLE_BAUD_DEFAULT as usize >= CONSOLE_BAUD_MIN
        && CONSOLE_BAUD_DEFAULT as usize <= CONSOLE_BAUD_MAX,
    "WEIR_SERIAL_BAUD is no speed of a serial line"
);
/// What a terminal shows.
pub const CONSOLE_COLUMNS: usize = 80;
/// See [`CONSOLE_COLUMNS`].
pub const CONSOLE_ROWS: usize = 24;
/// Nothing typed for this long logs out from a cable, which does not say that it was pulled.
pub const CONSOLE_IDLE_US_MAX: u64 = 1_800_000_000;
/// Wrong passwords at a console before one has to wait.
pub const CONSOLE_FAILURES_FREE: u32 = 3;
/// The wait after that; doubled for each further one.
pub const CONSOLE_WAIT_US_MIN: u64 = 10_000_000;
/// The longest: who stands before the box with the right password has come a long way.
pub const CONSOLE_WAIT_US_MAX: u64 = 300_000_000;

/// A camera's name.
pub const CAMERA_NAME_BYTES_MAX: usize = 64;
/// A camera's URL; the longest seen in the field is 180 bytes.
pub const CAMERA_URL_BYTES_MAX: usize = 1024;
/// A camera's user or password, and what is read of a `password_file`.
pub const CAMERA_SECRET_BYTES_MAX: usize = 256;
/// `weir.toml`: 500 bytes for every camera, and 16 KiB for all the rest.
pub const CONFIG_BYTES_MAX: usize = 16 * KIB + 512 * PROFILE.cameras;
/// Its TOML tokens: a line `key = "value"` has six, so a camera may have 16 lines. What a file
/// costs while it is read goes by its tokens as well as by its bytes.
pub const CONFIG_TOKENS_MAX: usize = 1024 + 96 * PROFILE.cameras;
/// Library heap for each byte of a file while it is read: the parser makes room for as many tokens.
pub const CONFIG_HEAP_BYTES_PER_BYTE: usize = 25;
/// Library heap for each token, or what becomes of it, at worst.
pub const CONFIG_HEAP_BYTES_PER_TOKEN: usize = 100;
/// Library heap while the largest file is read.
pub const CONFIG_HEAP_BYTES_MAX: usize =
    CONFIG_HEAP_BYTES_PER_BYTE * CONFIG_BYTES_MAX + CONFIG_HEAP_BYTES_PER_TOKEN * CONFIG_TOKENS_MAX;
/// How much more it takes to change a file than to read it: each token has what is around it.
pub const CONFIG_EDIT_HEAP_FACTOR: usize = 3;
/// A file that `weir import` reads: mediamtx's own example has 33 KiB.
pub const IMPORT_BYTES_MAX: usize = 256 * KIB;
/// Values and keys in it, with what aliases repeat: 100 bytes of the library heap each, of which
/// this command has all.
pub const IMPORT_NODES_MAX: usize = 8192;
/// Mistakes in a file that are named one by one, and characters of each.
pub const CONFIG_PROBLEMS_MAX: usize = 128;
/// See [`CONFIG_PROBLEMS_MAX`].
pub const CONFIG_PROBLEM_CHARS_MAX: usize = 240;
/// Mistakes of the configuration that an answer of the API has.
pub const CONFIG_PROBLEMS_SHOWN: usize = 16;
/// Viewers of the demo camera's RTSP server; weir itself is one.
pub const DEMO_CONNECTIONS_MAX: usize = 4;
/// STUN servers that players are told of, and one's URI.
pub const ICE_SERVERS_MAX: usize = 4;
/// See [`ICE_SERVERS_MAX`].
pub const ICE_SERVER_BYTES_MAX: usize = 128;
/// Addresses offered as candidates: our own, or those of `announce`.
pub const CANDIDATES_MAX: usize = 16;

const _: () = {
    let p = &PROFILE;
    assert!(p.cameras > 0 && p.cameras <= u16::MAX as usize);
    assert!(p.sessions > 0 && p.sessions <= u16::MAX as usize, "a ufrag has 4 hex digits of index");
    assert!(p.subscriptions >= p.sessions, "every session has at least one subscription");
    assert!(p.handshakes <= p.sessions, "a handshake holds a session's slot");
    assert!(p.ring_floor_chunks >= 2, "a ring turns over at least two chunks");
    assert!(CHUNKS_MAX <= u16::MAX as usize, "chunk numbers are u16");
    assert!(p.ring_chunk_bytes <= u16::MAX as usize + 1, "offsets in a chunk are u16");
    assert!(p.ring_chunk_bytes >= 8 * PAYLOAD_BYTES_MAX);
    assert!(p.batch_bytes >= GSO_SEGMENTS_MAX * PACKET_BYTES_MAX, "one full GSO run must fit");
    // Each session: expect, live, restart, end; each camera: play, stop; and the shutdown.
    assert!(p.commands > 4 * p.sessions + 2 * p.cameras, "the command queue must never be full");
    assert!(p.http_connections_per_address <= p.http_connections);
    assert!(CONFIG_HEAP_BYTES_MAX <= p.library_heap_bytes / 2, "any file can be read at start");
    assert!(p.tls_large_records > 0);
    assert!(p.tls_handshakes > 0 && p.tls_handshakes <= p.http_connections);
};
