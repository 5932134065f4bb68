//! Which slot the boot loader starts: their order, how many tries each has left, the update under
//! trial, and why a slot was given up.
//!
//! A value, changed as a whole by transitions that have names; [`super::state_blocks`] keeps it on
//! the disk. The variables' names are RAUC's, and the script of U-Boot or GRUB changes them too: it
//! takes the first slot of the order with tries left, counts one down, and writes a slot off whose
//! checksums are wrong, with the reason. When none is left it gives both their tries again, so that
//! a box never stops for good.
//!
//! Nothing here knows when a slot is good.

use std::fmt;

use crate::limits::{SLOT_TRIES_MAX, SLOT_WHY_BYTES_MAX, STATE_BLOCK_BYTES};

use super::environment::Environment;
use super::slot::SlotName;

/// Bytes of a state block, as it stands on the disk.
pub type StateBlock = [u8; STATE_BLOCK_BYTES];

/// What the boot loader and weir-init know of the two slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootOrder {
    first: SlotName,
    a: SlotRecord,
    b: SlotRecord,
    update: Option<UpdateTrial>,
}

/// An update that was installed and has not become good yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateTrial {
    /// The slot that it was written to.
    pub slot: SlotName,
    /// Cameras that played when it was installed.
    pub played: u32,
}

/// What is known of one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SlotRecord {
    tries_left: u8,
    why: Option<String>,
}

/// Why the other slot cannot be started by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRollBack {
    /// It holds no slot.
    Empty(SlotName),
    /// It was given up, for this reason if one is known.
    GivenUp(SlotName, Option<String>),
}

// BOOT_ORDER=A B, BOOT_A_LEFT=3 and B, UPDATE=A, UPDATE_PLAYED=4294967295, WHY_A= and WHY_B=, with
// the checksum, a zero byte behind each and one at the end.
const _: () = assert!(
    4 + 15 + 2 * 14 + 9 + 25 + 2 * (7 + SLOT_WHY_BYTES_MAX) < STATE_BLOCK_BYTES,
    "a state block holds two reasons of any length"
);

/// What stands beside a slot whose update was not finished.
const UNFINISHED: &str = "an update to it was not finished";

impl Default for BootOrder {
    /// What counts on a box whose state blocks were never written.
    fn default() -> Self {
        let fresh = SlotRecord { tries_left: SLOT_TRIES_MAX, why: None };
        Self { first: SlotName::A, a: fresh.clone(), b: fresh, update: None }
    }
}

impl BootOrder {
    /// Both slots, the one that is started first in front.
    pub fn order(&self) -> [SlotName; 2] {
        [self.first, self.first.other()]
    }

    /// Starts that a slot has left; without any it is passed over.
    pub fn tries_left(&self, slot: SlotName) -> u8 {
        self.record(slot).tries_left
    }

    /// Why a slot was given up, or why its last update was rolled back.
    pub fn why(&self, slot: SlotName) -> Option<&str> {
        self.record(slot).why.as_deref()
    }

    /// The update that has not become good yet.
    pub fn update(&self) -> Option<UpdateTrial> {
        self.update
    }

    /// Whether an update was tried in the other slot and did not become good: true once, at the
    /// start in the slot that it replaced, until [`Self::noticed_rollback`] is stored.
    pub fn was_rolled_back(&self, running: SlotName) -> bool {
        self.update.is_some_and(|update| update.slot == running.other())
    }

    /// The other slot is about to be overwritten, so U-Boot must not start it.
    #[must_use]
    pub fn begin_update(mut self, running: SlotName) -> Self {
        let standby = running.other();
        *self.record_mut(standby) = SlotRecord { tries_left: 0, why: Some(UNFINISHED.to_owned()) };
        self.update = None;
        self
    }

    /// The other slot holds the update, whole and verified: U-Boot tries it next. `played` cameras
    /// play now.
    #[must_use]
    pub fn finish_update(mut self, running: SlotName, played: u32) -> Self {
        let slot = running.other();
        *self.record_mut(slot) = SlotRecord { tries_left: SLOT_TRIES_MAX, why: None };
        self.first = slot;
        self.update = Some(UpdateTrial { slot, played });
        self
    }

    /// The running slot does its work: it has all its tries again, and is on trial no more.
    #[must_use]
    pub fn made_good(mut self, running: SlotName) -> Self {
        *self.record_mut(running) = SlotRecord { tries_left: SLOT_TRIES_MAX, why: None };
        if self.update.is_some_and(|update| update.slot == running) {
            self.update = None;
        }
        self
    }

    /// Makes a rollback last that U-Boot decided on: the running slot comes first, the other one is
    /// given up with the reason that is there, or else what the last reset was. Changes nothing
    /// where there was no rollback.
    #[must_use]
    pub fn noticed_rollback(self, running: SlotName, was_watchdog: bool) -> Self {
        if !self.was_rolled_back(running) {
            return self;
        }
        let usual =
            if was_watchdog { "the box was reset by its watchdog" } else { "it did not come up" };
        let why = self.why(running.other()).unwrap_or(usual).to_owned();
        let mut order = self.give_up(running.other(), &why);
        order.update = None;
        order
    }

    /// A slot is not started again until it is updated: the other one comes first. An update that
    /// was under trial in it stays noted, for the other slot to see at its start.
    #[must_use]
    pub fn give_up(mut self, slot: SlotName, why: &str) -> Self {
        *self.record_mut(slot) = SlotRecord { tries_left: 0, why: shown(why) };
        self.first = slot.other();
        self
    }

    /// The other slot comes first from now on, because a person wants it; `holds_slot` says whether
    /// it has a valid header. The running one stands by.
    ///
    /// # Errors
    /// There is nothing in the other slot, or it was given up.
    pub fn roll_back(mut self, running: SlotName, holds_slot: bool) -> Result<Self, NoRollBack> {
        let wanted = running.other();
        let SlotRecord { tries_left, why } = self.record(wanted);
        if *tries_left == 0 {
            return Err(NoRollBack::GivenUp(wanted, why.clone()));
        }
        if !holds_slot {
            return Err(NoRollBack::Empty(wanted));
        }
        self.record_mut(wanted).tries_left = SLOT_TRIES_MAX;
        self.first = wanted;
        self.update = None;
        Ok(self)
    }

    /// Reads a state block of U-Boot's.
    pub(crate) fn read(block: &StateBlock) -> Option<Self> {
        let environment = Environment::read(block).ok()?;
        Some(Self::of_variables(|name| environment.value(name)))
    }

    /// The state block of U-Boot's that says this.
    pub(crate) fn block(&self) -> StateBlock {
        let mut environment = Environment::default();
        for (name, value) in self.variables() {
            // GRUB's has all names in their places, and U-Boot's those alone that say something.
            if !value.is_empty() {
                environment.add(name, &value);
            }
        }
        let mut block = [0; STATE_BLOCK_BYTES];
        environment.write(&mut block).expect("asserted above: any value fits");
        block
    }

    /// What a whole block's variables say. What is missing or cannot be is as in the default:
    /// somebody wrote it so, and a box has to start.
    pub(super) fn of_variables<'v>(value: impl Fn(&str) -> Option<&'v str>) -> Self {
        let slot = |text: &str| text.parse::<SlotName>().ok();
        let first =
            value("BOOT_ORDER").and_then(|order| order.split_ascii_whitespace().find_map(slot));
        let record = |left: &str, why: &str| SlotRecord {
            tries_left: value(left)
                .and_then(|text| text.parse().ok())
                .map_or(SLOT_TRIES_MAX, |tries: u8| tries.min(SLOT_TRIES_MAX)),
            why: value(why).and_then(shown),
        };
        let played = value("UPDATE_PLAYED").and_then(|text| text.parse().ok());
        Self {
            first: first.unwrap_or(SlotName::A),
            a: record("BOOT_A_LEFT", "WHY_A"),
            b: record("BOOT_B_LEFT", "WHY_B"),
            update: value("UPDATE")
                .and_then(slot)
                .map(|slot| UpdateTrial { slot, played: played.unwrap_or(0) }),
        }
    }

    /// The variables of a block, in their order; empty ones say nothing.
    pub(super) fn variables(&self) -> [(&'static str, String); 7] {
        let [first, second] = self.order();
        let update = |said: fn(UpdateTrial) -> String| self.update.map(said).unwrap_or_default();
        let why = |record: &SlotRecord| record.why.clone().unwrap_or_default();
        [
            ("BOOT_ORDER", format!("{first} {second}")),
            ("BOOT_A_LEFT", self.a.tries_left.to_string()),
            ("BOOT_B_LEFT", self.b.tries_left.to_string()),
            ("UPDATE", update(|update| update.slot.to_string())),
            ("UPDATE_PLAYED", update(|update| update.played.to_string())),
            ("WHY_A", why(&self.a)),
            ("WHY_B", why(&self.b)),
        ]
    }

    fn record(&self, slot: SlotName) -> &SlotRecord {
        match slot {
            SlotName::A => &self.a,
            SlotName::B => &self.b,
        }
    }

    fn record_mut(&mut self, slot: SlotName) -> &mut SlotRecord {
        match slot {
            SlotName::A => &mut self.a,
            SlotName::B => &mut self.b,
        }
    }
}

/// A reason as it may stand in a state block and be shown by a boot loader: printable ASCII, but
/// for the backslash, which GRUB would double, cut off at [`SLOT_WHY_BYTES_MAX`]. `None` for an
/// empty one.
fn shown(why: &str) -> Option<String> {
    let is_shown = |sign| matches!(sign, ' '..='~') && sign != '\\';
    let sign = |sign: char| if is_shown(sign) { sign } else { '?' };
    let why: String = why.trim().chars().map(sign).take(SLOT_WHY_BYTES_MAX).collect();
    let why = why.trim_end();
    (!why.is_empty()).then(|| why.to_owned())
}

impl fmt::Display for NoRollBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(slot) => write!(f, "there is nothing in slot {slot}"),
            Self::GivenUp(slot, None) => write!(f, "slot {slot} was given up"),
            Self::GivenUp(slot, Some(why)) => write!(f, "slot {slot} was given up: {why}"),
        }
    }
}

impl std::error::Error for NoRollBack {}

#[cfg(test)]
mod tests {
    use super::SlotName::{A, B};
    use super::*;

    /// The variables of an order's block in a line.
    fn text(order: &BootOrder) -> String {
        let block = order.block();
        let text = String::from_utf8_lossy(&block[4..]).into_owned();
        text.trim_end_matches('\0').replace('\0', "; ")
    }

    fn order(text: &str) -> BootOrder {
        let mut environment = Environment::default();
        for entry in text.split("; ").filter(|entry| !entry.is_empty()) {
            let (name, value) = entry.split_once('=').expect("an entry");
            environment.add(name, value);
        }
        let mut block = [0; STATE_BLOCK_BYTES];
        environment.write(&mut block).expect("it fits");
        BootOrder::read(&block).expect("good")
    }

    const FRESH: &str = "BOOT_ORDER=A B; BOOT_A_LEFT=3; BOOT_B_LEFT=3";

    #[test]
    fn a_box_that_was_never_started_tries_both_slots_three_times() {
        assert_eq!(text(&BootOrder::default()), FRESH);
        assert_eq!(order(FRESH), BootOrder::default());
        assert_eq!(order(""), BootOrder::default());
        assert_eq!(BootOrder::read(&[0; STATE_BLOCK_BYTES]), None);
    }

    #[test]
    fn an_update_is_closed_to_u_boot_while_it_is_written_and_tried_afterwards() {
        let begun = BootOrder::default().begin_update(A);
        let unfinished = "BOOT_ORDER=A B; BOOT_A_LEFT=3; BOOT_B_LEFT=0; \
                          WHY_B=an update to it was not finished";
        assert_eq!(text(&begun), unfinished);
        let finished = begun.finish_update(A, 16);
        let tried = "BOOT_ORDER=B A; BOOT_A_LEFT=3; BOOT_B_LEFT=3; UPDATE=B; UPDATE_PLAYED=16";
        assert_eq!(text(&finished), tried);
        assert_eq!(finished.update(), Some(UpdateTrial { slot: B, played: 16 }));
        assert!(!finished.was_rolled_back(B) && finished.was_rolled_back(A));
    }

    #[test]
    fn an_update_that_works_is_made_good() {
        // U-Boot has counted one try.
        let tried = "BOOT_ORDER=B A; BOOT_A_LEFT=3; BOOT_B_LEFT=2; UPDATE=B; UPDATE_PLAYED=16";
        let good = "BOOT_ORDER=B A; BOOT_A_LEFT=3; BOOT_B_LEFT=3";
        assert_eq!(text(&order(tried).made_good(B)), good);
        assert_eq!(text(&order(good).made_good(B)), good);
        // What is good in the other slot says nothing about the update.
        let other = "BOOT_ORDER=B A; BOOT_A_LEFT=3; BOOT_B_LEFT=2; UPDATE=B; UPDATE_PLAYED=16";
        assert_eq!(text(&order(tried).made_good(A)), other);
        let forgotten = order("BOOT_ORDER=A B; BOOT_A_LEFT=1; WHY_A=initrd-crc").made_good(A);
        assert_eq!(text(&forgotten), FRESH);
    }

    #[test]
    fn a_rollback_is_noticed_once_and_has_a_reason() {
        let tired = "BOOT_ORDER=B A; BOOT_A_LEFT=2; BOOT_B_LEFT=0; UPDATE=B; UPDATE_PLAYED=16";
        let back = "BOOT_ORDER=A B; BOOT_A_LEFT=2; BOOT_B_LEFT=0; WHY_B=";
        let noticed = order(tired).noticed_rollback(A, false);
        assert_eq!(text(&noticed), format!("{back}it did not come up"));
        assert!(!noticed.was_rolled_back(A));
        assert_eq!(noticed.clone().noticed_rollback(A, true), noticed, "once");
        let noticed = order(tired).noticed_rollback(A, true);
        assert_eq!(text(&noticed), format!("{back}the box was reset by its watchdog"));
        let reason = format!("{tired}; WHY_B=kernel-crc");
        let noticed = order(&reason).noticed_rollback(A, true);
        assert_eq!(text(&noticed), format!("{back}kernel-crc"));
    }

    #[test]
    fn an_update_under_trial_is_no_rollback() {
        let tried = "BOOT_ORDER=B A; BOOT_A_LEFT=3; BOOT_B_LEFT=2; UPDATE=B; UPDATE_PLAYED=0";
        assert_eq!(text(&order(tried).noticed_rollback(B, true)), tried);
        assert_eq!(BootOrder::default().noticed_rollback(A, true), BootOrder::default());
    }

    #[test]
    fn a_slot_given_up_leaves_its_update_for_the_other_to_notice() {
        let tried = "BOOT_ORDER=B A; BOOT_A_LEFT=3; BOOT_B_LEFT=2; UPDATE=B; UPDATE_PLAYED=16";
        let given_up = order(tried).give_up(B, "weir crashed 5 times in 10 minutes");
        assert_eq!(given_up.order(), [A, B]);
        assert_eq!((given_up.tries_left(A), given_up.tries_left(B)), (3, 0));
        assert!(given_up.was_rolled_back(A));
        let noticed = given_up.noticed_rollback(A, false);
        assert_eq!(noticed.why(B), Some("weir crashed 5 times in 10 minutes"));
        assert_eq!(noticed.update(), None);
    }

    #[test]
    fn a_person_goes_back_and_forth() {
        let there = BootOrder::default().roll_back(A, true).expect("it is there");
        assert_eq!(text(&there), "BOOT_ORDER=B A; BOOT_A_LEFT=3; BOOT_B_LEFT=3");
        assert_eq!(there.roll_back(B, true), Ok(BootOrder::default()));
        // Nothing is noticed afterwards of an update that was under trial.
        let tried = "BOOT_ORDER=B A; BOOT_A_LEFT=3; BOOT_B_LEFT=2; UPDATE=B; UPDATE_PLAYED=16";
        let back = order(tried).roll_back(B, true).expect("it is there");
        assert_eq!(text(&back), "BOOT_ORDER=A B; BOOT_A_LEFT=3; BOOT_B_LEFT=2");
        assert!(!back.was_rolled_back(A));
    }

    #[test]
    fn nobody_goes_back_to_what_is_empty_or_given_up() {
        let empty = BootOrder::default().roll_back(A, false).expect_err("empty");
        assert_eq!(empty.to_string(), "there is nothing in slot B");
        let given_up = BootOrder::default().give_up(B, "kernel-crc").roll_back(A, true);
        let said = given_up.expect_err("given up").to_string();
        assert_eq!(said, "slot B was given up: kernel-crc");
        let tired = order("BOOT_ORDER=A B; BOOT_B_LEFT=0").roll_back(A, true).expect_err("tired");
        assert_eq!(tired.to_string(), "slot B was given up");
        let unfinished = BootOrder::default().begin_update(A).roll_back(A, true);
        let said = unfinished.expect_err("unfinished").to_string();
        assert_eq!(said, "slot B was given up: an update to it was not finished");
    }

    #[test]
    fn what_others_wrote_is_read_as_far_as_it_means_something() {
        assert_eq!(order("BOOT_ORDER=B").order(), [B, A]);
        assert_eq!(order("BOOT_ORDER=system0 B A").order(), [B, A]);
        assert_eq!(order("BOOT_ORDER=").order(), [A, B]);
        let odd = order("BOOT_A_LEFT=9; BOOT_B_LEFT=-1; UPDATE=C; UPDATE_PLAYED=4");
        assert_eq!(odd, BootOrder::default());
        let odd = order("UPDATE=B; UPDATE_PLAYED=many");
        assert_eq!(odd.update(), Some(UpdateTrial { slot: B, played: 0 }));
    }

    #[test]
    fn reasons_are_bounded_and_printable() {
        let longest = "x".repeat(SLOT_WHY_BYTES_MAX);
        let both = BootOrder::default()
            .give_up(A, &format!("{longest}y"))
            .give_up(B, &longest)
            .finish_update(B, u32::MAX)
            .give_up(A, &longest);
        assert_eq!(both.why(A), Some(&*longest));
        assert_eq!(BootOrder::read(&both.block()), Some(both), "it fits and is read again");
        let odd = BootOrder::default().give_up(B, " zwölf\nBOOT_ORDER=B\\A\0 ");
        assert_eq!(odd.why(B), Some("zw?lf?BOOT_ORDER=B?A?"));
        assert_eq!(BootOrder::default().give_up(B, " \n").why(B), None);
        let cut = format!("{} y", "x".repeat(SLOT_WHY_BYTES_MAX - 1));
        let cut = BootOrder::default().give_up(B, &cut);
        assert_eq!(BootOrder::read(&cut.block()), Some(cut), "no space is left at its end");
    }
}
