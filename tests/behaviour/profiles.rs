//! Profiles on the diagnostics port, taken as an operator takes them and read by others' tools.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::common::fixture::{CAMERA, Fixture};
use crate::common::pprof::Profile;
use crate::common::server::{Server, wait_for};
use crate::common::viewer::wall;
use crate::common::whep;

/// curl, as documented.
fn curl(server: &Server, path: &str, file: &Path) -> Child {
    let url = format!("http://{}{path}", server.diagnostics);
    let mut curl = Command::new("curl");
    curl.args(["-s", "-w", "%{http_code}", "-o"]).arg(file).arg(url);
    curl.stdout(Stdio::piped()).spawn().expect("curl runs")
}

fn status(curl: Child) -> String {
    let output = curl.wait_with_output().expect("curl ends");
    String::from_utf8(output.stdout).expect("digits")
}

/// What `go tool pprof -top` prints, by the tool that scripts/install-tests has put into the target
/// folder: an installed Go may have to build it first. `None` where there is neither.
fn top(file: &Path, options: &[&str]) -> Option<String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        std::path::PathBuf::from,
    );
    let mut pprof = Command::new(target.join("tools/bin/pprof"));
    let mut go = Command::new("go");
    go.args(["tool", "pprof"]);
    let output = [&mut pprof, &mut go]
        .into_iter()
        .find_map(|tool| tool.arg("-top").args(options).arg(file).output().ok());
    let Some(output) = output else {
        eprintln!("skipped: there is no pprof here, which would read the profile too");
        return None;
    };
    let (text, errors) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8(text).expect("UTF-8"))
}

fn file(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("weir-{}-{name}.pb.gz", std::process::id()))
}

#[test]
fn a_cpu_profile_names_what_weir_does_and_loses_no_packet() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let file = file("cpu");
    let taken = curl(&fixture.server, "/debug/pprof/profile?seconds=3", &file);
    // The pages cost more than one camera does.
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asks = || {
            while !is_over.load(Relaxed) {
                fixture.server.metrics();
            }
        };
        scope.spawn(asks);
        wall::run_one(&mut viewer, 3_500_000, |_| false);
        is_over.store(true, Relaxed);
    });
    assert_eq!(status(taken), "200");
    let counts = &viewer.reception.counts;
    assert!(counts.packets > 100 && counts.lost() == 0, "{counts:?}");

    let profile = Profile::open(&file);
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(profile.sample_types, [pair("samples", "count"), pair("cpu", "nanoseconds")]);
    assert_eq!(profile.period, 10_000_000);
    assert!((3_000_000_000..4_000_000_000).contains(&profile.duration_ns), "{profile:?}");
    let samples = profile.flat(0, |_| true);
    assert_eq!(profile.flat(1, |_| true), samples * profile.period);
    assert!(samples > 10, "{samples} samples");
    let (start, end) = profile.mapping;
    assert!(profile.addresses.iter().all(|at| (start..end).contains(at)), "{profile:?}");
    let id = fixture.server.tell("status")["build_id"].as_str().expect("an id").to_owned();
    assert_eq!(profile.file.1, id);
    let own = profile.cumulative(0, |name| name.contains("weir::"));
    // Frame pointers are what scripts/build has the compiler keep, and this build has not.
    assert!(own * 5 > samples, "{own} of {samples} in weir: {profile:?}");
    // What is in the program's own file has a name.
    let unnamed = profile.flat(0, |name| name == "[unnamed]");
    assert!(unnamed * 5 < samples, "{unnamed} of {samples} have no name");
    if let Some(top) = top(&file, &[]) {
        assert!(top.contains("Type: cpu") && top.contains("weir::"), "{top}");
    }
    let _ = std::fs::remove_file(file);
}

#[test]
fn there_is_one_cpu_profile_at_a_time_and_a_client_that_leaves_ends_it() {
    let fixture = Fixture::open();
    let file = file("left");
    // It has asked before the next one connects.
    let mut first = TcpStream::connect(fixture.server.diagnostics).expect("weir listens");
    let request = "GET /debug/pprof/profile?seconds=300 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    first.write_all(request.as_bytes()).expect("it is sent");
    let ask = |path: &str| whep::get(fixture.server.diagnostics, path).expect("an answer");
    let short = "/debug/pprof/profile?seconds=1";
    let answer = ask(short);
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("one at a time"), "{}", answer.body);
    drop(first);
    let is_free = || {
        let mut next = curl(&fixture.server, short, &file);
        std::thread::sleep(Duration::from_millis(200));
        next.try_wait().expect("our child").is_none() && status(next) == "200"
    };
    assert!(wait_for(10_000_000, is_free), "it went on without its client");
    for (path, expected) in [
        ("/debug/pprof/profile?seconds=0", 400),
        ("/debug/pprof/profile?seconds=301", 400),
        ("/debug/pprof/profile?seconds=soon", 400),
        ("/debug/pprof/allocs", 404),
        ("/debug/pprof", 307),
        ("/debug/pprof/", 200),
    ] {
        assert_eq!(ask(path).status, expected, "{path}");
    }
    let post = whep::request(fixture.server.diagnostics, "POST", short, &[], "");
    assert_eq!(post.expect("an answer").status, 405);
    let _ = std::fs::remove_file(file);
}

#[test]
fn the_heap_and_the_tasks_are_profiles_too() {
    let fixture = Fixture::open();
    let _viewer = fixture.viewer();
    let (file, of_tasks) = (file("heap"), file("tasks"));
    assert_eq!(status(curl(&fixture.server, "/debug/pprof/heap", &file)), "200");
    // Before a tool reads the first one: nobody speaks for the viewer meanwhile.
    assert_eq!(status(curl(&fixture.server, "/debug/pprof/goroutine", &of_tasks)), "200");
    let text = whep::get(fixture.server.diagnostics, "/debug/pprof/goroutine?debug=1");
    let heap = Profile::open(&file);
    let types: Vec<&str> = heap.sample_types.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(types, ["inuse_objects", "inuse_space", "most_space", "plan_space"]);
    assert!(heap.flat(0, |name| name == "arena: history ring chunks") > 0);
    assert_eq!(heap.flat(0, |name| name == "arena: sessions"), 1);
    assert!(heap.flat(1, |name| name == "heap: diagnostics connection") > 0);
    assert!(heap.samples.iter().all(|(_, values)| values[1] <= values[2]), "{heap:?}");
    if let Some(top) = top(&file, &["-sample_index=most_space"]) {
        assert!(top.contains("Type: most_space") && top.contains("arena: streams"), "{top}");
    }
    let tasks = Profile::open(&of_tasks);
    assert_eq!(tasks.cumulative(0, |name| name == "session"), 1);
    assert_eq!(tasks.cumulative(0, |name| name == "thread media"), 1);
    let _ = std::fs::remove_file(file);
    let _ = std::fs::remove_file(of_tasks);
    let text = text.expect("an answer").body;
    let (first, rest) = text.split_once('\n').expect("lines");
    let total: u64 =
        first.strip_prefix("goroutine profile: total ").expect(first).parse().expect("a number");
    assert_eq!(total, tasks.flat(0, |_| true), "{text}");
    let counts = rest.lines().filter_map(|line| line.split('\t').nth(1)?.parse::<u64>().ok());
    assert_eq!(counts.sum::<u64>(), total, "{text}");
    assert!(text.contains(&format!("camera {CAMERA}: playing\n")), "{text}");
    assert!(text.contains(&format!(" of {CAMERA}, ")), "{text}");
}
