//! The packets' size and the addresses that are offered, as the configuration has them.

use crate::common::agent::candidates;
use crate::common::fixture::Fixture;
use crate::common::reassemble::access_units;
use crate::common::relay::Relay;
use crate::common::server::free_udp;
use crate::common::viewer::{Viewer, wall};

const PATIENCE_US: u64 = 5_000_000;
const FRAMES: u64 = 30;

fn largest_payload(configured: &str) -> usize {
    let fixture = Fixture::open_with(|setup| setup.webrtc = configured.to_owned());
    let mut viewer = fixture.viewer();
    let has_frames = |viewer: &Viewer| viewer.reception.counts.frames >= FRAMES;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, has_frames));
    assert_eq!((viewer.reception.counts.lost(), viewer.reception.counts.forged), (0, 0));
    assert!(access_units(&viewer.reception.packets).is_ok());
    let payloads = viewer.reception.packets.iter().map(|packet| packet.payload.len());
    payloads.max().expect("packets")
}

#[test]
fn payload_bytes_are_kept_and_used_to_the_full() {
    for (configured, expected) in
        [("", 1200), ("payload_bytes = 1400", 1400), ("payload_bytes = 500", 500)]
    {
        assert_eq!(largest_payload(configured), expected, "{configured}");
    }
}

#[test]
fn payload_bytes_out_of_range_are_told_and_the_default_is_used() {
    let fixture = Fixture::open_with(|setup| setup.webrtc = "payload_bytes = 1401".to_owned());
    let log = fixture.server.log();
    assert!(log.contains("payload_bytes") && log.contains("1400"), "{log}");
    drop(fixture);
    assert_eq!(largest_payload("payload_bytes = 1401"), 1200);
}

#[test]
fn announced_addresses_replace_our_own() {
    let media = free_udp("127.0.0.1");
    let relay = Relay::start(media, Vec::new());
    let fixture = Fixture::open_with(|setup| {
        setup.media_port = Some(media.port());
        setup.webrtc = format!("announce = [\"{}\", \"192.0.2.10:8118\"]", relay.address);
    });
    let mut viewer = fixture.viewer();
    let announced = [relay.address, "192.0.2.10:8118".parse().expect("an address")];
    assert_eq!(candidates(&viewer.answer), announced);
    assert_eq!(viewer.remote(), Some(relay.address));
    let has_frames = |viewer: &Viewer| viewer.reception.counts.frames >= FRAMES;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, has_frames));
}
