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
    /// The next message was refused as a run, with this error: it goes by segments.
    split: Option<i32>,
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
            split: None,
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
                Err(error) => self.refused(&error),
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
        if (self.is_gso_off || self.split.is_some()) && next.segments() > 1 {
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
        // Alone they leave: it was GSO that was refused, and not for its size.
        self.is_gso_off |= self.split.is_some_and(|code| code != libc::EMSGSIZE);
        self.counters.messages += sent as u64;
        self.counters.packets += sent as u64;
        self.advance(sent * segment_bytes);
        Ok(())
    }

    /// So many bytes more of the next message are done with.
    fn advance(&mut self, bytes: usize) {
        self.sent_bytes += bytes;
        if self.sent_bytes >= self.messages[self.sent].bytes {
            self.sent += 1;
            self.sent_bytes = 0;
            self.split = None;
        }
    }

    /// The kernel refused the next message. A run gets a second chance, by segments: a device
    /// without checksum offload answers EIO to a segmented send, an old kernel EINVAL, an
    /// interface whose frames are smaller than a segment EMSGSIZE (which leaves as fragments).
    /// Else what was refused is left out.
    fn refused(&mut self, error: &io::Error) {
        let message = self.messages[self.sent];
        let code = error.raw_os_error();
        let is_run = message.segments() > 1 && !self.is_gso_off;
        if is_run && self.split.is_none() && code.is_some_and(is_about_runs) {
            self.split = code;
            return;
        }
        self.counters.refused += 1;
        // Not even a single segment leaves, and all are alike; or it is one that goes alone.
        let is_all = is_run && self.sent_bytes == 0;
        let segment_bytes = usize::from(message.segment_bytes);
        self.advance(if is_all { message.bytes } else { segment_bytes });
    }
}

/// Whether an error may be about the run and not about its packets.
fn is_about_runs(code: i32) -> bool {
    matches!(code, libc::EIO | libc::EINVAL | libc::EMSGSIZE)
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
