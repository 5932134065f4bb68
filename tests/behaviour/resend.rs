//! What a viewer misses and asks for it gets again, the same to the byte, within a budget.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use crate::common::camera::Mount;
use crate::common::camera::picture::Picture;
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::reassemble::access_units;
use crate::common::rtp::{Header, Kind};
use crate::common::viewer::{Viewer, wall};

const PATIENCE_US: u64 = 10_000_000;
/// A browser asks a few milliseconds after it sees a gap.
const ASK_US: u64 = 10_000;
const EVERY: u64 = 100;
const PACKETS: u64 = 3_000;

/// What a viewer's network did to its media.
#[derive(Default)]
struct Network {
    first: u64,
    seen: HashSet<u16>,
    /// First transmissions that were dropped, sealed.
    dropped: HashMap<u16, Vec<u8>>,
    /// The same packets when they came again.
    repeated: HashMap<u16, Vec<u8>>,
    /// How often each came again.
    times: HashMap<u16, u8>,
}

impl Network {
    fn drops(&mut self, datagram: &[u8]) -> bool {
        let header = Header::parse(datagram).expect("a packet of ours");
        if !self.seen.insert(header.sequence) {
            let before = self.repeated.insert(header.sequence, datagram.to_vec());
            assert!(before.is_none_or(|before| before == datagram), "the same each time");
            *self.times.entry(header.sequence).or_default() += 1;
            return false;
        }
        self.first += 1;
        let drops = self.first.is_multiple_of(EVERY);
        if drops {
            self.dropped.insert(header.sequence, datagram.to_vec());
        }
        drops
    }
}

fn fixture(webrtc: &str) -> Fixture {
    let picture =
        Picture { frames_per_s: 100, gop: 50, bits_per_s: 8_000_000, ..Picture::default() };
    Fixture::of(vec![Mount::new(CAMERA, picture)], |setup| setup.webrtc = webrtc.to_owned())
}

/// A viewer behind a network that drops every hundredth packet's first transmission.
fn behind(viewer: &mut Viewer) -> Arc<Mutex<Network>> {
    let network = Arc::new(Mutex::new(Network::default()));
    let at_work = network.clone();
    viewer.drop_inbound = Some(Box::new(move |datagram| {
        Kind::of(datagram) == Kind::Rtp && at_work.lock().expect("not poisoned").drops(datagram)
    }));
    network
}

/// Sequence numbers below the highest that never came.
fn missing(viewer: &Viewer) -> Vec<u16> {
    let numbers = viewer.reception.packets.iter().map(|packet| packet.sequence);
    let came: HashSet<u64> = numbers.collect();
    let (Some(first), Some(last)) = (came.iter().min(), came.iter().max()) else {
        return Vec::new();
    };
    let gone = (*first..*last).filter(|number| !came.contains(number));
    gone.map(|number| u16::try_from(number & 0xffff).expect("masked")).collect()
}

fn watch(viewer: &mut Viewer, us: u64) {
    wall::run_one(viewer, us, |viewer| viewer.ended.is_some());
    assert_eq!(viewer.ended, None);
}

#[test]
fn what_is_missed_comes_again_the_same_to_the_byte() {
    let fixture = fixture("");
    let mut viewer = fixture.viewer();
    let network = behind(&mut viewer);
    let mut asked = HashSet::new();
    while network.lock().unwrap().first < PACKETS {
        watch(&mut viewer, ASK_US);
        let new: Vec<u16> = missing(&viewer).into_iter().filter(|n| asked.insert(*n)).collect();
        if !new.is_empty() {
            viewer.send_nack(&new);
        }
    }
    viewer.drop_inbound = None;
    let complete = |viewer: &Viewer| missing(viewer).is_empty();
    if !wall::run_one(&mut viewer, ASK_US, complete) {
        viewer.send_nack(&missing(&viewer));
    }
    assert!(wall::run_one(&mut viewer, PATIENCE_US, complete), "{:?}", missing(&viewer));

    viewer.reception.packets.sort_by_key(|packet| packet.sequence);
    viewer.reception.packets.dedup_by_key(|packet| packet.sequence);
    let units = access_units(&viewer.reception.packets);
    assert!(units.is_ok_and(|units| units.len() > 100));
    let network = network.lock().unwrap();
    assert!(network.dropped.len() as u64 >= PACKETS / EVERY - 1);
    for (sequence, again) in &network.repeated {
        assert_eq!(network.dropped.get(sequence), Some(again), "packet {sequence}");
    }
    assert!(network.times.values().all(|times| *times <= 2), "as asked, and once more");
    let again = network.repeated.len();
    assert!(again + 2 >= network.dropped.len(), "{again} of {}", network.dropped.len());
    assert!(crate::common::server::wait_for(1_000_000, || {
        let session = fixture.session(viewer.local());
        session["resends"].as_u64().is_some_and(|resends| resends >= again as u64)
    }));
    let session = fixture.session(viewer.local());
    assert_eq!((&session["resends_refused"], &session["skips"]), (&0.into(), &0.into()));
}

#[test]
fn a_flood_of_requests_is_bounded_and_ends_in_a_clean_pause() {
    let fixture = fixture("");
    let mut viewer = fixture.viewer();
    watch(&mut viewer, 1_200_000);
    let before = viewer.reception.packets.len();
    let last = viewer.reception.packets[before - 1].sequence;
    let newest: Vec<u16> =
        (last - 60..last).map(|n| u16::try_from(n & 0xffff).expect("masked")).collect();
    for _ in 0..50 {
        viewer.send_nack(&newest);
        watch(&mut viewer, 4_000);
    }
    watch(&mut viewer, 100_000);
    let again = viewer.reception.counts.late;
    // What a second brings, and a little that comes back meanwhile.
    let allowed = u64::try_from(before).expect("few");
    assert!(again > 0 && again <= allowed, "{again} packets again, at most {allowed}");

    let recovered = |viewer: &Viewer| viewer.reception.packets.len() > before + 500;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, recovered));
    let session = fixture.session(viewer.local());
    assert_eq!(session["resends"].as_u64(), Some(again));
    assert!(session["resends_refused"].as_u64() > Some(500), "{session}");
    assert!(session["skips"].as_u64() > Some(0), "{session}");
    assert_eq!(session["skips_by_reason"]["resends"], session["skips"], "{session}");
    assert_eq!(viewer.reception.counts.lost(), 0, "the numbers go on where they stopped");
}

#[test]
fn without_resend_nothing_is_offered_and_nothing_comes_again() {
    let fixture = fixture("resend = false");
    let mut viewer = fixture.viewer();
    let nacks: Vec<&str> = viewer.answer.lines().filter(|line| line.contains(" nack")).collect();
    assert!(nacks.iter().all(|line| line.ends_with(" nack pli")), "{nacks:?}");
    let network = behind(&mut viewer);
    while network.lock().unwrap().dropped.len() < 3 {
        watch(&mut viewer, ASK_US);
        viewer.send_nack(&missing(&viewer));
    }
    viewer.drop_inbound = None;
    watch(&mut viewer, 300_000);
    assert!(network.lock().unwrap().repeated.is_empty());
    assert!(missing(&viewer).len() >= 2);
    let session = fixture.session(viewer.local());
    assert_eq!((&session["resends"], &session["skips"]), (&0.into(), &0.into()));
    assert!(session["resends_refused"].as_u64() > Some(0), "{session}");
}
