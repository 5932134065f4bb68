//! What can be found of a viewer's session.

use std::fmt;

use super::{Diagnosis, FindingSeverity, SessionFindings};
use crate::limits::{
    VIEWER_ASKED_PERCENT_MIN, VIEWER_FRACTION_LOST_MIN, VIEWER_PACKETS_MIN, VIEWER_SKIP_MS_MAX,
    VIEWER_SKIPS_MIN, VIEWER_UNCHECKED_MS,
};

/// What is known of a session, be it live or at its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionFigures {
    /// Its handshake came to its end.
    pub was_live: bool,
    /// A check of its browser came.
    pub was_checked: bool,
    /// Milliseconds since its offer.
    pub age_ms: u64,
    /// RTP packets of the picture, each counted once.
    pub packets: u64,
    /// Packets that it asked for again.
    pub asked_again: u64,
    /// The loss in its last receiver report, in 1/256.
    pub fraction_lost: u8,
    /// Skips to a later key frame.
    pub skips: u64,
}

/// Something that is wrong with a viewer's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionFinding {
    /// Its offer was answered, and no check came.
    NeverChecked,
    /// Packets are lost between weir and it.
    LostOnTheWay {
        /// Percent that its last report says.
        percent: u8,
        /// Packets that it asked for again.
        asked_again: u32,
    },
    /// Its link is slower than the picture.
    SlowLink {
        /// Times that it skipped to a later key frame.
        skips: u32,
    },
}

impl SessionFigures {
    /// The likeliest cause of what it suffers from.
    pub fn findings(&self) -> SessionFindings {
        self.finding().into_iter().collect()
    }

    fn finding(&self) -> Option<SessionFinding> {
        let Self { was_live, was_checked, age_ms, packets, asked_again, fraction_lost, skips } =
            *self;
        if !was_live {
            let is_unchecked = !was_checked && age_ms >= VIEWER_UNCHECKED_MS;
            return is_unchecked.then_some(SessionFinding::NeverChecked);
        }
        if skips >= VIEWER_SKIPS_MIN && skips.saturating_mul(VIEWER_SKIP_MS_MAX) >= age_ms {
            // What a slow link drops is asked for again as well.
            let skips = u32::try_from(skips).unwrap_or(u32::MAX);
            return Some(SessionFinding::SlowLink { skips });
        }
        let asks_much = asked_again * 100 >= packets * VIEWER_ASKED_PERCENT_MIN;
        let is_lossy = asks_much || fraction_lost >= VIEWER_FRACTION_LOST_MIN;
        (packets >= VIEWER_PACKETS_MIN && is_lossy).then(|| SessionFinding::LostOnTheWay {
            percent: u8::try_from(u32::from(fraction_lost) * 100 / 256).unwrap_or(100),
            asked_again: u32::try_from(asked_again).unwrap_or(u32::MAX),
        })
    }
}

impl SessionFinding {
    /// One of each, in the order of docs/api.md.
    #[cfg(test)]
    pub(super) const ALL: [Self; 3] = [
        Self::NeverChecked,
        Self::LostOnTheWay { percent: 7, asked_again: 412 },
        Self::SlowLink { skips: 6 },
    ];
}

impl Diagnosis for SessionFinding {
    fn code(&self) -> &'static str {
        match self {
            Self::NeverChecked => "never_checked",
            Self::LostOnTheWay { .. } => "lost_on_the_way",
            Self::SlowLink { .. } => "slow_link",
        }
    }

    fn severity(&self) -> FindingSeverity {
        match self {
            Self::NeverChecked => FindingSeverity::Error,
            Self::LostOnTheWay { .. } | Self::SlowLink { .. } => FindingSeverity::Warning,
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::NeverChecked => {
                "let the UDP port of [webrtc] through the firewall; look at `announce`"
            }
            Self::LostOnTheWay { .. } => "look at its Wi-Fi or cable; the camera is not the cause",
            Self::SlowLink { .. } => {
                "a faster link, or the camera's sub stream of a lower bit rate"
            }
        }
    }
}

impl fmt::Display for SessionFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverChecked => f.write_str("its offer was answered, and no ICE check came"),
            Self::LostOnTheWay { percent, asked_again } => write!(
                f,
                "packets are lost on the way: {percent} % by its last report, {asked_again} asked \
                 again"
            ),
            Self::SlowLink { skips } => {
                write!(f, "its link is slower than the picture: {skips} skips to a key frame")
            }
        }
    }
}
