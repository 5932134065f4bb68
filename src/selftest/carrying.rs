//! How many cameras the box carries, derived from what a packet costs.

use super::facts::WindowFacts;
use crate::limits::{
    SELFTEST_BITS_PER_S, SELFTEST_CAMERAS_MAX, SELFTEST_CARRIED_MBIT_PER_S, SELFTEST_CPU_MS_MIN,
    SELFTEST_CPU_PERCENT_MAX,
};

/// How many cameras of one bit rate, each with one viewer, leave half of a core to spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CarriedCameras {
    pub(super) mbit_per_s: u32,
    /// By the CPU alone.
    pub(super) by_cpu: u64,
    /// By the CPU and by the memory profile.
    pub(super) cameras: u64,
}

/// Microseconds of CPU time per packet that was sent, with everything that went with it; `None`
/// where there was too little to tell.
#[allow(clippy::cast_precision_loss)] // CPU time and packets of minutes
pub(super) fn packet_us(window: &WindowFacts) -> Option<f64> {
    let cpu_ms = window.cpu_ms.filter(|cpu_ms| *cpu_ms >= SELFTEST_CPU_MS_MIN)?;
    (window.packets > 0).then(|| cpu_ms as f64 * 1_000.0 / window.packets as f64)
}

/// What the box carries of each bit rate, by what was measured with so many cameras.
#[allow(clippy::cast_precision_loss)] // a small number
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and cut on purpose
pub(super) fn carried(window: &WindowFacts, cameras: usize) -> Vec<CarriedCameras> {
    let Some(packet_us) = packet_us(window) else { return Vec::new() };
    let measured_mbit = f64::from(SELFTEST_BITS_PER_S) / 1e6;
    let packets_per_mbit = window.packets_per_s() / cameras.max(1) as f64 / measured_mbit;
    let room_us = SELFTEST_CPU_PERCENT_MAX / 100.0 * 1e6;
    let of = |mbit_per_s: u32| {
        let camera_us = packet_us * packets_per_mbit * f64::from(mbit_per_s);
        let by_cpu = (room_us / camera_us) as u64;
        CarriedCameras { mbit_per_s, by_cpu, cameras: by_cpu.min(SELFTEST_CAMERAS_MAX as u64) }
    };
    SELFTEST_CARRIED_MBIT_PER_S.map(of).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 s of 8 cameras of 2 Mbit/s, 200 packets per second each, at this cost.
    fn window(cpu_ms: u64) -> WindowFacts {
        WindowFacts {
            window_ms: 10_000,
            cpu_ms: Some(cpu_ms),
            packets: 16_000,
            ..WindowFacts::default()
        }
    }

    #[test]
    fn half_of_a_core_is_shared_among_cameras_by_their_packets() {
        // 160 ms for 16000 packets are 10 us each, and 200 packets 2 ms per second and camera.
        let carried = carried(&window(160), 8);
        let most = SELFTEST_CAMERAS_MAX as u64;
        let found: Vec<_> = carried.iter().map(|one| (one.mbit_per_s, one.by_cpu)).collect();
        assert_eq!(found, [(2, 250), (4, 125), (8, 62)]);
        assert!(carried.iter().all(|one| one.cameras == one.by_cpu.min(most)));
    }

    #[test]
    fn nothing_is_derived_from_too_little() {
        assert!(carried(&window(SELFTEST_CPU_MS_MIN - 1), 8).is_empty());
        assert!(carried(&WindowFacts { cpu_ms: None, ..window(160) }, 8).is_empty());
        assert!(carried(&WindowFacts { packets: 0, ..window(160) }, 8).is_empty());
    }
}
