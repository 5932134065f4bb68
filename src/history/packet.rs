//! A packet in a history ring, as its readers see it.

/// Properties of a packet that its bytes do not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// A packet with no flag set.
    pub const NONE: Self = Self(0);
    /// The RTP marker: the last packet of its access unit.
    pub const MARKER: Self = Self(1);
    /// The packet with the parameter sets that begin an IDR access unit: a decoder can start here.
    pub const IDR_BEGINS: Self = Self(2);

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether the RTP marker bit is set.
    pub const fn marker(self) -> bool {
        self.contains(Self::MARKER)
    }
}

/// A published packet, borrowed from its chunk.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'c> {
    /// Its stream-wide index, which never restarts.
    pub index: u64,
    /// The RTP payload, in plaintext.
    pub payload: &'c [u8],
    /// The RTP timestamp on the stream's own timeline, at 90 kHz.
    pub timestamp: u32,
    /// The marker bit, and whether an IDR begins.
    pub flags: Flags,
}
