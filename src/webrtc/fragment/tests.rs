//! Fragments as players send them, and malformed ones.

use super::*;

const ICE: &str = "a=ice-ufrag:Ab+/\r\na=ice-pwd:0123456789abcdefghijkl\r\n";
const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:0\r\n";
const CANDIDATE: &str = "a=candidate:1 1 udp 2113937151 a.local 53124 typ host\r\n";

fn refused(text: &str) -> FragmentError {
    Fragment::read(text, None).expect_err("refused")
}

#[test]
fn credentials_are_found_where_players_put_them() {
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\n";
    for text in [
        [ICE, VIDEO, CANDIDATE].concat(),
        [VIDEO, ICE, CANDIDATE].concat(),
        [audio, ICE, VIDEO].concat(),
        ["a=ice-options:trickle ice2\r\na=group:BUNDLE 0\r\n", VIDEO, ICE, audio].concat(),
        [ICE, VIDEO].concat().replace("\r\n", "\n"),
    ] {
        let fragment = Fragment::read(&text, None).unwrap();
        let password = fragment.password.map(|password| password.0);
        assert_eq!((fragment.ufrag, password), (Some("Ab+/"), Some("0123456789abcdefghijkl")));
        let section = fragment.section.expect("a section");
        assert_eq!((section.kind, section.mid), ("video", Some("0")));
    }
    let bare = Fragment::read(ICE, None).unwrap();
    assert_eq!((bare.ufrag, bare.section), (Some("Ab+/"), None));
}

/// RFC 9725 section 4.3.3 and RFC 8840 section 9, with credentials for each section as aiortc 1.4
/// and a webrtcbin without `max-bundle` have them.
#[test]
fn of_sections_with_credentials_of_their_own_those_of_the_transport_are_taken() {
    let section = |kind: &str, mid: &str| {
        format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{mid}\r\na=ice-ufrag:{kind}\r\n\
             a=ice-pwd:{kind}-0123456789abcdefghijkl\r\n{CANDIDATE}"
        )
    };
    let (sound, picture) = (section("audio", "0"), section("video", "1"));
    let data = section("application", "2").replace("UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP");
    let group = |mids: &str| format!("a=ice-options:trickle ice2\r\na=group:BUNDLE {mids}\r\n");
    for (parts, known, taken) in [
        (&[&group("0 1"), &sound, &picture][..], None, "audio"),
        (&[&group("1 0"), &sound, &picture], None, "video"),
        (&[&group("2 0 1"), &data, &sound, &picture], None, "audio"),
        (&[&group("7 1"), &sound, &picture], None, "video"),
        (&[&sound, &picture], None, "video"),
        // What the session has is known, whatever the fragment groups.
        (&[&sound, &picture], Some("0"), "audio"),
        (&[&picture, &sound], Some("0"), "audio"),
        (&[&group("1 0"), &sound, &picture], Some("0"), "audio"),
        (&[&group("0 1"), &sound], Some("1"), "audio"),
        (&[&group("0 1"), &sound, &picture], Some("9"), "audio"),
        (&[&data, &picture], Some("2"), "video"),
    ] {
        let text: String = parts.iter().map(|part| part.as_str()).collect();
        let fragment = Fragment::read(&text, known).unwrap();
        let password = fragment.password.expect("a password").0;
        assert_eq!(fragment.ufrag, Some(taken), "{known:?} {text}");
        assert!(password.starts_with(taken), "{text}");
        assert_eq!(fragment.section.expect("a section").kind, taken, "for the answer: {text}");
    }
}

#[test]
fn each_of_the_credentials_may_be_at_the_session_level() {
    let (ufrag, password) = ICE.split_at(ICE.find("a=ice-pwd").expect("it is there"));
    for text in [[ufrag, VIDEO, password].concat(), [password, VIDEO, ufrag].concat()] {
        let fragment = Fragment::read(&text, None).unwrap();
        let password = fragment.password.map(|password| password.0);
        assert_eq!((fragment.ufrag, password), (Some("Ab+/"), Some("0123456789abcdefghijkl")));
    }
}

#[test]
fn candidates_alone_are_no_restart() {
    let text = [VIDEO, CANDIDATE, "a=end-of-candidates\r\na=\r\n"].concat();
    let fragment = Fragment::read(&text, None).unwrap();
    assert_eq!((fragment.ufrag, fragment.password), (None, None));
}

#[test]
fn the_bounds_are_named_with_value_and_limit() {
    let large = ICE.to_owned() + &"a=x\r\n".repeat(OFFER_BYTES_MAX / 5);
    assert_eq!(refused(&large), FragmentError::TooLarge { bytes: large.len() });
    let most = ICE.to_owned() + &VIDEO.repeat(OFFER_MEDIA_MAX);
    assert!(Fragment::read(&most, None).is_ok());
    let media = refused(&(most + VIDEO));
    assert_eq!(media.to_string(), "fragment of 5 media sections, max 4");
    let candidates = ICE.to_owned() + &CANDIDATE.repeat(200);
    assert!(Fragment::read(&candidates, None).is_ok(), "candidates cost nothing");
    let long = [VIDEO, "a=ice-ufrag:", &"y".repeat(257), "\r\n"].concat();
    let words = "a=ice-ufrag of 257 bytes in line 3 of the fragment, max 256";
    assert_eq!(refused(&long).to_string(), words);
}

#[test]
fn what_is_malformed_is_named_with_its_line() {
    for (text, words) in [
        ("", "the fragment is empty"),
        (" \r\n\r\n", "the fragment is empty"),
        ("hello", "line 1 of the fragment is not SDP"),
        ("a=mid:0\r\n\r\nx\r\n", "line 3 of the fragment is not SDP"),
        ("{\"candidate\":\"a=b\"}", "line 1 of the fragment is not SDP"),
        ("a=ice-ufrag:Ab+", "malformed a=ice-ufrag in line 1 of the fragment"),
        ("a=ice-ufrag:Ab:+/", "malformed a=ice-ufrag in line 1 of the fragment"),
        ("a=x\na=ice-pwd:short", "malformed a=ice-pwd in line 2 of the fragment"),
        ("m=video 9 UDP/TLS/RTP/SAVPF", "malformed m-line in line 1 of the fragment"),
        ("m=", "malformed m-line in line 1 of the fragment"),
        ("m=video 9 \u{1f980} 96", "malformed m-line in line 1 of the fragment"),
        ("m=video 9 X 96\na=mid:a b", "malformed a=mid in line 2 of the fragment"),
    ] {
        assert_eq!(refused(text).to_string(), words, "{text}");
    }
}

#[test]
fn the_answer_repeats_the_section_and_has_everything_of_ours() {
    let text = [ICE, VIDEO, CANDIDATE].concat();
    let fragment = Fragment::read(&text, None).unwrap();
    let credentials = IceCredentials {
        ufrag: "00a3abcdefgh".try_into().unwrap(),
        password: "0123456789abcdefghijklmn".try_into().unwrap(),
        peer: crate::webrtc::credentials::Peer::none(),
    };
    let candidates = ["192.0.2.9:8118", "[2001:db8::9]:8118"].map(|at| at.parse().unwrap());
    let answer = answer(fragment.section.as_ref(), &credentials, &candidates);
    assert_eq!(
        answer,
        "a=ice-lite\r\na=ice-options:trickle\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2130706431 192.0.2.9 8118 typ host\r\n\
         a=candidate:2 1 udp 2130706175 2001:db8::9 8118 typ host\r\n\
         a=end-of-candidates\r\na=ice-ufrag:00a3abcdefgh\r\n\
         a=ice-pwd:0123456789abcdefghijklmn\r\n"
    );
    let read = Fragment::read(&answer, None).expect("our own fragment is one");
    assert_eq!(read.ufrag, Some("00a3abcdefgh"));
}

#[test]
fn no_cut_and_no_bent_byte_makes_it_panic() {
    let text = [ICE, VIDEO, CANDIDATE].concat();
    for cut in 0..text.len() {
        let _ = Fragment::read(&text[..cut], None);
        for byte in [0, b'\r', b'\n', b' ', b':', b'=', b'm', 0x7f] {
            let mut bent = text.clone().into_bytes();
            bent[cut] = byte;
            if let Ok(fragment) = Fragment::read(std::str::from_utf8(&bent).unwrap(), None) {
                let _ = super::answer(fragment.section.as_ref(), &IceCredentials::none(), &[]);
            }
        }
    }
}
