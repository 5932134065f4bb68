//! A WHEP viewer: it offers one video to receive, does ICE and DTLS through str0m, answers with
//! consent checks and receiver reports as browsers do, and keeps the ledger of what arrives.
//!
//! [`wall::run`] drives one viewer or hundreds of them in the calling thread. Nothing happens to a
//! viewer that is not being run: it is as silent as a browser that was killed.

mod options;
pub mod restart;
pub mod wall;

use std::net::{IpAddr, SocketAddr, UdpSocket};

use socket2::SockRef;
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Event, IceConnectionState, Input, Output, Rtc};
use weir::clock;
use weir::codec::Codec;

use super::key_extractor::KeyExtractor;
use super::reception::Reception;
use super::rtcp;
use super::rtp::Kind;
use super::srtp::Keys;
use super::whep::{self, HttpError};
pub use options::Options;

/// Between two receiver reports.
const REPORT_US: u64 = 1_000_000;
/// Chromium's first report comes this soon behind the first packet …
const FIRST_REPORT_US: u64 = 40_000;
/// … and this late where no media comes.
const FIRST_REPORT_WITHOUT_MEDIA_US: u64 = 500_000;
const SSRC: u32 = 0x0001_e3e5;

/// Says of a datagram whether it is to be dropped.
pub type Drops = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// One viewer.
pub struct Viewer {
    /// What arrived.
    pub reception: Reception,
    /// The sound that arrived, if the answer has any.
    pub sound: Option<(u32, Reception)>,
    /// The answer's SDP.
    pub answer: String,
    /// The session's path.
    pub location: String,
    /// The answer's ETag.
    pub etag: Option<String>,
    /// Just before its offer was posted.
    pub posted_us: u64,
    /// When DTLS was done.
    pub connected_us: Option<u64>,
    /// Why it is over, once it is.
    pub ended: Option<String>,
    /// Inbound datagrams that never arrive.
    pub drop_inbound: Option<Drops>,
    /// Outbound datagrams that are never sent.
    pub drop_outbound: Option<Drops>,
    http: SocketAddr,
    socket: UdpSocket,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    rtc: Rtc,
    extractor: KeyExtractor,
    /// Ours to send with, theirs to receive with.
    keys: Option<(Keys, Keys)>,
    next_rtc_us: u64,
    next_report_us: u64,
    report_index: u32,
    reports: bool,
}

impl Viewer {
    /// Posts an offer for `camera`; the handshake itself needs [`wall::run`].
    pub fn connect(http: SocketAddr, camera: &str) -> Result<Self, HttpError> {
        Self::connect_with(http, camera, &Options::default())
    }

    /// The same with options.
    pub fn connect_with(
        http: SocketAddr,
        camera: &str,
        options: &Options,
    ) -> Result<Self, HttpError> {
        let socket = bind(options.local);
        let local = socket.local_addr().expect("a bound socket");
        let (mut rtc, extractor) = options::rtc(local, options.codecs);
        let mut change = rtc.sdp_api();
        let mut kinds = vec![MediaKind::Video];
        if let Some(is_first) = options.sound {
            kinds.insert(usize::from(!is_first), MediaKind::Audio);
        }
        for kind in kinds {
            change.add_media(kind, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = change.apply().expect("a change to offer");
        let offer = (options.edit_offer)(offer.to_sdp_string());
        let path = format!("/{camera}/whep");
        let mut headers = vec![("Content-Type", "application/sdp")];
        let bearer = options.token.as_ref().map(|token| format!("Bearer {token}"));
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        headers.extend(options.headers.iter().map(|(name, value)| (&**name, &**value)));
        let from = Some(options.local);
        let posted_us = clock::now_us();
        let created = whep::request_from(from, http, "POST", &path, &headers, &offer)?;
        let created = created.expect(201)?;
        let answer = SdpAnswer::from_sdp_string(&created.body).expect("the answer is SDP");
        let mut reception = Reception::new(options.keep);
        if created.body.contains(" H265/90000") {
            reception.first_picture.set_codec(Codec::H265);
        }
        let accepted = rtc.sdp_api().accept_answer(pending, answer);
        accepted.expect("the answer fits the offer");
        let location = created.header("location").expect("201 has a Location");
        Ok(Self {
            reception,
            sound: sound_ssrc(&created.body).map(|ssrc| (ssrc, Reception::new(options.keep))),
            location: whep::path_of(location),
            etag: created.header("etag").map(str::to_owned),
            answer: created.body,
            posted_us,
            connected_us: None,
            ended: None,
            drop_inbound: None,
            drop_outbound: None,
            http,
            socket,
            local,
            remote: None,
            rtc,
            extractor,
            keys: None,
            next_rtc_us: 0,
            next_report_us: u64::MAX,
            report_index: 0,
            reports: options.reports,
        })
    }

    /// Whether DTLS is done and there are keys for media.
    pub fn is_connected(&self) -> bool {
        self.connected_us.is_some() && self.keys.is_some()
    }

    /// Our UDP address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The address that DTLS was spoken with.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Asks for a key frame.
    pub fn send_picture_loss(&mut self) {
        let them = self.reception.ssrc.unwrap_or(0);
        self.send_reports(&rtcp::picture_loss(SSRC, them));
    }

    /// Asks for packets again, by their sequence numbers.
    pub fn send_nack(&mut self, missing: &[u16]) {
        let them = self.reception.ssrc.unwrap_or(0);
        self.send_reports(&rtcp::nack(SSRC, them, missing));
    }

    /// Sends a receiver report now.
    pub fn send_receiver_report(&mut self) {
        let report = self.reception.report(clock::now_us());
        let them = self.reception.ssrc.unwrap_or(0);
        self.send_reports(&rtcp::receiver_report(SSRC, them, report));
    }

    /// Seals and sends a compound; nothing happens before there are keys.
    pub fn send_reports(&mut self, compound: &[u8]) {
        if let (Some((ours, _)), Some(to)) = (&self.keys, self.remote) {
            self.report_index += 1;
            let datagram = ours.seal_rtcp(compound, self.report_index);
            self.send(to, &datagram);
        }
    }

    /// Sends any datagram from the viewer's socket, outbound drops applied.
    pub fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        if self.drop_outbound.as_mut().is_some_and(|drops| drops(datagram)) {
            return;
        }
        // What the network does not take is lost, as on any network.
        let _ = self.socket.send_to(datagram, to);
    }

    /// Goes on from another port, as behind an address translation that was restarted; the agent
    /// does not know. The old socket, on which nothing is read any more.
    pub fn rebind(&mut self) -> UdpSocket {
        let socket = bind(self.local.ip());
        std::mem::replace(&mut self.socket, socket)
    }

    /// Where it sends from now.
    pub fn bound(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }

    /// Leaves as a browser's `close()` does: with a DTLS alert and no word over HTTP.
    pub fn close(mut self) {
        if self.rtc.close().is_ok() {
            self.poll_rtc();
        }
    }

    /// Leaves as a well-behaved WHEP client does: by DELETE. The answer's status.
    pub fn delete(self) -> Result<u16, HttpError> {
        let answer = whep::request(self.http, "DELETE", &self.location, &[], "")?;
        Ok(answer.status)
    }

    /// Leaves without a word.
    pub fn vanish(self) {}

    /// Reads all that came. The buffer is the caller's, one for all viewers.
    fn read(&mut self, buffer: &mut [u8]) {
        while let Ok((bytes, from)) = self.socket.recv_from(buffer) {
            let arrival_us = clock::now_us();
            let datagram = &mut buffer[..bytes];
            if self.drop_inbound.as_mut().is_some_and(|drops| drops(datagram)) {
                continue;
            }
            let kind = Kind::of(datagram);
            if let (Some((ssrc, sound)), Some((_, theirs))) = (&mut self.sound, &self.keys)
                && ssrc_of(kind, datagram) == Some(*ssrc)
            {
                if kind == Kind::Rtp {
                    sound.rtp(datagram, theirs, arrival_us);
                } else {
                    sound.rtcp(datagram, theirs, arrival_us);
                }
                continue;
            }
            match (kind, &self.keys) {
                (Kind::Stun | Kind::Dtls, _) => self.read_rtc(from, datagram, arrival_us),
                (Kind::Rtp, Some((_, theirs))) => {
                    self.reception.rtp(datagram, theirs, arrival_us);
                    if self.reception.counts.packets == 1 && self.report_index == 0 {
                        self.next_report_us = arrival_us + FIRST_REPORT_US;
                    }
                }
                (Kind::Rtcp, Some((_, theirs))) => {
                    self.reception.rtcp(datagram, theirs, arrival_us);
                }
                (Kind::Rtp | Kind::Rtcp, None) => self.reception.counts.early += 1,
                (Kind::Unknown, _) => self.reception.counts.forged += 1,
            }
        }
    }

    fn read_rtc(&mut self, from: SocketAddr, datagram: &[u8], arrival_us: u64) {
        if let Ok(contents) = datagram.try_into() {
            let receive =
                Receive { proto: Protocol::Udp, source: from, destination: self.local, contents };
            self.tell_rtc(Input::Receive(clock::instant(arrival_us), receive));
        }
    }

    fn tell_rtc(&mut self, input: Input<'_>) {
        if self.ended.is_none()
            && let Err(error) = self.rtc.handle_input(input)
        {
            self.ended = Some(error.to_string());
        }
        self.poll_rtc();
    }

    fn poll_rtc(&mut self) {
        self.next_rtc_us = u64::MAX;
        while self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.next_rtc_us = clock::us_of(at);
                    break;
                }
                Ok(Output::Transmit(transmit)) => {
                    if Kind::of(&transmit.contents) == Kind::Dtls || self.remote.is_none() {
                        self.remote = Some(transmit.destination);
                    }
                    self.send(transmit.destination, &transmit.contents);
                }
                Ok(Output::Event(event)) => self.event(&event),
                Err(error) => {
                    self.ended = Some(error.to_string());
                    break;
                }
            }
        }
        let tapped = self.extractor.lock().expect("not poisoned").take();
        if let Some((material, _)) = tapped {
            match Keys::pair(&material) {
                Ok(keys) => self.keys = Some(keys),
                Err(error) => self.ended = Some(error),
            }
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Connected => {
                let now_us = clock::now_us();
                self.connected_us = Some(now_us);
                if self.reports {
                    self.next_report_us = now_us + FIRST_REPORT_WITHOUT_MEDIA_US;
                }
            }
            Event::Closed => self.ended = Some("close_notify".to_owned()),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.ended = Some("no consent".to_owned());
            }
            _ => {}
        }
    }

    /// Does what is due; when the next thing is.
    fn turn(&mut self, now_us: u64) -> u64 {
        if now_us >= self.next_rtc_us {
            self.tell_rtc(Input::Timeout(clock::instant(now_us)));
        }
        if now_us >= self.next_report_us {
            self.next_report_us = now_us + REPORT_US;
            if self.reports && self.ended.is_none() {
                self.send_receiver_report();
            }
        }
        self.next_us()
    }

    fn next_us(&self) -> u64 {
        self.next_rtc_us.min(self.next_report_us)
    }
}

/// The SSRC of the sound in an answer.
fn sound_ssrc(answer: &str) -> Option<u32> {
    let (_, section) = answer.split_once("m=audio 9")?;
    let section = section.split("m=").next()?;
    let (_, ssrc) = section.split_once("a=ssrc:")?;
    ssrc.split(' ').next()?.parse().ok()
}

/// The SSRC of a packet or a report, by its header.
fn ssrc_of(kind: Kind, datagram: &[u8]) -> Option<u32> {
    let at = if kind == Kind::Rtp { 8 } else { 4 };
    matches!(kind, Kind::Rtp | Kind::Rtcp).then_some(())?;
    Some(u32::from_be_bytes(*datagram.get(at..)?.first_chunk()?))
}

fn bind(local: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((local, 0)).expect("a free port");
    socket.set_nonblocking(true).expect("a socket");
    // A burst of a large IDR must fit while the thread looks after other viewers.
    SockRef::from(&socket).set_recv_buffer_size(4 << 20).expect("a buffer size");
    socket
}
