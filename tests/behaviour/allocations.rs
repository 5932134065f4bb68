//! The media thread does not allocate: not for packets, sound, resends or reports, nor for viewers
//! that come and go, nor when a viewer is overrun.

use std::time::Duration;

use weir::clock;

use crate::common::camera::picture::Picture;
use crate::common::camera::{Behaviour, Microphone, Mount};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::viewer::{Options, Viewer, wall};

const SECOND_US: u64 = 1_000_000;
const VIEWERS: usize = 4;
const PACKETS: f64 = 10_000.0;
/// 32 Mbit/s: some 3400 packets a second.
const PICTURE: Picture =
    Picture { frames_per_s: 200, gop: 100, bits_per_s: 32_000_000, idr_weight: 4, slices: 1 };

fn metric(fixture: &Fixture, name: &str) -> f64 {
    fixture.server.metric(name).expect("a metric of weir's")
}

/// Runs the viewers; each asks for its newest packets again, as if it had missed them.
fn watch(viewers: &mut [Viewer], us: u64) {
    let until_us = clock::now_us() + us;
    while clock::now_us() < until_us {
        let ended = |viewers: &[Viewer]| viewers.iter().any(|viewer| viewer.ended.is_some());
        assert!(!wall::run(viewers, SECOND_US / 10, ended));
        for viewer in viewers.iter_mut() {
            let newest = viewer.reception.packets.last().map_or(0, |packet| packet.sequence);
            let number = u16::try_from(newest & 0xffff).expect("masked");
            viewer.send_nack(&[number.wrapping_sub(3), number.wrapping_sub(1)]);
        }
        viewers[0].send_picture_loss();
    }
}

#[test]
fn the_media_thread_allocates_nothing_once_it_runs() {
    let mount = Mount { sound: Some(Microphone::PCMA), ..Mount::new(CAMERA, PICTURE) };
    let fixture = Fixture::of(vec![mount], |_| {});
    let packets_before = metric(&fixture, "weir_camera_packets_out_total");

    let cameras = vec![CAMERA.to_owned(); VIEWERS];
    let options = Options { sound: Some(false), ..Options::default() };
    let joined = wall::connect_all(fixture.server.http, &cameras, &options, SECOND_US * 5);
    let mut viewers: Vec<Viewer> =
        joined.into_iter().map(|viewer| viewer.unwrap_or_else(|e| panic!("{e}"))).collect();
    watch(&mut viewers, 2 * SECOND_US);

    // A join and two ways to leave.
    viewers.push(fixture.viewer());
    watch(&mut viewers, SECOND_US / 2);
    assert_eq!(viewers.pop().map(|viewer| viewer.delete().unwrap_or(0)), Some(200));
    let leaver = fixture.viewer();
    leaver.close();
    watch(&mut viewers, SECOND_US / 2);

    // Four megabytes at once: more than the ring may hold, faster than the pace of a viewer.
    fixture.farm.behave(CAMERA, Behaviour::Stall);
    watch(&mut viewers, SECOND_US);
    fixture.farm.behave(CAMERA, Behaviour::Play);
    watch(&mut viewers, 2 * SECOND_US);

    // A viewer whose every third packet is lost, which ends in a pause.
    let mut count = 0;
    viewers[0].drop_inbound = Some(Box::new(move |_| {
        count += 1;
        count % 3 == 0
    }));
    watch(&mut viewers, 4 * SECOND_US);
    viewers[0].drop_inbound = None;
    watch(&mut viewers, SECOND_US);

    let sessions = fixture.sessions();
    let sum = |field: &str| -> u64 {
        let live = sessions.iter().filter(|session| session["state"] == "live");
        live.filter_map(|session| session[field].as_u64()).sum()
    };
    let packets = metric(&fixture, "weir_camera_packets_out_total") - packets_before;
    println!(
        "{packets} packets to {VIEWERS} viewers, {} resends, {} skips, {} key frame requests",
        sum("resends"),
        sum("skips"),
        sum("key_frame_requests")
    );
    assert!(packets >= PACKETS, "{packets}");
    assert!(sum("resends") > 0 && sum("skips") > 0 && sum("key_frame_requests") > 0);
    for viewer in &viewers {
        assert!(viewer.reception.sender_reports.len() >= 2);
        assert_eq!(viewer.reception.counts.forged, 0);
        let (_, sound) = viewer.sound.as_ref().expect("sound");
        assert!(sound.counts.packets > 100 && sound.counts.forged == 0, "{:?}", sound.counts);
    }
    // The gauge is refreshed twice a second.
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(metric(&fixture, "weir_media_thread_allocations_total"), 0.0);
    let [timed, sent] = ["weir_send_delay_seconds_count", "weir_udp_packets_total"]
        .map(|name| metric(&fixture, name));
    assert!(timed > PACKETS && sent > PACKETS, "{timed} packets have a delay, of {sent}");
}
