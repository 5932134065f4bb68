//! Who comes between two key frames has a picture at once, and everything from there on.

use weir::clock;

use super::common::camera::Mount;
use super::common::camera::picture::Picture;
use super::common::fixture::{CAMERA, Fixture};
use super::common::reassemble::access_units;
use super::common::viewer::wall;

const FRAMES_PER_S: u32 = 25;
const TICKS_A_FRAME: u32 = 90_000 / FRAMES_PER_S;
/// A key frame every 20 s, as cameras have it that save bits.
const GOP: u32 = 20 * FRAMES_PER_S;
/// What a viewer waits at most from its offer on until it has what there was before it.
const CAUGHT_UP_US: u64 = 1_500_000;

#[test]
fn who_joins_between_key_frames_begins_with_the_newest_and_its_group() {
    let picture = Picture { frames_per_s: FRAMES_PER_S, gop: GOP, ..Picture::default() };
    let fixture = Fixture::of(vec![Mount::new(CAMERA, picture)], |_| {});
    for seconds in [2_u32, 4] {
        std::thread::sleep(std::time::Duration::from_secs(2));
        let began_us = clock::now_us();
        let mut viewers = [fixture.viewer()];
        let before = u64::from(seconds * FRAMES_PER_S);
        assert!(wall::run(&mut viewers, CAUGHT_UP_US, |viewers| {
            viewers[0].reception.counts.frames >= before
        }));
        println!("{before} frames in {} ms", (clock::now_us() - began_us) / 1000);
        wall::run(&mut viewers, 1_000_000, |_| false);
        let [viewer] = viewers;
        assert_eq!((viewer.reception.counts.lost(), viewer.reception.counts.broken_frames), (0, 0));
        let units = access_units(&viewer.reception.packets);
        let units = units.unwrap_or_else(|broken| panic!("{broken:?}"));
        assert!(units[0].is_idr() && !units[1..].iter().any(|unit| unit.is_idr()));
        let steps = units.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp));
        let steps: Vec<u32> = steps.collect();
        let early = steps.iter().take_while(|step| **step < TICKS_A_FRAME / 2).count() as u64;
        assert!(early + 2 >= before, "{early} of {before} frames were brought close to live");
        let live = steps.iter().skip_while(|step| **step < TICKS_A_FRAME / 2);
        assert!(live.clone().count() >= 20 && live.clone().all(|step| *step == TICKS_A_FRAME));
        assert_eq!(fixture.session(viewer.local())["skips"], 0);
        viewer.close();
    }
}
