//! A full house: 64 cameras that play, a viewer for each, and what weir holds for it.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;

use weir::clock;

use super::camera::picture::Picture;
use super::camera::{CameraFarm, Mount};
use super::churn::{Churn, Ledger};
use super::process::Usage;
use super::reception::Keep;
use super::server::{Server, Setup};
use super::viewer::{Options, Viewer, wall};

const CAMERAS: u32 = 64;
const PATIENCE_US: u64 = 20_000_000;
/// What is still under way arrives within this.
const TRAIL_US: u64 = 100_000;

/// The house.
pub struct FullLoad {
    /// weir; it ends first.
    pub server: Server,
    /// A viewer a camera.
    pub viewers: Vec<Viewer>,
    /// The cameras' names.
    pub cameras: Vec<String>,
    /// The cameras.
    pub farm: CameraFarm,
}

/// What weir holds at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    /// Resident, KiB.
    pub resident_kib: u64,
    /// Resident at most, KiB.
    pub peak_kib: u64,
    /// Of the library heap.
    pub heap_bytes: f64,
    /// Open file descriptors.
    pub descriptors: usize,
    /// In handshake or live.
    pub sessions: f64,
    /// Handshake slots in use.
    pub handshakes: f64,
}

/// What became of the viewers that stayed.
#[derive(Debug, Default)]
pub struct Stayed {
    /// Packets they received.
    pub packets: u64,
    /// Packets they did not.
    pub lost: u64,
    /// Frames not whole.
    pub broken_frames: u64,
    /// Viewers that weir ended.
    pub ended: usize,
    /// What tells whose fault it is: camera writes that weir did not take at once, and the most
    /// that a frame was written behind its time, since the start.
    pub camera_stalls: u64,
    /// See `camera_stalls`.
    pub camera_late_us: u64,
    /// Times a stream waited for its next IDR, since the start.
    pub breaks: f64,
    /// Times a viewer skipped to an IDR, since it came.
    pub skips: u64,
}

impl FullLoad {
    /// Opens it, and waits until everybody watches.
    pub fn open() -> Self {
        let farm = CameraFarm::open(Mount::many(CAMERAS, Picture::default(), false));
        let cameras: Vec<String> = (0..CAMERAS).map(|number| format!("cam{number}")).collect();
        let urls = cameras.iter().map(|name| (name.clone(), farm.url(name)));
        let server = Server::start(&Setup::of(urls));
        assert!(server.wait_until_ready(cameras.len(), PATIENCE_US));
        let options = Options { keep: Keep::Counts, ..Options::default() };
        let viewers = wall::connect_all(server.http, &cameras, &options, PATIENCE_US);
        let viewers: Vec<Viewer> = viewers
            .into_iter()
            .map(|viewer| viewer.unwrap_or_else(|error| panic!("{error}")))
            .collect();
        let mut load = Self { server, viewers, cameras, farm };
        load.pass(1_000_000);
        assert!(load.viewers.iter().all(Viewer::is_connected));
        load
    }

    /// Lets time pass for those who watch.
    pub fn pass(&mut self, us: u64) {
        wall::run(&mut self.viewers, us, |_| false);
    }

    /// Lets visitors come and go beside those who watch; what became of the latter.
    pub fn churn(&mut self, per_s: u64, us: u64, ledger: &Ledger) -> Stayed {
        for viewer in &mut self.viewers {
            viewer.reception.begin_window();
        }
        let (http, cameras) = (self.server.http, self.cameras.clone());
        let churn = Churn { http, cameras, per_s, us };
        std::thread::scope(|scope| {
            let visitors = scope.spawn(|| churn.run(ledger));
            wall::run(&mut self.viewers, us + PATIENCE_US, |_| visitors.is_finished());
        });
        self.pass(TRAIL_US);
        let late_us = |name: &String| self.farm.counts(name).late_us_max.load(Relaxed);
        let mut stayed = Stayed {
            camera_stalls: self.farm.total(|counts| &counts.stalls),
            camera_late_us: self.cameras.iter().map(late_us).max().unwrap_or(0),
            breaks: self.server.metric("weir_camera_breaks_total").expect("a counter"),
            skips: self.skips(),
            ..Stayed::default()
        };
        for viewer in &self.viewers {
            let counts = &viewer.reception.counts;
            stayed.packets += counts.packets;
            stayed.lost += counts.lost();
            stayed.broken_frames += counts.broken_frames;
            stayed.ended += usize::from(viewer.ended.is_some());
        }
        stayed
    }

    fn skips(&self) -> u64 {
        let listed = self.server.tell("sessions");
        let sessions = listed["sessions"].as_array().expect("a list of sessions");
        sessions.iter().filter_map(|session| session["skips"].as_u64()).sum()
    }

    /// What weir holds now.
    pub fn holding(&self) -> Holding {
        let usage = Usage::of(self.server.pid()).expect("weir runs");
        // Before a request of ours is one of them.
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.server.pid()));
        let descriptors = descriptors.expect("weir runs").count();
        let metric = |name| self.server.metric(name).expect("a gauge");
        Holding {
            resident_kib: usage.resident_kib,
            peak_kib: usage.peak_kib,
            heap_bytes: metric("weir_library_heap_used_bytes"),
            descriptors,
            sessions: metric("weir_sessions"),
            handshakes: metric("weir_handshakes"),
        }
    }

    /// Waits until only those who stayed are left and their HTTP connections are closed; what
    /// weir holds then.
    pub fn rested(&mut self, timeout_us: u64) -> Holding {
        let until_us = clock::now_us() + timeout_us;
        let stay = self.viewers.len() as f64;
        loop {
            // The gauges are half a second old.
            self.pass(1_000_000);
            let now = self.holding();
            let is_over = now.sessions == stay && now.handshakes == 0.0;
            if is_over || clock::now_us() > until_us {
                self.pass(1_000_000);
                return self.holding();
            }
        }
    }
}
