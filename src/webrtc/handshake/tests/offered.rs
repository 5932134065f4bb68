//! An answer has nothing that its offer does not have, as an independent reader of SDP sees both.

use sdp_types::{Media, Session};

use super::browsers::{chromium, firefox, safari};
use super::*;
use crate::sound::SoundCodec;

/// Offers of players, as they were recorded: tests/data/offers/README.md.
const RECORDED: [&str; 4] = [
    include_str!("../../../../tests/data/offers/webrtcbin.sdp"),
    include_str!("../../../../tests/data/offers/webrtcbin-nack.sdp"),
    include_str!("../../../../tests/data/offers/webrtcbin-balanced.sdp"),
    include_str!("../../../../tests/data/offers/aiortc.sdp"),
];

/// What may be left out of an offer, a line or a word of it.
const OPTIONAL: [&str; 9] = [
    " nack pli\n",
    " nack\n",
    " ccm fir\n",
    " transport-cc\n",
    " goog-remb\n",
    "a=extmap",
    "a=ssrc",
    "a=rtcp-rsize",
    "level-asymmetry-allowed=1;",
];

fn offers() -> Vec<String> {
    let made = [chromium(), safari(), firefox()].map(|offer| offer.replace("\r\n", "\n"));
    made.into_iter().chain(RECORDED.map(str::to_owned)).collect()
}

fn answer(offer: &str, sound: SoundCodec) -> String {
    let (identity, candidates) = (DtlsIdentity::new().unwrap(), [local()]);
    let request =
        HandshakeRequest { sound: Some((sound, 0x1234_5679)), ..request(offer, &candidates) };
    Answered::accept(&identity, &request, 0).unwrap().1.answer
}

/// The values of a section's attributes of this name.
fn values<'m>(media: &'m Media, name: &str) -> Vec<&'m str> {
    let named = media.attributes.iter().filter(|attribute| attribute.attribute == name);
    named.filter_map(|attribute| attribute.value.as_deref()).collect()
}

/// Attributes of this name in `answered` that `offered` has not; where `*` is offered it stands for
/// each payload type. A static payload type needs no words (RFC 3551 section 6).
fn unoffered(offered: &Media, answered: &Media, name: &str) -> Vec<String> {
    let known: Vec<String> = values(offered, name).iter().map(|text| text.to_lowercase()).collect();
    let is_known = |value: &str| {
        let value = value.to_lowercase();
        let (format, kind) = value.split_once(' ').unwrap_or((&value, ""));
        let is_static =
            name == "rtpmap" && ["0 pcmu/8000", "8 pcma/8000", "9 g722/8000"].contains(&&*value);
        let is_named = known.iter().any(|known| known.starts_with(&format!("{format} ")));
        let is_same = |known: &String| *known == value || *known == format!("* {kind}");
        known.iter().any(is_same) || is_static && !is_named
    };
    let answered = values(answered, name).into_iter();
    answered.filter(|value| !is_known(value)).map(str::to_owned).collect()
}

/// Parameters of formats in `answered` whose names `offered` has not for the same format.
fn unoffered_parameters(offered: &Media, answered: &Media) -> Vec<String> {
    let names = |text: &str| -> Vec<String> {
        let (format, parameters) = text.split_once(' ').unwrap();
        let parameters = parameters.split(';').map(|one| one.trim().split('=').next().unwrap());
        parameters.map(|name| format!("{format} {name}")).collect()
    };
    let known: Vec<String> = values(offered, "fmtp").into_iter().flat_map(names).collect();
    let answered = values(answered, "fmtp").into_iter().flat_map(names);
    answered.filter(|name| !known.contains(name)).collect()
}

fn bundle(session: &Session) -> Vec<&str> {
    let group = session.get_first_attribute_value("group").ok().flatten().unwrap_or_default();
    group.split(' ').skip(1).collect()
}

fn check(offer: &str, answer: &str) {
    let offered = Session::parse(offer.as_bytes()).unwrap();
    let answered = Session::parse(answer.as_bytes()).unwrap();
    assert_eq!(offered.medias.len(), answered.medias.len());
    assert_eq!(bundle(&offered), bundle(&answered), "whose transport is used: {offer}\n{answer}");
    for (offered, answered) in offered.medias.iter().zip(&answered.medias) {
        assert_eq!((&offered.media, &offered.proto), (&answered.media, &answered.proto));
        let formats: Vec<&str> = offered.fmt.split(' ').collect();
        assert!(answered.fmt.split(' ').all(|format| formats.contains(&format)), "{answer}");
        for name in ["rtcp-fb", "rtpmap", "extmap", "mid"] {
            assert_eq!(unoffered(offered, answered, name), [""; 0], "{name}: {offer}\n{answer}");
        }
        let is_mux = |media: &Media| media.has_attribute("rtcp-mux");
        assert!(is_mux(offered) || !is_mux(answered), "{offer}\n{answer}");
        assert_eq!(unoffered_parameters(offered, answered), [""; 0], "{offer}\n{answer}");
    }
}

#[test]
fn what_is_answered_was_offered() {
    for offer in offers() {
        for sound in SoundCodec::ALL {
            check(&offer, &answer(&offer, sound));
        }
        for left_out in OPTIONAL {
            let lines = offer.split_inclusive('\n');
            let less: String = match left_out.strip_suffix(';') {
                Some(_) => offer.replace(left_out, ""),
                None => lines.filter(|line| !line.contains(left_out)).collect(),
            };
            check(&less, &answer(&less, SoundCodec::Pcma));
        }
    }
}

#[test]
fn feedback_that_was_offered_is_answered() {
    for offer in offers() {
        let answer = answer(&offer, SoundCodec::Pcma);
        let pli = answer.lines().filter(|line| line.ends_with(" nack pli")).count();
        assert_eq!(pli, usize::from(offer.contains(" nack pli\n")), "{answer}");
        let nack = answer.lines().filter(|line| line.ends_with(" nack")).count();
        assert_eq!(nack, usize::from(offer.contains(" nack\n")), "{answer}");
    }
}

#[test]
fn an_extension_is_sent_to_those_that_take_it() {
    let offer = chromium();
    for (direction, answered) in [
        ("", Some("a=extmap:5 ")),
        ("/sendrecv", Some("a=extmap:5 ")),
        ("/recvonly", Some("a=extmap:5/sendonly ")),
        ("/sendonly", None),
        ("/inactive", None),
        ("/other", None),
    ] {
        let offer = offer.replace("a=extmap:5 ", &format!("a=extmap:5{direction} "));
        let (_, accepted) = accept(&offer, 0);
        assert_eq!(accepted.playout_delay_id, answered.map(|_| 5), "{direction}");
        let line = accepted.answer.lines().find(|line| line.starts_with("a=extmap"));
        assert_eq!(line.is_some(), answered.is_some());
        let begin = answered.unwrap_or_default();
        assert!(line.unwrap_or_default().starts_with(begin), "{line:?}");
    }
}

#[test]
fn the_group_is_answered_in_the_offers_order_and_once() {
    let group = |group: &str| {
        let offer = chromium().replace("BUNDLE 0 1", &format!("BUNDLE {group}"));
        let (_, accepted) = accept(&offer, 0);
        let line = accepted.answer.lines().find(|line| line.starts_with("a=group"));
        line.map(str::to_owned)
    };
    assert_eq!(group("1 0").as_deref(), Some("a=group:BUNDLE 1 0"));
    assert_eq!(group(&"1 1 9 0 ".repeat(500)).as_deref(), Some("a=group:BUNDLE 1 0"));
}

#[test]
fn payload_types_that_would_be_taken_for_rtcp_are_not_used() {
    let payload_type = |number: &str| {
        let offer = chromium().replace("127", number);
        accept(&offer, 0).1.payload_type
    };
    assert_eq!(payload_type("63"), 63);
    for number in ["64", "72", "95"] {
        assert_ne!(payload_type(number).to_string(), number);
    }
}
