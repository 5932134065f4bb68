//! What a demo camera plays.

use std::rc::Rc;

use super::clip::Clip;
use super::sent::{MARK_BYTES, SentPictures, mark};
use super::{CLIP, FRAMES_PER_S};

/// Microseconds from a picture to the next.
pub(super) const FRAME_US: u64 = 1_000_000 / FRAMES_PER_S as u64;
/// Pictures from an IDR of the clip to the next.
const GROUP_PICTURES: usize = 50;

/// A clip in a loop, where in it a client begins, and what is noted of it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DemoStream {
    pub(super) clip: Rc<Clip>,
    /// How far into the clip PLAY begins, in microseconds.
    pub(super) phase_us: u64,
    pub(super) sent: Option<Rc<SentPictures>>,
}

impl DemoStream {
    /// [`CLIP`] from its begin.
    pub fn clip() -> Self {
        let clip = Clip::parse(CLIP).expect("the committed clip has pictures");
        Self { clip: Rc::new(clip), phase_us: 0, sent: None }
    }

    /// The first group of [`CLIP`], whose pictures are made longer, in proportion, up to a bit rate
    /// of `bits_per_s`. They are not decodable: what is added are bytes that are not zero, and a
    /// mark at the end by which [`SentPictures`] knows the picture. It stays in memory to the end
    /// of the process, as the clip itself does: a quarter of a megabyte per Mbit/s.
    pub fn filled(bits_per_s: u32) -> Self {
        let clip = Self::clip().clip;
        let own_bytes: usize =
            (0..GROUP_PICTURES).flat_map(|at| clip.access_unit(at)).map(<[u8]>::len).sum();
        let wanted_bytes = bits_per_s as usize / 8 * GROUP_PICTURES / FRAMES_PER_S as usize;
        let mut bytes = Vec::with_capacity(wanted_bytes.max(own_bytes) + 8 * GROUP_PICTURES);
        let mut noise: u32 = 1;
        for at in 0..GROUP_PICTURES {
            let mut picture_bytes = 0;
            for nal in clip.access_unit(at) {
                bytes.extend([0, 0, 1]);
                bytes.extend(nal);
                picture_bytes += nal.len();
            }
            let wanted = picture_bytes * wanted_bytes / own_bytes;
            for _ in picture_bytes + MARK_BYTES..wanted {
                // Marsaglia's xorshift: what a link or a disk on the way would compress is no load.
                noise ^= noise << 13;
                noise ^= noise >> 17;
                noise ^= noise << 5;
                bytes.push(noise.to_le_bytes()[0] | 1);
            }
            bytes.extend(mark(at));
        }
        let clip = Clip::parse(bytes.leak()).expect("it has the clip's pictures");
        Self { clip: Rc::new(clip), phase_us: 0, sent: None }
    }

    /// The same for camera `number` of `count`: the cameras' pictures are spread evenly, as those
    /// of real cameras are, and noted in `sent`.
    pub fn of_camera(&self, number: usize, count: usize, sent: Rc<SentPictures>) -> Self {
        let round_us = self.clip.len() as u64 * FRAME_US;
        let phase_us = round_us * number as u64 / count.max(1) as u64;
        Self { clip: Rc::clone(&self.clip), phase_us, sent: Some(sent) }
    }

    /// How many pictures there are before the loop begins again.
    pub fn pictures(&self) -> usize {
        self.clip.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::clip::nal_type;
    use super::*;

    #[test]
    fn a_filled_clip_has_the_clips_pictures_at_the_bit_rate() {
        let (plain, filled) = (DemoStream::clip(), DemoStream::filled(2_000_000));
        assert_eq!(filled.pictures(), GROUP_PICTURES);
        let mut bytes = 0;
        for at in 0..filled.pictures() {
            let types = |stream: &DemoStream| -> Vec<u8> {
                stream.clip.access_unit(at).map(nal_type).collect()
            };
            assert_eq!(types(&plain), types(&filled), "picture {at}");
            for (nal, own) in filled.clip.access_unit(at).zip(plain.clip.access_unit(at)) {
                assert!(nal.starts_with(own), "picture {at}");
                assert!(!nal[own.len()..].contains(&0), "picture {at} has no start code in it");
                bytes += nal.len();
            }
            let last = filled.clip.access_unit(at).last().expect("a slice");
            assert!(last.ends_with(&mark(at)) && matches!(nal_type(last), 1 | 5), "picture {at}");
        }
        assert!((490_000..=510_000).contains(&bytes), "{bytes} bytes in 2 s");
    }

    #[test]
    fn cameras_begin_at_places_of_their_own() {
        let stream = DemoStream::filled(500_000);
        let phase_us = |number| {
            stream.of_camera(number, 64, Rc::new(SentPictures::new(stream.pictures()))).phase_us
        };
        assert_eq!((phase_us(0), phase_us(1), phase_us(63)), (0, 31_250, 1_968_750));
    }
}
