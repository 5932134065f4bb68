//! A start with a file that cannot be used: with the last good one, or with the defaults.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::camera::CameraFarm;
use crate::common::server::{CameraEntry, Server, Setup};

const TORN: &str = "config_version = 1\n[[camera]]\nname = \"gate\"\nurl = \"rts";

fn entry(name: &str) -> CameraEntry {
    // Nobody listens there.
    let login = Some(("u".to_owned(), "hunter2".to_owned()));
    CameraEntry { name: name.to_owned(), url: "rtsp://127.0.0.1:1/".to_owned(), login }
}

fn names(cameras: &Value) -> Vec<&str> {
    let cameras = cameras["cameras"].as_array().expect("a list");
    cameras.iter().filter_map(|camera| camera["name"].as_str()).collect()
}

#[test]
fn a_torn_file_gives_way_to_the_last_good_one() {
    let setup = Setup { cameras: vec![entry("gate"), entry("yard")], ..Setup::default() };
    let mut server = Server::start(&setup);
    let good = fs::read_to_string(server.config()).expect("a file");
    let copy = server.config().with_file_name("weir.toml.good");
    assert_eq!(fs::read_to_string(&copy).expect("kept"), good);
    let mode = fs::metadata(&copy).expect("kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "there are passwords in it");

    server.kill();
    server.write(TORN);
    server.start_again();
    let cameras = server.get("/api/cameras").json();
    assert_eq!(names(&cameras), ["gate", "yard"]);
    assert_eq!(cameras["configuration"]["state"], "last good");
    let log = server.log();
    assert!(log.contains("ERROR") && log.contains("weir.toml: line 4, column 11: "), "{log}");
    assert!(log.contains("goes on with the last one that could"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    assert_eq!(fs::read_to_string(&copy).expect("kept"), good, "a torn file is never kept");

    server.configure(&Setup { cameras: vec![entry("gate")], ..Setup::default() });
    let answer = server.reload().json();
    assert_eq!((&answer["state"], &answer["removed"]), (&json!("good"), &json!(["yard"])));
    server.kill();
    server.write("");
    server.start_again();
    assert_eq!(names(&server.get("/api/cameras").json()), ["gate"], "what the reload kept");
}

#[test]
fn a_camera_whose_password_file_is_gone_is_the_only_one_disabled() {
    let farm = CameraFarm::open(Vec::new());
    let mut server = Server::start(&Setup::of([("gate".to_owned(), farm.url("gate"))]));
    let text = fs::read_to_string(server.config()).expect("a file");
    let line = text.lines().count() + 5;
    let lost = "[[camera]]\nname = \"lost\"\nurl = \"rtsp://127.0.0.1:1/\"\nuser = \"u\"\n\
                password_file = \"secrets/lost\"\n";
    server.write(&format!("{text}{lost}"));
    server.kill();
    server.start_again();
    let cameras = server.get("/api/cameras").json();
    assert_eq!(cameras["configuration"]["state"], "warnings");
    assert_ne!(cameras["cameras"][0]["state"], "disabled");
    let lost = &cameras["cameras"][1];
    let reason = lost["reason"].as_str().expect("words");
    let expected = format!("line {line}, column 17: `password_file` cannot be read: ");
    assert!(lost["state"] == "disabled" && reason.starts_with(&expected), "{lost}");
    assert!(!reason.contains("secrets"), "a path is not for viewers: {reason}");
}

/// The defaults' ports are the same for everybody: weir gets a network of its own for it.
#[test]
fn without_a_last_good_one_weir_starts_with_its_defaults() {
    let folder = std::env::temp_dir().join(format!("weir-defaults-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a writable temporary directory");
    fs::write(folder.join("weir.toml"), TORN).expect("a writable directory");
    let script = "ip link set lo up; \"$0\" run --config \"$1\" & weir=$!\n\
                  for i in $(seq 100); do\n\
                  curl -s http://127.0.0.1:8117/api/cameras && break; sleep 0.05; done\n\
                  kill $weir; wait $weir; exit $?";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", script, env!("CARGO_BIN_EXE_weir")])
        .arg(folder.join("weir.toml"))
        .output()
        .expect("unshare runs");
    let log = String::from_utf8_lossy(&output.stderr);
    let answer = String::from_utf8_lossy(&output.stdout);
    let kept = fs::read_dir(&folder).expect("a folder").count();
    fs::remove_dir_all(&folder).expect("ours");
    assert!(output.status.success(), "{log}");
    let cameras: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer} {log}"));
    assert_eq!(cameras["cameras"], json!([]));
    assert_eq!(cameras["configuration"]["state"], "defaults");
    assert!(log.contains("ERROR") && log.contains("runs with its defaults"), "{log}");
    assert_eq!(kept, 1, "what cannot be used is not kept");
}
