//! Which transports a dialog asks for, and what cameras grant.

use std::net::{IpAddr, Ipv4Addr};

use super::tests::{SDP, SETUP, Talk, URL, describe, status, viewer};
use super::*;
use crate::rtsp::sdp::CameraSound;
use crate::rtsp::setup::{Delivery, Transport};

const UDP: &str = "RTSP/1.0 200 OK\r\nSession: 12\r\nTransport: RTP/AVP;unicast;\
    client_port=5000-5001;server_port=6000-6001;source=192.0.2.9\r\n\r\n";
const GROUP_SDP: &str = "v=0\r\nc=IN IP4 239.1.2.3/16\r\nm=video 7000 RTP/AVP 96\r\n\
    a=rtpmap:96 H264/90000\r\na=control:track1\r\n";

/// The transports that were asked for, in order.
fn asked(talk: &Talk) -> Vec<&str> {
    let lines = talk.said.iter().flat_map(|said| said.lines());
    lines.filter_map(|line| line.strip_prefix("Transport: ")).collect()
}

/// A dialog after these answers to SETUP.
fn set_up(fixed: Option<Transport>, sdp: &str, answers: &[&str]) -> Result<Talk, DialogError> {
    let mut talk = Talk::new(URL, None);
    if let Some(transport) = fixed {
        talk.dialog.fix_transport(transport);
    }
    talk.answers(&[&status("200 OK"), &describe("", sdp)])?;
    talk.answers(answers)?;
    Ok(talk)
}

#[test]
fn a_camera_that_refuses_tcp_is_asked_for_udp_on_the_same_connection() {
    let escam = "RTSP/1.0 200 OK\r\nSession: 12\r\n\
        Transport: RTP/AVP;unicast;client_port=0-1;server_port=6000-6001\r\n\r\n";
    for refusal in [&status("461 Unsupported Transport"), escam] {
        let talk = set_up(None, SDP, &[refusal, UDP]).expect("set up");
        let expected =
            ["RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP;unicast;client_port=5000-5001"];
        assert_eq!(asked(&talk), expected);
        assert_eq!(talk.said.iter().filter(|said| *said == "ports").count(), 1);
        let ready = talk.ready.expect("ready");
        let source = Some(IpAddr::from([192, 0, 2, 9]));
        let delivery = Delivery { server: Some((6000, 6001)), source, group: None };
        assert_eq!((ready.transport, ready.delivery), (Transport::Udp, Some(delivery)));
        assert!(ready.session.has_datagrams());
    }
}

#[test]
fn answers_that_come_at_once_wait_for_the_ports() {
    let both = status("461 x") + UDP;
    let talk = set_up(None, SDP, &[&both]).expect("set up");
    assert_eq!(asked(&talk).len(), 2);
    assert_eq!(talk.ready.expect("ready").transport, Transport::Udp);
}

#[test]
fn what_worked_before_is_asked_for_first() {
    let mut habits = Habits::default();
    habits.granted(Transport::Udp);
    let mut talk = Talk::with(URL, None, &habits);
    let refused = status("461 x");
    talk.answers(&[&status("200 OK"), &describe("", SDP), &refused, SETUP]).expect("set up");
    assert!(asked(&talk)[0].contains("client_port") && asked(&talk)[1].contains("interleaved"));
    let ready = talk.ready.expect("ready");
    assert_eq!((ready.transport, ready.delivery), (Transport::Tcp, None));
}

#[test]
fn the_operators_choice_is_not_left() {
    let refused = status("461 x");
    for (transport, answer) in [
        (Transport::Tcp, refused.as_str()),
        (Transport::Tcp, UDP),
        (Transport::Udp, &refused),
        (Transport::Udp, SETUP),
        (Transport::Multicast, &refused),
        (Transport::Multicast, UDP),
    ] {
        let error = set_up(Some(transport), GROUP_SDP, &[answer]).map(|_| ()).unwrap_err();
        assert_eq!(error, DialogError::NoTransport(Some(transport)));
        let text = error.to_string();
        assert_eq!(text, format!("camera does not support rtp over {}", transport.name()));
        assert!(error.needs_person());
    }
}

#[test]
fn multicast_is_the_last_resort_and_needs_a_group() {
    let refused = status("461 x");
    let granted = "RTSP/1.0 200 OK\r\nSession: 1\r\nTransport: RTP/AVP;multicast;ttl=16\r\n\r\n";
    let talk = set_up(None, GROUP_SDP, &[&refused, &refused, granted]).expect("set up");
    assert_eq!(asked(&talk)[2], "RTP/AVP;multicast");
    let ready = talk.ready.expect("ready");
    let group = Some((Ipv4Addr::new(239, 1, 2, 3), 7000, 7001));
    assert_eq!(ready.delivery.expect("datagrams").group, group);
    let error = set_up(None, SDP, &[&refused, &refused]).map(|_| ()).unwrap_err();
    assert_eq!(error, DialogError::NoTransport(None));
}

#[test]
fn tracks_that_are_discarded_get_the_ports_of_the_video() {
    let sdp = format!("{SDP}m=audio 0 RTP/AVP 0\r\na=control:track2\r\n");
    let mut habits = Habits::default();
    habits.granted(Transport::Udp);
    let nothing = |transport| crate::rtsp::SessionEnding {
        after_us: 1,
        is_silent: true,
        transport,
        timeout_s: None,
    };
    habits.learn(nothing(Transport::Tcp));
    let mut talk = Talk::with(URL, None, &habits);
    talk.answers(&[&status("200 OK"), &describe("", &sdp), UDP, UDP]).expect("set up");
    assert_eq!(asked(&talk), ["RTP/AVP;unicast;client_port=5000-5001"; 2]);
    assert!(talk.ready.is_some());
}

const SOUND: &str = "m=audio 0 RTP/AVP 8\r\na=control:track2\r\n";

/// A dialog that wants the sound, after TCP was refused and these answers to SETUP.
fn set_up_with_sound(sdp: &str, answers: &[&str]) -> Talk {
    let mut talk = Talk::with_sound(URL, &Habits::default());
    let refused = status("461 x");
    talk.answers(&[&status("200 OK"), &describe("", sdp), &refused]).expect("described");
    talk.answers(answers).expect("set up");
    talk
}

#[test]
fn sound_gets_ports_of_its_own_by_udp() {
    let sound = UDP.replace("5000-5001", "5002-5003").replace("6000-6001", "6002-6003");
    let talk = set_up_with_sound(&format!("{SDP}{SOUND}"), &[UDP, &sound]);
    let expected =
        ["RTP/AVP;unicast;client_port=5000-5001", "RTP/AVP;unicast;client_port=5002-5003"];
    assert_eq!(asked(&talk)[1..], expected);
    assert_eq!(talk.said.iter().filter(|said| *said == "ports").count(), 2);
    let ready = talk.ready.expect("ready");
    assert_eq!(ready.transport, Transport::Udp);
    assert_eq!(ready.sound.track().map(|track| track.payload_type), Some(8));
    let server = |delivery: Option<Delivery>| delivery.and_then(|delivery| delivery.server);
    assert_eq!(server(ready.delivery), Some((6000, 6001)));
    assert_eq!(server(ready.sound_delivery), Some((6002, 6003)));
    assert_eq!(ready.sound.problem(), None);
}

#[test]
fn answers_that_come_at_once_wait_for_the_ports_of_the_sound() {
    let talk = set_up_with_sound(&format!("{SDP}{SOUND}"), &[&(UDP.to_owned() + UDP)]);
    assert_eq!(asked(&talk).len(), 3);
    assert!(talk.ready.expect("ready").sound_delivery.is_some());
}

#[test]
fn sound_that_is_refused_by_udp_costs_no_picture() {
    for answer in [status("461 x"), status("404 x"), SETUP.to_owned()] {
        let ready = set_up_with_sound(&format!("{SDP}{SOUND}"), &[UDP, &answer]).ready;
        let ready = ready.expect("ready");
        assert_eq!((&ready.sound, ready.sound_delivery), (&CameraSound::Refused, None));
        assert!(ready.delivery.is_some() && ready.session.has_datagrams());
    }
    // Without wanting it there is no SETUP for it.
    let talk = set_up(None, &format!("{SDP}{SOUND}"), &[&status("461 x"), UDP]).expect("set up");
    assert_eq!(asked(&talk).len(), 2);
}

#[test]
fn the_sound_is_asked_for_in_the_form_that_the_video_was_set_up_by() {
    let described =
        describe("Content-Base: rtsp://192.0.2.7/a/b?c=1\r\n", &format!("{SDP}{SOUND}"));
    let sound = SETUP.replace("0-1", "2-3");
    for (refusals, expected) in [(0, "a/b?c=1/track2"), (1, "a/track2")] {
        let mut talk = Talk::with_sound(URL, &Habits::default());
        talk.answers(&[&status("200 OK"), &described]).expect("described");
        for _ in 0..refusals {
            talk.answer(&status("404 x")).expect("another form");
        }
        talk.answers(&[SETUP, &sound]).expect("set up");
        let lines = talk.lines();
        assert_eq!(lines[lines.len() - 2], format!("SETUP rtsp://192.0.2.7/{expected}"));
        assert!(talk.ready.expect("ready").sound.track().is_some());
    }
}

#[test]
fn sound_by_multicast_has_the_group_of_its_answer_or_of_the_sdp() {
    let video = "RTP/AVP;multicast;destination=239.1.2.3;port=7000-7001";
    let answer = |transport: &str| {
        format!("RTSP/1.0 200 OK\r\nSession: 1\r\nTransport: {transport}\r\n\r\n")
    };
    let own = "m=audio 7002 RTP/AVP 8\r\nc=IN IP4 239.1.2.4/16\r\na=control:track2\r\n";
    let of_video = "m=audio 7000 RTP/AVP 8\r\na=control:track2\r\n";
    let same_type = "m=audio 7000 RTP/AVP 96\r\na=rtpmap:96 PCMU/8000\r\na=control:track2\r\n";
    let (first, second) = (Ipv4Addr::new(239, 1, 2, 3), Ipv4Addr::new(239, 1, 2, 4));
    for (section, transport, group, is_heard) in [
        (
            own,
            "RTP/AVP;multicast;destination=239.1.2.3;port=7004-7005",
            Some((first, 7004, 7005)),
            true,
        ),
        (own, "RTP/AVP;multicast", Some((second, 7002, 7003)), true),
        // With the video: its sockets are enough, unless nothing tells both apart.
        (of_video, "RTP/AVP;multicast", None, true),
        (same_type, "RTP/AVP;multicast", None, false),
    ] {
        let sdp = format!("{GROUP_SDP}{section}");
        let refused = status("461 x");
        let answers = [refused, answer(video), answer(transport)];
        let answers = answers.each_ref().map(String::as_str);
        let ready = set_up_with_sound(&sdp, &answers).ready.expect("ready");
        assert_eq!(ready.transport, Transport::Multicast);
        assert_eq!(ready.sound_delivery.and_then(|delivery| delivery.group), group, "{section}");
        assert_eq!(ready.sound.track().is_some(), is_heard, "{section}");
    }
}

#[test]
fn the_forms_that_a_camera_wants_are_the_first_of_the_next_dialog() {
    let (options, not_found) = (status("200 OK"), status("404 x"));
    let described = describe("Content-Base: rtsp://192.0.2.7/a/b?c=1\r\n", SDP);
    let mut talk = Talk::new(URL, None);
    talk.answers(&[&options, &not_found, &described, &not_found, SETUP]).expect("set up");
    let forms = talk.ready.expect("ready").forms;
    assert!(forms.is_path_only && forms.is_joined);
    let mut habits = Habits::default();
    habits.asked_as(forms);
    let mut talk = Talk::with(URL, None, &habits);
    talk.answers(&[&options, &described, SETUP]).expect("set up");
    let expected =
        ["OPTIONS /stream1", "DESCRIBE /stream1", "SETUP rtsp://192.0.2.7/a/track1", "ready"];
    assert_eq!(talk.lines(), expected);
    assert_eq!(talk.ready.expect("ready").forms, forms);
}

#[test]
fn a_scheme_that_a_camera_refuses_is_not_tried_by_the_next_dialog() {
    let both = "RTSP/1.0 401 x\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"1\", \
        algorithm=SHA-256\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"1\"\r\n\r\n";
    let (options, described) = (status("200 OK"), describe("", SDP));
    let mut talk = Talk::new(URL, viewer());
    talk.answers(&[&options, both, both, &described, SETUP]).expect("set up");
    assert!(talk.said[2].contains("algorithm=SHA-256"));
    let mut habits = Habits::default();
    habits.asked_as(talk.ready.expect("ready").forms);
    let mut talk = Talk::with(URL, viewer(), &habits);
    talk.answers(&[&options, both, &described, SETUP]).expect("set up");
    assert!(talk.said.iter().all(|request| !request.contains("SHA-256")));
}
