//! The viewers' way to their first picture. Each has a thread of its own until all have theirs, so
//! that a picture's time is that of its last packet and not of the bench's next look.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir::clock;

use crate::common::viewer::{Options, Viewer, wall};

/// A picture that has not come by then does not count as one.
const FIRST_PICTURE_US: u64 = 10_000_000;
/// Offers under way at once: one thread each.
const OFFERS_AT_ONCE: usize = 64;

/// How the viewers got there.
pub(crate) struct Joined {
    /// From the first offer to the last handshake's end.
    pub(crate) connected_us: u64,
    /// From each viewer's POST to its first whole key frame, sorted; those without one are left
    /// out.
    pub(crate) first_pictures_us: Vec<u64>,
}

/// Connects a viewer to each of `watched`, 64 at a time.
pub(crate) fn all(
    http: SocketAddr,
    watched: &[String],
    options: &Options,
) -> (Vec<Viewer>, Joined) {
    let began_us = clock::now_us();
    let mut viewers = Vec::new();
    for cameras in watched.chunks(OFFERS_AT_ONCE) {
        let more = beside(&mut viewers, || at_once(http, cameras, options));
        viewers.extend(more);
    }
    let connected = viewers.iter().filter_map(|viewer| viewer.connected_us).max();
    let waits = viewers.iter().filter_map(|viewer| {
        let at_us = viewer.reception.first_picture.at_us()?;
        Some(at_us - viewer.posted_us)
    });
    let mut first_pictures_us: Vec<u64> = waits.collect();
    first_pictures_us.sort_unstable();
    let connected_us = connected.unwrap_or(began_us) - began_us;
    (viewers, Joined { connected_us, first_pictures_us })
}

/// Does something while `viewers` go on as they are.
fn beside<T>(viewers: &mut [Viewer], something: impl FnOnce() -> T) -> T {
    if viewers.is_empty() {
        return something();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| wall::run(viewers, u64::MAX / 2, |_| done.load(Ordering::Relaxed)));
        let result = something();
        done.store(true, Ordering::Relaxed);
        result
    })
}

fn at_once(http: SocketAddr, cameras: &[String], options: &Options) -> Vec<Viewer> {
    let waiting = AtomicUsize::new(cameras.len());
    std::thread::scope(|scope| {
        let offers = cameras.iter().enumerate().map(|(number, camera)| {
            let (options, waiting) = (wall::own_address(options, number), &waiting);
            scope.spawn(move || until_all_see(http, camera, &options, waiting))
        });
        let offers: Vec<_> = offers.collect();
        offers.into_iter().map(|offer| offer.join().expect("a viewer did not connect")).collect()
    })
}

/// Runs one viewer until nobody is `waiting` for a picture.
fn until_all_see(
    http: SocketAddr,
    camera: &str,
    options: &Options,
    waiting: &AtomicUsize,
) -> Viewer {
    let viewer = Viewer::connect_with(http, camera, options);
    let mut viewer = viewer.unwrap_or_else(|error| {
        waiting.fetch_sub(1, Ordering::Relaxed);
        panic!("a viewer was refused: {error}")
    });
    let mut waits = true;
    wall::run(std::slice::from_mut(&mut viewer), FIRST_PICTURE_US, |viewers| {
        let sees = viewers[0].reception.first_picture.at_us().is_some();
        if waits && (sees || viewers[0].ended.is_some()) {
            waits = false;
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
        waiting.load(Ordering::Relaxed) == 0
    });
    let ended = viewer.ended.as_deref().unwrap_or("no answer");
    assert!(viewer.is_connected(), "a viewer did not connect: {ended}");
    viewer
}
