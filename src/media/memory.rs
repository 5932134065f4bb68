//! The media thread's arena: all the memory that it uses, in one static.

use crate::egress::batch::Batch;
use crate::history::Chunks;
use crate::limits::{CAMERAS_MAX, PROFILE};
use crate::mem::arena::Arena;
use crate::mem::pool::{CarryPool, ReorderPool};
use crate::net::udp::Inbox;
use crate::stream::store::GivenUp;
use crate::stream::{Sound, Stream};
use crate::webrtc::demux::Demux;

use super::cameras::Cameras;
use super::sessions::SessionSlots;
use super::subscribers::Subscribers;

/// The media thread's memory. `weir memory` lists the fields one by one.
///
/// It lies in huge pages, except for up to 2 MiB at each end that fill no whole one. So the fields
/// come in this order: what a frame seldom touches, what each frame touches in many places, and the
/// chunks, of which it touches one or two.
#[repr(C)]
pub struct Memory {
    /// Buffers for unfinished interleaved RTSP frames.
    pub carry: CarryPool,
    /// Each camera slot's sound.
    pub sounds: [Sound; CAMERAS_MAX],
    /// Packets of UDP cameras that wait for an earlier one.
    pub reorder: ReorderPool,
    /// Which session slot a remote address belongs to.
    pub demux: Demux,
    /// The buffers for one receive on the media socket.
    pub inbox: Inbox,
    /// The buffer for one read of a camera.
    pub read_scratch: [u8; PROFILE.read_scratch_bytes],
    /// Packets that are sealed and not yet sent.
    pub batch: Batch,
    /// All camera connections, by slot.
    pub cameras: Cameras,
    /// Each camera slot's stream.
    pub streams: [Stream; CAMERAS_MAX],
    /// All sessions, by slot.
    pub sessions: SessionSlots,
    /// All subscriptions, with a list per stream.
    pub subscribers: Subscribers,
    /// Counts of what the streams gave up for lack of chunks.
    pub given_up: GivenUp,
    /// The chunks of all history rings.
    pub chunks: Chunks,
}

static MEMORY: Arena<Memory> = Arena::new(Memory {
    carry: CarryPool::new(),
    sounds: [const { Sound::new() }; CAMERAS_MAX],
    reorder: ReorderPool::new(),
    demux: Demux::new(),
    inbox: Inbox::new(),
    read_scratch: [0; PROFILE.read_scratch_bytes],
    batch: Batch::new(),
    cameras: Cameras::new(),
    streams: [const { Stream::new() }; CAMERAS_MAX],
    sessions: SessionSlots::new(),
    subscribers: Subscribers::new(),
    given_up: GivenUp::NONE,
    chunks: Chunks::new(),
});

/// The arena; `None` after the first call.
pub(super) fn take() -> Option<&'static mut Memory> {
    MEMORY.take()
}

/// Sizes in bytes of the parts of [`Memory`], for the memory plan (`weir memory`).
pub mod sizes {
    use super::{
        Batch, Cameras, Chunks, Demux, Inbox, ReorderPool, SessionSlots, Sound, Stream, Subscribers,
    };

    /// The chunks of all history rings.
    pub const CHUNKS: usize = size_of::<Chunks>();
    /// One camera slot's stream.
    pub const STREAM: usize = size_of::<Stream>();
    /// One camera slot's sound.
    pub const SOUND: usize = size_of::<Sound>();
    /// The packets that wait for an earlier one.
    pub const REORDER: usize = size_of::<ReorderPool>();
    /// The buffers for one receive.
    pub const INBOX: usize = size_of::<Inbox>();
    /// The batch of sealed packets.
    pub const BATCH: usize = size_of::<Batch>();
    /// The table of remote addresses.
    pub const DEMUX: usize = size_of::<Demux>();
    /// The table of session slots.
    pub const SESSION_SLOTS: usize = size_of::<SessionSlots>();
    /// The table of subscriptions.
    pub const SUBSCRIBERS: usize = size_of::<Subscribers>();
    /// The table of camera connections.
    pub const CAMERAS: usize = size_of::<Cameras>();
}
