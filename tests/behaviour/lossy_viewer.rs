//! A viewer that loses every fifth packet gets clean pauses; the one beside it does not notice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use weir::clock;

use crate::common::camera::Mount;
use crate::common::camera::picture::Picture;
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::reassemble::access_units;
use crate::common::rtp::{Header, Kind};
use crate::common::viewer::{Options, wall};

const FRAMES_PER_S: u32 = 50;
const GOP: u32 = 25;
const TICKS_A_FRAME: u32 = 90_000 / FRAMES_PER_S;
const RUN_US: u64 = 6_000_000;
/// Browsers report once a second; time is short here.
const REPORT_US: u64 = 250_000;
const STAP_A: u8 = 24;

/// A network that loses every fifth packet, and remembers where weir paused.
struct Network {
    state: u64,
    timestamp: Option<u32>,
    packets: u64,
    dropped: u64,
    /// Of the first packet behind each pause: its number, and the frames that were left out.
    pauses: HashMap<u16, u32>,
}

impl Network {
    fn drops(&mut self, datagram: &[u8]) -> bool {
        let header = Header::parse(datagram).expect("a packet of ours");
        let step = header.timestamp.wrapping_sub(self.timestamp.unwrap_or(header.timestamp));
        self.timestamp = Some(header.timestamp);
        self.packets += 1;
        if step > TICKS_A_FRAME + TICKS_A_FRAME / 2 {
            // It arrives, so that it can be looked at.
            self.pauses.insert(header.sequence, step / TICKS_A_FRAME);
            return false;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let drops = (self.state >> 16).is_multiple_of(5);
        self.dropped += u64::from(drops);
        drops
    }
}

#[test]
fn a_lossy_viewer_pauses_and_a_healthy_one_does_not_notice() {
    let picture = Picture { frames_per_s: FRAMES_PER_S, gop: GOP, ..Picture::default() };
    let fixture = Fixture::of(vec![Mount::new(CAMERA, picture)], |_| {});
    let healthy = fixture.viewer();
    let mut lossy = fixture.viewer_with(&Options { reports: false, ..Options::default() });
    let network = Arc::new(Mutex::new(Network {
        state: 77,
        timestamp: None,
        packets: 0,
        dropped: 0,
        pauses: HashMap::new(),
    }));
    let at_work = network.clone();
    lossy.drop_inbound = Some(Box::new(move |datagram| {
        Kind::of(datagram) == Kind::Rtp && at_work.lock().expect("not poisoned").drops(datagram)
    }));
    let mut viewers = [healthy, lossy];
    let until_us = clock::now_us() + RUN_US;
    while clock::now_us() < until_us {
        wall::run(&mut viewers, REPORT_US, |viewers| viewers.iter().any(|v| v.ended.is_some()));
        viewers[1].send_receiver_report();
    }
    let [healthy, lossy] = viewers;
    assert_eq!((&healthy.ended, &lossy.ended), (&None, &None));

    let units = access_units(&healthy.reception.packets);
    let units = units.unwrap_or_else(|broken| panic!("{broken:?}"));
    let expected = RUN_US * u64::from(FRAMES_PER_S) / 1_000_000;
    assert!(units.len() as u64 >= expected - 10, "{} of {expected}", units.len());
    // What was there before it came is closer to live than it was.
    let steps = units.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp));
    assert!(steps.skip_while(|step| *step < TICKS_A_FRAME / 2).all(|step| step == TICKS_A_FRAME));
    let counts = &healthy.reception.counts;
    assert_eq!((counts.lost(), counts.broken_frames, counts.forged), (0, 0, 0));
    let session = fixture.session(healthy.local());
    assert_eq!((&session["skips"], &session["loss_percent"]), (&0.into(), &0.0.into()));
    assert_eq!(session["findings"], serde_json::json!([]));

    let network = network.lock().unwrap();
    let share = network.dropped as f64 / network.packets as f64;
    assert!((0.15..0.25).contains(&share), "{share}");
    let session = fixture.session(lossy.local());
    let pauses = network.pauses.len();
    let skips = session["skips"].as_u64().expect("a number");
    assert!(session["skips_by_reason"]["loss"].as_u64() > Some(0), "{session}");
    assert_eq!(session["findings"][0]["code"], "slow_link", "{session}");
    let camera = fixture.server.get("/api/cameras").json()["cameras"][0].clone();
    assert_eq!(camera["findings"], serde_json::json!([]), "the camera's side is whole");
    // What the session shows is 0.1 s old.
    let of_camera = fixture.server.metric("weir_camera_skips_total").expect("a metric");
    let newer = of_camera - skips as f64;
    assert!((0.0..=1.0).contains(&newer), "{of_camera}, {session}");
    // The last skip may not have ended yet, and one that meets an IDR leaves nothing out.
    assert!(skips >= 3 && pauses >= 2 && pauses as u64 <= skips, "{pauses} pauses, {session}");
    for (sequence, frames) in &network.pauses {
        let mut packets = lossy.reception.packets.iter();
        let first = packets.find(|packet| packet.sequence & 0xffff == u64::from(*sequence));
        let first = first.expect("it was let through");
        assert_eq!(first.payload[0] & 0x1f, STAP_A, "parameter sets behind {frames} frames");
        assert_eq!(first.payload[3] & 0x1f, 7);
        let rest = lossy.reception.packets.iter().filter(|packet| {
            packet.timestamp == first.timestamp && packet.sequence > first.sequence
        });
        let kinds: Vec<u8> = rest.map(|packet| packet.payload[1] & 0x1f).collect();
        assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == 5), "{kinds:?}");
    }
}
