//! An Annex B stream, split into access units of NAL units.

use std::ops::Range;

/// Access units of the clip, each as a range of the NAL units between start codes.
#[derive(Debug)]
pub(super) struct Clip {
    bytes: &'static [u8],
    nals: Vec<Range<usize>>,
    /// Ranges of indexes in `nals`.
    access_units: Vec<Range<usize>>,
}

impl Clip {
    /// Splits an Annex B stream; `None` when it holds no picture.
    pub(super) fn parse(bytes: &'static [u8]) -> Option<Self> {
        let nals = nal_ranges(bytes);
        let mut access_units: Vec<Range<usize>> = Vec::new();
        let mut has_picture = false;
        for (index, nal) in nals.iter().enumerate() {
            let nal = &bytes[nal.clone()];
            let is_slice = matches!(nal_type(nal), 1 | 5);
            // H.264 7.4.1.2.4: a slice whose first_mb_in_slice is 0 (a leading 1 bit in ue(v))
            // begins a picture; so does a NAL unit that can only precede one.
            let begins = !is_slice || nal.get(1).is_some_and(|byte| byte & 0x80 != 0);
            match access_units.last_mut() {
                Some(unit) if !(begins && has_picture) => unit.end = index + 1,
                _ => {
                    access_units.push(index..index + 1);
                    has_picture = false;
                }
            }
            has_picture |= is_slice;
        }
        has_picture.then_some(Self { bytes, nals, access_units })
    }

    /// Number of access units in the clip.
    pub(super) fn len(&self) -> usize {
        self.access_units.len()
    }

    /// The NAL units of access unit `index`.
    pub(super) fn access_unit(&self, index: usize) -> impl Iterator<Item = &'static [u8]> {
        let nals = &self.nals[self.access_units[index].clone()];
        nals.iter().map(|nal| &self.bytes[nal.clone()])
    }

    /// The first NAL unit of a type: 7 is the SPS, 8 the PPS.
    pub(super) fn first(&self, wanted: u8) -> Option<&'static [u8]> {
        let mut nals = self.nals.iter().map(|nal| &self.bytes[nal.clone()]);
        nals.find(|nal| nal_type(nal) == wanted)
    }
}

/// `nal_unit_type`; 0 for an empty NAL unit.
pub(super) fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// NAL units between start codes (Annex B), without the zeros that may follow each.
fn nal_ranges(bytes: &[u8]) -> Vec<Range<usize>> {
    let code_starts = bytes.windows(3).enumerate();
    let starts: Vec<usize> = code_starts
        .filter(|(_, window)| window == &[0, 0, 1])
        .map(|(index, _)| index + 3)
        .collect();
    let ends = starts.iter().skip(1).map(|next| next - 3);
    let ends = ends.chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| {
            let zeros = bytes[start..end].iter().rev().take_while(|b| **b == 0);
            start..end - zeros.count()
        })
        .filter(|range| !range.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_and_slices_make_access_units() {
        static BYTES: &[u8] = &[
            0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 0x80, 0, 0, 1, 0x65, 0x40, 0,
            0, 0, 1, 0x41, 0x80, 9, 0, 0, 1, 0x41, 0x81,
        ];
        let clip = Clip::parse(BYTES).expect("pictures");
        let units: Vec<Vec<&[u8]>> =
            (0..clip.len()).map(|index| clip.access_unit(index).collect()).collect();
        let first: Vec<&[u8]> = vec![&[0x67, 1], &[0x68, 2], &[0x65, 0x80], &[0x65, 0x40]];
        assert_eq!(units, [first, vec![&[0x41, 0x80, 9]], vec![&[0x41, 0x81]]]);
        assert_eq!(clip.first(8), Some(&[0x68, 2][..]));
    }

    #[test]
    fn the_committed_clip_is_ten_seconds_with_an_idr_every_two() {
        let clip = Clip::parse(crate::demo::CLIP).expect("pictures");
        assert_eq!(clip.len(), 250);
        for index in 0..clip.len() {
            let has_idr = clip.access_unit(index).any(|nal| nal_type(nal) == 5);
            assert_eq!(has_idr, index % 50 == 0, "access unit {index}");
        }
        assert!(Clip::parse(&[0, 0, 1, 0x67, 1]).is_none());
    }
}
