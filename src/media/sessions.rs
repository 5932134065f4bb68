//! The media thread's session slots: one entry per slot, in handshake, live or just ended.

use crate::limits::SESSIONS_MAX;
use crate::mem::table::Handle;
use crate::webrtc::admission::Admission;
use crate::webrtc::consent::Pairs;
use crate::webrtc::credentials::IceCredentials;
use crate::webrtc::session::{CloseNotify, Live};

use super::SessionId;

/// The session slots, live ones with their keys.
pub struct SessionSlots {
    sessions: heapless::Vec<SessionSlot, SESSIONS_MAX>,
}

/// One use of a slot.
pub(super) struct SessionSlot {
    pub(super) generation: u32,
    pub(super) pairs: Pairs,
    pub(super) state: State,
}

/// The state of one use of a slot.
// Most slots are live: a boxed session would lie on the heap.
#[allow(clippy::large_enum_variant)]
pub(super) enum State {
    /// Never used, or the last handshake failed.
    Empty,
    /// Its verified checks and DTLS go to control, within the limits of the admission.
    Handshake(Admission),
    /// It has keys and a subscription, and perhaps a second one for the sound.
    Live { live: Live, subscriber: Handle, sound: Option<Handle> },
    /// Ended. A late check is answered with the DTLS close_notify.
    Ended { close_notify: CloseNotify },
}

const _: () = assert!(size_of::<Admission>() < size_of::<Live>(), "it has the place of the keys");

impl SessionSlots {
    pub(super) const fn new() -> Self {
        Self { sessions: heapless::Vec::new() }
    }

    /// Creates every slot, empty. Called once, before the first use.
    pub(super) fn prepare(&mut self) {
        while !self.sessions.is_full() {
            let pairs = Pairs::new(IceCredentials::none());
            let session = SessionSlot { generation: 0, pairs, state: State::Empty };
            // The loop's condition: it is not full.
            let _ = self.sessions.push(session);
        }
    }

    /// The slot with this number; `None` beyond the table.
    pub(super) fn slot(&mut self, slot: u16) -> Option<&mut SessionSlot> {
        self.sessions.get_mut(usize::from(slot))
    }

    /// The slot of a session; `None` when the slot has a newer use.
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

    /// The numbers of all slots, for iteration.
    pub(super) fn slots(&self) -> std::ops::Range<u16> {
        0..u16::try_from(self.sessions.len()).unwrap_or(u16::MAX)
    }
}
