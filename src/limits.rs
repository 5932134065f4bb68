//! Every bound of weir. The memory profile, a literal of one struct chosen at build time by
//! `WEIR_PROFILE`, states those that cost memory; what follows from them, and the few that
//! protocols fix, stands here and in the files below, by noun, with its reason. What they add up
//! to is [`crate::plan`].

mod access;
mod config;
mod console;
mod heap;
mod http;
mod journal;
mod media;
mod rtsp;
mod system;
mod webrtc;

pub use access::*;
pub use config::*;
pub use console::*;
pub use heap::*;
pub use http::*;
pub use journal::*;
pub use media::*;
pub use rtsp::*;
pub use system::*;
pub use webrtc::*;

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
    /// Chunks of all streams: what viewers have yet to get, history, key frames, groups.
    pub ring_chunks: usize,
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
    /// Of it, what an HTTP connection may hold with its TLS and the request it is at; more ends it.
    pub http_connection_heap_bytes: usize,
    /// What a TLS connection may hold besides while it has a place for large records.
    pub tls_large_record_heap_bytes: usize,
    /// What a request may hold besides while its body is read.
    pub http_body_heap_bytes: usize,
    /// What a connection to the diagnostics port may hold.
    pub diagnostics_connection_heap_bytes: usize,
    /// What an offer may hold until its browser is connected or gone.
    pub offer_heap_bytes: usize,
    /// What a handshake slot may hold.
    pub handshake_heap_bytes: usize,
    /// What dialling a camera may hold, the lookup of its name included.
    pub camera_dial_heap_bytes: usize,
    /// What a console may hold.
    pub console_heap_bytes: usize,
    /// What is nobody's own: the configuration in force, the runtime, logins, sessions that live.
    pub shared_heap_bytes: usize,
    /// Kept free: below it nothing new is admitted, so that what is under way has room.
    pub heap_reserve_bytes: usize,
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
/// Commands under way above which offers and ICE restarts are refused: what is left is for each
/// session to live and to end, for each camera to play and to stop, and for the shutdown.
pub const COMMANDS_BEHIND: usize = PROFILE.commands - 3 * PROFILE.sessions - 2 * PROFILE.cameras;

const _: () = {
    let p = &PROFILE;
    assert!(p.cameras > 0 && p.cameras <= u16::MAX as usize);
    assert!(p.sessions > 0 && p.sessions <= u16::MAX as usize, "a ufrag has 4 hex digits of index");
    assert!(p.subscriptions >= p.sessions, "every session has at least one subscription");
    assert!(p.handshakes <= p.sessions, "a handshake holds a session's slot");
    assert!(CHUNKS_MAX <= u16::MAX as usize, "chunk numbers are u16");
    assert!(p.ring_chunk_bytes <= u16::MAX as usize + 1, "offsets in a chunk are u16");
    assert!(p.ring_chunk_bytes >= 4 * PAYLOAD_BYTES_MAX);
    assert!(p.batch_bytes >= GSO_SEGMENTS_MAX * PACKET_BYTES_MAX, "one full GSO run must fit");
    // Below COMMANDS_BEHIND an offer may add two (it ends one session and expects another). From
    // there on: each session lives and ends, each camera plays and stops, and the shutdown.
    assert!(3 * p.sessions > 2 * p.sessions + 2, "the command queue must never be full");
    assert!(p.commands > 4 * p.sessions + 2 * p.cameras, "each session may be offered anew");
    assert!(p.http_connections_per_address <= p.http_connections);
    assert!(CONFIG_HEAP_BYTES_MAX <= p.library_heap_bytes / 2, "any file can be read at start");
    assert!(
        CONFIG_HEAP_BYTES_MAX + p.shared_heap_bytes + p.heap_reserve_bytes <= p.library_heap_bytes,
        "any file can be read anew"
    );
    assert!(HEAP_PROBE_BYTES <= p.heap_reserve_bytes, "the reserve has such a block when unbroken");
    assert!(p.tls_large_records > 0);
    assert!(p.tls_handshakes > 0 && p.tls_handshakes <= p.http_connections);
};
