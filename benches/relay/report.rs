//! What a run measured, as a table for people and a line of JSON for machines.

use std::fmt;

use serde_json::{Value, json};

use crate::Load;
use crate::common::process::Usage;
use crate::common::reception::Counts;

/// The figures of one window.
pub(crate) struct Window {
    pub(crate) wall_us: u64,
    /// The server's time on a CPU.
    pub(crate) cpu_ns: u64,
    /// This process's: cameras and viewers.
    pub(crate) own_cpu_ns: u64,
    pub(crate) usage: Usage,
    /// RTP packets the cameras wrote.
    pub(crate) packets_in: u64,
    /// Frames the cameras wrote, each as often as it was to arrive; one under way at either end of the
    /// window more or less for each viewer.
    pub(crate) frames_sent: u64,
    /// Camera writes that the server did not take at once.
    pub(crate) camera_stalls: u64,
    /// One for each viewer.
    pub(crate) received: Vec<Counts>,
}

/// A run.
pub(crate) struct Report {
    load: Load,
    connected_us: u64,
    window: Window,
    latencies_us: Vec<u64>,
    /// System calls a packet, and the tool that counted them.
    pub(crate) calls_per_packet: Option<(f64, &'static str)>,
    pub(crate) floor_cpu_percent: Option<f64>,
    /// Viewers whose session ended before they left.
    pub(crate) ended_viewers: u32,
    /// What could not be measured, and why.
    pub(crate) not_measured: Vec<String>,
}

impl Report {
    pub(crate) fn new(load: &Load, connected_us: u64, window: Window) -> Self {
        let all = window.received.iter();
        let mut latencies_us: Vec<u64> =
            all.flat_map(|counts| counts.latencies_us.iter().copied()).collect();
        latencies_us.sort_unstable();
        let mut not_measured = Vec::new();
        if latencies_us.is_empty() {
            not_measured.push("latency: no whole frame arrived".to_owned());
        }
        Self {
            load: load.clone(),
            connected_us,
            window,
            latencies_us,
            calls_per_packet: None,
            floor_cpu_percent: None,
            ended_viewers: 0,
            not_measured,
        }
    }

    fn sum(&self, figure: impl Fn(&Counts) -> u64) -> u64 {
        self.window.received.iter().map(figure).sum()
    }

    /// The server's, in percent of one core.
    fn cpu_percent(&self) -> f64 {
        percent(self.window.cpu_ns, self.window.wall_us)
    }

    fn per_s(&self, count: u64) -> f64 {
        count as f64 * 1e6 / self.window.wall_us as f64
    }

    /// The latency that `per_mille` of the frames did not exceed, in milliseconds.
    fn latency_ms(&self, per_mille: usize) -> Option<f64> {
        let last = self.latencies_us.len().checked_sub(1)?;
        Some(self.latencies_us[last * per_mille / 1000] as f64 / 1000.0)
    }

    /// The machine-readable line.
    pub(crate) fn json(&self) -> Value {
        let received = self.sum(|counts| counts.packets);
        json!({
            "schema": 1,
            "weir": weir::VERSION,
            "cameras": self.load.cameras,
            "viewers": self.load.viewers,
            "seconds": self.window.wall_us as f64 / 1e6,
            "same_instant": self.load.same_instant,
            "bits_per_s": self.load.bitrate,
            "key_frame_bytes": self.load.key_frame_bytes,
            "gop": self.load.gop,
            "all_connected_ms": self.connected_us as f64 / 1e3,
            "cpu_percent": self.cpu_percent(),
            "instrument_cpu_percent": percent(self.window.own_cpu_ns, self.window.wall_us),
            "floor_cpu_percent": self.floor_cpu_percent,
            "vm_hwm_kib": self.window.usage.peak_kib,
            "vm_rss_kib": self.window.usage.resident_kib,
            "threads": self.window.usage.threads,
            "packets_in_per_s": self.per_s(self.window.packets_in),
            "packets_out_per_s": self.per_s(received),
            "packets_received": received,
            "packets_lost": self.sum(Counts::lost),
            "packets_late": self.sum(|counts| counts.late),
            "packets_forged": self.sum(|counts| counts.forged),
            "frames_sent": self.window.frames_sent,
            "frames_whole": self.sum(|counts| counts.frames),
            "frames_broken": self.sum(|counts| counts.broken_frames),
            "frames_strange": self.sum(|counts| counts.strange_frames),
            "camera_stalls": self.window.camera_stalls,
            "viewers_ended": self.ended_viewers,
            "latency_p50_ms": self.latency_ms(500),
            "latency_p99_ms": self.latency_ms(990),
            "latency_max_ms": self.latency_ms(1000),
            "calls_per_packet": self.calls_per_packet.map(|(calls, _)| calls),
            "calls_counted_by": self.calls_per_packet.map(|(_, tool)| tool),
            "not_measured": self.not_measured,
        })
    }
}

impl Report {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let load = &self.load;
        let instants = if load.same_instant { "same instant" } else { "spread" };
        let usage = &self.window.usage;
        let own = percent(self.window.own_cpu_ns, self.window.wall_us);
        let mut rows = vec![
            (
                "cameras / viewers, frames",
                format!("{} / {}, {instants}", load.cameras, load.viewers),
            ),
            ("all viewers connected after", format!("{:.0} ms", self.connected_us as f64 / 1e3)),
            ("CPU of the server, of one core", format!("{:.2} %", self.cpu_percent())),
        ];
        if load.floor {
            let floor = self.floor_cpu_percent.map(|percent| format!("{percent:.2} %"));
            rows.push(("CPU of the floor", known(floor)));
        }
        rows.push(("VmHWM / VmRSS", format!("{} / {} KiB", usage.peak_kib, usage.resident_kib)));
        rows.push(("threads", usage.threads.to_string()));
        rows.extend(self.media_rows());
        if load.syscalls {
            let calls = self.calls_per_packet;
            let calls = calls.map(|(calls, tool)| format!("{calls:.3} ({tool})"));
            rows.push(("system calls a packet, in and out", known(calls)));
        }
        rows.push(("CPU of cameras and viewers together", format!("{own:.1} %")));
        rows.push(("viewers whose session ended", self.ended_viewers.to_string()));
        rows
    }

    fn media_rows(&self) -> [(&'static str, String); 5] {
        let received = self.sum(|counts| counts.packets);
        let rates = (self.per_s(self.window.packets_in), self.per_s(received));
        let frames = self.sum(|counts| counts.frames);
        let broken = self.sum(|counts| counts.broken_frames);
        let sent = self.window.frames_sent;
        let [p50, p99, longest] = [500, 990, 1000]
            .map(|per_mille| known(self.latency_ms(per_mille).map(|ms| format!("{ms:.2} ms"))));
        [
            ("RTP packets a second, in / out", format!("{:.0} / {:.0}", rates.0, rates.1)),
            ("packets received / lost", format!("{received} / {}", self.sum(Counts::lost))),
            ("frames whole of sent / broken", format!("{frames} of {sent} / {broken}")),
            ("latency added, p50 / p99", format!("{p50} / {p99}")),
            ("latency added, the longest", longest),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, figure) in self.rows() {
            writeln!(f, "| {name:<35} | {figure:>24} |")?;
        }
        for reason in &self.not_measured {
            writeln!(f, "not measured: {reason}")?;
        }
        Ok(())
    }
}

fn known(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| "not measured".to_owned())
}

/// Time on a CPU in percent of one core.
pub(crate) fn percent(cpu_ns: u64, wall_us: u64) -> f64 {
    cpu_ns as f64 / 10.0 / wall_us as f64
}
