//! The instruments are judged first: by the RFCs' vectors, by ffprobe, and by each other.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;

use common::camera::picture::{Picture, Stamp};
use common::camera::rtsp::{Login, Scheme};
use common::camera::{Behaviour, CameraFarm, Mount, Show, mix};
use common::first_picture::FirstPicture;
use common::reassemble::{AccessUnit, Broken, access_units, annex_b};
use common::reception::{Keep, Packet, Reception};
use common::rtp::{Header, Unwrap};
use common::server::wait_for;
use common::srtp::Keys;
use weir::clock;

const RTP: &str = "8040f17b8041f8d35501a0b2\
    47616c6c696120657374206f6d6e697320646976697361206\
    96e207061727465732074726573";
const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a\
    0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const SALT: &str = "517569642070726f2071756f";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn keys(key_bytes: u8) -> Keys {
    let key: Vec<u8> = (0..key_bytes).collect();
    Keys::of_session(&key, bytes(SALT).try_into().unwrap())
}

#[test]
fn srtp_is_that_of_rfc_7714_section_16() {
    let packet = bytes(RTP);
    for (key_bytes, sealed) in [
        (
            16,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b\
             36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            32,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f\
             1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let keys = keys(key_bytes);
        let (header, payload) = packet.split_at(12);
        let mut made = keys.seal_rtp(header, payload, 0);
        assert_eq!(made, [header, &bytes(sealed)].concat());
        assert_eq!(keys.open_rtp(&mut made.clone(), 12, 0).unwrap(), payload);
        assert!(keys.open_rtp(&mut made.clone(), 12, 1).is_none());
        *made.last_mut().unwrap() ^= 1;
        assert!(keys.open_rtp(&mut made, 12, 0).is_none());
    }
}

#[test]
fn srtcp_is_that_of_rfc_7714_section_17() {
    let compound = bytes(RTCP);
    let sealed = bytes(
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1\
         730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    );
    let keys = keys(16);
    assert_eq!(keys.seal_rtcp(&compound, 0x5d4), sealed);
    assert_eq!(keys.open_rtcp(&sealed), Some((0x5d4, compound)));
}

#[test]
fn sequence_numbers_go_on_over_the_wrap_and_back() {
    let mut unwrap = Unwrap::default();
    let mut seen = Vec::new();
    for sequence in [65_534_u16, 65_535, 1, 0, 2] {
        let full = unwrap.full(sequence);
        unwrap.saw(full);
        seen.push(full);
    }
    assert_eq!(seen, [65_534, 65_535, 65_537, 65_536, 65_538]);
}

fn packet(sequence: u64, timestamp: u32, marker: bool, payload: &[u8]) -> Packet {
    Packet {
        sequence,
        timestamp,
        marker,
        payload_type: 96,
        extension_bytes: 0,
        payload: payload.to_vec(),
        arrival_us: 0,
    }
}

fn two_frames() -> Vec<Packet> {
    vec![
        packet(9, 1, false, &[24, 0, 2, 0x67, 1, 0, 1, 0x68]),
        packet(10, 1, false, &[0x7c, 0x85, 1, 2]),
        packet(11, 1, false, &[0x7c, 0x05, 3]),
        packet(12, 1, true, &[0x7c, 0x45, 4]),
        packet(13, 2, true, &[0x41, 7]),
    ]
}

#[test]
fn packets_become_access_units() {
    let units = access_units(&two_frames()).unwrap();
    assert_eq!(
        units,
        [
            AccessUnit {
                timestamp: 1,
                nals: vec![vec![0x67, 1], vec![0x68], vec![0x65, 1, 2, 3, 4]],
                last: 12,
            },
            AccessUnit { timestamp: 2, nals: vec![vec![0x41, 7]], last: 13 },
        ]
    );
    assert!(units[0].is_idr() && !units[1].is_idr());
    assert!(annex_b(&units).ends_with(&[0, 0, 0, 1, 0x41, 7]));
}

#[test]
fn a_packet_out_of_place_is_an_error() {
    type Change = fn(&mut Vec<Packet>);
    let cases: [(Change, Broken); 8] = [
        (|p| drop(p.remove(2)), Broken::Gap { after: 10, got: 12 }),
        (|p| p.swap(1, 2), Broken::Gap { after: 9, got: 11 }),
        (|p| drop(p.drain(..2)), Broken::NoStart { at: 11 }),
        (|p| p[2].payload[1] = 0x85, Broken::NotEnded { at: 11 }),
        (|p| p[2].payload[1] = 0x01, Broken::Header { at: 11 }),
        (|p| p[3].payload[1] = 0x05, Broken::NotEnded { at: 12 }),
        (|p| p[3].marker = false, Broken::NoMarker { at: 13 }),
        (|p| p[1].payload[1] = 0xc5, Broken::StartAndEnd { at: 10 }),
    ];
    for (change, expected) in cases {
        let mut packets = two_frames();
        change(&mut packets);
        assert_eq!(access_units(&packets), Err(expected));
    }
}

#[test]
fn stamps_survive_and_hold_no_zero_byte() {
    let stamp = Stamp { camera: 2_000_000, frame: u32::MAX, time_us: 1 << 55 };
    assert_eq!(Stamp::decode(&stamp.encode()), Some(stamp));
    let zeros = Stamp { camera: 0, frame: 0, time_us: 0 };
    assert!(zeros.encode().iter().all(|byte| *byte != 0));
    assert_eq!(Stamp::decode(&[1; 16]), None);
}

#[test]
fn headers_with_an_extension_are_measured() {
    let mut packet = Header::write(true, 96, 5, 6, 7).to_vec();
    packet[0] |= 0x10;
    packet.extend([0xbe, 0xde, 0, 1, 0x62, 0, 0, 0]);
    let header = Header::parse(&packet).unwrap();
    assert_eq!((header.bytes, header.extension_bytes), (20, 4));
    assert!(Header::parse(&packet[..19]).is_none());
}

fn ffprobe(url: &str, entries: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-rtsp_transport", "tcp", "-read_intervals", "%+#60"])
        .args(["-show_entries", entries, "-of", "compact", url])
        .output()
        .expect("ffprobe runs");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    // Its decoder looks at one slice of noise to learn the pixel format; that may fail.
    assert!(output.status.success(), "{complaints}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ffprobe_reads_a_synthetic_camera() {
    let picture =
        Picture { frames_per_s: 50, gop: 25, bits_per_s: 4_000_000, ..Picture::default() };
    let mut mount = Mount::new("gate", picture);
    mount.login = Login {
        scheme: Scheme::Digest { qop: true },
        user: "viewer".to_owned(),
        password: "secret".to_owned(),
    };
    let farm = CameraFarm::open(vec![mount]);
    let url = farm.url("gate").replace("rtsp://", "rtsp://viewer:secret@");
    let read = ffprobe(&url, "stream=codec_name,profile,width,height:packet=size,flags");
    assert!(read.contains("codec_name=h264"), "{read}");
    assert!(read.contains("width=1280|height=720"), "{read}");
    let packets: Vec<&str> = read.lines().filter(|line| line.starts_with("packet|")).collect();
    let size = |line: &&str| -> usize {
        let (_, rest) = line.split_once("size=").unwrap();
        rest.split('|').next().unwrap().parse().unwrap()
    };
    let idrs = packets.iter().filter(|line| line.contains("flags=K")).count();
    assert!(packets.len() >= 50 && (2..=4).contains(&idrs), "{read}");
    let plain = packets.iter().filter(|line| !line.contains("flags=K"));
    let expected = picture.frame_bytes(false) + 4;
    for bytes in plain.map(size) {
        assert!(expected - 16 <= bytes && bytes <= expected, "{bytes} of {expected}");
    }
    assert_eq!(farm.counts("gate").describes.load(Relaxed), 1);
    assert_eq!(farm.counts("gate").unauthorized.load(Relaxed), 1);
}

#[test]
fn a_camera_can_fall_silent_and_come_back() {
    let farm = CameraFarm::open(vec![Mount::new("gate", Picture::default())]);
    let mut reader = Command::new("ffmpeg")
        .args(["-v", "quiet", "-rtsp_transport", "tcp", "-i", &farm.url("gate")])
        .args(["-c", "copy", "-f", "null", "-"])
        .spawn()
        .expect("ffmpeg runs");
    let frames = || farm.counts("gate").frames.load(Relaxed);
    assert!(wait_for(5_000_000, || frames() > 10));
    farm.behave("gate", Behaviour::Silent);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let before = frames();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(frames(), before);
    farm.behave("gate", Behaviour::Play);
    assert!(wait_for(1_000_000, || frames() > before));
    reader.kill().unwrap();
    reader.wait().unwrap();
}

#[test]
fn a_mix_has_its_shares_spread_and_is_the_same_every_time() {
    let mounts = mix::mounts(64, false);
    let pictures: Vec<Picture> = mounts.iter().map(picture_of).collect();
    let places = |bits_per_s: u32| -> Vec<usize> {
        let places = pictures.iter().enumerate();
        places.filter(|(_, picture)| picture.bits_per_s == bits_per_s).map(|(at, _)| at).collect()
    };
    let shares = [500_000, 2_000_000, 4_000_000, 8_000_000].map(|rate| places(rate).len());
    assert_eq!(shares, [32, 20, 8, 4]);
    let quarters: Vec<usize> = places(8_000_000).iter().map(|at| at / 16).collect();
    assert_eq!(quarters, [0, 1, 2, 3]);
    for picture in &pictures {
        assert!((4..=40).contains(&picture.idr_weight) && (25..=100).contains(&picture.gop));
    }
    let again = mix::mounts(64, false);
    assert_eq!(format!("{mounts:?}"), format!("{again:?}"));
    let small = mix::mounts(8, true);
    let rates: Vec<u32> = small.iter().map(|mount| picture_of(mount).bits_per_s).collect();
    assert_eq!(rates.iter().sum::<u32>(), 18_000_000, "{rates:?}");
    assert!(small.iter().all(|mount| (mount.phase_us, mount.gop_phase) == (0, 0)));
}

fn picture_of(mount: &Mount) -> Picture {
    match &mount.show {
        Show::Synthetic(picture) => *picture,
        Show::Clip { .. } => panic!("{} is no synthetic camera", mount.name),
    }
}

#[test]
fn a_key_frame_takes_its_time_through_a_port() {
    const KEY_FRAME_BYTES: usize = 500_000;
    let picture = Picture { bits_per_s: 8_000_000, ..Picture::default() };
    let bytes = u32::try_from(KEY_FRAME_BYTES).unwrap();
    let mut mount = Mount::new("gate", picture.with_key_frame_bytes(bytes));
    mount.port_mbit_s = Some(10);
    let farm = CameraFarm::open(vec![mount]);
    let mut stream = TcpStream::connect(farm.address()).unwrap();
    let began_us = clock::now_us();
    stream
        .write_all(
            b"SETUP rtsp://x/gate RTSP/1.0\r\nCSeq: 1\r\n\
              Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n\
              PLAY rtsp://x/gate RTSP/1.0\r\nCSeq: 2\r\n\r\n",
        )
        .unwrap();
    let mut buffer = Vec::new();
    while !buffer.contains(&b'$') {
        let mut more = [0; 4096];
        let bytes = stream.read(&mut more).unwrap();
        assert!(bytes > 0);
        buffer.extend_from_slice(&more[..bytes]);
    }
    stream.write_all(b"OPTIONS rtsp://x/gate RTSP/1.0\r\nCSeq: 3\r\n\r\n").unwrap();
    let mut sent = buffer.split_off(buffer.iter().position(|byte| *byte == b'$').unwrap());
    let had = sent.len();
    sent.resize(KEY_FRAME_BYTES - 20_000, 0);
    stream.read_exact(&mut sent[had..]).unwrap();
    let took_us = clock::now_us() - began_us;
    let least_us = (KEY_FRAME_BYTES - 40_000) as u64 * 8 / 10;
    assert!(took_us >= least_us, "{took_us} us, at least {least_us}");
    // What is said meanwhile stands behind the frame.
    let had = sent.len();
    sent.resize(KEY_FRAME_BYTES + 25_000, 0);
    stream.read_exact(&mut sent[had..]).unwrap();
    let mut rest = &sent[..];
    while let [b'$', _, high, low, ..] = rest {
        rest = &rest[4 + usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    assert!(rest.starts_with(b"RTSP/1.0 200 OK\r\nCSeq: 3"));
}

fn stamped(frame: u16, time_us: u64) -> Vec<u8> {
    let header = Header::write(true, 96, frame, 3600 * u32::from(frame), 7);
    let mut payload = [[0x41, 0x9a].as_slice(), &[1; 100]].concat();
    Stamp { camera: 3, frame: frame.into(), time_us }.put(&mut payload);
    keys(16).seal_rtp(&header, &payload, 0)
}

#[test]
fn a_window_has_the_frames_sent_within_it_whenever_they_come() {
    let mut reception = Reception::new(Keep::Counts);
    reception.begin_window_of(&(200..500));
    for frame in [1, 2, 3, 5, 6] {
        let time_us = u64::from(frame) * 100;
        reception.rtp(&mut stamped(frame, time_us), &keys(16), 10_000);
    }
    let counts = &reception.counts;
    // Of 2, 3 and 4 the last one is lost; that shows at 5, which is none of the window's.
    assert_eq!((counts.frames, counts.broken_frames, counts.lost()), (2, 0, 1));
    reception.begin_window();
    reception.rtp(&mut stamped(7, 700), &keys(16), 10_000);
    assert_eq!(reception.counts.frames, 1);
}

#[test]
fn a_first_picture_is_a_whole_key_frame_with_its_parameter_sets() {
    type Payloads = &'static [(&'static [u8], bool, bool)];
    let sets: &[u8] = &[24, 0, 2, 0x67, 1, 0, 1, 0x68];
    let cases: [(Payloads, Option<u64>); 5] = [
        (&[(&[0x41, 7], false, true)], None),
        (&[(&[0x7c, 0x05, 1], false, false), (&[0x7c, 0x45, 2], false, true)], None),
        (
            &[(&[0x67, 1], false, false), (&[0x68], false, false), (&[0x65, 1], false, true)],
            Some(2),
        ),
        (&[(&[0x67, 1], false, false), (&[0x7c, 0x45, 2], true, true)], None),
        (&[(&[0x67, 1], false, false), (&[0x41, 7], false, true), (&[0x65, 1], false, true)], None),
    ];
    for (payloads, expected) in cases {
        let mut first = FirstPicture::default();
        for ((payload, gap, marker), at_us) in payloads.iter().zip(0..) {
            first.payload(payload, *gap, *marker, at_us);
        }
        assert_eq!(first.at_us(), expected, "{payloads:?}");
        for (payload, marker) in [(sets, false), (&[0x7c, 0x85, 1], false), (&[0x7c, 0x45], true)] {
            first.payload(payload, false, marker, 9);
        }
        assert_eq!(first.at_us(), expected.or(Some(9)));
    }
}
