//! Cameras in an HTTP tunnel, as a server of few lines has it: what is asked of it, a login, and
//! what weir tells of one that has no tunnel. `tests/interop/encrypted.test.mjs` has GStreamer's.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::common::camera::picture::Picture;
use crate::common::camera::{CameraFarm, Mount};
use crate::common::server::{Server, Setup, wait_for};
use crate::common::viewer::{Viewer, wall};

const PATIENCE_US: u64 = 10_000_000;
const LOGIN: &str = "Basic dmlld2VyOnNlc2FtZQ==";

/// A tunnel's end in front of a plain camera. Like Axis it never answers the POST.
struct Tunnelling {
    address: SocketAddr,
    /// The heads of all requests.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnelling {
    /// `login`: the `Authorization` that both requests must have, if any.
    fn start(camera: SocketAddr, login: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (all, waiting) = (heads.clone(), Arc::<Mutex<Option<TcpStream>>>::default());
        std::thread::spawn(move || {
            for dial in listener.incoming().flatten() {
                let (all, waiting) = (all.clone(), waiting.clone());
                std::thread::spawn(move || serve(dial, camera, login, &all, &waiting));
            }
        });
        Self { address, heads }
    }
}

/// One connection; the camera's waits from a GET to its POST.
fn serve(
    mut dial: TcpStream,
    camera: SocketAddr,
    login: Option<&str>,
    all: &Mutex<Vec<String>>,
    waiting: &Mutex<Option<TcpStream>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        dial.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("ASCII");
    all.lock().expect("not poisoned").push(head.clone());
    if let Some(login) = login
        && !head.contains(&format!("\r\nAuthorization: {login}\r\n"))
    {
        let refusal = "HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n";
        return dial.write_all(refusal.as_bytes()).ok();
    }
    if head.starts_with("GET ") {
        let mut camera = TcpStream::connect(camera).ok()?;
        *waiting.lock().expect("not poisoned") = Some(camera.try_clone().ok()?);
        let answer = "HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n";
        dial.write_all(answer.as_bytes()).ok()?;
        let _ = std::io::copy(&mut camera, &mut dial);
        let _ = dial.shutdown(Shutdown::Both);
        return Some(());
    }
    let mut camera = waiting.lock().expect("not poisoned").take()?;
    let mut encoded = Vec::new();
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = dial.read(&mut bytes) {
        encoded.extend(&bytes[..count]);
        // In pieces of four characters, of which padding ends none but its own.
        let whole = encoded.len() / 4 * 4;
        for piece in encoded.drain(..whole).collect::<Vec<_>>().chunks(4) {
            camera.write_all(&STANDARD.decode(piece).expect("base64")).ok()?;
        }
    }
    let _ = camera.shutdown(Shutdown::Both);
    Some(())
}

fn farm() -> CameraFarm {
    let picture = Picture { gop: 10, ..Picture::default() };
    CameraFarm::open(vec![Mount::new("gate", picture)])
}

fn camera(server: &Server) -> Value {
    server.get("/api/cameras").json()["cameras"][0].clone()
}

#[test]
fn a_camera_in_a_tunnel_plays_every_frame() {
    let farm = farm();
    let tunnelling = Tunnelling::start(farm.address(), None);
    let url = format!("rtsp+http://{}/gate", tunnelling.address);
    let server = Server::start(&Setup::of([("gate".to_owned(), url)]));
    assert!(server.wait_until_ready(1, PATIENCE_US), "{}", server.log());
    let mut viewer = Viewer::connect(server.http, "gate").unwrap_or_else(|why| panic!("{why}"));
    let has_frames = |viewer: &Viewer| viewer.reception.counts.frames > 50;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, has_frames), "no frames");
    assert_eq!(viewer.reception.counts.broken_frames, 0);
    let heads = tunnelling.heads.lock().expect("not poisoned").clone();
    assert!(heads[0].starts_with("GET /gate HTTP/1.0\r\n"), "{heads:?}");
    assert!(heads[1].starts_with("POST /gate HTTP/1.0\r\n"), "{heads:?}");
}

#[test]
fn a_tunnel_that_wants_a_login_gets_it_with_a_warning() {
    let farm = farm();
    let tunnelling = Tunnelling::start(farm.address(), Some(LOGIN));
    let url = format!("rtsp+http://viewer:sesame@{}/gate", tunnelling.address);
    let server = Server::start(&Setup::of([("gate".to_owned(), url)]));
    assert!(server.wait_until_ready(1, PATIENCE_US), "{}", server.log());
    let is_warned = || server.log().contains("has its password sent in the clear");
    assert!(wait_for(PATIENCE_US, is_warned), "{}", server.log());
    let heads = tunnelling.heads.lock().expect("not poisoned").clone();
    let methods: Vec<_> = heads.iter().filter_map(|head| head.split(' ').next()).collect();
    assert_eq!(methods, ["GET", "GET", "POST"]);
    assert!(!heads[0].contains("Authorization"), "it was not asked for");
}

#[test]
fn what_has_no_tunnel_is_told() {
    let farm = farm();
    let url = format!("rtsp+http://{}/gate", farm.address());
    let server = Server::start(&Setup::of([("gate".to_owned(), url)]));
    wait_for(PATIENCE_US * 2, || camera(&server)["reason"].is_string());
    let told = camera(&server)["reason"].as_str().unwrap_or_default().to_owned();
    let words = ["not HTTP", "closed the connection during GET", "does not answer within"];
    assert!(words.iter().any(|words| told.contains(words)), "{told}");
}
