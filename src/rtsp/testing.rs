//! Helpers shared by the tests of this folder: frames and packets as cameras send them.

use super::sdp::SoundTrack;
use crate::mem::pool::{CarryPool, ReorderPool};
use crate::sound::SoundCodec;

/// The track of [`heard`].
pub(super) const PCMA: SoundTrack = SoundTrack { payload_type: 8, codec: SoundCodec::Pcma };
/// The SSRC of [`rtp`].
pub(super) const SSRC: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
/// The SSRC of [`heard`].
pub(super) const SOUND_SSRC: [u8; 4] = [9, 9, 9, 9];

/// An empty pool on the heap. While it is built it lies on the stack, in a debug build twice, and a
/// test thread's stack is too small for that.
pub(super) fn carry_pool() -> Box<CarryPool> {
    const STACK_BYTES: usize = 64 << 20;
    let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
    let thread = builder.spawn(|| Box::new(CarryPool::new())).expect("a thread");
    thread.join().expect("a pool")
}

/// An empty pool on the heap.
pub(super) fn reorder_pool() -> Box<ReorderPool> {
    Box::new(ReorderPool::new())
}

/// An interleaved `$` frame.
pub(super) fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("a frame's length").to_be_bytes();
    [&[b'$', channel, len[0], len[1]], payload].concat()
}

/// An RTP packet of the picture.
pub(super) fn rtp(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(SSRC);
    packet.extend(payload);
    packet
}

/// An RTP packet of the sound, 20 ms of it.
pub(super) fn heard(number: u16) -> Vec<u8> {
    let mut packet = rtp(number, u32::from(number) * 160, &[0xd5; 160]);
    packet[1] = PCMA.payload_type;
    packet[8..12].copy_from_slice(&SOUND_SSRC);
    packet
}

/// A sender report, the middle of whose time is 1, 2, 3, 4.
pub(super) fn sender_report(ssrc: [u8; 4]) -> Vec<u8> {
    [&[0x80, 200, 0, 6][..], &ssrc, &[0, 0, 1, 2, 3, 4, 0, 0], &[0; 12]].concat()
}
