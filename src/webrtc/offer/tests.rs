//! Offers as browsers make them, and malformed ones.

use super::*;
use crate::codec::{CodecProfile, HevcProfile};
use crate::webrtc::profile;

const HEAD: &str = "v=0\r\no=- 4 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n";
const TRANSPORT: &str = "a=ice-ufrag:Ab+/\r\na=ice-pwd:0123456789abcdefghijkl\r\n\
    a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
    10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\na=setup:actpass\r\n";
const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
    a=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";

fn offer() -> String {
    [HEAD, VIDEO, TRANSPORT].concat()
}

fn refused(text: &str) -> OfferError {
    refused_for(CodecProfile::H264(0x42_e0_1f), text)
}

fn refused_for(camera: CodecProfile, text: &str) -> OfferError {
    match Offer::read(text) {
        Ok(offer) => profile::choose(camera, &offer).expect_err("refused"),
        Err(error) => error,
    }
}

#[test]
fn a_plain_offer_is_read() {
    let text = offer();
    let offer = Offer::read(&text).unwrap();
    assert_eq!(offer.ufrag, "Ab+/");
    assert_eq!(offer.fingerprint[31], 0x1f);
    assert_eq!(offer.sections[0].mid, Some("0"));
    assert_eq!(offer.formats.len(), 1);
    assert_eq!(offer.formats[0].decoder, Decoder::h264("42e01f", true));
    assert_eq!(offer.playout_delay, None);
    assert!(!format!("{offer:?}").contains("0123456789abcdefghijkl"));
}

#[test]
fn the_bounds_are_named_with_value_and_limit() {
    let large = offer() + &"x".repeat(OFFER_BYTES_MAX);
    assert_eq!(refused(&large), OfferError::TooLarge { bytes: large.len() });

    let many = offer() + &"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(199);
    let error = refused(&many);
    assert_eq!(error, OfferError::TooManyMedia { count: 200 });
    assert_eq!(error.to_string(), "offer of 200 media sections, max 4");
    let most = offer() + &"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(OFFER_MEDIA_MAX - 1);
    assert!(Offer::read(&most).is_ok());

    let candidates = offer() + &"a=candidate:1 1 udp 1 a.local 9 typ host\r\n".repeat(200);
    assert!(Offer::read(&candidates).is_ok(), "candidates cost nothing");

    let long = offer().replace("a=mid:0", &format!("a=mid:{}", "y".repeat(257)));
    assert_eq!(refused(&long).to_string(), "a=mid of 257 bytes in offer, max 256");
}

#[test]
fn what_weir_does_not_do_is_said() {
    let without_h264 = offer().replace("H264/90000", "VP8/90000");
    assert_eq!(refused(&without_h264).to_string(), "this browser offers no H.264");
    let single_nal_units = offer().replace("packetization-mode=1", "packetization-mode=0");
    assert_eq!(refused(&single_nal_units), OfferError::NoFragments);
    let unsaid = offer().replace("packetization-mode=1;", "");
    assert_eq!(refused(&unsaid), OfferError::NoFragments);
    let unlisted = without_h264.replace("a=rtpmap:96", "a=rtpmap:35 H264/90000\r\na=rtpmap:96");
    assert_eq!(refused(&unlisted), OfferError::NoH264, "of a format that the m-line lacks");

    let profile = HevcProfile { profile_id: 1, is_high_tier: false, level_id: 120 };
    let hevc = CodecProfile::H265(profile);
    assert_eq!(refused_for(hevc, &offer()), OfferError::NoH265);
    let of_h265 = offer().replace("H264/90000", "H265/90000");
    assert_eq!(refused(&of_h265), OfferError::NoH264);
    let low = of_h265.replace("packetization-mode=1", "level-id=93");
    assert_eq!(refused_for(hevc, &low), OfferError::HevcProfile(profile));
    for error in [OfferError::NoH264, OfferError::NoH265, OfferError::HevcProfile(profile)] {
        assert!(error.is_unsupported());
    }

    for direction in ["sendonly", "inactive"] {
        let error = refused(&offer().replace("recvonly", direction));
        assert_eq!(error, OfferError::NotReceiving(direction));
        assert!(error.is_unsupported());
    }
    assert!(Offer::read(&offer().replace("recvonly", "sendrecv")).is_ok());
    assert!(Offer::read(&offer().replace("a=recvonly\r\n", "")).is_ok());

    let audio = offer().replace("m=video", "m=audio");
    assert_eq!(refused(&audio), OfferError::NoVideo);
    let rejected = offer().replace("m=video 9", "m=video 0");
    assert_eq!(refused(&rejected), OfferError::NoVideo);
    let bundled = rejected.replace("a=mid:0", "a=mid:0\r\na=bundle-only");
    assert!(Offer::read(&bundled).is_ok());

    let passive = offer().replace("actpass", "passive");
    assert_eq!(refused(&passive), OfferError::SetupPassive);
    let apart = offer().replace("a=rtcp-mux\r\n", "");
    assert_eq!(refused(&apart), OfferError::NoRtcpMux);
    let sha1 = offer().replace("sha-256", "sha-1");
    assert_eq!(refused(&sha1), OfferError::OtherHash);
    let both = offer().replace("a=setup", "a=fingerprint:sha-1 00\r\na=setup");
    assert!(Offer::read(&both).is_ok());
    let lite = offer().replace("t=0 0", "t=0 0\r\na=ice-lite");
    assert_eq!(refused(&lite), OfferError::IceLite);
}

#[test]
fn formats_of_both_codecs_are_read() {
    let text = offer().replace(
        "a=rtcp-mux\r\n",
        "a=rtcp-mux\r\na=rtpmap:97 h265/90000\r\na=fmtp:97 level-id=150; profile-id=2\r\n\
         a=rtcp-fb:97 nack pli\r\n",
    );
    let offer = Offer::read(&text).unwrap();
    let profile = HevcProfile { profile_id: 2, is_high_tier: false, level_id: 150 };
    let parameters = "level-id=150; profile-id=2";
    let decoder = Decoder::H265 { profile, has_level: true, parameters };
    assert_eq!(offer.formats[1].decoder, decoder);
    assert!(offer.formats[1].feedback.pli && !offer.formats[0].feedback.pli);
    let hevc = CodecProfile::H265(profile);
    assert_eq!(profile::choose(hevc, &offer).map(|format| format.payload_type), Ok(97));
    let h264 = CodecProfile::H264(0x64_00_28);
    assert_eq!(profile::choose(h264, &offer).map(|format| format.payload_type), Ok(96));
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    for (line, expected) in [
        ("a=ice-ufrag", OfferError::Missing("a=ice-ufrag")),
        ("a=fingerprint", OfferError::Missing("a=fingerprint")),
    ] {
        assert_eq!(refused(&offer().replace(line, "a=other")), expected);
    }
    for (from, to, what) in [
        ("sha-256 00:01", "sha-256 0:01", "fingerprint"),
        ("1E:1F", "1E:1F:20", "fingerprint"),
        ("1E:1F", "1E", "fingerprint"),
        ("ufrag:Ab+/", "ufrag:Ab+", "ice-ufrag"),
        ("ufrag:Ab+/", "ufrag:A:+/", "ice-ufrag"),
        ("pwd:0123456789", "pwd:", "ice-pwd"),
        ("mid:0", "mid:\u{1f980}", "a=mid"),
        ("mid:0", "mid:", "a=mid"),
        ("SAVPF 96 97", "SAVPF", "m-line"),
    ] {
        let error = refused(&offer().replacen(from, to, 1));
        assert_eq!(error, OfferError::Malformed(what), "{to}");
        assert!(!error.is_unsupported());
    }
    for text in ["", "hello", "{\"type\":\"offer\"}", "v=1\r\n", "\u{feff}v=0\r\n"] {
        assert_eq!(refused(text), OfferError::NoSdp, "{text}");
    }
    assert_eq!(refused("v=0\n"), OfferError::NoVideo);
}

#[test]
fn credentials_are_found_where_browsers_put_them() {
    let at_session = [HEAD, TRANSPORT, VIDEO].concat();
    assert_eq!(Offer::read(&at_session).unwrap().ufrag, "Ab+/");
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\n";
    let in_audio = [HEAD, audio, TRANSPORT, VIDEO].concat();
    let offer = Offer::read(&in_audio).unwrap();
    assert_eq!((offer.ufrag, offer.video), ("Ab+/", 1));
}

#[test]
fn of_bundled_sections_the_first_describes_the_transport_of_all() {
    let own = |ufrag: &str| TRANSPORT.replace("Ab+/", ufrag);
    let sound = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtcp-mux\r\n";
    let bundled = HEAD.replace("BUNDLE 0", "BUNDLE 1 0");
    let text = [&bundled, sound, &own("sound"), VIDEO, &own("video")].concat();
    assert_eq!(Offer::read(&text).unwrap().ufrag, "sound");
    for (from, to) in [
        ("BUNDLE 1 0", "BUNDLE 0 1"),
        ("BUNDLE 1 0", "LS 1 0"),
        ("m=audio 9 UDP/TLS/RTP/SAVPF", "m=application 9 UDP/DTLS/SCTP"),
        ("a=ice-ufrag:sound\r\n", ""),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert_eq!(Offer::read(&other).unwrap().ufrag, "video", "{to}");
    }
}

#[test]
fn what_shares_the_transport_is_what_bundle_names_and_can() {
    let sound = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\n";
    let text = [&HEAD.replace("BUNDLE 0", "BUNDLE 1 0"), sound, VIDEO, TRANSPORT].concat();
    let read = Offer::read(&text).unwrap();
    assert!(read.sections.iter().all(|section| section.is_bundled));
    assert_eq!(read.sections[0].encoding, Some("opus/48000/2"));
    for (from, to) in [
        ("BUNDLE 1 0", "BUNDLE 0 11"),
        ("a=group:BUNDLE 1 0", "a=group:LS 1 0"),
        ("m=audio 9", "m=audio 0"),
        ("a=mid:1\r\na=rtcp-mux\r\n", "a=mid:1\r\n"),
        ("a=mid:1\r\n", ""),
        ("m=audio 9 UDP/TLS/RTP/SAVPF", "m=application 9 UDP/DTLS/SCTP"),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert!(!Offer::read(&other).unwrap().sections[0].is_bundled, "{to}");
    }
    for (from, to) in
        [("opus/48000/2", "opus 48000"), ("opus/48000/2", ""), ("a=rtpmap:111", "a=x")]
    {
        assert_eq!(Offer::read(&text.replacen(from, to, 1)).unwrap().sections[0].encoding, None);
    }
}

#[test]
fn formats_are_in_the_m_lines_order_once_each_and_bounded() {
    let list = "98 96 98 300 x 97 -1 ".repeat(300);
    let text = offer().replace("SAVPF 96 97", &format!("SAVPF {list}")).replace(
        "a=rtcp-mux\r\n",
        "a=rtcp-mux\r\na=fmtp:98 PACKETIZATION-MODE = 1 ; profile-level-id=zz\r\na=rtpmap:98 h264/90000\r\n\
             a=rtpmap:97 H264/90000\r\na=rtpmap:999 H264/90000\r\na=fmtp:97 apt=96\r\n\
             a=rtcp-fb:* nack pli\r\na=rtcp-fb:98 ccm fir\r\na=rtcp-fb:98 nack \r\n",
    );
    let offer = Offer::read(&text).unwrap();
    let types: Vec<_> = offer.formats.iter().map(|f| f.payload_type).collect();
    assert_eq!(types, [98, 96]);
    assert_eq!(offer.formats[0].decoder, Decoder::h264("42000a", false), "the RFC's default");
    let all = RtcpFeedback { nack: true, pli: true, fir: true };
    assert_eq!(offer.formats[0].feedback, all);
    let for_all = RtcpFeedback { pli: true, ..RtcpFeedback::default() };
    assert_eq!(offer.formats[1].feedback, for_all);
}

#[test]
fn no_cut_and_no_bent_byte_makes_it_panic() {
    let text = offer();
    for cut in 0..text.len() {
        let _ = Offer::read(&text[..cut]);
        for byte in [0, b'\r', b'\n', b' ', b':', b'9', 0x7f] {
            let mut bent = text.clone().into_bytes();
            bent[cut] = byte;
            let _ = Offer::read(std::str::from_utf8(&bent).unwrap());
        }
    }
}
