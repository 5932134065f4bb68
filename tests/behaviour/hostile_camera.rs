//! Cameras that are none, or not the one they were: what they can learn, show, hold and cost.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use weir::clock;

use crate::common::server::{CameraEntry, Server, Setup, wait_for};

const USER: &str = "viewer";
const PASSWORD: &str = "correct-horse-7";
const PATIENCE_US: u64 = 8_000_000;
/// What the plan has for the dial of one camera, and so for the reading of its largest answer.
const DIAL_BYTES_MAX: f64 = 40.0 * 1024.0;
/// And for the HTTP connection by which the gauges are read.
const ASKER_BYTES_MAX: f64 = 60.0 * 1024.0;
const DIALLED_MAX: usize = 8;
/// Between what is measured apart.
const BREATH: Duration = Duration::from_millis(1_000);

/// A camera that answers each request with what a function makes of the connection's number and
/// the request; nothing more when that is nothing.
struct Stub {
    address: SocketAddr,
    heard: Arc<Mutex<String>>,
}

impl Stub {
    fn open(answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let heard = Arc::new(Mutex::new(String::new()));
        let (answer, all) = (Arc::new(answer), heard.clone());
        thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                let (answer, all) = (answer.clone(), all.clone());
                thread::spawn(move || serve(client, number, &all, &*answer));
            }
        });
        Self { address, heard }
    }

    fn url(&self, path: &str) -> String {
        format!("rtsp://{}/{path}", self.address)
    }

    fn heard(&self) -> String {
        self.heard.lock().expect("no panic").clone()
    }
}

fn serve(
    mut client: TcpStream,
    number: usize,
    heard: &Mutex<String>,
    answer: &(impl Fn(usize, &str) -> Vec<u8> + ?Sized),
) {
    let mut inbox = Vec::new();
    let mut bytes = [0; 2048];
    while let Ok(1..) = client.read(&mut bytes).inspect(|len| inbox.extend(&bytes[..*len])) {
        while let Some(end) = inbox.windows(4).position(|four| four == b"\r\n\r\n") {
            let request: Vec<u8> = inbox.drain(..end + 4).collect();
            let request = String::from_utf8_lossy(&request).into_owned();
            heard.lock().expect("no panic").push_str(&request);
            let bytes = answer(number, &request);
            // The last byte of a long one comes later: until then all of it is held.
            let (most, last) = bytes.split_at(bytes.len().saturating_sub(1));
            let written = client.write_all(most);
            if most.len() > 16 * 1024 {
                thread::sleep(BREATH);
            }
            if written.and_then(|()| client.write_all(last)).is_err() {
                return;
            }
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("RTSP/1.0 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn camera(server: &Server, name: &str) -> Value {
    let listed = server.get("/api/cameras").json();
    let cameras = listed["cameras"].as_array().expect("a list").clone();
    cameras.into_iter().find(|camera| camera["name"] == name).expect("it is listed")
}

fn wait_for_reason(server: &Server, name: &str, words: &str, timeout_us: u64) -> Value {
    let says = || camera(server, name)["reason"].as_str().is_some_and(|says| says.contains(words));
    assert!(wait_for(timeout_us, says), "{words}: {}", camera(server, name));
    camera(server, name)
}

fn with_login(name: &str, url: String) -> CameraEntry {
    let login = Some((USER.to_owned(), PASSWORD.to_owned()));
    CameraEntry { name: name.to_owned(), url, login }
}

#[test]
fn who_answers_in_a_cameras_place_is_not_told_the_password() {
    // Digest at first, and the stream is taken; the next connection meets another.
    let stub = Stub::open(|number, request| match number {
        _ if request.starts_with("OPTIONS") => answer("200 OK", "", ""),
        0 if !request.contains("Authorization") => {
            let digest = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n1\"\r\n";
            answer("401 Unauthorized", digest, "")
        }
        0 if request.starts_with("DESCRIBE") => {
            let sdp = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:1\r\n";
            answer("200 OK", "", sdp)
        }
        0 => answer("503 Service Unavailable", "", ""),
        _ => answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"cam\"\r\n", ""),
    });
    let cameras = vec![with_login("gate", stub.url("s"))];
    let server = Server::start(&Setup { cameras, ..Setup::default() });
    let failed = wait_for_reason(&server, "gate", "took digest before", PATIENCE_US);
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(failed["findings"][0]["code"], "only_basic", "{failed}");
    let heard = stub.heard();
    assert!(heard.contains("Digest username=\"viewer\""), "{heard}");
    let told = BASE64.encode(format!("{USER}:{PASSWORD}"));
    assert!(!heard.contains("Basic") && !heard.contains(&told), "{heard}");
    assert!(!server.log().contains(PASSWORD));
}

#[test]
fn nothing_that_stands_in_a_url_is_shown() {
    const SECRET: &str = "hunter2";
    let paths = [
        "user=admin_password=hunter2_channel=1_stream=0.sdp?real_stream",
        "user=admin&password=hunter2&channel=1&stream=0.sdp",
        "hunter2/live",
        "s?token=hunter2",
    ];
    let stub = Stub::open(|_, request| match request.starts_with("OPTIONS") {
        true => answer("200 OK", "", ""),
        false => answer("404 Not Found", "", ""),
    });
    let to = format!("Location: rtsp://u:hunter2@198.51.100.1/{}\r\n", paths[1]);
    let moved = Stub::open(move |_, _| answer("302 Moved", &to, ""));
    let entry = |name: String, url: String| CameraEntry { name, url, login: None };
    let mut cameras: Vec<CameraEntry> = (0..)
        .zip(paths)
        .map(|(number, path): (u32, _)| entry(format!("c{number}"), stub.url(path)))
        .collect();
    cameras.push(entry("moved".to_owned(), moved.url(paths[0])));
    // One that is disabled, for a mistake in the same place.
    cameras.push(entry("bad".to_owned(), "rtsp://u:1/hunter2@192.0.2.7/x".to_owned()));
    let environment = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    let server = Server::start(&Setup { cameras, environment, ..Setup::default() });
    for number in 0..paths.len() {
        wait_for_reason(&server, &format!("c{number}"), "404", PATIENCE_US);
    }
    wait_for_reason(&server, "moved", "another host", PATIENCE_US);
    wait_for_reason(&server, "bad", "`password`", PATIENCE_US);
    let console = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["console", "--config"]).arg(server.config()).args(words);
        let said = command.output().expect("it runs");
        String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()
    };
    let places = [
        ("log", server.log()),
        ("/api/cameras", server.get("/api/cameras").body),
        ("/api/status", server.get("/api/status").body),
        ("camera", console(&["camera", "c0"])),
        ("camera test", console(&["camera", "test", "c1"])),
        ("report", console(&["report"])),
        ("config show", console(&["config", "show"])),
    ];
    for (place, text) in places {
        assert!(!text.is_empty() && !text.contains(SECRET), "{place}: {text}");
    }
    assert!(console(&["camera", "c0"]).contains("/(hidden)"), "it was looked at");
}

/// The largest body that a camera may send, of lines that are nothing but costly.
fn costly(kind: usize) -> String {
    let line =
        ["a=x\r\n", "m=\r\n", "m=video 0 RTP/AVP 96\r\n", "a=\r\n", "\r\n", "a=rtpmap:1 x\n"];
    let line = line[kind % line.len()];
    // Video that is not served, so that the dial ends with it.
    let mut body = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 MP4V-ES/90000\r\n".to_owned();
    while body.len() + line.len() <= 16 * 1024 {
        body.push_str(line);
    }
    body
}

#[test]
fn a_dial_costs_no_more_than_its_share() {
    // Eight are held at their DESCRIBE, then all say their worst at once, and then its last byte.
    let stub = Stub::open(|number, request| match request.starts_with("OPTIONS") {
        true => answer("200 OK", "", ""),
        false => {
            thread::sleep(BREATH);
            // As much as a head may have.
            let head = format!("X: {}\r\n", "x".repeat(8_000));
            answer("200 OK", &head, &costly(number))
        }
    });
    let entry = |number: usize| (format!("c{number}"), stub.url("s"));
    let server = Server::start(&Setup::of((0..DIALLED_MAX).map(entry)));
    let gauge = |name: &str| server.metric(name).expect("a gauge");
    assert!(wait_for(PATIENCE_US, || stub.heard().matches("DESCRIBE").count() == DIALLED_MAX));
    let before = gauge("weir_library_heap_used_bytes");
    let most = || gauge("weir_library_heap_high_water_bytes") - before;
    // A part of it for each, so that something is measured.
    let is_held = || gauge("weir_library_heap_used_bytes") - before > 8.0 * 16.0 * 1024.0;
    assert!(wait_for(PATIENCE_US, is_held), "{} bytes at most", most());
    for number in 0..DIALLED_MAX {
        wait_for_reason(&server, &format!("c{number}"), "", PATIENCE_US);
    }
    let held = most();
    println!("eight hostile dials hold {held} bytes of the library heap");
    assert!(held < DIALLED_MAX as f64 * DIAL_BYTES_MAX + ASKER_BYTES_MAX, "{held} bytes");
}

/// Tells when a connection came and when it was closed.
fn dripping() -> (SocketAddr, Receiver<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let (tell, told) = sync_channel(16);
    thread::spawn(move || {
        for (number, mut client) in listener.incoming().flatten().enumerate() {
            let _ = tell.send(clock::now_us());
            let mut request = [0; 2048];
            let _ = client.read(&mut request);
            if number == 0 {
                // It answers late, and leads on.
                thread::sleep(Duration::from_secs(3));
                let _ = client.write_all(&answer("200 OK", "", ""));
                let _ = client.read(&mut request);
                let to = format!("Location: rtsp://{address}/next\r\n");
                let _ = client.write_all(&answer("302 Moved", &to, ""));
                continue;
            }
            // A byte now and then, for ever.
            while client.write_all(b"X").is_ok() {
                thread::sleep(Duration::from_millis(200));
            }
            let _ = tell.send(clock::now_us());
        }
    });
    (address, told)
}

#[test]
fn a_dial_ends_in_time_whatever_comes_and_wherever_it_leads() {
    let (address, told) = dripping();
    let server = Server::start(&Setup::of([("gate".to_owned(), format!("rtsp://{address}/s"))]));
    let wait = Duration::from_secs(14);
    let [began_us, _moved_us, ended_us] =
        [(); 3].map(|()| told.recv_timeout(wait).expect("a time"));
    let took_us = ended_us - began_us;
    assert!((9_500_000..11_500_000).contains(&took_us), "{took_us} us");
    wait_for_reason(&server, "gate", "does not answer within 10 s", 1_000_000);
}

#[test]
fn noise_without_end_ends_a_dial_and_keeps_nobody_waiting() {
    // As an answer begins, so that it could be one; 13 bytes each.
    let noise = b"RTSP/1.0 200 \x01\n".repeat(4096);
    let pouring = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let noise = noise.clone();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                while client.write_all(&noise).is_ok() {}
            }
        });
        address
    };
    let url = |number: usize| (format!("c{number}"), format!("rtsp://{}/s", pouring()));
    let server = Server::start(&Setup::of((0..DIALLED_MAX).map(url)));
    let (mut slowest_us, until_us) = (0, clock::now_us() + 4_000_000);
    while clock::now_us() < until_us {
        let asked_us = clock::now_us();
        assert_eq!(server.get("/healthz").status, 200);
        slowest_us = slowest_us.max(clock::now_us() - asked_us);
        thread::sleep(Duration::from_millis(10));
    }
    println!("/healthz is answered within {slowest_us} us");
    assert!(slowest_us < 500_000, "{slowest_us} us");
    for number in 0..DIALLED_MAX {
        wait_for_reason(&server, &format!("c{number}"), "camera's noise", PATIENCE_US);
    }
}
