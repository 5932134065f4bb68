//! The times of the schedule: when each slot's camera is due, and which hosts are left alone.
//!
//! It has no clock and no task; the caller passes the time, in microseconds.

use super::DialEnding;
use crate::limits::{
    CAMERA_BAN_US, CAMERA_HOST_REST_MS, CAMERA_RETRY_MS_MAX, CAMERA_RETRY_MS_MIN,
    CAMERA_SETTLED_US, CAMERAS_GONE_MIN,
};

/// Takes a wait in milliseconds to one in microseconds, give or take a fifth.
pub(super) type Jitter = fn(u64) -> u64;

/// When each slot is dialled next, and what is known of their hosts. A slot has one dial under way
/// at most.
pub(super) struct DialTable {
    slots: Vec<Tries>,
    /// As many as there are slots; an entry that has nothing to say is free.
    hosts: Vec<Host>,
    jitter: Jitter,
}

/// The tries of one slot.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    /// The wait after the next failure, in milliseconds.
    retry_ms: u64,
    due_us: u64,
    /// When the last dial ended.
    tried_us: u64,
    /// The last dial did not get an answer.
    is_unreached: bool,
    /// The host seems to ban weir, and is to be left alone.
    is_banned: bool,
}

/// What is known of a host and port.
#[derive(Debug, Clone, Copy, Default)]
struct Host {
    /// Hash of host and port; 0 for a free entry.
    key: u64,
    /// It failed, and is left alone until then.
    rests_until_us: Option<u64>,
    /// Of a host that failed one dial at a time is under way.
    is_dialled: bool,
    /// When it refused a login last.
    refused_us: Option<u64>,
}

impl DialTable {
    /// A table of so many slots, all of them due.
    pub(super) fn new(slots: usize, jitter: Jitter) -> Self {
        let (slots, hosts) = (vec![Tries::new(); slots], vec![Host::default(); slots]);
        Self { slots, hosts, jitter }
    }

    /// When `slot` is due at a host; `u64::MAX` while that is dialled for another slot and has to
    /// answer first.
    pub(super) fn due_us(&self, slot: usize, host: u64) -> u64 {
        let due_us = self.slots[slot].due_us;
        match self.known(host) {
            Some(Host { rests_until_us: Some(_), is_dialled: true, .. }) => u64::MAX,
            Some(Host { rests_until_us: Some(until_us), .. }) => due_us.max(*until_us),
            _ => due_us,
        }
    }

    /// A dial at `host` begins that was due.
    pub(super) fn begin(&mut self, host: u64) {
        if let Some(entry) = self.find(host) {
            entry.is_dialled = true;
        }
    }

    /// A dial at `host` is over, whether it has ended or was given up.
    pub(super) fn is_over(&mut self, host: u64) {
        if let Some(entry) = self.find(host) {
            entry.is_dialled = false;
        }
    }

    /// The dial of `slot` has ended. Returns whether the host seems to ban weir.
    pub(super) fn end(&mut self, slot: usize, host: u64, ending: DialEnding, now_us: u64) -> bool {
        let is_unreached = ending == DialEnding::NoAnswer;
        let seems_to_ban = is_unreached && self.refused_lately(host, now_us);
        self.note_host(host, ending, now_us);
        let jitter = self.jitter;
        let tries = &mut self.slots[slot];
        let is_back = !is_unreached && tries.is_unreached;
        tries.is_unreached = is_unreached;
        tries.is_banned = seems_to_ban;
        tries.tried_us = now_us;
        match ending {
            DialEnding::Ready => {}
            DialEnding::NoAnswer | DialEnding::Failed if !seems_to_ban => {
                tries.wait(jitter(tries.retry_ms.max(CAMERA_HOST_REST_MS)), now_us);
            }
            _ => {
                tries.retry_ms = CAMERA_RETRY_MS_MAX;
                tries.wait(jitter(CAMERA_RETRY_MS_MAX), now_us);
            }
        }
        if is_back {
            self.hasten(now_us);
        }
        self.keep_asking(now_us);
        seems_to_ban
    }

    /// The camera of `slot` was lost after it had played for `after_us`; it needs `wait_ms_min`
    /// before it can be dialled again.
    pub(super) fn lost(&mut self, slot: usize, after_us: u64, wait_ms_min: u64, now_us: u64) {
        let tries = &mut self.slots[slot];
        if after_us > CAMERA_SETTLED_US {
            tries.retry_ms = CAMERA_RETRY_MS_MIN;
        }
        let wait_us = (self.jitter)(tries.retry_ms.max(wait_ms_min));
        tries.wait(wait_us, now_us);
    }

    /// The camera of `slot` is to be dialled at `host` now.
    pub(super) fn reset(&mut self, slot: usize, host: u64) {
        self.slots[slot] = Tries::new();
        if let Some(entry) = self.find(host) {
            entry.rests_until_us = None;
        }
    }

    /// `slot` has no camera now that may be dialled.
    pub(super) fn forget(&mut self, slot: usize, now_us: u64) {
        self.slots[slot] = Tries::new();
        self.keep_asking(now_us);
    }

    fn known(&self, host: u64) -> Option<&Host> {
        self.hosts.iter().find(|entry| entry.key == host)
    }

    fn find(&mut self, host: u64) -> Option<&mut Host> {
        self.hosts.iter_mut().find(|entry| entry.key == host)
    }

    fn refused_lately(&self, host: u64, now_us: u64) -> bool {
        let refused_us = self.known(host).and_then(|entry| entry.refused_us);
        refused_us.is_some_and(|refused_us| now_us.saturating_sub(refused_us) < CAMERA_BAN_US)
    }

    fn note_host(&mut self, host: u64, ending: DialEnding, now_us: u64) {
        let rest_us = CAMERA_HOST_REST_MS * 1000;
        match ending {
            DialEnding::NoAnswer | DialEnding::LoginRefused => {
                let entry = self.entry(host);
                entry.rests_until_us = Some(now_us + rest_us);
                if ending == DialEnding::LoginRefused {
                    entry.refused_us = Some(now_us);
                }
            }
            DialEnding::Ready | DialEnding::Failed | DialEnding::NeedsPerson => {
                if let Some(entry) = self.find(host) {
                    *entry = Host::default();
                }
            }
        }
    }

    /// The entry of a host, a new one if need be: a free one, or the one that rested the longest.
    fn entry(&mut self, key: u64) -> &mut Host {
        let known = self.hosts.iter().position(|entry| entry.key == key);
        let place = known.unwrap_or_else(|| {
            let age =
                |place: &usize| (self.hosts[*place].key != 0, self.hosts[*place].rests_until_us);
            (0..self.hosts.len()).min_by_key(age).unwrap_or_default()
        });
        let entry = &mut self.hosts[place];
        if known.is_none() {
            *entry = Host { key, ..Host::default() };
        }
        entry
    }

    /// A host is back that did not answer: the power or a switch may be, so that all others that
    /// did not answer are due as soon as they may be dialled again.
    fn hasten(&mut self, now_us: u64) {
        let rest_us = CAMERA_HOST_REST_MS * 1000;
        for tries in self.slots.iter_mut().filter(|tries| tries.is_unreached) {
            tries.due_us = tries.due_us.min(now_us.max(tries.tried_us + rest_us));
        }
    }

    /// Many cameras that do not answer fell together and wait for as long: the one asked longest
    /// ago is due in 5 s, unless another is before. That one's answer brings all others back.
    fn keep_asking(&mut self, now_us: u64) {
        let gone = || self.slots.iter().filter(|tries| tries.is_unreached && !tries.is_banned);
        let next_us = now_us + CAMERA_HOST_REST_MS * 1000;
        if gone().count() < CAMERAS_GONE_MIN || gone().any(|tries| tries.due_us <= next_us) {
            return;
        }
        let gone = self.slots.iter_mut().filter(|tries| tries.is_unreached && !tries.is_banned);
        if let Some(tries) = gone.min_by_key(|tries| tries.tried_us) {
            tries.due_us = next_us;
        }
    }
}

impl Tries {
    fn new() -> Self {
        Self { retry_ms: CAMERA_RETRY_MS_MIN, ..Self::default() }
    }

    fn wait(&mut self, wait_us: u64, now_us: u64) {
        self.due_us = now_us + wait_us;
        self.retry_ms = (self.retry_ms * 2).min(CAMERA_RETRY_MS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::limits::CAMERAS_MAX;

    const S: u64 = 1_000_000;
    const HOST: u64 = 7;

    fn table() -> DialTable {
        DialTable::new(CAMERAS_MAX, |ms| ms * 1000)
    }

    /// Dials a slot as soon as it is due; when that was.
    fn dial(table: &mut DialTable, slot: usize, host: u64, ending: DialEnding) -> u64 {
        let now_us = table.due_us(slot, host);
        table.begin(host);
        table.end(slot, host, ending, now_us);
        table.is_over(host);
        now_us
    }

    #[test]
    fn waits_double_from_the_floor_to_a_minute() {
        let mut table = table();
        let times: Vec<_> =
            (0..9).map(|_| dial(&mut table, 0, HOST, DialEnding::Failed) / S).collect();
        assert_eq!(times, [0, 5, 10, 15, 23, 39, 71, 131, 191]);
    }

    #[test]
    fn a_second_of_success_does_not_shorten_the_wait_and_a_settled_camera_does() {
        let mut table = table();
        for _ in 0..5 {
            dial(&mut table, 0, HOST, DialEnding::NoAnswer);
        }
        let began_us = dial(&mut table, 0, HOST, DialEnding::Ready);
        table.lost(0, S, 0, began_us + S);
        assert_eq!(table.due_us(0, HOST) - began_us, 33 * S);
        table.lost(0, CAMERA_SETTLED_US + 1, 0, began_us);
        assert_eq!(table.due_us(0, HOST), began_us + CAMERA_RETRY_MS_MIN * 1000);
        table.lost(0, CAMERA_SETTLED_US + 1, 7_000, began_us);
        assert_eq!(table.due_us(0, HOST), began_us + 7 * S, "it is busy for as long");
    }

    #[test]
    fn one_camera_asks_a_host_that_failed_for_all_of_it() {
        let mut table = table();
        table.end(0, HOST, DialEnding::LoginRefused, 0);
        assert_eq!(table.due_us(1, HOST), 5 * S, "another camera of this recorder");
        assert_eq!(table.due_us(1, HOST + 1), 0, "and the same slot elsewhere");
        table.begin(HOST);
        assert_eq!(table.due_us(2, HOST), u64::MAX, "one at a time");
        table.end(1, HOST, DialEnding::NoAnswer, 6 * S);
        table.is_over(HOST);
        assert_eq!(table.due_us(2, HOST), 11 * S);
        table.begin(HOST);
        table.end(2, HOST, DialEnding::Ready, 11 * S);
        assert_eq!(table.due_us(3, HOST), 0, "it is back");
    }

    #[test]
    fn a_dial_that_was_given_up_leaves_its_host_to_others() {
        let mut table = table();
        table.end(0, HOST, DialEnding::NoAnswer, 0);
        table.begin(HOST);
        table.is_over(HOST);
        assert_eq!(table.due_us(1, HOST), 5 * S);
    }

    #[test]
    fn when_one_is_back_all_that_did_not_answer_are_due() {
        let mut table = table();
        let hosts: Vec<u64> = (0..CAMERAS_MAX as u64).map(|slot| slot + 1).collect();
        for _ in 0..8 {
            for (slot, host) in hosts.iter().enumerate() {
                dial(&mut table, slot, *host, DialEnding::NoAnswer);
            }
        }
        // This one's password is wrong, which no switch mends.
        dial(&mut table, 1, 2, DialEnding::LoginRefused);
        let back_us = dial(&mut table, 0, 1, DialEnding::Ready);
        let latest_us = |table: &DialTable| {
            (2..CAMERAS_MAX).map(|slot| table.due_us(slot, hosts[slot])).max().expect("some")
        };
        assert!(latest_us(&table) <= back_us + CAMERA_HOST_REST_MS * 1000);
        assert!(table.due_us(1, 2) > back_us + 40 * S);
        // A camera that was there all the time says nothing of others.
        dial(&mut table, 2, 3, DialEnding::NoAnswer);
        let due_us = table.due_us(2, 3);
        table.lost(0, 60 * S, 0, back_us);
        dial(&mut table, 0, 1, DialEnding::Ready);
        assert_eq!(table.due_us(2, 3), due_us);
    }

    /// Dials those of `slots` that are due first, so many times; of the later half, the longest
    /// time between two dials and the shortest between two of one slot, in seconds.
    fn ask(table: &mut DialTable, slots: Range<usize>, dials: usize) -> (u64, u64) {
        let mut now_us = slots.clone().map(|slot| table.slots[slot].tried_us).max().unwrap_or(0);
        let (mut longest_us, mut shortest_us) = (0, u64::MAX);
        for dialled in 0..dials {
            let due_us = |slot: &usize| table.due_us(*slot, *slot as u64 + 1);
            let slot = slots.clone().min_by_key(due_us).expect("some");
            let at_us = due_us(&slot).max(now_us);
            if dialled >= dials / 2 {
                longest_us = longest_us.max(at_us - now_us);
                shortest_us = shortest_us.min(at_us - table.slots[slot].tried_us);
            }
            now_us = at_us;
            table.end(slot, slot as u64 + 1, DialEnding::NoAnswer, now_us);
        }
        (longest_us / S, shortest_us / S)
    }

    #[test]
    fn of_many_that_do_not_answer_one_is_dialled_every_5_s() {
        let few = CAMERAS_GONE_MIN - 1;
        assert_eq!(ask(&mut table(), 0..few, 60).1, 60, "each may be broken for itself");
        assert_eq!(ask(&mut table(), 0..CAMERAS_GONE_MIN, 80), (5, 20));
        let (longest_s, shortest_s) = ask(&mut table(), 0..CAMERAS_MAX, 80 * CAMERAS_MAX);
        assert!(longest_s <= 5 && shortest_s >= 5, "{longest_s} {shortest_s}");
    }

    #[test]
    fn a_camera_that_is_none_any_more_does_not_keep_others_from_being_asked() {
        let mut table = table();
        ask(&mut table, 0..CAMERAS_GONE_MIN + 1, 80);
        table.forget(0, table.slots[1].tried_us);
        assert_eq!(ask(&mut table, 1..CAMERAS_GONE_MIN + 1, 80), (5, 20));
    }

    #[test]
    fn silence_after_a_refused_login_looks_like_a_ban_and_is_waited_out() {
        let mut table = table();
        assert!(!table.end(0, HOST, DialEnding::NoAnswer, 0));
        assert!(!table.end(0, HOST, DialEnding::LoginRefused, 10 * S));
        assert!(table.end(0, HOST, DialEnding::NoAnswer, 80 * S));
        assert_eq!(table.due_us(0, HOST), 140 * S);
        assert!(!table.end(0, HOST, DialEnding::NoAnswer, 11 * S + CAMERA_BAN_US));
        table.end(0, HOST, DialEnding::Ready, CAMERA_BAN_US);
        assert!(!table.end(0, HOST, DialEnding::NoAnswer, CAMERA_BAN_US), "it has let weir in");
    }

    #[test]
    fn a_person_does_not_wait() {
        let mut table = table();
        table.end(0, HOST, DialEnding::LoginRefused, 0);
        table.reset(0, HOST);
        assert_eq!(table.due_us(0, HOST), 0);
    }

    #[test]
    fn more_hosts_than_slots_push_out_the_one_that_rested_longest() {
        let mut table = table();
        for host in 1..=CAMERAS_MAX as u64 + 1 {
            table.end(0, host, DialEnding::NoAnswer, host * S);
        }
        assert_eq!(table.due_us(1, 1), 0);
        assert_eq!(table.due_us(1, 2), 7 * S);
    }
}
