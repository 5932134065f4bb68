//! The test program starts itself again as a process that prepares its report and then fails.

use std::alloc::{GlobalAlloc as _, Layout};
use std::process::{Command, Output};

use super::*;

/// The environment variable that tells the second process how to fail.
const WAY: &str = "WEIR_TEST_WAY_TO_END";

/// Fails only in the process that a test below starts.
#[test]
#[ignore = "ends the process it runs in"]
fn fail() {
    let way = std::env::var(WAY).expect("started by a test");
    prepare();
    let in_thread = |name: &str, act: fn()| {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let _ = thread.spawn(act).expect("a thread").join();
    };
    match &*way {
        "media" => in_thread("media", || panic!("the queue is\n  ours")),
        "control" => {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            // tokio would confine a panic to its task: the process must end before that.
            runtime.block_on(async {
                let _ = tokio::spawn(async { panic!("task {}", 7) }).await;
            });
        }
        "names" => {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async {
                let _ = tokio::task::spawn_blocking(|| panic!("an address")).await;
            });
        }
        "long" => panic!("{}", "x".repeat(10_000)),
        "heap" => {
            let heap = heap::LibraryHeap;
            let layout = Layout::from_size_align(heap::REGION_BYTES + 1, 8).expect("a layout");
            // SAFETY: the layout is not of zero bytes, and the result is not used.
            unsafe { heap.alloc(layout) };
        }
        other => unreachable!("{other}"),
    }
    // If the process gets here it has not ended, and the test sees another exit code.
}

fn ended_by(way: &str, backtrace: &str) -> (Output, String) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--exact", "process::panic_report::tests::fail", "--ignored", "--nocapture"])
        .env(WAY, way)
        .env("RUST_BACKTRACE", backtrace)
        .output()
        .expect("it runs");
    let words = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(output.status.code(), Some(EXIT_CODE), "{way}: {} {words}", output.status);
    (output, words)
}

#[test]
fn a_panic_on_any_thread_is_one_line_and_ends_the_process() {
    for (way, thread, message) in [
        ("media", "media", ": the queue is ours;"),
        ("control", "", ": task 7;"),
        ("names", "tokio-rt-worker", ": an address;"),
    ] {
        let (_, words) = ended_by(way, "0");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(
            words.starts_with("[ERROR] panic at src/process/panic_report/tests.rs:"),
            "{words}"
        );
        assert!(words.contains(message) && words.contains(version()), "{words}");
        assert!(words.contains(&format!("; thread {thread}")), "{words}");
        let (_, backtrace) = words.split_once("; backtrace ").expect("a backtrace");
        assert!(backtrace.split_whitespace().count() > 3, "{words}");
    }
}

#[test]
fn a_backtrace_has_names_where_they_are_asked_for() {
    let (_, words) = ended_by("media", "1");
    assert!(words.starts_with("[ERROR] panic at "), "{words}");
    // The optimiser decides which frames have names of their own; these have.
    assert!(words.contains("weir::process::panic_report::panicked"), "{words}");
    assert!(words.contains("std::panicking::"), "{words}");
}

#[test]
fn a_message_that_is_too_long_is_cut_and_the_rest_stays() {
    let (_, words) = ended_by("long", "0");
    assert!(words.len() <= WORDS_BYTES && words.ends_with('\n'));
    assert!(words.contains("xxx; thread ") && words.contains("; backtrace 0x"), "{words}");
}

#[test]
fn an_exhausted_heap_names_need_use_and_region() {
    let (_, words) = ended_by("heap", "0");
    let (need, region) = (heap::REGION_BYTES + 1, heap::REGION_BYTES);
    let expected = format!("library heap exhausted: need {need} bytes, 0 of {region} in use");
    assert!(words.contains(&expected), "{words}");
}
