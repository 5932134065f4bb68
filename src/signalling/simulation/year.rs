//! A year of sessions: hours pass between busy moments, and in the end all is as after a week.

use super::world::World;
use crate::limits::{ENDED_SESSIONS_SHOWN, SESSIONS_MAX};
use crate::mem::counting::held_bytes;
use crate::signalling::Usage;

const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;
const WEEK_DAYS: u64 = 7;
const YEAR_DAYS: u64 = 365;
/// What happens within seconds, until it is quiet again.
const BUSY_STEPS: usize = 25;
/// How long it is quiet, at most.
const QUIET_MS: usize = 4 * 60 * 60 * 1000;
const CLIENTS: usize = 16;
/// By how much the sessions that are remembered may differ: in their words and cameras' names.
const REMEMBERED_BYTES_MAX: isize = 1024;

/// What is held once everybody has left.
#[derive(Debug)]
struct Held {
    usage: Usage,
    /// Of sessions that ended, to be shown.
    remembered: usize,
    /// By signalling and its world together.
    bytes: isize,
}

fn rested(world: &mut World) -> Held {
    world.leave();
    let remembered = world.model.remembered().count();
    Held { usage: world.signalling.usage(), remembered, bytes: held_bytes() }
}

fn live_until(world: &mut World, day: u64) {
    while world.now_us < day * DAY_US {
        (0..BUSY_STEPS).for_each(|_| world.step());
        world.pass(QUIET_MS);
    }
}

#[test]
fn a_year_of_sessions_leaves_no_more_behind_than_a_week() {
    held_bytes();
    let mut world = World::new(5, CLIENTS);
    live_until(&mut world, WEEK_DAYS);
    let week = rested(&mut world);
    live_until(&mut world, YEAR_DAYS);
    let year = rested(&mut world);
    println!("{week:?}\n{year:?}\n{:?}", world.seen);
    for held in [&week, &year] {
        assert_eq!(held.usage, Usage { sessions: 0, handshakes: 0, offers_waiting: 0 });
        assert_eq!(held.remembered, ENDED_SESSIONS_SHOWN);
    }
    assert!(year.bytes < week.bytes + REMEMBERED_BYTES_MAX, "{week:?}, then {year:?}");
    assert!(world.seen.of("connected") > YEAR_DAYS * 10, "{:?}", world.seen);
    // No slot was lost on the way.
    assert_eq!(world.fill(), SESSIONS_MAX);
}
