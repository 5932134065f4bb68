//! The read rate of one camera: [`CAMERA_BITS_PER_S_MAX`], with a burst of [`CAMERA_BURST_BYTES`].
//! Sound that comes as datagrams has a smaller one of its own, so that a flood at its port does not
//! take from the picture.

use crate::limits::{
    CAMERA_BITS_PER_S_MAX, CAMERA_BURST_BYTES, CAMERA_READ_BYTES_MIN, CAMERA_SOUND_BITS_PER_S_MAX,
    CAMERA_SOUND_BURST_BYTES,
};

/// How much may be read from one camera now.
#[derive(Debug)]
pub(super) struct ReadBudget {
    bytes: usize,
    refilled_us: u64,
    bits_per_s: u64,
    burst_bytes: usize,
}

impl ReadBudget {
    /// The budget of a new connection: a full burst.
    pub(super) const fn new(now_us: u64) -> Self {
        Self::of(CAMERA_BITS_PER_S_MAX, CAMERA_BURST_BYTES, now_us)
    }

    /// The same for the datagrams of its sound.
    pub(super) const fn of_sound(now_us: u64) -> Self {
        Self::of(CAMERA_SOUND_BITS_PER_S_MAX, CAMERA_SOUND_BURST_BYTES, now_us)
    }

    const fn of(bits_per_s: u64, burst_bytes: usize, now_us: u64) -> Self {
        Self { bytes: burst_bytes, refilled_us: now_us, bits_per_s, burst_bytes }
    }

    /// Bytes that may be read now: 0, or at least [`CAMERA_READ_BYTES_MIN`].
    pub(super) fn room(&mut self, now_us: u64) -> usize {
        let elapsed_us = now_us.saturating_sub(self.refilled_us);
        let due = elapsed_us.saturating_mul(self.bits_per_s) / 8_000_000;
        let due = usize::try_from(due).unwrap_or(usize::MAX);
        if due > 0 {
            self.bytes = self.bytes.saturating_add(due).min(self.burst_bytes);
            self.refilled_us = now_us;
        }
        if self.bytes < CAMERA_READ_BYTES_MIN { 0 } else { self.bytes }
    }

    /// Takes the bytes of a read off the budget.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The time at which [`Self::room`] is above 0 again, if nothing more is read.
    pub(super) fn due_us(&self) -> u64 {
        let missing = CAMERA_READ_BYTES_MIN.saturating_sub(self.bytes) as u64;
        self.refilled_us + (missing * 8_000_000).div_ceil(self.bits_per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;
    const SCRATCH: usize = 128 << 10;

    /// Reads all that is allowed for `seconds`, whenever a read is due; returns bytes and reads.
    fn flood(budget: &mut ReadBudget, from_us: u64, seconds: u64) -> (u64, u64) {
        let (mut now_us, mut read, mut reads) = (from_us, 0, 0);
        while now_us < from_us + seconds * SECOND_US {
            let room = budget.room(now_us).min(SCRATCH);
            budget.spend(room);
            read += room as u64;
            reads += u64::from(room > 0);
            now_us = if room == 0 { budget.due_us().max(now_us + 1) } else { now_us };
        }
        (read, reads)
    }

    #[test]
    fn a_flood_is_read_at_the_rate_and_in_pieces_worth_reading() {
        let mut budget = ReadBudget::new(0);
        let (read, _) = flood(&mut budget, 0, 1);
        let most = CAMERA_BURST_BYTES as u64 + CAMERA_BITS_PER_S_MAX / 8;
        assert!((most - most / 50..=most).contains(&read), "{read} of {most}");
        let (read, reads) = flood(&mut budget, SECOND_US, 1);
        let most = CAMERA_BITS_PER_S_MAX / 8;
        assert!((most - most / 50..=most + most / 50).contains(&read), "{read} of {most}");
        assert!(reads <= read / CAMERA_READ_BYTES_MIN as u64, "{reads} reads");
    }

    #[test]
    fn a_flood_of_sound_is_read_at_a_rate_of_its_own() {
        let mut budget = ReadBudget::of_sound(0);
        let (read, _) = flood(&mut budget, 0, 1);
        let most = CAMERA_SOUND_BURST_BYTES as u64 + CAMERA_SOUND_BITS_PER_S_MAX / 8;
        assert!((most - most / 10..=most).contains(&read), "{read} of {most}");
        assert_eq!(budget.room(3600 * SECOND_US), CAMERA_SOUND_BURST_BYTES);
    }

    #[test]
    fn a_camera_below_the_rate_never_waits() {
        let mut budget = ReadBudget::new(0);
        for at in 1..10_000 {
            let frame = 40_000 * 4 / 5;
            assert!(budget.room(at * 5_000) >= frame, "{at}");
            budget.spend(frame);
        }
    }

    #[test]
    fn after_a_pause_there_is_a_burst_and_no_more() {
        let mut budget = ReadBudget::new(0);
        flood(&mut budget, 0, 1);
        assert_eq!(budget.room(3600 * SECOND_US), CAMERA_BURST_BYTES);
        assert_eq!(budget.room(u64::MAX), CAMERA_BURST_BYTES);
    }
}
