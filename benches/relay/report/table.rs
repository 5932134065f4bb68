//! A report as a table.

use std::fmt;

use super::{Report, percent};
use crate::common::reception::Counts;

type Row = (String, String);

impl Report {
    fn rows(&self) -> Vec<Row> {
        let load = &self.load;
        let mut rows = vec![
            row("cameras / viewers", format!("{} / {}", load.cameras, load.viewers)),
            row("frames", load.pictures()),
        ];
        rows.extend(self.process_rows());
        if load.floor {
            let floor = self.floor.as_ref();
            let cpu = floor.map(|floor| format!("{:.2} %", floor.cpu_percent));
            let packets = floor.map(|floor| format!("{:.0}", floor.packets_per_s));
            rows.push(row("CPU of the floor", known(cpu)));
            rows.push(row("its packets a second", known(packets)));
            rows.push(row(
                "CPU over the floor's",
                known(self.over_floor().map(|times| format!("{times:.2}"))),
            ));
        }
        rows.extend(self.media_rows());
        if load.sound {
            let sound = &self.window.sound;
            let came = format!("{} / {}", sound.received, sound.lost);
            rows.push(row("of sound sent", sound.sent.to_string()));
            rows.push(row("of sound received / lost", came));
        }
        rows.extend(self.skip_rows());
        if load.syscalls {
            let calls = self.calls_per_packet;
            let calls = calls.map(|(calls, tool)| format!("{calls:.3} ({tool})"));
            rows.push(row("system calls a packet, in and out", known(calls)));
        }
        let own = percent(self.window.own_cpu_ns, self.window.wall_us);
        rows.push(row("CPU of cameras and viewers together", format!("{own:.1} %")));
        rows.extend(self.relay_rows());
        rows
    }

    fn process_rows(&self) -> [Row; 5] {
        let usage = &self.window.usage;
        let of_packet = self.cpu_ns_per_packet();
        let [p50, p95, longest] = [500, 950, 1000]
            .map(|per_mille| known(self.first_picture_ms(per_mille).map(|ms| format!("{ms:.0}"))));
        [
            row("first picture, p50 / p95 / longest", format!("{p50} / {p95} / {longest} ms")),
            row("CPU, of one core", format!("{:.2} %", self.cpu_percent())),
            row("CPU a packet, in and out", known(of_packet.map(|ns| format!("{ns:.0} ns")))),
            row("VmHWM / VmRSS", format!("{} / {} KiB", usage.peak_kib, usage.resident_kib)),
            row("threads", usage.threads.to_string()),
        ]
    }

    fn media_rows(&self) -> [Row; 7] {
        let window = &self.window;
        let rates = (self.per_s(window.packets_in), self.per_s(window.packets_out));
        let frames = self.sum(|counts| counts.frames);
        let [p50, p99, longest] = [500, 990, 1000]
            .map(|per_mille| known(self.latency_ms(per_mille).map(|ms| format!("{ms:.2} ms"))));
        let lost = self.sum(Counts::lost);
        [
            row("RTP packets a second, in / out", format!("{:.0} / {:.0}", rates.0, rates.1)),
            row("packets received / lost", format!("{} / {lost}", window.packets_out)),
            row("frames whole of sent", whole_of_sent(frames, window.frames_sent)),
            row("frames seen broken", self.sum(|counts| counts.broken_frames).to_string()),
            row("latency added, p50 / p99", format!("{p50} / {p99}")),
            row("latency added, the longest", longest),
            row("viewers whose session ended", self.ended_viewers.to_string()),
        ]
    }

    fn skip_rows(&self) -> Vec<Row> {
        let Some(skips) = &self.skips else {
            return Vec::new();
        };
        let mut rows = vec![row("viewers' skips to a key frame", skips.sessions.to_string())];
        let seen = skips.causes.iter().filter(|(_, count)| **count > 0);
        rows.extend(seen.map(|(cause, count)| row(cause, count.to_string())));
        rows
    }

    fn relay_rows(&self) -> Vec<Row> {
        let Some(relay) = &self.relay else {
            return Vec::new();
        };
        let times = relay.cpu_percent() / self.cpu_percent();
        let mut rows =
            vec![row("MediaMTX under the same load", format!("{times:.1} times the CPU"))];
        rows.extend(relay.process_rows());
        rows.extend(relay.media_rows());
        rows
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, figure) in self.rows() {
            writeln!(f, "| {name:<35} | {figure:>32} |")?;
        }
        for reason in &self.not_measured {
            writeln!(f, "not measured: {reason}")?;
        }
        Ok(())
    }
}

fn row(name: &str, figure: String) -> Row {
    (name.to_owned(), figure)
}

fn known(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| "not measured".to_owned())
}

fn whole_of_sent(whole: u64, sent: u64) -> String {
    if whole == sent { format!("all of {sent}") } else { format!("{whole} of {sent}") }
}
