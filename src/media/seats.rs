//! Sessions as the media thread has them: a seat a slot, in handshake, live or just ended.

use crate::limits::SESSIONS_MAX;
use crate::mem::table::Handle;
use crate::webrtc::admission::Admission;
use crate::webrtc::consent::{Credentials, Pairs};
use crate::webrtc::session::{CloseNotify, Live};

use super::SeatId;

/// All seats, by slot.
pub struct Seats {
    seats: heapless::Vec<Seat, SESSIONS_MAX>,
}

/// One use of a slot.
pub(super) struct Seat {
    pub(super) generation: u32,
    pub(super) pairs: Pairs,
    pub(super) state: State,
}

/// Where a session is in its life.
// The live state is what most seats are in: boxing it would put sessions on the heap.
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

impl Seats {
    pub(super) const fn new() -> Self {
        Self { seats: heapless::Vec::new() }
    }

    /// Makes every seat, empty; before the first use.
    pub(super) fn prepare(&mut self) {
        while !self.seats.is_full() {
            let pairs = Pairs::new(Credentials::none());
            let seat = Seat { generation: 0, pairs, state: State::Empty };
            // Not full: the loop's condition.
            let _ = self.seats.push(seat);
        }
    }

    /// The seat of a slot.
    pub(super) fn slot(&mut self, slot: u16) -> Option<&mut Seat> {
        self.seats.get_mut(usize::from(slot))
    }

    /// The seat, if this use of it is still on.
    pub(super) fn find(&mut self, id: SeatId) -> Option<&mut Seat> {
        let seat = self.slot(id.slot)?;
        (seat.generation == id.generation).then_some(seat)
    }

    /// The session in a slot, if it is live.
    pub(super) fn live(&mut self, slot: u16) -> Option<&mut Live> {
        match &mut self.slot(slot)?.state {
            State::Live { live, .. } => Some(live),
            _ => None,
        }
    }

    /// Slots, to walk over.
    pub(super) fn slots(&self) -> std::ops::Range<u16> {
        0..u16::try_from(self.seats.len()).unwrap_or(u16::MAX)
    }
}
