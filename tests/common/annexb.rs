//! A byte stream (Annex B) as access units of NAL units, for a camera to play.

use weir::codec::Codec;

/// The access units of a stream whose pictures begin with parameter sets or with a first slice.
pub fn access_units(codec: Codec, stream: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut units: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut has_slice = true;
    for nal in nals(stream) {
        // first_mb_in_slice is 0 when its ue(v) is the single bit 1, and
        // first_slice_segment_in_pic_flag is that bit.
        let (is_slice, begins) = match codec {
            Codec::H264 => (matches!(nal[0] & 0x1f, 1..=5), nal[1] & 0x80 != 0),
            Codec::H265 => (nal[0] >> 1 < 32, nal[2] & 0x80 != 0),
        };
        let begins = !is_slice || begins;
        if begins && has_slice {
            units.push(Vec::new());
            has_slice = false;
        }
        has_slice |= is_slice;
        units.last_mut().expect("the first NAL unit begins one").push(nal.to_vec());
    }
    units
}

fn nals(stream: &[u8]) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    let mut begins = None;
    let mut at = 0;
    while at + 3 <= stream.len() {
        if stream[at..at + 3] == [0, 0, 1] {
            nals.extend(begins.map(|from: usize| trimmed(&stream[from..at])));
            begins = Some(at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    nals.extend(begins.map(|from| trimmed(&stream[from..])));
    nals
}

/// Without the zeros that may stand before the next start code.
fn trimmed(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &nal[..end]
}
