//! Sessions as the media thread has them: one entry per slot, in handshake, live or just ended.

use crate::limits::SESSIONS_MAX;
use crate::mem::table::Handle;
use crate::webrtc::admission::Admission;
use crate::webrtc::consent::Pairs;
use crate::webrtc::credentials::Credentials;
use crate::webrtc::session::{CloseNotify, Live};

use super::SessionId;

/// All session slots.
pub struct SessionSlots {
    sessions: heapless::Vec<SessionSlot, SESSIONS_MAX>,
}

/// One use of a slot.
pub(super) struct SessionSlot {
    pub(super) generation: u32,
    pub(super) pairs: Pairs,
    pub(super) state: State,
}

/// Where a session is in its life.
// Most slots are live: boxing it would put sessions on the heap.
#[allow(clippy::large_enum_variant)]
pub(super) enum State {
    /// Not in use, and never was, or its handshake came to nothing.
    Empty,
    /// Its checks and DTLS go to control, as far as they may.
    Handshake(Admission),
    /// It has keys and a subscription.
    Live { live: Live, subscriber: Handle },
    /// Over; a late check is answered with the goodbye.
    Ended { close_notify: CloseNotify },
}

const _: () = assert!(size_of::<Admission>() < size_of::<Live>(), "it has the place of the keys");

impl SessionSlots {
    pub(super) const fn new() -> Self {
        Self { sessions: heapless::Vec::new() }
    }

    /// Makes every slot, empty; called once, before the first use.
    pub(super) fn prepare(&mut self) {
        while !self.sessions.is_full() {
            let pairs = Pairs::new(Credentials::none());
            let session = SessionSlot { generation: 0, pairs, state: State::Empty };
            // Not full: the loop's condition.
            let _ = self.sessions.push(session);
        }
    }

    /// A slot by its number; `None` beyond the table.
    pub(super) fn slot(&mut self, slot: u16) -> Option<&mut SessionSlot> {
        self.sessions.get_mut(usize::from(slot))
    }

    /// The slot of a session, unless that has ended and the slot is another's.
    pub(super) fn find(&mut self, id: SessionId) -> Option<&mut SessionSlot> {
        let session = self.slot(id.slot)?;
        (session.generation == id.generation).then_some(session)
    }

    /// The session in a slot, if it is live.
    pub(super) fn live(&mut self, slot: u16) -> Option<&mut Live> {
        match &mut self.slot(slot)?.state {
            State::Live { live, .. } => Some(live),
            _ => None,
        }
    }

    /// The numbers of all slots.
    pub(super) fn slots(&self) -> std::ops::Range<u16> {
        0..u16::try_from(self.sessions.len()).unwrap_or(u16::MAX)
    }
}
