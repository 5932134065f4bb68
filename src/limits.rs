//! Every bound of weir. The memory profile sets the bounds that cost memory. It is a literal of
//! [`Profile`], chosen at build time by `WEIR_PROFILE`. The bounds that follow from it, and those
//! that protocols fix, are here and in the files below, by subject, each with its reason.
//! [`crate::plan`] adds them up.

mod access;
mod appliance;
mod config;
mod console;
mod diagnosis;
mod heap;
mod http;
mod init;
mod journal;
mod media;
mod onvif;
mod profiling;
mod rtsp;
mod selftest;
mod system;
mod verify;
mod webrtc;

pub use access::*;
pub use appliance::*;
pub use config::*;
pub use console::*;
pub use diagnosis::*;
pub use heap::*;
pub use http::*;
pub use init::*;
pub use journal::*;
pub use media::*;
pub use onvif::*;
pub use profiling::*;
pub use rtsp::*;
pub use selftest::*;
pub use system::*;
pub use verify::*;
pub use webrtc::*;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The bounds a binary is built with. Counts are items; sizes end in `_bytes`.
#[derive(Debug)]
pub struct Profile {
    /// The profile's name, as `WEIR_PROFILE` gives it.
    pub name: &'static str,
    /// Cameras in the configuration; `weir check` refuses more.
    pub cameras: usize,
    /// Cameras of them that are encrypted or tunnelled, each of which costs library heap; one more
    /// in the configuration is disabled.
    pub bridged_cameras: usize,
    /// Browser connections, in handshake or live; when full, a POST gets 503.
    pub sessions: usize,
    /// Streams being sent, over all sessions; when full, a POST gets 503.
    pub subscriptions: usize,
    /// Addresses a session may be checked from; a further one replaces the oldest.
    pub addresses_per_session: usize,
    /// `str0m` handshakes at once, each from its browser's first check on. When all slots are
    /// taken, further checks and offers wait.
    pub handshakes: usize,
    /// Offers waiting for a handshake slot; when full, an offer gets 503.
    pub offers_waiting: usize,
    /// Payload bytes of one history ring chunk.
    pub ring_chunk_bytes: usize,
    /// Chunks of all streams together: unsent packets, history, key frames, groups.
    pub ring_chunks: usize,
    /// Carry slots of 2 KiB for unfinished interleaved frames.
    pub carry_small: usize,
    /// Carry slots of 8 KiB.
    pub carry_medium: usize,
    /// Carry slots of 64 KiB.
    pub carry_large: usize,
    /// Packets from UDP cameras that may wait for an earlier one, of all cameras together.
    pub reorder_packets: usize,
    /// Bytes read from one camera's socket in one call.
    pub read_scratch_bytes: usize,
    /// Sealed bytes gathered before they are sent.
    pub batch_bytes: usize,
    /// Messages (GSO runs) gathered before they are sent.
    pub batch_messages: usize,
    /// Datagrams taken from the UDP socket by one call.
    pub udp_receive_datagrams: usize,
    /// Verified STUN and DTLS datagrams waiting for the control thread; more are dropped.
    pub handshake_datagrams: usize,
    /// Capacity of the command queue from control to media. The assert below proves that it is
    /// never full.
    pub commands: usize,
    /// HTTP connections; when full, the longest idle one is closed for the next.
    pub http_connections: usize,
    /// HTTP connections at once from one address.
    pub http_connections_per_address: usize,
    /// TLS handshakes at once; further ones wait, each holding its HTTP connection slot.
    pub tls_handshakes: usize,
    /// TLS connections at once in the middle of a record of more than 4 KiB, which take up to
    /// 48 KiB each. Further ones are not read meanwhile.
    pub tls_large_records: usize,
    /// HTTP request bodies being read at once.
    pub http_bodies: usize,
    /// The region behind the global allocator: handshakes, HTTP, configuration.
    pub library_heap_bytes: usize,
    /// Library heap of one HTTP connection with its TLS and its request; more ends it.
    pub http_connection_heap_bytes: usize,
    /// Further library heap of a TLS connection while it holds a permit for large records.
    pub tls_large_record_heap_bytes: usize,
    /// Further library heap of a request while its body is read.
    pub http_body_heap_bytes: usize,
    /// Library heap of one connection to the diagnostics port.
    pub diagnostics_connection_heap_bytes: usize,
    /// Library heap of one offer until its browser is connected or gone.
    pub offer_heap_bytes: usize,
    /// Library heap of one handshake slot.
    pub handshake_heap_bytes: usize,
    /// Library heap of dialling one camera, the lookup of its name included.
    pub camera_dial_heap_bytes: usize,
    /// Library heap of one encrypted or tunnelled camera: its TLS, and what is on its way.
    pub bridged_camera_heap_bytes: usize,
    /// Library heap of one console.
    pub console_heap_bytes: usize,
    /// Library heap charged to no account: the configuration in force, the runtime, logins, live
    /// sessions.
    pub shared_heap_bytes: usize,
    /// Library heap kept free. Below it nothing new is admitted, so that running work has room.
    pub heap_reserve_bytes: usize,
    /// Threads, each with one stack.
    pub threads: usize,
    /// Stack of each thread.
    pub stack_bytes: usize,
    /// The program's own pages after everything has run once: measured, not computed.
    pub program_bytes: usize,
    /// `SO_SNDBUF` and `SO_RCVBUF` of the media socket; kernel memory, outside the total.
    pub udp_socket_buffer_bytes: usize,
    /// `SO_RCVBUF` of a UDP camera's socket, which has to hold what comes while the camera is not
    /// read; kernel memory, outside the total. The kernel takes twice this.
    pub camera_datagram_buffer_bytes: usize,
    /// The bound of the whole plan: a profile whose plan exceeds it does not compile.
    pub total_bytes: usize,
}

/// The profile this binary was built with.
pub const PROFILE: Profile =
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/memory-profiles/", env!("WEIR_PROFILE"), ".rs"));

/// Cameras, and so streams.
pub const CAMERAS_MAX: usize = PROFILE.cameras;
/// Sessions, in handshake or live.
pub const SESSIONS_MAX: usize = PROFILE.sessions;
/// Subscriptions over all sessions.
pub const SUBSCRIPTIONS_MAX: usize = PROFILE.subscriptions;
/// Addresses known to the demux: a power of two, as heapless maps need it.
pub const ADDRESSES_MAX: usize =
    (PROFILE.sessions * PROFILE.addresses_per_session).next_power_of_two();
/// Queued commands from which on offers and ICE restarts are refused. The rest of the queue is for
/// each session to go live and end, for each camera to play and stop, and for the shutdown.
pub const COMMANDS_BEHIND: usize = PROFILE.commands - 3 * PROFILE.sessions - 2 * PROFILE.cameras;

const _: () = {
    let p = &PROFILE;
    assert!(p.cameras > 0 && p.cameras <= u16::MAX as usize);
    assert!(p.bridged_cameras <= p.cameras);
    assert!(p.sessions > 0 && p.sessions <= u16::MAX as usize, "a ufrag has 4 hex digits of index");
    assert!(p.subscriptions >= p.sessions, "every session has at least one subscription");
    assert!(p.handshakes <= p.sessions, "a handshake holds a session's slot");
    assert!(CHUNKS_MAX <= u16::MAX as usize, "chunk numbers are u16");
    assert!(p.ring_chunk_bytes <= u16::MAX as usize + 1, "offsets in a chunk are u16");
    assert!(p.ring_chunk_bytes >= 4 * PAYLOAD_BYTES_MAX);
    assert!(p.batch_bytes >= GSO_SEGMENTS_MAX * PACKET_BYTES_MAX, "one full GSO run must fit");
    // Below COMMANDS_BEHIND an offer may add two (it ends one session and expects another). Above,
    // each session goes live and ends, each camera plays and stops, and there is the shutdown.
    assert!(3 * p.sessions > 2 * p.sessions + 2, "the command queue must never be full");
    assert!(p.commands > 4 * p.sessions + 2 * p.cameras, "each session may be offered again");
    assert!(p.http_connections_per_address <= p.http_connections);
    assert!(CONFIG_HEAP_BYTES_MAX <= p.library_heap_bytes / 2, "any file can be read at start");
    assert!(
        CONFIG_HEAP_BYTES_MAX + p.shared_heap_bytes + p.heap_reserve_bytes <= p.library_heap_bytes,
        "any file can be read again"
    );
    assert!(HEAP_PROBE_BYTES <= p.heap_reserve_bytes, "the reserve has such a block when unbroken");
    assert!(p.tls_large_records > 0);
    assert!(p.tls_handshakes > 0 && p.tls_handshakes <= p.http_connections);
};
