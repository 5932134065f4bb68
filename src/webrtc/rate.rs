//! A rate limit: a burst at once, and then one per interval. Has no clock of its own.

/// A token bucket of `BURST` tokens that gets one back every `EACH_US` microseconds.
#[derive(Debug)]
pub struct Rate<const EACH_US: u64, const BURST: u32> {
    left: u32,
    refilled_us: u64,
}

impl<const EACH_US: u64, const BURST: u32> Rate<EACH_US, BURST> {
    /// A bucket that is full.
    pub const fn new(now_us: u64) -> Self {
        Self { left: BURST, refilled_us: now_us }
    }

    /// Takes a token at `now_us`. Returns whether there was one.
    pub fn spend(&mut self, now_us: u64) -> bool {
        let due = now_us.saturating_sub(self.refilled_us) / EACH_US;
        self.refilled_us += due * EACH_US;
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(due).min(BURST);
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_burst_it_has_a_rate() {
        let mut rate = Rate::<10_000, 24>::new(0);
        let within_a_second = (0..10_000).filter(|at| rate.spend(at * 100)).count();
        assert_eq!(within_a_second, 24 + 100 - 1);
        let at_once = (0..100).filter(|_| rate.spend(100_000_000)).count();
        assert_eq!(at_once, 24, "no more than the burst, however long it rested");
    }

    #[test]
    fn a_clock_that_stands_gives_nothing_back() {
        let mut rate = Rate::<10_000, 2>::new(5);
        assert_eq!(
            [0, 5, 5, 10_004, 10_005].map(|at| rate.spend(at)),
            [true, true, false, false, true]
        );
    }
}
