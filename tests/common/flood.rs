//! A flood of datagrams that mean nothing, at a steady rate and from many addresses, in a thread
//! of its own: random bytes, and what looks like each kind that the media port knows.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use is::stun::{StunMessage, TransId};
use ring::rand::{SecureRandom, SystemRandom};
use weir::clock;

use super::agent::sha1_hmac;

/// Hosts of 127.0.0.0/8 that the flood comes from; no viewer of ours lives there.
const HOSTS: u8 = 8;
const FIRST_HOST: u8 = 200;
const DATAGRAM_BYTES_MAX: usize = 1400;
/// Datagrams are sent in bursts, so that the thread may sleep between them.
const BURST_US: u64 = 2_000;

/// A flood under way.
pub struct Flood {
    began_us: u64,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Flood {
    /// Sends `per_s` datagrams a second to `media`.
    pub fn begin(media: SocketAddr, per_s: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let began_us = clock::now_us();
        let thread = std::thread::Builder::new()
            .name("flood".to_owned())
            .spawn(move || pour(media, per_s, began_us, &stopped))
            .expect("a thread");
        Self { began_us, stop, thread: Some(thread) }
    }

    /// Ends it; the datagrams that left a second.
    pub fn end(mut self) -> f64 {
        let sent = self.join().expect("it is running");
        sent as f64 * 1e6 / (clock::now_us() - self.began_us) as f64
    }

    fn join(&mut self) -> Option<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take()?;
        Some(thread.join().expect("the flood did not panic"))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.join();
    }
}

fn pour(media: SocketAddr, per_s: u64, began_us: u64, stop: &AtomicBool) -> u64 {
    let sockets: Vec<UdpSocket> = (0..HOSTS)
        .map(|host| {
            let local = Ipv4Addr::new(127, 0, 0, FIRST_HOST + host);
            UdpSocket::bind((local, 0)).expect("a free port")
        })
        .collect();
    let random = SystemRandom::new();
    let mut sent = 0;
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = (clock::now_us() - began_us) * per_s / 1_000_000;
        while number < due {
            let datagram = garbage(&random, number);
            let socket = &sockets[usize::try_from(number).expect("64 bits") % sockets.len()];
            sent += u64::from(socket.send_to(&datagram, media).is_ok());
            number += 1;
        }
        std::thread::sleep(Duration::from_micros(BURST_US));
    }
    sent
}

/// One datagram: of the kinds in turn, of any length, random where no kind says otherwise.
fn garbage(random: &SystemRandom, number: u64) -> Vec<u8> {
    let mut bytes = vec![0; DATAGRAM_BYTES_MAX];
    random.fill(&mut bytes).expect("random bytes");
    let length = 1 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]])) % DATAGRAM_BYTES_MAX;
    bytes.drain(..2);
    bytes.truncate(length);
    let head: &[u8] = match number % 6 {
        0 => &[],
        1 => return forged_check(&bytes),
        // A check whose attributes are nonsense.
        2 => &[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42],
        // DTLS 1.2: a handshake record of epoch 0.
        3 => &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0],
        // SRTCP and SRTP.
        4 => &[0x80, 201],
        _ => &[0x80, 96],
    };
    let head = &head[..head.len().min(bytes.len())];
    bytes[..head.len()].copy_from_slice(head);
    bytes
}

/// A well-formed check for one of the first slots, whose ufrag and integrity are wrong.
fn forged_check(random: &[u8]) -> Vec<u8> {
    let slot = random.first().copied().unwrap_or(0);
    let username = format!("00{slot:02x}abcdefgh:them");
    let message = StunMessage::binding_request(&username, TransId::new(), true, 7, 1, true);
    let mut bytes = vec![0; 256];
    let written = message.to_bytes(Some(b"a password that nobody has"), &mut bytes, sha1_hmac);
    bytes.truncate(written.expect("room for a check"));
    bytes
}
