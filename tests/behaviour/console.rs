//! An installer's hour at the serial cable, and the same console by the socket: nothing here needs
//! the network, and nothing that comes in over a cable touches the streams.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use weir::clock;

use crate::common::cable::Cable;
use crate::common::camera::picture::Picture;
use crate::common::camera::rtsp::{Login, Scheme};
use crate::common::camera::{CameraFarm, Mount};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::server::{Server, Setup, wait_for};
use crate::common::viewer::wall;

const PATIENCE_US: u64 = 20_000_000;
const PASSWORD: &str = "p4ssw0rd-of-it";

fn console(cable: &Cable) -> String {
    format!("[console]\ndevice = \"{}\"\n", cable.device.display())
}

/// A server with a camera that wants a login, which the configuration does not have.
fn installation() -> (CameraFarm, Cable, Server) {
    let cable = Cable::new();
    let scheme = Scheme::Digest { qop: true };
    let login = Login { scheme, user: "admin".to_owned(), password: PASSWORD.to_owned() };
    let mount = Mount { login, ..Mount::new("gate", Picture::default()) };
    let farm = CameraFarm::open(vec![mount]);
    let setup = Setup { accounts: console(&cable), ..Setup::default() };
    let server = Server::start(&setup);
    (farm, cable, server)
}

/// Gets in with the password that the banner shows.
fn first_login(cable: &mut Cable) -> String {
    cable.sees("the first password is ");
    let password = cable.sees(",").trim_end_matches(',').to_owned();
    cable.sees("password: ");
    cable.types(&password);
    cable.sees("weir> ");
    password
}

#[test]
fn an_installers_hour() {
    let (farm, mut cable, server) = installation();
    let banner = cable.sees("password: ");
    assert!(banner.contains("0 of 0 cameras playing, 0 sessions, configuration: good"), "{banner}");
    assert!(banner.contains(&format!("open http://{}/", server.http)), "{banner}");
    let first = banner.split("the first password is ").nth(1).expect("it is shown");
    let first = first.split(',').next().expect("a word").to_owned();

    // The wrong speed: bytes that are none, and line ends among them.
    for _ in 0..20 {
        cable.sends(b"\xfe\x80\x00\xf8\r\xe0\x1b[\xff\r");
    }
    cable.sees("bytes of noise: this side speaks 115200 baud");
    // Wrong three times, and then even the right one has to wait.
    for _ in 0..3 {
        cable.types("letmein-letmein");
        cable.sees("wrong password");
    }
    cable.sees("next try in 10 s");
    cable.types(&first);
    cable.sees("too many wrong ones: next try in");
    let until_us = clock::now_us() + 10_000_000;
    wait_for(12_000_000, || clock::now_us() > until_us);
    cable.types(&first);
    cable.sees("weir> ");
    assert!(!cable.shown.contains("letmein"), "a password does not show");

    let status = cable.asks("status");
    assert!(status.contains("0 of 0 cameras playing"), "{status}");
    // A camera with a wrong password.
    let url = farm.url("gate");
    cable.types(&format!("camera add gate {url} admin"));
    cable.sees("password of admin: ");
    cable.types("wrong-one");
    assert!(cable.sees("weir> ").contains("added: gate"));
    let tried = cable.asks("camera test gate");
    assert!(tried.contains("no pictures: ") && tried.contains("admin"), "{tried}");
    assert!(cable.asks("camera gate").contains("failed"), "{}", cable.shown);
    // Mended.
    assert!(cable.asks("camera remove gate").contains("removed: gate"));
    cable.types(&format!("camera add gate {url} admin"));
    cable.sees("password of admin: ");
    cable.types(PASSWORD);
    assert!(cable.sees("weir> ").contains("added: gate"));
    assert!(server.wait_until_ready(1, PATIENCE_US));
    let tried = cable.asks("camera test gate");
    assert!(tried.contains("it answers, and would send H.264"), "{tried}");
    let status = cable.asks("status");
    assert!(status.contains("1 of 1 cameras playing") && status.contains("+ gate"), "{status}");

    // Another password for the console; the first is over.
    let reset = cable.asks("password reset");
    let second = reset.split("is now ").nth(1).expect("it is shown").trim();
    let second = second.split_whitespace().next().expect("a word").to_owned();
    cable.types("exit");
    cable.sees("password: ");
    assert!(!cable.shown[cable.shown.len() - 200..].contains("the first password"));
    cable.types(&first);
    cable.sees("wrong password");
    cable.types(&second);
    cable.sees("weir> ");

    let report = cable.asks("report");
    for part in ["--- status", "\"schema\":1", "[[camera]]", "--- log", "--- end"] {
        assert!(report.contains(part), "{part}:\n{report}");
    }
    for secret in [PASSWORD, "wrong-one", &first, &second, "pbkdf2-sha256$"] {
        assert!(!report.contains(secret), "{report}");
    }
    let log = server.log();
    for secret in [PASSWORD, "wrong-one", &first, &second, "letmein"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn the_file_keeps_what_a_person_wrote_and_the_password_outlives_a_restart() {
    let (farm, mut cable, mut server) = installation();
    let text = std::fs::read_to_string(server.config()).expect("a file");
    let text = format!("# by the door\n{text}# the end\n");
    server.write(&text);
    let password = first_login(&mut cable);
    cable.asks(&format!("camera add yard {}", farm.url("gate")));
    let edited = std::fs::read_to_string(server.config()).expect("a file");
    assert!(edited.starts_with("# by the door\n") && edited.contains("# the end"), "{edited}");
    assert!(edited.contains("[[camera]]\nname = \"yard\""), "{edited}");
    let again = cable.asks(&format!("camera add yard {}", farm.url("gate")));
    assert!(again.contains("there is a camera yard already"), "{again}");
    // A file with a mistake is not touched.
    server.write("[http\n");
    let refused = cable.asks("camera remove yard");
    assert!(refused.contains("the configuration has a mistake first"), "{refused}");
    assert_eq!(std::fs::read_to_string(server.config()).expect("a file"), "[http\n");
    server.write(&edited);
    server.kill();
    server.start_again();
    cable.sees("password: ");
    cable.types(&password);
    cable.sees("weir> ");
    assert!(cable.asks("cameras").contains("yard"));
}

/// Runs `weir console` for this server.
fn visit(server: &Server, words: &[&str], typed: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["console", "--config"])
        .arg(server.config())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(typed.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_script_asks_by_the_socket() {
    let fixture = Fixture::of(vec![Mount::new(CAMERA, Picture::default())], |_| {});
    let server = &fixture.server;
    let socket = server.config().with_file_name("weir-console");
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let status = visit(server, &["status", "--json"], "");
    assert!(status.status.success());
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    for key in ["schema", "version", "build_id", "profile", "started_at"] {
        assert!(!status[key].is_null(), "{key}");
    }
    let cameras: serde_json::Value =
        serde_json::from_slice(&visit(server, &["cameras", "--json"], "").stdout).expect("JSON");
    assert_eq!(cameras["cameras"][0]["name"], CAMERA);
    assert!(text(&visit(server, &["cameras"], "")).contains("playing"));
    assert!(text(&visit(server, &["help"], "")).contains("camera add NAME URL [USER]"));
    assert!(text(&visit(server, &["log"], "")).contains("info weir "));
    assert!(text(&visit(server, &["memory"], "")).contains("library heap"));
    assert!(text(&visit(server, &["net"], "")).contains("media port   udp"));

    let reloaded = visit(server, &["config", "reload", "--json"], "");
    let reloaded: serde_json::Value = serde_json::from_slice(&reloaded.stdout).expect("JSON");
    assert_eq!((&reloaded["state"], &reloaded["unchanged"][0]), (&"good".into(), &CAMERA.into()));

    let unknown = visit(server, &["camera", "nowhere"], "");
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(visit(server, &["nonsense"], "").status.code(), Some(2));
    // What is asked back is read from what is piped in.
    let url = fixture.farm.url(CAMERA);
    let added = visit(server, &["camera", "add", "second", &url, "admin"], "secret\n");
    assert!(added.status.success() && text(&added).contains("added: second"), "{added:?}");
    let file = std::fs::read_to_string(server.config()).expect("a file");
    assert!(file.contains("password = \"secret\""), "{file}");
    let shown = text(&visit(server, &["config", "show"], ""));
    assert!(shown.contains("password = \"(hidden)\"") && !shown.contains("secret"), "{shown}");
    assert_eq!(visit(server, &["reboot"], "no\n").status.code(), Some(2), "not meant");

    // The same as a terminal.
    let session = text(&visit(server, &[], "version\nstatus\nexit\n"));
    assert!(session.contains("version\r\nweir 0."), "{session}");
    let status = session.split("status\r\n").nth(1).expect("its echo");
    assert!(status.contains("2 of 2 cameras playing"), "{session}");
}

#[test]
fn noise_and_a_cable_that_nobody_reads_cost_the_streams_nothing() {
    let mut cable = Cable::new();
    let fixture = Fixture::of(vec![Mount::new(CAMERA, Picture::default())], |setup| {
        setup.accounts = console(&cable);
    });
    first_login(&mut cable);
    let mut viewer = fixture.viewer();
    wall::run_one(&mut viewer, 500_000, |_| false);
    viewer.reception.begin_window();
    let before = fixture.server.metric("weir_library_heap_used_bytes").expect("a gauge");
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let until_us = clock::now_us() + 4_000_000;
    let mut sent = 0;
    while clock::now_us() < until_us {
        let mut bytes = [0; 512];
        for byte in &mut bytes {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (noise >> 56) as u8;
            // Not the way out, nor a command that was meant.
            if matches!(*byte, 0x04) {
                *byte = b'\r';
            }
        }
        cable.sends(&bytes);
        sent += bytes.len();
        wall::run_one(&mut viewer, 5_000, |_| false);
    }
    assert!(sent > 50_000, "{sent}");
    let counts = &viewer.reception.counts;
    assert_eq!((counts.lost(), counts.broken_frames, viewer.ended.is_some()), (0, 0, false));
    assert!(counts.frames > 75, "{}", counts.frames);
    // Somebody is still there, and is understood.
    cable.sends(b"\x03\x03\r");
    wall::run_one(&mut viewer, 700_000, |_| false);
    let after = fixture.server.metric("weir_library_heap_used_bytes").expect("a gauge");
    assert!(after < before + 64.0 * 1024.0, "{before} then {after} bytes of the library heap");
    cable.types("version");
    cable.sees("build id");
}
