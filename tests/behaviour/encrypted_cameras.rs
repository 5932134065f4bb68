//! Cameras over RTSPS, with openssl at the camera's end: whom weir trusts, what it tells of one
//! that it does not, and that the picture is the same.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;
use weir::limits::PROFILE;

use crate::common::camera::picture::Picture;
use crate::common::camera::rtsp::{Login, Scheme};
use crate::common::camera::{CameraFarm, Mount};
use crate::common::server::{Server, Setup, wait_for};
use crate::common::tls::fingerprint_of;
use crate::common::tls_front::{Certificates, TlsFront};
use crate::common::viewer::{Viewer, wall};

const PATIENCE_US: u64 = 10_000_000;
const PASSWORD: &str = "correct-horse-7";

fn farm() -> CameraFarm {
    let picture = Picture { gop: 10, ..Picture::default() };
    let scheme = Scheme::Basic;
    let login = Login { scheme, user: "viewer".to_owned(), password: PASSWORD.to_owned() };
    CameraFarm::open(vec![Mount { login, ..Mount::new("gate", picture) }])
}

/// A section for the camera behind `front`, with more lines.
fn section(name: &str, front: &TlsFront, lines: &str) -> String {
    format!(
        "[[camera]]\nname = \"{name}\"\nurl = \"rtsps://{}/gate\"\nuser = \"viewer\"\n\
         password = \"{PASSWORD}\"\n{lines}\n",
        front.address
    )
}

fn start(sections: String) -> Server {
    Server::start(&Setup { accounts: sections, ..Setup::default() })
}

fn camera(server: &Server, name: &str) -> Value {
    let listed = server.get("/api/cameras").json();
    let cameras = listed["cameras"].as_array().expect("a list").clone();
    cameras.into_iter().find(|camera| camera["name"] == name).expect("it is listed")
}

/// Waits until the camera is in a state, and returns its reason.
fn reason(server: &Server, name: &str, state: &str) -> String {
    wait_for(PATIENCE_US, || camera(server, name)["state"] == state);
    let camera = camera(server, name);
    assert_eq!(camera["state"], state, "{camera}\n{}", server.log());
    camera["reason"].as_str().unwrap_or_default().to_owned()
}

fn fingerprint(certificates: &Certificates, name: &str) -> String {
    fingerprint_of(Path::new(&certificates.path(&format!("{name}.pem"))))
}

#[test]
fn a_changed_certificate_is_refused_with_both_fingerprints_until_it_is_accepted() {
    let certificates = Certificates::default();
    certificates.self_signed("first", "rsa:2048", "");
    certificates.self_signed("second", "ec", "");
    let [first, second] = ["first", "second"].map(|name| fingerprint(&certificates, name));
    let farm = farm();
    let front = TlsFront::open(farm.address(), &certificates, "first");
    let mut server = start(section("gate", &front, ""));
    assert!(server.wait_until_ready(1, PATIENCE_US), "{}", server.log());
    assert!(server.log().contains(&first), "{}", server.log());
    let mut viewer = Viewer::connect(server.http, "gate").unwrap_or_else(|why| panic!("{why}"));
    let has_frames = |viewer: &Viewer| viewer.reception.counts.frames > 50;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, has_frames), "no frames");
    assert_eq!(viewer.reception.counts.broken_frames, 0);
    // By Basic, as the camera asks for it: within TLS that is no reason to warn. Where it is one,
    // the warning comes within a second.
    assert!(!server.log().contains("in the clear"), "{}", server.log());
    let folder = server.config().parent().expect("a folder").to_owned();
    let pins = fs::read_to_string(folder.join("weir-cameras")).expect("pins");
    let place = format!("{} {}", front.address.ip(), front.address.port());
    assert_eq!(pins, format!("{first} {place}\n"));

    let address = front.address;
    drop(front);
    let front = TlsFront::start(address, farm.address(), &certificates, "second", "");
    let asked = farm.total(|counts| &counts.unauthorized);
    let failed = reason(&server, "gate", "failed");
    let words = format!("SHA-256 was {first}, is {second}");
    assert!(failed.contains(&words) && failed.contains("`camera trust NAME`"), "{failed}");
    // It outlasts a restart.
    server.terminate();
    server.start_again();
    assert!(reason(&server, "gate", "failed").contains(&words));
    let (is_good, said) = server.console(&["camera", "test", "gate"]);
    assert!(!is_good && said.contains(&words), "{said}");
    assert_eq!(farm.total(|counts| &counts.unauthorized), asked, "it was told nothing");

    let (is_good, said) = server.console(&["camera", "trust", "gate"]);
    assert!(is_good && said.contains(&first), "{said}");
    assert!(server.wait_until_ready(1, PATIENCE_US), "{}", server.log());
    let (is_good, said) = server.console(&["camera", "test", "gate"]);
    assert!(is_good && said.contains(&second), "{said}");
    let pins = fs::read_to_string(folder.join("weir-cameras")).expect("pins");
    assert_eq!(pins, format!("{second} {place}\n"));
    assert!(!server.log().contains(PASSWORD));
    drop(front);
}

#[test]
fn a_camera_is_known_by_its_fingerprint_or_by_an_authority_and_its_name() {
    let certificates = Certificates::default();
    certificates.self_signed("ca", "ec", "");
    certificates.issued("good", "IP:127.0.0.1", "3");
    certificates.issued("elsewhere", "DNS:yard.example,IP:192.0.2.7", "3");
    certificates.issued("expired", "IP:127.0.0.1", "-1");
    certificates.self_signed("own", "rsa:2048", "");
    let farm = farm();
    let fronts = ["good", "elsewhere", "expired", "own"]
        .map(|name| TlsFront::open(farm.address(), &certificates, name));
    let [good, elsewhere, expired, own] = &fronts;
    let authority = format!("tls_ca = \"{}\"", certificates.path("ca.pem"));
    let pinned = |name: &str| format!("tls_fingerprint = \"{}\"", fingerprint(&certificates, name));
    let bare = pinned("own").replace(':', "").to_ascii_lowercase();
    let server = start(
        [
            section("authority", good, &authority),
            section("name", elsewhere, &authority),
            section("dates", expired, &authority),
            section("issuer", own, &authority),
            section("fingerprint", own, &pinned("own")),
            section("bare", own, &bare),
            section("other", own, &pinned("good")),
        ]
        .concat(),
    );
    for name in ["authority", "fingerprint", "bare"] {
        assert_eq!(reason(&server, name, "playing"), "", "{name}");
    }
    let told = reason(&server, "name", "failed");
    assert!(told.contains("is for yard.example, 192.0.2.7, not for the host"), "{told}");
    let told = reason(&server, "dates", "waiting");
    assert!(told.contains("is valid from") && told.contains("this box's clock says"), "{told}");
    let told = reason(&server, "issuer", "failed");
    assert!(told.contains("no authority of `tls_ca` vouches"), "{told}");
    let told = reason(&server, "other", "failed");
    let [right, wrong] = ["good", "own"].map(|name| fingerprint(&certificates, name));
    assert!(told.contains(&format!("should be {right}, is {wrong}")), "{told}");
    let kept = server.config().parent().expect("a folder").join("weir-cameras");
    assert!(!kept.exists(), "nothing was taken on first use");
}

#[test]
fn old_cameras_are_spoken_with() {
    let certificates = Certificates::default();
    certificates.self_signed("old", "rsa:1024", "-sha1");
    certificates.self_signed("v3", "rsa:2048", "");
    certificates.openssl("req -new -key @v3.key -subj /CN=camera -out @v1.csr");
    certificates.openssl("x509 -req -in @v1.csr -signkey @v3.key -days 3 -out @v1.pem");
    fs::copy(certificates.path("v3.key"), certificates.path("v1.key")).expect("a key");
    let text = certificates.openssl("x509 -in @v1.pem -noout -text");
    assert!(text.contains("Version: 1 (0x0)"), "{text}");
    let farm = farm();
    let front = |name: &str, version: &str| {
        let options = format!(
            ",openssl-min-proto-version=TLS1.{version},openssl-max-proto-version=TLS1.{version}"
        );
        let address = crate::common::server::free_tcp("127.0.0.1");
        TlsFront::start(address, farm.address(), &certificates, name, &options)
    };
    let fronts = [
        ("tls12", front("v3", "2")),
        ("tls13", front("v3", "3")),
        ("v1-tls12", front("v1", "2")),
        ("v1-tls13", front("v1", "3")),
        ("rsa1024", front("old", "2")),
        ("tls11", front("v3", "1")),
    ];
    let sections = fronts.iter().map(|(name, front)| section(name, front, ""));
    let server = start(sections.collect());
    for (name, _) in &fronts[..5] {
        assert_eq!(reason(&server, name, "playing"), "", "{name}");
    }
    let told = reason(&server, "tls11", "failed");
    assert!(told.contains("have no TLS in common"), "{told}");
}

#[test]
fn what_does_not_speak_tls_is_named() {
    let farm = farm();
    // Answers whatever comes with the same, and keeps the connection.
    let noise = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = noise.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut dial in noise.incoming().flatten() {
            let _ = dial.read(&mut [0; 1024]);
            let _ = dial.write_all(&[0x16, 0x03, 0x03, 0xff, 0xff, 7, 7, 7]);
            kept.push(dial);
        }
    });
    let cameras = [
        ("plain".to_owned(), format!("rtsps://{}/gate", farm.address())),
        ("noise".to_owned(), format!("rtsps://{address}/")),
    ];
    let server = Server::start(&Setup::of(cameras));
    // The camera makes nothing of a ClientHello, and waits for more; some close.
    wait_for(PATIENCE_US * 2, || camera(&server, "plain")["reason"].is_string());
    let told = camera(&server, "plain")["reason"].as_str().unwrap_or_default().to_owned();
    assert!(
        ["does not answer within 10 s", "speak TLS on this port"].iter().any(|w| told.contains(w)),
        "{told}"
    );
    let told = reason(&server, "noise", "failed");
    assert!(told.contains("does not speak TLS on this port"), "{told}");
}

#[test]
fn a_camera_that_stalls_or_dies_is_dialled_again() {
    let certificates = Certificates::default();
    certificates.self_signed("own", "ec", "");
    let farm = farm();
    let front = TlsFront::open(farm.address(), &certificates, "own");
    let server = start(section("gate", &front, ""));
    assert!(server.wait_until_ready(1, PATIENCE_US), "{}", server.log());
    // It sends and reads nothing any more, in the middle of whatever it was at.
    front.signal("-STOP");
    wait_for(2 * PATIENCE_US, || camera(&server, "gate")["state"] == "waiting");
    assert_eq!(camera(&server, "gate")["reason"], "no video from the camera for 10 s");
    front.signal("-CONT");
    assert!(server.wait_until_ready(1, 2 * PATIENCE_US), "{}", server.log());
    // Its end is cut off within a record, as nobody waits for the end of one.
    for _ in 0..3 {
        let address = front.address;
        let plays = farm.counts("gate").plays.load(Relaxed);
        front.signal("-KILL");
        let again = TlsFront::start(address, farm.address(), &certificates, "own", "");
        let is_back = || farm.counts("gate").plays.load(Relaxed) > plays;
        assert!(wait_for(PATIENCE_US, is_back), "{}", server.log());
        drop(again);
    }
    assert!(!server.log().contains("panic"), "{}", server.log());
}

#[test]
fn one_more_than_the_build_has_room_for_is_told_the_limit() {
    let max = PROFILE.bridged_cameras;
    let sections = (0..=max).map(|number| {
        format!("[[camera]]\nname = \"c{number}\"\nurl = \"rtsps://127.0.0.1:1/{number}\"\n")
    });
    let server = start(sections.collect());
    reason(&server, "c0", "waiting");
    let told = reason(&server, &format!("c{max}"), "disabled");
    assert!(
        told.ends_with(&format!(
            ": {} cameras by TLS or in an HTTP tunnel, max {max} in this build",
            max + 1
        )),
        "{told}"
    );
}

#[test]
fn as_many_as_there_is_room_for_play_within_their_budgets() {
    let certificates = Certificates::default();
    certificates.self_signed("own", "rsa:4096", "");
    // 20 KB a frame and 160 KB a key frame, in records of 16 KiB.
    let picture = Picture { gop: 10, bits_per_s: 4_000_000, ..Picture::default() };
    let mounts = Mount::many(u32::try_from(PROFILE.bridged_cameras).expect("few"), picture, false);
    let names: Vec<String> = mounts.iter().map(|mount| mount.name.clone()).collect();
    let farm = CameraFarm::open(mounts);
    let front = TlsFront::open(farm.address(), &certificates, "own");
    let url = |name: &String| (name.clone(), format!("rtsps://{}/{name}", front.address));
    let server = Server::start(&Setup::of(names.iter().map(url)));
    assert!(server.wait_until_ready(names.len(), 2 * PATIENCE_US), "{}", server.log());
    let connect = |name: &String| {
        Viewer::connect(server.http, name).unwrap_or_else(|why| panic!("{name}: {why}"))
    };
    let mut viewers: Vec<Viewer> = names.iter().map(connect).collect();
    let have_frames =
        |viewers: &[Viewer]| viewers.iter().all(|viewer| viewer.reception.counts.frames > 100);
    assert!(wall::run(&mut viewers, 2 * PATIENCE_US, have_frames), "too few frames");
    assert!(viewers.iter().all(|viewer| viewer.reception.counts.broken_frames == 0));
    let (open, most_bytes, ended) = account(&server);
    println!("{open} encrypted cameras, {most_bytes} bytes at most each");
    assert_eq!((open, ended), (PROFILE.bridged_cameras as u64, 0));
    assert!(most_bytes <= PROFILE.bridged_camera_heap_bytes as u64);
}

#[test]
fn a_handshake_that_never_ends_costs_a_camera_its_own_memory_and_no_more() {
    // A ServerHello of 65 520 bytes, by its own word, in records of 16 KiB.
    let hostile = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = hostile.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        let mut record = vec![0x16, 0x03, 0x03, 0x40, 0x00, 0x02, 0x00, 0xff, 0xf0];
        record.resize(5 + 0x4000, 0);
        for mut dial in hostile.incoming().flatten() {
            let _ = dial.read(&mut [0; 1024]);
            let _ = dial.write_all(&record);
            record[5..9].fill(0);
            for _ in 0..8 {
                let _ = dial.write_all(&record);
            }
            record[5..9].copy_from_slice(&[0x02, 0x00, 0xff, 0xf0]);
        }
    });
    let url = format!("rtsps://{address}/");
    let server = Server::start(&Setup::of([("gate".to_owned(), url)]));
    wait_for(PATIENCE_US, || camera(&server, "gate")["reason"].is_string());
    let told = camera(&server, "gate")["reason"].as_str().unwrap_or_default().to_owned();
    let (open, most_bytes, _) = account(&server);
    println!("{told}: {most_bytes} bytes");
    assert_eq!(open, 0, "{told}");
    // The TLS library has a bound of its own. Which of the two is met first is a matter of how much
    // came at once.
    let is_bounded = told.contains("message buffer full") || told.contains(" of memory, budget ");
    assert!(is_bounded, "{told}");
    // Within one poll it gets what it asks for: a buffer of twice the last.
    assert!(most_bytes <= 2 * PROFILE.bridged_camera_heap_bytes as u64, "{most_bytes}");
}

/// Open accounts of encrypted cameras, the most that one of them held, and how many were ended.
fn account(server: &Server) -> (u64, u64, u64) {
    let status = server.tell("status");
    let accounts =
        status["memory"]["library_heap"]["accounts"].as_array().expect("accounts").clone();
    let of_cameras = |account: &Value| account["what"] == "encrypted or tunnelled camera";
    let account = accounts.into_iter().find(of_cameras).expect("it is listed");
    let figure = |name: &str| account[name].as_u64().expect("a figure");
    (figure("open"), figure("most_bytes"), figure("ended"))
}
