//! ffmpeg as the judge: what a viewer received decodes to the very pictures that the camera
//! showed.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::common::annexb;
use crate::common::camera::picture::Picture;
use crate::common::camera::{Mount, Show};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::reassemble::{access_units, annex_b};
use crate::common::viewer::{Viewer, wall};

/// More than the clip has, so that its end and its beginning are among them.
const FRAMES: u64 = 300;
const FRAMES_PER_S: u32 = 100;
/// The parameter sets come in band alone.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n\
                   m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
                   a=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n";

/// The MD5 of each picture, as ffmpeg decodes `stream`.
fn picture_md5s(stream: &[u8]) -> Vec<String> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-f", "h264", "-i", "-"])
        .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs");
    let mut input = ffmpeg.stdin.take().expect("a pipe");
    let stream = stream.to_vec();
    let feeding = std::thread::spawn(move || input.write_all(&stream));
    let output = ffmpeg.wait_with_output().expect("our child");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    feeding.join().expect("no panic").expect("ffmpeg reads all of it");
    let text = String::from_utf8(output.stdout).expect("text");
    let pictures = text.lines().filter(|line| !line.starts_with('#'));
    pictures.map(|line| line.rsplit(", ").next().expect("a column").to_owned()).collect()
}

#[test]
fn a_viewer_decodes_the_clips_own_pictures() {
    let units = Arc::new(annexb::access_units(weir::demo::CLIP));
    let show = Show::Clip { units: units.clone(), frames_per_s: FRAMES_PER_S };
    let mount = Mount::new(CAMERA, Picture::default());
    let mount = Mount { show, sdp: Some(SDP.to_owned()), ..mount };
    let fixture = Fixture::of(vec![mount], |_| {});
    let mut viewer = fixture.viewer();
    let has_all = |viewer: &Viewer| viewer.reception.counts.frames > FRAMES;
    assert!(wall::run_one(&mut viewer, 10_000_000, has_all));

    let received = access_units(&viewer.reception.packets);
    let received = received.unwrap_or_else(|broken| panic!("{broken:?}"));
    assert!(received[0].is_idr());
    let first = units.iter().position(|unit| unit.last() == received[0].nals.last());
    let first = first.expect("the first picture is one of the clip's");
    let shown = picture_md5s(weir::demo::CLIP);
    assert_eq!(shown.len(), units.len());
    let seen = picture_md5s(&annex_b(&received));
    assert_eq!(seen.len(), received.len());
    let expected = shown.iter().cycle().skip(first);
    let wrong = seen.iter().zip(expected).position(|(seen, shown)| seen != shown);
    assert_eq!(wrong, None, "of {} pictures, from the clip's {first}", seen.len());
}
