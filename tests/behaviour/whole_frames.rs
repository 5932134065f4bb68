//! Every slice a camera sends reaches the viewer as it was, in order, and in hardly more packets
//! than its bytes need, wherever weir's reads happen to end.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::common::camera::picture::{Noise, Picture};
use crate::common::camera::{CameraFarm, Mount, Show};
use crate::common::chunking_relay::ChunkingRelay;
use crate::common::reassemble::{AccessUnit, access_units};
use crate::common::reception::Packet;
use crate::common::server::{Server, Setup};
use crate::common::viewer::{Options, Viewer, wall};

const FRAMES: u64 = 1_000;
/// Frames of 2 Mbit/s at 25 a second, shown eight times as fast.
const FRAMES_PER_S: u32 = 200;
const PICTURE: Picture =
    Picture { frames_per_s: 200, gop: 50, bits_per_s: 16_000_000, idr_weight: 4, slices: 1 };
/// weir's default.
const PAYLOAD_BYTES: usize = 1_200;

/// Access units whose slices end anywhere: many fit a packet, many do not.
fn uneven_slices() -> Show {
    let noise = Noise::new(11);
    let units = (0..5 * PICTURE.gop).map(|frame| {
        let mut nals = PICTURE.frame(&noise, 0, frame, frame % PICTURE.gop == 0);
        let whole = nals.pop().expect("a slice");
        let header = whole[0];
        let mut rest = &whole[3..];
        let mut first = 0x88;
        while !rest.is_empty() {
            // The noise itself says where to cut: after 20 to 4096 bytes.
            let seed = usize::from(rest[0]) << 8 | usize::from(rest[rest.len() / 2]);
            let (slice, behind) = rest.split_at(rest.len().min(20 + seed % 4_077));
            nals.push([&[header, first, 0x84], slice].concat());
            rest = behind;
            first = 0x42;
        }
        nals
    });
    Show::Clip { units: Arc::new(units.collect()), frames_per_s: FRAMES_PER_S }
}

fn mount(name: &str, show: Show, payload_bytes: usize) -> Mount {
    let plain = Mount::new(name, PICTURE);
    Mount { show, payload_bytes, record: true, ..plain }
}

fn is_slice(nal: &&Vec<u8>) -> bool {
    matches!(nal[0] & 0x1f, 1..=5)
}

/// Whether what arrived is what was sent, from the viewer's first slice on.
fn compare(name: &str, units: &[AccessUnit], sent: &[Vec<u8>]) -> usize {
    let received: Vec<&Vec<u8>> =
        units.iter().flat_map(|unit| &unit.nals).filter(is_slice).collect();
    let sent: Vec<&Vec<u8>> = sent.iter().filter(is_slice).collect();
    let begins = sent.iter().position(|nal| *nal == received[0]);
    let begins = begins.expect("the first slice was sent by the camera");
    for (at, nal) in received.iter().enumerate() {
        assert!(**nal == *sent[begins + at], "{name}: slice {at} of {}", received.len());
    }
    received.iter().map(|nal| nal.len().div_ceil(PAYLOAD_BYTES)).sum()
}

fn judge(name: &str, packets: &[Packet], sent: &[Vec<u8>]) {
    let units = access_units(packets).unwrap_or_else(|broken| panic!("{name}: {broken:?}"));
    assert!(units.len() as u64 >= FRAMES && units[0].is_idr(), "{name}: {}", units.len());
    let needed = compare(name, &units, sent);
    let last = units[units.len() - 1].last;
    let used = packets.iter().filter(|packet| packet.sequence <= last).count();
    let figure = used as f64 / needed as f64;
    println!("{name}: {} frames in {used} packets, {figure:.3} of {needed}", units.len());
    assert!(figure <= 1.2, "{name}: {figure}");
}

#[test]
fn a_thousand_frames_arrive_to_the_byte_in_reads_of_every_size() {
    let names = ["fragments", "slices", "large"];
    let farm = CameraFarm::open(vec![
        mount(names[0], Show::Synthetic(PICTURE), 1_400),
        mount(names[1], uneven_slices(), 1_460),
        mount(names[2], Show::Synthetic(Picture { slices: 2, ..PICTURE }), 60_000),
    ]);
    let pieces: Vec<ChunkingRelay> =
        (0..3).map(|seed| ChunkingRelay::start(farm.address(), 99 + seed)).collect();
    let url = |at: usize| format!("rtsp://{}/{}", pieces[at].address, names[at]);
    let server = Server::start(&Setup::of((0..3).map(|at| (names[at].to_owned(), url(at)))));
    assert!(server.wait_until_ready(3, 10_000_000));

    let cameras = names.map(str::to_owned);
    let joined = wall::connect_all(server.http, &cameras, &Options::default(), 5_000_000);
    let mut viewers: Vec<Viewer> =
        joined.into_iter().map(|viewer| viewer.expect("an answer")).collect();
    let all =
        |viewers: &[Viewer]| viewers.iter().all(|viewer| viewer.reception.counts.frames > FRAMES);
    let whole = wall::run(&mut viewers, 30_000_000, all);
    for (viewer, name) in viewers.iter().zip(names) {
        let counts = &viewer.reception.counts;
        assert!(whole, "{name}: {} frames, {} lost", counts.frames, counts.lost());
        judge(name, &viewer.reception.packets, &farm.sent(name));
    }
    for relay in &pieces {
        let sizes = relay.sizes.each_ref().map(|count| count.load(Relaxed));
        println!("pieces of 1, 2, 4, … bytes: {sizes:?}");
        assert!(sizes.iter().all(|count| *count > 0), "every size was read");
    }
}
