//! A camera that serves a clip as badly as real ones do: every habit is a field of [`Habits`], and
//! they go together.
//!
//! [`habits`] names them, `talk` answers requests, `login` judges theirs, `stream` makes packets of
//! the clip. Each connection has a thread and is served until weir hangs up.

pub mod habits;
mod login;
mod stream;
mod talk;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use weir::codec::Codec;

use super::annexb;
use super::camera::picture::{Noise, Picture};
use super::camera::rtsp::Request;
use habits::Habits;
use talk::Client;

/// Pictures a second: the clip, four times as fast as it was made.
pub const FRAMES_PER_S: u32 = 100;
/// What a camera with several slices shows: as many pictures to a key frame as the clip has.
const PICTURE: Picture = Picture {
    frames_per_s: FRAMES_PER_S,
    gop: 50,
    bits_per_s: 4_000_000,
    idr_weight: 4,
    slices: 1,
};

/// What happened at the camera.
#[derive(Debug, Default)]
pub struct Seen {
    /// The requests, in order.
    pub requests: Mutex<Vec<Request>>,
    /// What weir answered to the camera's own requests.
    pub answers: Mutex<Vec<String>>,
    /// Receiver reports.
    pub reports: AtomicU64,
    /// Connections.
    pub dials: AtomicUsize,
    /// Of these, the ones that came to PLAY.
    pub plays: AtomicUsize,
    /// When the last session was lost, on [`weir::clock`].
    lost_us: AtomicU64,
    stop: AtomicBool,
}

impl Seen {
    /// `METHOD uri` of the requests with this method.
    pub fn uris(&self, method: &str) -> Vec<String> {
        let requests = self.requests.lock().expect("whole");
        let found = requests.iter().filter(|request| request.method == method);
        found.map(|request| request.uri.clone()).collect()
    }

    /// The values of a header in the requests with this method; empty where it is missing.
    pub fn headers(&self, method: &str, name: &str) -> Vec<String> {
        let requests = self.requests.lock().expect("whole");
        let found = requests.iter().filter(|request| request.method == method);
        found.map(|request| request.header(name).unwrap_or_default().to_owned()).collect()
    }
}

/// A camera at work; it stops when it is dropped.
pub struct QuirkCamera {
    /// Its URL, with the login if it has one.
    pub url: String,
    /// The parameter sets of its pictures.
    pub sets: Vec<Vec<u8>>,
    /// The slices of its pictures, which it shows over and over.
    pub slices: Vec<Vec<u8>>,
    /// The same, by picture.
    pub pictures: Vec<Vec<Vec<u8>>>,
    /// What happened.
    pub seen: Arc<Seen>,
    threads: Vec<JoinHandle<()>>,
}

/// What every connection of a camera needs.
struct Camera {
    habits: Habits,
    address: SocketAddr,
    /// Where it is sent to from its first port.
    other: SocketAddr,
    units: Vec<Vec<Vec<u8>>>,
    seen: Arc<Seen>,
}

impl QuirkCamera {
    /// A camera with these habits.
    pub fn open(habits: Habits) -> Self {
        let listeners = [(); 2].map(|()| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            listener.set_nonblocking(true).expect("a socket");
            listener
        });
        let [address, other] =
            listeners.each_ref().map(|listener| listener.local_addr().expect("bound"));
        let path = if habits.path.is_empty() { "stream1" } else { habits.path };
        let units = units(&habits);
        let sets = units[0][..2].to_vec();
        let slices_of = |unit: &Vec<Vec<u8>>| {
            unit.iter().filter(|nal| is_slice(nal)).cloned().collect::<Vec<_>>()
        };
        let pictures: Vec<_> = units.iter().map(slices_of).collect();
        let slices = pictures.concat();
        let seen = Arc::new(Seen::default());
        let camera = Arc::new(Camera { habits, address, other, units, seen: seen.clone() });
        let accepting = listeners.map(|listener| {
            let camera = camera.clone();
            thread::spawn(move || accept(&listener, &camera))
        });
        let url = format!("rtsp://{}{address}/{path}", habits.userinfo);
        Self { url, sets, slices, pictures, seen, threads: accepting.into() }
    }
}

impl Drop for QuirkCamera {
    fn drop(&mut self) {
        self.seen.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("the camera's threads did not panic");
            }
        }
    }
}

fn accept(listener: &TcpListener, camera: &Arc<Camera>) {
    let mut serving = Vec::new();
    while !camera.seen.stop.load(Relaxed) {
        let Ok((connection, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        let dial = camera.seen.dials.fetch_add(1, Relaxed);
        let camera = camera.clone();
        serving.push(thread::spawn(move || {
            // It ends when weir hangs up.
            let _ = Client::new(&camera, connection, dial).and_then(Client::serve);
        }));
    }
    for thread in serving {
        thread.join().expect("no panic");
    }
}

/// Whether a NAL unit is of a picture itself.
pub fn is_slice(nal: &[u8]) -> bool {
    matches!(nal[0] & 0x1f, 1 | 5)
}

/// What the camera shows: the first unit begins with the parameter sets.
fn units(habits: &Habits) -> Vec<Vec<Vec<u8>>> {
    if habits.rtp.slices < 2 {
        return annexb::access_units(Codec::H264, weir::demo::CLIP);
    }
    let picture = Picture { slices: habits.rtp.slices, ..PICTURE };
    let noise = Noise::new(5);
    let frames = 0..5 * picture.gop;
    frames.map(|frame| picture.frame(&noise, 0, frame, frame % picture.gop == 0)).collect()
}
