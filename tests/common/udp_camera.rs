//! A camera that sends by UDP, through a network that the test makes: it loses, delays, repeats.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use weir::clock;
use weir::codec::Codec;

use super::camera::packets::{PAYLOAD_TYPE, Packetizer};
use super::camera::picture::{Noise, Picture};
use super::camera::rtsp::{Next, Request, description, next};

/// Takes each datagram that the camera sends, and adds those that arrive now.
pub type Network = Box<dyn FnMut(Vec<u8>, &mut Vec<Vec<u8>>) + Send>;

/// What a camera does otherwise than others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quirks {
    /// The dials whose SETUP over TCP it refuses with 461.
    pub refuses_tcp: u64,
    /// It sends nothing by UDP.
    pub is_mute: bool,
    /// It refuses UDP with 461.
    pub refuses_udp: bool,
    /// The ports that it sends from are not told.
    pub hides_ports: bool,
    /// It closes the connection after so many frames.
    pub frames: Option<u32>,
    /// RTP payload bytes, at most; 0 for 1400.
    pub payload_bytes: usize,
}

/// What happened at the camera.
#[derive(Debug, Default)]
pub struct Seen {
    /// Transport headers that it was asked for, in order.
    pub asked: Mutex<Vec<String>>,
    /// The slices that it sent.
    pub slices: Mutex<Vec<Vec<u8>>>,
    /// Datagrams sent, whatever became of them.
    pub packets: AtomicU64,
    /// Datagrams that came to its RTP port, and to its RTCP port.
    pub punches: AtomicU64,
    /// See `punches`.
    pub reports: AtomicU64,
    /// Where it sends RTP to.
    pub target: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
}

/// The camera; it stops when it is dropped.
pub struct UdpCamera {
    /// Its URL.
    pub url: String,
    /// What happened.
    pub seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

const PICTURE: Picture =
    Picture { frames_per_s: 25, gop: 10, bits_per_s: 2_000_000, idr_weight: 4, slices: 2 };

impl UdpCamera {
    /// A camera behind a network.
    pub fn open(quirks: Quirks, network: Network) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("rtsp://{}/udp", listener.local_addr().expect("bound"));
        let seen = Arc::new(Seen::default());
        let mut camera = Camera { quirks, network, seen: seen.clone(), dials: 0 };
        let thread = thread::spawn(move || {
            while !camera.seen.stop.load(Relaxed) {
                match listener.accept() {
                    Ok((connection, _)) => {
                        // It ends when weir hangs up.
                        let _ = camera.serve(connection);
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self { url, seen, thread: Some(thread) }
    }

    /// The transports that it was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.seen.asked.lock().expect("whole").clone()
    }
}

impl Drop for UdpCamera {
    fn drop(&mut self) {
        self.seen.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How a client wants its RTP.
enum Wanted {
    Interleaved,
    Datagrams(Box<[UdpSocket; 2]>, SocketAddr),
}

struct Camera {
    quirks: Quirks,
    network: Network,
    seen: Arc<Seen>,
    dials: u64,
}

impl Camera {
    fn serve(&mut self, mut connection: TcpStream) -> std::io::Result<()> {
        self.dials += 1;
        connection.set_read_timeout(Some(Duration::from_millis(2)))?;
        connection.set_nodelay(true)?;
        let (mut inbox, mut wanted, mut is_playing) = (Vec::new(), None, false);
        let mut stream = Stream::new(&self.quirks);
        while !self.seen.stop.load(Relaxed) {
            if is_playing && self.quirks.frames.is_some_and(|frames| stream.frame >= frames) {
                return Ok(());
            }
            if let (true, Some(wanted)) = (is_playing && stream.is_due(), &wanted) {
                self.frame(&mut stream, wanted, &mut connection)?;
            }
            let mut bytes = [0; 4096];
            match connection.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(count) => inbox.extend(&bytes[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
            loop {
                match next(&mut inbox) {
                    Next::Request(request) => {
                        let peer = connection.peer_addr()?.ip();
                        let answer = self.answer(&request, peer, &mut wanted);
                        connection.write_all(&answer)?;
                        is_playing |= request.method == "PLAY";
                    }
                    Next::Interleaved(_) => {}
                    Next::Unfinished | Next::Garbage => break,
                }
            }
        }
        Ok(())
    }

    fn answer(&self, request: &Request, peer: IpAddr, wanted: &mut Option<Wanted>) -> Vec<u8> {
        match request.method.as_str() {
            "DESCRIBE" => return request.answer("200 OK", &[], &description(None)),
            "SETUP" => {}
            _ => return request.answer("200 OK", &[], ""),
        }
        let asked = request.header("transport").unwrap_or_default().to_owned();
        self.seen.asked.lock().expect("whole").push(asked.clone());
        let refused = || request.answer("461 Unsupported Transport", &[], "");
        let port = asked.split(';').find_map(|part| part.strip_prefix("client_port="));
        let Some(port) = port.and_then(|ports| ports.split('-').next()?.parse().ok()) else {
            if self.dials <= self.quirks.refuses_tcp {
                return refused();
            }
            *wanted = Some(Wanted::Interleaved);
            let granted = [("Transport", asked.as_str()), ("Session", "7;timeout=60")];
            return request.answer("200 OK", &granted, "");
        };
        if self.quirks.refuses_udp {
            return refused();
        }
        let to = SocketAddr::new(peer, port);
        *self.seen.target.lock().expect("whole") = Some(to);
        let sockets = [(); 2].map(|()| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            socket.set_nonblocking(true).expect("a socket");
            socket
        });
        let [rtp, rtcp] = [0, 1].map(|at: usize| sockets[at].local_addr().expect("bound").port());
        let own = match self.quirks.hides_ports {
            true => String::new(),
            false => format!(";server_port={rtp}-{rtcp}"),
        };
        *wanted = Some(Wanted::Datagrams(Box::new(sockets), to));
        let granted = format!("RTP/AVP;unicast;client_port={port}-{}{own}", port + 1);
        let headers = [("Transport", granted.as_str()), ("Session", "7;timeout=60")];
        request.answer("200 OK", &headers, "")
    }

    /// Sends the next frame.
    fn frame(
        &mut self,
        stream: &mut Stream,
        wanted: &Wanted,
        connection: &mut TcpStream,
    ) -> std::io::Result<()> {
        let (nals, bytes) = stream.next();
        let slices = nals.into_iter().filter(|nal| matches!(nal[0] & 0x1f, 1 | 5));
        self.seen.slices.lock().expect("whole").extend(slices);
        let (sockets, to) = match wanted {
            Wanted::Interleaved => return connection.write_all(&bytes),
            Wanted::Datagrams(sockets, to) => (sockets, to),
        };
        let mut buffer = [0; 256];
        for (socket, count) in sockets.iter().zip([&self.seen.punches, &self.seen.reports]) {
            while socket.recv(&mut buffer).is_ok() {
                count.fetch_add(1, Relaxed);
            }
        }
        if self.quirks.is_mute {
            return Ok(());
        }
        let mut rest = bytes.as_slice();
        let mut arriving = Vec::new();
        while let [_, _, high, low, after @ ..] = rest {
            let (packet, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            rest = after;
            self.seen.packets.fetch_add(1, Relaxed);
            (self.network)(packet.to_vec(), &mut arriving);
        }
        for datagram in arriving {
            // A full buffer loses it, as it should.
            let _ = sockets[0].send_to(&datagram, to);
        }
        Ok(())
    }
}

/// The frames of one connection.
struct Stream {
    noise: Noise,
    packetizer: Packetizer,
    frame: u32,
    began_us: u64,
}

impl Stream {
    fn new(quirks: &Quirks) -> Self {
        let payload_bytes = if quirks.payload_bytes == 0 { 1400 } else { quirks.payload_bytes };
        let packetizer = Packetizer {
            codec: Codec::H264,
            channel: 0,
            payload_type: PAYLOAD_TYPE,
            payload_bytes,
            marker: true,
            sequence: 65_500,
            ssrc: 0x5eed,
            packets: 0,
            bytes: 0,
        };
        Self { noise: Noise::new(11), packetizer, frame: 0, began_us: clock::now_us() }
    }

    fn is_due(&self) -> bool {
        clock::now_us() >= self.began_us + u64::from(self.frame) * 40_000
    }

    /// Its NAL units, and its packets as interleaved frames.
    fn next(&mut self) -> (Vec<Vec<u8>>, Vec<u8>) {
        let nals =
            PICTURE.frame(&self.noise, 1, self.frame, self.frame.is_multiple_of(PICTURE.gop));
        let mut bytes = Vec::new();
        self.packetizer.frame(&nals, self.frame * 3600, &mut bytes);
        self.frame += 1;
        (nals, bytes)
    }
}

/// A network that loses nothing.
pub fn perfect() -> Network {
    Box::new(|datagram, arriving| arriving.push(datagram))
}
