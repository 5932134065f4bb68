//! A camera that sends by UDP, through a network that the test makes: it loses, delays, repeats.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use weir::clock;
use weir::codec::Codec;

use super::camera::Microphone;
use super::camera::packets::{PAYLOAD_TYPE, Packetizer};
use super::camera::picture::{Noise, Picture};
use super::camera::rtsp::{Next, Request, SOUND_TRACK, description, next};
use super::rtcp::{self, SenderReport};

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
    /// Its sound, G.711 in packets of 20 ms; none without.
    pub sound: Option<Hearing>,
}

/// What a camera does with its sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hearing {
    /// It is set up, and none is sent.
    pub is_mute: bool,
    /// Without its SETUP no picture is sent by UDP.
    pub is_needed: bool,
    /// It is sent so much later than the picture of the same time.
    pub late_us: u64,
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
    /// The same as `punches` for the sound.
    pub sound_punches: AtomicU64,
    /// The last report on the sound.
    pub sound_report: Mutex<Vec<u8>>,
    /// Where it sends the sound to.
    pub sound_target: Mutex<Option<SocketAddr>>,
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
    /// A camera behind a network, which its sound passes unharmed.
    pub fn open(quirks: Quirks, network: Network) -> Self {
        Self::open_with_sound(quirks, network, perfect())
    }

    /// The same with a network of its own for the sound.
    pub fn open_with_sound(quirks: Quirks, network: Network, sound_network: Network) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("rtsp://{}/udp", listener.local_addr().expect("bound"));
        let seen = Arc::new(Seen::default());
        let networks = [network, sound_network];
        let mut camera = Camera { quirks, networks, seen: seen.clone(), dials: 0 };
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
    Datagrams(Way),
}

/// The sockets for RTP and RTCP of a track, and where RTP is sent to.
struct Way {
    sockets: [UdpSocket; 2],
    to: SocketAddr,
}

/// What a client has set up.
#[derive(Default)]
struct Tracks {
    picture: Option<Wanted>,
    sound: Option<Way>,
}

/// The SSRC of the sound.
pub const SOUND_SSRC: u32 = 0x50d0;
const SOUND_PACKET_US: u64 = 20_000;
const SOUND_BYTES: usize = 160;
const SOUND_TICK_US: u64 = 125;
const REPORT_US: u64 = 500_000;

struct Camera {
    quirks: Quirks,
    /// Of the picture and of the sound.
    networks: [Network; 2],
    seen: Arc<Seen>,
    dials: u64,
}

impl Camera {
    fn serve(&mut self, mut connection: TcpStream) -> std::io::Result<()> {
        self.dials += 1;
        connection.set_read_timeout(Some(Duration::from_millis(2)))?;
        connection.set_nodelay(true)?;
        let (mut inbox, mut tracks, mut is_playing) = (Vec::new(), Tracks::default(), false);
        let mut stream = Stream::new(&self.quirks);
        while !self.seen.stop.load(Relaxed) {
            if is_playing && self.quirks.frames.is_some_and(|frames| stream.frame >= frames) {
                return Ok(());
            }
            if let (true, Some(wanted)) = (is_playing && stream.is_due(), &tracks.picture) {
                if let Some(way) = &tracks.sound {
                    self.hear(&mut stream, way);
                }
                let needed = self.quirks.sound.is_some_and(|sound| sound.is_needed);
                self.frame(&mut stream, wanted, needed && tracks.sound.is_none(), &mut connection)?;
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
                        let answer = self.answer(&request, peer, &mut tracks);
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

    fn answer(&self, request: &Request, peer: IpAddr, tracks: &mut Tracks) -> Vec<u8> {
        let microphone = self.quirks.sound.map(|_| Microphone::PCMA);
        match request.method.as_str() {
            "DESCRIBE" => {
                return request.answer("200 OK", &[], &description(microphone.as_ref()));
            }
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
            tracks.picture = Some(Wanted::Interleaved);
            let granted = [("Transport", asked.as_str()), ("Session", "7;timeout=60")];
            return request.answer("200 OK", &granted, "");
        };
        if self.quirks.refuses_udp {
            return refused();
        }
        let to = SocketAddr::new(peer, port);
        let is_sound = request.uri.ends_with(SOUND_TRACK);
        let target = if is_sound { &self.seen.sound_target } else { &self.seen.target };
        *target.lock().expect("whole") = Some(to);
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
        let way = Way { sockets, to };
        match is_sound {
            true => tracks.sound = Some(way),
            false => tracks.picture = Some(Wanted::Datagrams(way)),
        }
        let granted = format!("RTP/AVP;unicast;client_port={port}-{}{own}", port + 1);
        let headers = [("Transport", granted.as_str()), ("Session", "7;timeout=60")];
        request.answer("200 OK", &headers, "")
    }

    /// Sends the next frame.
    fn frame(
        &mut self,
        stream: &mut Stream,
        wanted: &Wanted,
        is_held_back: bool,
        connection: &mut TcpStream,
    ) -> std::io::Result<()> {
        let (nals, bytes) = stream.next();
        let slices = nals.into_iter().filter(|nal| matches!(nal[0] & 0x1f, 1 | 5));
        self.seen.slices.lock().expect("whole").extend(slices);
        let Way { sockets, to } = match wanted {
            Wanted::Interleaved => return connection.write_all(&bytes),
            Wanted::Datagrams(way) => way,
        };
        let mut buffer = [0; 256];
        for (socket, count) in sockets.iter().zip([&self.seen.punches, &self.seen.reports]) {
            while socket.recv(&mut buffer).is_ok() {
                count.fetch_add(1, Relaxed);
            }
        }
        if self.quirks.is_mute || is_held_back {
            return Ok(());
        }
        let packets = send(&bytes, &mut self.networks[0], &sockets[0], *to);
        self.seen.packets.fetch_add(packets, Relaxed);
        if let Some(report) = stream.report_on_picture() {
            let _ = sockets[1].send_to(&report, SocketAddr::new(to.ip(), to.port() + 1));
        }
        Ok(())
    }

    /// Sends the sound that is due, and notes what came back.
    fn hear(&mut self, stream: &mut Stream, Way { sockets, to }: &Way) {
        let mut buffer = [0; 256];
        while sockets[0].recv(&mut buffer).is_ok() {
            self.seen.sound_punches.fetch_add(1, Relaxed);
        }
        while let Ok(bytes) = sockets[1].recv(&mut buffer) {
            *self.seen.sound_report.lock().expect("whole") = buffer[..bytes].to_vec();
        }
        let Some(Hearing { is_mute: false, late_us, .. }) = self.quirks.sound else { return };
        let (bytes, report) = stream.next_sound(late_us);
        send(&bytes, &mut self.networks[1], &sockets[0], *to);
        if let Some(report) = report {
            let _ = sockets[1].send_to(&report, SocketAddr::new(to.ip(), to.port() + 1));
        }
    }
}

/// Sends the packets of interleaved bytes through a network, each as a datagram; how many.
fn send(bytes: &[u8], network: &mut Network, socket: &UdpSocket, to: SocketAddr) -> u64 {
    let (mut rest, mut arriving, mut count) = (bytes, Vec::new(), 0);
    while let [_, _, high, low, after @ ..] = rest {
        let (packet, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        rest = after;
        count += 1;
        network(packet.to_vec(), &mut arriving);
    }
    for datagram in arriving {
        // A full buffer loses it, as it should.
        let _ = socket.send_to(&datagram, to);
    }
    count
}

/// The frames of one connection.
struct Stream {
    noise: Noise,
    packetizer: Packetizer,
    sound: Packetizer,
    frame: u32,
    began_us: u64,
    /// When the next reports on picture and sound are due.
    report_us: [u64; 2],
}

impl Stream {
    fn new(quirks: &Quirks) -> Self {
        let payload_bytes = if quirks.payload_bytes == 0 { 1400 } else { quirks.payload_bytes };
        let packetizer = |payload_type, ssrc| Packetizer {
            codec: Codec::H264,
            channel: 0,
            payload_type,
            payload_bytes,
            marker: true,
            sequence: 65_500,
            ssrc,
            packets: 0,
            bytes: 0,
        };
        let sound = packetizer(Microphone::PCMA.payload_type, SOUND_SSRC);
        let packetizer = packetizer(PAYLOAD_TYPE, 0x5eed);
        let began_us = clock::now_us();
        Self { noise: Noise::new(11), packetizer, sound, frame: 0, began_us, report_us: [0; 2] }
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

    /// The packets of the sound that was captured up to `late_us` ago, with a report if one is due.
    /// Each begins with its number.
    fn next_sound(&mut self, late_us: u64) -> (Vec<u8>, Option<Vec<u8>>) {
        let elapsed_us = (clock::now_us() - self.began_us).saturating_sub(late_us);
        let mut bytes = Vec::new();
        while u64::from(self.sound.packets + 1) * SOUND_PACKET_US <= elapsed_us {
            let number = self.sound.packets;
            let payload = [&number.to_be_bytes()[..], &[0xd5; SOUND_BYTES - 4]].concat();
            let timestamp = number * 160;
            self.sound.packet(&[&payload], timestamp, number == 0, &mut bytes);
        }
        let ticks = (clock::now_us() - self.began_us) / SOUND_TICK_US;
        (bytes, self.report(1, u32::try_from(ticks).expect("a short test")))
    }

    fn report_on_picture(&mut self) -> Option<Vec<u8>> {
        let ticks = (clock::now_us() - self.began_us) * 9 / 100;
        self.report(0, u32::try_from(ticks).expect("a short test"))
    }

    /// A sender report, if one is due: what is captured now has this timestamp.
    fn report(&mut self, track: usize, rtp_timestamp: u32) -> Option<Vec<u8>> {
        let now_us = clock::now_us();
        if now_us < self.report_us[track] {
            return None;
        }
        self.report_us[track] = now_us + REPORT_US;
        let Packetizer { ssrc, packets, bytes, .. } = *[&self.packetizer, &self.sound][track];
        let ntp = clock::ntp(now_us);
        Some(rtcp::sender_report(&SenderReport { ssrc, ntp, rtp_timestamp, packets, bytes }))
    }
}

/// A network that loses nothing.
pub fn perfect() -> Network {
    Box::new(|datagram, arriving| arriving.push(datagram))
}

/// A network that loses every `nth` datagram, has every fifth wait for the next one, and repeats
/// every seventh.
pub fn rough(nth: u64, dropped: Arc<AtomicU64>) -> Network {
    let (mut count, mut held) = (0_u64, None);
    Box::new(move |datagram, arriving| {
        count += 1;
        if count.is_multiple_of(nth) {
            dropped.fetch_add(1, Relaxed);
            return;
        }
        if count.is_multiple_of(7) {
            arriving.push(datagram.clone());
        }
        match count % 5 {
            0 => held = Some(datagram),
            _ => {
                arriving.push(datagram);
                arriving.extend(held.take());
            }
        }
    })
}
