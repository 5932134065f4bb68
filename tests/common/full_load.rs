//! A full house: cameras that play, a viewer for each, and what weir holds for it.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use weir::clock;

use super::camera::picture::Picture;
use super::camera::{CameraFarm, Mount};
use super::churn::{Churn, Ledger};
use super::gateway;
use super::process::Usage;
use super::reception::Keep;
use super::server::{Server, Setup, wait_for};
use super::viewer::{Options, Viewer, wall};

const CAMERAS: u32 = 64;
const PATIENCE_US: u64 = 20_000_000;
/// What is still under way arrives within this.
const TRAIL_US: u64 = 100_000;

/// The house.
pub struct FullLoad {
    /// weir; it ends first.
    pub server: Server,
    /// Where viewers ask: weir, or a gateway before it that speaks TLS for them.
    pub web: SocketAddr,
    /// What viewers are let in by.
    pub token: Option<String>,
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
    /// Of the control thread, without connections', of which these questions have some themselves.
    pub tasks: u64,
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
    /// Opens it with 64 cameras, and waits until everybody watches.
    pub fn open() -> Self {
        let farm = CameraFarm::open(Mount::many(CAMERAS, Picture::default(), false));
        let setup = Setup::of(Self::entries(&farm, CAMERAS));
        Self::open_with(farm, CAMERAS, &setup, None)
    }

    /// Names and URLs of the first cameras of a farm.
    pub fn entries(farm: &CameraFarm, count: u32) -> impl Iterator<Item = (String, String)> {
        (0..count).map(|number| format!("cam{number}")).map(|name| (name.clone(), farm.url(&name)))
    }

    /// The same with any setup, in which others may be besides so many cameras of the farm.
    pub fn open_with(farm: CameraFarm, count: u32, setup: &Setup, token: Option<&str>) -> Self {
        let server = Server::start(setup);
        let web = if setup.https.is_empty() { server.http } else { gateway::open(server.https) };
        let are_ready = || {
            let listed = server.tell("cameras");
            let listed = listed["cameras"].as_array().expect("a list of cameras");
            listed.iter().filter(|camera| camera["ready"] == true).count() == setup.cameras.len()
        };
        assert!(wait_for(PATIENCE_US, are_ready), "{}", server.tell("cameras"));
        let cameras: Vec<String> = Self::entries(&farm, count).map(|(name, _)| name).collect();
        let token = token.map(str::to_owned);
        let options = Options { keep: Keep::Counts, token: token.clone(), ..Options::default() };
        let viewers = wall::connect_all(web, &cameras, &options, PATIENCE_US);
        let viewers: Vec<Viewer> = viewers
            .into_iter()
            .map(|viewer| viewer.unwrap_or_else(|error| panic!("{error}")))
            .collect();
        let mut load = Self { server, web, token, viewers, cameras, farm };
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
        self.churn_beside(per_s, us, ledger, |_| {})
    }

    /// The same while something else happens, for as long as that takes.
    pub fn churn_beside(
        &mut self,
        per_s: u64,
        us: u64,
        ledger: &Ledger,
        beside: impl FnOnce(&Server) + Send,
    ) -> Stayed {
        for viewer in &mut self.viewers {
            viewer.reception.begin_window();
        }
        let (cameras, token) = (self.cameras.clone(), self.token.clone());
        let churn = Churn { http: self.web, cameras, token, per_s, us };
        let server = &self.server;
        std::thread::scope(|scope| {
            let visitors = scope.spawn(|| churn.run(ledger));
            let beside = scope.spawn(move || beside(server));
            wall::run(&mut self.viewers, 2 * us + PATIENCE_US, |_| {
                visitors.is_finished() && beside.is_finished()
            });
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
            tasks: lasting_tasks(&self.server.metrics()),
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

fn lasting_tasks(page: &str) -> u64 {
    let lines = page.lines().filter(|line| line.starts_with("weir_tasks{"));
    let lasting = lines.filter(|line| !line.contains("connection\""));
    lasting.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
