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
fn further_tracks_get_the_same_ports() {
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

#[test]
fn sound_is_left_out_by_udp_and_the_reason_is_said() {
    let sdp = format!("{SDP}m=audio 0 RTP/AVP 8\r\na=control:track2\r\n");
    let mut talk = Talk::with_sound(URL, &Habits::default());
    let refused = status("461 x");
    talk.answers(&[&status("200 OK"), &describe("", &sdp), &refused, UDP]).expect("set up");
    assert_eq!(asked(&talk).len(), 2, "the picture alone");
    let ready = talk.ready.expect("ready");
    assert_eq!((ready.transport, &ready.sound), (Transport::Udp, &CameraSound::Datagrams));
    assert_eq!(ready.sound.problem().as_deref(), Some("its sound is not taken over UDP yet"));
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
