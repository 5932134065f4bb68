//! Recordings of others, as RTP packets: captures that the crate str0m ships with its tests, and a
//! stream of a Wowza server from retina. They are read where cargo has unpacked the crates.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use weir::codec::Codec;

/// Bytes of the headers of Ethernet, IPv4 and UDP, in a packet without options.
const HEADERS_BYTES: usize = 14 + 20 + 8;
const ETHERNET: u32 = 1;

/// RTP packets as they were recorded, each with the interleaved channel that it is sent on.
pub struct Recording {
    /// What the pictures are encoded with.
    pub codec: Codec,
    /// The payload type of the pictures.
    pub payload_type: u8,
    /// The channel of the pictures.
    pub channel: u8,
    /// All packets with their channels, in their order.
    pub packets: Vec<(u8, Vec<u8>)>,
}

impl Recording {
    /// A capture of str0m's tests.
    pub fn of_str0m(name: &str, codec: Codec, payload_type: u8) -> Self {
        let bytes = fs::read(folder("str0m").join("tests/data").join(name)).expect("str0m has it");
        let packets = captured(&bytes).into_iter().map(|packet| (0, packet)).collect();
        Self { codec, payload_type, channel: 0, packets }
    }

    /// The interleaved frames that retina's benchmarks have of Big Buck Bunny, and the SDP that
    /// came before them: H.264 on channel 2, and AAC on channel 0.
    pub fn of_retina() -> (Self, String) {
        let retina = folder("retina");
        let bytes = fs::read(retina.join("benches/bunny.rtsp")).expect("retina has it");
        let described = fs::read_to_string(retina.join("src/client/testdata/bunny_describe.txt"));
        let described = described.expect("retina has it");
        let sdp = described.split("\r\n\r\n").nth(1).expect("a body");
        let (mut packets, mut rest) = (Vec::new(), &bytes[..]);
        while let [b'$', channel, high, low, after @ ..] = rest {
            let (packet, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            packets.push((*channel, packet.to_vec()));
            rest = after;
        }
        assert!(rest.is_empty(), "{} bytes are no interleaved frame", rest.len());
        (Self { codec: Codec::H264, payload_type: 97, channel: 2, packets }, sdp.to_owned())
    }

    /// The packets of the pictures.
    pub fn pictures(&self) -> impl Iterator<Item = &[u8]> {
        let own = self.packets.iter().filter(|(channel, _)| *channel == self.channel);
        own.map(|(_, packet)| packet.as_slice())
    }

    /// The pictures as GStreamer takes them out of their packets (tests/interop/depay.py): a byte
    /// stream.
    pub fn depayloaded(&self) -> Vec<u8> {
        let folder = super::server::fresh_directory();
        let file = folder.join("recording.pcap");
        fs::write(&file, capture(self.pictures())).expect("a writable directory");
        let codec = if self.codec == Codec::H264 { "h264" } else { "hevc" };
        let output = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/depay.py"))
            .arg(&file)
            .args([codec, &self.payload_type.to_string()])
            .output()
            .expect("python3 runs");
        let _ = fs::remove_dir_all(folder);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

/// Where cargo has the sources of a crate that is in the lock file.
fn folder(name: &str) -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version=1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let package = packages.iter().find(|package| package["name"] == name).expect("a crate of ours");
    let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
    manifest.parent().expect("a folder").to_owned()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The payloads of the UDP packets of a capture (little-endian pcap of Ethernet and IPv4).
fn captured(bytes: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!((u32_at(bytes, 0), u32_at(bytes, 20)), (0xa1b2_c3d4, ETHERNET));
    let (mut packets, mut at) = (Vec::new(), 24);
    while at < bytes.len() {
        let length = u32_at(bytes, at + 8) as usize;
        assert_eq!(length, u32_at(bytes, at + 12) as usize, "captured whole");
        let frame = &bytes[at + 16..at + 16 + length];
        assert_eq!((frame[14], frame[23]), (0x45, 17), "UDP by IPv4 without options");
        let udp_bytes = usize::from(u16::from_be_bytes([frame[38], frame[39]]));
        packets.push(frame[HEADERS_BYTES..14 + 20 + udp_bytes].to_vec());
        at += 16 + length;
    }
    packets
}

/// A capture of UDP packets with these payloads.
fn capture<'p>(payloads: impl Iterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, ETHERNET] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for (number, payload) in (0_u32..).zip(payloads) {
        let ip_bytes = u16::try_from(20 + 8 + payload.len()).expect("a datagram");
        let frame_bytes = u32::from(ip_bytes) + 14;
        for word in [number / 1000, number % 1000 * 1000, frame_bytes, frame_bytes] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&[8, 0, 0x45, 0]);
        bytes.extend_from_slice(&ip_bytes.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        bytes.extend_from_slice(&[0x13, 0x88, 0x13, 0x88]);
        bytes.extend_from_slice(&(ip_bytes - 20).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(payload);
    }
    bytes
}
