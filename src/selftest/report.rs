//! A selftest for people and for programs: a table and JSON, with the same content.

use serde_json::{Value, json};

use super::SelftestOptions;
use super::carrying::{CarriedCameras, carried, packet_us};
use super::facts::{SelftestFacts, WindowFacts};
use super::rules::judge;
use crate::clock;
use crate::limits::{PROFILE, SELFTEST_BITS_PER_S, SELFTEST_SEALED_BYTES};
use crate::process::{self, build_id, cpu};
use crate::verify::{Finding, aligned, missed, misses, rules_json, rules_table, sentence, verdict};

const SCHEMA: u32 = 1;
const MIB: f64 = (1 << 20) as f64;

/// What a selftest came to.
#[derive(Debug, Clone)]
pub struct SelftestReport {
    /// When it ended, in UTC.
    pub at: String,
    /// What each rule says, in their order.
    pub findings: Vec<Finding>,
    options: SelftestOptions,
    facts: SelftestFacts,
    carried: Vec<CarriedCameras>,
}

impl SelftestReport {
    /// Judges what was measured.
    pub(super) fn of(options: SelftestOptions, facts: SelftestFacts) -> Self {
        let findings = judge(options, &facts);
        let window = facts.window.as_ref();
        let carried = window.map(|window| carried(window, options.cameras)).unwrap_or_default();
        Self { at: clock::utc(clock::now_us()), findings, options, facts, carried }
    }

    /// Whether no rule was missed.
    pub fn is_good(&self) -> bool {
        missed(&self.findings).next().is_none()
    }

    /// The selftest as tables: what was measured, what the box carries, and the rules, each miss
    /// below with what to try.
    pub fn table(&self) -> String {
        let SelftestOptions { cameras, seconds } = self.options;
        let mbit_per_s = SELFTEST_BITS_PER_S / 1_000_000;
        let (version, at) = (process::version(), &self.at);
        format!(
            "weir {version} at {at}\n{cameras} cameras of {mbit_per_s} Mbit/s, a viewer each, \
             over loopback for {seconds} s\n\n{}\n{}\n{}{}\n{}\n",
            aligned(self.measured()),
            self.carrying(),
            rules_table(&self.findings),
            misses(&self.findings),
            sentence(&self.findings),
        )
    }

    /// What was measured, in lines of a name and a text.
    fn measured(&self) -> Vec<[String; 2]> {
        let (sealing, _) = cpu::sealing();
        let seal = self.facts.seal_ns.map_or("not known".to_owned(), |ns| format!("{ns:.0} ns"));
        let mut lines = vec![
            ("sealing", format!("ring with {sealing} ({})", cpu::ARCHITECTURE)),
            ("one seal", format!("{seal} for {SELFTEST_SEALED_BYTES} bytes by AES-256-GCM")),
        ];
        if let Some(window) = &self.facts.window {
            lines.extend(of_window(window));
        }
        if let Some((most, plan)) = self.memory_bytes() {
            let [most, plan] = [most, plan].map(mib);
            lines.push(("memory", format!("at most {most:.1} MiB of {plan:.1} planned")));
        }
        lines.into_iter().map(|(name, text)| [name.to_owned(), text]).collect()
    }

    fn carrying(&self) -> String {
        if self.carried.is_empty() {
            return "What it carries is not known: there was too little to measure.\n".to_owned();
        }
        let mut text = "With half of a core to spare, and one viewer each, it carries\n".to_owned();
        for CarriedCameras { mbit_per_s, by_cpu, cameras } in &self.carried {
            let bound = if by_cpu > cameras {
                format!("; this memory profile has no more, the CPU would carry {by_cpu}")
            } else {
                String::new()
            };
            text += &format!("  {cameras} cameras of {mbit_per_s} Mbit/s{bound}\n");
        }
        text
    }

    /// The most that the judged weir had resident, and its plan.
    fn memory_bytes(&self) -> Option<(u64, u64)> {
        let [_, status] = self.facts.looked.status.as_ref()?;
        Some((status.resident_most_bytes?, status.plan_bytes?))
    }

    /// The selftest as one JSON object.
    pub fn json(&self) -> Value {
        let SelftestOptions { cameras, seconds } = self.options;
        let (sealing, is_hardware) = cpu::sealing();
        let features: Vec<&str> =
            cpu::features().filter(|(_, has)| *has).map(|(name, _)| name).collect();
        let carried = self.carried.iter().map(|one| {
            json!({ "mbit_per_s": one.mbit_per_s, "cameras": one.cameras, "by_cpu": one.by_cpu })
        });
        let memory = self
            .memory_bytes()
            .map(|(most, plan)| json!({ "resident_most_bytes": most, "plan_bytes": plan }));
        json!({
            "schema": SCHEMA, "at": self.at, "verdict": verdict(&self.findings),
            "version": crate::VERSION, "build_id": build_id::of_this_program(),
            "profile": PROFILE.name,
            "cameras": cameras, "seconds": seconds, "bits_per_s": SELFTEST_BITS_PER_S,
            "cpu": {
                "architecture": cpu::ARCHITECTURE, "features": features, "sealing": sealing,
                "seals_in_hardware": is_hardware, "seal_ns": self.facts.seal_ns,
            },
            "window": self.facts.window.as_ref().map(window_json),
            "memory": memory,
            "carries": carried.collect::<Vec<_>>(),
            "rules": rules_json(&self.findings),
        })
    }
}

#[allow(clippy::cast_precision_loss)] // packets and system calls of minutes
fn of_window(window: &WindowFacts) -> Vec<(&'static str, String)> {
    let gso = if window.has_gso { "GSO on" } else { "no GSO" };
    let per_call = window.packets as f64 / window.calls.max(1) as f64;
    let percent = |cpu_ms| match window.percent(cpu_ms) {
        Some(percent) => format!("{percent:.1} % of a core"),
        None => "not known".to_owned(),
    };
    let each = packet_us(window).map_or(String::new(), |us| format!(", {us:.2} us per packet"));
    let (sent, whole) = (window.pictures_sent, window.pictures_whole);
    let mut lines = vec![
        (
            "sent",
            format!(
                "{:.0} packets/s, {gso}, {per_call:.1} per system call",
                window.packets_per_s()
            ),
        ),
        ("cpu", format!("{}{each}", percent(window.cpu_ms))),
        ("load", format!("{} for cameras and viewers", percent(window.load_cpu_ms))),
        ("frames", format!("{sent} sent, {whole} whole, {} lost", sent.saturating_sub(whole))),
    ];
    if let Some(latencies) = window.latencies {
        let (p50, p99, most) = (latencies.p50_ms, latencies.p99_ms, latencies.most_ms);
        lines.push(("latency", format!("p50 {p50:.1} ms, p99 {p99:.1} ms, most {most:.1} ms")));
    }
    lines
}

fn window_json(window: &WindowFacts) -> Value {
    let latency = window.latencies.map(|latencies| {
        json!({ "p50": latencies.p50_ms, "p99": latencies.p99_ms, "most": latencies.most_ms })
    });
    let (sent, whole) = (window.pictures_sent, window.pictures_whole);
    json!({
        "window_ms": window.window_ms, "gso": window.has_gso,
        "packets": window.packets, "packets_per_s": window.packets_per_s(),
        "system_calls": window.calls,
        "cpu_ms": window.cpu_ms, "cpu_percent": window.percent(window.cpu_ms),
        "packet_us": packet_us(window),
        "load_cpu_percent": window.percent(window.load_cpu_ms),
        "latency_ms": latency,
        "frames": { "sent": sent, "whole": whole, "lost": sent.saturating_sub(whole) },
    })
}

#[allow(clippy::cast_precision_loss)] // of a process's memory, for people
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

#[cfg(test)]
mod tests {
    use super::super::facts::Latencies;
    use super::*;

    fn report(window: Option<WindowFacts>) -> SelftestReport {
        let facts = SelftestFacts {
            seal_ns: Some(250.0),
            run: Some(Ok(())),
            playing: Some(2),
            window,
            ..SelftestFacts::default()
        };
        SelftestReport::of(SelftestOptions { cameras: 2, seconds: 10 }, facts)
    }

    #[test]
    fn table_and_json_have_the_same_content() {
        let report = report(Some(WindowFacts {
            window_ms: 10_000,
            cpu_ms: Some(800),
            load_cpu_ms: Some(2_000),
            packets: 4_000,
            calls: 1_000,
            has_gso: true,
            pictures_sent: 500,
            pictures_whole: 499,
            latencies: Some(Latencies { p50_ms: 0.2, p99_ms: 1.3, most_ms: 2.4 }),
        }));
        let (table, json) = (report.table(), report.json());
        for said in [
            "250 ns for 1200 bytes",
            "400 packets/s, GSO on, 4.0 per system call",
            "8.0 % of a core, 200.00 us per packet",
            "500 sent, 499 whole, 1 lost",
            "p50 0.2 ms, p99 1.3 ms, most 2.4 ms",
            "frames: MISSED",
        ] {
            assert!(table.contains(said), "{said} in {table}");
        }
        assert_eq!((&json["schema"], &json["verdict"]), (&json!(1), &json!("missed")));
        assert_eq!(json["window"]["frames"], json!({ "sent": 500, "whole": 499, "lost": 1 }));
        for one in json["carries"].as_array().expect("a list") {
            let line = format!("{} cameras of {} Mbit/s", one["cameras"], one["mbit_per_s"]);
            assert!(table.contains(&line), "{line} in {table}");
        }
        for rule in json["rules"].as_array().expect("a list") {
            assert!(table.contains(rule["found"].as_str().expect("a text")), "{rule} in {table}");
        }
        assert!(table.lines().last().is_some_and(|line| line.contains("1 missed (frames)")));
    }

    #[test]
    fn without_a_window_there_is_still_a_verdict() {
        let report = report(None);
        assert!(report.is_good() && report.table().contains("What it carries is not known"));
        assert_eq!(report.json()["window"], Value::Null);
        assert_eq!(report.json()["carries"], json!([]));
    }
}
