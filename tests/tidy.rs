//! The house rules that a machine can hold, and the README's memory table. Rules of the language
//! (function length, unsafe blocks' comments, the clock) are clippy's, see Cargo.toml.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use weir::limits::{
    CAMERA_SOCKET_BYTES, CONSOLE_BAUD_MAX, CONSOLE_BAUD_MIN, HTTP_PLACELESS_SOCKETS_MAX,
    HTTP_SOCKETS_MAX, PROFILE, Profile, TCP_BUFFER_BYTES,
};

const FILE_LINES_MAX: usize = 500;
const MAIN_LINES_MAX: usize = 100;
/// Names that say nothing; the last is for what integration tests share.
const BANNED_STEMS: [&str; 6] = ["util", "utils", "helper", "helpers", "manager", "common"];
/// Unfinished work.
const BANNED_MARKS: [&str; 5] = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("];
/// The text speaks of weir, not of how it came about.
const BANNED_WORDS: [&str; 9] = [
    "worktree",
    "subagent",
    "language model",
    "findings/",
    "design.md",
    "/work/",
    "as requested",
    "as discussed",
    "in this session we",
];
/// Words for things of weir that had other meanings beside: the field's own are in use.
const RETIRED_WORDS: [&str; 17] = [
    "seat",
    "seats",
    "turner",
    "signpost",
    "oddities",
    "anew",
    "CameraCard",
    "SessionCard",
    "SeatId",
    "Knocking",
    "Unheard",
    "Wiring",
    "Outlet",
    "last_words",
    "told_since",
    "is_vain",
    "vacate",
];
/// The only places that may talk to memory and to the kernel behind the compiler's back: the arenas
/// and the heap, the sockets, and what the kernel knows of this process (its user, its end). A test stops a thread by ptrace.
const UNSAFE_FOLDERS: [&str; 4] =
    ["src/mem/", "src/net/", "src/process/", "tests/common/ptrace.rs"];
/// What runs on the media thread. A log that nobody reads would stop it.
const MEDIA_PATHS: [&str; 27] = [
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
    "src/rtsp/rtcp.rs",
    "src/rtsp/schedule.rs",
    "src/rtsp/session.rs",
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
const TABLE_BEGIN: &str = "<!-- memory table -->";
const TABLE_END: &str = "<!-- /memory table -->";

struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let is_unit = name == "tests.rs" || name.ends_with("_tests.rs") || name == "testing.rs";
        is_unit || self.path.split('/').any(|folder| folder == "tests")
    }

    /// Not of the program, which has modules of its own, and not of tests.
    fn is_of_the_library(&self) -> bool {
        let is_elsewhere = self.path.starts_with("src/bin/") || self.path.contains("fuzzing");
        self.path.starts_with("src/") && self.is_rust() && !self.is_test() && !is_elsewhere
    }

    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// What runs in the field: the lines before the unit tests, without comments.
    fn production_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .map(|line| line.split("//").next().unwrap_or_default())
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text of ours, save this file, which must name what it bans.
fn sources() -> Vec<Source> {
    let mut folders: Vec<PathBuf> =
        [".ci", "board", "docs", "memory-profiles", "packaging", "scripts", "src", "tests"]
            .map(|folder| repository().join(folder))
            .into();
    let mut files: Vec<PathBuf> =
        ["build.rs", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"]
            .map(|file| repository().join(file))
            .into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().unwrap_or_default();
            if path.is_file() {
                files.push(path);
            } else if name != "node_modules" && name != "data" && name != "target" {
                folders.push(path);
            }
        }
    }
    let sources: Vec<Source> = files
        .into_iter()
        .filter(|file| !file.ends_with("tests/tidy.rs"))
        .filter(|file| !file.ends_with("package-lock.json"))
        .filter_map(|file| {
            let text = fs::read_to_string(&file).ok()?;
            let path = file.strip_prefix(repository()).ok()?;
            Some(Source { path: path.to_str()?.to_owned(), text })
        })
        .collect();
    assert!(sources.len() > 20, "the sources were found");
    sources
}

fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

#[test]
fn no_type_that_files_share_has_a_second_meaning() {
    let mut defined: BTreeMap<String, String> = BTreeMap::new();
    let mut twice = Vec::new();
    for source in sources().iter().filter(|source| source.is_of_the_library()) {
        let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        let visible = code.lines().map(str::trim_start).filter(|line| line.starts_with("pub"));
        for line in visible {
            let mut words = line.split(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
            let is_type = |word: &&str| ["struct", "enum", "trait", "type", "union"].contains(word);
            let Some(name) = words.find(is_type).and_then(|_| words.next()) else { continue };
            if let Some(other) = defined.insert(name.to_owned(), source.path.clone()) {
                twice.push(format!("{name}: {other} and {}", source.path));
            }
        }
    }
    assert!(defined.len() > 300, "{} types", defined.len());
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn what_is_public_is_described_in_more_than_three_words() {
    let mut thin = Vec::new();
    let mut seen = 0;
    // The program's arguments are described to those who ask for help.
    for source in sources().iter().filter(|source| source.is_of_the_library()) {
        let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
        for (at, line) in lines.iter().enumerate() {
            let is_doc = |at: usize| lines.get(at).is_some_and(|line| line.starts_with("///"));
            if !is_doc(at) || is_doc(at + 1) || at.checked_sub(1).is_some_and(is_doc) {
                continue;
            }
            let item = lines[at + 1..].iter().find(|line| !line.starts_with("#["));
            if !item.is_some_and(|item| item.starts_with("pub")) {
                continue;
            }
            seen += 1;
            let words = line.trim_start_matches('/').split_whitespace().count();
            let is_reference = line.starts_with("/// See [`");
            if words < 4 && !is_reference {
                thin.push(format!("{}:{}: {line}", source.path, at + 1));
            }
        }
    }
    assert!(seen > 1000, "{seen} descriptions in one line");
    assert_none("say what a caller needs", &thin);
}

#[test]
fn retired_words_are_not_in_use() {
    let is_sign = |sign: char| !(sign.is_alphanumeric() || sign == '_');
    let mut found = Vec::new();
    for source in sources() {
        for (at, line) in source.text.lines().enumerate() {
            for word in line.split(is_sign).filter(|word| RETIRED_WORDS.contains(word)) {
                found.push(format!("{}:{}: {word}", source.path, at + 1));
            }
        }
    }
    assert_none("say it in the field's own words", &found);
}

#[test]
fn comments_end_at_column_100() {
    let is_long = |line: &&str| line.chars().count() > 100 && line.trim_start().starts_with("//");
    let mut long = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        let found = source.text.lines().filter(is_long);
        long.extend(found.map(|line| format!("{}: {line}", source.path)));
    }
    assert_none("break the line", &long);
}

#[test]
fn files_are_short() {
    let offences: Vec<String> = sources()
        .iter()
        .filter(|source| !source.path.ends_with(".md"))
        .filter_map(|source| {
            let lines = source.text.lines().count();
            let main = source.path == "src/bin/weir/main.rs";
            let max = if main { MAIN_LINES_MAX } else { FILE_LINES_MAX };
            (lines > max).then(|| format!("{}: {lines} lines, max {max}", source.path))
        })
        .collect();
    assert_none("split by noun", &offences);
}

#[test]
fn files_have_names_of_the_field() {
    let offences: Vec<String> = sources()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| {
            path.split('/').any(|part| {
                let stem = part.split('.').next().unwrap_or_default();
                let shared_by_tests = stem == "common" && path.starts_with("tests/");
                BANNED_STEMS.contains(&stem) && !shared_by_tests
            })
        })
        .collect();
    assert_none("a name that says nothing", &offences);
}

#[test]
fn modules_say_what_they_are() {
    let offences: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.is_rust() && !source.path.starts_with("memory-profiles/"))
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert_none("a module starts with //! and what it owns", &offences);
}

#[test]
fn nothing_is_left_to_do() {
    let mut offences = Vec::new();
    for source in sources() {
        for (index, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let mark = BANNED_MARKS.iter().find(|mark| line.contains(**mark));
            let word = BANNED_WORDS.iter().find(|word| lower.contains(**word));
            if let Some(found) = mark.or(word) {
                offences.push(format!("{}:{}: {found}", source.path, index + 1));
            }
        }
    }
    assert_none("finish it, or leave it out", &offences);
}

#[test]
fn unsafe_code_stays_in_its_folders() {
    let starts = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait"];
    let mut offences = Vec::new();
    for source in sources() {
        let allowed = UNSAFE_FOLDERS.iter().any(|f| source.path.starts_with(f));
        if !source.is_rust() || allowed {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if starts.iter().any(|start| code.contains(start)) {
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

/// The README is of the default profile. `UPDATE_README=1 cargo test --test tidy` writes it again.
#[test]
fn readme_has_the_memory_table() {
    // mio's sockets are larger with debug assertions, which no released program has.
    if cfg!(debug_assertions) {
        return;
    }
    if PROFILE.name != "edge-64" {
        return;
    }
    let output =
        Command::new(env!("CARGO_BIN_EXE_weir")).arg("memory").output().expect("weir runs");
    assert!(output.status.success());
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    let path = repository().join("README.md");
    let readme = fs::read_to_string(&path).expect("a README");
    let (before, rest) = readme.split_once(TABLE_BEGIN).expect("the table's begin");
    let (shown, after) = rest.split_once(TABLE_END).expect("the table's end");
    let expected = format!("\n```text\n{}\n```\n", table.trim_end());
    if std::env::var_os("UPDATE_README").is_some() {
        let fresh = format!("{before}{TABLE_BEGIN}{expected}{TABLE_END}{after}");
        fs::write(&path, fresh).expect("a writable README");
    } else {
        assert_eq!(shown, expected, "run UPDATE_README=1 cargo test --test tidy");
    }
}

/// What profiles differ in, as the README has it. The test profile is for tests alone.
#[test]
fn readme_has_the_memory_profiles() {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    const PROFILES: [Profile; 3] = [
        include!("../memory-profiles/lean-64.rs"),
        include!("../memory-profiles/edge-64.rs"),
        include!("../memory-profiles/full-64.rs"),
    ];
    let mut table = String::from(
        "| profile | cameras | sessions | ring chunks | total | `MemoryMax` |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    for profile in PROFILES {
        let Profile { name, cameras, sessions, ring_chunks, ring_chunk_bytes, total_bytes, .. } =
            profile;
        let (ring, total) = (ring_chunks * ring_chunk_bytes, total_bytes / MIB);
        let ring = format!("{}.{} MiB", ring / MIB, ring % MIB * 10 / MIB);
        let limit = memory_max_mib(&profile);
        table += &format!(
            "| `{name}` | {cameras} | {sessions} | {ring} | {total} MiB | {limit} MiB |\n"
        );
    }
    let readme = fs::read_to_string(repository().join("README.md")).expect("a README");
    assert!(readme.contains(&table), "the README lacks\n{table}");
}

/// The service's limit, as scripts/package works it out for any profile: the plan's total, the
/// media socket's buffers, those of each camera's connection and of each HTTP socket when all are
/// full, 8 MiB for what else the kernel holds of the process.
fn memory_max_mib(profile: &Profile) -> usize {
    // The limits of HTTP sockets are those of the profile that this is built with.
    assert_eq!(profile.http_connections, PROFILE.http_connections, "{}", profile.name);
    let http = (4 * HTTP_SOCKETS_MAX + 2 * HTTP_PLACELESS_SOCKETS_MAX) * TCP_BUFFER_BYTES;
    let sockets = profile.cameras * CAMERA_SOCKET_BYTES + http;
    let kernel = 2 * profile.udp_socket_buffer_bytes + sockets + (8 << 20);
    (profile.total_bytes + kernel).div_ceil(1 << 20)
}

#[test]
fn the_service_may_take_what_the_profile_says() {
    if PROFILE.name != "edge-64" {
        return;
    }
    let limit = format!("\nMemoryMax={}M\n", memory_max_mib(&PROFILE));
    let unit = fs::read_to_string(repository().join("packaging/weir.service")).expect("a unit");
    assert!(unit.contains(&limit), "the unit lacks {limit:?}");
}

/// Each board's `meta` has every key once, names what is there, and stands in the list of boards with
/// how far it got.
#[test]
fn boards_are_described_whole() {
    const KEYS: [&str; 15] = [
        "name",
        "target",
        "profile",
        "ram_mib",
        "serial",
        "serial_baud",
        "network",
        "watchdog",
        "modules",
        "boot",
        "firmware",
        "firmware_at",
        "device_tree",
        "kernel",
        "cpu_aes",
    ];
    let boards = repository().join("board");
    let list = fs::read_to_string(boards.join("README.md")).expect("a list");
    let mut count = 0;
    for entry in fs::read_dir(&boards).expect("boards") {
        let folder = entry.expect("a readable folder").path();
        let Ok(meta) = fs::read_to_string(folder.join("meta")) else { continue };
        let id = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let value = |key: &str| -> &str {
            let lines = || meta.lines().filter_map(|line| line.split_once('='));
            assert_eq!(lines().filter(|(name, _)| *name == key).count(), 1, "{id}: {key}");
            lines().find(|(name, _)| *name == key).map_or("", |(_, value)| value.trim_matches('"'))
        };
        let lines = meta.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(lines, KEYS.len() + 1, "{id} has other keys");
        for key in KEYS {
            value(key);
        }
        assert!(["aarch64", "x86_64"].contains(&value("target")), "{id}");
        assert!(
            repository().join(format!("memory-profiles/{}.rs", value("profile"))).is_file(),
            "{id}"
        );
        assert!(value("serial").starts_with("/dev/tty"), "{id}");
        let baud: usize = value("serial_baud").parse().expect("a number");
        assert!((CONSOLE_BAUD_MIN..=CONSOLE_BAUD_MAX).contains(&baud), "{id}");
        assert!(value("ram_mib").parse::<u32>().is_ok_and(|mib| mib >= 128), "{id}");
        assert!(["yes", "no"].contains(&value("cpu_aes")), "{id}");
        let row =
            list.lines().find(|line| line.contains(&format!("`{id}`")) && line.starts_with('|'));
        let row = row.unwrap_or_else(|| panic!("{id} is not in the list"));
        assert!(
            row.contains(value("name")) && row.ends_with(&format!("| {} |", value("seen"))),
            "{row}"
        );
        assert!(["built", "emulated", "hardware"].contains(&value("seen")), "{id}");
        count += 1;
    }
    assert!(count >= 6, "{count} boards were found");
}
