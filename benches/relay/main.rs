//! The bench: simulated cameras on one side, WHEP viewers on the other, weir as a process of its
//! own between them, everything on loopback. `scripts/bench` builds and runs it;
//! docs/performance.md says how to read it.
//!
//! What could not be measured is `null` in the JSON line and "not measured" in the table, with
//! the reason on a line of its own.

mod calls;
#[path = "../../tests/common/mod.rs"]
mod common;
mod floor;
mod report;

use std::sync::atomic::Ordering;

use clap::Parser;
use weir::clock;

use common::camera::picture::Picture;
use common::camera::{Counts as CameraCounts, Mount, Park};
use common::process::Usage;
use common::reception::Keep;
use common::server::{Server, Setup};
use common::viewer::{Options, Viewer, wall};
use report::{Report, Window};

const READY_US: u64 = 30_000_000;
const CONNECT_US: u64 = 10_000_000;
/// What is still under way when a window closes arrives within this.
const TRAIL_US: u64 = 50_000;
/// Offers under way at once: one thread each.
const OFFERS_AT_ONCE: usize = 64;

/// Measures weir between simulated cameras and viewers.
#[derive(Parser, Debug, Clone)]
struct Load {
    /// Cameras.
    #[arg(long, default_value_t = 64)]
    cameras: u32,
    /// Viewers, spread over the cameras.
    #[arg(long, default_value_t = 64)]
    viewers: u32,
    /// Seconds measured.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Seconds between the last connection and the measurement.
    #[arg(long, default_value_t = 3)]
    settle: u64,
    /// Bits a second of each camera.
    #[arg(long, default_value_t = 2_000_000)]
    bitrate: u32,
    /// Bytes of a key frame; four times another frame's where nothing is said.
    #[arg(long)]
    key_frame_bytes: Option<u32>,
    /// Frames from one key frame to the next, 25 a second.
    #[arg(long, default_value_t = 50)]
    gop: u32,
    /// All cameras write their frames at the same instant, not spread over the frame interval.
    #[arg(long)]
    same_instant: bool,
    /// Counts the server's system calls in a window of their own.
    #[arg(long)]
    syscalls: bool,
    /// Measures the floor as well: what reading, sealing and sending alone cost here and now.
    #[arg(long)]
    floor: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Load {
    fn mounts(&self) -> Vec<Mount> {
        let picture = Picture { bits_per_s: self.bitrate, gop: self.gop, ..Picture::default() };
        let picture = match self.key_frame_bytes {
            Some(bytes) => picture.with_key_frame_bytes(bytes),
            None => picture,
        };
        Mount::many(self.cameras, picture, self.same_instant)
    }

    fn watched(&self) -> Vec<String> {
        (0..self.viewers).map(|viewer| format!("cam{}", viewer % self.cameras)).collect()
    }
}

fn main() {
    let load = Load::parse();
    let mut report = measure(&load);
    if load.floor {
        match floor::cpu_percent(&load) {
            Ok(percent) => report.floor_cpu_percent = Some(percent),
            Err(reason) => report.not_measured.push(format!("floor: {reason}")),
        }
    }
    print!("{report}");
    println!("{}", report.json());
}

fn measure(load: &Load) -> Report {
    let park = Park::open(load.mounts());
    let names = (0..load.cameras).map(|number| format!("cam{number}"));
    let server = Server::start(&Setup::of(names.map(|name| {
        let url = park.url(&name);
        (name, url)
    })));
    let ready = server.wait_until_ready(load.cameras as usize, READY_US);
    assert!(ready, "not every camera became ready:\n{}", server.get("/api/cameras").body);
    let began_us = clock::now_us();
    let mut viewers = connect(load, &server);
    let connected_us = clock::now_us() - began_us;
    wall::run(&mut viewers, load.settle * 1_000_000, |_| false);
    let window = window(load, &park, &server, &mut viewers);
    let mut report = Report::new(load, connected_us, window);
    if load.syscalls {
        match calls::per_packet(load, &park, &server, &mut viewers) {
            Ok((calls, tool)) => report.calls_per_packet = Some((calls, tool)),
            Err(reason) => report.not_measured.push(format!("system calls: {reason}")),
        }
    }
    for viewer in viewers {
        report.ended_viewers += u32::from(viewer.ended.is_some());
        viewer.close();
    }
    report
}

fn connect(load: &Load, server: &Server) -> Vec<Viewer> {
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let mut viewers = Vec::new();
    for cameras in load.watched().chunks(OFFERS_AT_ONCE) {
        for viewer in wall::connect_all(server.http, cameras, &options, CONNECT_US) {
            let viewer = viewer.unwrap_or_else(|error| panic!("a viewer was refused: {error}"));
            let ended = viewer.ended.as_deref().unwrap_or("no answer");
            assert!(viewer.is_connected(), "a viewer did not connect: {ended}");
            viewers.push(viewer);
        }
        // Those that wait for the next chunk must keep their consent fresh.
        wall::run(&mut viewers, 0, |_| false);
    }
    viewers
}

fn window(load: &Load, park: &Park, server: &Server, viewers: &mut [Viewer]) -> Window {
    for viewer in &mut *viewers {
        viewer.reception.begin_window();
    }
    let usage = || Usage::of(server.pid()).expect("weir runs");
    let own = || Usage::of(std::process::id()).expect("this process runs");
    let (usage_before, own_before) = (usage(), own());
    let cameras_before = camera_packets(park);
    let frames_before = frames_sent(load, park);
    let began_us = clock::now_us();
    wall::run(viewers, load.seconds * 1_000_000, |_| false);
    let wall_us = clock::now_us() - began_us;
    let (usage_after, own_after) = (usage(), own());
    let packets_in = camera_packets(park) - cameras_before;
    let frames_sent = frames_sent(load, park) - frames_before;
    wall::run(viewers, TRAIL_US, |_| false);
    Window {
        wall_us,
        cpu_ns: usage_after.cpu_ns - usage_before.cpu_ns,
        own_cpu_ns: own_after.cpu_ns - own_before.cpu_ns,
        usage: usage_after,
        packets_in,
        frames_sent,
        camera_stalls: park.total(|counts: &CameraCounts| &counts.stalls),
        received: viewers.iter().map(|viewer| viewer.reception.counts.clone()).collect(),
    }
}

/// Frames that were written so far, each camera's as often as it is watched.
fn frames_sent(load: &Load, park: &Park) -> u64 {
    let frames = |name: &String| park.counts(name).frames.load(Ordering::Relaxed);
    load.watched().iter().map(frames).sum()
}

fn camera_packets(park: &Park) -> u64 {
    park.total(|counts: &CameraCounts| &counts.packets)
}

fn viewer_packets(viewers: &[Viewer]) -> u64 {
    viewers.iter().map(|viewer| viewer.reception.counts.packets).sum()
}
