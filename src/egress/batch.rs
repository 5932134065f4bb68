//! Sealed packets on their way to the socket: runs of equal size for one peer become one message
//! (UDP GSO), messages of several subscriptions leave by one system call.
//!
//! What is in a batch is sealed and stays as it is until it is sent: when the socket is full the
//! batch waits, nothing more is sealed, and no number is spent twice. A partial send, a full
//! socket, a peer that cannot be reached and a device without GSO are ordinary results.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use crate::limits::{GSO_BYTES_MAX, GSO_SEGMENTS_MAX, PROFILE};
use crate::net::udp::{Message, Wire};

const BATCH_BYTES: usize = PROFILE.batch_bytes;
const MESSAGES_MAX: usize = PROFILE.batch_messages;

/// Where a subscription's packets go: the browser's address and ours that it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The browser's address.
    pub to: SocketAddr,
    /// Our address.
    pub from: IpAddr,
}

/// Whether everything left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// The batch is empty.
    Done,
    /// The socket is full: try again when it is writable, and seal nothing until then.
    Blocked,
}

/// What the batch did since the start.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    /// Calls of `sendmmsg`.
    pub calls: u64,
    /// Messages that left.
    pub messages: u64,
    /// Datagrams that left.
    pub packets: u64,
    /// Messages the kernel refused for good: peer unreachable, larger than the path takes.
    pub refused: u64,
    /// Times the socket was full.
    pub blocked: u64,
}

/// The scratch that packets are sealed in, and the messages that lie in it.
pub struct Batch {
    scratch: [u8; BATCH_BYTES],
    used_bytes: usize,
    messages: heapless::Vec<Message, MESSAGES_MAX>,
    /// Messages that have left.
    sent: usize,
    /// Bytes of the next message that have left without GSO.
    sent_bytes: usize,
    is_gso_off: bool,
    /// What happened so far.
    pub counters: Counters,
}

impl Batch {
    /// An empty batch; zeros, so it can be a static.
    pub const fn new() -> Self {
        Self {
            scratch: [0; BATCH_BYTES],
            used_bytes: 0,
            messages: heapless::Vec::new(),
            sent: 0,
            sent_bytes: 0,
            is_gso_off: false,
            counters: Counters { calls: 0, messages: 0, packets: 0, refused: 0, blocked: 0 },
        }
    }

    /// Sends without GSO from now on: the kernel or the device does not know it.
    pub fn disable_gso(&mut self) {
        self.is_gso_off = true;
    }

    /// Whether runs are sent as one message.
    pub fn has_gso(&self) -> bool {
        !self.is_gso_off
    }

    /// Whether nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Room for one packet of `bytes` bytes, behind what is there or, when the batch is full,
    /// once that was sent. `None` when the socket does not take it: seal nothing then.
    pub fn packet(&mut self, path: Path, bytes: usize, wire: &impl Wire) -> Option<&mut [u8]> {
        if !self.has_room(path, bytes) && self.flush(wire) == Flushed::Blocked {
            return None;
        }
        let start = self.used_bytes;
        if self.continues_run(path, bytes) {
            self.messages.last_mut()?.bytes += bytes;
        } else {
            let segment_bytes = u16::try_from(bytes).ok()?;
            let Path { to, from } = path;
            let message = Message { offset: start, bytes, segment_bytes, to, from };
            self.messages.push(message).ok()?;
        }
        self.used_bytes += bytes;
        Some(&mut self.scratch[start..start + bytes])
    }

    fn has_room(&self, path: Path, bytes: usize) -> bool {
        let has_message = !self.messages.is_full() || self.continues_run(path, bytes);
        has_message && self.used_bytes + bytes <= BATCH_BYTES
    }

    /// Whether a packet of `bytes` can be the next segment of the last message: all segments are
    /// equal but the last, which may be shorter.
    fn continues_run(&self, path: Path, bytes: usize) -> bool {
        let Some(last) = self.messages.last() else {
            return false;
        };
        let segment_bytes = usize::from(last.segment_bytes);
        let is_same_path = last.to == path.to && last.from == path.from;
        let is_whole = last.bytes.is_multiple_of(segment_bytes);
        !self.is_gso_off
            && is_same_path
            && is_whole
            && bytes <= segment_bytes
            && last.segments() < GSO_SEGMENTS_MAX
            && last.bytes + bytes <= GSO_BYTES_MAX
    }

    /// Sends what is there, as far as the socket takes it.
    pub fn flush(&mut self, wire: &impl Wire) -> Flushed {
        while self.sent < self.messages.len() {
            match self.send_some(wire) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.counters.blocked += 1;
                    return Flushed::Blocked;
                }
                Err(error) if self.is_gso_refusal(&error) => self.is_gso_off = true,
                Err(_) => self.skip_refused(),
            }
        }
        self.messages.clear();
        self.used_bytes = 0;
        self.sent = 0;
        Flushed::Done
    }

    fn send_some(&mut self, wire: &impl Wire) -> io::Result<()> {
        self.counters.calls += 1;
        let next = self.messages[self.sent];
        if self.is_gso_off && next.segments() > 1 {
            return self.send_segments(wire, next);
        }
        // Without GSO a run that was gathered before goes by segments: stop in front of it.
        let rest = &self.messages[self.sent..];
        let is_plain = |message: &Message| !self.is_gso_off || message.segments() == 1;
        let count = rest.iter().take_while(|message| is_plain(message)).count();
        let sent = wire.send(&self.scratch, &rest[..count])?;
        let packets: usize = rest[..sent].iter().map(Message::segments).sum();
        self.sent += sent;
        self.counters.messages += sent as u64;
        self.counters.packets += packets as u64;
        Ok(())
    }

    /// Sends one run as datagrams of their own, from where an earlier call stopped.
    fn send_segments(&mut self, wire: &impl Wire, run: Message) -> io::Result<()> {
        let mut singles = heapless::Vec::<Message, MESSAGES_MAX>::new();
        let segment_bytes = usize::from(run.segment_bytes);
        let mut at = self.sent_bytes;
        while at < run.bytes && !singles.is_full() {
            let bytes = segment_bytes.min(run.bytes - at);
            // Not full: the loop's condition.
            let _ = singles.push(Message { offset: run.offset + at, bytes, ..run });
            at += bytes;
        }
        let sent = wire.send(&self.scratch, &singles)?;
        self.counters.messages += sent as u64;
        self.counters.packets += sent as u64;
        self.sent_bytes = (self.sent_bytes + sent * segment_bytes).min(run.bytes);
        if self.sent_bytes == run.bytes {
            self.sent += 1;
            self.sent_bytes = 0;
        }
        Ok(())
    }

    /// A device without checksum offload answers EIO to a segmented send, an old kernel EINVAL.
    fn is_gso_refusal(&self, error: &io::Error) -> bool {
        let is_run = self.messages[self.sent].segments() > 1;
        let code = error.raw_os_error();
        !self.is_gso_off && is_run && (code == Some(libc::EIO) || code == Some(libc::EINVAL))
    }

    /// Leaves out what the kernel refused: the message, or its next segment without GSO.
    fn skip_refused(&mut self) {
        self.counters.refused += 1;
        let message = &self.messages[self.sent];
        if self.is_gso_off {
            self.sent_bytes += usize::from(message.segment_bytes);
        } else {
            self.sent_bytes = message.bytes;
        }
        if self.sent_bytes >= message.bytes {
            self.sent += 1;
            self.sent_bytes = 0;
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::VecDeque;

    /// A socket that does as its script says, then takes everything; keeps what it took.
    #[derive(Default)]
    struct Script {
        results: RefCell<VecDeque<Result<usize, i32>>>,
        datagrams: RefCell<Vec<Vec<u8>>>,
        runs: RefCell<Vec<usize>>,
    }

    impl Script {
        fn of(results: &[Result<usize, i32>]) -> Self {
            let results = RefCell::new(results.iter().copied().collect());
            Self { results, ..Self::default() }
        }
    }

    impl Wire for Script {
        fn send(&self, scratch: &[u8], messages: &[Message]) -> io::Result<usize> {
            let count = match self.results.borrow_mut().pop_front() {
                Some(Err(code)) => return Err(io::Error::from_raw_os_error(code)),
                Some(Ok(count)) => count.min(messages.len()),
                None => messages.len(),
            };
            for message in &messages[..count] {
                self.runs.borrow_mut().push(message.segments());
                let bytes = &scratch[message.offset..message.offset + message.bytes];
                let segments = bytes.chunks(usize::from(message.segment_bytes));
                self.datagrams.borrow_mut().extend(segments.map(<[u8]>::to_vec));
            }
            Ok(count)
        }
    }

    /// A socket that is full.
    struct Closed;

    impl Wire for Closed {
        fn send(&self, _: &[u8], _: &[Message]) -> io::Result<usize> {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    fn path(port: u16) -> Path {
        Path { to: SocketAddr::from(([192, 0, 2, 1], port)), from: IpAddr::from([192, 0, 2, 9]) }
    }

    /// Packets of the given sizes, each filled with its number.
    fn fill(batch: &mut Batch, path: Path, sizes: &[usize]) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let room = batch.packet(path, *size, &Closed).expect("room");
            room.fill(u8::try_from(number + 1).unwrap());
            packets.push(room.to_vec());
        }
        packets
    }

    fn batch() -> Box<Batch> {
        Box::new(Batch::new())
    }

    #[test]
    fn equal_sizes_make_a_run_and_a_shorter_packet_ends_it() {
        let mut batch = batch();
        let wire = Script::default();
        let mut packets = fill(&mut batch, path(1), &[60, 1236, 1236, 1236, 500, 500]);
        packets.extend(fill(&mut batch, path(2), &[500]));
        assert_eq!(batch.flush(&wire), Flushed::Done);
        assert_eq!(*wire.runs.borrow(), [1, 4, 1, 1]);
        assert_eq!(*wire.datagrams.borrow(), packets);
        assert!(batch.is_empty());
    }

    #[test]
    fn a_run_ends_at_64_segments() {
        let mut batch = batch();
        let wire = Script::default();
        fill(&mut batch, path(1), &[600; 70]);
        batch.flush(&wire);
        assert_eq!(*wire.runs.borrow(), [64, 6]);
    }

    #[test]
    fn a_full_batch_sends_what_it_has_before_it_takes_more() {
        let mut batch = batch();
        for message in 0..MESSAGES_MAX {
            let port = u16::try_from(message + 1).unwrap();
            fill(&mut batch, path(port), &[100]);
        }
        assert!(batch.packet(path(9999), 100, &Closed).is_none());
        let wire = Script::default();
        assert!(batch.packet(path(9999), 100, &wire).is_some());
        assert_eq!(wire.datagrams.borrow().len(), MESSAGES_MAX);
        assert!(!batch.is_empty());
    }

    #[test]
    fn a_partial_send_and_a_full_socket_go_on_where_they_stopped() {
        let mut batch = batch();
        let wire = Script::of(&[Ok(1), Err(libc::EAGAIN), Ok(1), Err(libc::EINTR)]);
        let mut packets = fill(&mut batch, path(1), &[1000, 1000]);
        packets.extend(fill(&mut batch, path(2), &[900, 900, 800]));
        packets.extend(fill(&mut batch, path(3), &[700]));
        assert_eq!(batch.flush(&wire), Flushed::Blocked);
        assert_eq!(wire.datagrams.borrow().len(), 2);
        assert_eq!(batch.flush(&wire), Flushed::Done);
        assert_eq!(*wire.datagrams.borrow(), packets, "each once, in order");
        assert_eq!(batch.counters.packets, 6);
        assert_eq!(batch.counters.blocked, 1);
    }

    #[test]
    fn without_gso_a_run_leaves_as_datagrams_even_in_parts() {
        let mut batch = batch();
        let wire = Script::of(&[Err(libc::EIO), Ok(2), Err(libc::EAGAIN), Ok(1)]);
        let mut packets = fill(&mut batch, path(1), &[1000, 1000, 1000, 1000, 10]);
        packets.extend(fill(&mut batch, path(2), &[900]));
        assert_eq!(batch.flush(&wire), Flushed::Blocked);
        assert!(!batch.has_gso());
        assert_eq!(batch.flush(&wire), Flushed::Done);
        assert_eq!(*wire.datagrams.borrow(), packets);
        assert!(wire.runs.borrow().iter().all(|segments| *segments == 1));
        let more = fill(&mut batch, path(1), &[1000, 1000]);
        batch.flush(&wire);
        assert_eq!(wire.datagrams.borrow()[6..], more, "and later packets are never a run");
    }

    #[test]
    fn what_the_kernel_refuses_is_left_out_and_the_others_leave() {
        let mut batch = batch();
        let wire = Script::of(&[Err(libc::EMSGSIZE), Ok(1), Err(libc::ENETUNREACH)]);
        fill(&mut batch, path(1), &[1400, 1400]);
        let kept = fill(&mut batch, path(2), &[900]);
        fill(&mut batch, path(3), &[800]);
        assert_eq!(batch.flush(&wire), Flushed::Done);
        assert_eq!(*wire.datagrams.borrow(), kept);
        assert_eq!(batch.counters.refused, 2);
    }
}
