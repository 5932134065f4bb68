//! A session with a camera, with a clock that the test sets.

use super::super::examine::SoundChannels;
use super::super::testing::{
    PCMA, SOUND_SSRC, SSRC, carry_pool, frame, heard, reorder_pool, rtp, sender_report,
};
use super::super::url::CameraCredentials;
use super::*;
use crate::limits::RTSP_SILENCE_US_MAX;

const S: u64 = 1_000_000;

#[derive(Default)]
struct Calls(Vec<String>);

impl Sink for Calls {
    fn rtp(&mut self, packet: &[u8]) {
        self.0.push(format!("rtp {packet:?}"));
    }

    fn sound(&mut self, packet: &[u8]) {
        self.0.push(format!("sound {packet:?}"));
    }

    fn broken(&mut self, why: Broken) {
        self.0.push(format!("{why:?}"));
    }
}

struct Camera {
    session: Session,
    pool: Box<CarryPool>,
    calls: Calls,
}

impl Camera {
    fn new(leftover: &[u8]) -> Self {
        Self::with_sound(leftover, None)
    }

    fn with_sound(leftover: &[u8], sound: Option<SoundChannels>) -> Self {
        let session = Session::new(Negotiated {
            base: "rtsp://192.0.2.7/stream1/".to_owned(),
            session_id: Some("12".to_owned()),
            timeout_s: None,
            route: RtpRoute::Interleaved(Channels { rtp: 0, rtcp: 1, payload_type: 96, sound }),
            auth: Auth::new(
                Some(CameraCredentials { user: "u".to_owned(), password: "p".to_owned() }),
                false,
            ),
            cseq: 4,
            ssrc: 99,
            keepalive: habits::Keepalive::Options,
            leftover: leftover.to_vec(),
        });
        Self { session, pool: carry_pool(), calls: Calls::default() }
    }

    /// A session whose PLAY was sent at time 0 and accepted.
    fn playing() -> Self {
        Self::new(&[]).play()
    }

    fn play(mut self) -> Self {
        let camera = &mut self;
        camera.session.play(0);
        camera.written();
        camera.says("RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 12\r\n\r\n", 0).expect("plays");
        self
    }

    fn says(&mut self, text: &str, now_us: u64) -> Result<(), SessionError> {
        self.sends(text.as_bytes(), now_us)
    }

    fn sends(&mut self, bytes: &[u8], now_us: u64) -> Result<(), SessionError> {
        self.session.receive(bytes, &mut self.pool, now_us, &mut self.calls)
    }

    /// What weir has written since the last call: requests as text, frames as `$<channel>`.
    fn written(&mut self) -> String {
        let bytes = self.session.transmit().to_vec();
        self.session.sent(bytes.len());
        let mut text = String::new();
        let mut rest = bytes.as_slice();
        while let Some((first, after)) = rest.split_first() {
            if let ([b'$', channel, high, low], true) = (&rest[..rest.len().min(4)], *first == b'$')
            {
                text += &format!("${channel}");
                rest = &rest[4 + usize::from(u16::from_be_bytes([*high, *low]))..];
            } else {
                text.push(char::from(*first));
                rest = after;
            }
        }
        text
    }
}

fn packet(sequence: u16) -> Vec<u8> {
    frame(0, &rtp(sequence, 0, &[0x41; 20]))
}

#[test]
fn play_asks_for_the_range_that_parrot_wants() {
    let mut camera = Camera::new(&[]);
    assert_eq!(camera.session.deadline_us(), u64::MAX);
    camera.session.play(0);
    let expected = "PLAY rtsp://192.0.2.7/stream1/ RTSP/1.0\r\nCSeq: 4\r\nUser-Agent: weir\r\n\
        Session: 12\r\nRange: npt=0.000-\r\n\r\n";
    assert_eq!(camera.written(), expected);
}

#[test]
fn data_before_the_answer_to_play_counts_and_early_bytes_come_first() {
    let stream = [packet(1), packet(2)].concat();
    let mut camera = Camera::new(&stream[..50]);
    camera.session.play(0);
    camera.sends(&stream[50..], 0).expect("plays");
    assert_eq!(camera.calls.0.len(), 2);
    camera.says("RTSP/1.0 454 Session Not Found\r\nCSeq: 4\r\n\r\n", 0).expect("rtp flows");
}

#[test]
fn a_refused_or_unanswered_play_ends_it() {
    let mut camera = Camera::new(&[]);
    camera.session.play(0);
    let refused = camera.says("RTSP/1.0 503 Busy\r\nCSeq: 99\r\n\r\n", 0);
    assert_eq!(refused, Err(SessionError::PlayRefused { status: 503 }));
    let mut camera = Camera::new(&[]);
    camera.session.play(0);
    camera.written();
    assert_eq!(camera.session.timeout(5 * S), Ok(()));
    assert!(camera.written().starts_with("$1"), "a report and no keepalive");
    let over = camera.session.timeout(RTSP_SILENCE_US_MAX);
    assert_eq!(over, Err(SessionError::PlayUnanswered));
}

#[test]
fn silence_is_probed_at_5_s_and_ends_it_at_10() {
    let mut camera = Camera::playing();
    camera.sends(&packet(1), S).expect("plays");
    assert_eq!(camera.session.deadline_us(), 5 * S);
    camera.session.timeout(5 * S).expect("report");
    assert!(camera.written().starts_with("$1"));
    assert_eq!(camera.session.deadline_us(), 6 * S);
    camera.session.timeout(6 * S).expect("probe");
    assert!(camera.written().starts_with("OPTIONS rtsp://192.0.2.7/stream1/ RTSP/1.0\r\n"));
    assert_eq!(camera.session.timeout(11 * S), Err(SessionError::Silent));
}

#[test]
fn a_camera_that_plays_for_an_hour_needs_no_answers() {
    let mut camera = Camera::playing();
    let (mut now_us, mut keepalives, mut reports) = (0, 0, 0);
    while now_us < 3600 * S {
        let deadline_us = camera.session.deadline_us();
        assert!(deadline_us > now_us, "no spinning");
        now_us = deadline_us.min(now_us + S);
        camera.sends(&packet(u16::try_from(now_us / S).expect("small")), now_us).expect("plays");
        camera.session.timeout(now_us).expect("plays");
        let written = camera.written();
        keepalives += written.matches("OPTIONS").count();
        reports += written.matches("$1").count();
    }
    assert_eq!(keepalives, 144, "one every 25 s");
    assert_eq!(reports, 720, "one every 5 s");
}

#[test]
fn the_sound_is_reported_on_as_often_as_the_picture_on_its_own_channel() {
    let sound = Some(SoundChannels { rtp: 4, rtcp: 5, track: PCMA });
    let mut camera = Camera::with_sound(&[], sound).play();
    camera.sends(&packet(1), 4 * S).expect("plays");
    camera.session.timeout(5 * S).expect("plays");
    assert_eq!(camera.written(), "$1$5", "before there is any");
    for number in [1, 2, 4] {
        camera.sends(&frame(4, &heard(number)), 6 * S).expect("plays");
    }
    camera.sends(&frame(5, &sender_report(SOUND_SSRC)), 6 * S).expect("plays");
    camera.sends(&packet(2), 9 * S).expect("plays");
    camera.session.timeout(10 * S).expect("plays");
    let written = camera.session.transmit().to_vec();
    let (of_picture, of_sound) = written.split_at(4 + 8 + 24 + 20);
    assert_eq!(of_picture[..4], [b'$', 1, 0, 52]);
    assert_eq!(of_picture[12..16], SSRC);
    assert_eq!(of_sound[..4], [b'$', 5, 0, 52]);
    assert_eq!(of_sound[12..16], SOUND_SSRC);
    assert_eq!(of_sound[16..20], [64, 0, 0, 1], "one of four is lost");
    assert_eq!(of_sound[28..32], [1, 2, 3, 4], "the camera's own time comes back");
    assert_eq!(of_sound[32..36], [0, 4, 0, 0], "after 4 s");
    assert!(camera.session.request_key_frame(true, 11 * S));
    camera.written();
    camera.session.request_key_frame(true, 12 * S);
    assert_eq!(camera.written(), "$1", "a key frame is the picture's matter");
}

#[test]
fn no_outcome_of_a_keepalive_ends_a_session_that_delivers() {
    let mut camera = Camera::playing();
    for (second, answer) in [
        "RTSP/1.0 454 Session Not Found\r\nCSeq: 1\r\n\r\n",
        "RTSP/1.0 400 Bad Request\r\nCSeq: 77\r\n\r\n",
        "RTSP/1.0 200\r\n\r\n",
        "RTSP/1.0 401 Unauthorized\r\n\r\n",
        "RTSP/9.9 what\r\n\r\n",
    ]
    .iter()
    .enumerate()
    {
        let now_us = (second as u64 + 1) * 25 * S;
        camera.sends(&packet(1), now_us).expect("plays");
        camera.session.timeout(now_us).expect("plays");
        camera.says(answer, now_us).expect(answer);
        camera.written();
    }
}

#[test]
fn a_401_at_any_time_is_signed_again() {
    let challenge = |nonce: u32, cseq: u32| {
        format!(
            "RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\n\
             WWW-Authenticate: Digest realm=\"c\", nonce=\"{nonce}\"\r\n\r\n"
        )
    };
    let mut camera = Camera::playing();
    for (round, method) in (1..).zip(["OPTIONS", "OPTIONS", "OPTIONS"]) {
        let now_us = u64::from(round) * 25 * S;
        camera.sends(&packet(1), now_us).expect("plays");
        camera.session.timeout(now_us).expect("plays");
        camera.written();
        camera.says(&challenge(round, 3 + 2 * round), now_us).expect("plays");
        let again = camera.written();
        assert!(again.starts_with(method), "{again}");
        assert!(again.contains(&format!("nonce=\"{round}\"")), "{again}");
        let cseq = 4 + 2 * round;
        camera.says(&format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n"), now_us).expect("plays");
    }
    camera.session.teardown();
    let teardown = camera.written();
    assert!(teardown.starts_with("TEARDOWN") && teardown.contains("nonce=\"3\""), "{teardown}");
    camera.says(&challenge(9, 11), 0).expect("ends");
    assert!(camera.written().contains("nonce=\"9\""));
    assert!(!camera.session.is_torn_down());
    camera.says("RTSP/1.0 200 OK\r\n\r\n", 0).expect("ends");
    assert!(camera.session.is_torn_down());
    assert_eq!(camera.session.deadline_us(), u64::MAX);
}

#[test]
fn a_timeout_told_with_play_counts() {
    let mut camera = Camera::new(&[]);
    camera.session.play(0);
    camera.written();
    let answer = "RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 12;timeout=15\r\n\r\n";
    camera.says(answer, 0).expect("plays");
    camera.sends(&packet(1), 7 * S).expect("plays");
    camera.session.timeout(7 * S).expect("plays");
    assert!(camera.session.transmit().starts_with(b"OPTIONS"));
}

#[test]
fn the_camera_may_ask_too() {
    let mut camera = Camera::playing();
    camera.says("OPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n", 0).expect("plays");
    assert_eq!(camera.written(), "RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n");
}

#[test]
fn a_key_frame_is_asked_for_once_a_second() {
    let mut camera = Camera::playing();
    camera.session.request_key_frame(true, 0);
    assert_eq!(camera.written(), "", "nobody to ask yet");
    camera.sends(&packet(1), 0).expect("plays");
    camera.session.request_key_frame(true, 0);
    assert_eq!(camera.session.transmit().len(), 4 + 8 + 24 + 20 + 12 + 20);
    camera.written();
    camera.session.request_key_frame(true, S - 1);
    assert_eq!(camera.written(), "");
    camera.session.request_key_frame(true, S);
    assert!(camera.written().starts_with("$1"));
    // Where RTCP is in vain, the second is counted all the same.
    assert!(camera.session.request_key_frame(false, 2 * S));
    assert_eq!(camera.written(), "");
    assert!(!camera.session.request_key_frame(true, 3 * S - 1));
    assert!(camera.session.request_key_frame(true, 3 * S));
}

#[test]
fn a_camera_that_does_not_read_costs_nothing_more() {
    let mut camera = Camera::playing();
    for second in 0..600 {
        camera.sends(&packet(1), second * S).expect("plays");
        camera.session.timeout(second * S).expect("plays");
        camera.session.request_key_frame(true, second * S);
        camera.says("OPTIONS * RTSP/1.0\r\n\r\n", second * S).expect("plays");
    }
    let len = camera.session.transmit().len();
    assert!(len <= crate::limits::RTSP_TRANSMIT_BYTES_MAX && len > 2000, "{len}");
}

#[test]
fn it_does_not_matter_how_a_conversation_is_cut_into_reads() {
    let stream = [
        packet(1),
        b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 12;timeout=15\r\n\r\n".to_vec(),
        frame(1, &[&[0x80, 200, 0, 6][..], &[1; 24]].concat()),
        packet(2),
        b"\x07\x07OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(),
        packet(3),
        b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 2\r\n\r\n".to_vec(),
        frame(2, &[0; 77]),
        packet(4),
    ]
    .concat();
    let outcome = |cuts: &[usize]| {
        let mut camera = Camera::new(&[]);
        camera.session.play(0);
        let mut start = 0;
        for end in cuts.iter().copied().chain([stream.len()]) {
            camera.sends(&stream[start..end], 0).expect("plays");
            start = end;
        }
        assert_eq!(camera.pool.in_use(), [0, 0, 0]);
        let counters = camera.session.counters();
        (camera.calls.0, counters, camera.session.transmit().to_vec())
    };
    let whole = outcome(&[]);
    assert_eq!(whole.0.len(), 5, "{:?}", whole.0);
    assert_eq!((whole.1.unknown_channel, whole.1.resyncs), (1, 1));
    for cut in 0..stream.len() {
        assert_eq!(outcome(&[cut]), whole, "cut at {cut}");
    }
    let bytes: Vec<usize> = (1..stream.len()).collect();
    assert_eq!(outcome(&bytes), whole, "byte by byte");
}

#[test]
fn a_session_that_never_played_says_goodbye_too() {
    let mut camera = Camera::new(&[]);
    camera.session.teardown();
    camera.session.teardown();
    assert_eq!(camera.written().matches("TEARDOWN").count(), 1);
    camera.says("RTSP/1.0 454 Session Not Found\r\n\r\n", 0).expect("ends");
    assert!(camera.session.is_torn_down());
}

#[test]
fn a_slot_is_given_back_at_the_end() {
    let mut camera = Camera::playing();
    camera.sends(&packet(1)[..30], 0).expect("plays");
    assert_eq!(camera.pool.in_use().iter().sum::<usize>(), 1);
    camera.session.release(&mut camera.pool, &mut reorder_pool());
    assert_eq!(camera.pool.in_use(), [0, 0, 0]);
}

#[test]
fn a_session_is_small_and_moves_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&Camera::playing().session);
    assert!(size_of::<Session>() <= 5000, "{} bytes", size_of::<Session>());
}
