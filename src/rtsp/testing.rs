//! Helpers shared by the tests of this folder: frames and packets as cameras send them.

use crate::mem::pool::{CarryPool, ReorderPool};

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

/// An RTP packet of payload type 96 and SSRC 0x11223344.
pub(super) fn rtp(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(0x1122_3344_u32.to_be_bytes());
    packet.extend(payload);
    packet
}
