//! Started as root, weir is somebody else as soon as it serves; these need root themselves.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use weir::access::TokenHash;

use crate::common::fixture::Fixture;
use crate::common::server::{Server, Setup};

/// The words behind a field of `/proc/PID/status`.
fn field(status: &str, name: &str) -> Vec<String> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
    line.split_whitespace().map(str::to_owned).collect()
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let is_root = field(&status, "Uid:")[1] == "0";
    if !is_root {
        eprintln!("skipped: only root can become somebody else");
    }
    is_root
}

fn process(user: &str) -> String {
    format!("[process]\nuser = \"{user}\"")
}

/// Every thread's user, group and groups are these, and none can gain privileges.
fn assert_is(server: &Server, uid: &str, gid: &str) {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("a process");
    let mut threads = 0;
    for task in tasks.flatten() {
        let status = fs::read_to_string(task.path().join("status")).expect("a thread");
        assert_eq!(field(&status, "Uid:"), [uid; 4], "real, effective, saved, file system");
        assert_eq!(field(&status, "Gid:"), [gid; 4]);
        assert_eq!(field(&status, "Groups:"), [gid]);
        assert_eq!(field(&status, "NoNewPrivs:"), ["1"]);
        assert_eq!(field(&status, "CapEff:"), ["0000000000000000"]);
        assert_eq!(field(&status, "CapPrm:"), ["0000000000000000"]);
        threads += 1;
    }
    assert!(threads >= 2, "control and media");
}

#[test]
fn root_becomes_its_user_and_serves() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::open_with(|setup| setup.webrtc = process("12345:12346"));
    assert_is(&fixture.server, "12345", "12346");
    let viewer = fixture.viewer();
    assert!(viewer.is_connected());
    assert_is(&fixture.server, "12345", "12346");
    let log = fixture.server.log();
    assert!(log.contains("runs as user (12345:12346)"), "{log}");
    // Its configuration it can read; the folder that root made for it is closed to it.
    assert!(!log.contains("a reload will not be able"), "{log}");
    assert!(log.contains("nothing can be kept over a restart"), "{log}");
}

#[test]
fn a_user_by_name_has_its_own_groups_alone() {
    if !is_root() {
        return;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the user database");
    let nobody =
        users.lines().find(|line| line.starts_with("nobody:")).expect("every Linux has it");
    let fields: Vec<&str> = nobody.split(':').collect();
    let server = Server::start(&Setup { webrtc: process("nobody"), ..Setup::default() });
    assert_is(&server, fields[2], fields[3]);
}

#[test]
fn a_user_that_is_not_there_is_nobody_and_not_root() {
    if !is_root() {
        return;
    }
    // The folder is closed to it, so that it has no console.
    let hash = TokenHash::of("operators");
    let accounts = format!(
        "[https]\ntls = \"off\"\n[[token]]\nname = \"t\"\nrole = \"operator\"\nhash = \"{hash}\"\n"
    );
    let setup = Setup { webrtc: process("no-such-user"), accounts, ..Setup::default() };
    let server = Server::start(&setup);
    assert_is(&server, "65534", "65534");
    let status = server.get("/api/status?token=operators").json();
    let expected = "`user` in [process]: there is no user no-such-user; runs as nobody instead";
    assert_eq!(status["errors"][0]["text"], expected, "{status}");
    assert_eq!(status["errors"][0]["level"], "error");
    assert_eq!(status["errors_total"], 1);
}

/// A fresh folder of a user's own.
fn state_of(owner: u32, name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("weir-state-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("a folder");
    chown(&folder, Some(owner), Some(owner)).expect("root may");
    folder
}

fn start_with_tls(state: &Path, user: &str) -> Server {
    Server::start(&Setup {
        webrtc: process(user),
        https: "tls = \"self-signed\"".to_owned(),
        environment: vec![("STATE_DIRECTORY".to_owned(), state.display().to_string())],
        ..Setup::default()
    })
}

fn fingerprint(server: &Server) -> String {
    let log = server.log();
    let (_, after) = log.rsplit_once("fingerprint (SHA-256) ").expect("it is logged");
    after.lines().next().unwrap_or_default().to_owned()
}

/// What a start as root makes before weir becomes its user, and what an earlier start left to root,
/// is that user's: it reads the same certificate in a life of its own.
#[test]
fn the_certificate_belongs_to_the_user() {
    if !is_root() {
        return;
    }
    for first in ["12345:12345", "0:0"] {
        let state = state_of(12345, &first.replace(':', "-"));
        let server = start_with_tls(&state, first);
        let made = fingerprint(&server);
        drop(server);
        let server = start_with_tls(&state, "12345:12345");
        assert_eq!(fingerprint(&server), made, "first as {first}");
        let pem = fs::metadata(state.join("weir-tls.pem")).expect("it is kept");
        assert_eq!((pem.uid(), pem.gid(), pem.mode() & 0o777), (12345, 12345, 0o600));
        let seen = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["tls", "--config"])
            .arg(server.config())
            .arg("--state")
            .arg(&state)
            .uid(12345)
            .gid(12345)
            .output()
            .expect("the weir program runs");
        let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
        assert!(seen.contains(&made), "first as {first}: {seen}");
        drop(server);
        let _ = fs::remove_dir_all(state);
    }
}

/// Whoever has weir's user may plant a link in its folder; root neither reads nor changes what it
/// leads to.
#[test]
fn a_link_in_the_users_folder_leads_root_nowhere() {
    if !is_root() {
        return;
    }
    let state = state_of(12345, "link");
    let target = std::env::temp_dir().join(format!("weir-target-{}", std::process::id()));
    fs::write(&target, "root's").expect("a writable directory");
    for name in ["weir-tls.pem", ".weir-tls.pem.new", "weir.toml.good", ".weir.toml.good.new"] {
        symlink(&target, state.join(name)).expect("a link");
    }
    let server = start_with_tls(&state, "12345:12345");
    assert!(server.log().contains("a link, not a file"), "{}", server.log());
    let found = fs::metadata(&target).expect("it stays");
    assert_eq!((found.uid(), found.gid()), (0, 0));
    assert_eq!(fs::read_to_string(&target).expect("it stays"), "root's");
    let pem = fs::symlink_metadata(state.join("weir-tls.pem")).expect("it is kept");
    assert!(pem.is_file() && pem.uid() == 12345, "replaced");
    drop(server);
    let _ = fs::remove_dir_all(state);
    let _ = fs::remove_file(target);
}
