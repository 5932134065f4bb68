//! A packet of a ring, as whoever reads it has it.

/// What a packet is, beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// The RTP marker: the last packet of its access unit.
    pub const MARKER: Self = Self(1);
    /// The parameter sets that begin an IDR access unit: here a decoder can start.
    pub const IDR_BEGINS: Self = Self(2);

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The RTP marker bit.
    pub const fn marker(self) -> bool {
        self.contains(Self::MARKER)
    }
}

/// A published packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'c> {
    /// Its stream-wide index.
    pub index: u64,
    /// The RTP payload.
    pub payload: &'c [u8],
    /// On the stream's timeline, 90 kHz.
    pub timestamp: u32,
    /// Marker and more.
    pub flags: Flags,
}
