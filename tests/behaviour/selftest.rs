//! `weir selftest`: what a factory line and an installer are told, that a rule that is missed is
//! named, and that nothing is left behind however it ends.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::common::server::{Server, Setup, fresh_directory, wait_for};

const PROGRAM: &str = env!("CARGO_BIN_EXE_weir");
const PATIENCE_US: u64 = 20_000_000;
const CAMERAS: u64 = 4;
const SECONDS: u64 = 3;
const FRAMES_PER_S: u64 = 25;
const RULES: [&str; 10] =
    ["run", "cameras", "sessions", "cipher", "loss", "memory", "cpu", "frames", "latency", "load"];

/// A folder for the selftest's own.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        Self(fresh_directory())
    }

    /// The program with this folder for what it keeps meanwhile.
    fn selftest(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("selftest").args(arguments).env("TMPDIR", &self.0);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.selftest(arguments).output().expect("the program runs")
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).expect("our folder").next().is_none()
    }

    /// Whether a weir runs with a configuration in here.
    fn has_process(&self) -> bool {
        let path = self.0.to_str().expect("UTF-8");
        let of = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
        let commands = fs::read_dir("/proc").expect("/proc").flatten().filter_map(of);
        let mut commands = commands.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        commands.any(|command| command.contains(path) && command.contains("run\0--config"))
    }

    /// Starts a long one and waits until its weir runs.
    fn begin(&self) -> Child {
        let mut command = self.selftest(&["--cameras", "2", "--seconds", "300"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.expect("the program runs");
        assert!(wait_for(PATIENCE_US, || self.has_process()), "the judged weir runs");
        child
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{errors}"))
}

fn rule(json: &Value, name: &str) -> Value {
    let rules = json["rules"].as_array().expect("rules");
    let rule = rules.iter().find(|rule| rule["rule"] == name);
    rule.unwrap_or_else(|| panic!("{name} in {json}")).clone()
}

fn verdicts<'j>(json: &'j Value, verdict: &str) -> Vec<&'j str> {
    let rules = json["rules"].as_array().expect("rules").iter();
    let named = rules.filter(|rule| rule["verdict"] == verdict);
    named.map(|rule| rule["rule"].as_str().expect("a name")).collect()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
}

#[test]
fn a_small_one_says_what_was_measured_and_leaves_nothing() {
    let folder = Temporary::new();
    let (cameras, seconds) = (CAMERAS.to_string(), SECONDS.to_string());
    let output = folder.run(&["--cameras", &cameras, "--seconds", &seconds, "--json"]);
    let json = json(&output);
    println!("{json:#}");
    assert_eq!(json["schema"], 1);
    assert_eq!((&json["cameras"], &json["seconds"]), (&CAMERAS.into(), &SECONDS.into()));
    let names: Vec<&str> = json["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|rule| rule["rule"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, RULES);
    // What a busy machine takes is not what this test is about.
    for name in ["run", "cameras", "sessions", "cipher", "memory"] {
        assert_eq!(rule(&json, name)["verdict"], "good", "{name}");
    }
    let is_good = verdicts(&json, "missed").is_empty();
    assert_eq!(json["verdict"], if is_good { "good" } else { "missed" });
    assert_eq!(output.status.code(), Some(i32::from(!is_good)));

    assert!(json["cpu"]["seal_ns"].as_f64().is_some_and(|ns| ns > 10.0));
    let features = fs::read_to_string("/proc/cpuinfo").expect("/proc");
    let has_aes = features.split_whitespace().any(|word| word == "aes");
    assert_eq!(json["cpu"]["seals_in_hardware"], has_aes, "as the kernel says");
    let window = &json["window"];
    let sent = window["frames"]["sent"].as_u64().expect("a count");
    let expected = CAMERAS * SECONDS * FRAMES_PER_S;
    assert!(sent.abs_diff(expected) <= 2 * CAMERAS, "{sent} frames of {expected}");
    let whole = window["frames"]["whole"].as_u64().expect("a count");
    assert!(whole * 10 >= sent * 9, "{whole} of {sent}");
    assert_eq!(window["frames"]["lost"], sent - whole);
    // 2 Mbit/s in packets of 1200 bytes are 208 per second.
    let packets_per_s = window["packets_per_s"].as_f64().expect("a rate") / 4.0;
    assert!((190.0..300.0).contains(&packets_per_s), "{packets_per_s} per camera and second");
    let latency = |name: &str| window["latency_ms"][name].as_f64().expect("a time");
    assert!(0.0 < latency("p50") && latency("p50") <= latency("p99"));
    assert!(latency("p99") <= latency("most"));
    let memory = |name: &str| json["memory"][name].as_u64().expect("bytes");
    assert!((1 << 20..memory("plan_bytes")).contains(&memory("resident_most_bytes")));
    let is_told = window["cpu_ms"].as_u64().expect("/proc") >= 100;
    assert_eq!(json["carries"].as_array().expect("a list").len(), if is_told { 3 } else { 0 });
    assert!(folder.is_empty() && !folder.has_process());
}

#[test]
fn a_rule_that_is_missed_is_named_with_what_to_try() {
    let folder = Temporary::new();
    let missing = folder.0.join("missing");
    let mut command = Command::new(PROGRAM);
    command.args(["selftest", "--cameras", "2", "--seconds", "2"]).env("TMPDIR", &missing);
    let plain = command.output().expect("the program runs");
    assert_eq!(plain.status.code(), Some(1));
    let text = String::from_utf8_lossy(&plain.stdout).into_owned();
    let after = text.split("run: MISSED").nth(1).unwrap_or_else(|| panic!("{text}"));
    assert!(after.contains(missing.to_str().expect("UTF-8")), "{text}");
    assert!(after.contains("try:") && after.contains("$TMPDIR"), "{text}");
    let json = json(&command.arg("--json").output().expect("the program runs"));
    assert_eq!((verdicts(&json, "missed"), &json["verdict"]), (vec!["run"], &"missed".into()));
    assert_eq!(verdicts(&json, "unknown").len(), RULES.len() - 1, "{json}");
}

#[test]
fn wrong_usage_is_told_apart_from_a_miss() {
    let folder = Temporary::new();
    for wrong in [
        &["--cameras", "0"][..],
        &["--cameras", "65"],
        &["--cameras", "many"],
        &["--seconds", "1"],
        &["--seconds", "301"],
        &["--camera", "4"],
        &["4"],
    ] {
        let output = folder.run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{wrong:?}");
    }
    assert!(folder.is_empty());
}

#[test]
fn interrupted_it_leaves_nothing() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let folder = Temporary::new();
        let child = folder.begin();
        signal(&child, name);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "interrupted\n", "{name}");
        assert!(folder.is_empty() && !folder.has_process(), "{name}");
    }
}

#[test]
fn killed_it_takes_its_weir_along() {
    let folder = Temporary::new();
    let child = folder.begin();
    signal(&child, "-KILL");
    child.wait_with_output().expect("it ends");
    assert!(wait_for(PATIENCE_US, || !folder.has_process()), "the judged weir ends");
}

#[test]
fn the_console_has_it_too() {
    let server = Server::start(&Setup::default());
    let (_, text) = server.console(&["selftest"]);
    println!("{text}");
    for said in ["16 cameras of 2 Mbit/s", "one seal", "GSO", "frames", "rules good"] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(line("run ").contains("good") && line("cameras ").contains("good"), "{text}");
}
