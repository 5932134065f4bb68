//! A byte stream (H.264 Annex B) as access units of NAL units, for a camera to play.

/// The access units of a stream whose pictures begin with parameter sets or a slice at the first
/// macroblock.
pub fn access_units(stream: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut units: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut has_slice = true;
    for nal in nals(stream) {
        let is_slice = matches!(nal[0] & 0x1f, 1..=5);
        // first_mb_in_slice is 0 when its ue(v) is the single bit 1.
        let begins = !is_slice || nal[1] & 0x80 != 0;
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
