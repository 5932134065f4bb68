//! One real session: an offer by WHEP, ICE, DTLS as the client, and media for some seconds, every
//! packet of it opened. It ends by DELETE.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use dimpl::{Dtls, DtlsCertificate, Output, SrtpProfile as Negotiated};
use hyper::{Method, StatusCode};
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::answer::{Answer, ViewerOffer};
use super::checks::Checks;
use super::http::{Asked, HttpClient};
use super::latency::LatencyCounts;
use super::reception::{MediaReception, ReceptionCounts};
use super::reports::receiver_report;
use super::together::SessionPlan;
use crate::clock;
use crate::config::CertificateFingerprint;
use crate::egress::srtp::{OpenKeys, OpenMediaKey, Seal as _, SealKeys};
use crate::hex;
use crate::limits::{VERIFY_CHECK_MS, VERIFY_CONNECT_MS_MAX, VERIFY_SOCKET_BYTES};
use crate::random::random;
use crate::rtp::header;
use crate::rtsp::report_block::LastReport;
use crate::webrtc::demux::DatagramKind;
use crate::webrtc::provider::{self, MediaKeys, SrtpProfile};

const REPORT_US: u64 = 1_000_000;
const DATAGRAM_BYTES_MAX: usize = 2048;
/// As large as any certificate that dimpl hands out.
const DTLS_BYTES_MAX: usize = 4096;
/// Datagrams that are read in one go before what else is due is looked at.
const DATAGRAMS_AT_ONCE_MAX: usize = 64;
/// The longest wait for a datagram: DTLS has timers of its own.
const WAIT_US_MAX: u64 = 50_000;

/// What was found in one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionFacts {
    pub(crate) camera: String,
    /// Why it came to no end, or how it ended early.
    pub(crate) failure: Option<String>,
    /// The name of the SRTP profile.
    pub(crate) cipher: Option<&'static str>,
    /// Whether that is AES-GCM.
    pub(crate) is_gcm: bool,
    /// The candidates, and where media came from.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Whether RTP and RTCP share a port by the answer.
    pub(crate) has_rtcp_mux: bool,
    pub(crate) counts: ReceptionCounts,
    pub(crate) round_trips_us: Vec<u32>,
    /// Of each whole picture whose camera says when it was sent: until its last packet came.
    pub(crate) latencies: LatencyCounts,
}

/// Looks at a camera as long as the plan says.
pub(crate) async fn look(
    client: &HttpClient,
    camera: &str,
    plan: &SessionPlan,
    certificate: &DtlsCertificate,
) -> SessionFacts {
    let mut facts = SessionFacts { camera: camera.to_owned(), ..SessionFacts::default() };
    let mut location = None;
    let looked = play(client, camera, plan, certificate, &mut facts, &mut location).await;
    facts.failure = looked.err();
    if let Some(location) = location {
        let _permit = plan.permit().await;
        let delete =
            Asked { method: Method::DELETE, path: &location, offer: None, with_token: true };
        match client.ask(delete).await {
            Ok(answer) if answer.status == StatusCode::OK => {}
            Ok(answer) => {
                facts.failure.get_or_insert(format!("DELETE: {}", answer.reason()));
            }
            Err(error) => {
                facts.failure.get_or_insert(format!("DELETE: {error}"));
            }
        }
    }
    facts
}

async fn play(
    client: &HttpClient,
    camera: &str,
    plan: &SessionPlan,
    certificate: &DtlsCertificate,
    facts: &mut SessionFacts,
    location: &mut Option<String>,
) -> Result<(), String> {
    let permit = plan.permit().await;
    let posted_us = clock::now_us();
    let us = ViewerOffer {
        ufrag: hex::text(&random::<4>()),
        password: hex::text(&random::<16>()),
        fingerprint: CertificateFingerprint::of(&certificate.certificate).to_string(),
    };
    let path = format!("/{camera}/whep");
    let post =
        Asked { method: Method::POST, path: &path, offer: Some(us.offer()), with_token: true };
    let answered = client.ask(post).await.map_err(|error| format!("POST: {error}"))?;
    if answered.status != StatusCode::CREATED {
        return Err(format!("POST: {}", answered.reason()));
    }
    *location = answered.location.as_deref().and_then(|at| client.site.path_of(at));
    if location.is_none() {
        return Err("POST: the answer names no session".to_owned());
    }
    let sdp = std::str::from_utf8(&answered.body).map_err(|_| "the answer is not UTF-8")?;
    let answer = Answer::parse(sdp)?;
    facts.addresses.clone_from(&answer.candidates);
    facts.has_rtcp_mux = answer.has_rtcp_mux;
    let socket = open(answer.candidates[0]).map_err(|error| format!("a UDP socket: {error}"))?;
    let now = clock::instant(posted_us);
    let dtls = provider::client(certificate, now).map_err(|error| error.to_string())?;
    let mut peer = Peer {
        checks: Checks::new(&answer.ufrag, &us.ufrag, &answer.password),
        reception: MediaReception::new(answer.codec, posted_us, plan.sent.clone()),
        socket,
        answer,
        dtls: Some(dtls),
        remote: None,
        keys: None,
        ssrc: u32::from_le_bytes(random()),
        last_report: None,
        next_check_us: 0,
        next_report_us: u64::MAX,
        is_proven: false,
    };
    let connected = peer.run(facts, |begun_us, _| begun_us.is_some()).await;
    drop(permit);
    let played = match connected {
        Ok(()) => {
            let _playing = plan.playing();
            peer.run(facts, |begun_us, now_us| plan.is_over(begun_us, now_us)).await
        }
        Err(why) => Err(why),
    };
    peer.reception.finish();
    facts.counts = peer.reception.counts;
    facts.latencies = peer.reception.latencies;
    facts.round_trips_us = peer.checks.round_trips_us;
    played
}

/// A socket of the kind of address that leads to `candidate`.
fn open(candidate: SocketAddr) -> io::Result<UdpSocket> {
    let any = if candidate.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    // The kernel gives what it allows.
    let _ = SockRef::from(&socket).set_recv_buffer_size(VERIFY_SOCKET_BYTES);
    UdpSocket::from_std(socket)
}

struct Keys {
    seal: SealKeys,
    open: OpenKeys,
    media: OpenMediaKey,
}

/// A session under way.
struct Peer {
    socket: UdpSocket,
    answer: Answer,
    checks: Checks,
    /// Until the keys are there: it takes more memory than all the rest.
    dtls: Option<Dtls>,
    /// The first candidate that answered a check: it is nominated.
    remote: Option<SocketAddr>,
    keys: Option<Keys>,
    reception: MediaReception,
    /// Of our reports.
    ssrc: u32,
    last_report: Option<LastReport>,
    next_check_us: u64,
    next_report_us: u64,
    /// Its certificate is that of the answer.
    is_proven: bool,
}

impl Peer {
    /// Runs until `is_over` says so, by when media began and by the time now.
    async fn run(
        &mut self,
        facts: &mut SessionFacts,
        is_over: impl Fn(Option<u64>, u64) -> bool,
    ) -> Result<(), String> {
        let begun_us = clock::now_us();
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        loop {
            let now_us = clock::now_us();
            let media_us = self.reception.begun_us();
            if is_over(media_us, now_us) {
                return Ok(());
            }
            if media_us.is_none() && now_us >= begun_us + VERIFY_CONNECT_MS_MAX * 1_000 {
                return Err(self.what_lacks());
            }
            self.check(now_us).await;
            self.report(now_us).await;
            if self.remote.is_some()
                && let Some(dtls) = &mut self.dtls
            {
                let ticked = dtls.handle_timeout(clock::instant(now_us));
                ticked.map_err(|error| format!("DTLS: {error}"))?;
                self.drain(facts).await?;
            }
            let next_us = self.next_check_us.min(self.next_report_us);
            let wait_us = next_us.saturating_sub(clock::now_us()).clamp(1_000, WAIT_US_MAX);
            let received = self.socket.recv_from(&mut buffer);
            let received = timeout(Duration::from_micros(wait_us), received).await;
            // An error is of a candidate that nobody listens at.
            let Ok(Ok((bytes, from))) = received else { continue };
            self.read(&mut buffer[..bytes], from, facts).await?;
            for _ in 1..DATAGRAMS_AT_ONCE_MAX {
                let Ok((bytes, from)) = self.socket.try_recv_from(&mut buffer) else { break };
                self.read(&mut buffer[..bytes], from, facts).await?;
            }
        }
    }

    fn what_lacks(&self) -> String {
        if self.remote.is_none() {
            let tried: Vec<String> =
                self.answer.candidates.iter().map(SocketAddr::to_string).collect();
            return format!("no answer by UDP from {}", tried.join(", "));
        }
        let stage = if self.keys.is_none() { "the DTLS handshake has no end" } else { "no media" };
        format!("{stage} after {VERIFY_CONNECT_MS_MAX} ms")
    }

    /// Sends the check that is due: to all candidates until one has answered.
    async fn check(&mut self, now_us: u64) {
        if now_us < self.next_check_us {
            return;
        }
        self.next_check_us = now_us + VERIFY_CHECK_MS * 1_000;
        let targets = match self.remote {
            Some(remote) => vec![remote],
            None => self.answer.candidates.clone(),
        };
        for target in targets {
            if let Some(check) = self.checks.next(self.remote.is_some(), now_us) {
                self.send(target, &check).await;
            }
        }
    }

    async fn report(&mut self, now_us: u64) {
        let (Some(keys), Some(remote)) = (&mut self.keys, self.remote) else { return };
        if now_us < self.next_report_us {
            return;
        }
        self.next_report_us = now_us + REPORT_US;
        let Some(block) = self.reception.report() else { return };
        let (mut packet, length) = receiver_report(self.ssrc, &block, self.last_report, now_us);
        if let Some(length) = keys.seal.seal_rtcp(&mut packet, length) {
            self.send(remote, &packet[..length]).await;
        }
    }

    async fn send(&self, to: SocketAddr, datagram: &[u8]) {
        // What the network does not take is lost, as on any network.
        let _ = self.socket.send_to(datagram, to).await;
    }

    async fn read(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        facts: &mut SessionFacts,
    ) -> Result<(), String> {
        let now_us = clock::now_us();
        match DatagramKind::of(datagram) {
            DatagramKind::Stun => {
                let is_ours = self.answer.candidates.contains(&from);
                if self.checks.is_answer(datagram, now_us) && is_ours && self.remote.is_none() {
                    self.remote = Some(from);
                    // It is nominated at once.
                    self.next_check_us = 0;
                }
            }
            DatagramKind::Dtls(_) if self.dtls.is_some() && self.remote == Some(from) => {
                if let Some(dtls) = &mut self.dtls {
                    let taken = dtls.handle_timeout(clock::instant(now_us));
                    let taken = taken.and_then(|()| dtls.handle_packet(datagram));
                    taken.map_err(|error| format!("DTLS: {error}"))?;
                }
                self.drain(facts).await?;
            }
            DatagramKind::Dtls(21) => {
                return Err("weir ended the session".to_owned());
            }
            DatagramKind::Srtcp => {
                if let Some(keys) = &mut self.keys
                    && let Ok(opened) = keys.open.open_rtcp(datagram)
                {
                    let read = LastReport::read(opened.compound, now_us);
                    self.last_report = read.or(self.last_report);
                }
            }
            DatagramKind::Other if datagram.first().is_some_and(|first| first >> 6 == 2) => {
                self.media(datagram, from, now_us, facts);
            }
            DatagramKind::Dtls(_) | DatagramKind::Other => {}
        }
        Ok(())
    }

    fn media(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        now_us: u64,
        facts: &mut SessionFacts,
    ) {
        let Some(keys) = &self.keys else { return };
        let Ok((header, sealed)) = header::parse(datagram) else {
            self.reception.counts.forged += 1;
            return;
        };
        let header_bytes = datagram.len() - sealed.len();
        let number = self.reception.number(header.sequence);
        let Some(payload) = keys.media.open(datagram, header_bytes, number) else {
            self.reception.counts.forged += 1;
            return;
        };
        if self.reception.begun_us().is_none() {
            self.next_report_us = now_us;
        }
        self.reception.packet(&header, number, payload, now_us);
        if !facts.addresses.contains(&from) {
            facts.addresses.push(from);
        }
    }

    /// Sends what DTLS has to say, and takes the keys.
    async fn drain(&mut self, facts: &mut SessionFacts) -> Result<(), String> {
        let (Some(remote), Some(dtls)) = (self.remote, &mut self.dtls) else { return Ok(()) };
        let mut buffer = [0; DTLS_BYTES_MAX];
        loop {
            match dtls.poll_output(&mut buffer) {
                // Not by `send`: the packet is in a buffer of its own.
                Output::Packet(packet) => drop(self.socket.send_to(packet, remote).await),
                Output::PeerCert(certificate) => {
                    let shown = CertificateFingerprint::of(certificate).to_string();
                    self.is_proven = shown == self.answer.fingerprint;
                }
                Output::KeyingMaterial(material, profile) => {
                    self.keys = Some(keys(&material, profile, facts)?);
                }
                Output::CloseNotify => return Err("weir ended the session".to_owned()),
                Output::BufferTooSmall { .. } => {
                    return Err("DTLS: a certificate too large".to_owned());
                }
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        if self.keys.is_some() && !self.is_proven {
            return Err("DTLS: the certificate is not that of the answer".to_owned());
        }
        if self.keys.is_some() {
            self.dtls = None;
        }
        Ok(())
    }
}

/// The keys of both directions; only AES-GCM is opened.
fn keys(material: &[u8], profile: Negotiated, facts: &mut SessionFacts) -> Result<Keys, String> {
    let profile = match profile {
        Negotiated::AEAD_AES_128_GCM => SrtpProfile::Aes128Gcm,
        Negotiated::AEAD_AES_256_GCM => SrtpProfile::Aes256Gcm,
        _ => {
            facts.cipher = Some("AES128_CM_SHA1_80");
            return Err("SRTP without AES-GCM".to_owned());
        }
    };
    facts.cipher = Some(profile.name());
    facts.is_gcm = true;
    let derive = || {
        let keys = MediaKeys::of_client(profile, material)?;
        Some(Keys {
            seal: SealKeys::derive(&keys.local_key, &keys.local_salt)?,
            open: OpenKeys::derive(&keys.remote_key, &keys.remote_salt)?,
            media: OpenMediaKey::derive(&keys.remote_key, &keys.remote_salt)?,
        })
    };
    derive().ok_or_else(|| "DTLS: keys of another length than their profile's".to_owned())
}
