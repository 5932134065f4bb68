//! Simulated RTSP cameras over TCP or UDP, any number of them in one thread.
//!
//! A [`CameraFarm`] listens on one port of 127.0.0.1; each [`Mount`] is a camera under its own
//! path. Every client of a mount gets a stream of its own, beginning with an IDR. A frame is
//! written by one call, or in pieces as a port of a given speed sends it; the time of the last call
//! stands in the frame's last bytes ([`picture::Stamp`]).

mod datagrams;
mod host;
pub mod mix;
pub mod packets;
mod peer;
pub mod picture;
mod playing;
mod port;
pub mod rtsp;

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use picture::Picture;
use rtsp::Login;
use weir::codec::Codec;

/// A camera's path and habits.
#[derive(Debug, Clone)]
pub struct Mount {
    /// The path of its URL, and its name.
    pub name: String,
    /// What it shows.
    pub show: Show,
    /// What that is encoded with.
    pub codec: Codec,
    /// RTP payload bytes, at most; up to 65 000, for interleaved frames of 64 KiB.
    pub payload_bytes: usize,
    /// Whether a frame's last packet carries the marker.
    pub marker: bool,
    /// The login it asks for.
    pub login: Login,
    /// Its frames' place within the frame interval.
    pub phase_us: u64,
    /// Frames its IDRs are shifted by within the GOP.
    pub gop_phase: u32,
    /// The speed of the port it writes through; without one a frame leaves all at once.
    pub port_mbit_s: Option<u32>,
    /// The answer to DESCRIBE, where it is not the plain one.
    pub sdp: Option<String>,
    /// Whether the NAL units sent are kept, for [`CameraFarm::sent`].
    pub record: bool,
    /// Whether it reads what it is told while it plays.
    pub reads: bool,
    /// Whether it refuses TCP and sends datagrams.
    pub udp: bool,
    /// The sound beside the picture.
    pub sound: Option<Microphone>,
    /// Whether each packet of sound is written at its own time, and not with the next frame. Such
    /// a camera does nothing but play.
    pub sound_apart: bool,
}

/// A camera's sound: a packet for each 20 ms.
#[derive(Debug, Clone)]
pub struct Microphone {
    /// The payload type.
    pub payload_type: u8,
    /// What its SDP says of it, such as `PCMA/8000`; a static payload type needs nothing.
    pub encoding: Option<&'static str>,
    /// Whether the camera refuses to set it up.
    pub is_refused: bool,
}

impl Microphone {
    /// G.711 with µ-law.
    pub const PCMU: Self = Self { payload_type: 0, ..Self::PCMA };
    /// G.711 with A-law.
    pub const PCMA: Self = Self { payload_type: 8, encoding: None, is_refused: false };
}

/// What a camera shows.
#[derive(Debug, Clone)]
pub enum Show {
    /// Noise with stamps.
    Synthetic(Picture),
    /// Recorded access units (NAL units each) at this rate, over and over; no stamps.
    Clip {
        /// The access units.
        units: Arc<Vec<Vec<Vec<u8>>>>,
        /// Frames a second.
        frames_per_s: u32,
    },
}

/// What a camera does instead of playing; it can change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Plays.
    #[default]
    Play,
    /// Sends no media and keeps the connection.
    Silent,
    /// Writes this many bytes of its next frame and nothing more; the rest of that frame goes
    /// out first once it plays again.
    Withhold(usize),
    /// Writes nothing, as behind a network that stands still; all its frames go out at once when
    /// it plays again.
    Stall,
    /// Closes the connection at its next frame, and new ones at their first request.
    Close,
}

/// What happened at a mount so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests of each kind, and refused logins.
    pub describes: AtomicU64,
    /// See `describes`.
    pub plays: AtomicU64,
    /// Connections that play now, and the most that there were at once.
    pub sessions: AtomicU64,
    /// See `sessions`.
    pub sessions_max: AtomicU64,
    /// OPTIONS and GET_PARAMETER while playing.
    pub keepalives: AtomicU64,
    /// See `describes`.
    pub teardowns: AtomicU64,
    /// See `describes`.
    pub unauthorized: AtomicU64,
    /// Interleaved reports from the client.
    pub reports: AtomicU64,
    /// Frames written.
    pub frames: AtomicU64,
    /// Of these, the ones with a stamp within the window of [`CameraFarm::begin_window`].
    pub frames_in_window: AtomicU64,
    /// RTP packets of the picture written.
    pub packets: AtomicU64,
    /// The same of the sound.
    pub sound_packets: AtomicU64,
    /// Writes that the socket did not take whole.
    pub stalls: AtomicU64,
    /// The most a frame was written behind its time.
    pub late_us_max: AtomicU64,
}

/// A mount, what was asked of it and what happened.
#[derive(Debug)]
struct Site {
    number: u32,
    mount: Mount,
    behaviour: Mutex<Behaviour>,
    injected: Mutex<Vec<u8>>,
    sent: Mutex<Vec<Vec<u8>>>,
    window: Arc<Window>,
    counts: Counts,
}

/// The stamps' times that are counted.
#[derive(Debug, Default)]
struct Window {
    begin_us: AtomicU64,
    end_us: AtomicU64,
}

impl Site {
    /// A frame leaves with this time in its stamp.
    fn count_frame(&self, time_us: u64) {
        let begin_us = self.window.begin_us.load(Ordering::Relaxed);
        let end_us = self.window.end_us.load(Ordering::Relaxed);
        if (begin_us..end_us).contains(&time_us) {
            self.counts.frames_in_window.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Cameras at work; they stop when it is dropped.
pub struct CameraFarm {
    address: SocketAddr,
    sites: Arc<Vec<Site>>,
    window: Arc<Window>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mount {
    /// A well-behaved synthetic camera.
    pub fn new(name: &str, picture: Picture) -> Self {
        Self {
            name: name.to_owned(),
            show: Show::Synthetic(picture),
            codec: Codec::H264,
            payload_bytes: 1400,
            marker: true,
            login: Login::default(),
            phase_us: 0,
            gop_phase: 0,
            port_mbit_s: None,
            sdp: None,
            record: false,
            reads: true,
            sound: None,
            sound_apart: false,
            udp: false,
        }
    }

    /// `count` cameras named `cam0`, `cam1`, …: their frames and IDRs spread evenly, or all at
    /// the same instant.
    pub fn many(count: u32, picture: Picture, same_instant: bool) -> Vec<Self> {
        let interval_us = 1_000_000 / u64::from(picture.frames_per_s);
        (0..count)
            .map(|number| {
                let mut mount = Self::new(&format!("cam{number}"), picture);
                if !same_instant {
                    mount.phase_us = interval_us * u64::from(number) / u64::from(count);
                    mount.gop_phase = picture.gop * number / count;
                }
                mount
            })
            .collect()
    }

    fn frames_per_s(&self) -> u32 {
        match &self.show {
            Show::Synthetic(picture) => picture.frames_per_s,
            Show::Clip { frames_per_s, .. } => *frames_per_s,
        }
    }
}

impl CameraFarm {
    /// Opens the cameras. Their numbers, in stamps, are their places in `mounts`.
    pub fn open(mounts: Vec<Mount>) -> Self {
        Self::open_at("127.0.0.1:0".parse().expect("an address"), mounts)
    }

    /// The same on a given address: a camera that comes back where it was.
    pub fn open_at(address: SocketAddr, mounts: Vec<Mount>) -> Self {
        let listener = TcpListener::bind(address).expect("the cameras' port is free");
        let address = listener.local_addr().expect("a bound socket");
        let window = Arc::<Window>::default();
        let sites = mounts.into_iter().zip(0..).map(|(mount, number)| Site {
            number,
            mount,
            behaviour: Mutex::default(),
            injected: Mutex::default(),
            sent: Mutex::default(),
            window: window.clone(),
            counts: Counts::default(),
        });
        let sites = Arc::new(sites.collect::<Vec<_>>());
        let stop = Arc::new(AtomicBool::new(false));
        let host = host::Host::new(listener, sites.clone(), stop.clone());
        let thread = std::thread::Builder::new()
            .name("cameras".to_owned())
            .spawn(move || host.run())
            .expect("a thread");
        Self { address, sites, window, stop, thread: Some(thread) }
    }

    /// Where they listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A camera's URL, without login.
    pub fn url(&self, name: &str) -> String {
        format!("rtsp://{}/{name}", self.address)
    }

    /// Makes a camera behave otherwise, from its next frame on.
    pub fn behave(&self, name: &str, behaviour: Behaviour) {
        *self.site(name).behaviour.lock().expect("not poisoned") = behaviour;
    }

    /// Has `bytes` written as they are before the camera's next frame.
    pub fn inject(&self, name: &str, bytes: &[u8]) {
        let mut injected = self.site(name).injected.lock().expect("not poisoned");
        injected.extend_from_slice(bytes);
    }

    /// Counts the frames whose stamps lie in `times_us`, which lies ahead. A viewer that is told
    /// the same times counts the same frames.
    pub fn begin_window(&self, times_us: &Range<u64>) {
        self.window.end_us.store(0, Ordering::Relaxed);
        for site in self.sites.iter() {
            site.counts.frames_in_window.store(0, Ordering::Relaxed);
        }
        self.window.begin_us.store(times_us.start, Ordering::Relaxed);
        self.window.end_us.store(times_us.end, Ordering::Relaxed);
    }

    /// What happened at a camera.
    pub fn counts(&self, name: &str) -> &Counts {
        &self.site(name).counts
    }

    /// The sum of one figure over all cameras.
    pub fn total(&self, figure: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        let figures = self.sites.iter().map(|site| figure(&site.counts));
        figures.map(|value| value.load(Ordering::Relaxed)).sum()
    }

    /// The NAL units a recording camera has sent, in order, as they went out.
    pub fn sent(&self, name: &str) -> Vec<Vec<u8>> {
        self.site(name).sent.lock().expect("not poisoned").clone()
    }

    fn site(&self, name: &str) -> &Site {
        let found = self.sites.iter().find(|site| site.mount.name == name);
        found.unwrap_or_else(|| panic!("no camera {name}"))
    }
}

impl Drop for CameraFarm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the cameras' thread did not panic");
            }
        }
    }
}
