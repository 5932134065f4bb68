//! Latencies in a table of fixed size, so that a long look takes no more memory than a short one.

/// Values of one octave are told apart by so many bits: a percentile is up to a 16th too high.
const BITS: u32 = 4;
const PER_OCTAVE: usize = 1 << BITS;
const OCTAVES: usize = (u32::BITS - BITS) as usize;
const BUCKETS: usize = PER_OCTAVE * (1 + OCTAVES);

/// How often each latency was seen, in microseconds. Allocates with the first one: 2 KiB.
#[derive(Debug, Clone, Default)]
pub(crate) struct LatencyCounts {
    counts: Vec<u32>,
    total: u64,
    most_us: u32,
}

impl LatencyCounts {
    pub(crate) fn add(&mut self, us: u32) {
        self.counts.resize(BUCKETS, 0);
        self.counts[bucket(us)] += 1;
        self.total += 1;
        self.most_us = self.most_us.max(us);
    }

    /// Adds all that another one has.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.resize(BUCKETS, 0);
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.most_us = self.most_us.max(other.most_us);
    }

    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// What so many percent of them do not pass, in microseconds; `None` of none.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u32> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        at.map(|at| most_of(at).min(self.most_us))
    }
}

/// Below [`PER_OCTAVE`] each value has a bucket of its own.
fn bucket(us: u32) -> usize {
    let octave = (u32::BITS - us.leading_zeros()).saturating_sub(BITS + 1);
    let within = (us >> octave) as usize;
    PER_OCTAVE * octave as usize + within
}

/// The largest value of a bucket.
fn most_of(bucket: usize) -> u32 {
    let octave = (bucket / PER_OCTAVE).saturating_sub(1);
    let within = (bucket - octave * PER_OCTAVE) as u64;
    u32::try_from(((within + 1) << octave) - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_bucket_that_ends_at_most_a_16th_above() {
        let mut before = 0;
        for us in (0..4096).chain([10_000, 1 << 20, u32::MAX - 1, u32::MAX]) {
            let at = bucket(us);
            assert!(at < BUCKETS && (before..).contains(&at), "{us} in {at}");
            let most = most_of(at);
            assert!(
                most >= us && u64::from(most - us) * 16 <= u64::from(us),
                "{us} ends at {most}"
            );
            before = at;
        }
    }

    #[test]
    fn percentiles_are_those_of_all_together() {
        assert_eq!(LatencyCounts::default().percentile(99), None);
        let (mut fast, mut slow) = (LatencyCounts::default(), LatencyCounts::default());
        (0..98).for_each(|_| fast.add(10));
        slow.add(1_000);
        slow.add(5_000);
        fast.merge(&slow);
        let percentiles = [50, 98, 99, 100].map(|percent| fast.percentile(percent));
        assert_eq!(percentiles, [Some(10), Some(10), Some(1_023), Some(5_000)]);
        assert_eq!(fast.total(), 100);
    }
}
