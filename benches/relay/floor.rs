//! The floor: one thread that is woken for each camera's burst, reads it, seals as many packets of
//! the same sizes as the viewers would get and sends them by UDP GSO. Of the cameras' protocol it
//! knows where a frame ends, of the viewers' nothing; it has no history. What weir takes beyond
//! this is weir's own.

mod walk;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as StdTcpStream, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use socket2::SockRef;
use weir::clock;

use crate::common::camera::CameraFarm;
use crate::common::camera::rtsp::SOUND_TRACK;
use crate::common::process::this_thread_ns;
use crate::load::Load;
use crate::report::percent;
use walk::{Step, Walk};

const HEADER_BYTES: usize = 20;
const PAYLOAD_BYTES: usize = 1200;
const TAG_BYTES: usize = 16;
const PACKET_BYTES: usize = HEADER_BYTES + PAYLOAD_BYTES + TAG_BYTES;
/// Segments of a GSO message.
const SEGMENTS_MAX: usize = 50;
const SETTLE_US: u64 = 1_000_000;
/// As the viewers' sockets have it.
const RECEIVE_BYTES: usize = 4 << 20;

/// What the floor did in a window.
pub(crate) struct Figures {
    /// Of one core.
    pub(crate) cpu_percent: f64,
    /// What it sent, to all viewers.
    pub(crate) packets_per_s: f64,
    /// What arrived.
    pub(crate) received_per_s: f64,
}

/// The floor under the same load as weir had.
pub(crate) fn measure(load: &Load) -> Result<Figures, String> {
    let farm = CameraFarm::open(load.mounts());
    let stop = Arc::new(AtomicBool::new(false));
    let received = Arc::new(AtomicU64::new(0));
    let (sinks, drain) = drain(load.viewers, stop.clone(), received.clone())?;
    let load = load.clone();
    let cameras = farm.address();
    let floor =
        std::thread::spawn(move || Floor::open(&load, cameras, sinks, received)?.run(load.seconds));
    let measured = floor.join().map_err(|_| "the floor's thread panicked".to_owned())?;
    stop.store(true, Ordering::Relaxed);
    drain.join().map_err(|_| "the receiving thread panicked".to_owned())?;
    measured
}

struct Floor {
    poll: Poll,
    cameras: Vec<Camera>,
    socket: UdpSocket,
    sinks: Vec<SocketAddr>,
    key: LessSafeKey,
    nonce: u64,
    /// By the draining thread.
    received: Arc<AtomicU64>,
    read: Vec<u8>,
    send: Vec<u8>,
}

struct Camera {
    stream: TcpStream,
    walk: Walk,
    /// Payload that was read and does not fill a packet yet.
    kept: usize,
}

impl Floor {
    fn open(
        load: &Load,
        farm: SocketAddr,
        sinks: Vec<SocketAddr>,
        received: Arc<AtomicU64>,
    ) -> Result<Self, String> {
        let poll = Poll::new().map_err(text)?;
        let mut cameras = Vec::new();
        for number in 0..load.cameras {
            let mut stream = StdTcpStream::connect(farm).map_err(text)?;
            let sound = match load.sound {
                true => format!(
                    "SETUP rtsp://{farm}/cam{number}/{SOUND_TRACK} RTSP/1.0\r\nCSeq: 1\r\n\
                     Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n\r\n"
                ),
                false => String::new(),
            };
            let request = format!(
                "SETUP rtsp://{farm}/cam{number} RTSP/1.0\r\nCSeq: 1\r\n\
                 Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n{sound}\
                 PLAY rtsp://{farm}/cam{number} RTSP/1.0\r\nCSeq: 2\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).map_err(text)?;
            stream.set_nonblocking(true).map_err(text)?;
            let mut stream = TcpStream::from_std(stream);
            let token = Token(cameras.len());
            poll.registry().register(&mut stream, token, Interest::READABLE).map_err(text)?;
            cameras.push(Camera { stream, walk: Walk::new(load.codec(number)), kept: 0 });
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
            received,
            read: vec![0; 128 * 1024],
            send: vec![0; SEGMENTS_MAX * PACKET_BYTES],
        })
    }

    fn run(mut self, seconds: u64) -> Result<Figures, String> {
        self.turn_for(SETTLE_US)?;
        let cpu = || this_thread_ns().ok_or("no schedstat in /proc".to_owned());
        let (cpu_before, began_us) = (cpu()?, clock::now_us());
        let (sent_before, received_before) = (self.nonce, self.received.load(Ordering::Relaxed));
        self.turn_for(seconds * 1_000_000)?;
        let wall_us = clock::now_us() - began_us;
        let per_s = |count: u64| count as f64 * 1e6 / wall_us as f64;
        Ok(Figures {
            cpu_percent: percent(cpu()? - cpu_before, wall_us),
            packets_per_s: per_s(self.nonce - sent_before),
            received_per_s: per_s(self.received.load(Ordering::Relaxed) - received_before),
        })
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

    /// Reads what the camera wrote and sends as many bytes to each of its viewers: full packets,
    /// and a shorter one where a frame ends.
    fn burst(&mut self, number: usize) -> Result<(), String> {
        loop {
            let camera = &mut self.cameras[number];
            match camera.stream.read(&mut self.read) {
                Ok(0) => return Err("a camera hung up".to_owned()),
                Ok(bytes) => {
                    let mut sends = Vec::new();
                    let kept = &mut camera.kept;
                    camera.walk.read(&self.read[..bytes], |step| match step {
                        Step::Payload(bytes) => *kept += bytes,
                        Step::Sound(bytes) => sends.push(bytes),
                        Step::FrameEnd => sends.push(std::mem::take(kept)),
                    });
                    sends.push(camera.kept / PAYLOAD_BYTES * PAYLOAD_BYTES);
                    camera.kept %= PAYLOAD_BYTES;
                    for viewer in (number..self.sinks.len()).step_by(self.cameras.len()) {
                        for bytes in &sends {
                            self.send(viewer, *bytes)?;
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Sends so many payload bytes, in runs of one message each.
    fn send(&mut self, viewer: usize, mut bytes: usize) -> Result<(), String> {
        while bytes > 0 {
            let run = bytes.min(SEGMENTS_MAX * PAYLOAD_BYTES);
            let mut end = 0;
            for from in (0..run).step_by(PAYLOAD_BYTES) {
                let payload = from..run.min(from + PAYLOAD_BYTES);
                end = self.seal(end, payload)?;
            }
            match self.socket.send_to(&self.send[..end], self.sinks[viewer]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("sending with UDP GSO: {error}")),
            }
            bytes -= run;
        }
        Ok(())
    }

    /// Seals a packet of bytes that were read behind what stands in the message; where it ends.
    fn seal(&mut self, at: usize, bytes: Range<usize>) -> Result<usize, String> {
        let end = at + HEADER_BYTES + bytes.len() + TAG_BYTES;
        let (header, body) = self.send[at..end].split_at_mut(HEADER_BYTES);
        let (payload, tag) = body.split_at_mut(bytes.len());
        payload.copy_from_slice(&self.read[bytes]);
        self.nonce += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.nonce.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(header), payload);
        tag.copy_from_slice(sealed.map_err(text)?.as_ref());
        Ok(end)
    }
}

/// Sockets that are read by a thread of their own, as viewers read theirs.
fn drain(
    viewers: u32,
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
) -> Result<(Vec<SocketAddr>, std::thread::JoinHandle<()>), String> {
    let mut poll = Poll::new().map_err(text)?;
    let mut sockets = Vec::new();
    let mut addresses = Vec::new();
    for _ in 0..viewers {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut socket = mio::net::UdpSocket::bind(any).map_err(text)?;
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BYTES).map_err(text)?;
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
                while sockets[event.token().0].recv(&mut buffer).is_ok() {
                    received.fetch_add(1, Ordering::Relaxed);
                }
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
