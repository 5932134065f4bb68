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

    /// The slot with this number, for a new use; `None` beyond the table. Slots are made as they
    /// are first used, so that those which never were take no memory.
    pub(super) fn open(&mut self, slot: u16) -> Option<&mut SessionSlot> {
        while self.sessions.len() <= usize::from(slot) {
            let pairs = Pairs::new(IceCredentials::none());
            let session = SessionSlot { generation: 0, pairs, state: State::Empty };
            self.sessions.push(session).ok()?;
        }
        self.slot(slot)
    }

    /// The slot with this number; `None` if it was never used.
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

    /// The numbers of all slots that were used, for iteration.
    pub(super) fn slots(&self) -> std::ops::Range<u16> {
        0..u16::try_from(self.sessions.len()).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_made_as_they_are_first_used_and_none_beyond_the_table() {
        let mut sessions = Box::new(SessionSlots::new());
        assert_eq!(sessions.slots(), 0..0);
        assert!(sessions.slot(2).is_none());
        sessions.open(2).expect("room").generation = 7;
        assert_eq!(sessions.slots(), 0..3);
        assert_eq!(sessions.open(2).map(|slot| slot.generation), Some(7), "it is the same slot");
        let max = u16::try_from(SESSIONS_MAX).expect("few");
        assert!(sessions.open(max - 1).is_some());
        assert!(sessions.open(max).is_none());
        assert_eq!(sessions.slots(), 0..max);
    }
}
