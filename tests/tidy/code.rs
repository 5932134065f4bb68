//! What code may do where: `unsafe`, logging on the media thread, `unwrap`.

use std::fs;

use crate::sources::{assert_none, repository, sources};

/// The only places that may talk to memory and to the kernel behind the compiler's back: the arenas
/// and the heap, the sockets, and what the kernel knows of this process (its user, its end). A test
/// stops a thread by ptrace.
const UNSAFE_FOLDERS: [&str; 4] =
    ["src/mem/", "src/net/", "src/process/", "tests/common/ptrace.rs"];
/// What runs on the media thread. A log that nobody reads would stop it.
const MEDIA_PATHS: [&str; 29] = [
    "src/media/",
    "src/stream/",
    "src/history/",
    "src/rtp/",
    "src/egress/",
    "src/net/udp",
    "src/mem/pool.rs",
    "src/mem/table.rs",
    "src/rtsp/auth.rs",
    "src/rtsp/challenge.rs",
    "src/rtsp/digest.rs",
    "src/rtsp/examine.rs",
    "src/rtsp/framing.rs",
    "src/rtsp/message.rs",
    "src/rtsp/reception.rs",
    "src/rtsp/reorder.rs",
    "src/rtsp/rtcp.rs",
    "src/rtsp/schedule.rs",
    "src/rtsp/session.rs",
    "src/rtsp/session/",
    "src/rtsp/tail.rs",
    "src/rtsp/transmit.rs",
    "src/webrtc/admission.rs",
    "src/webrtc/consent.rs",
    "src/webrtc/credentials.rs",
    "src/webrtc/demux.rs",
    "src/webrtc/place.rs",
    "src/webrtc/rate.rs",
    "src/webrtc/session.rs",
];
/// Libraries that do what weir does not do itself.
const LIBRARIES: [&str; 10] = [
    "clap",
    "heapless",
    "mio",
    "rcgen",
    "ring",
    "rtsp-types",
    "rustls",
    "serialport",
    "str0m",
    "tokio",
];

#[test]
fn kept_libraries_do_the_work() {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).expect("a manifest");
    let (_, rest) = manifest.split_once("\n[dependencies]\n").expect("dependencies");
    let (dependencies, _) = rest.split_once("\n[").expect("more sections");
    let sources = sources();
    let is_program = |path: &str| path.starts_with("src/") && !path.contains("fuzzing");
    for library in LIBRARIES {
        let named = format!("{library} = ");
        assert!(dependencies.lines().any(|line| line.starts_with(&named)), "{library}");
        let path = library.replace('-', "_") + "::";
        let is_used = sources
            .iter()
            .filter(|source| is_program(&source.path) && !source.is_test())
            .any(|source| source.production_lines().any(|(_, line)| line.contains(&path)));
        assert!(is_used, "{library} is linked for nothing");
    }
}

#[test]
fn unsafe_code_stays_in_its_folders() {
    let starts = ["{", "fn", "impl", "extern", "trait"].map(|what| ["unsafe", what].join(" "));
    let mut offences = Vec::new();
    for source in sources() {
        let allowed = UNSAFE_FOLDERS.iter().any(|f| source.path.starts_with(f));
        if !source.is_rust() || allowed {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if starts.iter().any(|start| code.contains(start.as_str())) {
                offences.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert_none("unsafe lives in src/mem, src/net and src/process", &offences);
}

#[test]
fn the_media_thread_does_not_log() {
    let levels = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];
    let mut offences = Vec::new();
    for source in sources() {
        let is_media = MEDIA_PATHS.iter().any(|folder| source.path.starts_with(folder));
        if !is_media || source.is_test() {
            continue;
        }
        for (number, line) in source.production_lines() {
            if levels.iter().any(|level| line.contains(level)) {
                offences.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none("the media thread counts, in its statistics", &offences);
}

#[test]
fn the_daemon_does_not_unwrap() {
    let mut offences = Vec::new();
    for source in sources() {
        let test = source.is_test() || source.stem() == "tests" || source.path == "build.rs";
        if !source.is_rust() || test {
            continue;
        }
        for (number, line) in source.production_lines() {
            if line.contains(".unwrap()") || line.contains("fn get_") {
                offences.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none("expect() names its invariant; accessors have no get_", &offences);
}
