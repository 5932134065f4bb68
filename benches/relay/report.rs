//! What a run measured: [`table`] for people, [`machine`] for machines.

mod machine;
mod table;

use crate::common::reception::Counts;
use crate::common::viewer::Viewer;
use crate::connect::Joined;
use crate::floor;
use crate::load::Load;
use crate::skips::Skips;
use crate::window::Window;

/// A relay's time under the load.
pub(crate) struct Report {
    load: Load,
    joined: Joined,
    window: Window,
    /// Sorted.
    latencies_us: Vec<u64>,
    /// Weir's own count of what was left out, within the window.
    pub(crate) skips: Option<Skips>,
    /// System calls a packet, and the tool that counted them.
    pub(crate) calls_per_packet: Option<(f64, &'static str)>,
    pub(crate) floor: Option<floor::Figures>,
    /// Another relay under the same load.
    pub(crate) relay: Option<Box<Report>>,
    /// Viewers whose session ended before they left.
    ended_viewers: u32,
    /// What could not be measured, and why.
    pub(crate) not_measured: Vec<String>,
}

impl Report {
    pub(crate) fn new(load: &Load, joined: Joined, window: Window) -> Self {
        let all = window.received.iter();
        let mut latencies_us: Vec<u64> =
            all.flat_map(|counts| counts.latencies_us.iter().copied()).collect();
        latencies_us.sort_unstable();
        let mut not_measured = Vec::new();
        if latencies_us.is_empty() {
            not_measured.push("latency: no whole frame arrived".to_owned());
        }
        let without = load.viewers as usize - joined.first_pictures_us.len();
        if without > 0 {
            not_measured.push(format!("first picture: {without} viewers had none in 10 s"));
        }
        Self {
            load: load.clone(),
            joined,
            window,
            latencies_us,
            skips: None,
            calls_per_packet: None,
            floor: None,
            relay: None,
            ended_viewers: 0,
            not_measured,
        }
    }

    /// The viewers leave.
    pub(crate) fn close(&mut self, viewers: Vec<Viewer>) {
        for viewer in viewers {
            self.ended_viewers += u32::from(viewer.ended.is_some());
            viewer.close();
        }
    }

    fn sum(&self, figure: impl Fn(&Counts) -> u64) -> u64 {
        self.window.received.iter().map(figure).sum()
    }

    /// The relay's, in percent of one core.
    fn cpu_percent(&self) -> f64 {
        percent(self.window.cpu_ns, self.window.wall_us)
    }

    /// The relay's, over the packets in and out.
    fn cpu_ns_per_packet(&self) -> Option<f64> {
        let packets = self.window.packets_in + self.window.packets_out;
        (packets > 0).then(|| self.window.cpu_ns as f64 / packets as f64)
    }

    /// Times the floor's CPU.
    fn over_floor(&self) -> Option<f64> {
        Some(self.cpu_percent() / self.floor.as_ref()?.cpu_percent)
    }

    fn per_s(&self, count: u64) -> f64 {
        count as f64 * 1e6 / self.window.wall_us as f64
    }

    fn latency_ms(&self, per_mille: usize) -> Option<f64> {
        ms_at(&self.latencies_us, per_mille)
    }

    fn first_picture_ms(&self, per_mille: usize) -> Option<f64> {
        ms_at(&self.joined.first_pictures_us, per_mille)
    }
}

/// What `per_mille` of the sorted times do not exceed, in milliseconds.
fn ms_at(sorted_us: &[u64], per_mille: usize) -> Option<f64> {
    let last = sorted_us.len().checked_sub(1)?;
    Some(sorted_us[last * per_mille / 1000] as f64 / 1000.0)
}

/// Time on a CPU in percent of one core.
pub(crate) fn percent(cpu_ns: u64, wall_us: u64) -> f64 {
    cpu_ns as f64 / 10.0 / wall_us as f64
}
