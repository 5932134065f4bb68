//! What weir finds of cameras and viewers: each finding where it is so, by the API, the console and
//! `camera test`, and none where all is well. Findings that take minutes are in the unit tests of
//! `diagnosis`.

use serde_json::{Value, json};

use crate::common::camera::picture::Picture;
use crate::common::camera::rtsp::{Login, Scheme};
use crate::common::camera::{CameraFarm, Microphone, Mount};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::quirks::QuirkCamera;
use crate::common::quirks::habits::{self, Habits, Rtp, Sets, Stamps};
use crate::common::rtp::Kind;
use crate::common::server::{CameraEntry, Server, Setup, wait_for};
use crate::common::viewer::{Options, Viewer, wall};

const SECOND_US: u64 = 1_000_000;
const PATIENCE_US: u64 = 20 * SECOND_US;
/// Parameter sets stand neither here nor in the stream.
const WITHOUT_SETS: &str =
    "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n";
const LOGIN: habits::Login = habits::Login {
    challenges: &["Digest realm=\"cam\", nonce=\"{nonce}\", algorithm=\"SHA-512-256\""],
    realm: "cam",
    takes: habits::Scheme::Md5,
    user: ("viewer", "sesame"),
    nonce_each: false,
};

/// Entries of a list of the API, by name.
fn cameras(server: &Server) -> Vec<Value> {
    server.get("/api/cameras").json()["cameras"].as_array().expect("a list").clone()
}

fn codes(of: &Value) -> Vec<String> {
    let findings = of["findings"].as_array().unwrap_or_else(|| panic!("findings of {of}"));
    for finding in findings {
        let is_text = |name: &str| finding[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(["code", "severity", "words", "advice"].into_iter().all(is_text), "{finding}");
    }
    findings.iter().map(|found| found["code"].as_str().expect("a code").to_owned()).collect()
}

/// Waits until a camera has exactly these findings, and returns it.
fn has(server: &Server, name: &str, expected: &[&str]) -> Value {
    let camera = || cameras(server).into_iter().find(|camera| camera["name"] == name);
    let is_so = || camera().is_some_and(|camera| codes(&camera) == expected);
    assert!(wait_for(PATIENCE_US, is_so), "{name}, {expected:?}: {:?}", camera());
    camera().expect("it is listed")
}

#[test]
fn nothing_is_found_of_cameras_and_viewers_that_are_well() {
    let picture = |gop: u32| Picture { gop, ..Picture::default() };
    let digest = Scheme::Digest { qop: true };
    let user = ("viewer".to_owned(), "sesame".to_owned());
    let login = Login { scheme: digest, user: user.0.clone(), password: user.1.clone() };
    let mounts = vec![
        Mount::new("plain", picture(25)),
        // A key frame each 10 s, which no viewer asks for.
        Mount::new("seldom", picture(250)),
        Mount { udp: true, ..Mount::new("udp", picture(25)) },
        Mount { sound: Some(Microphone::PCMA), ..Mount::new("sound", picture(25)) },
        Mount { login, ..Mount::new("login", picture(25)) },
        Mount { port_mbit_s: Some(20), payload_bytes: 60_000, ..Mount::new("port", picture(25)) },
        Mount { marker: false, ..Mount::new("unmarked", picture(25)) },
    ];
    let names: Vec<String> = mounts.iter().map(|mount| mount.name.clone()).collect();
    let farm = CameraFarm::open(mounts);
    let of_name = |name: &String| CameraEntry {
        name: name.clone(),
        url: farm.url(name),
        login: (name == "login").then(|| user.clone()),
    };
    // Cameras of odd habits that harm nobody.
    let odd = [
        Rtp { numbers: habits::Numbers::OfKeyFrame, ..Rtp::default() },
        Rtp { source: habits::Source::OfKeyFrame, ..Rtp::default() },
        Rtp { stamps: Stamps::SetBack, ..Rtp::default() },
        Rtp { sets: Sets::SdpOnly, ..Rtp::default() },
        Rtp { has_type_50: true, ..Rtp::default() },
    ];
    let odd = odd.map(|rtp| QuirkCamera::open(Habits { rtp, ..Habits::default() }));
    let entries = odd.iter().enumerate().map(|(number, camera)| CameraEntry {
        name: format!("odd{number}"),
        url: camera.url.clone(),
        login: None,
    });
    let entries: Vec<CameraEntry> = names.iter().map(of_name).chain(entries).collect();
    let server = Server::start(&Setup { cameras: entries.clone(), ..Setup::default() });
    assert!(server.wait_until_ready(entries.len(), PATIENCE_US), "{:?}", cameras(&server));
    let names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
    let viewers = wall::connect_all(server.http, &names, &Options::default(), PATIENCE_US);
    let mut viewers: Vec<Viewer> =
        viewers.into_iter().map(|viewer| viewer.unwrap_or_else(|why| panic!("{why}"))).collect();
    for _ in 0..25 {
        wall::run(&mut viewers, SECOND_US, |_| false);
        for shown in cameras(&server) {
            assert_eq!(codes(&shown), [""; 0], "{shown}");
        }
        for session in server.tell("sessions")["sessions"].as_array().expect("a list") {
            assert_eq!(codes(session), [""; 0], "{session}");
        }
    }
    let (is_good, shown) = server.console(&["status"]);
    let is_unmarked = |name: &String| shown.contains(&format!("+ {name}"));
    assert!(is_good && names.iter().all(is_unmarked), "{shown}");
    assert!(viewers.iter().all(|viewer| viewer.reception.counts.packets > 1_000));
}

/// weir with a camera of each kind of trouble, which is its name.
struct Troubled {
    server: Server,
    _quirks: [QuirkCamera; 4],
    _farm: CameraFarm,
}

fn troubled() -> Troubled {
    let rtp = |rtp: Rtp| QuirkCamera::open(Habits { rtp, ..Habits::default() });
    let reordered = rtp(Rtp { stamps: Stamps::BFrames, ..Rtp::default() });
    let jumping = rtp(Rtp { stamps: Stamps::FarAway, ..Rtp::default() });
    let setless = QuirkCamera::open(Habits {
        sdp: Some(WITHOUT_SETS),
        rtp: Rtp { sets: Sets::SdpOnly, ..Rtp::default() },
        ..Habits::default()
    });
    let foreign = QuirkCamera::open(Habits {
        login: Some(LOGIN),
        userinfo: "viewer:sesame@",
        ..Habits::default()
    });
    let locked = |name: &str, scheme: Scheme| {
        let [user, password] = ["viewer", "sesame"].map(str::to_owned);
        let login = Login { scheme, user, password };
        Mount { login, ..Mount::new(name, Picture { gop: 10, ..Picture::default() }) }
    };
    let farm = CameraFarm::open(vec![
        locked("digest", Scheme::Digest { qop: true }),
        locked("basic", Scheme::Basic),
        // 20 s, as smart codecs have it.
        Mount::new("smart", Picture { gop: 500, ..Picture::default() }),
    ]);
    let with = |name: &str, url: String, password: Option<&str>| CameraEntry {
        name: name.to_owned(),
        url,
        login: password.map(|password| ("viewer".to_owned(), password.to_owned())),
    };
    let cameras = vec![
        with("smart", farm.url("smart"), None),
        with("reordered", reordered.url.clone(), None),
        with("jumping", jumping.url.clone(), None),
        with("setless", setless.url.clone(), None),
        with("foreign", foreign.url.clone(), None),
        with("wrong", farm.url("digest"), Some("battery")),
        with("nobody", farm.url("digest"), None),
        with("basic", farm.url("basic"), Some("sesame")),
    ];
    let server = Server::start(&Setup { cameras, ..Setup::default() });
    Troubled { server, _quirks: [reordered, jumping, setless, foreign], _farm: farm }
}

#[test]
fn what_a_camera_does_is_found_with_its_code_and_told_everywhere() {
    let troubled = troubled();
    let server = &troubled.server;
    let wrong = has(server, "wrong", &["wrong_password"]);
    assert_eq!(wrong["state"], "failed", "{wrong}");
    assert_eq!(
        wrong["findings"][0],
        json!({
            "code": "wrong_password",
            "severity": "error",
            "words": "the camera refuses user and password",
            "advice": "correct user and password of its section",
        })
    );
    has(server, "nobody", &["no_login"]);
    has(server, "foreign", &["unknown_login"]);
    has(server, "basic", &["password_in_the_clear"]);
    has(server, "reordered", &["b_frames"]);
    has(server, "jumping", &["clock_jumps"]);
    let setless = has(server, "setless", &["no_parameter_sets"]);
    assert_eq!(setless["reason"], setless["findings"][0]["words"], "{setless}");
    let smart = has(server, "smart", &["no_key_frame"]);
    assert_eq!(
        (&smart["findings"][0]["severity"], &smart["reason"]),
        (&json!("warning"), &Value::Null)
    );
    // Its next one comes: that was it.
    has(server, "smart", &[]);

    // A player is told what to do.
    let refused = Viewer::connect(server.http, "wrong").err().expect("409");
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("; correct user and password of its section"), "{refused}");
    let (is_good, shown) = server.console(&["cameras"]);
    assert!(
        is_good && shown.contains("    b-frames, which no browser shows smoothly\n"),
        "{shown}"
    );
    assert!(shown.contains("\n      turn them off in the camera\n"), "{shown}");
    let (is_good, shown) = server.console(&["status"]);
    assert!(is_good && shown.contains("* reordered") && shown.contains("# wrong"), "{shown}");
    let (_, shown) = server.console(&["camera", "jumping"]);
    assert!(shown.contains("found       its clock jumped"), "{shown}");
    let (is_good, said) = server.console(&["camera", "test", "nobody"]);
    assert!(!is_good && said.contains("; add user and password to its section"), "{said}");
    let (is_good, said) = server.console(&["camera", "test", "basic"]);
    assert!(is_good && said.contains("has its password sent in the clear"), "{said}");
    let advised = "camera reordered: b-frames, which no browser shows smoothly; turn them off";
    assert!(server.log().contains(advised), "{}", server.log());
}

#[test]
fn a_viewer_without_a_check_and_one_with_losses_are_told_from_one_that_is_well() {
    let picture = Picture { gop: 10, bits_per_s: 8_000_000, ..Picture::default() };
    let fixture = Fixture::of(vec![Mount::new(CAMERA, picture)], |_| {});
    let healthy = fixture.viewer();
    // Of this one's packets one in fifteen is lost, which is no reason to pause.
    let mut lossy = fixture.viewer();
    let mut packets = 0_u32;
    lossy.drop_inbound = Some(Box::new(move |datagram| {
        packets += u32::from(Kind::of(datagram) == Kind::Rtp);
        Kind::of(datagram) == Kind::Rtp && packets.is_multiple_of(15)
    }));
    // Its offer is answered, and it does nothing more.
    let silent = Viewer::connect(fixture.server.http, CAMERA).unwrap_or_else(|why| panic!("{why}"));
    let of_silent = || {
        let sessions = fixture.sessions();
        sessions.into_iter().find(|session| session["address"].is_null()).expect("it is listed")
    };
    assert_eq!(codes(&of_silent()), [""; 0]);
    let mut viewers = [healthy, lossy];
    wall::run(&mut viewers, 6 * SECOND_US, |_| false);
    let session = of_silent();
    assert_eq!(
        (codes(&session), &session["state"]),
        (vec!["never_checked".to_owned()], &json!("handshake"))
    );
    assert_eq!(codes(&fixture.session(viewers[0].local())), [""; 0]);
    let lossy = fixture.session(viewers[1].local());
    assert_eq!(codes(&lossy), ["lost_on_the_way"], "{lossy}");
    assert_eq!(codes(&cameras(&fixture.server)[0]), [""; 0], "the camera's side is whole");
    // weir's page gives up before weir does, by a DELETE.
    assert!(silent.delete().is_ok_and(|status| status == 200));
    let session = of_silent();
    assert_eq!(session["state"], "ended", "{session}");
    assert_eq!(codes(&session), ["never_checked"]);
    let (is_good, shown) = fixture.server.console(&["sessions"]);
    assert!(
        is_good && shown.contains("    its offer was answered, and no ICE check came\n"),
        "{shown}"
    );
}
