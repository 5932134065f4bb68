//! One camera that does what no camera should, beside 15 that are well: those lose nothing of their
//! pictures, nor time.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use weir::clock;
use weir::codec::Codec;

use crate::common::camera::packets::PAYLOAD_TYPE;
use crate::common::camera::picture::{Picture, parameter_sets};
use crate::common::camera::rtsp::description_of;
use crate::common::camera::{CameraFarm, Mount};
use crate::common::raw_camera::{RawCamera, RawStream};
use crate::common::reception::Keep;
use crate::common::server::{Server, Setup};
use crate::common::viewer::{Options, Viewer, wall};
use crate::common::window;

const HEALTHY: u32 = 15;
const WINDOW_US: u64 = 2_500_000;
const TRAIL_US: u64 = 200_000;
const PATIENCE_US: u64 = 10_000_000;
/// What the bad camera does, in the order in which it does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Plays,
    Stalls,
    Floods,
    SendsGarbage,
    LiesInEveryHeader,
    ChangesAllTheTime,
}

const DEEDS: [Deed; 6] = [
    Deed::Plays,
    Deed::Stalls,
    Deed::Floods,
    Deed::SendsGarbage,
    Deed::LiesInEveryHeader,
    Deed::ChangesAllTheTime,
];

/// The camera's state, which its thread and the test share.
#[derive(Default)]
struct Bad {
    /// The place in [`DEEDS`] of what it does now.
    deed: AtomicUsize,
    dials: AtomicU64,
    bytes: AtomicU64,
}

impl Bad {
    fn deed(&self) -> Deed {
        DEEDS[self.deed.load(Relaxed)]
    }
}

/// One connection, and what it draws lots with.
struct Source {
    connection: TcpStream,
    stream: RawStream,
    lots: u64,
}

impl Source {
    fn draw(&mut self) -> u32 {
        self.lots ^= self.lots << 13;
        self.lots ^= self.lots >> 7;
        self.lots ^= self.lots << 17;
        u32::try_from(self.lots >> 32).expect("32 bits")
    }

    fn noise(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| self.draw().to_le_bytes()[0]).collect()
    }

    /// A key frame with its parameter sets; of the first, the size differs by `width`.
    fn key_frame(&mut self, width: u8, slice_bytes: usize) -> Vec<u8> {
        let mut burst = Vec::new();
        for (at, set) in parameter_sets(Codec::H264).iter().enumerate() {
            let mut set = set.to_vec();
            if at == 0 && width > 0 {
                // The last bits of the sizes, and whatever follows them.
                let last = set.len() - 2;
                set[last] ^= width;
            }
            self.stream.packet(&set, false, &mut burst);
        }
        let slice = [&[0x65, 0x88, 0x84][..], &vec![7; slice_bytes]].concat();
        self.stream.packet(&slice, true, &mut burst);
        self.stream.timestamp = self.stream.timestamp.wrapping_add(3600);
        burst
    }

    /// A packet of which nothing is true: its length, channel, version, type, numbers, fragment.
    fn lie(&mut self) -> Vec<u8> {
        let bytes = 20 + self.draw() as usize % 1400;
        let mut packet = self.noise(bytes);
        let claimed = self.draw().to_be_bytes();
        packet[..4].copy_from_slice(&[b'$', claimed[0] % 4, claimed[1] % 8, claimed[2]]);
        if claimed[3] < 200 {
            // It looks like a fragment of a key frame.
            packet[4..6].copy_from_slice(&[0x80, PAYLOAD_TYPE | claimed[3] & 0x80]);
            packet[16..18].copy_from_slice(&[0x7c, claimed[1]]);
        }
        packet
    }

    /// Does one piece of a deed; `Err` once the connection is over.
    fn do_a_piece(&mut self, deed: Deed, since_us: u64) -> io::Result<usize> {
        let (burst, rest_ms) = match deed {
            Deed::Plays => (self.key_frame(0, 1000), 40),
            Deed::Stalls => {
                let burst = self.key_frame(0, 1000);
                self.connection.write_all(&burst[..burst.len() / 2])?;
                thread::sleep(Duration::from_secs(3));
                return Err(io::ErrorKind::TimedOut.into());
            }
            Deed::Floods => (self.key_frame(0, 60_000), 0),
            Deed::SendsGarbage => (self.noise(4096), 1),
            Deed::LiesInEveryHeader => (self.lie(), 1),
            Deed::ChangesAllTheTime => {
                if clock::now_us() > since_us + 1_000_000 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                self.stream.ssrc = self.draw();
                let width = self.draw().to_le_bytes()[0];
                (self.key_frame(width, 1000), 40)
            }
        };
        self.connection.write_all(&burst)?;
        thread::sleep(Duration::from_millis(rest_ms));
        Ok(burst.len())
    }
}

/// Plays to whoever dials, for as long as the test's process lives.
fn misbehave(mut camera: RawCamera, bad: &Bad) {
    for lots in 1.. {
        let codec = if lots % 2 == 0 { Codec::H265 } else { Codec::H264 };
        let changes = bad.deed() == Deed::ChangesAllTheTime;
        camera.describe(&description_of(if changes { codec } else { Codec::H264 }, None));
        let connection = camera.playing();
        bad.dials.fetch_add(1, Relaxed);
        let lots = 0x9e37_79b9_7f4a_7c15 ^ lots;
        let mut source = Source { connection, stream: RawStream::default(), lots };
        let since_us = clock::now_us();
        while let Ok(bytes) = source.do_a_piece(bad.deed(), since_us) {
            bad.bytes.fetch_add(bytes as u64, Relaxed);
        }
    }
}

#[test]
fn fifteen_cameras_lose_nothing_beside_a_bad_one() {
    let names: Vec<String> = (0..HEALTHY).map(|number| format!("cam{number}")).collect();
    let farm = CameraFarm::open(Mount::many(HEALTHY, Picture::default(), false));
    let camera = RawCamera::open();
    let urls = names.iter().map(|name| (name.clone(), farm.url(name)));
    let urls = urls.chain([("bad".to_owned(), camera.url.clone())]);
    let server = Server::start(&Setup::of(urls));
    let bad = Arc::new(Bad::default());
    let shared = bad.clone();
    // It waits for another dial when the test is over, and ends with the process.
    thread::spawn(move || misbehave(camera, &shared));
    let ready = server.wait_until_ready(names.len() + 1, PATIENCE_US);
    assert!(ready, "{}", server.get("/api/cameras").body);

    let options = Options { keep: Keep::Counts, ..Options::default() };
    let all = [&names[..], &["bad".to_owned()]].concat();
    let viewers = wall::connect_all(server.http, &all, &options, PATIENCE_US).into_iter();
    let mut viewers: Vec<Viewer> =
        viewers.map(|viewer| viewer.unwrap_or_else(|error| panic!("{error}"))).collect();
    wall::run(&mut viewers, 1_500_000, |_| false);
    let mut alone_us = 0;
    for (place, deed) in DEEDS.into_iter().enumerate() {
        bad.deed.store(place, Relaxed);
        let (dials, bytes) = (bad.dials.load(Relaxed), bad.bytes.load(Relaxed));
        window::watch(&farm, &mut viewers, WINDOW_US, TRAIL_US);
        let healthy = &viewers[..names.len()];
        for (viewer, camera) in healthy.iter().zip(&names) {
            assert_eq!(viewer.ended, None, "{deed:?}");
            window::assert_whole(&farm, camera, viewer);
        }
        let (most_us, p99_us) = (window::latency_us(healthy, 90), window::latency_us(healthy, 99));
        let (dials, bytes) = (bad.dials.load(Relaxed) - dials, bad.bytes.load(Relaxed) - bytes);
        println!("{deed:?}: {bytes} bytes, {dials} dials; p90 {most_us} us, p99 {p99_us} us");
        if deed == Deed::Plays {
            alone_us = most_us;
        }
        // On a machine that has other work too.
        assert!(most_us < alone_us + 30_000, "{deed:?}: {most_us} us, {alone_us} us before");
    }
    assert_eq!(server.metric("weir_media_thread_allocations_total"), Some(0.0));
    assert!(bad.dials.load(Relaxed) > 1, "it was dialled again");
}
