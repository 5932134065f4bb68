//! The media thread's arena: everything it will ever use, in one static.

use crate::egress::batch::Batch;
use crate::history::Chunks;
use crate::limits::{CAMERAS_MAX, PROFILE};
use crate::mem::arena::Arena;
use crate::mem::pool::CarryPool;
use crate::net::udp::Inbox;
use crate::stream::Stream;
use crate::stream::store::GivenUp;
use crate::webrtc::demux::Demux;

use super::cameras::Cameras;
use super::sessions::SessionSlots;
use super::subscribers::Subscribers;

/// What the media thread owns. `weir memory` lists the fields one by one.
pub struct Memory {
    /// All history rings.
    pub chunks: Chunks,
    /// What streams had to give up for want of chunks.
    pub given_up: GivenUp,
    /// A camera's state in weir, by slot.
    pub streams: [Stream; CAMERAS_MAX],
    /// Unfinished interleaved frames.
    pub carry: CarryPool,
    /// What one read returned.
    pub read_scratch: [u8; PROFILE.read_scratch_bytes],
    /// What one receive returned.
    pub inbox: Inbox,
    /// What is sealed and not yet sent.
    pub batch: Batch,
    /// Addresses of sessions.
    pub demux: Demux,
    /// Sessions by slot.
    pub sessions: SessionSlots,
    /// Subscriptions, and who subscribes to which stream.
    pub subscribers: Subscribers,
    /// Cameras' connections by slot.
    pub cameras: Cameras,
}

static MEMORY: Arena<Memory> = Arena::new(Memory {
    chunks: Chunks::new(),
    given_up: GivenUp::NONE,
    streams: [const { Stream::new() }; CAMERAS_MAX],
    carry: CarryPool::new(),
    read_scratch: [0; PROFILE.read_scratch_bytes],
    inbox: Inbox::new(),
    batch: Batch::new(),
    demux: Demux::new(),
    sessions: SessionSlots::new(),
    subscribers: Subscribers::new(),
    cameras: Cameras::new(),
});

/// The arena, once.
pub(super) fn take() -> Option<&'static mut Memory> {
    MEMORY.take()
}

/// What the parts take, for the memory plan.
pub mod sizes {
    use super::{Batch, Cameras, Chunks, Demux, Inbox, SessionSlots, Stream, Subscribers};

    /// All history rings.
    pub const CHUNKS: usize = size_of::<Chunks>();
    /// One stream.
    pub const STREAM: usize = size_of::<Stream>();
    /// Room for one receive.
    pub const INBOX: usize = size_of::<Inbox>();
    /// The send batch.
    pub const BATCH: usize = size_of::<Batch>();
    /// The address table.
    pub const DEMUX: usize = size_of::<Demux>();
    /// All sessions.
    pub const SESSION_SLOTS: usize = size_of::<SessionSlots>();
    /// All subscriptions.
    pub const SUBSCRIBERS: usize = size_of::<Subscribers>();
    /// All cameras' connections.
    pub const CAMERAS: usize = size_of::<Cameras>();
}
