//! Dialogs with the answers of real camera models, cut at every byte.

use super::super::framing::Broken;
use super::super::session::Sink;
use super::super::testing::{carry_pool, frame, rtp};
use super::*;
use crate::codec::Codec;
use crate::limits::{RTSP_BODY_BYTES_MAX, RTSP_HEAD_BYTES_MAX};

pub(super) const URL: &str = "rtsp://192.0.2.7:554/stream1";
/// The address of every connection.
const PEER: [u8; 4] = [192, 0, 2, 7];
pub(super) const SETUP: &str = "RTSP/1.0 200 OK\r\nSession: 12;timeout=60\r\n\
    Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
pub(super) const SDP: &str =
    "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n";
pub(super) const DIGEST: &str = "RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\n\
    WWW-Authenticate: Digest realm=\"cam\", nonce=\"n1\"\r\n\r\n";

/// A file of `tests/data/rtsp`, converted to the bytes on the wire.
fn fixture(name: &str) -> String {
    let path = format!("{}/tests/data/rtsp/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path).replace('\n', "\r\n");
    let (head, body) = text.split_once("\r\n\r\n").expect("a blank line");
    let length = format!("Content-Length: {}", body.len());
    format!("{}\r\n\r\n{body}", head.replace("Content-Length: @", &length))
}

pub(super) fn status(line: &str) -> String {
    format!("RTSP/1.0 {line}\r\n\r\n")
}

pub(super) fn describe(extra: &str, sdp: &str) -> String {
    format!("RTSP/1.0 200 OK\r\n{extra}Content-Length: {}\r\n\r\n{sdp}", sdp.len())
}

pub(super) fn viewer() -> Option<CameraCredentials> {
    Some(CameraCredentials { user: "viewer".to_owned(), password: "sesame".to_owned() })
}

/// A dialog and a record of its requests.
pub(super) struct Talk {
    pub(super) dialog: Dialog,
    /// Every request, `!port` for each new connection, and `ready`.
    pub(super) said: Vec<String>,
    pub(super) ready: Option<Box<Ready>>,
}

impl Talk {
    pub(super) fn new(url: &str, credentials: Option<CameraCredentials>) -> Self {
        Self::with(url, credentials, &Habits::default())
    }

    pub(super) fn with(url: &str, credentials: Option<CameraCredentials>, habits: &Habits) -> Self {
        Self::of(Dialog::new(parsed(url), PEER.into(), credentials, habits, false))
    }

    /// The same, and the camera's sound is wanted.
    pub(super) fn with_sound(url: &str, habits: &Habits) -> Self {
        Self::of(Dialog::new(parsed(url), PEER.into(), None, habits, true))
    }

    fn of(dialog: Dialog) -> Self {
        let mut talk = Self { dialog, said: Vec::new(), ready: None };
        talk.listen();
        talk
    }

    fn listen(&mut self) {
        loop {
            self.said.push(match self.dialog.poll() {
                DialogStep::Read => return,
                DialogStep::Send(bytes) => String::from_utf8(bytes).expect("ascii"),
                DialogStep::OpenPorts => {
                    let port = if self.dialog.awaits_sound() { 5002 } else { 5000 };
                    self.dialog.ports_opened(port).expect("a request that fits");
                    "ports".to_owned()
                }
                DialogStep::Connect(port) => format!("!{port}"),
                DialogStep::Ready(ready) => {
                    self.ready = Some(ready);
                    "ready".to_owned()
                }
            });
        }
    }

    pub(super) fn answer(&mut self, text: &str) -> Result<(), DialogError> {
        self.dialog.receive(text.as_bytes())?;
        self.listen();
        Ok(())
    }

    /// Gives the dialog these answers one by one, up to the first error.
    pub(super) fn answers(&mut self, texts: &[&str]) -> Result<(), DialogError> {
        texts.iter().try_for_each(|text| self.answer(text))
    }

    /// Method and URI of every request sent.
    pub(super) fn lines(&self) -> Vec<&str> {
        let line = |text: &'_ String| text.find(" RTSP/1.0").unwrap_or(text.len());
        self.said.iter().map(|text| &text[..line(text)]).collect()
    }

    pub(super) fn last(&self) -> &str {
        self.said.last().map_or("", String::as_str)
    }
}

fn parsed(url: &str) -> CameraUrl {
    CameraUrl::parse(url).expect(url)
}

/// The URI that PLAY is sent to.
pub(super) fn played(ready: Box<Ready>) -> String {
    let mut session = ready.session;
    session.play(0);
    String::from_utf8(session.transmit().to_vec()).expect("ascii")
}

#[test]
fn a_plain_camera_is_set_up() {
    let mut talk = Talk::new(URL, None);
    let options = status("200 OK");
    let described = describe("Content-Base: rtsp://192.0.2.7:554/stream1/\r\n", SDP);
    talk.answers(&[&options, &described, SETUP]).expect("set up");
    let expected = [
        "OPTIONS rtsp://192.0.2.7:554/stream1",
        "DESCRIBE rtsp://192.0.2.7:554/stream1",
        "SETUP rtsp://192.0.2.7:554/stream1/track1",
        "ready",
    ];
    assert_eq!(talk.lines(), expected);
    assert!(talk.said[1].contains("\r\nUser-Agent: weir\r\nAccept: application/sdp\r\n\r\n"));
    let transport = "\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
    assert!(talk.said[2].ends_with(transport) && !talk.said[2].contains("mode"));
    let play = played(talk.ready.expect("ready"));
    assert!(play.starts_with("PLAY rtsp://192.0.2.7:554/stream1/ RTSP/1.0\r\nCSeq: 4\r\n"));
    assert!(play.contains("\r\nSession: 12\r\n"));
}

#[test]
fn a_camera_of_h265_is_set_up_with_its_parameter_sets() {
    let mut talk = Talk::new(URL, None);
    let options = status("200 OK");
    talk.answers(&[&options, &fixture("hevc_describe"), SETUP]).expect("set up");
    let video = talk.ready.expect("ready").video;
    assert_eq!((video.codec, video.payload_type), (Codec::H265, 96));
    let kinds: Vec<u8> = video.parameter_sets.iter().map(|nal| nal[0] >> 1).collect();
    assert_eq!(kinds, [32, 33, 34]);
}

#[test]
fn every_make_is_set_up_where_it_wants_to_be() {
    let dahua =
        "rtsp://192.0.2.7:554/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif/";
    let hikvision = "rtsp://192.0.2.7:554/Streaming/Channels/101/";
    let query = "?transportmode=unicast&profile=Profile_1";
    let gw = "rtsp://192.0.2.7:554/H264?channel=1&subtype=0&unicast=true&proto=Onvif";
    let xiongmai = "rtsp://127.0.0.1:554/user=admin&password=&channel=1&stream=0.sdp/";
    let macrovideo = "rtsp://192.0.2.7:554/stream1";
    let hanwha = "rtsp://192.0.2.7:554/profile2/media.smp/";
    let own = |text: &str| text.to_owned();
    for (make, base, track) in [
        ("dahua", own(dahua), format!("{dahua}trackID=0")),
        ("hikvision", format!("{hikvision}{query}"), format!("{hikvision}trackID=1{query}")),
        ("gwsecurity", own(gw), format!("{gw}/video")),
        ("tplink", own("rtsp://192.0.2.7/stream1/"), own("rtsp://192.0.2.7/stream1/track1")),
        ("xiongmai", own(xiongmai), format!("{xiongmai}trackID=3")),
        ("macrovideo", own(macrovideo), format!("{macrovideo}/trackID=0")),
        (
            "ubiquiti",
            own("rtsp://192.0.2.7:7447/stream/"),
            own("rtsp://192.0.2.7:7447/stream/trackID=1"),
        ),
        (
            "anjvision",
            own("rtsp://192.0.2.7:554/stream0/"),
            own("rtsp://192.0.2.7:554/stream0/track1"),
        ),
        ("hanwha", own(hanwha), format!("{hanwha}trackID=v")),
        ("luckfox", own(macrovideo), own("rtsp://192.0.2.7/live/0/track1")),
    ] {
        let mut talk = Talk::new(URL, None);
        let described = fixture(&format!("{make}_describe"));
        talk.answers(&[&status("200 OK"), &described, SETUP]).expect(make);
        assert_eq!(talk.lines()[2], format!("SETUP {track}"), "{make}");
        let ready = talk.ready.expect("ready");
        let in_stream_only = ["ubiquiti", "luckfox"].contains(&make);
        let sps = ready.video.parameter_sets.iter().find(|nal| nal[0] & 0x1f == 7);
        assert_eq!(sps.is_none(), in_stream_only, "{make}");
        if let Some(sps) = sps {
            assert_eq!(sps, &[0x67, 0x4d, 0, 0x29, 0x96], "{make}");
            assert_eq!(ready.video.parameter_sets[1..], [[0x68, 0xee, 0x3c, 0x80]], "{make}");
        }
        let play = played(ready);
        assert!(play.starts_with(&format!("PLAY {base} RTSP/1.0\r\n")), "{make}: {play}");
    }
}

#[test]
fn sessions_are_read_as_cameras_write_them() {
    for (make, id) in [("hikvision", "708345999"), ("gwsecurity", "9a90de54")] {
        let mut talk = Talk::new(URL, None);
        let setup = fixture(&format!("{make}_setup"));
        talk.answers(&[&status("200 OK"), &describe("", SDP), &setup]).expect(make);
        let play = played(talk.ready.expect("ready"));
        assert!(play.contains(&format!("\r\nSession: {id}\r\n")), "{play}");
    }
}

#[test]
fn the_first_setup_is_tried_again_as_a_reference() {
    let described = describe("Content-Base: rtsp://192.0.2.7/a/b?c=1\r\n", SDP);
    for refusal in ["400 Bad Request", "404 Not Found", "454 Session Not Found"] {
        let mut talk = Talk::new(URL, None);
        talk.answers(&[&status("200 OK"), &described, &status(refusal)]).expect("tries again");
        let expected = ["SETUP rtsp://192.0.2.7/a/b?c=1/track1", "SETUP rtsp://192.0.2.7/a/track1"];
        assert_eq!(talk.lines()[2..], expected);
        talk.answer(SETUP).expect("ready");
    }
    let mut talk = Talk::new(URL, None);
    let twice = [&status("200 OK"), &described, &status("404 x"), &status("404 x")];
    let error = talk.answers(&twice.map(String::as_str)).unwrap_err();
    assert_eq!(error, DialogError::Refused { method: "SETUP", status: 404 });
}

#[test]
fn a_login_goes_on_to_every_request() {
    let mut talk = Talk::new(URL, viewer());
    talk.answers(&[&status("200 OK"), DIGEST, &describe("", SDP), SETUP]).expect("set up");
    assert!(!talk.said[1].contains("Authorization"));
    assert!(talk.said[2].starts_with("DESCRIBE") && talk.said[2].contains("response="));
    let uri = "uri=\"rtsp://192.0.2.7:554/stream1/track1\"";
    assert!(talk.said[3].starts_with("SETUP") && talk.said[3].contains(uri));
    let play = played(talk.ready.expect("ready"));
    assert!(play.contains("Authorization: Digest username=\"viewer\", realm=\"cam\""));
}

#[test]
fn the_urls_own_credentials_do_when_no_others_are_configured() {
    let mut talk = Talk::new("rtsp://a:b%40@192.0.2.7/x", None);
    let basic = "RTSP/1.0 401 x\r\nWWW-Authenticate: Basic realm=\"c\"\r\n\r\n";
    talk.answer(basic).expect("signs");
    assert!(talk.last().contains("Authorization: Basic YTpiQA==\r\n"));
    assert!(talk.last().starts_with("OPTIONS rtsp://192.0.2.7/x RTSP/1.0"));
}

#[test]
fn a_wrong_password_names_what_was_tried_and_needs_a_person() {
    let both = "RTSP/1.0 401 x\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"1\", \
        algorithm=\"SHA-256\"\r\nWWW-Authenticate: Basic realm=\"c\"\r\n\r\n";
    let mut talk = Talk::new(URL, viewer());
    let error = talk.answers(&[both; 3]).unwrap_err();
    let message =
        "camera refuses user viewer: check the password (401 after digest sha-256 and basic)";
    assert_eq!(error.to_string(), message);
    assert!(error.needs_person());
    assert_eq!(talk.said.len(), 3, "one without, one each");
    let error = Talk::new(URL, None).answer(both).unwrap_err();
    assert_eq!(error, DialogError::NoCredentials);
}

#[test]
fn a_latin_1_realm_is_signed_to_the_byte() {
    let challenge =
        b"RTSP/1.0 401 N\xe3o\r\nWWW-Authenticate: Digest realm=\"C\xe2mera\", nonce=\"1\"\r\n\r\n";
    let url = CameraUrl::parse(URL).expect("parses");
    let mut dialog = Dialog::new(url, PEER.into(), viewer(), &Habits::default(), false);
    dialog.poll();
    dialog.receive(challenge).expect("signs");
    let DialogStep::Send(bytes) = dialog.poll() else {
        panic!("a request");
    };
    assert!(bytes.windows(9).any(|window| window == b"=\"C\xe2mera\""));
}

#[test]
fn a_camera_that_closes_after_the_login_gets_it_on_a_fresh_connection() {
    let mut talk = Talk::new(URL, viewer());
    talk.answers(&[&status("200 OK"), DIGEST]).expect("signs");
    talk.dialog.closed().expect("once more");
    talk.listen();
    let expected = ["!554", "DESCRIBE rtsp://192.0.2.7:554/stream1"];
    assert_eq!(talk.lines()[3..], expected);
    assert!(talk.last().contains("nonce=\"n1\""));
    assert_eq!(talk.dialog.closed(), Err(DialogError::Closed { method: "DESCRIBE" }));
    let mut talk = Talk::new(URL, viewer());
    assert_eq!(talk.dialog.closed(), Err(DialogError::Closed { method: "OPTIONS" }));
}

#[test]
fn what_stands_behind_a_redirect_is_not_the_new_connections() {
    let moved = "RTSP/1.0 302 Moved\r\nLocation: rtsp://192.0.2.7:8554/other\r\n\r\n\
        RTSP/1.0 404 Not F";
    let mut talk = Talk::new(URL, viewer());
    talk.answers(&[&status("200 OK"), moved, &describe("", SDP), SETUP]).expect("goes on");
    assert!(talk.ready.is_some(), "{:?}", talk.lines());
}

#[test]
fn a_404_is_asked_again_by_path_and_then_believed() {
    let mut talk = Talk::new(URL, None);
    talk.answers(&[&status("200 OK"), &status("404 x")]).expect("asks again");
    assert_eq!(talk.lines()[2], "DESCRIBE /stream1");
    let error = talk.answer(&status("404 x")).unwrap_err();
    let expected = "camera has no such stream: check the path in its url \
                    (404 for rtsp://192.0.2.7:554/(hidden))";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn refusals_say_what_they_are() {
    let describing = |answer: &str| {
        let mut talk = Talk::new(URL, None);
        talk.answers(&[&status("551 Option not supported"), answer]).unwrap_err()
    };
    assert_eq!(describing(&status("453 x")), DialogError::Busy { status: 453 });
    assert_eq!(describing(&status("403 x")), DialogError::Forbidden);
    let refused = DialogError::Refused { method: "DESCRIBE", status: 500 };
    assert_eq!(describing(&status("500 x")), refused);
    let jpeg = describing(&describe("", "v=0\r\nm=video 0 RTP/AVP 26\r\n"));
    assert_eq!(jpeg.to_string(), "camera sends JPEG only, weir serves H264 and H265");
    assert!(jpeg.needs_person() && !refused.needs_person());
    let mut talk = Talk::new(URL, None);
    let refused = status("461 x");
    let answers = [&status("200 OK"), &describe("", SDP), &refused, &refused];
    let error = talk.answers(&answers.map(String::as_str)).unwrap_err();
    assert_eq!(error, DialogError::NoTransport(None));
}

#[test]
fn what_is_too_large_says_how_large() {
    let sdp = "x".repeat(RTSP_BODY_BYTES_MAX + 1);
    let mut talk = Talk::new(URL, None);
    let error = talk.answers(&[&status("200 OK"), &describe("", &sdp)]).unwrap_err();
    let message =
        format!("camera's message body is {} bytes, max {RTSP_BODY_BYTES_MAX}", sdp.len());
    assert_eq!(error.to_string(), message);
    let mut talk = Talk::new(URL, None);
    let head = format!("RTSP/1.0 200 OK\r\nX: {}", "x".repeat(RTSP_HEAD_BYTES_MAX));
    let error = talk.answer(&head).unwrap_err();
    let message = format!("message head is {} bytes, max", RTSP_HEAD_BYTES_MAX + 1);
    assert!(error.to_string().contains(&message), "{error}");
    let mut talk = Talk::new(URL, None);
    let id = format!("RTSP/1.0 200 OK\r\nSession: {}\r\n\r\n", "1".repeat(129));
    let error = talk.answers(&[&status("200 OK"), &describe("", SDP), &id]).unwrap_err();
    assert_eq!(error.to_string(), "camera's session id is 129 bytes, max 128");
    let control = SDP.replace("track1", &"t".repeat(RTSP_REQUEST_URL_BYTES_MAX));
    let mut talk = Talk::new(URL, None);
    let error = talk.answers(&[&status("200 OK"), &describe("", &control)]).unwrap_err();
    assert!(matches!(error, DialogError::OverLimit { what: "url", .. }));
}

#[test]
fn what_is_no_answer_may_be_64_kib_and_no_more() {
    let noises = [
        "RTSP/1.0 200 \x01\n",
        "x",
        "\r\n",
        "RTSP/1.0 100 x\r\n\r\n",
        "OPTIONS * RTSP/1.0\r\n\r\n",
    ];
    for noise in noises {
        let rounds = RTSP_NOISE_BYTES_MAX / noise.len();
        let mut talk = Talk::new(URL, None);
        talk.answer(&noise.repeat(rounds)).expect(noise);
        // The noise is recognised: the answers after it are still found.
        talk.answers(&[&status("200 OK"), &describe("", SDP), SETUP]).expect(noise);
        assert!(talk.ready.is_some(), "{noise:?}");
        let mut talk = Talk::new(URL, None);
        let mut poured = 0;
        let error = loop {
            poured += noise.len() * 100;
            if let Err(error) = talk.answer(&noise.repeat(100)) {
                break error;
            }
            assert!(poured <= 2 * RTSP_NOISE_BYTES_MAX, "{noise:?}");
        };
        assert!(matches!(error, DialogError::OverLimit { what: "noise", .. }), "{error}");
    }
}

#[test]
fn no_password_is_ever_shown() {
    let mut talk = Talk::new("rtsp://viewer:sesame@192.0.2.7/x", None);
    talk.answer("RTSP/1.0 401 x\r\nWWW-Authenticate: Basic realm=\"c\"\r\n\r\n").expect("signs");
    let shown = format!("{:?}", talk.dialog);
    assert!(!shown.contains("sesame") && !shown.contains("dmlld2Vy"), "{shown}");
}

#[derive(Default)]
struct Packets(Vec<Vec<u8>>);

impl Sink for Packets {
    fn rtp(&mut self, packet: &[u8]) {
        self.0.push(packet.to_vec());
    }

    fn sound(&mut self, packet: &[u8]) {
        panic!("{packet:?}");
    }

    fn broken(&mut self, why: Broken) {
        panic!("{why:?}");
    }
}

/// All bytes from a camera in a dialog that begins within the frames of a dead session (live555
/// before 2017), and ends with data before PLAY (Reolink).
fn camera_says() -> Vec<Vec<u8>> {
    let stale = frame(0, &rtp(7, 0, &[9; 50]));
    let camera_asks = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec();
    vec![
        [&stale[..], b"\r\n", status("200 OK").as_bytes()].concat(),
        [&camera_asks[..], DIGEST.as_bytes()].concat(),
        [&stale[20..40], fixture("dahua_describe").as_bytes()].concat(),
        [SETUP.as_bytes(), &frame(0, &rtp(1, 0, &[1; 60])), &frame(0, &rtp(2, 0, &[2; 60]))]
            .concat(),
    ]
}

#[test]
fn it_does_not_matter_how_answers_are_cut_into_reads() {
    let mut pool = carry_pool();
    let mut outcome = |cut: &dyn Fn(usize, usize) -> bool| {
        let mut talk = Talk::new(URL, viewer());
        let mut packets = Packets::default();
        for (index, answer) in camera_says().iter().enumerate() {
            let mut start = 0;
            for end in 1..=answer.len() {
                if end < answer.len() && !cut(index, end) {
                    continue;
                }
                let piece = &answer[start..end];
                start = end;
                match &mut talk.ready {
                    None => {
                        talk.dialog.receive(piece).expect("set up");
                        talk.listen();
                    }
                    Some(ready) => {
                        ready.session.receive(piece, &mut pool, 0, &mut packets).expect("plays");
                    }
                }
            }
        }
        let mut ready = talk.ready.expect("ready");
        ready.session.receive(&[], &mut pool, 0, &mut packets).expect("plays");
        let said = talk.said.concat();
        (packets.0, said.split("response=").map(|text| text.len()).collect::<Vec<_>>())
    };
    let whole = outcome(&|_, _| false);
    assert_eq!(whole.0, [rtp(1, 0, &[1; 60]), rtp(2, 0, &[2; 60])]);
    for (index, answer) in camera_says().iter().enumerate() {
        for at in 1..answer.len() {
            assert_eq!(outcome(&|i, end| (i, end) == (index, at)), whole, "{index} cut at {at}");
        }
    }
    assert_eq!(outcome(&|_, _| true), whole, "byte by byte");
}
