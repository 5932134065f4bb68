//! A house whose cameras all go away and come back at the same instant, in turned time: the times
//! of [`super::table`] with as many dials under way as weir has, in the order in which they were
//! due.

use std::cell::Cell;
use std::collections::VecDeque;

use super::table::DialTable;
use super::{CAMERAS_DIALLED_MAX, DialEnding};
use crate::limits::{CAMERA_CONNECT_MS_MAX, CAMERA_SETTLED_US};

const CAMERAS: usize = 200;
const MS: u64 = 1000;
const S: u64 = 1000 * MS;
const STEP_US: u64 = 100 * MS;
/// A dial of a camera that is there: five answers of a slow one.
const DIAL_US: u64 = 300 * MS;
/// Linux asks again after 1 and 3 s.
const SYN_US: [u64; 3] = [0, S, 3 * S];
/// All are up again within this.
const PROMISED_US: u64 = 20 * S;

/// What a camera that is away does with a connection.
#[derive(Clone, Copy, PartialEq)]
enum Away {
    /// The host is there and refuses it.
    Refuses,
    /// Nothing answers.
    IsSilent,
}

struct House {
    table: DialTable,
    hosts: usize,
    away: Away,
    /// When the cameras go, and when they are back.
    outage_us: (u64, u64),
    /// The slots that wait for one of the dials.
    waiting: VecDeque<usize>,
    /// The end of each dial under way, its slot and how it ends.
    dials: Vec<(u64, usize, DialEnding)>,
    /// When each camera began to play.
    plays_since_us: Vec<Option<u64>>,
    /// When each host last failed.
    failed_us: Vec<Option<u64>>,
}

fn jitter(ms: u64) -> u64 {
    thread_local!(static STATE: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) });
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    STATE.set(state);
    ms * 800 + ms * 400 * (state % 65_536) / 65_535
}

impl House {
    fn new(hosts: usize, away: Away, outage_us: (u64, u64)) -> Self {
        Self {
            table: DialTable::new(CAMERAS, jitter),
            hosts,
            away,
            outage_us,
            waiting: VecDeque::new(),
            dials: Vec::new(),
            plays_since_us: vec![Some(0); CAMERAS],
            failed_us: vec![None; hosts],
        }
    }

    /// Plays the outage, and returns how long after it the last camera played.
    fn run(mut self) -> u64 {
        let (gone_us, back_us) = self.outage_us;
        for slot in 0..CAMERAS {
            self.lose(slot, gone_us);
        }
        let mut now_us = gone_us;
        while self.plays_since_us.iter().any(Option::is_none) {
            self.step(now_us);
            now_us += STEP_US;
            assert!(now_us < back_us + 300 * S, "they never come back");
        }
        let last_us = self.plays_since_us.iter().flatten().max().expect("all play");
        last_us - back_us
    }

    fn lose(&mut self, slot: usize, now_us: u64) {
        self.plays_since_us[slot] = None;
        self.table.lost(slot, CAMERA_SETTLED_US + 1, 0, now_us);
    }

    fn key(&self, slot: usize) -> u64 {
        (slot % self.hosts) as u64 + 1
    }

    fn step(&mut self, now_us: u64) {
        let (ended, dials) = self.dials.iter().partition(|(end_us, ..)| *end_us <= now_us);
        self.dials = dials;
        for (end_us, slot, ending) in ended {
            self.end(slot, ending, end_us);
        }
        for slot in 0..CAMERAS {
            let is_idle = self.plays_since_us[slot].is_none()
                && !self.waiting.contains(&slot)
                && self.dials.iter().all(|(_, dialled, _)| *dialled != slot);
            if is_idle && self.table.due_us(slot, self.key(slot)) <= now_us {
                self.waiting.push_back(slot);
            }
        }
        while self.dials.len() < CAMERAS_DIALLED_MAX
            && let Some(slot) = self.waiting.pop_front()
        {
            if self.table.due_us(slot, self.key(slot)) <= now_us {
                self.begin(slot, now_us);
            }
        }
    }

    fn begin(&mut self, slot: usize, now_us: u64) {
        let host = slot % self.hosts;
        let rested_us = self.failed_us[host].map(|failed_us| now_us - failed_us);
        assert!(rested_us.is_none_or(|rested_us| rested_us >= 5 * S), "5 s a host: {rested_us:?}");
        self.table.begin(self.key(slot));
        let limit_us = CAMERA_CONNECT_MS_MAX * MS;
        let answered_us = match self.away {
            Away::Refuses => Some(now_us),
            Away::IsSilent => {
                let syns = SYN_US.iter().map(|after_us| now_us + after_us);
                syns.into_iter().find(|at_us| *at_us >= self.outage_us.1)
            }
        };
        let dial = match answered_us {
            Some(at_us) if at_us >= self.outage_us.1 => (at_us + DIAL_US, DialEnding::Ready),
            Some(at_us) => (at_us + MS, DialEnding::NoAnswer),
            None => (now_us + limit_us, DialEnding::NoAnswer),
        };
        self.dials.push((dial.0, slot, dial.1));
    }

    fn end(&mut self, slot: usize, ending: DialEnding, now_us: u64) {
        let host = slot % self.hosts;
        self.table.end(slot, self.key(slot), ending, now_us);
        self.table.is_over(self.key(slot));
        if ending == DialEnding::Ready {
            self.failed_us[host] = None;
            assert_eq!(self.plays_since_us[slot].replace(now_us), None, "two sessions");
        } else {
            self.failed_us[host] = Some(now_us);
        }
    }
}

/// The outages after which it takes longest: how long, and what of.
fn longest(hosts: usize, away: Away) -> (u64, u64) {
    let outages = (0..20).map(|outage| S / 2 + outage * 9 * S);
    let taken = outages.map(|outage_us| {
        let house = House::new(hosts, away, (100 * S, 100 * S + outage_us));
        (house.run(), outage_us)
    });
    taken.max().expect("some")
}

#[test]
fn two_hundred_cameras_that_come_back_at_once_play_within_20_s() {
    for (what, hosts, away) in [
        ("each refuses", CAMERAS, Away::Refuses),
        ("each is silent", CAMERAS, Away::IsSilent),
        ("a recorder that refuses", 1, Away::Refuses),
        ("a recorder that is silent", 1, Away::IsSilent),
        ("ten recorders", 10, Away::IsSilent),
    ] {
        let (taken_us, outage_us) = longest(hosts, away);
        println!("{what}: {} ms after an outage of {} ms", taken_us / MS, outage_us / MS);
        assert!(taken_us < PROMISED_US, "{what}: {taken_us} us after an outage of {outage_us} us");
    }
}
