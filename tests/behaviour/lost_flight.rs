//! weir's last DTLS flight lost three times in a row: the browser repeats its own, and weir, whose
//! handshake's memory is long given back, repeats the flight it kept.

use std::sync::atomic::Ordering::Relaxed;

use crate::common::fixture::{CAMERA, Fixture};
use crate::common::relay::{Relay, drop_last_flight};
use crate::common::server::free_udp;
use crate::common::viewer::{Viewer, wall};

const TIMES: u32 = 3;
/// The browser repeats after 1 s, 2 s and 4 s, with jitter.
const PATIENCE_US: u64 = 14_000_000;

#[test]
fn a_last_flight_lost_three_times_still_connects() {
    let media = free_udp("127.0.0.1");
    let relay = Relay::start(media, vec![drop_last_flight(TIMES)]);
    let fixture = Fixture::open_with(|setup| {
        setup.media_port = Some(media.port());
        setup.webrtc = format!("announce = [\"{}\"]", relay.address);
    });
    let viewer = Viewer::connect(fixture.server.http, CAMERA);
    let mut viewer = viewer.unwrap_or_else(|error| panic!("{error}"));
    let is_unconnected = |viewer: &Viewer| {
        assert!(!viewer.is_connected());
        relay.counts.dropped.load(Relaxed) > 0
    };
    assert!(wall::run_one(&mut viewer, PATIENCE_US, is_unconnected), "no flight");
    let handshakes = || fixture.server.metric("weir_handshakes");
    assert!(crate::common::server::wait_for(2_000_000, || handshakes() == Some(0.0)));

    let shows = |viewer: &Viewer| viewer.is_connected() && viewer.reception.counts.frames > 20;
    let shown = wall::run_one(&mut viewer, PATIENCE_US, shows);
    assert!(shown, "{:?}, {:?}", viewer.ended, viewer.reception.counts);
    assert_eq!(relay.counts.dropped.load(Relaxed), u64::from(TIMES));
    assert!(viewer.reception.counts.early > 0, "media came before the flight did");
    assert_eq!(viewer.reception.counts.forged, 0);
    let states: Vec<String> =
        fixture.sessions().iter().map(|session| session["state"].to_string()).collect();
    assert_eq!(states, ["\"live\""]);
}
