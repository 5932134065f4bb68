//! The page as Prometheus reads it, what its documentation says, and what is made of it: the rules
//! and the dashboard of `packaging/prometheus`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::control::KeyFrameStatus;

fn playing(name: &str) -> CameraStatus {
    CameraStatus {
        slot: 1,
        name: name.to_owned(),
        state: "playing",
        reason: None,
        transport: Some("tcp"),
        codec: None,
        width: None,
        height: None,
        frames_per_s: None,
        bits_per_s: None,
        gop_ms: None,
        key_frame_age_ms: None,
        sound: None,
        key_frame_requests: KeyFrameStatus {
            asked: 0,
            rtcp: "untried",
            onvif: None,
            onvif_problem: None,
        },
        sound_problem: None,
        sound_packets: 0,
        viewers: 0,
        ready: true,
        findings: crate::diagnosis::CameraFindings::new(),
    }
}

/// A box that left an update.
fn report() -> SlotsReport {
    serde_json::from_value(serde_json::json!({
        "board": "rock64", "running": "A", "order": ["A", "B"],
        "slots": [
            {"slot": "A", "version": "0.1.0", "build": "0ca38150ca38", "tries_left": 3,
             "state": "running", "why": null},
            {"slot": "B", "version": "0.2.0", "build": "ced0f31ced0f", "tries_left": 0,
             "state": "given up", "why": "carried no media"},
        ],
        "update": null, "good": true, "watchdog": null, "reset_by_watchdog": false,
        "bytes_written": 8192,
    }))
    .expect("a report")
}

/// The pieces of `/metrics` with these cameras, of a box.
fn pieces_of(cameras: impl Iterator<Item = CameraStatus>) -> Vec<String> {
    let Content::Pieces(next) = std::mem::take(reply(cameras, Some(report())).body_mut()) else {
        panic!("it is made as it is read");
    };
    std::iter::from_fn(next).map(|piece| String::from_utf8(piece.to_vec()).expect("text")).collect()
}

/// `/metrics` with one camera.
fn metrics_page() -> String {
    pieces_of(std::iter::once(playing("a\"b"))).concat()
}

#[test]
fn many_cameras_make_more_pieces_and_no_larger_ones() {
    const CAMERAS: usize = 512;
    let names = (0..CAMERAS).map(|number| format!("camera-{number}"));
    let pieces = pieces_of(names.map(|name| playing(&name)));
    let largest = pieces.iter().map(String::len).max();
    assert!(largest.is_some_and(|bytes| bytes <= 8 << 10), "{largest:?} bytes");
    let page = pieces.concat();
    for name in ["weir_camera_playing", "weir_camera_viewers"] {
        let heads = page.matches(&format!("# TYPE {name} ")).count();
        let samples = page.matches(&format!("\n{name}{{camera=")).count();
        assert_eq!((heads, samples), (1, CAMERAS), "{name}");
    }
    promtool(&["check", "metrics"], &page);
}

#[test]
fn metrics_hold_the_gauges_and_every_camera() {
    let body = metrics_page();
    for name in [
        "weir_library_heap_used_bytes 0",
        "weir_library_heap_high_water_bytes 0",
        "weir_media_thread_allocations_total 0",
        "weir_handshakes 0",
        "weir_sessions 0",
        "weir_accounts_budget_bytes{account=\"handshake\"} ",
        "weir_accounts_ended_total{account=\"http connection\"} ",
        "weir_admissions_refused_total{what=\"request body\"} ",
        "weir_library_heap_reserve_bytes ",
        "weir_camera_playing{camera=\"a\\\"b\"} 1",
        "weir_camera_viewers{camera=",
        "weir_camera_frames_abandoned_total{camera=\"a\\\"b\",tier=\"large\"} ",
        "weir_camera_breaks_total{camera=\"a\\\"b\",reason=\"no carry slot\"} ",
        "weir_camera_skips_total{camera=\"a\\\"b\",reason=\"resends\"} ",
        "weir_box_info{board=\"rock64\",running=\"A\"} 1",
        "weir_box_slot{slot=\"B\",version=\"0.2.0\",build=\"ced0f31ced0f\",state=\"given up\"} 1",
        "weir_box_slot_tries_left{slot=\"A\"} 3",
        "weir_box_update_on_trial 0",
    ] {
        assert!(body.contains(name), "{name} is not in {body}");
    }
    let mut helps: Vec<&str> =
        body.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    let metrics = helps.len();
    helps.sort_unstable();
    helps.dedup();
    assert_eq!(helps.len(), metrics, "each is described once");
}

#[test]
fn a_weir_beside_other_programs_has_no_figures_of_slots() {
    let Content::Pieces(next) = std::mem::take(reply(std::iter::empty(), None).body_mut()) else {
        panic!("it is made as it is read");
    };
    let page: Vec<u8> = std::iter::from_fn(next).flatten().collect();
    assert!(!String::from_utf8(page).expect("text").contains("weir_box_"));
}

#[test]
fn the_documentation_has_every_metric() {
    let page = metrics_page();
    let mut rows = String::from("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    let helps = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    for (name, help) in helps {
        let kind = page.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")));
        let sample = page.lines().find(|line| line.starts_with(name)).expect("a sample");
        let labels = sample.strip_prefix(name).and_then(|rest| rest.strip_prefix('{'));
        let labels = labels.map_or(Vec::new(), |labels| {
            labels.split("\",").map(|label| label.split('=').next().unwrap_or_default()).collect()
        });
        let (kind, labels) = (kind.expect("a type"), labels.join(", "));
        rows += &format!("| `{name}` | {kind} | {labels} | {help} |\n");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("docs/metrics.md");
    let (before, rest) = text.split_once("<!-- metrics -->\n").expect("the table's begin");
    let (table, after) = rest.split_once("<!-- /metrics -->").expect("the table's end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let text = format!("{before}<!-- metrics -->\n{rows}<!-- /metrics -->{after}");
        return std::fs::write(path, text).expect("docs/metrics.md is written");
    }
    assert_eq!(table, rows, "run UPDATE_DOCS=1 cargo test --lib the_documentation_has");
}

/// Runs promtool on `input`; says that it is skipped where there is none.
fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.current_dir(env!("CARGO_MANIFEST_DIR")).spawn() else {
        return eprintln!("skipped: there is no promtool here (Debian's package prometheus)");
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end before it has read everything, and then says why.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn prometheus_takes_the_page_the_rules_and_the_configuration() {
    const RULES: &str = "packaging/prometheus/weir.rules";
    promtool(&["check", "metrics"], &metrics_page());
    promtool(&["check", "rules", &format!("{RULES}.yml")], "");
    promtool(&["test", "rules", &format!("{RULES}.test.yml")], "");
    // The token's file is there on machines that have one.
    let configuration = "packaging/prometheus/prometheus.yml";
    promtool(&["check", "config", "--syntax-only", configuration], "");
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let documented = std::fs::read_to_string(path).expect("docs/metrics.md");
    let is_sign = |sign: char| !(sign.is_ascii_alphanumeric() || sign == '_');
    for text in [
        include_str!("../../../packaging/prometheus/weir.rules.yml"),
        include_str!("../../../packaging/prometheus/weir.rules.test.yml"),
        include_str!("../../../packaging/prometheus/weir.dashboard.json"),
    ] {
        let words = text.split(is_sign);
        let is_metric = |word: &&str| word.starts_with("weir_") || word.starts_with("process_");
        let named: BTreeSet<&str> = words.filter(is_metric).collect();
        assert!(named.len() > 10, "{named:?}");
        for name in named {
            assert!(documented.contains(&format!("| `{name}` |")), "there is no {name}");
        }
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../packaging/prometheus/weir.dashboard.json"))
            .expect("JSON");
    assert!(dashboard["panels"].as_array().expect("panels").len() > 10);
}
