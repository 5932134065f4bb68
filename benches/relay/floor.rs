//! The floor: one thread that is woken for each camera's burst, reads it, seals as many packets
//! as the viewers would get and sends them by UDP GSO. No protocol, no state, no history. What
//! weir takes beyond this is weir's own.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as StdTcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use weir::clock;

use crate::Load;
use crate::common::camera::Park;
use crate::common::process::this_thread_ns;
use crate::report::percent;

const HEADER_BYTES: usize = 20;
const PAYLOAD_BYTES: usize = 1200;
const TAG_BYTES: usize = 16;
const PACKET_BYTES: usize = HEADER_BYTES + PAYLOAD_BYTES + TAG_BYTES;
/// Segments of a GSO message.
const SEGMENTS_MAX: usize = 50;
const SETTLE_US: u64 = 1_000_000;

/// The floor thread's CPU, in percent of one core, under the same load as weir had.
pub(crate) fn cpu_percent(load: &Load) -> Result<f64, String> {
    let park = Park::open(load.mounts());
    let stop = Arc::new(AtomicBool::new(false));
    let (sinks, drain) = drain(load.viewers, stop.clone())?;
    let load = load.clone();
    let cameras = park.address();
    let floor = std::thread::spawn(move || Floor::open(&load, cameras, sinks)?.run(load.seconds));
    let measured = floor.join().map_err(|_| "the floor's thread panicked".to_owned())?;
    stop.store(true, Ordering::Relaxed);
    drain.join().map_err(|_| "the receiving thread panicked".to_owned())?;
    measured
}

struct Floor {
    poll: Poll,
    cameras: Vec<TcpStream>,
    socket: UdpSocket,
    sinks: Vec<SocketAddr>,
    key: LessSafeKey,
    nonce: u64,
    read: Vec<u8>,
    send: Vec<u8>,
}

impl Floor {
    fn open(load: &Load, park: SocketAddr, sinks: Vec<SocketAddr>) -> Result<Self, String> {
        let poll = Poll::new().map_err(text)?;
        let mut cameras = Vec::new();
        for number in 0..load.cameras {
            let mut stream = StdTcpStream::connect(park).map_err(text)?;
            let request = format!(
                "SETUP rtsp://{park}/cam{number} RTSP/1.0\r\nCSeq: 1\r\n\
                 Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n\
                 PLAY rtsp://{park}/cam{number} RTSP/1.0\r\nCSeq: 2\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).map_err(text)?;
            stream.set_nonblocking(true).map_err(text)?;
            let mut stream = TcpStream::from_std(stream);
            let token = Token(cameras.len());
            poll.registry().register(&mut stream, token, Interest::READABLE).map_err(text)?;
            cameras.push(stream);
        }
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(text)?;
        segment(&socket)?;
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(text)?;
        Ok(Self {
            poll,
            cameras,
            socket,
            sinks,
            key: LessSafeKey::new(key),
            nonce: 0,
            read: vec![0; 128 * 1024],
            send: vec![0; SEGMENTS_MAX * PACKET_BYTES],
        })
    }

    fn run(mut self, seconds: u64) -> Result<f64, String> {
        self.turn_for(SETTLE_US)?;
        let cpu = || this_thread_ns().ok_or("no schedstat in /proc".to_owned());
        let (cpu_before, began_us) = (cpu()?, clock::now_us());
        self.turn_for(seconds * 1_000_000)?;
        Ok(percent(cpu()? - cpu_before, clock::now_us() - began_us))
    }

    fn turn_for(&mut self, for_us: u64) -> Result<(), String> {
        let deadline_us = clock::now_us() + for_us;
        let mut events = Events::with_capacity(256);
        while clock::now_us() < deadline_us {
            let polled = self.poll.poll(&mut events, Some(Duration::from_millis(20)));
            polled.map_err(text)?;
            for event in &events {
                self.burst(event.token().0)?;
            }
        }
        Ok(())
    }

    /// Reads what the camera wrote and sends as many bytes to each of its viewers.
    fn burst(&mut self, camera: usize) -> Result<(), String> {
        loop {
            match self.cameras[camera].read(&mut self.read) {
                Ok(0) => return Err("a camera hung up".to_owned()),
                Ok(bytes) => {
                    let packets = bytes.div_ceil(PAYLOAD_BYTES);
                    for viewer in (camera..self.sinks.len()).step_by(self.cameras.len()) {
                        self.send_packets(viewer, packets)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn send_packets(&mut self, viewer: usize, mut packets: usize) -> Result<(), String> {
        while packets > 0 {
            let run = packets.min(SEGMENTS_MAX);
            for (at, packet) in self.send.chunks_exact_mut(PACKET_BYTES).take(run).enumerate() {
                let (header, body) = packet.split_at_mut(HEADER_BYTES);
                let (payload, tag) = body.split_at_mut(PAYLOAD_BYTES);
                let from = at * PAYLOAD_BYTES;
                payload.copy_from_slice(&self.read[from..from + PAYLOAD_BYTES]);
                self.nonce += 1;
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&self.nonce.to_be_bytes());
                let nonce = Nonce::assume_unique_for_key(nonce);
                let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(header), payload);
                tag.copy_from_slice(sealed.map_err(text)?.as_ref());
            }
            let message = &self.send[..run * PACKET_BYTES];
            match self.socket.send_to(message, self.sinks[viewer]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("sending with UDP GSO: {error}")),
            }
            packets -= run;
        }
        Ok(())
    }
}

/// Sockets that are read by a thread of their own, as viewers read theirs.
fn drain(
    viewers: u32,
    stop: Arc<AtomicBool>,
) -> Result<(Vec<SocketAddr>, std::thread::JoinHandle<()>), String> {
    let mut poll = Poll::new().map_err(text)?;
    let mut sockets = Vec::new();
    let mut addresses = Vec::new();
    for _ in 0..viewers {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut socket = mio::net::UdpSocket::bind(any).map_err(text)?;
        addresses.push(socket.local_addr().map_err(text)?);
        let token = Token(sockets.len());
        poll.registry().register(&mut socket, token, Interest::READABLE).map_err(text)?;
        sockets.push(socket);
    }
    let thread = std::thread::spawn(move || {
        let mut events = Events::with_capacity(256);
        let mut buffer = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            let _ = poll.poll(&mut events, Some(Duration::from_millis(20)));
            for event in &events {
                while sockets[event.token().0].recv(&mut buffer).is_ok() {}
            }
        }
    });
    Ok((addresses, thread))
}

/// Has the kernel cut every send into packets.
fn segment(socket: &UdpSocket) -> Result<(), String> {
    let bytes = libc::c_int::try_from(PACKET_BYTES).expect("a packet is small");
    let length = libc::socklen_t::try_from(size_of_val(&bytes)).expect("four bytes");
    // SAFETY: the descriptor is open, and the option's value is an int that outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const bytes).cast(),
            length,
        )
    };
    if set == 0 {
        return Ok(());
    }
    Err(format!("no UDP GSO: {}", std::io::Error::last_os_error()))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
