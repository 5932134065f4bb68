//! What is asked of a run.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use weir::codec::Codec;

use crate::common::camera::picture::Picture;
use crate::common::camera::{Microphone, Mount, mix};
use crate::common::reception::Keep;
use crate::common::viewer::Options;

const BOTH: [Codec; 2] = [Codec::H264, Codec::H265];

/// Measures weir between simulated cameras and viewers.
#[derive(Parser, Debug, Clone)]
pub(crate) struct Load {
    /// Cameras.
    #[arg(long, default_value_t = 64)]
    pub(crate) cameras: u32,
    /// Viewers, spread over the cameras.
    #[arg(long, default_value_t = 64)]
    pub(crate) viewers: u32,
    /// Seconds measured.
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// Seconds between the last first picture and the measurement.
    #[arg(long, default_value_t = 3)]
    pub(crate) settle: u64,
    /// Bits a second of each camera.
    #[arg(long, default_value_t = 2_000_000)]
    pub(crate) bitrate: u32,
    /// Bytes of a key frame; four times another frame's where nothing is said.
    #[arg(long)]
    pub(crate) key_frame_bytes: Option<u32>,
    /// Frames from one key frame to the next, 25 a second.
    #[arg(long, default_value_t = 50)]
    pub(crate) gop: u32,
    /// Cameras as a house has them: of 64 there are 32 of 0.5 Mbit/s, 20 of 2, 8 of 4 and 4 of 8,
    /// key frames of 4 to 40 times another frame, 1 to 4 s apart, at times that are random and the
    /// same in every run; through ports of 100 Mbit/s.
    #[arg(long, conflicts_with_all = ["bitrate", "key_frame_bytes", "gop"])]
    pub(crate) mix: bool,
    /// Cameras write at the pace of a port of so many Mbit/s; without it a frame leaves all at
    /// once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) port_mbit_s: Option<u32>,
    /// All cameras write their frames at the same instant, not spread over the frame interval.
    #[arg(long)]
    pub(crate) same_instant: bool,
    /// With it, key frames fall on different frames, as those of cameras that were not started at
    /// the same instant too.
    #[arg(long, requires = "same_instant", conflicts_with = "mix")]
    pub(crate) key_frames_apart: bool,
    /// How the cameras send.
    #[arg(long, value_enum, default_value_t = Transport::Tcp)]
    pub(crate) transport: Transport,
    /// Of 100 cameras, so many have H.265.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    pub(crate) h265_percent: u32,
    /// All cameras have sound: G.711, 50 packets a second each.
    #[arg(long, conflicts_with = "transport")]
    pub(crate) sound: bool,
    /// Counts the server's system calls in a window of their own.
    #[arg(long)]
    pub(crate) syscalls: bool,
    /// Measures the floor as well: what reading, sealing and sending alone cost here and now.
    #[arg(long)]
    pub(crate) floor: bool,
    /// Measures another relay under the same load as well: MediaMTX's program.
    #[arg(long, value_name = "MEDIAMTX")]
    pub(crate) relay: Option<PathBuf>,
    /// Instead of all that, has all cameras go away for so many seconds, and measures how long
    /// after their return all of them are ready; each at a host of its own.
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["viewers", "floor", "relay"])]
    pub(crate) outage: Option<u64>,
    /// They are of one host, as a recorder's.
    #[arg(long, requires = "outage")]
    pub(crate) one_host: bool,
    /// While they are away nothing answers; without it connections are refused.
    #[arg(long, requires = "outage")]
    pub(crate) silent: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// On the RTSP connection.
    Tcp,
    /// As datagrams.
    Udp,
}

impl Load {
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        let mut mounts = if self.mix {
            mix::mounts(self.cameras, self.same_instant)
        } else {
            Mount::many(self.cameras, self.picture(), self.same_instant)
        };
        for (number, mount) in (0..).zip(&mut mounts) {
            mount.codec = self.codec(number);
            mount.sound = self.sound.then_some(Microphone::PCMU);
            mount.sound_apart = self.sound;
            mount.port_mbit_s = self.port_mbit_s.or(mount.port_mbit_s);
            mount.udp = self.transport == Transport::Udp;
            if self.key_frames_apart {
                mount.gop_phase = self.gop * number / self.cameras;
            }
        }
        mounts
    }

    /// The codec of a camera: those of H.265 are spread over all.
    pub(crate) fn codec(&self, number: u32) -> Codec {
        let had = |cameras: u32| cameras * self.h265_percent / 100;
        if had(number + 1) > had(number) { Codec::H265 } else { Codec::H264 }
    }

    /// What each viewer offers.
    pub(crate) fn offer(&self) -> Options {
        Options {
            keep: Keep::Counts,
            codecs: if self.h265_percent > 0 { &BOTH } else { &BOTH[..1] },
            sound: self.sound.then_some(false),
            ..Options::default()
        }
    }

    fn picture(&self) -> Picture {
        let picture = Picture { bits_per_s: self.bitrate, gop: self.gop, ..Picture::default() };
        match self.key_frame_bytes {
            Some(bytes) => picture.with_key_frame_bytes(bytes),
            None => picture,
        }
    }

    /// The cameras' names.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        (0..self.cameras).map(|number| format!("cam{number}"))
    }

    /// The camera that each viewer watches.
    pub(crate) fn watched(&self) -> Vec<String> {
        (0..self.viewers).map(|viewer| format!("cam{}", viewer % self.cameras)).collect()
    }

    /// In words, without cameras and viewers.
    pub(crate) fn pictures(&self) -> String {
        let rates = match self.key_frame_bytes {
            _ if self.mix => "a mix of rates".to_owned(),
            Some(bytes) => format!("{} kbit/s, key {bytes}", self.bitrate / 1000),
            None => format!("{} kbit/s", self.bitrate / 1000),
        };
        let instants = match (self.same_instant, self.key_frames_apart) {
            (false, _) => "spread",
            (true, false) => "same instant",
            (true, true) => "same instant, key frames apart",
        };
        let transport = if self.transport == Transport::Udp { ", by udp" } else { "" };
        let codec = match self.h265_percent {
            0 => String::new(),
            percent => format!(", {percent} % h265"),
        };
        let sound = if self.sound { ", sound" } else { "" };
        format!("{rates}, {instants}{transport}{codec}{sound}")
    }
}
