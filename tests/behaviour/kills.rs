//! weir killed at any moment: it starts again, with its cameras, and nobody has to look after it.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use weir::config;

use crate::common::fixture::{CAMERA, Fixture};
use crate::common::server::{Addresses, CameraEntry, Server, Setup};
use crate::common::viewer::{Viewer, wall};

const PATIENCE_US: u64 = 10_000_000;
const KILLS: u32 = 200;
const KILL_WITHIN_US: u64 = 30_000;
const CAMERAS_MAX: u64 = 8;

/// Xorshift, seeded.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[test]
fn cameras_are_back_by_themselves() {
    let mut fixture = Fixture::open();
    let viewer = fixture.viewer();
    fixture.server.kill();
    drop(viewer);
    fixture.server.start_again();
    assert!(fixture.server.wait_until_ready(1, PATIENCE_US), "nobody did anything");
    let mut viewer = fixture.viewer();
    let plays = |viewer: &Viewer| viewer.reception.counts.frames >= 30;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, plays));
    assert_eq!(viewer.reception.counts.broken_frames, 0);
    assert_eq!(fixture.session(viewer.local())["camera"], CAMERA);
}

/// weir on addresses where nobody else is, below the ports that the kernel gives to others: they
/// have to be free again and again.
fn start(setup: &Setup) -> Server {
    let port = 20_000 + u16::try_from(std::process::id() % 4_000).expect("small") * 2;
    let at = |port| SocketAddr::from(([127, 0, 0, 77], port));
    let (http, other) = (at(port), at(port + 1));
    Server::start_at(setup, Addresses { http, https: other, media: http, diagnostics: other })
}

/// Some cameras, of which no other configuration has one.
fn setup(random: &mut Random) -> Setup {
    let camera = |name: u64| CameraEntry {
        name: format!("c{name:x}"),
        // Nobody listens there.
        url: format!("rtsp://127.0.0.1:1/{name}"),
        login: None,
    };
    let cameras = (0..=random.below(CAMERAS_MAX)).map(|_| camera(random.next())).collect();
    Setup { cameras, ..Setup::default() }
}

/// The names of the cameras, if weir may use a file of this text.
fn names(text: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(text).ok()?;
    let loaded = config::parse(text, Path::new(""));
    let names = loaded.config.cameras.iter().map(|camera| camera.name.clone());
    (!loaded.is_fatal()).then(|| names.collect())
}

/// A file as it may be found after a power cut: with its end missing, or as zeros, or empty.
fn torn(text: &str, random: &mut Random) -> Vec<u8> {
    // A file that ends behind some of its sections is a good one; here it must not end before
    // those that say where weir listens, as the defaults' ports may be somebody else's.
    let head = text.find("[[camera]]").expect("there are cameras") as u64;
    let length = head + random.below(text.len() as u64 - head);
    let mut torn = text.as_bytes()[..usize::try_from(length).expect("short")].to_vec();
    match random.below(4) {
        0 => torn.fill(0),
        1 => torn.clear(),
        _ => {}
    }
    torn
}

/// Asks for a reload and does not wait for what comes of it.
fn ask_for_reload(server: &Server, random: &mut Random) -> Option<UnixStream> {
    if random.below(2) == 0 {
        server.hang_up();
        return None;
    }
    let socket = server.config().with_file_name(weir::console::SOCKET);
    let mut connection = UnixStream::connect(socket).ok()?;
    connection.write_all(b"[\"config\",\"reload\"]\n").ok()?;
    Some(connection)
}

fn pass(random: &mut Random) {
    std::thread::sleep(Duration::from_micros(random.below(KILL_WITHIN_US)));
}

/// What weir says after a start: its cameras, and how its configuration stands.
fn found(server: &Server) -> (Vec<String>, String) {
    let answer = server.get("/api/cameras").json();
    let name = |camera: &Value| camera["name"].as_str().expect("a name").to_owned();
    let cameras = answer["cameras"].as_array().expect("a list").iter().map(name).collect();
    let state = answer["configuration"]["state"].as_str().expect("a word").to_owned();
    (cameras, state)
}

#[test]
fn two_hundred_kills_in_the_middle_of_a_reload_leave_a_box_that_starts() {
    let seed = std::env::var("WEIR_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(0x7765_6972 + u64::from(std::process::id()));
    println!("WEIR_SEED={seed}");
    let mut random = Random(seed);
    let mut server = start(&setup(&mut random));
    let (mut tears, mut from_copy) = (0, 0);
    let mut in_force = found(&server).0;
    for kill in 0..KILLS {
        // The files that may be the last good one, the newest last.
        let mut candidates = vec![in_force.clone()];
        let mut on_disk = None;
        for _ in 0..=random.below(2) {
            let text = server.text(&setup(&mut random));
            let written = if random.below(2) == 0 {
                tears += 1;
                let torn = torn(&text, &mut random);
                fs::write(server.config(), &torn).expect("a writable directory");
                torn
            } else {
                server.write(&text);
                text.into_bytes()
            };
            on_disk = names(&written);
            candidates.extend(on_disk.clone());
            let connection = ask_for_reload(&server, &mut random);
            pass(&mut random);
            drop(connection);
        }
        server.kill();
        server.start_again();
        let (cameras, state) = found(&server);
        match on_disk {
            Some(names) => assert_eq!(cameras, names, "kill {kill}: the file can be used"),
            None => {
                from_copy += 1;
                assert_eq!(state, "last good", "kill {kill}");
                assert!(candidates.contains(&cameras), "kill {kill}: {cameras:?}");
            }
        }
        in_force = cameras;
    }
    println!("{KILLS} kills, {tears} torn files, {from_copy} starts from the copy");
    assert!(from_copy > KILLS / 10);
}
