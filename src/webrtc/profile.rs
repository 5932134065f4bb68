//! Chooses the format to answer with, of those that a browser offers, for what the camera sends.
//!
//! Of H.264 browsers accept only a profile that they offered (the level may differ), but decode in
//! practice far more than they offer: Chromium offers no High profile and plays it. So a camera is
//! never refused while the browser offers any H.264 with packetization-mode 1. The order of choice
//! only makes sure that hardware decoders which rely on the answer get the right configuration. Of
//! H.265 they decode what they offer, or nothing.

use super::offer::{Decoder, Format, Offer, OfferError};
use crate::codec::{CodecProfile, HevcProfile};

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

/// The format to answer with for a camera of profile `camera`.
///
/// # Errors
/// [`OfferError`]: nothing of `offer` is of the camera's codec, or what there is of H.265 does not
/// suffice.
pub fn choose<'o, 'f>(
    camera: CodecProfile,
    offer: &'o Offer<'f>,
) -> Result<&'o Format<'f>, OfferError> {
    match camera {
        CodecProfile::H264(camera) => choose_h264(camera, &offer.formats)
            .ok_or(if offer.has_h264 { OfferError::NoFragments } else { OfferError::NoH264 }),
        CodecProfile::H265(camera) => choose_h265(camera, &offer.formats),
    }
}

/// The H.264 format for a camera with these profile_idc, constraint flags and level_idc. `None`
/// only if `offered` has none. Of equal profiles one with a sufficient level is chosen, then the
/// first in the browser's order.
fn choose_h264<'o, 'f>(camera: u32, offered: &'o [Format<'f>]) -> Option<&'o Format<'f>> {
    let h264 = || {
        offered.iter().filter_map(|format| match format.decoder {
            Decoder::H264 { profile_level_id, .. } => Some((format, profile_level_id)),
            Decoder::H265 { .. } => None,
        })
    };
    let level = |id: u32| id & 0xff;
    for profile in Profile::of(camera).answers() {
        let same = || h264().filter(|(_, id)| Profile::of(*id) == profile);
        let suffices = same().find(|(_, id)| level(*id) >= level(camera));
        if let Some((format, _)) = suffices.or_else(|| same().next()) {
            return Some(format);
        }
    }
    h264().next().map(|(format, _)| format)
}

/// The H.265 format whose decoder holds what the camera sends; of several one of the camera's own
/// profile, then the first in the browser's order. H.265 is decoded by hardware, which takes no
/// more than it says.
fn choose_h265<'o, 'f>(
    camera: HevcProfile,
    offered: &'o [Format<'f>],
) -> Result<&'o Format<'f>, OfferError> {
    let h265 = || {
        offered.iter().filter_map(|format| match format.decoder {
            Decoder::H264 { .. } => None,
            Decoder::H265 { profile, has_level, .. } => Some((format, profile, has_level)),
        })
    };
    let suffices = || h265().filter(|(_, profile, has_level)| holds(*profile, *has_level, camera));
    let same = suffices().find(|(_, profile, _)| profile.profile_id == camera.profile_id);
    if let Some((format, ..)) = same.or_else(|| suffices().next()) {
        return Ok(format);
    }
    Err(match h265().next() {
        Some(_) => OfferError::HevcProfile(camera),
        None => OfferError::NoH265,
    })
}

/// Whether a decoder of this profile, tier and level takes what the camera sends. Safari offers
/// H.265 without a word of its level, and decodes any.
fn holds(decoder: HevcProfile, has_level: bool, camera: HevcProfile) -> bool {
    const MAIN: u8 = 1;
    const MAIN_10: u8 = 2;
    let is_same = decoder.profile_id == camera.profile_id;
    (is_same || decoder.profile_id == MAIN_10 && camera.profile_id == MAIN)
        && (decoder.is_high_tier || !camera.is_high_tier)
        && (!has_level || decoder.level_id >= camera.level_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::OFFER_TOKEN_BYTES_MAX;
    use crate::webrtc::offer::RtcpFeedback;

    const CHROMIUM: &[&str] = &["42001f", "42e01f", "4d001f", "f4001f"];
    const CHROME_WITH_DECODER: &[&str] = &["42001f", "42e01f", "4d001f", "64001f", "640032"];
    const SAFARI: &[&str] = &["640c1f", "42e01f"];
    const FIREFOX: &[&str] = &["42e01f", "42001f"];

    fn format(payload_type: u8, decoder: Decoder<'_>) -> Format<'_> {
        Format { payload_type, decoder, feedback: RtcpFeedback::default() }
    }

    fn chosen(camera: u32, offered: &[&'static str]) -> &'static str {
        let formats: Vec<_> =
            (96..).zip(offered).map(|(pt, id)| format(pt, Decoder::h264(id, true))).collect();
        let payload_type =
            choose_h264(camera, &formats).expect("something is offered").payload_type;
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
        assert_eq!(choose_h264(0x64_00_28, &[]), None);
        let h265 = format(96, Decoder::h265("").expect("h265"));
        assert_eq!(choose_h264(0x64_00_28, &[h265]), None);
    }

    /// The place of the format that is chosen among H.265 formats with these parameters.
    fn of_h265(
        (profile_id, tier, level_id): (u8, u8, u8),
        offered: &[&'static str],
    ) -> Result<u8, OfferError> {
        let camera = HevcProfile { profile_id, is_high_tier: tier > 0, level_id };
        let formats: Vec<_> = (0..)
            .zip(offered)
            .filter_map(|(pt, parameters)| Some(format(pt, Decoder::h265(parameters)?)))
            .chain([format(99, Decoder::h264("42e01f", true))])
            .collect();
        choose_h265(camera, &formats).map(|format| format.payload_type)
    }

    #[test]
    fn h265_is_answered_where_the_decoder_holds_it() {
        const CHROME: &[&str] = &[
            "level-id=156;profile-id=1;tier-flag=0;tx-mode=SRST",
            "level-id=150;profile-id=2;tier-flag=0;tx-mode=SRST",
        ];
        let refused = |profile_id, is_high_tier, level_id| {
            Err(OfferError::HevcProfile(HevcProfile { profile_id, is_high_tier, level_id }))
        };
        assert_eq!(of_h265((1, 0, 123), CHROME), Ok(0));
        assert_eq!(of_h265((1, 0, 156), CHROME), Ok(0), "at its level");
        assert_eq!(of_h265((1, 0, 180), CHROME), refused(1, false, 180), "beyond");
        assert_eq!(of_h265((2, 0, 150), CHROME), Ok(1));
        assert_eq!(of_h265((2, 0, 153), CHROME), refused(2, false, 153));
        assert_eq!(of_h265((1, 1, 120), CHROME), refused(1, true, 120), "the High tier");
        assert_eq!(of_h265((4, 0, 93), CHROME), refused(4, false, 93), "range extensions");
        assert_eq!(of_h265((1, 0, 153), &CHROME[1..]), refused(1, false, 153));
        assert_eq!(of_h265((1, 0, 150), &CHROME[1..]), Ok(0), "Main 10 decoders take Main");
        assert_eq!(of_h265((1, 0, 93), &["tier-flag=1;level-id=93"]), Ok(0));
    }

    #[test]
    fn the_defaults_are_those_of_the_rfc_but_an_unsaid_level_is_none() {
        assert_eq!(of_h265((1, 0, 93), &[""]), Ok(0));
        assert_eq!(of_h265((1, 0, 183), &[""]), Ok(0), "Safari says nothing and decodes all");
        assert!(of_h265((2, 0, 93), &[""]).is_err(), "Main");
        assert!(of_h265((1, 1, 93), &[""]).is_err(), "Main tier");
        assert!(of_h265((1, 0, 120), &["level-id=93"]).is_err());
    }

    #[test]
    fn h265_that_cannot_be_sent_or_repeated_is_none() {
        let long = "x".repeat(OFFER_TOKEN_BYTES_MAX + 1).leak();
        for parameters in
            ["tx-mode=MRST", "profile-space=1", "level-id=x", "profile-id=300", "a\u{e9}", long]
        {
            assert_eq!(of_h265((1, 0, 93), &[parameters]), Err(OfferError::NoH265), "{parameters}");
        }
        let most = &*"x".repeat(OFFER_TOKEN_BYTES_MAX).leak();
        assert_eq!(of_h265((1, 0, 93), &["Tx-Mode = srst ; PROFILE-ID=1", most]), Ok(0));
        assert_eq!(of_h265((1, 0, 93), &[most]), Ok(0));
        let words = OfferError::NoH265.to_string();
        assert!(words.starts_with("this browser offers no H.265: set the camera's sub stream"));
    }
}
