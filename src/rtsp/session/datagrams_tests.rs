//! Sessions of cameras that send datagrams: picture and sound, their order, reports and ends.

use super::*;
use crate::limits::{
    REORDER_SOUND_US_MAX, REORDER_US_MAX, RTSP_REPORT_INTERVAL_US, RTSP_SILENCE_US_MAX,
};
use crate::rtsp::auth::Auth;
use crate::rtsp::framing::Broken;
use crate::rtsp::habits::Keepalive;
use crate::rtsp::session::Negotiated;
use crate::rtsp::testing::{
    PCMA, SOUND_SSRC, SSRC, carry_pool, frame, heard, reorder_pool, rtp, sender_report,
};
use crate::rtsp::{SessionError, SoundTrack};
use CameraTrack::{Picture, Sound};

const S: u64 = 1_000_000;

#[derive(Default)]
struct Packets {
    picture: Vec<Vec<u8>>,
    sound: Vec<Vec<u8>>,
    /// Of which track there were reports.
    reports: Vec<CameraTrack>,
}

impl Sink for Packets {
    fn rtp(&mut self, packet: &[u8]) {
        self.picture.push(packet.to_vec());
    }

    fn report(&mut self, _: &[u8]) {
        self.reports.push(Picture);
    }

    fn sound(&mut self, packet: &[u8]) {
        self.sound.push(packet.to_vec());
    }

    fn sound_report(&mut self, _: &[u8]) {
        self.reports.push(Sound);
    }

    fn broken(&mut self, _: Broken) {}
}

/// A session that was asked to play at time 0, and accepted.
fn playing_with(sound: Option<SoundTrack>, silence_us: Option<u64>) -> Session {
    let mut session = Session::new(Negotiated {
        base: "rtsp://192.0.2.7/live".to_owned(),
        session_id: None,
        timeout_s: None,
        route: RtpRoute::Datagrams { payload_type: 96, sound, silence_us },
        auth: Auth::new(None, false),
        cseq: 4,
        ssrc: 99,
        keepalive: Keepalive::Options,
        leftover: Vec::new(),
    });
    session.play(0);
    let answer = b"RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n";
    session.receive(answer, &mut carry_pool(), 0, &mut Packets::default()).expect("plays");
    session
}

fn playing(silence_us: Option<u64>) -> Session {
    playing_with(None, silence_us)
}

#[test]
fn video_is_handed_on_in_order_and_other_things_are_not() {
    let (mut session, mut pool) = (playing(None), reorder_pool());
    let mut packets = Packets::default();
    let [one, two, three] = [1, 2, 3].map(|number| rtp(number, 0, &[0x41, 0x9a]));
    for datagram in [&one, &heard(1), &three, &vec![], &vec![0x80], &vec![0xff; 40]] {
        session.datagram(Picture, datagram, &mut pool, S, &mut packets);
    }
    assert_eq!(packets.picture, [one]);
    assert_eq!(session.counters().unknown_content, 4);
    session.datagram(Picture, &two, &mut pool, S, &mut packets);
    assert_eq!(packets.picture[1..], [two, three]);
    session.datagram(Picture, &rtp(5, 0, &[1]), &mut pool, S, &mut packets);
    session.release_due(Picture, &mut pool, session.release_us(Picture), &mut packets);
    assert_eq!((packets.picture.len(), session.reorder_counters(Picture).lost), (4, 1));
    assert!(session.release_us(Picture) == u64::MAX && REORDER_US_MAX < S);
    assert!(packets.sound.is_empty());
}

#[test]
fn sound_is_handed_on_in_order_whatever_the_picture_waits_for() {
    let (mut session, mut pool) = (playing_with(Some(PCMA), None), reorder_pool());
    let mut packets = Packets::default();
    // The picture waits for its second packet, and the sound for its own.
    session.datagram(Picture, &rtp(1, 0, &[1]), &mut pool, S, &mut packets);
    session.datagram(Picture, &rtp(3, 0, &[1]), &mut pool, S, &mut packets);
    for number in [1, 3, 2] {
        session.datagram(Sound, &heard(number), &mut pool, S, &mut packets);
    }
    assert_eq!(packets.sound, [1, 2, 3].map(heard));
    assert_eq!(packets.picture.len(), 1);
    // One is lost: it is given up in time, and counts for the sound alone.
    session.datagram(Sound, &heard(5), &mut pool, S, &mut packets);
    assert_eq!(session.release_us(Sound), S + REORDER_SOUND_US_MAX);
    session.release_due(Sound, &mut pool, S + REORDER_SOUND_US_MAX, &mut packets);
    assert_eq!(packets.sound.len(), 4);
    assert_eq!(session.reorder_counters(Sound).lost, 1);
    assert_eq!(session.reorder_counters(Picture).lost, 0);
    // The picture is never taken from the sound's socket, nor another type.
    session.datagram(Sound, &rtp(2, 0, &[1]), &mut pool, S, &mut packets);
    assert_eq!((packets.picture.len(), session.counters().unknown_content), (1, 1));
    // A camera that sends both to one group: the type decides.
    session.datagram(Picture, &heard(6), &mut pool, S, &mut packets);
    assert_eq!(packets.sound.len(), 5);
    session.release(&mut carry_pool(), &mut pool);
    assert_eq!(pool.counts().used, 0);
}

#[test]
fn sound_alone_is_no_sign_of_a_picture() {
    let (mut session, mut pool) = (playing_with(Some(PCMA), Some(3 * S)), reorder_pool());
    let mut packets = Packets::default();
    session.datagram(Sound, &heard(1), &mut pool, S, &mut packets);
    assert_eq!(session.timeout(3 * S), Err(SessionError::NoDatagrams));
}

#[test]
fn a_source_of_a_stale_session_is_not_mixed_into_the_sound() {
    let (mut session, mut pool) = (playing_with(Some(PCMA), None), reorder_pool());
    let mut packets = Packets::default();
    for number in 1..40 {
        session.datagram(Sound, &heard(number), &mut pool, S, &mut packets);
        let mut stale = heard(number * 7);
        stale[8] = 1;
        session.datagram(Sound, &stale, &mut pool, S, &mut packets);
    }
    assert_eq!(packets.sound, (1..40).map(heard).collect::<Vec<_>>());
    assert!(session.reorder_counters(Sound).foreign >= 38);
}

#[test]
fn the_way_is_opened_before_play_and_with_each_report() {
    let mut session = playing_with(Some(PCMA), None);
    for track in [Picture, Sound] {
        let first = session.take_rtcp(track);
        assert_eq!(first.bytes()[..4], [0x80, 201, 0, 1], "a report without a block");
        assert!(session.take_rtcp(track).bytes().is_empty(), "once");
    }
    assert_eq!(session.punch(), [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99]);
    let (mut packets, mut pool) = (Packets::default(), reorder_pool());
    session.datagram(Picture, &rtp(1, 0, &[1]), &mut pool, S, &mut packets);
    session.datagram(Sound, &heard(1), &mut pool, S, &mut packets);
    session.request_key_frame(true, 2 * S);
    assert!(session.take_rtcp(Sound).bytes().is_empty(), "a key frame is the picture's matter");
    session.timeout(RTSP_REPORT_INTERVAL_US).expect("it plays");
    for (track, ssrc) in [(Picture, SSRC), (Sound, SOUND_SSRC)] {
        let report = session.take_rtcp(track);
        assert_eq!(report.bytes()[..4], [0x81, 201, 0, 7]);
        assert_eq!(report.bytes()[8..12], ssrc, "about its own source");
    }
    let text = String::from_utf8(session.transmit().to_vec()).expect("ascii");
    assert!(!text.contains('$'), "nothing interleaved: {text}");
    let mut mute = playing(None);
    assert!(mute.take_rtcp(Sound).bytes().is_empty());
}

#[test]
fn reports_go_by_their_source_and_else_by_their_port() {
    let (mut session, mut pool) = (playing_with(Some(PCMA), None), reorder_pool());
    let mut packets = Packets::default();
    session.rtcp_datagram(Sound, &sender_report(SSRC), S, &mut packets);
    session.rtcp_datagram(Picture, &sender_report(SOUND_SSRC), S, &mut packets);
    assert_eq!(packets.reports, [Sound, Picture], "no source is known yet");
    session.datagram(Picture, &rtp(1, 0, &[1]), &mut pool, S, &mut packets);
    session.datagram(Sound, &heard(1), &mut pool, S, &mut packets);
    packets.reports.clear();
    for (port, ssrc) in [(Sound, SSRC), (Picture, SOUND_SSRC), (Sound, [0; 4]), (Picture, [0; 4])] {
        session.rtcp_datagram(port, &sender_report(ssrc), S, &mut packets);
    }
    assert_eq!(packets.reports, [Picture, Sound, Sound, Picture]);
    // One that comes to the RTP port, as it may.
    session.datagram(Sound, &sender_report(SOUND_SSRC), &mut pool, S, &mut packets);
    assert_eq!(packets.reports.len(), 5);
    session.timeout(RTSP_REPORT_INTERVAL_US).expect("it plays");
    let report = session.take_rtcp(Sound);
    assert_eq!(report.bytes()[24..28], [1, 2, 3, 4], "the camera's own time comes back");
    for length in 0..12 {
        let part = &sender_report(SOUND_SSRC)[..length];
        session.rtcp_datagram(Sound, part, S, &mut packets);
    }
}

#[test]
fn a_camera_that_sends_nothing_is_given_up_early_if_there_is_another_way() {
    let mut session = playing(Some(3 * S));
    assert_eq!(session.deadline_us(), 3 * S);
    session.timeout(3 * S - 1).expect("not yet");
    assert_eq!(session.timeout(3 * S), Err(SessionError::NoDatagrams));
    let mut session = playing(Some(3 * S));
    let (mut pool, mut packets) = (reorder_pool(), Packets::default());
    session.datagram(Picture, &rtp(1, 0, &[1]), &mut pool, 2 * S, &mut packets);
    session.timeout(4 * S).expect("it plays");
    let mut session = playing(None);
    session.timeout(9 * S).expect("it may begin late");
    assert_eq!(session.timeout(RTSP_SILENCE_US_MAX), Err(SessionError::Silent));
}

#[test]
fn frames_on_the_connection_are_no_video() {
    let (mut session, mut packets) = (playing(None), Packets::default());
    let frame = frame(0, &rtp(1, 0, &[1; 20]));
    session.receive(&frame, &mut carry_pool(), 0, &mut packets).expect("passed over");
    assert!(packets.picture.is_empty());
}
