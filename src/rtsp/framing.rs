//! Splits the bytes of a connection into RTP packets, RTCP and messages, in place and without
//! allocation.
//!
//! Complete frames are handed out where they lie in the read buffer. The beginning of an unfinished
//! one is copied into the [`Tail`], completed there by later reads, and handed out from there. If
//! there is no free carry slot, the frame is abandoned and its remaining bytes are skipped.
//! `examine` decides what the bytes are, and bounds messages.

use super::examine::{Channels, Examination, HeadScan, Unwanted, examine};
use super::tail::Tail;
use crate::mem::pool::{CarryPool, Tier};

/// Why bytes of the video track were lost. The stream continues with its next IDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A frame was dropped because no carry slot of this tier was free.
    Abandoned(Tier),
    /// The connection was out of sync and is in sync again.
    Resync {
        /// The number of garbage bytes skipped.
        skipped_bytes: usize,
    },
}

/// The next item that the framer found in the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// An RTP packet of the video track.
    Rtp(&'a [u8]),
    /// A compound RTCP packet about the video track.
    Rtcp(&'a [u8]),
    /// An RTP packet of the sound.
    Sound(&'a [u8]),
    /// A compound RTCP packet about the sound.
    SoundReport(&'a [u8]),
    /// A message's head, including the blank line. Bodies are skipped: none matters in a session.
    Text(&'a [u8]),
    /// A frame to be skipped was found.
    Unwanted(Unwanted),
    /// Bytes of the video track were lost.
    Broken(Broken),
}

/// The framing state of one connection.
#[derive(Debug)]
pub(super) struct Framer {
    /// Those of the video track; `None` when its RTP comes as datagrams.
    channels: Option<Channels>,
    tail: Tail,
    /// Size of the item handed out last, which is removed from the tail on the next call.
    handed_out: usize,
    /// Bytes of an unwanted or abandoned frame still to be skipped.
    passing: usize,
    /// While out of sync, the number of bytes skipped so far.
    lost: Option<usize>,
    /// How far the head at the start of the tail, or else of the input, was scanned.
    scan: HeadScan,
}

impl Framer {
    pub(super) const fn new(channels: Option<Channels>) -> Self {
        let (tail, scan) = (Tail::new(), HeadScan::NONE);
        Self { channels, tail, handed_out: 0, passing: 0, lost: None, scan }
    }

    /// Drops the unfinished frame and returns its carry slot to the pool.
    pub(super) fn release(&mut self, pool: &mut CarryPool) {
        self.handed_out = 0;
        self.tail.clear(pool);
    }

    /// The next item of `input`, from which it is removed; `None` when all input was used.
    pub(super) fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        pool: &'a mut CarryPool,
    ) -> Option<Item<'a>> {
        if self.handed_out > 0 {
            self.tail.consume(self.handed_out, pool);
            self.handed_out = 0;
        }
        loop {
            if self.passing > 0 {
                let passed = self.drop_front(self.passing, input, pool);
                self.passing -= passed;
            }
            let kept = self.tail.len();
            let bytes = if kept > 0 { self.tail.bytes(pool) } else { *input };
            if bytes.is_empty() {
                return None;
            }
            let available = bytes.len();
            let is_lost = self.lost.is_some();
            let verdict = examine(bytes, self.channels, is_lost, &mut self.scan);
            let wants = match verdict {
                Examination::Blank(bytes) => {
                    self.drop_front(bytes, input, pool);
                    continue;
                }
                Examination::Garbage(bytes) => {
                    self.skip_garbage(bytes, input, pool);
                    continue;
                }
                Examination::Need { least, most } => (least, most),
                Examination::Unwanted { total, why } => {
                    self.passing = total;
                    return Some(Item::Unwanted(why));
                }
                Examination::Rtp { total }
                | Examination::Rtcp { total }
                | Examination::Sound { total }
                | Examination::SoundReport { total }
                | Examination::Text { total, .. } => {
                    if let Some(skipped_bytes) = self.lost.take() {
                        return Some(Item::Broken(Broken::Resync { skipped_bytes }));
                    }
                    if total <= available {
                        return Some(self.hand_out(verdict, total, input, pool));
                    }
                    (total, total)
                }
            };
            match self.take_in(wants, input, pool) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(tier) => match verdict {
                    Examination::Rtp { total } => {
                        self.passing = total;
                        return Some(Item::Broken(Broken::Abandoned(tier)));
                    }
                    Examination::Rtcp { total }
                    | Examination::Sound { total }
                    | Examination::SoundReport { total } => self.passing = total,
                    // Without room for the message, its end is unknown: search for the next anchor.
                    _ => self.skip_garbage(1, input, pool),
                },
            }
        }
    }

    /// Hands out the item at the start of the tail, or else of the input; `total` bytes are there.
    fn hand_out<'a, 'i: 'a>(
        &'a mut self,
        verdict: Examination,
        total: usize,
        input: &mut &'i [u8],
        pool: &'a mut CarryPool,
    ) -> Item<'a> {
        const HEADER_BYTES: usize = 4;
        self.scan = HeadScan::NONE;
        let bytes = if self.tail.len() > 0 {
            self.handed_out = total;
            &self.tail.bytes(pool)[..total]
        } else {
            let (bytes, rest) = input.split_at(total);
            *input = rest;
            bytes
        };
        match verdict {
            Examination::Rtp { .. } => Item::Rtp(&bytes[HEADER_BYTES..]),
            Examination::Rtcp { .. } => Item::Rtcp(&bytes[HEADER_BYTES..]),
            Examination::Sound { .. } => Item::Sound(&bytes[HEADER_BYTES..]),
            Examination::SoundReport { .. } => Item::SoundReport(&bytes[HEADER_BYTES..]),
            Examination::Text { head, .. } => Item::Text(&bytes[..head]),
            _ => Item::Text(&[]),
        }
    }

    /// Moves input to the tail, up to `most` bytes in all. Returns whether `least` bytes are there.
    fn take_in(
        &mut self,
        (least, most): (usize, usize),
        input: &mut &[u8],
        pool: &mut CarryPool,
    ) -> Result<bool, Tier> {
        self.tail.reserve(most, pool)?;
        let wanted = most - self.tail.len();
        let (taken, rest) = input.split_at(wanted.min(input.len()));
        self.tail.push(taken, pool);
        *input = rest;
        Ok(self.tail.len() >= least)
    }

    /// Removes up to `bytes` from the tail, or else from the input; returns how many.
    fn drop_front(&mut self, bytes: usize, input: &mut &[u8], pool: &mut CarryPool) -> usize {
        self.scan = HeadScan::NONE;
        let from_tail = bytes.min(self.tail.len());
        if from_tail > 0 {
            self.tail.consume(from_tail, pool);
        }
        let from_input = (bytes - from_tail).min(input.len());
        *input = &input[from_input..];
        from_tail + from_input
    }

    fn skip_garbage(&mut self, bytes: usize, input: &mut &[u8], pool: &mut CarryPool) {
        let skipped = self.drop_front(bytes, input, pool);
        *self.lost.get_or_insert(0) += skipped;
    }
}

#[cfg(test)]
mod tests {
    use super::super::examine::{SoundChannels, scanned};
    use super::super::testing::{PCMA, carry_pool, frame, rtp};
    use super::*;
    use crate::limits::{CARRY_LARGE_BYTES, PROFILE};

    const CHANNELS: Channels = Channels {
        rtp: 0,
        rtcp: 1,
        payload_type: 96,
        sound: Some(SoundChannels { rtp: 4, rtcp: 5, track: PCMA }),
    };

    /// The items that a framer finds in `stream`, read in pieces that end at `cuts`.
    fn items(stream: &[u8], cuts: &[usize], pool: &mut CarryPool) -> Vec<String> {
        let mut framer = Framer::new(Some(CHANNELS));
        let mut found = Vec::new();
        let mut start = 0;
        for end in cuts.iter().copied().chain([stream.len()]) {
            let mut input = &stream[start..end];
            start = end;
            while let Some(item) = framer.next(&mut input, pool) {
                found.push(format!("{item:?}"));
            }
        }
        framer.release(pool);
        assert_eq!(pool.in_use(), [0, 0, 0], "every slot is given back");
        found
    }

    fn conversation() -> Vec<u8> {
        [
            frame(0, &rtp(1, 90_000, &[0x65; 40])),
            b"\r\nRTSP/1.0 200 OK\r\nCSeq: 4\r\nContent-Length: 4\r\n\r\nbody".to_vec(),
            frame(1, &[&[0x80, 200, 0, 6][..], &[0; 24]].concat()),
            frame(9, b"of a track that nobody set up"),
            frame(0, &rtp(2, 90_000, &[0x41; 3000])),
            b"garbage $\x00\x00\x20 R RTSP/1.0 2".to_vec(),
            frame(0, &rtp(3, 93_000, &[0x41; 90])),
            frame(0, &[]),
            b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(),
            b"RTSP/1.0 200 OK\nCSeq: 5\n\n".to_vec(),
            frame(0, &rtp(4, 93_000, &[0x41; 9])),
            frame(4, &[&[0x80, 8][..], &[0xd5; 170]].concat()),
            frame(4, &rtp(5, 93_000, &[0x41; 9])),
            frame(5, &[&[0x80, 200, 0, 6][..], &[0; 24]].concat()),
        ]
        .concat()
    }

    #[test]
    fn a_conversation_is_told_apart() {
        let mut pool = carry_pool();
        let found = items(&conversation(), &[], &mut pool);
        let kinds: Vec<&str> =
            found.iter().map(|item| &item[..item.find(['(', ' ']).unwrap_or(item.len())]).collect();
        let expected = [
            "Rtp",
            "Text",
            "Rtcp",
            "Unwanted",
            "Rtp",
            "Broken",
            "Rtp",
            "Unwanted",
            "Text",
            "Text",
            "Rtp",
            "Sound",
            "Unwanted",
            "SoundReport",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(found[5], "Broken(Resync { skipped_bytes: 25 })");
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut_into_reads() {
        let mut pool = carry_pool();
        let stream = conversation();
        let whole = items(&stream, &[], &mut pool);
        for cut in 0..=stream.len() {
            assert_eq!(items(&stream, &[cut], &mut pool), whole, "cut at {cut}");
        }
        for step in [1, 2, 3, 7, 61, 1000] {
            let cuts: Vec<usize> = (1..stream.len()).step_by(step).collect();
            assert_eq!(items(&stream, &cuts, &mut pool), whole, "{step} bytes a read");
        }
    }

    #[test]
    fn the_largest_frame_is_carried() {
        let mut pool = carry_pool();
        let packet = rtp(1, 0, &vec![7; usize::from(u16::MAX) - 12]);
        let stream = frame(0, &packet);
        assert_eq!(stream.len(), CARRY_LARGE_BYTES - 1);
        let cuts: Vec<usize> = (1..stream.len()).step_by(1448).collect();
        assert_eq!(items(&stream, &cuts, &mut pool), [format!("{:?}", Item::Rtp(&packet))]);
    }

    #[test]
    fn a_frame_without_a_slot_is_abandoned_and_the_next_one_is_not() {
        let mut pool = carry_pool();
        let mut taken = Vec::new();
        while let Ok(slot) = pool.take(1) {
            taken.push(slot);
        }
        assert_eq!(taken.len(), PROFILE.carry_small + PROFILE.carry_medium + PROFILE.carry_large);
        let stream = [frame(0, &rtp(1, 0, &[7; 4000])), frame(0, &rtp(2, 0, &[8; 10]))].concat();
        let mut framer = Framer::new(Some(CHANNELS));
        let mut broken = Vec::new();
        let mut packets = Vec::new();
        for mut input in [&stream[..1000], &stream[1000..2000], &stream[2000..]] {
            while let Some(item) = framer.next(&mut input, &mut pool) {
                match item {
                    Item::Broken(why) => broken.push(why),
                    Item::Rtp(packet) => packets.push(packet.to_vec()),
                    item => panic!("{item:?}"),
                }
            }
        }
        assert_eq!(broken, [Broken::Abandoned(Tier::Medium)]);
        assert_eq!(packets, [rtp(2, 0, &[8; 10])]);
        taken.into_iter().for_each(|slot| pool.give(slot));
        assert_eq!(items(&stream, &[1000], &mut pool).len(), 2, "slots are back");
    }

    #[test]
    fn a_message_without_a_slot_is_skipped_and_the_stream_found_again() {
        let mut pool = carry_pool();
        let mut taken = Vec::new();
        while let Ok(slot) = pool.take(1) {
            taken.push(slot);
        }
        let text = b"RTSP/1.0 200 OK\r\nServer: with a long name to tell\r\n\r\n".to_vec();
        let stream = [text, frame(0, &rtp(2, 0, &[8; 10]))].concat();
        let mut framer = Framer::new(Some(CHANNELS));
        let mut found = Vec::new();
        for mut input in [&stream[..40], &stream[40..]] {
            while let Some(item) = framer.next(&mut input, &mut pool) {
                found.push(format!("{item:?}"));
            }
        }
        assert!(found[0].starts_with("Broken(Resync"), "{found:?}");
        assert_eq!(found.len(), 2);
        taken.into_iter().for_each(|slot| pool.give(slot));
    }

    #[test]
    fn a_head_without_an_end_is_looked_through_once() {
        let mut pool = carry_pool();
        let packet = frame(0, &rtp(1, 0, &[0x41; 20]));
        // Heads up to the bound and beyond it, with nothing or a packet between them.
        for (text, between) in [(8_180, &[][..]), (8_180, &packet), (9_000, &[]), (300, &packet)] {
            let unfinished = [&b"RTSP/1.0 "[..], &vec![b'x'; text], between].concat();
            let stream: Vec<u8> = unfinished.into_iter().cycle().take(1 << 20).collect();
            for step in [1, 100, 1448, 28 << 10] {
                let stream = &stream[..stream.len().min(step << 14)];
                let cuts: Vec<usize> = (step..stream.len()).step_by(step).collect();
                scanned::take();
                items(stream, &cuts, &mut pool);
                let looked_at = scanned::take();
                assert!(looked_at <= 4 * stream.len(), "{looked_at} for {} bytes", stream.len());
            }
        }
    }

    #[test]
    fn noise_neither_stops_nor_stays() {
        let mut pool = carry_pool();
        let mut seed = 1_u32;
        let mut noise = Vec::new();
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Many of the bytes that have a meaning.
            let byte = b"$\x00\x80\xe0RTSP/1.0 \r\n"[(seed >> 24) as usize % 15];
            noise.push(if seed >> 20 & 3 == 0 { seed.to_be_bytes()[2] } else { byte });
        }
        let cuts: Vec<usize> = (1..noise.len()).step_by(1448).collect();
        let whole = items(&noise, &[], &mut pool);
        assert_eq!(items(&noise, &cuts, &mut pool), whole);
    }
}
