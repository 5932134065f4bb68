//! The statistics of a session slot.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use super::camera::SkipFigures;
use super::figures::{Figure, figures};

figures! {
    /// A session's statistics, written by the media thread once it is live. A reset keeps `ended`,
    /// which is of the slot's last use. `/metrics` shows none: a session has its row in
    /// `/api/sessions`.
    SessionStats:
    ended: AtomicU64, keep,
        "The last end in this slot: its generation, and below it 8 bits of a `webrtc::ended::Ended`.";
    address: StatsAddress, reset, "Where its media goes.";
    packets: AtomicU64, reset, "RTP packets sealed, resends not counted.";
    bytes: AtomicU64, reset, "Payload bytes of these packets.";
    sound_packets: AtomicU64, reset, "RTP packets of sound sealed.";
    sound_bytes: AtomicU64, reset, "Payload bytes of these packets.";
    resends: AtomicU64, reset, "Packets sealed again for a NACK.";
    resends_refused: AtomicU64, reset,
        "NACKed packets that could not be sent again: too old, over budget, resend off.";
    key_frame_requests: AtomicU64, reset, "PLI and FIR received.";
    skips: SkipFigures, reset, "Times the cursor skipped to a later key frame.";
    fraction_lost: AtomicU8, reset, "Fraction lost by the last receiver report, in 1/256.";
    round_trip_us: AtomicU32, reset,
        "Round-trip time by the last receiver report, in microseconds; 0 before one.";
    last_sign_us: AtomicU64, reset,
        "The last sign of life, in microseconds of [`crate::clock::now_us`].";
}

impl SessionStats {
    /// One use of the slot is over, for a reason as its number.
    pub fn end(&self, generation: u32, reason: u8) {
        self.ended.store(u64::from(generation) << 8 | u64::from(reason), Ordering::Release);
    }

    /// Why one use of the slot is over; `None` while it is not.
    pub fn ended(&self, generation: u32) -> Option<u8> {
        let ended = self.ended.load(Ordering::Acquire);
        (ended >> 8 == u64::from(generation)).then_some(ended.to_le_bytes()[0])
    }
}

/// An address in the statistics, IPv4 as IPv6. A thread that reads while it is written may see half
/// of the change, once.
#[derive(Debug)]
pub struct StatsAddress {
    high: AtomicU64,
    low: AtomicU64,
    /// 0 for none.
    port: AtomicU16,
}

impl Figure for StatsAddress {
    const ZERO: Self =
        Self { high: AtomicU64::new(0), low: AtomicU64::new(0), port: AtomicU16::new(0) };

    fn clear(&self) {
        self.port.store(0, Ordering::Relaxed);
    }
}

impl StatsAddress {
    /// Replaces the address that is shown.
    pub fn set(&self, address: SocketAddr) {
        let bits = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        #[allow(clippy::cast_possible_truncation)] // the two halves
        let (high, low) = ((bits >> 64) as u64, bits as u64);
        self.high.store(high, Ordering::Relaxed);
        self.low.store(low, Ordering::Relaxed);
        self.port.store(address.port(), Ordering::Relaxed);
    }

    /// The address that is shown; `None` before one was set.
    pub fn shown(&self) -> Option<SocketAddr> {
        let port = self.port.load(Ordering::Relaxed);
        let high = u128::from(self.high.load(Ordering::Relaxed));
        let bits = high << 64 | u128::from(self.low.load(Ordering::Relaxed));
        let ip = Ipv6Addr::from_bits(bits).to_canonical();
        (port != 0).then_some(SocketAddr::new(ip, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_it_was_set() {
        let shown = StatsAddress::ZERO;
        assert_eq!(shown.shown(), None);
        for address in ["192.0.2.1:53124", "[2001:db8::1]:1"] {
            let address = address.parse().unwrap();
            shown.set(address);
            assert_eq!(shown.shown(), Some(address));
        }
        shown.clear();
        assert_eq!(shown.shown(), None);
    }
}
