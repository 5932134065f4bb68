//! What it costs to seal one packet, by the code that seals weir's.

use crate::clock;
use crate::egress::srtp::{Seal as _, SealKeys};
use crate::limits::{SELFTEST_SEALED_BYTES, SELFTEST_SEALING_US, SELFTEST_SEALS_PER_ROUND};
use crate::random::random;

const HEADER_BYTES: usize = 12;

/// Nanoseconds for one full packet by AES-256-GCM, as in the fastest of many rounds: in the others
/// something else had the CPU.
pub(super) fn seal_ns() -> Option<f64> {
    let keys = SealKeys::derive(&random::<32>(), &random::<12>())?;
    let (header, mut payload) = ([0x80; HEADER_BYTES], [0; SELFTEST_SEALED_BYTES]);
    let begun_us = clock::now_us();
    let (mut number, mut least_ns) = (0, f64::MAX);
    loop {
        let round_us = clock::now_us();
        if round_us.saturating_sub(begun_us) >= SELFTEST_SEALING_US && number > 0 {
            return Some(least_ns);
        }
        for _ in 0..SELFTEST_SEALS_PER_ROUND {
            std::hint::black_box(keys.seal(1, number, &header, &mut payload));
            number += 1;
        }
        #[allow(clippy::cast_precision_loss)] // microseconds of one round
        let took_us = clock::now_us().saturating_sub(round_us) as f64;
        least_ns = least_ns.min(took_us * 1_000.0 / f64::from(SELFTEST_SEALS_PER_ROUND));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealing_takes_some_time() {
        let ns = seal_ns().expect("keys");
        // From the fastest instructions to a box without any.
        assert!((20.0..1_000_000.0).contains(&ns), "{ns} ns");
    }
}
