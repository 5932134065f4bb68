//! What was measured: facts and no judgement.

use crate::verify::{Facts, LatencyCounts};

/// Everything that the rules judge; what was not reached is `None` or nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct SelftestFacts {
    /// Nanoseconds to seal one full packet.
    pub(super) seal_ns: Option<f64>,
    /// Whether the judged weir started, ran and ended as it should, and if not, why.
    pub(super) run: Option<Result<(), String>>,
    /// Cameras that were ready for viewers.
    pub(super) playing: Option<usize>,
    /// The judged weir's own reports at the window's begin and end, and the sessions.
    pub(super) looked: Facts,
    /// What was counted between these two reports.
    pub(super) window: Option<WindowFacts>,
}

/// What happened in the window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct WindowFacts {
    /// Between the two reports.
    pub(super) window_ms: u64,
    /// CPU time of the judged weir, and of this process, without `/proc` unknown.
    pub(super) cpu_ms: Option<u64>,
    pub(super) load_cpu_ms: Option<u64>,
    /// Packets that left the judged weir, and the system calls that it took.
    pub(super) packets: u64,
    pub(super) calls: u64,
    /// Whether GSO is on.
    pub(super) has_gso: bool,
    /// Pictures that the cameras sent, and how many came whole.
    pub(super) pictures_sent: u64,
    pub(super) pictures_whole: u64,
    /// Of those, from just before the camera's write to the receipt of the last packet.
    pub(super) latencies: Option<Latencies>,
}

/// Percentiles of latency, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latencies {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) most_ms: f64,
}

impl Latencies {
    /// The percentiles of some; `None` of none.
    pub(super) fn of(counts: &LatencyCounts) -> Option<Self> {
        let ms = |percent| counts.percentile(percent).map(|us| f64::from(us) / 1_000.0);
        Some(Self { p50_ms: ms(50)?, p99_ms: ms(99)?, most_ms: ms(100)? })
    }
}

impl WindowFacts {
    /// Percent of one core of so much CPU time.
    #[allow(clippy::cast_precision_loss)] // milliseconds of minutes
    pub(super) fn percent(&self, cpu_ms: Option<u64>) -> Option<f64> {
        let cpu_ms = cpu_ms.filter(|_| self.window_ms > 0)?;
        Some(cpu_ms as f64 * 100.0 / self.window_ms as f64)
    }

    /// Packets per second that left the judged weir.
    #[allow(clippy::cast_precision_loss)] // packets of minutes
    pub(super) fn packets_per_s(&self) -> f64 {
        self.packets as f64 * 1_000.0 / self.window_ms.max(1) as f64
    }
}
