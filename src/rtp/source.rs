//! Tells a camera's own packets from those of a session that it should have ended.
//!
//! Some servers go on with a session whose client has gone, and write its packets to a newer
//! connection, between those that belong there (live555 before June 2017: Reolink, Foscam,
//! Anjvision). A change of the SSRC alone means nothing, since some cameras change it with every
//! key frame (Uniview). But a source that goes on with its numbers after another one came was there
//! all the time. It is kept then, and the other one is passed over until the kept one falls silent.

use super::header::Header;
use crate::limits::{SOURCE_RETURN_PACKETS_MAX, SOURCE_SILENCE_US_MAX};

/// The sources of one track; all zeros before the first packet.
#[derive(Debug, Default)]
pub struct SourceFilter {
    own: Option<Heard>,
    /// The source before the last change.
    former: Option<Heard>,
    /// The SSRC that is passed over.
    passed_over: Option<u32>,
}

/// The last packet of a source.
#[derive(Debug, Clone, Copy)]
struct Heard {
    ssrc: u32,
    sequence: u16,
    arrival_us: u64,
}

impl SourceFilter {
    /// The state before the first packet.
    pub const fn new() -> Self {
        Self { own: None, former: None, passed_over: None }
    }

    /// Whether a packet belongs to the track.
    pub fn takes(&mut self, header: &Header, now_us: u64) -> bool {
        let Header { ssrc, sequence, .. } = *header;
        let here = Heard { ssrc, sequence, arrival_us: now_us };
        let own = self.own.filter(|own| own.ssrc != ssrc);
        if let Some(own) = own {
            let is_heard = now_us.saturating_sub(own.arrival_us) < SOURCE_SILENCE_US_MAX;
            if is_heard && self.passed_over == Some(ssrc) {
                return false;
            }
            let goes_on = sequence == own.sequence.wrapping_add(1);
            let returns = self.former.is_some_and(|former| former.is_continued_by(&here));
            (self.passed_over, self.former) = match returns && !goes_on {
                true => (Some(own.ssrc), None),
                false => (None, Some(own)),
            };
        }
        self.own = Some(here);
        true
    }
}

impl Heard {
    /// Whether `next` is a later packet of the same numbers, and came soon after.
    fn is_continued_by(&self, next: &Self) -> bool {
        let ahead = next.sequence.wrapping_sub(self.sequence);
        self.ssrc == next.ssrc
            && (1..=SOURCE_RETURN_PACKETS_MAX).contains(&ahead)
            && next.arrival_us.saturating_sub(self.arrival_us) < SOURCE_SILENCE_US_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken of packets, each an SSRC, a sequence number and its time in ms.
    fn taken(packets: &[(u32, u16, u64)]) -> Vec<bool> {
        let mut filter = SourceFilter::new();
        let taken = packets.iter().map(|(ssrc, sequence, at_ms)| {
            let (ssrc, sequence) = (*ssrc, *sequence);
            let header = Header { marker: false, payload_type: 96, sequence, timestamp: 0, ssrc };
            filter.takes(&header, at_ms * 1000)
        });
        taken.collect()
    }

    #[test]
    fn of_two_sources_that_alternate_the_first_is_kept() {
        let packets =
            [(7, 10, 0), (7, 11, 1), (9, 500, 2), (7, 12, 3), (9, 501, 4), (9, 502, 5), (7, 13, 6)];
        assert_eq!(taken(&packets), [true, true, true, true, false, false, true]);
    }

    #[test]
    fn a_source_that_changes_and_does_not_return_is_followed() {
        for packets in [
            [(1, 10, 0), (2, 500, 1), (3, 9, 2), (4, 70, 3)],
            [(1, 10, 0), (2, 11, 1), (1, 12, 2), (2, 13, 3)],
            [(1, 10, 0), (2, 500, 1), (1, 9, 2), (2, 40, 3)],
            [(1, 10, 0), (2, 500, 1), (1, 11, 9_000), (2, 501, 20_000)],
        ] {
            assert_eq!(taken(&packets), [true; 4], "{packets:?}");
        }
    }

    #[test]
    fn the_other_source_is_taken_once_the_kept_one_has_ended() {
        let silence_ms = SOURCE_SILENCE_US_MAX / 1000;
        let end_ms = 3 + silence_ms;
        let packets = [(7, 10, 0), (9, 500, 1), (7, 11, 3), (9, 501, end_ms - 1), (9, 502, end_ms)];
        assert_eq!(taken(&packets), [true, true, true, false, true]);
    }
}
