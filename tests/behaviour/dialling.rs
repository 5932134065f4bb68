//! Cameras that cannot be had: a state with a reason, tries that grow rarer, and no password shown.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::sync_channel;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use weir::clock;
use weir::limits::CAMERAS_MAX;

use crate::common::camera::picture::Picture;
use crate::common::camera::rtsp::{Login, Scheme};
use crate::common::camera::{CameraFarm, Mount};
use crate::common::server::{CameraEntry, Server, Setup, free_tcp, wait_for};
use crate::common::viewer::{Viewer, wall};

const PATIENCE_US: u64 = 5_000_000;
const USER: &str = "viewer";
const RIGHT: &str = "correct-horse-7";
const WRONG: &str = "battery-staple-9";

fn camera(server: &Server, name: &str) -> Value {
    let listed = server.get("/api/cameras").json();
    let cameras = listed["cameras"].as_array().expect("a list").clone();
    cameras.into_iter().find(|camera| camera["name"] == name).expect("it is listed")
}

fn wait_for_state(server: &Server, name: &str, state: &str, timeout_us: u64) -> Value {
    wait_for(timeout_us, || camera(server, name)["state"] == state);
    let camera = camera(server, name);
    assert_eq!(camera["state"], state, "{camera}");
    camera
}

fn mount(name: &str, scheme: Scheme) -> Mount {
    let picture = Picture { gop: 10, ..Picture::default() };
    let login = Login { scheme, user: USER.to_owned(), password: RIGHT.to_owned() };
    Mount { login, ..Mount::new(name, picture) }
}

#[test]
fn a_wrong_password_fails_with_its_reason_and_is_shown_nowhere() {
    let schemes = [
        ("basic", Scheme::Basic),
        ("digest", Scheme::Digest { qop: true }),
        ("old-digest", Scheme::Digest { qop: false }),
    ];
    let farm = CameraFarm::open(schemes.map(|(name, scheme)| mount(name, scheme)).into());
    let mut cameras = Vec::new();
    for (name, _) in schemes {
        for (kind, password) in [("wrong", WRONG), ("right", RIGHT)] {
            let login = Some((USER.to_owned(), password.to_owned()));
            // The same camera twice: its path leads there, its name tells them apart.
            cameras.push(CameraEntry {
                name: format!("{name}-{kind}"),
                url: farm.url(name),
                login,
            });
        }
    }
    cameras.push(CameraEntry { name: "nobody".to_owned(), url: farm.url("basic"), login: None });
    let in_url = farm.url("digest").replace("://", &format!("://{USER}:{WRONG}@"));
    cameras.push(CameraEntry { name: "in-url".to_owned(), url: in_url, login: None });
    let environment = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    let server = Server::start(&Setup { cameras, environment, ..Setup::default() });

    for (name, scheme) in
        [("basic", "basic"), ("digest", "digest md5"), ("old-digest", "digest md5")]
    {
        wait_for_state(&server, &format!("{name}-right"), "playing", PATIENCE_US);
        let failed = wait_for_state(&server, &format!("{name}-wrong"), "failed", PATIENCE_US);
        let expected =
            format!("camera refuses user {USER}: check the password (401 after {scheme})");
        let reason = failed["reason"].as_str().expect("a reason");
        assert_eq!(reason, expected);
        assert_eq!(failed["ready"], false);
    }
    wait_for_state(&server, "in-url", "failed", PATIENCE_US);
    let nobody = wait_for_state(&server, "nobody", "failed", PATIENCE_US);
    assert_eq!(nobody["reason"], "camera asks for a user and a password, none are configured");

    // A camera may lock a user who is refused often: nobody tries again soon.
    let refused = farm.total(|counts| &counts.unauthorized);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(farm.total(|counts| &counts.unauthorized), refused);

    let tokens = [WRONG, RIGHT].map(|password| BASE64.encode(format!("{USER}:{password}")));
    let secrets = [WRONG, RIGHT, &tokens[0], &tokens[1]];
    let shown = [
        server.log(),
        server.get("/api/cameras").body,
        server.tell("sessions").to_string(),
        server.metrics(),
    ];
    for (text, secret) in shown.iter().flat_map(|text| secrets.map(|secret| (text, secret))) {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert!(server.log().contains("in-url"), "the log was looked at");
}

#[test]
fn an_offer_waits_for_a_camera_that_is_on_its_way() {
    let farm = CameraFarm::open(vec![Mount::new("gate", Picture::default())]);
    let server = Server::start(&Setup::of([("gate".to_owned(), farm.url("gate"))]));
    // weir answers before its cameras play.
    let mut viewer = Viewer::connect(server.http, "gate").unwrap_or_else(|why| panic!("{why}"));
    assert!(wall::run_one(&mut viewer, PATIENCE_US, Viewer::is_connected));
}

#[test]
fn a_refused_connection_waits_and_recovers_when_the_camera_appears() {
    let address = free_tcp("127.0.0.1");
    let url = format!("rtsp://{address}/gate");
    let server = Server::start(&Setup::of([("gate".to_owned(), url)]));
    let waiting = wait_for_state(&server, "gate", "waiting", PATIENCE_US);
    let reason = "the camera refuses the connection: is its RTSP port right?";
    assert_eq!(waiting["reason"], reason);
    assert!(server.log().contains(&format!("camera gate: {reason}")), "{}", server.log());
    let farm = CameraFarm::open_at(address, vec![mount("gate", Scheme::None)]);
    assert!(server.wait_until_ready(1, 12_000_000), "{}", camera(&server, "gate"));
    assert!(camera(&server, "gate")["reason"].is_null());
    assert_eq!(farm.counts("gate").plays.load(Relaxed), 1);
}

#[test]
fn a_host_that_refused_a_login_and_then_takes_no_connection_seems_to_ban_weir() {
    let address = free_tcp("127.0.0.1");
    let refuses = CameraFarm::open_at(address, vec![mount("gate", Scheme::Digest { qop: true })]);
    let with = |password| {
        Setup::of([("gate".to_owned(), format!("rtsp://{USER}:{password}@{address}/gate"))])
    };
    let server = Server::start(&with(WRONG));
    wait_for_state(&server, "gate", "failed", PATIENCE_US);
    drop(refuses);
    // What was wrong is mended too late.
    server.configure(&with(RIGHT));
    assert_eq!(server.reload().status, 200);
    let waiting = wait_for_state(&server, "gate", "waiting", PATIENCE_US);
    assert_eq!(waiting["findings"][0]["code"], "seems_to_ban", "{waiting}");
    let reason = waiting["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("refuses the connection") && reason.contains("seems to ban"),
        "{reason}"
    );
}

#[test]
fn a_host_that_hangs_up_is_left_alone_for_a_while_and_had_in_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let (tell, told) = sync_channel(16);
    let host = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut camera, _) = listener.accept().expect("a listener");
            tell.send(clock::now_us()).expect("somebody listens");
            // Its request is read, so that the end is not taken for a reset.
            let asked = camera.read(&mut [0; 1024]).expect("a request");
            assert!(asked > 0, "weir hung up");
        }
    });
    let url = format!("rtsp://{address}/gate");
    let server = Server::start(&Setup::of([("gate".to_owned(), url)]));
    host.join().expect("no panic");
    let tries_us: Vec<u64> = told.iter().collect();
    let gaps_ms: Vec<u64> = tries_us.windows(2).map(|pair| (pair[1] - pair[0]) / 1000).collect();
    // 5 s and up to a fifth more.
    assert!(gaps_ms.iter().all(|gap_ms| (4_990..6_300).contains(gap_ms)), "{gaps_ms:?}");
    let waiting = wait_for_state(&server, "gate", "waiting", PATIENCE_US);
    assert_eq!(waiting["reason"], "camera closed the connection during OPTIONS");
    let _park = CameraFarm::open_at(address, vec![mount("gate", Scheme::None)]);
    assert!(server.wait_until_ready(1, 12_000_000), "{}", camera(&server, "gate"));
}

#[test]
fn cameras_that_all_go_and_come_back_at_once_play_soon_and_have_one_session_each() {
    let picture = Picture { bits_per_s: 100_000, gop: 10, ..Picture::default() };
    let count = u32::try_from(CAMERAS_MAX).expect("few");
    let open = |at| CameraFarm::open_at(at, Mount::many(count, picture, false));
    let farm = open((Ipv4Addr::UNSPECIFIED, 0).into());
    let at = farm.address();
    // Each is a host of its own.
    let server = Server::start(&Setup::of((0..count).map(|number| {
        let host = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + number);
        (format!("cam{number}"), format!("rtsp://{host}:{}/cam{number}", at.port()))
    })));
    assert!(server.wait_until_ready(CAMERAS_MAX, 4 * PATIENCE_US), "{}", server.log());
    drop(farm);
    // Long enough for each to have been dialled in vain, and to wait for 5 s.
    wait_for_state(&server, "cam0", "waiting", PATIENCE_US);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let farm = open(at);
    let began_us = clock::now_us();
    assert!(server.wait_until_ready(CAMERAS_MAX, 20_000_000), "{}", server.log());
    println!("all {count} play {} ms after their return", (clock::now_us() - began_us) / 1000);
    for number in 0..count {
        let counts = farm.counts(&format!("cam{number}"));
        let sessions = [&counts.plays, &counts.sessions_max].map(|figure| figure.load(Relaxed));
        assert_eq!(sessions, [1, 1], "cam{number}");
    }
}
