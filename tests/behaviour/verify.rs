//! `weir verify` against a weir that is well, and against ones with a fault each: the rule that is
//! broken is named, and the others are not.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;
use weir::access::TokenHash;

use crate::common::camera::picture::Picture;
use crate::common::camera::{Behaviour, CameraFarm, Mount};
use crate::common::relay::{Relay, drop_every_nth_packet};
use crate::common::server::{Server, Setup, free_tcp, free_udp, wait_for};
use crate::common::tls::fingerprint;

const PATIENCE_US: u64 = 10_000_000;
const CAMERAS: u32 = 3;
const MANY: u32 = 10;
const RULES: usize = 19;
/// What a busy machine adds is not what these tests are about.
const WIDE: [&str; 8] = [
    "--latency-ms",
    "2000",
    "--jitter-ms",
    "500",
    "--cpu-percent",
    "400",
    "--frames-percent",
    "40",
];

/// What the program said.
struct Said {
    code: Option<i32>,
    text: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The rules with this verdict.
    fn rules(&self, verdict: &str) -> Vec<String> {
        let json = self.json();
        let rules = json["rules"].as_array().expect("rules").iter();
        let named = rules.filter(|rule| rule["verdict"] == verdict);
        named.map(|rule| rule["rule"].as_str().expect("a name").to_owned()).collect()
    }

    fn rule(&self, name: &str) -> Value {
        let rules = self.json()["rules"].as_array().expect("rules").clone();
        let rule = rules.into_iter().find(|rule| rule["rule"] == name);
        rule.unwrap_or_else(|| panic!("{name} in {}", self.text))
    }

    /// Exactly these rules are missed, each with advice, and the exit code says so.
    fn misses(&self, expected: &[&str]) {
        assert_eq!(self.rules("missed"), expected, "{}", self.text);
        assert_eq!(self.code, Some(1), "{}", self.text);
        for name in expected {
            assert!(self.rule(name)["advice"].as_str().is_some_and(|advice| !advice.is_empty()));
        }
    }
}

/// Runs it against `url` with an operator's token.
fn verify(url: &str, token: &str, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["verify", "--url", url, "--seconds", "3", "--json"])
        .args(arguments)
        .env("WEIR_TOKEN", token)
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    Said { code: output.status.code(), text: String::from_utf8(text).expect("UTF-8") }
}

/// Some cameras, and a weir with an operator's token.
struct Watched {
    server: Server,
    farm: CameraFarm,
    token: String,
}

impl Watched {
    fn open(change: impl FnOnce(&mut Setup)) -> Self {
        Self::with(CAMERAS, change)
    }

    fn with(cameras: u32, change: impl FnOnce(&mut Setup)) -> Self {
        let picture = Picture { gop: 10, ..Picture::default() };
        let mounts = Mount::many(cameras, picture, false);
        let names: Vec<String> = mounts.iter().map(|mount| mount.name.clone()).collect();
        let farm = CameraFarm::open(mounts);
        let urls = names.iter().map(|name| (name.clone(), farm.url(name)));
        let (token, hash) = TokenHash::generate();
        let section = "[[token]]\nname = \"installer\"\nrole = \"operator\"";
        let mut setup = Setup {
            accounts: format!("{section}\nhash = \"{hash}\"\n"),
            https: "tls = \"off\"".to_owned(),
            ..Setup::of(urls)
        };
        change(&mut setup);
        let watched = Self { server: Server::start(&setup), farm, token };
        assert!(watched.has_playing(cameras), "{}", watched.server.log());
        watched
    }

    /// Waits until so many cameras play.
    fn has_playing(&self, count: u32) -> bool {
        wait_for(PATIENCE_US, || {
            let health = self.server.get("/healthz").json();
            health["cameras_playing"].as_u64() == Some(u64::from(count))
        })
    }

    fn look(&self, arguments: &[&str]) -> Said {
        let url = format!("http://{}", self.server.http);
        verify(&url, &self.token, &[&WIDE[..], arguments].concat())
    }
}

#[test]
fn a_healthy_weir_keeps_every_rule() {
    // More than are looked at side by side.
    let watched = Watched::with(MANY, |_| {});
    let status = watched.server.tell("status");
    let build = status["build_id"].as_str().expect("an id");
    let said = watched.look(&["--cameras", "10", "--all", "--expect-build", build]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    // There is no certificate to judge, and every other rule is listed as good.
    assert_eq!(said.rules("unknown"), ["certificate"], "{}", said.text);
    assert_eq!(said.rules("good").len(), RULES - 1, "{}", said.text);
    let sessions = said.json()["sessions"].as_array().expect("sessions").clone();
    assert_eq!(sessions.len(), MANY as usize, "{}", said.text);
    for session in sessions {
        assert_eq!((&session["lost"], &session["broken_units"]), (&0.into(), &0.into()));
        assert_eq!(session["cipher"], "AEAD_AES_256_GCM");
        // 25 frames per second, for 3 s.
        assert!(session["whole_units"].as_u64() > Some(50), "{session}");
        assert!(session["round_trip_p95_ms"].as_f64() > Some(0.0), "{session}");
    }
    let sessions = watched.server.tell("sessions")["sessions"].as_array().expect("a list").clone();
    assert_eq!(sessions.len(), MANY as usize);
    assert!(sessions.iter().all(|one| one["reason"] == "ended by the player"), "{sessions:?}");
    let took_reports = |session: &Value| session["round_trip_ms"].as_f64() > Some(0.0);
    assert!(sessions.iter().any(took_reports), "{sessions:?}");
}

#[test]
fn a_camera_that_is_down_is_named() {
    let watched = Watched::open(|_| {});
    watched.farm.behave("cam1", Behaviour::Close);
    assert!(watched.has_playing(2), "it is still there");
    let said = watched.look(&[]);
    said.misses(&["playing"]);
    let found = said.rule("playing")["found"].as_str().expect("text").to_owned();
    assert!(found.starts_with("1 of 3 do not: cam1: "), "{found}");
    // The others had their sessions.
    assert_eq!(said.json()["sessions"].as_array().map(Vec::len), Some(2), "{}", said.text);
}

#[test]
fn another_build_and_another_number_of_cameras_are_named() {
    let watched = Watched::open(|_| {});
    let said = watched.look(&["--expect-build", "0123456789abcdef", "--cameras", "64"]);
    said.misses(&["build", "cameras"]);
}

#[test]
fn errors_in_the_log_are_named() {
    let watched = Watched::open(|_| {});
    watched.server.write("[[camera\n");
    watched.server.hang_up();
    let is_logged = || watched.server.log().contains("nothing has changed");
    assert!(wait_for(PATIENCE_US, is_logged), "{}", watched.server.log());
    let said = watched.look(&["--sample", "1"]);
    said.misses(&["configuration", "log"]);
    let found = said.rule("log")["found"].as_str().expect("text").to_owned();
    assert!(found.contains("nothing has changed (1 times)"), "{found}");
}

/// A disk of one page that is full, for root alone; it is gone when this is dropped.
struct FullDisk(PathBuf);

impl FullDisk {
    fn mount() -> Option<Self> {
        let path = std::env::temp_dir().join(format!("weir-full-disk-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a writable temporary directory");
        let disk = Self(path);
        let options = ["-t", "tmpfs", "-o", "size=4k", "none"];
        let mounted = Command::new("mount").args(options).arg(&disk.0).status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("skipped: only root can mount a disk");
            return None;
        }
        fs::write(disk.0.join("fill"), [0; 4096]).expect("one page");
        Some(disk)
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_full_disk_is_named() {
    let Some(disk) = FullDisk::mount() else { return };
    let watched = Watched::open(|setup| {
        let folder = disk.0.to_str().expect("UTF-8").to_owned();
        setup.environment.push(("STATE_DIRECTORY".to_owned(), folder));
    });
    let said = watched.look(&["--sample", "1"]);
    said.misses(&["disk"]);
    let found = said.rule("disk")["found"].as_str().expect("text").to_owned();
    assert!(found.contains("No space left on device"), "{found}");
}

#[test]
fn packets_that_are_lost_on_the_way_are_counted() {
    let media = free_udp("127.0.0.1");
    let relay = Relay::start(media, vec![drop_every_nth_packet(50)]);
    let watched = Watched::open(|setup| {
        setup.media_port = Some(media.port());
        setup.webrtc = format!("announce = [\"{}\"]", relay.address);
    });
    let said = watched.look(&["--all"]);
    said.misses(&["loss"]);
    let found = said.rule("loss")["found"].as_str().expect("text").to_owned();
    let percent: f64 = found.split(' ').next().expect("a word").parse().expect("a number");
    assert!((1.5..2.5).contains(&percent), "{found}");
    let dropped = relay.counts.dropped.load(Relaxed);
    let lost: Vec<u64> = said.json()["sessions"]
        .as_array()
        .expect("sessions")
        .iter()
        .map(|session| session["lost"].as_u64().expect("a number"))
        .collect();
    // One that is lost behind the last packet, or before the first, is not missed.
    let lost: u64 = lost.iter().sum();
    assert!(lost <= dropped && lost + 2 * u64::from(CAMERAS) >= dropped, "{lost} of {dropped}");
    let broken = |session: &Value| session["broken_units"].as_u64() > Some(0);
    assert!(said.json()["sessions"].as_array().is_some_and(|all| all.iter().all(broken)));
}

#[test]
fn a_certificate_is_trusted_by_its_fingerprint_and_else_told_no_token() {
    let watched = Watched::open(|setup| setup.https = "tls = \"self-signed\"".to_owned());
    let shown = fingerprint(watched.server.https);
    let said = watched.look(&[]);
    said.misses(&["certificate"]);
    let found = said.rule("certificate")["found"].as_str().expect("text").to_owned();
    assert!(found.contains(&shown), "{found}");
    let other = "00".repeat(32);
    watched.look(&["--fingerprint", &other]).misses(&["certificate"]);
    assert!(said.rules("unknown").contains(&"access".to_owned()), "nothing was asked");
    // The way from the plain port is found.
    let said = watched.look(&["--fingerprint", &shown, "--sample", "1"]);
    assert_eq!((said.code, said.rules("good").len()), (Some(0), RULES), "{}", said.text);
}

#[test]
fn what_cannot_be_reached_or_entered_is_named() {
    let nobody = free_tcp("127.0.0.1");
    verify(&format!("http://{nobody}"), "token", &[]).misses(&["server"]);
    let watched = Watched::open(|_| {});
    let url = format!("http://{}", watched.server.http);
    let said = verify(&url, "not the token", &[]);
    said.misses(&["access"]);
    assert!(!said.text.contains("not the token"), "{}", said.text);
    // Without a rule's facts, what was asked for is a miss all the same.
    verify(&url, "not the token", &["--expect-build", "0123456"]).misses(&["access", "build"]);
}

#[test]
fn a_watch_keeps_a_line_for_each_look_and_ends_with_a_summary() {
    let watched = Watched::open(|_| {});
    let file = watched.server.config().with_file_name("verify.log");
    let path = file.to_str().expect("UTF-8");
    // Shorter than a minute: one look.
    let arguments = ["--sample", "1", "--watch", "1s", "--watch-file", path];
    let said = watched.look(&arguments);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!((&said.json()["looks"], &said.json()["good"]), (&1.into(), &1.into()));
    let wrong = watched.look(&[&arguments[..], &["--cameras", "4"]].concat());
    assert_eq!(wrong.code, Some(1), "{}", wrong.text);
    assert_eq!(wrong.json()["missed"][0]["rule"], "cameras");
    let kept = fs::read_to_string(file).expect("it was written");
    let lines: Vec<&str> = kept.lines().collect();
    let [first, second] = lines[..] else { panic!("{kept}") };
    assert!(
        first.contains(" good loss: ") && second.contains(" MISSED cameras: 3 cameras"),
        "{kept}"
    );
}
