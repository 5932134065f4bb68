//! A camera's sound: to viewers that take it, beside the picture and on its clock; and the picture
//! alone wherever anything is in its way.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;
use weir::codec::Codec;

use crate::common::camera::picture::Picture;
use crate::common::camera::{Behaviour, CameraFarm, Microphone, Mount};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::reception::{Keep, Packet, Reception};
use crate::common::server::{Server, Setup, wait_for};
use crate::common::viewer::{Options, Viewer, wall};
use crate::common::window;

const PATIENCE_US: u64 = 10_000_000;
const AAC: Microphone =
    Microphone { payload_type: 97, encoding: Some("MPEG4-GENERIC/16000/1"), is_refused: false };

/// A camera with a microphone, or without.
fn camera_with(sound: Option<Microphone>, change: impl FnOnce(&mut Setup)) -> Fixture {
    let picture = Picture { gop: 10, ..Picture::default() };
    Fixture::of(vec![Mount { sound, ..Mount::new(CAMERA, picture) }], change)
}

fn camera(sound: Microphone) -> Fixture {
    camera_with(Some(sound), |_| {})
}

fn listener(fixture: &Fixture, is_sound_first: bool) -> Viewer {
    fixture.viewer_with(&Options { sound: Some(is_sound_first), ..Options::default() })
}

fn sound(viewer: &Viewer) -> &Reception {
    &viewer.sound.as_ref().expect("the answer has sound").1
}

/// The number that the camera has put into a packet of sound.
fn number(packet: &Packet) -> u32 {
    u32::from_be_bytes(*packet.payload.first_chunk().expect("four bytes"))
}

/// What `/api/cameras` says of the camera.
fn status(fixture: &Fixture) -> Value {
    fixture.server.tell("cameras")["cameras"][0].clone()
}

/// Runs a viewer that has the picture and nothing else.
fn plays_without_sound(fixture: &Fixture) {
    let mut viewer = listener(fixture, true);
    assert!(viewer.sound.is_none(), "{}", viewer.answer);
    assert!(viewer.answer.contains("m=audio 9 ") && viewer.answer.contains("a=inactive\r\n"));
    let has_frames = |viewer: &Viewer| viewer.reception.counts.frames >= 20;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, has_frames), "{:?}", viewer.ended);
    assert_eq!(viewer.reception.counts.lost(), 0);
    assert_eq!(fixture.server.metric("weir_camera_sound_packets_out_total"), Some(0.0));
}

/// The NTP time of an RTP timestamp by the last sender report, in seconds.
fn ntp_s(reception: &Reception, timestamp: u32, clock_hz: f64) -> f64 {
    let (report, _) = reception.sender_reports.last().expect("a sender report");
    let ahead = f64::from(timestamp.wrapping_sub(report.rtp_timestamp).cast_signed());
    report.ntp as f64 / 2_f64.powi(32) + ahead / clock_hz
}

#[test]
fn picture_and_sound_come_whole_and_on_one_clock() {
    for is_sound_first in [false, true] {
        let fixture = camera(Microphone::PCMA);
        let mut viewer = listener(&fixture, is_sound_first);
        let has_all = |viewer: &Viewer| {
            sound(viewer).counts.packets >= 200 && sound(viewer).sender_reports.len() > 1
        };
        assert!(wall::run_one(&mut viewer, PATIENCE_US, has_all), "{:?}", sound(&viewer).counts);
        for counts in [&viewer.reception.counts, &sound(&viewer).counts] {
            assert_eq!((counts.lost(), counts.late, counts.forged), (0, 0, 0));
        }
        assert!(viewer.reception.counts.frames > 50);
        let packets = &sound(&viewer).packets;
        for pair in packets.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence + 1);
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
            assert_eq!(number(&pair[1]), number(&pair[0]) + 1, "each packet, in order");
            assert_eq!((pair[1].payload.len(), pair[1].payload_type), (160, 8));
            assert_eq!(&pair[1].payload[4..], &[0xd5; 156], "as the camera sent it");
        }
        let (picture, heard) = (&viewer.reception, sound(&viewer));
        let ssrc = viewer.sound.as_ref().map(|(ssrc, _)| *ssrc);
        assert_ne!(picture.ssrc, ssrc);
        assert!(viewer.answer.matches("msid:weir ").count() >= 4, "one stream: {}", viewer.answer);
        // The camera sends the sound up to a frame's time just before the frame.
        let frame = picture.packets.last().expect("packets");
        let before = heard.packets.iter().rfind(|packet| packet.arrival_us <= frame.arrival_us);
        let end = before.expect("sound").timestamp.wrapping_add(160);
        let apart_s = ntp_s(picture, frame.timestamp, 90_000.0) - ntp_s(heard, end, 8_000.0);
        assert!(apart_s.abs() < 0.05, "picture and sound are {apart_s} s apart");
        assert_eq!(status(&fixture)["sound"], "PCMA");
        assert_eq!(status(&fixture)["sound_problem"], Value::Null);
        let counted = || fixture.session(viewer.bound())["sound_packets"].as_u64();
        assert!(wait_for(PATIENCE_US, || counted().is_some_and(|packets| packets >= 200)));
        let packets = fixture.server.metric("weir_camera_sound_packets_total");
        assert!(packets.is_some_and(|packets| packets >= 200.0), "{packets:?}");
        assert_eq!(status(&fixture)["viewers"], 1, "one viewer, whatever it gets");
    }
}

#[test]
fn one_who_does_not_ask_for_sound_gets_none() {
    let fixture = camera(Microphone::PCMA);
    let mut mute = fixture.viewer();
    let mut other = fixture.viewer_with(&Options {
        sound: Some(true),
        edit_offer: |offer| offer.replace("PCMA/8000", "L8/8000"),
        ..Options::default()
    });
    assert!(mute.sound.is_none() && other.sound.is_none(), "{}", other.answer);
    for viewer in [&mut mute, &mut other] {
        let has_frames = |viewer: &Viewer| viewer.reception.counts.frames >= 20;
        assert!(wall::run_one(viewer, PATIENCE_US, has_frames), "{:?}", viewer.ended);
    }
    assert_eq!(fixture.session(mute.bound())["sound_packets"], 0);
}

#[test]
fn the_picture_plays_where_the_sound_cannot() {
    let aac = camera(AAC);
    plays_without_sound(&aac);
    let problem = status(&aac)["sound_problem"].to_string();
    assert!(problem.contains("its sound is AAC") && problem.contains("G.711"), "{problem}");
    assert_eq!(status(&aac)["sound"], Value::Null);
    assert_eq!(status(&aac)["findings"][0]["code"], "sound_not_taken");
    let log = aac.server.log();
    assert!(log.contains("its sound is AAC"), "{log}");

    let refused = camera(Microphone { is_refused: true, ..Microphone::PCMA });
    plays_without_sound(&refused);
    let problem = status(&refused)["sound_problem"].to_string();
    assert!(problem.contains("does not let its sound be set up"), "{problem}");

    let off = camera_with(Some(Microphone::PCMA), |setup| {
        setup.of_cameras = "sound = false\n".to_owned();
    });
    plays_without_sound(&off);
    assert_eq!(status(&off)["sound_problem"], Value::Null);
    plays_without_sound(&camera_with(None, |_| {}));
}

#[test]
fn sound_goes_on_when_the_camera_comes_back() {
    let fixture = camera(Microphone::PCMA);
    let mut viewer = listener(&fixture, true);
    let packets = |viewer: &Viewer| sound(viewer).counts.packets;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, |viewer| packets(viewer) >= 50));
    fixture.farm.behave(CAMERA, Behaviour::Close);
    wall::run_one(&mut viewer, 500_000, |_| false);
    let before = packets(&viewer);
    fixture.farm.behave(CAMERA, Behaviour::Play);
    assert!(wall::run_one(&mut viewer, PATIENCE_US, |viewer| packets(viewer) >= before + 50));
    let heard = sound(&viewer);
    assert_eq!((heard.counts.lost(), heard.counts.forged), (0, 0), "numbers have no gap");
    let spurts = heard.packets.iter().filter(|packet| packet.marker).count();
    assert!(spurts >= 1, "after the pause a talk spurt begins");
    assert!(fixture.farm.counts(CAMERA).plays.load(Relaxed) >= 2);
}

#[test]
fn cameras_of_both_codecs_are_seen_and_heard_whole_beside_each_other() {
    let picture = Picture { gop: 10, ..Picture::default() };
    let codecs = [Codec::H264, Codec::H265, Codec::H264, Codec::H265];
    let names = ["cam0", "cam1", "cam2", "cam3"].map(str::to_owned);
    let mounts = names.iter().zip(codecs).map(|(name, codec)| {
        let sound = Some(Microphone::PCMU);
        Mount { codec, sound, sound_apart: true, ..Mount::new(name, picture) }
    });
    let farm = CameraFarm::open(mounts.collect());
    let server = Server::start(&Setup::of(names.iter().map(|name| (name.clone(), farm.url(name)))));
    assert!(server.wait_until_ready(names.len(), PATIENCE_US));
    let options = Options {
        keep: Keep::Counts,
        codecs: &[Codec::H264, Codec::H265],
        sound: Some(false),
        ..Options::default()
    };
    let viewers = wall::connect_all(server.http, &names, &options, PATIENCE_US).into_iter();
    let mut viewers: Vec<Viewer> =
        viewers.map(|viewer| viewer.unwrap_or_else(|error| panic!("{error}"))).collect();
    let see = |viewers: &[Viewer]| {
        viewers.iter().all(|viewer| viewer.reception.first_picture.at_us().is_some())
    };
    assert!(wall::run(&mut viewers, PATIENCE_US, see), "each has its first picture");
    window::watch(&farm, &mut viewers, 2_000_000, 200_000);
    for ((viewer, name), codec) in viewers.iter().zip(&names).zip(codecs) {
        assert!(viewer.answer.contains(&format!(" {}/90000\r\n", codec.name())));
        window::assert_whole(&farm, name, viewer);
        let heard = &sound(viewer).counts;
        assert!(heard.packets >= 95, "{} packets of 2 s of sound", heard.packets);
        assert_eq!((heard.lost_sound(160), heard.lost(), heard.forged), (0, 0, 0), "{name}");
    }
}
