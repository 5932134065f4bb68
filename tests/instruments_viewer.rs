//! The viewer and the relay against a stand-in for weir: weir's own handshake, and media sealed by
//! the instruments' SRTP. What is tested is the viewer, so nothing here is clever.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use common::camera::picture::Stamp;
use common::reassemble::access_units;
use common::reception::Keep;
use common::relay::{Relay, Verdict, delay, drop_every_nth_packet, drop_last_flight};
use common::rtcp;
use common::rtp::{Header, Kind};
use common::server::wait_for;
use common::srtp::Keys;
use common::viewer::{Options, Viewer, wall};
use weir::clock;
use weir::codec::CodecProfile;
use weir::webrtc::handshake::{
    Answered, Connected, DtlsIdentity, Handshake, HandshakeRequest, Progress,
};

const PACKETS: u16 = 40;
/// So that the sequence number wraps. A viewer that misses the packets before the wrap can open
/// none behind it (RFC 3711 section 3.3.1), so only a viewer that gets them is sent this.
const FIRST_NEAR_WRAP: u16 = 65_520;
const SSRC: u32 = 0x77;

/// What the stand-in saw of the viewer.
#[derive(Debug, Default)]
struct Seen {
    receiver_reports: usize,
    picture_losses: usize,
    nacked: Vec<u16>,
    alerted: bool,
}

struct StandIn {
    http: TcpListener,
    socket: UdpSocket,
    announce: SocketAddr,
    first: u16,
}

impl StandIn {
    fn new(first: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let announce = socket.local_addr().unwrap();
        Self { http: TcpListener::bind("127.0.0.1:0").unwrap(), socket, announce, first }
    }

    fn media(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn serve(self) -> (SocketAddr, JoinHandle<Seen>) {
        let http = self.http.local_addr().unwrap();
        (http, std::thread::spawn(move || self.session()))
    }

    fn session(self) -> Seen {
        let mut handshake = self.answer();
        let connected = self.shake(&mut handshake);
        drop(handshake);
        let keys = |key: &[u8], salt| Keys::derive(key, salt);
        let ours = keys(&connected.keys.local_key, &connected.keys.local_salt);
        let theirs = keys(&connected.keys.remote_key, &connected.keys.remote_salt);
        self.stream(&connected, &ours, &theirs)
    }

    fn answer(&self) -> Handshake {
        let (mut stream, _) = self.http.accept().unwrap();
        let mut request = String::new();
        let mut chunk = [0; 16_384];
        while !request.contains("a=mid") || !request.ends_with("\r\n") {
            let bytes = stream.read(&mut chunk).unwrap();
            request += std::str::from_utf8(&chunk[..bytes]).unwrap();
        }
        let (_, offer) = request.split_once("\r\n\r\n").unwrap();
        let asked = HandshakeRequest {
            offer,
            camera_profile: CodecProfile::H264(0x42_e0_1f),
            candidates: &[self.announce],
            local_ufrag: "0000abcd",
            local_password: "a-password-of-24-letters",
            ssrc: SSRC,
            sound: None,
            resend: true,
        };
        let identity = DtlsIdentity::new().unwrap();
        let accepted = Answered::accept(&identity, &asked, clock::now_us());
        let (answered, accepted) = accepted.unwrap();
        let handshake = answered.begin(&identity, asked.candidates, clock::now_us());
        let answer = accepted.answer;
        write!(
            stream,
            "HTTP/1.1 201 Created\r\nLocation: /gate/whep/77\r\nETag: \"e\"\r\n\
             Content-Length: {}\r\n\r\n{answer}",
            answer.len()
        )
        .unwrap();
        handshake
    }

    fn shake(&self, handshake: &mut Handshake) -> Connected {
        let mut buffer = [0; 2048];
        loop {
            match handshake.poll(clock::now_us()) {
                Progress::Transmit { to, datagram, .. } => {
                    self.socket.send_to(&datagram, to).unwrap();
                }
                Progress::Wait { .. } => {
                    if let Ok((bytes, from)) = self.socket.recv_from(&mut buffer) {
                        let now_us = clock::now_us();
                        handshake.receive(from, self.announce, &buffer[..bytes], now_us);
                    }
                }
                Progress::Connected(connected) => return *connected,
                Progress::Failed(failure) => panic!("{failure}"),
            }
        }
    }

    /// Sends one frame a packet, repeats the flight and what is NACKed, until the alert comes.
    fn stream(&self, connected: &Connected, ours: &Keys, theirs: &Keys) -> Seen {
        let mut seen = Seen::default();
        let mut buffer = [0; 2048];
        let mut next = 0;
        while !seen.alerted {
            if next < PACKETS {
                self.send(connected, ours, next);
                next += 1;
            }
            let Ok((bytes, _)) = self.socket.recv_from(&mut buffer) else {
                continue;
            };
            let datagram = &buffer[..bytes];
            match (Kind::of(datagram), datagram[0]) {
                (Kind::Dtls, 21) => seen.alerted = true,
                (Kind::Dtls, _) => {
                    let flight = &connected.flight;
                    self.socket.send_to(flight, connected.remote).unwrap();
                    next = 0;
                }
                (Kind::Rtcp, _) => {
                    let (_, compound) = theirs.open_rtcp(datagram).unwrap();
                    let before = seen.nacked.len();
                    seen.read(&compound);
                    for sequence in &seen.nacked[before..] {
                        self.send(connected, ours, sequence.wrapping_sub(self.first));
                    }
                }
                _ => {}
            }
        }
        seen
    }

    fn send(&self, connected: &Connected, ours: &Keys, at: u16) {
        let full = u32::from(self.first) + u32::from(at);
        let timestamp = 3600 * u32::from(at);
        let header = Header::write(true, 96, self.first.wrapping_add(at), timestamp, SSRC);
        let mut payload = [[0x41, 0x9a].as_slice(), &[1; 100]].concat();
        Stamp { camera: 3, frame: at.into(), time_us: clock::now_us() }.put(&mut payload);
        let sealed = ours.seal_rtp(&header, &payload, full >> 16);
        self.socket.send_to(&sealed, connected.remote).unwrap();
    }
}

impl Seen {
    fn read(&mut self, compound: &[u8]) {
        for (kind, packet) in rtcp::packets(compound) {
            match kind {
                201 => self.receiver_reports += 1,
                206 => self.picture_losses += 1,
                205 => {
                    let entries = packet[12..].chunks(4);
                    let sequence = |entry: &[u8]| u16::from_be_bytes([entry[0], entry[1]]);
                    self.nacked.extend(entries.map(sequence));
                }
                _ => {}
            }
        }
    }
}

fn one(viewer: &mut Viewer, until: impl Fn(&Viewer) -> bool) -> bool {
    wall::run(std::slice::from_mut(viewer), 5_000_000, |viewers| {
        assert_eq!(viewers[0].ended, None);
        until(&viewers[0])
    })
}

#[test]
fn a_viewer_connects_receives_reports_and_asks_for_what_a_relay_lost() {
    let mut stand_in = StandIn::new(FIRST_NEAR_WRAP);
    let relay = Relay::start(stand_in.media(), vec![drop_every_nth_packet(5)]);
    stand_in.announce = relay.address;
    let (http, server) = stand_in.serve();
    let mut viewer = Viewer::connect(http, "gate").expect("an answer");
    assert_eq!(viewer.location, "/gate/whep/77");
    let kept = u64::from(PACKETS - PACKETS / 5);
    assert!(one(&mut viewer, |viewer| viewer.reception.counts.packets == kept));
    assert_eq!(viewer.remote(), Some(relay.address));
    assert!(viewer.is_connected());
    let dropped = || relay.counts.dropped.load(Relaxed);
    assert!(wait_for(1_000_000, || dropped() == u64::from(PACKETS / 5)));
    // The last packet was lost too; no gap shows that.
    assert_eq!(viewer.reception.counts.lost(), u64::from(PACKETS / 5) - 1);
    assert!(access_units(&viewer.reception.packets).is_err());

    let lost: Vec<u16> =
        (1..=PACKETS / 5).map(|n| FIRST_NEAR_WRAP.wrapping_add(5 * n - 1)).collect();
    viewer.send_nack(&lost);
    viewer.send_picture_loss();
    let all = u64::from(PACKETS);
    assert!(one(&mut viewer, |viewer| viewer.reception.counts.packets == all));
    // Its first report is due 40 ms behind the first packet.
    let later_us = clock::now_us() + 100_000;
    assert!(one(&mut viewer, |_| clock::now_us() > later_us));
    let mut packets = std::mem::take(&mut viewer.reception.packets);
    packets.sort_by_key(|packet| packet.sequence);
    assert_eq!(access_units(&packets).unwrap().len(), usize::from(PACKETS));
    assert_eq!((viewer.reception.counts.lost(), viewer.reception.counts.forged), (0, 0));

    viewer.close();
    let seen = server.join().unwrap();
    assert_eq!(seen.nacked, lost);
    assert_eq!(seen.picture_losses, 1);
    assert!(seen.receiver_reports >= 1 && seen.alerted);
}

#[test]
fn a_counting_viewer_measures_latency_and_survives_lost_flights() {
    let mut stand_in = StandIn::new(100);
    let media_late =
        Box::new(|passing: common::relay::Passing<'_>| match Kind::of(passing.bytes) {
            Kind::Rtp => delay(20_000)(passing),
            _ => Verdict::Pass,
        });
    let rules = vec![drop_last_flight(2), media_late];
    let relay = Relay::start(stand_in.media(), rules);
    stand_in.announce = relay.address;
    let (http, server) = stand_in.serve();
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let mut viewer = Viewer::connect_with(http, "gate", &options).expect("an answer");
    let whole = u64::from(PACKETS);
    assert!(one(&mut viewer, |viewer| viewer.reception.counts.frames >= whole));
    let counts = &viewer.reception.counts;
    assert_eq!(relay.counts.dropped.load(Relaxed), 2);
    assert_eq!((counts.forged, counts.strange_frames), (0, 0));
    assert!(viewer.reception.packets.is_empty());
    let least = counts.latencies_us.iter().min().unwrap();
    assert!((20_000..500_000).contains(least), "{least}");
    viewer.close();
    assert!(server.join().unwrap().alerted);
}
