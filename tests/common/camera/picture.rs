//! A synthetic elementary stream of H.264 or H.265: true headers, noise for slices, and in the last
//! bytes of each frame the camera's number, the frame's number and the moment it was written.

use std::sync::Arc;

use weir::codec::Codec;

/// 1280x720, Constrained Baseline, level 3.1.
pub const SPS: [u8; 9] = [0x67, 0x42, 0xe0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe4];
/// Goes with [`SPS`].
pub const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];
/// 1280x720 of x265: Main, level 3.1, no pictures out of order.
const HEVC_VPS: [u8; 24] = [
    0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03,
    0x00, 0x00, 0x03, 0x00, 0x5d, 0xba, 0x02, 0x40,
];
/// Goes with [`HEVC_VPS`].
const HEVC_SPS: [u8; 41] = [
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03,
    0x00, 0x5d, 0xa0, 0x02, 0x80, 0x80, 0x2d, 0x16, 0x5b, 0xa9, 0x24, 0xca, 0xf0, 0x16, 0x80, 0x80,
    0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x0c, 0x84,
];
/// Goes with [`HEVC_SPS`].
const HEVC_PPS: [u8; 7] = [0x44, 0x01, 0xc1, 0x72, 0xb4, 0x62, 0x40];
/// Bytes of a [`Stamp`] as it stands at a frame's end.
pub const STAMP_BYTES: usize = 16;

/// Above the key frames of 1.2 MB that 8 Mbit/s have with one in 4 s.
const NOISE_BYTES: usize = 2 << 20;

/// What a synthetic camera shows.
#[derive(Debug, Clone, Copy)]
pub struct Picture {
    /// Frames a second.
    pub frames_per_s: u32,
    /// Frames from one IDR to the next.
    pub gop: u32,
    /// Bits a second of NAL units, on average.
    pub bits_per_s: u32,
    /// How many times larger than another frame an IDR is.
    pub idr_weight: u32,
    /// Slices a frame.
    pub slices: u32,
}

impl Default for Picture {
    fn default() -> Self {
        Self { frames_per_s: 25, gop: 50, bits_per_s: 2_000_000, idr_weight: 4, slices: 1 }
    }
}

impl Picture {
    /// The same rate with key frames of about so many bytes, at most all of a GOP.
    pub fn with_key_frame_bytes(self, bytes: u32) -> Self {
        let gop_bytes = self.bits_per_s / 8 * self.gop / self.frames_per_s;
        let rest = gop_bytes.saturating_sub(bytes).max(1);
        let weight = u64::from(bytes) * u64::from(self.gop - 1) / u64::from(rest);
        Self { idr_weight: u32::try_from(weight).expect("a small number").max(1), ..self }
    }

    /// Bytes of a frame's slices.
    pub fn frame_bytes(&self, idr: bool) -> usize {
        let gop_bytes =
            u64::from(self.bits_per_s) * u64::from(self.gop) / (8 * u64::from(self.frames_per_s));
        let plain = gop_bytes / u64::from(self.gop - 1 + self.idr_weight);
        let bytes = if idr { plain * u64::from(self.idr_weight) } else { plain };
        usize::try_from(bytes).expect("a frame fits the memory")
    }

    /// The NAL units of a frame of H.264, the stamp's place filled with noise; an IDR comes with
    /// its parameter sets.
    pub fn frame(&self, noise: &Noise, camera: u32, frame: u32, idr: bool) -> Vec<Vec<u8>> {
        self.frame_of(Codec::H264, noise, (camera, frame), idr)
    }

    /// The same of either codec.
    pub fn frame_of(
        &self,
        codec: Codec,
        noise: &Noise,
        (camera, frame): (u32, u32),
        idr: bool,
    ) -> Vec<Vec<u8>> {
        let mut nals = Vec::new();
        if idr {
            nals.extend(parameter_sets(codec).iter().map(|set| set.to_vec()));
        }
        let slice_bytes = self.frame_bytes(idr) / self.slices as usize;
        for slice in 0..self.slices {
            let mut nal = Vec::with_capacity(slice_bytes);
            nal.extend_from_slice(slice_header(codec, idr, slice == 0));
            let wanted = slice_bytes.saturating_sub(3).max(STAMP_BYTES);
            nal.extend_from_slice(noise.piece(camera, frame.wrapping_add(slice), wanted));
            nals.push(nal);
        }
        nals
    }
}

/// What stands in the SDP and before each IDR.
pub fn parameter_sets(codec: Codec) -> &'static [&'static [u8]] {
    match codec {
        Codec::H264 => &[&SPS, &PPS],
        Codec::H265 => &[&HEVC_VPS, &HEVC_SPS, &HEVC_PPS],
    }
}

/// The first three bytes of a slice.
fn slice_header(codec: Codec, idr: bool, is_first: bool) -> &'static [u8; 3] {
    match (codec, idr, is_first) {
        // first_mb_in_slice (0, then 1), slice_type (I or P), the PPS's id.
        (Codec::H264, true, true) => &[0x65, 0x88, 0x84],
        (Codec::H264, true, false) => &[0x65, 0x42, 0x21],
        (Codec::H264, false, true) => &[0x41, 0x9a, 0x21],
        (Codec::H264, false, false) => &[0x41, 0x46, 0x84],
        // IDR_W_RADL or TRAIL_R of layer 0; first_slice_segment_in_pic_flag, of an IDR
        // no_output_of_prior_pics_flag, the PPS's id, then the slice's address or its type.
        (Codec::H265, true, true) => &[0x26, 0x01, 0xaf],
        (Codec::H265, true, false) => &[0x26, 0x01, 0x2f],
        (Codec::H265, false, true) => &[0x02, 0x01, 0xd0],
        (Codec::H265, false, false) => &[0x02, 0x01, 0x50],
    }
}

/// Seeded bytes without a zero, so that no start code can arise.
#[derive(Clone)]
pub struct Noise(Arc<[u8]>);

impl Noise {
    /// The bytes of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut state = seed | 1;
        let bytes = (0..NOISE_BYTES).map(|_| {
            // xorshift64 (Marsaglia)
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3].max(1)
        });
        Self(bytes.collect())
    }

    fn piece(&self, camera: u32, frame: u32, bytes: usize) -> &[u8] {
        assert!(bytes <= NOISE_BYTES, "a slice of {bytes} bytes, at most {NOISE_BYTES}");
        let from = u64::from(camera) * 7919 + u64::from(frame) * 104_729;
        let places = (NOISE_BYTES - bytes + 1) as u64;
        let from = usize::try_from(from % places).expect("within the noise");
        &self.0[from..from + bytes]
    }
}

/// Who wrote a frame, which one, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The camera's number, below 2^21.
    pub camera: u32,
    /// The frame's number.
    pub frame: u32,
    /// Just before the write, on [`weir::clock`]; below 2^56.
    pub time_us: u64,
}

impl Stamp {
    /// 112 bits, seven a byte under a set top bit: no zero byte among them.
    pub fn encode(&self) -> [u8; STAMP_BYTES] {
        let bits =
            u128::from(self.camera) << 91 | u128::from(self.frame) << 56 | u128::from(self.time_us);
        std::array::from_fn(|at| (bits >> (7 * (STAMP_BYTES - 1 - at))).to_le_bytes()[0] | 0x80)
    }

    /// Writes the stamp over the end of `frame`.
    pub fn put(&self, frame: &mut [u8]) {
        if let Some(place) = frame.last_chunk_mut::<STAMP_BYTES>() {
            *place = self.encode();
        }
    }

    /// Reads the stamp at the end of a frame's last payload.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let bytes = payload.last_chunk::<STAMP_BYTES>()?;
        let mut bits = 0_u128;
        for byte in bytes {
            if byte & 0x80 == 0 {
                return None;
            }
            bits = bits << 7 | u128::from(byte & 0x7f);
        }
        Some(Self {
            camera: u32::try_from(bits >> 91).ok()?,
            frame: u32::try_from(bits >> 56 & 0xffff_ffff).ok()?,
            time_us: u64::try_from(bits & ((1 << 56) - 1)).ok()?,
        })
    }
}
