//! Offers as browsers make them, and weir's answers.

use super::*;
use crate::codec::HevcProfile;

const TRANSPORT: &str = "a=ice-ufrag:wEy7\r\na=ice-pwd:v1Rkd1VbxHqPPrkDLBR7PzEl\r\n\
    a=ice-options:trickle\r\na=fingerprint:sha-256 \
    3A:96:6D:57:B2:C2:C7:61:A0:46:3E:1C:97:39:D3:F7:\
    0A:88:A0:B1:EC:03:FB:10:A5:5D:3A:37:AB:DD:02:AA\r\na=setup:actpass\r\n";

/// A payload type with its feedback and, unless `rtx` is 0, its retransmissions.
fn codec(payload_type: u8, encoding: &str, parameters: &str, rtx: u8) -> String {
    let mut text = format!("a=rtpmap:{payload_type} {encoding}/90000\r\n");
    for feedback in ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"] {
        text += &format!("a=rtcp-fb:{payload_type} {feedback}\r\n");
    }
    if !parameters.is_empty() {
        text += &format!("a=fmtp:{payload_type} {parameters}\r\n");
    }
    if rtx > 0 {
        text += &format!("a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={payload_type}\r\n");
    }
    text
}

fn h264(payload_type: u8, mode: u8, profile: &str, rtx: u8) -> String {
    let parameters =
        format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}");
    codec(payload_type, "H264", &parameters, rtx)
}

pub(super) fn chromium() -> String {
    let mut text = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n\
        a=rtcp:9 IN IP4 0.0.0.0\r\n\
        a=candidate:1467250027 1 udp 2122260223 0f3c4f8a.local 46154 typ host generation 0\r\n"
        .to_owned();
    text += TRANSPORT;
    text += "a=mid:0\r\na=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\na=recvonly\r\n\
        a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 105 106 107 108 109 127 125 39 40 112 113 \
        116 117 118\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n";
    text += TRANSPORT;
    text += "a=mid:1\r\na=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n\
        a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=recvonly\r\na=rtcp-mux\r\n\
        a=rtcp-rsize\r\n";
    text += &codec(96, "VP8", "", 97);
    text += &h264(102, 1, "42001f", 103);
    text += &h264(104, 0, "42001f", 105);
    text += &h264(106, 1, "42e01f", 107);
    text += &h264(108, 0, "42e01f", 109);
    text += &h264(127, 1, "4d001f", 125);
    text += &h264(39, 0, "4d001f", 40);
    text += &h264(112, 1, "f4001f", 113);
    text += "a=rtpmap:116 red/90000\r\na=rtpmap:117 rtx/90000\r\na=fmtp:117 apt=116\r\n\
        a=rtpmap:118 ulpfec/90000\r\n";
    text
}

pub(super) fn safari() -> String {
    let mut text = "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99\r\nc=IN IP4 0.0.0.0\r\n"
        .to_owned();
    text += TRANSPORT;
    text += "a=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n";
    text += &h264(96, 1, "640c1f", 97);
    text += &h264(98, 1, "42e01f", 99);
    text
}

pub(super) fn firefox() -> String {
    let mut text = "v=0\r\no=mozilla...THIS_IS_SDPARTA-99.0 5 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        a=fingerprint:sha-256 3A:96:6D:57:B2:C2:C7:61:A0:46:3E:1C:97:39:D3:F7:\
        0A:88:A0:B1:EC:03:FB:10:A5:5D:3A:37:AB:DD:02:AA\r\na=group:BUNDLE 0\r\n\
        a=ice-options:trickle\r\na=msid-semantic:WMS *\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 120 124 126 127 97 98\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n\
        a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n\
        a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1\r\n\
        a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1\r\n\
        a=ice-pwd:9a8a2ad5fc2ac0b7a4e1a6cb0d1a2b3c\r\na=ice-ufrag:9df4e2b1\r\na=mid:0\r\n"
        .to_owned();
    text += "a=rtcp-fb:126 nack\r\na=rtcp-fb:126 nack pli\r\na=rtcp-fb:126 ccm fir\r\n\
        a=rtcp-mux\r\na=rtpmap:120 VP8/90000\r\na=rtpmap:126 H264/90000\r\n\
        a=rtpmap:97 H264/90000\r\na=setup:actpass\r\n";
    text
}

fn lines(answer: &str) -> Vec<&str> {
    answer.split("\r\n").collect()
}

/// The answer for a camera with this sound, and the payload type of it.
fn with_sound(offer: &str, codec: SoundCodec) -> (String, Option<u8>) {
    let (identity, candidates) = (DtlsIdentity::new().unwrap(), [local()]);
    let request =
        HandshakeRequest { sound: Some((codec, 0x1234_5679)), ..request(offer, &candidates) };
    let (_, accepted) = Answered::accept(&identity, &request, 0).unwrap();
    (accepted.answer, accepted.sound_payload_type)
}

#[test]
fn the_cameras_sound_is_answered_in_its_place_beside_the_picture() {
    for (codec, payload_type, encoding) in [
        (SoundCodec::Pcmu, 0, "PCMU/8000"),
        (SoundCodec::Pcma, 8, "PCMA/8000"),
        (SoundCodec::G722, 9, "G722/8000"),
        (SoundCodec::Opus, 111, "opus/48000/2"),
    ] {
        let (answer, chosen) = with_sound(&chromium(), codec);
        assert_eq!(chosen, Some(payload_type));
        let sections: Vec<&str> = answer.split("m=").collect();
        let [_, sound, picture] = sections[..] else { panic!("{answer}") };
        assert!(sound.starts_with(&format!("audio 9 UDP/TLS/RTP/SAVPF {payload_type}\r\n")));
        for line in [
            "a=ice-ufrag:0007abcdefgh",
            "a=setup:passive",
            "a=mid:0",
            "a=sendonly",
            "a=msid:weir audio",
            "a=rtcp-mux",
            &format!("a=rtpmap:{payload_type} {encoding}"),
            "a=ssrc:305419897 cname:weir",
        ] {
            assert!(lines(sound).contains(&line), "{line} in {sound}");
        }
        assert!(lines(picture).contains(&"a=msid:weir video"));
        assert!(lines(picture).contains(&"a=ssrc:305419896 cname:weir"));
    }
}

#[test]
fn sound_that_the_browser_does_not_take_is_inactive() {
    let replaced = |from: &str, to: &str| {
        let offer = chromium().replace(from, to);
        assert_ne!(offer, chromium());
        offer
    };
    for (offer, codec) in [
        (replaced(" 9 0 8 ", " "), SoundCodec::Pcma),
        (replaced("a=rtpmap:111 opus/48000/2", "a=rtpmap:8 PCMU/8000"), SoundCodec::Pcma),
        (replaced("opus/48000/2", "opus/16000"), SoundCodec::Opus),
        (replacen(&chromium(), "a=recvonly", "a=sendonly"), SoundCodec::Pcma),
        (replacen(&chromium(), "a=recvonly", "a=inactive"), SoundCodec::Pcma),
    ] {
        let (answer, chosen) = with_sound(&offer, codec);
        assert_eq!(chosen, None);
        let section = answer.split("m=").nth(1).expect("a section");
        assert!(section.starts_with("audio 9 ") && section.contains("a=inactive"), "{section}");
        assert!(section.contains("a=ice-ufrag:0007abcdefgh"), "{section}");
    }
    // Sound with a transport of its own is declined.
    for offer in [
        replaced("BUNDLE 0 1", "BUNDLE 1"),
        replacen(&chromium(), "a=rtcp-mux\r\n", ""),
        chromium().replace("a=group:BUNDLE 0 1\r\n", ""),
    ] {
        let (answer, chosen) = with_sound(&offer, SoundCodec::Pcma);
        assert_eq!(chosen, None);
        assert!(answer.contains("m=audio 0 "), "{answer}");
    }
    assert_eq!(with_sound(&safari(), SoundCodec::Pcma).1, None, "it offers none");
}

/// The offer with the first of these replaced, which is in the section of the sound.
fn replacen(offer: &str, from: &str, to: &str) -> String {
    offer.replacen(from, to, 1)
}

#[test]
fn chromium_gets_its_main_profile_and_nothing_it_need_not() {
    let (_, accepted) = accept(&chromium(), 0);
    assert_eq!(accepted.payload_type, 127);
    assert_eq!(accepted.playout_delay_id, Some(5));
    assert_eq!(accepted.mid.as_deref(), Some("1"));
    assert_eq!(accepted.remote_ice.ufrag(), "wEy7");
    let fingerprint = lines(&accepted.answer)[14].to_owned();
    assert!(fingerprint.starts_with("a=fingerprint:sha-256 "), "{fingerprint}");
    assert_eq!(fingerprint.len(), "a=fingerprint:sha-256 ".len() + 32 * 3 - 1);
    let expected = [
        "v=0",
        "o=- 305419896 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=msid-semantic: WMS weir",
        "a=ice-lite",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 8118 typ host",
        "a=end-of-candidates",
        "a=ice-ufrag:0007abcdefgh",
        "a=ice-pwd:0123456789abcdefghijklmn",
        "a=ice-options:trickle",
        &fingerprint,
        "a=setup:passive",
        "a=mid:0",
        "a=inactive",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "m=video 9 UDP/TLS/RTP/SAVPF 127",
        "c=IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 8118 typ host",
        "a=end-of-candidates",
        "a=ice-ufrag:0007abcdefgh",
        "a=ice-pwd:0123456789abcdefghijklmn",
        "a=ice-options:trickle",
        &fingerprint,
        "a=setup:passive",
        "a=mid:1",
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        "a=sendonly",
        "a=msid:weir video",
        "a=rtcp-mux",
        "a=rtpmap:127 H264/90000",
        "a=rtcp-fb:127 nack",
        "a=rtcp-fb:127 nack pli",
        "a=rtcp-fb:127 ccm fir",
        "a=fmtp:127 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
        "a=ssrc:305419896 cname:weir",
        "a=ssrc:305419896 msid:weir video",
        "",
    ];
    assert_eq!(lines(&accepted.answer), expected);
}

#[test]
fn safari_gets_constrained_high_and_no_extension() {
    let (_, accepted) = accept(&safari(), 0);
    assert_eq!((accepted.payload_type, accepted.playout_delay_id), (96, None));
    assert!(accepted.answer.contains("profile-level-id=640c1f\r\n"));
    assert!(!accepted.answer.contains("extmap"));
}

#[test]
fn h265_is_answered_in_the_browsers_own_words() {
    let profile = HevcProfile { profile_id: 1, is_high_tier: false, level_id: 120 };
    let camera_profile = CodecProfile::H265(profile);
    let chrome = "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST";
    for (parameters, fmtp) in [(chrome, Some(chrome)), ("", None)] {
        let offer =
            chromium().replace("118\r\n", "118 49\r\n") + &codec(49, "H265", parameters, 50);
        let candidates = [local()];
        let asked = HandshakeRequest { camera_profile, ..request(&offer, &candidates) };
        let (_, accepted) = Answered::accept(&DtlsIdentity::new().unwrap(), &asked, 0).unwrap();
        assert_eq!(accepted.payload_type, 49);
        let answer = lines(&accepted.answer);
        assert!(answer.contains(&"m=video 9 UDP/TLS/RTP/SAVPF 49"));
        assert!(answer.contains(&"a=rtpmap:49 H265/90000"));
        assert!(answer.contains(&"a=rtcp-fb:49 nack pli"));
        let found = answer.iter().find_map(|line| line.strip_prefix("a=fmtp:49 "));
        assert_eq!(found, fmtp);
    }
}

#[test]
fn firefox_gets_the_only_profile_it_takes() {
    let (_, accepted) = accept(&firefox(), 0);
    assert_eq!((accepted.payload_type, accepted.playout_delay_id), (126, Some(7)));
    assert!(accepted.answer.contains("profile-level-id=42e01f\r\n"));
    assert_eq!(accepted.remote_ice.ufrag(), "9df4e2b1");
}

#[test]
fn nack_is_promised_only_when_it_is_answered() {
    let (offer, candidates) = (chromium(), [local()]);
    let silent = HandshakeRequest { resend: false, ..request(&offer, &candidates) };
    let (_, accepted) = Answered::accept(&DtlsIdentity::new().unwrap(), &silent, 0).unwrap();
    assert!(!accepted.answer.contains("127 nack\r\n"));
    assert!(accepted.answer.contains("127 nack pli\r\n"));
}

#[test]
fn candidates_keep_their_order_and_families() {
    let addresses = ["[2001:db8::1]:8118", "192.0.2.1:8118", "127.0.0.1:8118"];
    let candidates = addresses.map(|address| address.parse().unwrap());
    let offer = safari();
    let (_, accepted) =
        Answered::accept(&DtlsIdentity::new().unwrap(), &request(&offer, &candidates), 0).unwrap();
    let found: Vec<_> = lines(&accepted.answer)
        .into_iter()
        .filter(|line| line.starts_with("a=candidate"))
        .collect();
    assert_eq!(
        found,
        [
            "a=candidate:1 1 udp 2130706431 2001:db8::1 8118 typ host",
            "a=candidate:2 1 udp 2130706175 192.0.2.1 8118 typ host",
            "a=candidate:3 1 udp 2130705919 127.0.0.1 8118 typ host",
        ]
    );
}

#[test]
fn a_data_channel_is_rejected_in_its_own_words() {
    let offer = safari()
        + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:9\r\n";
    let (_, accepted) = accept(&offer, 0);
    let rejected = "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
        a=mid:9\r\na=inactive\r\n";
    assert!(accepted.answer.ends_with(rejected));
}
