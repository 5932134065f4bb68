//! Target for datagrams that pass the demux into a handshake.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::OnceLock;

use super::Tape;
use crate::codec::CodecProfile;
use crate::limits::{HANDSHAKE_PAIRS_MAX, PROFILE};
use crate::sound::SoundCodec;
use crate::webrtc::admission::Admission;
use crate::webrtc::consent::Check;
use crate::webrtc::credentials::{IceCredentials, Peer};
use crate::webrtc::demux::{DatagramKind, Demux};
use crate::webrtc::handshake::client::{Client, local, remote};
use crate::webrtc::handshake::{Answered, DtlsIdentity, Handshake, HandshakeRequest, Progress};

/// Instructions per input, at most.
const STEPS_MAX: usize = 200;
/// Addresses that one instruction sends from, at most.
const ADDRESSES_MAX: u8 = 64;
/// Instructions from here on send from other addresses; lower ones are read modulo nine.
const OF_ADDRESSES: u8 = 250;
/// Time step of an honest client.
const STEP_US: u64 = 10_000;
/// The slot that [`UFRAG`] names.
pub(super) const SLOT: u16 = 3;
const UFRAG: &str = "0003abcdefgh";
pub(super) const PASSWORD: &str = "0123456789abcdefghijklmn";
pub(super) const CANDIDATES: [SocketAddr; 1] =
    [SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 8118))];

/// One certificate for all inputs, as in a process.
pub(super) fn identity() -> &'static DtlsIdentity {
    static IDENTITY: OnceLock<DtlsIdentity> = OnceLock::new();
    IDENTITY.get_or_init(|| DtlsIdentity::new().expect("ring has keys"))
}

pub(super) fn request(offer: &str) -> HandshakeRequest<'_> {
    HandshakeRequest {
        offer,
        camera_profile: CodecProfile::H264(0x64_00_28),
        candidates: &CANDIDATES,
        local_ufrag: UFRAG,
        local_password: PASSWORD,
        ssrc: 0x1234_5678,
        sound: Some((SoundCodec::Pcma, 0x5071_0003)),
        resend: true,
    }
}

pub(super) fn credentials() -> IceCredentials {
    IceCredentials {
        ufrag: UFRAG.try_into().expect("it fits"),
        password: PASSWORD.try_into().expect("it fits"),
        peer: Peer::none(),
    }
}

/// A browser's handshake whose datagrams are changed, lost, repeated and mixed with others. It ends
/// at most once, is silent from then on, sends only to proven addresses, sends no more than a
/// flight per received datagram, and connects in spite of datagrams from other hosts. However many
/// addresses a datagram is repeated from, a bounded number of them reaches str0m.
pub fn dtls_demux(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut link = Link::new();
    for _ in 0..STEPS_MAX {
        if tape.is_over() {
            break;
        }
        link.step(&mut tape);
    }
    if !link.is_tainted && link.now_us < 2_000_000 {
        for _ in 0..500 {
            link.honest_round();
        }
        assert!(link.is_connected, "nobody but strangers spoke between");
    }
}

struct Link {
    now_us: u64,
    server: Handshake,
    client: Client,
    demux: Box<Demux>,
    admission: Admission,
    /// Addresses whose checks were passed on to the server.
    admitted: Vec<SocketAddr>,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    last: Vec<u8>,
    is_connected: bool,
    is_over: bool,
    /// The browser's own exchange was disturbed, so it need not connect.
    is_tainted: bool,
    /// Bytes the server may still send.
    allowance: usize,
}

impl Link {
    fn new() -> Self {
        let mut client = Client::new();
        let offer = client.offer();
        let accepted = Answered::accept(identity(), &request(&offer), 0);
        let (answered, accepted) = accepted.expect("a browser's offer is taken");
        let server = answered.begin(identity(), &CANDIDATES, 0);
        client.answer(&accepted.answer);
        Self {
            now_us: 0,
            server,
            client,
            demux: Box::new(Demux::new()),
            admission: Admission::new(0),
            admitted: Vec::new(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            last: Vec::new(),
            is_connected: false,
            is_over: false,
            is_tainted: false,
            allowance: 0,
        }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        let op = tape.byte();
        if op >= OF_ADDRESSES {
            return self.elsewhere(op, tape);
        }
        match op % 9 {
            0 => self.to_server.extend(self.client.drain(self.now_us)),
            1 => {
                self.last = self.to_server.pop_front().unwrap_or_default();
                self.deliver(remote(), &self.last.clone());
            }
            2 => {
                self.is_tainted = true;
                let genuine = self.to_server.pop_front().unwrap_or_default();
                self.deliver(remote(), &tape.edited(&genuine));
            }
            3 => {
                self.is_tainted = true;
                self.to_server.pop_front();
            }
            4 => {
                self.is_tainted = true;
                self.deliver(remote(), tape.record());
            }
            5 => self.deliver("192.0.2.66:6666".parse().expect("an address"), tape.record()),
            6 => {
                self.now_us += STEP_US * u64::from(tape.byte());
                self.pump();
            }
            7 => {
                let genuine = self.to_client.pop_front().unwrap_or_default();
                let edited = tape.edited(&genuine);
                self.is_tainted |= edited != genuine;
                self.client.receive(&edited, self.now_us);
            }
            _ => self.deliver(remote(), &self.last.clone()),
        }
    }

    /// Sends the browser's own datagram from other addresses: the last one again, or the next.
    fn elsewhere(&mut self, op: u8, tape: &mut Tape<'_>) {
        self.is_tainted = true;
        if op % 2 == 1 {
            self.last = self.to_server.pop_front().unwrap_or_default();
        }
        let (first, last) = (tape.number(), self.last.clone());
        for number in 0..u16::from(tape.byte() % ADDRESSES_MAX) {
            let [host, port] = first.wrapping_add(number).to_be_bytes();
            let ip = Ipv4Addr::new(198, 51, 100, host);
            self.deliver(SocketAddr::from((ip, 1 + u16::from(port))), &last);
        }
    }

    /// Handles a datagram as the media thread does: a verified check teaches the demux its address,
    /// DTLS is accepted from such addresses, and nothing else reaches a handshake.
    fn deliver(&mut self, from: SocketAddr, datagram: &[u8]) {
        let is_for_us = match DatagramKind::of(datagram) {
            DatagramKind::Stun => {
                let check = Check::parse(datagram);
                let is_ours = |check: &Check<'_>| check.slot() == Some(SLOT);
                let verified =
                    check.filter(is_ours).is_some_and(|check| check.is_authentic(&credentials()));
                let goes_on = verified && self.admission.check(from, local().ip(), self.now_us);
                if goes_on {
                    self.demux.learn(from, SLOT, [self.admission.speaks_from(), None]);
                    if !self.admitted.contains(&from) {
                        self.admitted.push(from);
                    }
                }
                goes_on
            }
            DatagramKind::Dtls(_) => {
                self.demux.slot(&from) == Some(SLOT) && self.admission.dtls(from, self.now_us)
            }
            DatagramKind::Srtcp | DatagramKind::Other => false,
        };
        assert!(self.admitted.len() <= HANDSHAKE_PAIRS_MAX, "str0m knows a bounded number");
        assert!(self.demux.len() <= PROFILE.addresses_per_session);
        if is_for_us {
            self.server.receive(from, local(), datagram, self.now_us);
        }
        self.pump();
    }

    /// Polls the server until it waits.
    fn pump(&mut self) {
        // A flight and an alert, or a reply, per datagram received or timeout.
        self.allowance += 4096;
        loop {
            match self.server.poll(self.now_us) {
                Progress::Transmit { to, from, datagram } => {
                    assert!(!self.is_over, "silent after its end");
                    assert_eq!(from, local());
                    assert!(self.admitted.contains(&to), "to a proven address only");
                    self.allowance =
                        self.allowance.checked_sub(datagram.len()).expect("within its allowance");
                    self.to_client.push_back(datagram);
                }
                Progress::Wait { deadline_us } => {
                    assert!(!self.is_over || deadline_us == u64::MAX);
                    return;
                }
                Progress::Connected(connected) => {
                    assert!(!self.is_over, "it ends once");
                    assert!(self.admitted.contains(&connected.remote));
                    (self.is_over, self.is_connected) = (true, true);
                }
                Progress::Failed(_) => {
                    assert!(!self.is_over, "it ends once");
                    self.is_over = true;
                }
            }
        }
    }

    /// Delivers what both sides want to send, then advances the time.
    fn honest_round(&mut self) {
        self.to_server.extend(self.client.drain(self.now_us));
        while let Some(datagram) = self.to_server.pop_front() {
            self.deliver(remote(), &datagram);
        }
        while let Some(datagram) = self.to_client.pop_front() {
            self.client.receive(&datagram, self.now_us);
        }
        self.now_us += STEP_US;
        self.pump();
    }
}
