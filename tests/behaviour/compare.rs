//! `scripts/compare` as operators use it: captures of a weir that runs, what a bench printed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::Value;

use crate::common::fixture::Fixture;
use crate::common::pprof::Profile;
use crate::common::viewer::wall;

const FLAT: &str = "CPU by function, ms/s";
const WINDOW: &str = "window";
const WINDOW_S: &str = "2";

/// A folder that is gone with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("weir-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a writable temporary directory");
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a writable directory");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tool() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/compare"))
}

fn capture(folder: &Path, port: SocketAddr) -> Output {
    let url = format!("http://{port}");
    let mut tool = tool();
    tool.arg("--capture").arg(folder).args(["--url", &url, "--seconds", WINDOW_S]);
    tool.env("WEIR_TOKEN", "its-token").output().expect("it runs")
}

fn comparison(before: &Path, after: &Path) -> Output {
    tool().arg(before).arg(after).arg("--json").output().expect("it runs")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// It ended with 1, and why.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn sections(output: &Output) -> Value {
    let all: Value = serde_json::from_str(&said(output)).expect("JSON");
    all["sections"].clone()
}

fn row<'s>(sections: &'s Value, section: &str, name: &str) -> &'s Value {
    let rows = sections[section].as_array().unwrap_or_else(|| panic!("no {section}: {sections}"));
    let found = rows.iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {rows:#?}"))
}

fn values(sections: &Value, section: &str, name: &str) -> (f64, f64) {
    let row = row(sections, section, name);
    (row["before"].as_f64().expect("a number"), row["after"].as_f64().expect("a number"))
}

#[test]
fn two_captures_of_a_running_weir_show_what_a_viewer_and_its_pages_cost() {
    let (fixture, folder) = (Fixture::open(), Folder::new("captures"));
    let [before, after] = ["before", "after"].map(|name| folder.0.join(name));
    said(&capture(&before, fixture.server.diagnostics));
    let mut viewer = fixture.viewer();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                fixture.server.metrics();
            }
        });
        scope.spawn(|| wall::run_one(&mut viewer, 60_000_000, |_| is_over.load(Relaxed)));
        let taken = capture(&after, fixture.server.diagnostics);
        is_over.store(true, Relaxed);
        said(&taken);
    });
    let sections = sections(&comparison(&before, &after));
    assert_eq!(values(&sections, WINDOW, "sessions"), (0.0, 1.0));
    assert_eq!(values(&sections, WINDOW, "cameras playing"), (1.0, 1.0));
    let (none, sent) = values(&sections, WINDOW, "packets out, per s");
    let (_, cut) = values(&sections, "counters, per second", "weir_camera_packets_out_total");
    assert!(none == 0.0 && (sent / cut - 1.0).abs() < 0.2, "{sent} sent, {cut} cut, per s");
    let (idle_s, busy_s) = values(&sections, WINDOW, "CPU time, s");
    assert!(busy_s > idle_s, "{idle_s} s, then {busy_s} s");
    let (length_s, _) = values(&sections, WINDOW, "length, s");
    assert!((2.0..4.0).contains(&length_s), "{length_s} s");
    let (none, one) = values(&sections, "memory in use, KiB", "arena: sessions");
    assert!(none == 0.0 && one > 0.5, "{one} KiB of a session");

    let profiles = [&before, &after].map(|folder| Profile::open(&folder.join("cpu.pb.gz")));
    let rows = sections[FLAT].as_array().expect("rows");
    for row in rows {
        let name = row["name"].as_str().expect("a name");
        let expected = profiles.each_ref().map(|profile| ms_per_s(profile, name));
        let found = values(&sections, FLAT, name);
        assert!((found.0 - expected[0]).abs() < 1e-6, "{name}: {found:?}, not {expected:?}");
        assert!((found.1 - expected[1]).abs() < 1e-6, "{name}: {found:?}, not {expected:?}");
    }
    let sum: f64 = rows.iter().filter_map(|row| row["after"].as_f64()).sum();
    let all = ms_per_s_of(&profiles[1], |_| true);
    assert!(all > 0.0 && (sum - all).abs() < 1e-6, "{sum} in the rows of {all} ms/s");

    let growth = |row: &&Value| row["change"].as_f64().expect("a number");
    let most = rows.iter().max_by(|one, other| growth(one).total_cmp(&growth(other)));
    let most = most.expect("a function")["name"].as_str().expect("a name");
    let table = said(&tool().arg(&before).arg(&after).output().expect("it runs"));
    let (_, first) = table.split_once(FLAT).expect("the section");
    let first = first.lines().nth(1).expect("a row");
    assert!(most.starts_with(&first[..most.len().min(30)]), "{most} grew most:\n{table}");

    // A page alone, and a profile alone.
    let pages = comparison(&before.join("begin.prom"), &after.join("end.prom"));
    assert_eq!(values(&self::sections(&pages), WINDOW, "sessions"), (0.0, 1.0));
    let heaps = comparison(&before.join("heap.pb.gz"), &after.join("heap.pb.gz"));
    let of_heaps = &self::sections(&heaps)["memory in use, KiB"];
    assert_eq!(of_heaps, &sections["memory in use, KiB"]);

    let again = complaint(&capture(&before, fixture.server.diagnostics));
    assert!(again.contains("has a capture already"), "{again}");
    // As if weir had started between the two pages.
    fs::copy(before.join("begin.prom"), after.join("end.prom")).expect("it is copied");
    let restarted = complaint(&comparison(&before, &after));
    assert!(restarted.contains("started again within the window"), "{restarted}");
}

fn ms_per_s(profile: &Profile, function: &str) -> f64 {
    ms_per_s_of(profile, |name| name == function)
}

fn ms_per_s_of(profile: &Profile, is_meant: impl Fn(&str) -> bool) -> f64 {
    profile.flat(1, is_meant) as f64 * 1e3 / profile.duration_ns as f64
}

#[test]
fn runs_of_a_bench_are_compared_by_their_medians() {
    let folder = Folder::new("runs");
    let run = |cpu: u32, lost: u32| {
        format!(
            "row  value\n{{\"schema\":2,\"weir\":\"0.1.0\",\"mix\":false,\"cpu_percent\":{cpu},\
             \"packets_lost\":{lost},\"skip_causes\":{{\"behind\":{lost}}},\"cpu_over_floor\":null}}\n"
        )
    };
    let before = folder.file("before", &[run(9, 0), run(10, 7), run(14, 1)].concat());
    let after = folder.file("after", &[run(8, 5), run(5, 2), run(7, 0)].concat());
    let sections = sections(&comparison(&before, &after));
    let cpu = row(&sections, "bench", "cpu_percent");
    assert_eq!(
        (&cpu["before"], &cpu["after"], &cpu["percent"]),
        (&10.into(), &7.into(), &(-30.0).into())
    );
    assert_eq!(cpu["note"], "", "the ranges lie apart");
    for name in ["packets_lost", "skip_causes.behind"] {
        let row = row(&sections, "bench", name);
        assert_eq!((&row["before"], &row["after"]), (&1.into(), &2.into()));
        assert_eq!(row["note"], "noise", "the ranges overlap");
    }
    assert_eq!(sections["bench"].as_array().map(Vec::len), Some(3), "{sections}");

    let page = folder.file("page", "# TYPE weir_sessions gauge\nweir_sessions 3\n");
    let apart = complaint(&comparison(&before, &page));
    assert!(apart.contains("nothing in common"), "{apart}");
    let empty = folder.file("empty", "");
    assert!(complaint(&comparison(&before, &empty)).contains("neither a capture"));
    let broken = folder.0.join("broken.pb.gz");
    fs::write(&broken, b"\x1f\x8bno gzip").expect("a writable directory");
    assert!(complaint(&comparison(&broken, &broken)).contains("no profile"));
    assert_eq!(tool().arg(&before).output().expect("it runs").status.code(), Some(2));
}

#[test]
fn a_port_that_refuses_is_told_the_token_and_leaves_no_capture() {
    let folder = Folder::new("refused").0.join("capture");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address");
    let asked = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        let answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nno such name";
        socket.write_all(answer).expect("it is sent");
        String::from_utf8(head).expect("UTF-8")
    });
    let refused = complaint(&capture(&folder, port));
    assert!(refused.contains("/metrics: 401: no such name"), "{refused}");
    assert!(!refused.contains("its-token"), "{refused}");
    let head = asked.join().expect("it was asked");
    assert!(head.contains("Authorization: Bearer its-token\r\n"), "{head}");
    assert!(!folder.exists());
}
