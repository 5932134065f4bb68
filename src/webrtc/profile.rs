//! Chooses the H.264 profile to answer with, of those that a browser offers, for what the camera
//! sends.
//!
//! Browsers accept only a profile that they offered (the level may differ), but decode in practice
//! far more than they offer: Chromium offers no High profile and plays it. So a camera is never
//! refused while the browser offers any H.264 with packetization-mode 1. The order of choice only
//! makes sure that hardware decoders which rely on the answer get the right configuration.

use super::offer::Format;

/// Profiles as RFC 6184 table 5 distinguishes them by profile_idc and constraint flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
    Other(u8),
}

impl Profile {
    fn of(profile_level_id: u32) -> Self {
        let [_, profile_idc, flags, _] = profile_level_id.to_be_bytes();
        let (set0, set1, set4, set5) =
            (flags & 0x80 != 0, flags & 0x40 != 0, flags & 0x08 != 0, flags & 0x04 != 0);
        match profile_idc {
            0x42 if set1 => Self::ConstrainedBaseline,
            0x42 => Self::Baseline,
            // A Main stream that also conforms to Baseline is constrained baseline.
            0x4d if set0 => Self::ConstrainedBaseline,
            0x4d => Self::Main,
            0x58 if set0 && set1 => Self::ConstrainedBaseline,
            0x58 if set0 => Self::Baseline,
            0x64 if set4 && set5 => Self::ConstrainedHigh,
            0x64 => Self::High,
            other => Self::Other(other),
        }
    }

    /// The profiles to answer with, best first: the same one, those that decode it, then those that
    /// every browser offers.
    fn answers(self) -> [Self; 6] {
        use Profile::{Baseline, ConstrainedBaseline, ConstrainedHigh, High, Main};
        match self {
            ConstrainedBaseline => [self, Baseline, Main, ConstrainedHigh, High, self],
            Baseline => [self, ConstrainedBaseline, Main, ConstrainedHigh, High, self],
            Main => [self, High, ConstrainedHigh, ConstrainedBaseline, Baseline, self],
            ConstrainedHigh => [self, High, Main, ConstrainedBaseline, Baseline, self],
            High => [self, ConstrainedHigh, Main, ConstrainedBaseline, Baseline, self],
            Self::Other(_) => [self, High, ConstrainedHigh, Main, ConstrainedBaseline, Baseline],
        }
    }
}

/// The format to answer with for a camera of profile `camera` (profile_idc, constraint flags and
/// level_idc of its SPS). `None` only if `offered` is empty. Of equal profiles one with a
/// sufficient level is chosen, then the first in the browser's order.
pub fn choose<'o, 'f>(camera: u32, offered: &'o [Format<'f>]) -> Option<&'o Format<'f>> {
    let level = |id: u32| id & 0xff;
    for profile in Profile::of(camera).answers() {
        let same = || offered.iter().filter(|f| Profile::of(f.profile_level_id) == profile);
        let suffices = same().find(|f| level(f.profile_level_id) >= level(camera));
        if let Some(format) = suffices.or_else(|| same().next()) {
            return Some(format);
        }
    }
    offered.first()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROMIUM: &[&str] = &["42001f", "42e01f", "4d001f", "f4001f"];
    const CHROME_WITH_DECODER: &[&str] = &["42001f", "42e01f", "4d001f", "64001f", "640032"];
    const SAFARI: &[&str] = &["640c1f", "42e01f"];
    const FIREFOX: &[&str] = &["42e01f", "42001f"];

    fn chosen(camera: u32, offered: &[&'static str]) -> &'static str {
        let formats: Vec<_> = (96..).zip(offered).map(|(pt, id)| Format::new(pt, id)).collect();
        let payload_type = choose(camera, &formats).expect("something is offered").payload_type;
        offered[usize::from(payload_type - 96)]
    }

    #[test]
    fn a_profile_that_is_offered_is_answered() {
        assert_eq!(chosen(0x4d_00_29, CHROMIUM), "4d001f");
        assert_eq!(chosen(0x4d_40_29, CHROMIUM), "4d001f", "x264 sets constraint_set1");
        assert_eq!(chosen(0x42_c0_1e, CHROMIUM), "42e01f");
        assert_eq!(chosen(0x42_00_29, CHROMIUM), "42001f");
        assert_eq!(chosen(0xf4_00_28, CHROMIUM), "f4001f");
        assert_eq!(chosen(0x64_0c_28, SAFARI), "640c1f");
    }

    #[test]
    fn a_high_camera_is_answered_by_every_browser() {
        assert_eq!(chosen(0x64_00_28, CHROMIUM), "4d001f");
        assert_eq!(chosen(0x64_00_28, SAFARI), "640c1f");
        assert_eq!(chosen(0x64_00_28, FIREFOX), "42e01f");
        assert_eq!(chosen(0x64_00_1f, CHROME_WITH_DECODER), "64001f");
        assert_eq!(chosen(0x64_00_28, CHROME_WITH_DECODER), "640032", "its level suffices");
        assert_eq!(chosen(0x64_00_33, CHROME_WITH_DECODER), "64001f", "none suffices");
    }

    #[test]
    fn others_get_what_comes_nearest() {
        assert_eq!(chosen(0x4d_00_29, SAFARI), "640c1f");
        assert_eq!(chosen(0x4d_00_29, FIREFOX), "42e01f");
        assert_eq!(chosen(0x42_00_1f, SAFARI), "42e01f");
        assert_eq!(chosen(0x4d_e0_1f, SAFARI), "42e01f", "main that keeps to baseline");
        assert_eq!(chosen(0x6e_00_28, CHROMIUM), "4d001f", "high 10");
        assert_eq!(chosen(0x42_00_1f, &["f4001f"]), "f4001f", "never refused");
        assert_eq!(choose(0x64_00_28, &[]), None);
    }
}
