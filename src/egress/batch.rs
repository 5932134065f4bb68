//! Sealed packets on their way to the socket. Runs of packets of equal size for one peer become one
//! message (UDP GSO), and one system call sends the messages of several subscriptions.
//!
//! A packet in a batch is sealed and does not change until it is sent. When the socket is full, the
//! batch waits and nothing more is sealed, so no number is used twice. A partial send, a full
//! socket, an unreachable peer and a device without GSO are ordinary results.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use crate::limits::{GSO_BYTES_MAX, GSO_SEGMENTS_MAX, PROFILE};
use crate::net::udp::{Message, Wire};

const BATCH_BYTES: usize = PROFILE.batch_bytes;
const MESSAGES_MAX: usize = PROFILE.batch_messages;

/// The addresses of a subscription's packets: the browser's, and the one of weir's that it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The browser's address and port.
    pub to: SocketAddr,
    /// The local IP address to send from.
    pub from: IpAddr,
}

/// The result of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Every message was sent or refused; the batch is empty.
    Done,
    /// The socket is full: flush again when it is writable, and seal nothing until then.
    Blocked,
}

/// Counters since the start, copied to the statistics.
#[derive(Debug, Default, Clone, Copy)]
pub struct BatchCounters {
    /// Calls of `sendmmsg`, one per system call.
    pub calls: u64,
    /// Messages sent; one message holds a run of datagrams.
    pub messages: u64,
    /// Datagrams that were sent.
    pub packets: u64,
    /// Messages that the kernel refused for good: peer unreachable, or too large for the path.
    pub refused: u64,
    /// How often the socket was full.
    pub blocked: u64,
}

/// The buffer in which packets are sealed, and the messages made of them.
pub struct Batch {
    scratch: [u8; BATCH_BYTES],
    used_bytes: usize,
    messages: heapless::Vec<Message, MESSAGES_MAX>,
    /// Messages of this batch already sent.
    sent: usize,
    /// Bytes of the next message already sent without GSO.
    sent_bytes: usize,
    is_gso_off: bool,
    /// The next message was refused as a run, with this error code, so its segments go one by one.
    split: Option<i32>,
    /// Counters since the start.
    pub counters: BatchCounters,
}

impl Batch {
    /// An empty batch; all zeros, so it can be a static.
    pub const fn new() -> Self {
        Self {
            scratch: [0; BATCH_BYTES],
            used_bytes: 0,
            messages: heapless::Vec::new(),
            sent: 0,
            sent_bytes: 0,
            is_gso_off: false,
            split: None,
            counters: BatchCounters { calls: 0, messages: 0, packets: 0, refused: 0, blocked: 0 },
        }
    }

    /// Stops using GSO from now on, because the kernel or the device does not support it.
    pub fn disable_gso(&mut self) {
        self.is_gso_off = true;
    }

    /// Whether a run is sent as one GSO message.
    pub fn has_gso(&self) -> bool {
        !self.is_gso_off
    }

    /// Whether no message waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Room for one packet of `bytes` bytes. A full batch is flushed first. `None` when the socket
    /// is full: then the caller seals nothing.
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

    /// Sends the batch, as far as the socket takes it.
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
        // After GSO was disabled, a run gathered earlier is sent by segments: stop before it.
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

    /// Sends one run as single datagrams, from where an earlier call stopped.
    fn send_segments(&mut self, wire: &impl Wire, run: Message) -> io::Result<()> {
        let mut singles = heapless::Vec::<Message, MESSAGES_MAX>::new();
        let segment_bytes = usize::from(run.segment_bytes);
        let mut at = self.sent_bytes;
        while at < run.bytes && !singles.is_full() {
            let bytes = segment_bytes.min(run.bytes - at);
            // The loop's condition: it is not full.
            let _ = singles.push(Message { offset: run.offset + at, bytes, ..run });
            at += bytes;
        }
        let sent = wire.send(&self.scratch, &singles)?;
        // Single segments are accepted, so GSO was refused; with EMSGSIZE only because of the size.
        self.is_gso_off |= self.split.is_some_and(|code| code != libc::EMSGSIZE);
        self.counters.messages += sent as u64;
        self.counters.packets += sent as u64;
        self.advance(sent * segment_bytes);
        Ok(())
    }

    /// Moves on by so many bytes of the next message.
    fn advance(&mut self, bytes: usize) {
        self.sent_bytes += bytes;
        if self.sent_bytes >= self.messages[self.sent].bytes {
            self.sent += 1;
            self.sent_bytes = 0;
            self.split = None;
        }
    }

    /// The kernel refused the next message. A run is retried by segments: to a segmented send, a
    /// device without checksum offload answers EIO, an old kernel EINVAL, and an interface whose
    /// frames are smaller than a segment EMSGSIZE (a single segment then leaves as fragments). Any
    /// other refused message is dropped.
    fn refused(&mut self, error: &io::Error) {
        let message = self.messages[self.sent];
        let code = error.raw_os_error();
        let is_run = message.segments() > 1 && !self.is_gso_off;
        if is_run && self.split.is_none() && code.is_some_and(is_about_runs) {
            self.split = code;
            return;
        }
        self.counters.refused += 1;
        // Either no segment was accepted, and all are alike; or one single segment was refused.
        let is_all = is_run && self.sent_bytes == 0;
        let segment_bytes = usize::from(message.segment_bytes);
        self.advance(if is_all { message.bytes } else { segment_bytes });
    }
}

/// Whether this error may be caused by the run rather than by its packets.
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
