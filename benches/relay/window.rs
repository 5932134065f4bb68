//! One relay's time under the load: weir's, or that of another one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use weir::clock;

use crate::common::camera::{CameraFarm, Counts as CameraCounts};
use crate::common::process::Usage;
use crate::common::reception::Counts;
use crate::common::viewer::{Options, Viewer, wall};
use crate::common::window::{self, AHEAD_US};
use crate::connect::{self, Joined};
use crate::load::Load;

/// What is under way when a window closes arrives within this, or never.
const TRAIL_US: u64 = 1_000_000;
/// Of a packet of sound.
const SOUND_TICKS: u32 = 160;

/// A relay that runs.
#[derive(Clone, Copy)]
pub(crate) struct Relay {
    /// Where it takes offers, at `/{camera}/whep`.
    pub(crate) http: SocketAddr,
    pub(crate) pid: u32,
    /// What it needs of an offer that is not in every offer.
    pub(crate) edit_offer: fn(String) -> String,
}

/// The figures of one window.
pub(crate) struct Window {
    pub(crate) wall_us: u64,
    /// The relay's time on a CPU.
    pub(crate) cpu_ns: u64,
    /// This process's: cameras and viewers.
    pub(crate) own_cpu_ns: u64,
    pub(crate) usage: Usage,
    /// RTP packets that the cameras wrote, of picture and sound.
    pub(crate) packets_in: u64,
    /// RTP packets that all viewers received, of picture and sound.
    pub(crate) packets_out: u64,
    /// Of these the sound's.
    pub(crate) sound: Sound,
    /// Frames that the cameras wrote, each as often as it was to arrive.
    pub(crate) frames_sent: u64,
    /// Camera writes that the relay did not take at once.
    pub(crate) camera_stalls: u64,
    /// One for each viewer, of the window's frames and no others.
    pub(crate) received: Vec<Counts>,
}

/// Packets of sound, with a viewer for each.
#[derive(Clone, Copy)]
pub(crate) struct Sound {
    /// By the cameras, each packet as often as it was to arrive.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// What its timestamps lack.
    pub(crate) lost: u64,
}

/// Has the viewers connect and see, and gives them time to settle.
pub(crate) fn join(load: &Load, relay: Relay) -> (Vec<Viewer>, Joined) {
    let options = Options { edit_offer: relay.edit_offer, ..load.offer() };
    let (mut viewers, joined) = connect::all(relay.http, &load.watched(), &options);
    wall::run(&mut viewers, load.settle * 1_000_000, |_| false);
    (viewers, joined)
}

pub(crate) fn measure(
    load: &Load,
    farm: &CameraFarm,
    relay: Relay,
    viewers: &mut [Viewer],
) -> Window {
    let times_us = window::begin(farm, viewers, load.seconds * 1_000_000);
    run_until(viewers, times_us.start);
    let before = Sums::now(load, farm, relay, viewers);
    run_until(viewers, times_us.end);
    let after = Sums::now(load, farm, relay, viewers);
    // By then the cameras have counted all of it.
    run_until(viewers, times_us.end + AHEAD_US);
    let frames_sent = watched(load, farm, |counts| &counts.frames_in_window);
    wall::run(viewers, TRAIL_US, |viewers| {
        let whole = viewers.iter().map(|viewer| viewer.reception.counts.frames);
        whole.sum::<u64>() >= frames_sent
    });
    Window {
        wall_us: after.at_us - before.at_us,
        cpu_ns: after.usage.cpu_ns - before.usage.cpu_ns,
        own_cpu_ns: after.own.cpu_ns - before.own.cpu_ns,
        usage: after.usage,
        packets_in: after.packets_in - before.packets_in,
        packets_out: after.packets_out - before.packets_out,
        sound: Sound {
            sent: after.sound_sent - before.sound_sent,
            received: after.sound_received - before.sound_received,
            lost: sounds(viewers).map(|sound| sound.lost_sound(SOUND_TICKS)).sum(),
        },
        frames_sent,
        camera_stalls: after.camera_stalls - before.camera_stalls,
        received: viewers.iter().map(|viewer| viewer.reception.counts.clone()).collect(),
    }
}

fn run_until(viewers: &mut [Viewer], at_us: u64) {
    wall::run(viewers, at_us.saturating_sub(clock::now_us()), |_| false);
}

/// What only grows, at one moment.
struct Sums {
    at_us: u64,
    usage: Usage,
    own: Usage,
    packets_in: u64,
    packets_out: u64,
    sound_sent: u64,
    sound_received: u64,
    camera_stalls: u64,
}

impl Sums {
    fn now(load: &Load, farm: &CameraFarm, relay: Relay, viewers: &[Viewer]) -> Self {
        Self {
            at_us: clock::now_us(),
            usage: Usage::of(relay.pid).expect("the relay runs"),
            own: Usage::of(std::process::id()).expect("this process runs"),
            packets_in: camera_packets(farm),
            packets_out: viewer_packets(viewers),
            sound_sent: watched(load, farm, |counts| &counts.sound_packets),
            sound_received: sounds(viewers).map(|sound| sound.packets).sum(),
            camera_stalls: farm.total(|counts: &CameraCounts| &counts.stalls),
        }
    }
}

/// A figure of the cameras, each camera's as often as it is watched.
fn watched(load: &Load, farm: &CameraFarm, figure: fn(&CameraCounts) -> &AtomicU64) -> u64 {
    let figure = |name: &String| figure(farm.counts(name)).load(Ordering::Relaxed);
    load.watched().iter().map(figure).sum()
}

fn sounds(viewers: &[Viewer]) -> impl Iterator<Item = &Counts> {
    viewers.iter().filter_map(|viewer| Some(&viewer.sound.as_ref()?.1.counts))
}

pub(crate) fn camera_packets(farm: &CameraFarm) -> u64 {
    farm.total(|counts: &CameraCounts| &counts.packets)
        + farm.total(|counts: &CameraCounts| &counts.sound_packets)
}

pub(crate) fn viewer_packets(viewers: &[Viewer]) -> u64 {
    let pictures = viewers.iter().map(|viewer| viewer.reception.counts.packets);
    pictures.chain(sounds(viewers).map(|sound| sound.packets)).sum()
}
