//! Our last DTLS flight, kept so that the same bytes can be sent again.

use crate::limits::FLIGHT_BYTES_MAX;
use crate::webrtc::provider::{CHANGE_CIPHER_SPEC, HANDSHAKE, Records};

/// The records of the flight (ChangeCipherSpec and Finished: 75 bytes), as one datagram.
#[derive(Debug, Default)]
pub(super) struct Flight {
    bytes: heapless::Vec<u8, FLIGHT_BYTES_MAX>,
    overflowed: bool,
}

impl Flight {
    /// Adds the records of `datagram` that belong to the last flight: no alert, and no resend of
    /// the flight before.
    pub(super) fn collect(&mut self, datagram: &[u8]) {
        for record in Records(datagram) {
            let ours = record.kind == CHANGE_CIPHER_SPEC
                || (record.kind == HANDSHAKE && record.epoch == 1);
            if ours && self.bytes.extend_from_slice(record.whole).is_err() {
                self.overflowed = true;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.overflowed
    }

    /// The flight; `None` if it was larger than [`FLIGHT_BYTES_MAX`].
    pub(super) fn complete(self) -> Option<heapless::Vec<u8, FLIGHT_BYTES_MAX>> {
        (!self.overflowed).then_some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, bytes: u8) -> Vec<u8> {
        let mut record = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, 0, bytes];
        record.extend(vec![7; usize::from(bytes)]);
        record
    }

    #[test]
    fn only_the_last_flight_is_kept() {
        let mut flight = Flight::default();
        flight.collect(&[record(HANDSHAKE, 0, 9), record(21, 1, 26)].concat());
        assert!(flight.is_empty());
        let last = [record(CHANGE_CIPHER_SPEC, 0, 1), record(HANDSHAKE, 1, 48)].concat();
        flight.collect(&last);
        assert_eq!(flight.complete().unwrap()[..], last[..]);
    }

    #[test]
    fn a_flight_over_the_bound_is_not_kept_in_part() {
        let mut flight = Flight::default();
        flight.collect(&record(CHANGE_CIPHER_SPEC, 0, 1));
        flight.collect(&record(HANDSHAKE, 1, 115));
        assert!(!flight.is_empty());
        assert_eq!(flight.complete(), None);
    }
}
