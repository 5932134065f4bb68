//! Key frames on demand: a viewer that has lost something has its picture again within a second or
//! so, by RTCP or by ONVIF, and a camera that is asked in vain is left alone.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use weir::clock;

use super::common::camera::picture::Picture;
use super::common::camera::{CameraFarm, Mount};
use super::common::first_picture::FirstPicture;
use super::common::fixture::CAMERA;
use super::common::onvif_camera::OnvifCamera;
use super::common::server::{Server, Setup, wait_for};
use super::common::tls_front::{Certificates, TlsFront};
use super::common::viewer::{Viewer, wall};

const SECOND_US: u64 = 1_000_000;
const READY_US: u64 = 15 * SECOND_US;
/// A key frame every 20 s unless it is asked for one.
const RARE: &str = "path=/cam,gop=500";
/// The same, and it does not hear RTCP.
const DEAF: &str = "path=/cam,gop=500,deaf=1";
/// What a viewer waits at most for the picture that it asked for: less than a tenth of that.
const PICTURE_US: u64 = 3 * SECOND_US / 2;
const SYNCHRONIZE: &str = "SetSynchronizationPoint";

/// weir with one camera, and a viewer who has its picture.
struct Demand {
    server: Server,
    camera: OnvifCamera,
    viewer: Viewer,
}

impl Demand {
    fn of(arguments: &[&str]) -> Self {
        let camera = OnvifCamera::start(arguments);
        let (rtsp_port, onvif_port) = (camera.rtsp_port, camera.onvif_port);
        Self::at(camera, &format!("rtsp://127.0.0.1:{rtsp_port}"), onvif_port)
    }

    fn at(camera: OnvifCamera, url: &str, onvif_port: u16) -> Self {
        let sections = format!(
            "[[camera]]\nname = \"{CAMERA}\"\nurl = \"{url}/cam\"\nuser = \"viewer\"\n\
             password = \"secret\"\nonvif_port = {onvif_port}\n"
        );
        let server = Server::start(&Setup { sections, ..Setup::default() });
        assert!(server.wait_until_ready(1, READY_US), "{}", server.log());
        let viewer = viewer(&server);
        Self { server, camera, viewer }
    }

    /// Has the viewer ask for a key frame; how long until it was there whole, or `None`.
    fn asks(&mut self) -> Option<u64> {
        // weir asks a camera once a second.
        wall::run_one(&mut self.viewer, 6 * SECOND_US / 5, |_| false);
        let (began_us, from) = (clock::now_us(), self.viewer.reception.packets.len());
        self.viewer.send_picture_loss();
        let came = |viewer: &Viewer| key_frame_us(viewer, from).is_some();
        wall::run_one(&mut self.viewer, PICTURE_US, came);
        key_frame_us(&self.viewer, from).map(|at_us| at_us - began_us)
    }

    fn requests(&self) -> Value {
        requests(&self.server, 0)
    }
}

fn viewer(server: &Server) -> Viewer {
    let mut viewer = Viewer::connect(server.http, CAMERA).unwrap_or_else(|why| panic!("{why}"));
    let has_picture = |viewer: &Viewer| key_frame_us(viewer, 0).is_some();
    assert!(wall::run_one(&mut viewer, 5 * SECOND_US, has_picture), "no picture");
    viewer
}

/// When the first whole key frame among the packets from `from` on was there.
fn key_frame_us(viewer: &Viewer, from: usize) -> Option<u64> {
    let mut picture = FirstPicture::default();
    for packet in &viewer.reception.packets[from..] {
        picture.payload(&packet.payload, false, packet.marker, packet.arrival_us);
    }
    picture.at_us()
}

fn requests(server: &Server, camera: usize) -> Value {
    server.get("/api/cameras").json()["cameras"][camera]["key_frame_requests"].clone()
}

/// The heap account of conversations by ONVIF.
fn account(server: &Server) -> Value {
    let accounts = server.tell("status")["memory"]["library_heap"]["accounts"].clone();
    let accounts = accounts.as_array().expect("a list");
    let found = accounts.iter().find(|account| account["what"] == "onvif conversation");
    found.expect("its account").clone()
}

#[test]
fn a_viewer_that_asks_has_a_key_frame_by_onvif_within_a_second_or_so() {
    // Its clock is a year behind, and ours is not what it takes a login for.
    let skew = "--skew=-31536000";
    let mut demand = Demand::of(&["--mount", "path=/other", "--mount", DEAF, skew]);
    let is_found = |demand: &Demand| demand.camera.count("GetStreamUri") == 2;
    assert!(wait_for(5 * SECOND_US, || is_found(&demand)), "{:?}", demand.camera.asked());
    for number in 1..=4 {
        let waited_us = demand.asks().unwrap_or_else(|| panic!("{:?}", demand.camera.asked()));
        println!("key frame {number} after {} ms", waited_us / 1000);
    }
    let mut expected = vec!["GetSystemDateAndTime", "GetCapabilities", "GetProfiles"];
    expected.extend(["GetStreamUri"; 2]);
    expected.extend([SYNCHRONIZE; 4]);
    assert_eq!(demand.camera.asked(), expected);
    let learnt = wait_for(5 * SECOND_US, || demand.requests()["onvif"] == "works");
    let requests = demand.requests();
    assert!(learnt && requests["rtcp"] == "given up", "{requests}");
    assert_eq!(requests["onvif_problem"], Value::Null, "{requests}");
    let (_, screen) = demand.server.console(&["camera", CAMERA]);
    assert!(screen.contains("on demand   by RTCP: given up, by ONVIF: works"), "{screen}");
    assert!(!demand.server.log().contains("secret"), "{}", demand.server.log());
}

#[test]
fn a_camera_with_the_second_media_service_alone_is_asked_by_that() {
    for (how, capabilities) in [("empty", "GetCapabilities"), ("fault", "refused: no such service")]
    {
        let media = format!("--media2={how}");
        let mut demand = Demand::of(&["--mount", "path=/other", "--mount", DEAF, &media]);
        let is_found = |demand: &Demand| demand.camera.count("GetStreamUri") == 2;
        assert!(wait_for(5 * SECOND_US, || is_found(&demand)), "{:?}", demand.camera.asked());
        let waited_us = demand.asks().unwrap_or_else(|| panic!("{:?}", demand.camera.asked()));
        println!("{how}: key frame after {} ms", waited_us / 1000);
        let mut expected = vec!["GetSystemDateAndTime", capabilities, "GetServices", "GetProfiles"];
        expected.extend(["GetStreamUri", "GetStreamUri", SYNCHRONIZE]);
        assert_eq!(demand.camera.asked(), expected);
    }
}

#[test]
fn viewers_that_ask_together_cost_one_request_and_a_login_by_http_is_taken() {
    let mut demand = Demand::of(&["--mount", DEAF, "--login=http"]);
    assert!(wait_for(5 * SECOND_US, || demand.camera.count("GetProfiles") == 1));
    let mut others = [viewer(&demand.server), viewer(&demand.server)];
    wall::run(&mut others, 6 * SECOND_US / 5, |_| false);
    for other in &mut others {
        other.send_picture_loss();
    }
    assert!(demand.asks().is_some(), "{:?}", demand.camera.asked());
    for other in &mut others {
        other.send_picture_loss();
        other.send_picture_loss();
    }
    wall::run_one(&mut demand.viewer, 2 * SECOND_US, |_| false);
    let counted = (demand.camera.count(SYNCHRONIZE), demand.camera.count("refused"));
    assert_eq!(counted, (2, 0), "{:?}", demand.camera.asked());
    // Each conversation was asked for its login once.
    assert_eq!(demand.camera.count("challenged"), 1 + counted.0);
}

#[test]
fn a_camera_that_is_encrypted_is_asked_within_tls_alone() {
    let certificates = Certificates::default();
    certificates.self_signed("own", "rsa:2048", "");
    let camera = OnvifCamera::start(&["--mount", DEAF]);
    let [rtsp, onvif] = [camera.rtsp_port, camera.onvif_port]
        .map(|port| TlsFront::open(([127, 0, 0, 1], port).into(), &certificates, "own"));
    let url = format!("rtsps://{}", rtsp.address);
    let mut demand = Demand::at(camera, &url, onvif.address.port());
    assert!(wait_for(5 * SECOND_US, || demand.camera.count("GetProfiles") == 1));
    assert!(demand.asks().is_some(), "{:?}", demand.camera.asked());
    let pinned = format!("127.0.0.1:{}/(hidden): its certificate is", onvif.address.port());
    assert!(demand.server.log().contains(&pinned), "{}", demand.server.log());
    println!("{}", account(&demand.server));
    // In the open nobody is asked.
    let camera = OnvifCamera::start(&["--mount", DEAF]);
    let rtsp = TlsFront::open(([127, 0, 0, 1], camera.rtsp_port).into(), &certificates, "own");
    let plain_port = camera.onvif_port;
    let demand = Demand::at(camera, &format!("rtsps://{}", rtsp.address), plain_port);
    let problem = || demand.requests()["onvif_problem"].to_string();
    let is_told = wait_for(10 * SECOND_US, || problem().contains("does not speak TLS"));
    assert!(is_told, "{}", problem());
    assert_eq!(demand.camera.asked(), [""; 0]);
}

#[test]
fn a_camera_that_hears_rtcp_is_not_asked_by_onvif() {
    let mut demand = Demand::of(&["--mount", RARE]);
    for _ in 0..2 {
        let waited_us = demand.asks().expect("a key frame");
        println!("key frame by RTCP after {} ms", waited_us / 1000);
    }
    let learnt = wait_for(5 * SECOND_US, || demand.requests()["rtcp"] == "works");
    assert!(learnt, "{}", demand.requests());
    assert_eq!(demand.camera.count(SYNCHRONIZE), 0, "{:?}", demand.camera.asked());
    assert_eq!(demand.requests()["onvif"], "untried");
}

#[test]
fn a_login_that_is_refused_is_tried_once() {
    let mut demand = Demand::of(&["--mount", DEAF, "--onvif-password=another"]);
    let given_up = wait_for(5 * SECOND_US, || demand.requests()["onvif"] == "given up");
    assert!(given_up, "{} {:?}", demand.requests(), demand.camera.asked());
    assert_eq!(demand.asks(), None);
    assert_eq!(demand.camera.asked(), ["GetSystemDateAndTime", "refused: a wrong login"]);
    let problem = demand.requests()["onvif_problem"].to_string();
    assert!(problem.contains("refuses user and password"), "{problem}");
    let log = demand.server.log();
    assert!(log.contains("camera gate: not asked for key frames by ONVIF any more"), "{log}");
    assert!(!log.contains("secret") && !log.contains("another"), "{log}");
}

#[test]
fn a_camera_that_takes_no_request_is_asked_three_times() {
    let mut demand = Demand::of(&["--mount", DEAF, "--breaks"]);
    for _ in 0..4 {
        assert_eq!(demand.asks(), None);
    }
    let given_up = wait_for(5 * SECOND_US, || demand.requests()["onvif"] == "given up");
    assert!(given_up, "{} {:?}", demand.requests(), demand.camera.asked());
    let problem = demand.requests()["onvif_problem"].to_string();
    assert!(problem.contains("the fault Action"), "{problem}");
    let before = demand.camera.asked();
    assert_eq!(demand.asks(), None);
    assert_eq!(demand.camera.asked(), before);
}

/// A server that is no camera: takes a request and answers so, or not at all.
fn impostor(answer: fn(&mut TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.read(&mut [0; 4096]);
            answer(&mut client);
        }
    });
    port
}

fn say(client: &mut TcpStream, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = client.write_all((head + body).as_bytes());
}

#[test]
fn what_is_no_camera_of_onvif_costs_its_own_conversation_and_is_told() {
    type Answer = fn(&mut TcpStream);
    let cases: [(&str, Answer, &str); 5] = [
        ("page", |client| say(client, "<html></html>"), "its answer is no SOAP"),
        (
            "bomb",
            |client| say(client, "<!DOCTYPE a [<!ENTITY b 'bbbb'>]><Envelope>&b;</Envelope>"),
            "its answer is no XML",
        ),
        (
            "endless",
            |client| {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n<Envelope>");
                while client.write_all(&[b' '; 4096]).is_ok() {}
            },
            "its answer has more than 32768 bytes",
        ),
        ("other", |client| drop(client.write_all(b"SSH-2.0-x\r\n")), "no answer by HTTP"),
        ("silent", |_| thread::sleep(Duration::from_secs(20)), "no answer within 4 s"),
    ];
    let mounts = cases.iter().map(|(name, ..)| Mount::new(name, Picture::default()));
    let farm = CameraFarm::open(mounts.collect());
    let sections = cases.iter().map(|(name, answer, _)| {
        let (url, port) = (farm.url(name), impostor(*answer));
        format!("[[camera]]\nname = \"{name}\"\nurl = \"{url}\"\nonvif_port = {port}\n")
    });
    let server = Server::start(&Setup { sections: sections.collect(), ..Setup::default() });
    assert!(server.wait_until_ready(cases.len(), READY_US), "{}", server.log());
    for (number, (name, _, expected)) in cases.iter().enumerate() {
        let problem = || requests(&server, number)["onvif_problem"].to_string();
        let is_told = wait_for(10 * SECOND_US, || problem().contains(expected));
        assert!(is_told, "{name}: {}", problem());
    }
    let onvif = account(&server);
    println!("{onvif}");
    assert_eq!(onvif["ended"], 0, "{onvif}");
    assert!(onvif["most_bytes"].as_u64() <= onvif["budget_bytes"].as_u64(), "{onvif}");
}
