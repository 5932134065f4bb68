//! Targets for what a client sends by POST and PATCH: offers and fragments.

use super::handshake::{CANDIDATES, credentials, identity, request};
use crate::codec::{CodecProfile, HevcProfile};
use crate::limits::{OFFER_BYTES_MAX, OFFER_MEDIA_MAX};
use crate::webrtc::fragment::{self, Fragment};
use crate::webrtc::handshake::{Accepted, Answered, HandshakeRequest};
use crate::webrtc::offer::Offer;

/// An offer. A refusal is a short text without control characters. An offer that is read does not
/// show its password in debug output, and is answered with as many media sections, of the same
/// names and in the same order, one of them served, in lines of visible ASCII that another SDP
/// parser accepts.
pub fn whep_offer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let offer = match Offer::read(text) {
        Ok(offer) => offer,
        Err(error) => {
            let words = error.to_string();
            assert!(words.len() < 200 && !words.contains(char::is_control), "{words:?}");
            return;
        }
    };
    assert!(text.len() <= OFFER_BYTES_MAX && offer.sections.len() <= OFFER_MEDIA_MAX);
    let is_shown = format!("{offer:?}").contains(offer.password.0);
    assert!(!is_shown || text.matches(offer.password.0).count() > 1, "the password is a secret");
    let profile = HevcProfile { profile_id: 1, is_high_tier: false, level_id: 120 };
    for camera_profile in [CodecProfile::H264(0x64_00_28), CodecProfile::H265(profile)] {
        let request = HandshakeRequest { camera_profile, ..request(text) };
        match Answered::accept(identity(), &request, 0) {
            Ok((_, accepted)) => check_answer(&offer, &accepted),
            Err(error) => assert!(error.is_unsupported(), "what was read: {error}"),
        }
    }
}

fn check_answer(offer: &Offer<'_>, accepted: &Accepted) {
    let answer = &accepted.answer;
    assert!(answer.split("\r\n").all(|line| line.bytes().all(|b| (b' '..=b'~').contains(&b))));
    let values = |prefix| {
        let lines = answer.split("\r\n");
        lines.filter_map(move |line| line.strip_prefix(prefix)).collect::<Vec<&str>>()
    };
    let media = values("m=");
    assert_eq!(media.len(), offer.sections.len());
    let mids: Vec<&str> = offer.sections.iter().filter_map(|section| section.mid).collect();
    assert_eq!(values("a=mid:"), mids);
    for (index, (line, section)) in media.iter().zip(&offer.sections).enumerate() {
        let shares = section.is_bundled && offer.sections[offer.video].is_bundled;
        let port = if index == offer.video || shares { "9" } else { "0" };
        let begin = format!("{} {port} {} ", section.kind, section.protocol);
        assert!(line.starts_with(&begin), "{line} for {begin}");
    }
    let served =
        format!("video 9 {} {}", offer.sections[offer.video].protocol, accepted.payload_type);
    assert_eq!(media[offer.video], served);
    let parsed = sdp_types::Session::parse(answer.as_bytes()).expect("an answer is sdp");
    assert_eq!(parsed.medias.len(), media.len());
}

/// A fragment. A refusal is a short text without control characters. The answer to one that is read
/// is lines of visible ASCII and itself a fragment, with weir's credentials and the same section.
pub fn whep_fragment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let fragment = match Fragment::read(text, Some("0")) {
        Ok(fragment) => fragment,
        Err(error) => {
            let words = error.to_string();
            assert!(words.len() < 200 && !words.contains(char::is_control), "{words:?}");
            return;
        }
    };
    assert!(text.len() <= OFFER_BYTES_MAX);
    assert!(fragment.ufrag.is_none_or(|ufrag| ufrag.len() >= 4 && text.contains(ufrag)));
    let ours = credentials();
    let answer = fragment::answer(fragment.section.as_ref(), &ours, &CANDIDATES);
    assert!(answer.split("\r\n").all(|line| line.bytes().all(|b| (b' '..=b'~').contains(&b))));
    let again = Fragment::read(&answer, Some("0")).expect("an answer is a fragment");
    let password = again.password.map(|password| password.0);
    assert_eq!((again.ufrag, password), (Some(ours.ufrag.as_str()), Some(ours.password.as_str())));
    assert_eq!(again.section, fragment.section);
}
