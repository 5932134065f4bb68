//! ffmpeg as the judge: what a viewer received decodes to the very pictures that the camera
//! showed.

use std::sync::Arc;

use weir::codec::Codec;

use crate::common::annexb;
use crate::common::camera::picture::Picture;
use crate::common::camera::{Mount, Show};
use crate::common::ffmpeg::picture_md5s;
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

#[test]
fn a_viewer_decodes_the_clips_own_pictures() {
    let units = Arc::new(annexb::access_units(Codec::H264, weir::demo::CLIP));
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
    let shown = picture_md5s(Codec::H264, weir::demo::CLIP);
    assert_eq!(shown.len(), units.len());
    let seen = picture_md5s(Codec::H264, &annex_b(&received));
    assert_eq!(seen.len(), received.len());
    let expected = shown.iter().cycle().skip(first);
    let wrong = seen.iter().zip(expected).position(|(seen, shown)| seen != shown);
    assert_eq!(wrong, None, "of {} pictures, from the clip's {first}", seen.len());
}
