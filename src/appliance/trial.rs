//! When a slot is good: a look every few seconds at what weir answers, until there is a verdict.
//!
//! At an ordinary boot the slot is good once weir's health and pages have answered for a while, and
//! there is no verdict against it. The first boot after an update is a trial: where cameras played
//! before, one has to play for a while, else health and pages have to answer; if that does not come
//! about in time, the update has failed. No clock and no socket here.

use super::health::WeirHealth;
use crate::limits::{TRIAL_GOOD_US, TRIAL_LOOK_GAP_US_MAX, TRIAL_US_MAX};

/// The looks at a slot that is not known to be good yet.
#[derive(Debug)]
pub struct Trial {
    kind: Kind,
    began_us: u64,
    /// How long an update has.
    limit_us: u64,
    /// The first and the last of the good looks in a row.
    good_us: Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boot,
    Update { needs_media: bool },
}

/// What the looks so far say of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialVerdict {
    /// Nothing yet; look again.
    Open,
    /// The slot is good.
    Good,
    /// The update has failed, for this reason.
    Failed(&'static str),
}

impl Trial {
    /// The looks at an ordinary boot.
    pub fn of_boot(now_us: u64) -> Self {
        Self { kind: Kind::Boot, began_us: now_us, limit_us: TRIAL_US_MAX, good_us: None }
    }

    /// The trial of an update; `played` cameras played when it was applied.
    pub fn of_update(played: u32, now_us: u64) -> Self {
        let kind = Kind::Update { needs_media: played > 0 };
        Self { kind, began_us: now_us, limit_us: TRIAL_US_MAX, good_us: None }
    }

    /// The same with another time for an update to become good.
    #[must_use]
    pub fn within_us(self, limit_us: u64) -> Self {
        Self { limit_us, ..self }
    }

    /// Whether it is an update's.
    pub fn is_of_update(&self) -> bool {
        self.kind != Kind::Boot
    }

    /// Takes what weir answered at `now_us`: its health if it and the pages answered, else `None`.
    pub fn look(&mut self, seen: Option<&WeirHealth>, now_us: u64) -> TrialVerdict {
        let needs_media = self.kind == Kind::Update { needs_media: true };
        let is_good = seen.is_some_and(|health| health.playing > 0 || !needs_media);
        // After a gap nobody knows whether it was good meanwhile.
        let unbroken =
            |(_, last_us): &(u64, u64)| now_us - last_us.min(&now_us) <= TRIAL_LOOK_GAP_US_MAX;
        self.good_us = match self.good_us.filter(unbroken) {
            _ if !is_good => None,
            Some((first_us, _)) => Some((first_us, now_us)),
            None => Some((now_us, now_us)),
        };
        match self.good_us {
            Some((first_us, last_us)) if last_us - first_us >= TRIAL_GOOD_US => TrialVerdict::Good,
            // What has begun in time may be seen to its end.
            Some(_) => TrialVerdict::Open,
            None => self.verdict_of_time(now_us),
        }
    }

    fn verdict_of_time(&self, now_us: u64) -> TrialVerdict {
        let is_late = now_us.saturating_sub(self.began_us) >= self.limit_us;
        match self.kind {
            Kind::Update { needs_media: true } if is_late => {
                TrialVerdict::Failed("carried no media")
            }
            Kind::Update { needs_media: false } if is_late => {
                TrialVerdict::Failed("its pages did not answer")
            }
            Kind::Boot | Kind::Update { .. } => TrialVerdict::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    /// Looks every two seconds from `from_s` to `to_s`; the verdict, and when it came.
    fn looks(
        trial: &mut Trial,
        (from_s, to_s): (u64, u64),
        playing: Option<u32>,
    ) -> (TrialVerdict, u64) {
        let seen = playing.map(|playing| WeirHealth { cameras: 4, playing });
        let mut last = (TrialVerdict::Open, from_s);
        for at_s in (from_s..to_s).step_by(2) {
            last = (trial.look(seen.as_ref(), at_s * S), at_s);
            if last.0 != TrialVerdict::Open {
                break;
            }
        }
        last
    }

    #[test]
    fn with_cameras_before_one_has_to_play_for_a_minute() {
        let mut trial = Trial::of_update(3, 0);
        assert_eq!(looks(&mut trial, (0, 40), None).0, TrialVerdict::Open);
        assert_eq!(looks(&mut trial, (40, 100), Some(1)).0, TrialVerdict::Open);
        assert_eq!(looks(&mut trial, (100, 200), Some(2)), (TrialVerdict::Good, 100));
    }

    #[test]
    fn what_answers_and_plays_nothing_fails_in_time() {
        let mut trial = Trial::of_update(1, 0);
        let failed = TrialVerdict::Failed("carried no media");
        assert_eq!(looks(&mut trial, (0, 600), Some(0)), (failed, 300));
    }

    #[test]
    fn what_plays_in_pieces_fails_at_the_first_gap_after_its_time() {
        let mut trial = Trial::of_update(1, 0);
        for at_s in (0..300).step_by(50) {
            assert_eq!(looks(&mut trial, (at_s, at_s + 48), Some(1)).0, TrialVerdict::Open);
            assert_eq!(looks(&mut trial, (at_s + 48, at_s + 50), Some(0)).0, TrialVerdict::Open);
        }
        assert_eq!(looks(&mut trial, (300, 340), Some(1)).0, TrialVerdict::Open);
        assert_eq!(trial.look(None, 342 * S), TrialVerdict::Failed("carried no media"));
    }

    #[test]
    fn without_cameras_before_the_pages_are_enough() {
        let mut trial = Trial::of_update(0, 0);
        assert_eq!(looks(&mut trial, (10, 600), Some(0)), (TrialVerdict::Good, 70));
        let mut trial = Trial::of_update(0, 0);
        let failed = TrialVerdict::Failed("its pages did not answer");
        assert_eq!(looks(&mut trial, (10, 600), None), (failed, 300));
    }

    #[test]
    fn an_ordinary_boot_never_fails() {
        let mut trial = Trial::of_boot(0);
        assert!(!trial.is_of_update());
        assert_eq!(looks(&mut trial, (0, 100_000), None).0, TrialVerdict::Open);
        assert_eq!(looks(&mut trial, (100_000, 200_000), Some(0)), (TrialVerdict::Good, 100_060));
    }

    #[test]
    fn looks_far_apart_do_not_count_together() {
        let mut trial = Trial::of_update(0, 0);
        let seen = WeirHealth { cameras: 0, playing: 0 };
        for at_s in (0..300).step_by(30) {
            assert_eq!(trial.look(Some(&seen), at_s * S), TrialVerdict::Open, "{at_s} s");
        }
    }
}
