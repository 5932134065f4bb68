//! H.265: a viewer that decodes it gets the camera's own pictures, another one is told what to do,
//! and a camera may change its codec.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use weir::codec::Codec;

use crate::common::annexb;
use crate::common::camera::picture::Picture;
use crate::common::camera::{CameraFarm, Mount, Show};
use crate::common::ffmpeg::{hevc_clip, picture_md5s};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::gstreamer::GstreamerCamera;
use crate::common::reassemble::{AccessUnit, access_units_of, annex_b};
use crate::common::server::{Server, Setup, wait_for};
use crate::common::viewer::{Options, Viewer, wall};

const SECOND_US: u64 = 1_000_000;
/// The parameter sets come in band alone.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n\
                   m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=control:trackID=0\r\n";
/// What recorders and cameras are set to: no B-frames, IDR pictures.
const AS_CAMERAS: &str = "bframes=0:keyint=20:min-keyint=20:scenecut=0:open-gop=0:slices=2";

fn hevc() -> Options {
    Options { codecs: &[Codec::H265], ..Options::default() }
}

/// A camera that plays this clip over and over.
fn mount(clip: &[u8]) -> Mount {
    let units = Arc::new(annexb::access_units(Codec::H265, clip));
    let show = Show::Clip { units, frames_per_s: 50 };
    let mount = Mount::new(CAMERA, Picture::default());
    Mount { show, codec: Codec::H265, sdp: Some(SDP.to_owned()), ..mount }
}

/// The access units that a viewer of so many frames got.
fn received(mut viewer: Viewer, frames: u64) -> Vec<AccessUnit> {
    let has_all = |viewer: &Viewer| viewer.reception.counts.frames >= frames;
    assert!(wall::run_one(&mut viewer, 30 * SECOND_US, has_all), "{:?}", viewer.ended);
    let units = access_units_of(Codec::H265, &viewer.reception.packets);
    units.unwrap_or_else(|broken| panic!("{broken:?}"))
}

/// Asserts that `seen` are pictures of the endless repetition of `shown`, one after the other.
fn assert_in_clip(seen: &[String], shown: &[String]) {
    let first = shown.iter().position(|picture| *picture == seen[0]).expect("one of the clip's");
    let expected = shown.iter().cycle().skip(first);
    let wrong = seen.iter().zip(expected).position(|(seen, shown)| seen != shown);
    assert_eq!(wrong, None, "of {} pictures, from the clip's {first}", seen.len());
}

fn camera(server: &Server) -> Value {
    server.get("/api/cameras").json()["cameras"][0].clone()
}

#[test]
fn a_viewer_decodes_the_h265_clips_own_pictures() {
    let clip = hevc_clip("640x360", 60, AS_CAMERAS);
    let fixture = Fixture::of(vec![mount(&clip)], |_| {});
    let shown = camera(&fixture.server);
    assert_eq!((&shown["codec"], &shown["width"]), (&"H265".into(), &640.into()), "{shown}");
    let findings = shown["findings"].as_array().expect("findings");
    assert!(findings.len() == 1 && findings[0]["code"] == "h265", "{shown}");
    let viewer = fixture.viewer_with(&hevc());
    let answer = viewer.answer.clone();
    assert!(answer.contains(" H265/90000\r\n") && !answer.contains("H264"), "{answer}");
    let units = received(viewer, 150);
    let kinds: Vec<u8> = units[0].nals.iter().map(|nal| nal[0] >> 1).collect();
    assert_eq!(kinds, [32, 33, 34, 20, 20], "sets and the two slices of an IDR");
    let seen = picture_md5s(Codec::H265, &annex_b(&units));
    assert_eq!(seen.len(), units.len());
    assert_in_clip(&seen, &picture_md5s(Codec::H265, &clip));
}

#[test]
fn a_clip_of_open_groups_is_decoded_without_a_complaint_wherever_a_viewer_begins() {
    // x265's own defaults: CRA pictures, and B-frames before them that refer across.
    let clip = hevc_clip("320x240", 60, "keyint=15:min-keyint=15:bframes=3:open-gop=1:b-adapt=0");
    let units = annexb::access_units(Codec::H265, &clip);
    let has = |kind| units.iter().flatten().any(|nal: &Vec<u8>| nal[0] >> 1 == kind);
    assert!(has(21) && (has(8) || has(9)), "it has CRA and RASL pictures");
    let fixture = Fixture::of(vec![mount(&clip)], |_| {});
    for _ in 0..3 {
        let units = received(fixture.viewer_with(&hevc()), 60);
        let nals = || units.iter().flat_map(|unit| &unit.nals);
        assert!(nals().all(|nal| !matches!(nal[0] >> 1, 8 | 9)), "no RASL picture");
        assert!(!picture_md5s(Codec::H265, &annex_b(&units)).is_empty());
    }
}

#[test]
fn gstreamers_camera_of_h265_is_decoded_without_a_complaint() {
    let keys = "codec=h265,width=1280,height=720,gop=25,mtu=1200";
    let camera = GstreamerCamera::start("/cam", keys);
    let server = Server::start(&Setup::of([(CAMERA.to_owned(), camera.url("/cam"))]));
    assert!(server.wait_until_ready(1, 20 * SECOND_US), "{}", server.get("/api/cameras").body);
    let viewer = Viewer::connect_with(server.http, CAMERA, &hevc());
    let units = received(viewer.unwrap_or_else(|error| panic!("{error}")), 60);
    let seen = picture_md5s(Codec::H265, &annex_b(&units));
    assert_eq!(seen.len(), units.len());
    let shown = self::camera(&server);
    assert_eq!((&shown["codec"], &shown["height"]), (&"H265".into(), &720.into()), "{shown}");
}

#[test]
fn a_browser_without_h265_is_told_what_to_do() {
    let clip = hevc_clip("320x240", 25, AS_CAMERAS);
    let fixture = Fixture::of(vec![mount(&clip)], |_| {});
    let refused = |options: &Options| {
        let refused = Viewer::connect_with(fixture.server.http, CAMERA, options);
        let error = refused.err().expect("it is refused");
        assert_eq!(error.status, 422);
        serde_json::from_str::<Value>(&error.body).expect("a problem")["detail"].clone()
    };
    assert_eq!(
        refused(&Options::default()),
        "this browser offers no H.265: set the camera's sub stream to H.264, or use Safari or a \
         Chrome with hardware decoding"
    );
    // Level 2 is 60.
    let low = |offer: String| offer.replace("level-id=180", "level-id=30");
    assert_eq!(
        refused(&Options { edit_offer: low, ..hevc() }),
        "this browser's H.265 does not reach what the camera sends (Main, level 2.0): set the \
         camera's stream to less, or to H.264"
    );
    assert_eq!(fixture.sessions().len(), 0);
    fixture.viewer_with(&Options { codecs: &[Codec::H264, Codec::H265], ..hevc() });
}

#[test]
fn a_camera_that_changes_its_codec_ends_its_sessions_and_goes_on() {
    let both = Options { codecs: &[Codec::H264, Codec::H265], ..Options::default() };
    let clip = hevc_clip("320x240", 25, AS_CAMERAS);
    let Fixture { server, farm } =
        Fixture::of(vec![Mount::new(CAMERA, Picture::default())], |_| {});
    let address = farm.address();
    let mut farm = Some(farm);
    for (codec, name) in [(Codec::H264, "H264"), (Codec::H265, "H265"), (Codec::H264, "H264")] {
        let ready = || {
            let camera = camera(&server);
            camera["codec"] == name && camera["ready"] == true
        };
        assert!(wait_for(20 * SECOND_US, ready), "{}", camera(&server));
        let viewer = Viewer::connect_with(server.http, CAMERA, &both);
        let mut viewer = viewer.unwrap_or_else(|error| panic!("{error}"));
        assert!(viewer.answer.contains(&format!(" {name}/90000\r\n")));
        let has_media = |viewer: &Viewer| viewer.reception.counts.frames > 5;
        assert!(wall::run_one(&mut viewer, 10 * SECOND_US, has_media), "no media");
        let units = access_units_of(codec, &viewer.reception.packets).expect("whole");
        assert!(units.len() > 5);
        // The same camera comes back with the other codec.
        drop(farm.take());
        std::thread::sleep(Duration::from_millis(100));
        let mount = match codec {
            Codec::H264 => mount(&clip),
            Codec::H265 => Mount::new(CAMERA, Picture::default()),
        };
        farm = Some(CameraFarm::open_at(address, vec![mount]));
        let is_over = |viewer: &Viewer| viewer.ended.is_some();
        assert!(wall::run_one(&mut viewer, 20 * SECOND_US, is_over), "it goes on");
        assert_eq!(viewer.ended.as_deref(), Some("close_notify"));
        let sessions = server.tell("sessions");
        let last = sessions["sessions"].as_array().and_then(|all| all.last()).cloned();
        assert_eq!(last.expect("it ended")["reason"], "the camera sends another codec now");
    }
}
