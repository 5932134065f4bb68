//! What a dialog refuses to do for an impostor in the camera's place, and further tracks.

use super::super::framing::Broken;
use super::super::sdp::CameraSound;
use super::super::session::Sink;
use super::super::testing::{carry_pool, frame, rtp};
use super::tests::{DIGEST, SDP, SETUP, Talk, URL, describe, played, status, viewer};
use super::*;

fn to(url: &str) -> String {
    format!("RTSP/1.0 302 Moved\r\nLocation: {url}\r\n\r\n")
}

#[test]
fn redirects_are_followed_to_the_same_host_with_the_login() {
    let mut talk = Talk::new(URL, viewer());
    let same = to("rtsp://192.0.2.7:8554/other");
    talk.answers(&[&status("200 OK"), &same, DIGEST]).expect("follows");
    assert_eq!(talk.lines()[2..4], ["!8554", "DESCRIBE rtsp://192.0.2.7:8554/other"]);
    assert!(talk.last().contains("username=\"viewer\""));
    let mut talk = Talk::new(URL, viewer());
    talk.answer(&status("200 OK")).expect("describes");
    talk.answers(&[same.as_str(); 3]).expect("follows three");
    assert_eq!(talk.answer(&same), Err(DialogError::Redirects));
    // The redirect names the camera by its name, or by its address.
    for location in
        ["rtsp://Cam.LAN:8554/x", "rtsp://192.0.2.7:8554/x", "rtsp://[::ffff:192.0.2.7]:8554/x"]
    {
        let mut talk = Talk::new("rtsp://cam.lan/stream1", viewer());
        talk.answers(&[&status("200 OK"), &to(location)]).expect(location);
        assert_eq!(talk.lines()[2], "!8554");
    }
}

#[test]
fn redirects_lead_to_no_other_host() {
    for location in [
        "rtsp://198.51.100.1/other",
        "rtsp://192.0.2.8/neighbour",
        "rtsp://127.0.0.1:8554/other",
        "rtsp://[::1]/other",
        "rtsp://169.254.169.254/other",
        "rtsp://[fe80::1%eth0]/other",
        "rtsp://224.0.0.1/other",
        "rtsp://0.0.0.0/other",
        "rtsp://localhost/other",
        "rtsp://cam.lan/other",
    ] {
        let mut talk = Talk::new(URL, viewer());
        let error = talk.answers(&[&status("200 OK"), &to(location)]).unwrap_err();
        assert!(matches!(error, DialogError::RedirectHost { .. }), "{location}: {error}");
        let said = error.to_string();
        assert!(error.needs_person() && said.contains("/(hidden)"), "{said}");
        assert!(!said.contains("/other") && !said.contains("/neighbour"), "{said}");
        assert_eq!(talk.said.len(), 2, "nothing more is said, and no connection made");
    }
    let mut talk = Talk::new(URL, viewer());
    let error = talk.answers(&[&status("200 OK"), &to("rtsps://192.0.2.7/x")]).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("to another kind of connection, rtsps://192.0.2.7:322/(hidden)"),
        "{said}"
    );
    assert!(error.needs_person());
    let mut talk = Talk::new(URL, viewer());
    let error = talk.answers(&[&status("200 OK"), &to("http://192.0.2.7/x")]).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("to a url that does not begin with rtsp://"), "{said}");
}

#[test]
fn basic_is_not_answered_where_digest_was_taken_before() {
    let basic = "RTSP/1.0 401 x\r\nWWW-Authenticate: Basic realm=\"c\"\r\n\r\n";
    let mut talk = Talk::new(URL, viewer());
    talk.answers(&[&status("200 OK"), DIGEST]).expect("signs");
    assert!(!talk.dialog.takes_digest(), "it has not taken it yet");
    talk.answers(&[&describe("", SDP), SETUP]).expect("set up");
    assert!(talk.dialog.takes_digest());
    assert!(!talk.ready.expect("ready").is_in_the_clear);
    let mut habits = Habits::default();
    habits.took_digest();
    for answers in [vec![basic], vec!["RTSP/1.0 200 OK\r\n\r\n", basic]] {
        let mut talk = Talk::with(URL, viewer(), &habits);
        let error = talk.answers(&answers).unwrap_err();
        assert_eq!(error, DialogError::Downgrade);
        assert!(error.needs_person());
        assert!(!talk.said.concat().contains("Authorization"), "{:?}", talk.said);
    }
    // Basic is refused after a redirect as well.
    let mut talk = Talk::with(URL, viewer(), &habits);
    let moved = to("rtsp://192.0.2.7:8554/other");
    let error = talk.answers(&[&status("200 OK"), &moved, basic]).unwrap_err();
    assert_eq!(error, DialogError::Downgrade);
    // A camera that offers only Basic gets it, and the result says so.
    let mut talk = Talk::new(URL, viewer());
    talk.answers(&[&status("200 OK"), basic, &describe("", SDP), SETUP]).expect("set up");
    assert!(talk.ready.expect("ready").is_in_the_clear);
}

#[test]
fn digest_taken_for_options_alone_proves_nothing() {
    let both = "RTSP/1.0 401 x\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"1\"\r\n\
        WWW-Authenticate: Basic realm=\"c\"\r\n\r\n";
    let mut talk = Talk::new(URL, viewer());
    talk.answers(&[both, &status("200 OK"), both, &describe("", SDP), SETUP]).expect("by basic");
    assert!(talk.ready.expect("ready").is_in_the_clear);
}

#[test]
fn further_tracks_are_set_up_for_a_camera_that_waits_for_them() {
    let sound = "m=audio 0 RTP/AVP 0\r\na=control:track2\r\nm=audio 0 RTP/AVP 0\r\n\
        a=sendonly\r\na=control:back\r\nm=application 0 RTP/AVP 107\r\na=control:track3\r\n";
    let sdp = format!("{SDP}{sound}");
    let begin = [status("200 OK"), describe("Content-Base: 192.0.2.7:554/s/\r\n", &sdp)];
    let mut talk = Talk::new(URL, None);
    talk.answers(&[&begin[0], &begin[1], SETUP]).expect("set up");
    assert_eq!(talk.lines().len(), 4, "one track is enough: {:?}", talk.lines());
    let mut habits = Habits::default();
    habits.learn(crate::rtsp::SessionEnding {
        after_us: 10_000_000,
        is_silent: true,
        transport: crate::rtsp::Transport::Tcp,
        timeout_s: None,
    });
    let mut talk = Talk::with(URL, None, &habits);
    talk.answers(&[&begin[0], &begin[1], SETUP]).expect("goes on");
    assert!(talk.last().starts_with("SETUP rtsp://192.0.2.7:554/s/track2 "), "{}", talk.last());
    assert!(
        talk.last()
            .contains("\r\nSession: 12\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n")
    );
    talk.answer(&status("461 x")).expect("it does not matter");
    assert!(talk.last().contains("/track3 ") && talk.last().contains("interleaved=4-5"));
    talk.answer(SETUP).expect("ready");
    let play = played(talk.ready.expect("ready"));
    assert!(play.contains("CSeq: 6\r\n") && play.contains("\r\nSession: 12\r\n"), "{play}");
}

const SOUND: &str = "m=audio 0 RTP/AVP 8\r\na=control:track2\r\n";

/// The answers up to the SETUP of the video of a camera with sound.
fn begun(sdp: &str) -> Talk {
    let mut talk = Talk::with_sound(URL, &Habits::default());
    talk.answers(&[&status("200 OK"), &describe("", sdp), SETUP]).expect("set up");
    talk
}

fn set_up_on(channels: &str) -> String {
    format!("RTSP/1.0 200 OK\r\nSession: 12\r\nTransport: RTP/AVP/TCP;unicast{channels}\r\n\r\n")
}

#[test]
fn sound_is_set_up_on_channels_of_its_own() {
    for (answer, channel) in
        [("; interleaved=2-3", 2), (";interleaved=10-11", 10), (";interleaved=4", 4), ("", 2)]
    {
        let mut talk = begun(&format!("{SDP}{SOUND}"));
        assert!(talk.dialog.awaits_sound() && talk.ready.is_none());
        assert!(talk.last().starts_with("SETUP rtsp://192.0.2.7:554/stream1/track2 "));
        assert!(talk.last().contains("\r\nSession: 12\r\n"), "{}", talk.last());
        assert!(talk.last().contains("interleaved=2-3"), "{}", talk.last());
        talk.answer(&set_up_on(answer)).expect("set up");
        assert!(!talk.dialog.awaits_sound());
        let mut ready = talk.ready.expect("ready");
        assert_eq!(ready.sound.track().map(|track| track.payload_type), Some(8));
        let mut heard = Heard::default();
        let mut packet = rtp(1, 0, &[0xd5; 160]);
        packet[1] = 8;
        let (sound, picture) = (frame(channel, &packet), frame(0, &rtp(1, 0, &[0x41; 9])));
        let bytes = [sound, picture, frame(channel, &rtp(1, 0, &[1; 9]))].concat();
        ready.session.play(0);
        ready.session.receive(&bytes, &mut carry_pool(), 0, &mut heard).expect("plays");
        assert_eq!(heard.0, [("sound", packet.len()), ("picture", 21)], "{answer}");
    }
}

#[test]
fn a_camera_that_does_not_let_its_sound_be_set_up_plays_its_picture() {
    for answer in [
        status("404 Not Found"),
        status("461 Unsupported Transport"),
        status("500 x"),
        set_up_on(";interleaved=0-1"),
        set_up_on(";interleaved=1-2"),
        set_up_on(";client_port=5000-5001"),
    ] {
        let mut talk = begun(&format!("{SDP}{SOUND}"));
        talk.answer(&answer).expect("the picture is set up");
        let ready = talk.ready.expect("ready");
        assert_eq!(ready.sound, CameraSound::Refused, "{answer}");
        assert!(ready.sound.problem().is_some());
    }
    let mut talk = begun(&format!("{SDP}{SOUND}"));
    assert!(talk.dialog.closed().is_err() && talk.dialog.awaits_sound(), "the next is without");
}

#[test]
fn only_sound_that_browsers_take_is_set_up() {
    let aac = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/8000\r\na=control:track2\r\n";
    let ready = begun(&format!("{SDP}{aac}")).ready.expect("ready after one SETUP");
    assert_eq!(ready.sound, CameraSound::Unsupported("AAC".to_owned()));
    let mut talk = Talk::new(URL, None);
    let described = describe("", &format!("{SDP}{SOUND}"));
    talk.answers(&[&status("200 OK"), &described, SETUP]).expect("set up");
    assert_eq!(talk.ready.expect("ready").sound, CameraSound::None, "none is wanted");
}

#[derive(Default)]
struct Heard(Vec<(&'static str, usize)>);

impl Sink for Heard {
    fn rtp(&mut self, packet: &[u8]) {
        self.0.push(("picture", packet.len()));
    }

    fn sound(&mut self, packet: &[u8]) {
        self.0.push(("sound", packet.len()));
    }

    fn broken(&mut self, why: Broken) {
        panic!("{why:?}");
    }
}
