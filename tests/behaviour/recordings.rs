//! Recordings that nobody here made, sent as a camera sends: what a viewer gets decodes to the
//! pictures of the recording, by ffmpeg, whose other input is the recording as GStreamer reads it.

use std::io::Write as _;
use std::net::TcpStream;

use weir::codec::Codec;

use crate::common::camera::packets::interleaved;
use crate::common::ffmpeg::decoded_md5s;
use crate::common::fixture::CAMERA;
use crate::common::raw_camera::RawCamera;
use crate::common::reassemble::{AccessUnit, access_units_of, annex_b};
use crate::common::recording::Recording;
use crate::common::server::{Server, Setup};
use crate::common::viewer::{Options, Viewer, wall};

const SECOND_US: u64 = 1_000_000;
/// Between two pictures: some times as fast as they were recorded.
const PICTURE_US: u64 = 12_000;
/// Pictures in a recording that a viewer may lack: those that weir has seen before it was ready,
/// and the last one, whose end the next would have shown.
const LEFT_OUT_MAX: usize = 4;
const MARKER: u8 = 0x80;

/// Sends packets up to the end of a picture; `false` at the end of the recording.
fn send_picture(camera: &mut TcpStream, recording: &Recording, next: &mut usize) -> bool {
    let mut bytes = Vec::new();
    while let Some((channel, packet)) = recording.packets.get(*next) {
        *next += 1;
        interleaved(*channel, packet.len(), &mut bytes);
        bytes.extend_from_slice(packet);
        if *channel == recording.channel && packet[1] & MARKER != 0 {
            break;
        }
    }
    camera.write_all(&bytes).expect("weir reads");
    !bytes.is_empty()
}

/// Plays a recording; what a viewer has got of it.
fn play(recording: &Recording, sdp: &str) -> Vec<AccessUnit> {
    let camera = RawCamera::describing(sdp, recording.channel);
    let server = Server::start(&Setup::of([(CAMERA.to_owned(), camera.url.clone())]));
    let (mut connection, mut next) = (camera.playing(), 0);
    // As few as it takes: nothing may be sent before a viewer is there to count it.
    while !server.wait_until_ready(1, PICTURE_US) {
        assert!(send_picture(&mut connection, recording, &mut next), "{}", server.log());
    }
    let codecs: &[Codec] =
        if recording.codec == Codec::H264 { &[Codec::H264] } else { &[Codec::H265] };
    let options = Options { codecs, ..Options::default() };
    let mut viewer = Viewer::connect_with(server.http, CAMERA, &options)
        .unwrap_or_else(|refused| panic!("{refused}"));
    let has_media = |viewer: &Viewer| viewer.reception.counts.packets > 0;
    assert!(wall::run_one(&mut viewer, 5 * SECOND_US, has_media), "{}", server.log());
    while send_picture(&mut connection, recording, &mut next) {
        wall::run_one(&mut viewer, PICTURE_US, |_| false);
    }
    wall::run_one(&mut viewer, SECOND_US, |_| false);
    assert_eq!((viewer.ended, viewer.reception.counts.lost()), (None, 0));
    access_units_of(recording.codec, &viewer.reception.packets)
        .unwrap_or_else(|broken| panic!("{broken:?}"))
}

/// Asserts that each picture of `seen` is one of `shown`, in their order, and that at most so many
/// times some are left out, up to a key frame. Returns how many are not there.
fn assert_same(seen: &[String], shown: &[String], units: &[AccessUnit], gaps: usize) -> usize {
    let (mut at, mut found, mut left_out) = (0, 0, 0);
    for (number, picture) in seen.iter().enumerate() {
        let skipped = shown[at..].iter().position(|one| one == picture);
        let skipped = skipped.unwrap_or_else(|| panic!("picture {number} is another, from {at}"));
        if skipped > 0 {
            assert!(units[number].is_idr(), "{skipped} are left out before picture {number}");
            found += usize::from(number > 0);
        }
        left_out += skipped;
        at += skipped + 1;
    }
    assert!(found <= gaps, "{found} gaps");
    left_out + shown.len() - at
}

fn sdp(payload_type: u8, codec: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP {payload_type}\r\n\
         a=rtpmap:{payload_type} {codec}/90000\r\na=control:trackID=0\r\n"
    )
}

#[test]
fn a_recording_of_a_wowza_server_has_its_own_pictures() {
    let (recording, sdp) = Recording::of_retina();
    let units = play(&recording, &sdp);
    let (seen, complaints) = decoded_md5s(Codec::H264, &annex_b(&units));
    let (shown, of_source) = decoded_md5s(Codec::H264, &recording.depayloaded());
    assert_eq!((complaints.as_str(), of_source.as_str()), ("", ""));
    let left_out = assert_same(&seen, &shown, &units, 0);
    println!("{} of {} pictures, {left_out} left out", seen.len(), shown.len());
    assert!(left_out <= LEFT_OUT_MAX, "{left_out} left out");
}

#[test]
fn a_recording_of_h265_with_b_frames_and_one_timestamp_has_its_own_pictures() {
    let recording = Recording::of_str0m("h265.pcap", Codec::H265, 96);
    let units = play(&recording, &sdp(96, "H265"));
    let (seen, complaints) = decoded_md5s(Codec::H265, &annex_b(&units));
    let (shown, of_source) = decoded_md5s(Codec::H265, &recording.depayloaded());
    assert_eq!((complaints.as_str(), of_source.as_str()), ("", ""));
    println!("{} of {} pictures", seen.len(), shown.len());
    assert!(shown.len() - seen.len() <= LEFT_OUT_MAX);
    // It has one key frame, at its begin. Without its last pictures the order of the others is
    // settled sooner, so the end is not compared.
    let compared = seen.len() - LEFT_OUT_MAX;
    assert_eq!(seen[..compared], shown[..compared]);
}

#[test]
fn a_recording_of_a_browser_with_losses_and_two_sizes_has_its_own_pictures_between_them() {
    let recording = Recording::of_str0m("h264.pcap", Codec::H264, 126);
    let sequences = recording.pictures().map(|packet| u16::from_be_bytes([packet[2], packet[3]]));
    let sequences: Vec<u16> = sequences.collect();
    let gaps = sequences.windows(2).filter(|pair| pair[1] != pair[0].wrapping_add(1)).count();
    assert_eq!(gaps, 3, "packets are missing in the recording");
    let units = play(&recording, &sdp(126, "H264"));
    // Some of its slices are cut off, which ffmpeg says of both.
    let (seen, _) = decoded_md5s(Codec::H264, &annex_b(&units));
    let (shown, _) = decoded_md5s(Codec::H264, &recording.depayloaded());
    assert_eq!(seen.len(), units.len());
    let left_out = assert_same(&seen, &shown, &units, gaps);
    println!("{} of {} pictures, {left_out} left out", seen.len(), shown.len());
    assert!(seen.len() > 100, "{} pictures", seen.len());
}
