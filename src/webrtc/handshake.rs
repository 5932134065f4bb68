//! One browser's handshake, from its offer to its keys: str0m's ICE-lite agent and DTLS server,
//! driven by datagrams and time, and dropped as soon as it reports Connected.
//!
//! An offer is answered without str0m ([`Answered`]). An offer without a later check costs only its
//! two pairs of credentials and a fingerprint, and does not delay others.
//!
//! A handshake costs tens of KB of heap for str0m; a live session costs none of it. [`Connected`]
//! has everything that a session still needs of its handshake: the keys, the two addresses, our
//! last DTLS flight, which is sent again until the browser has it, and our close_notify for the
//! end. Both are sealed datagrams: sending the same bytes again uses up no nonce.
//!
//! [`crate::webrtc::offer`] parses the offer and `answer` writes the answer. str0m gets only the
//! browser's ICE credentials and fingerprint, and no SDP. Media keys never reach it
//! ([`crate::webrtc::provider`]). This module does not decide who is admitted, does not choose a
//! slot and has no socket.
//!
//! Bounds: those of the offer are in [`crate::limits`]; a handshake times out after
//! [`HANDSHAKE_US_MAX`].

use std::net::SocketAddr;
use std::time::Instant;

use str0m::config::Fingerprint;
use str0m::net::{Protocol, Receive, Transmit};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcError};

use crate::clock;
use crate::codec::CodecProfile;
use crate::limits::{
    CANDIDATES_MAX, CLOSE_NOTIFY_BYTES_MAX, FLIGHT_BYTES_MAX, HANDSHAKE_PAIRS_MAX, HANDSHAKE_US_MAX,
};
use crate::sound::SoundCodec;
use crate::webrtc::credentials::Peer;
use crate::webrtc::offer::{Offer, OfferError};
use crate::webrtc::profile;
use crate::webrtc::provider::{ALERT, Records, Tap};
use crate::webrtc::remote_ice::RemoteIce;

mod answer;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))] // the fuzz targets need a part of it
#[path = "handshake/tests/client.rs"]
pub(crate) mod client;
mod flight;
mod identity;
mod nomination;
mod outcome;

pub use crate::webrtc::provider::{MediaKeys, SALT_BYTES, SrtpProfile, SrtpRefusal};
use answer::{AnswerText, SoundAnswer};
use flight::Flight;
pub use identity::DtlsIdentity;
use nomination::Nomination;
pub use outcome::{Connected, Failure, Progress};

/// An offer, and the values for its answer.
#[derive(Debug)]
pub struct HandshakeRequest<'a> {
    /// The SDP that the browser posted.
    pub offer: &'a str,
    /// What the camera sends, by its SPS.
    pub camera_profile: CodecProfile,
    /// Addresses of the media socket, best first. Every datagram is received on one of them.
    pub candidates: &'a [SocketAddr],
    /// Our ICE ufrag: 4 to 256 characters.
    pub local_ufrag: &'a str,
    /// Our ICE password: 22 to 256 characters, a secret.
    pub local_password: &'a str,
    /// The SSRC of the stream.
    pub ssrc: u32,
    /// The codec of the camera's sound and the SSRC to send it with, if it is to be sent.
    pub sound: Option<(SoundCodec, u32)>,
    /// Whether packets are sent again on a NACK.
    pub resend: bool,
}

/// The result of the negotiation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The SDP answer to send.
    pub answer: String,
    /// The browser's ICE descriptions, for fragments that come later.
    pub remote_ice: RemoteIce,
    /// The RTP payload type agreed on.
    pub payload_type: u8,
    /// The id of the playout-delay extension, if it is to be sent.
    pub playout_delay_id: Option<u8>,
    /// The payload type of the sound; `None` if there will be none.
    pub sound_payload_type: Option<u8>,
    /// The name of the video section.
    pub mid: Option<String>,
}

/// An answered offer. The handshake begins from it once the browser's first check has come.
pub struct Answered {
    local: Ice,
    remote: Ice,
    fingerprint: [u8; 32],
    give_up_us: u64,
}

/// ICE credentials without spare capacity.
struct Ice {
    ufrag: Box<str>,
    password: Box<str>,
}

impl Ice {
    fn new(ufrag: &str, password: &str) -> Self {
        Self { ufrag: ufrag.into(), password: password.into() }
    }

    fn to_library(&self) -> IceCreds {
        IceCreds { ufrag: self.ufrag.to_string(), pass: self.password.to_string() }
    }
}

/// One handshake. Poll it after [`Answered::begin`] and after each [`Self::receive`] until it
/// returns [`Progress::Wait`], and again when that deadline has passed.
pub struct Handshake {
    rtc: Box<Rtc>,
    tap: Tap,
    state: State,
    /// The remote and local address of our last DTLS datagram.
    path: Option<(SocketAddr, SocketAddr)>,
    /// The remote and local address of the browser's last DTLS datagram.
    heard: Option<(SocketAddr, SocketAddr)>,
    nomination: Option<Nomination>,
    /// The addresses that we have sent DTLS to.
    spoken_to: heapless::Vec<SocketAddr, HANDSHAKE_PAIRS_MAX>,
    alerted: bool,
    failure: Option<Failure>,
    deadline_us: u64,
    give_up_us: u64,
}

/// The state of a handshake.
enum State {
    Shaking,
    /// str0m has reported Connected: what it still sends is our last flight.
    Leaving(Flight),
    Over,
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake").field("path", &self.path).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answered").field("give_up_us", &self.give_up_us).finish_non_exhaustive()
    }
}

impl Answered {
    /// Whether an offer can be answered, as far as that depends on the offer and on what the camera
    /// sends. [`Self::accept`] may still find no address of ours to answer with.
    ///
    /// # Errors
    /// What is wrong with the offer, or that it has nothing for this camera.
    pub fn check(offer: &str, camera_profile: CodecProfile) -> Result<(), OfferError> {
        profile::choose(camera_profile, &Offer::read(offer)?).map(|_| ())
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// [`OfferError`]: the offer cannot be parsed or served, or weir has no usable address.
    pub fn accept(
        identity: &DtlsIdentity,
        request: &HandshakeRequest<'_>,
        now_us: u64,
    ) -> Result<(Self, Accepted), OfferError> {
        let offer = Offer::read(request.offer)?;
        let format = profile::choose(request.camera_profile, &offer)?;
        let candidates = request.candidates.iter().filter(|address| host(**address).is_some());
        let candidates: heapless::Vec<SocketAddr, CANDIDATES_MAX> =
            candidates.copied().take(CANDIDATES_MAX).collect();
        if candidates.is_empty() {
            return Err(OfferError::NoCandidate);
        }
        let sound = request.sound.and_then(|(codec, ssrc)| {
            offer.sound(codec).map(|format| SoundAnswer { format, codec, ssrc })
        });
        let answer = AnswerText {
            offer: &offer,
            format,
            fingerprint: &identity.fingerprint,
            ufrag: request.local_ufrag,
            password: request.local_password,
            candidates: &candidates,
            ssrc: request.ssrc,
            sound,
            resend: request.resend,
        };
        let accepted = Accepted {
            answer: answer.text(),
            remote_ice: RemoteIce::new(
                offer.ufrag,
                offer.transport_section,
                offer.ufrags.iter().copied(),
            ),
            payload_type: format.payload_type,
            playout_delay_id: offer.playout_delay.map(|extension| extension.id),
            sound_payload_type: sound.map(|sound| sound.format.payload_type),
            mid: offer.sections[offer.video].mid.map(str::to_owned),
        };
        let answered = Self {
            local: Ice::new(request.local_ufrag, request.local_password),
            remote: Ice::new(offer.ufrag, offer.password.0),
            fingerprint: offer.fingerprint,
            give_up_us: now_us + HANDSHAKE_US_MAX,
        };
        Ok((answered, accepted))
    }

    /// The browser's ICE credentials, to check its address with later.
    pub fn peer(&self) -> Peer {
        Peer::new(&self.remote.ufrag, &self.remote.password)
    }

    /// When it is too late for a handshake to begin.
    pub fn give_up_us(&self) -> u64 {
        self.give_up_us
    }

    /// Begins the handshake with the candidates of the answer. From here on it costs str0m's heap.
    pub fn begin(
        &self,
        identity: &DtlsIdentity,
        candidates: &[SocketAddr],
        now_us: u64,
    ) -> Handshake {
        let tap = Tap::default();
        let mut rtc = Box::new(identity.rtc(&self.local.to_library(), &tap, now_us));
        for candidate in candidates.iter().filter_map(|address| host(*address)) {
            rtc.add_local_candidate(candidate);
        }
        let failure = self.tell(&mut rtc).err();
        Handshake {
            rtc,
            tap,
            state: State::Shaking,
            path: None,
            heard: None,
            nomination: Nomination::new(&self.local, &self.remote),
            spoken_to: heapless::Vec::new(),
            alerted: false,
            failure: failure.map(|error| Failure::of(&error)),
            deadline_us: now_us,
            give_up_us: now_us + HANDSHAKE_US_MAX,
        }
    }

    /// Hands the browser's credentials and fingerprint to str0m.
    fn tell(&self, rtc: &mut Rtc) -> Result<(), RtcError> {
        let mut api = rtc.direct_api();
        api.set_ice_controlling(false);
        api.set_remote_ice_credentials(self.remote.to_library());
        api.set_remote_fingerprint(Fingerprint {
            hash_func: "sha-256".to_owned(),
            bytes: self.fingerprint.to_vec(),
        });
        api.start_dtls(false)
    }
}

impl Handshake {
    /// Handles a datagram. It must be STUN whose MAC was verified for this session, or DTLS from an
    /// address that such a check came from, and no more of either than
    /// [`Admission`](crate::webrtc::admission::Admission) allows. Anything else is dropped.
    pub fn receive(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8], now_us: u64) {
        // The ranges of RFC 7983; media must not reach str0m.
        if !matches!(datagram.first(), Some(0..=3 | 20..=63)) {
            return;
        }
        let now = clock::instant(now_us);
        self.tap.lock().now = Some(now);
        let Ok(receive) = Receive::new(Protocol::Udp, from, to, datagram) else {
            return;
        };
        let input = Input::Receive(now, receive);
        if self.rtc.accepts(&input) {
            if matches!(self.state, State::Shaking) && Records(datagram).next().is_some() {
                self.nominate(from, to, now);
                self.heard = Some((from, to));
            }
            self.advance(input);
        }
    }

    /// At the browser's first DTLS datagram, makes str0m take the pair that it came by as
    /// nominated.
    fn nominate(&mut self, from: SocketAddr, to: SocketAddr, now: Instant) {
        let (Some(nomination), None) = (&self.nomination, self.heard) else { return };
        if let Ok(receive) = Receive::new(Protocol::Udp, from, to, nomination.check()) {
            let handled = self.rtc.handle_input(Input::Receive(now, receive));
            self.failure = self.failure.take().or(handled.err().as_ref().map(Failure::of));
        }
    }

    /// What the caller has to do next.
    pub fn poll(&mut self, now_us: u64) -> Progress {
        if matches!(self.state, State::Over) {
            return Progress::Wait { deadline_us: u64::MAX };
        }
        if now_us >= self.give_up_us {
            self.failure.get_or_insert(Failure::TimedOut);
        }
        if now_us >= self.deadline_us {
            self.advance(Input::Timeout(clock::instant(now_us)));
        }
        loop {
            if let Some(failure) = self.failure.take() {
                return self.fail(failure);
            }
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) if self.is_own(&transmit) => {}
                Ok(Output::Transmit(transmit)) => return self.transmit(transmit),
                Ok(Output::Timeout(at)) => {
                    self.deadline_us = clock::us_of(at).saturating_add(1);
                    return self.rest();
                }
                Ok(Output::Event(Event::Connected)) => {
                    self.path = self.proven();
                    self.state = State::Leaving(Flight::default());
                }
                Ok(Output::Event(Event::Closed)) => self.failure = Some(Failure::Closed),
                Ok(Output::Event(_)) => {}
                Err(error) => self.failure = Some(Failure::of(&error)),
            }
        }
    }

    /// The remote and local address of the session. If the datagram that ended the handshake came
    /// from an address that we sent a flight to, the browser is proven to be there. A check alone
    /// may make str0m send our last flight elsewhere: its MAC does not cover its address, and an
    /// attacker can easily resend it.
    fn proven(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.heard.filter(|(from, _)| self.spoken_to.contains(from)).or(self.path)
    }

    /// Whether str0m answers the check that [`Nomination`] made.
    fn is_own(&self, transmit: &Transmit) -> bool {
        let nomination = self.nomination.as_ref();
        nomination.is_some_and(|nomination| nomination.is_answered_by(&transmit.contents))
    }

    fn advance(&mut self, input: Input<'_>) {
        if let Err(error) = self.rtc.handle_input(input) {
            self.failure.get_or_insert(Failure::of(&error));
        }
    }

    fn fail(&mut self, failure: Failure) -> Progress {
        self.state = State::Over;
        Progress::Failed(failure)
    }

    fn transmit(&mut self, transmit: Transmit) -> Progress {
        let Transmit { source, destination, contents, .. } = transmit;
        let datagram = Vec::from(contents);
        if let Some(record) = Records(&datagram).next() {
            self.alerted |= record.kind == ALERT;
            if matches!(self.state, State::Shaking) {
                self.path = Some((destination, source));
                if !self.spoken_to.contains(&destination) {
                    // Fits: there are no more addresses than pairs.
                    let _ = self.spoken_to.push(destination);
                }
            }
        }
        if let State::Leaving(flight) = &mut self.state {
            flight.collect(&datagram);
        }
        Progress::Transmit { to: destination, from: source, datagram }
    }

    /// Called when everything that str0m had to send has been handed out.
    fn rest(&mut self) -> Progress {
        let refusal = self.tap.lock().refusal;
        if let (Some(refusal), true) = (refusal, self.alerted) {
            return self.fail(Failure::Refused(refusal));
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Leaving(flight) if !flight.is_empty() => return self.leave(flight),
            state => self.state = state,
        }
        let deadline_us = self.deadline_us.min(self.give_up_us);
        Progress::Wait { deadline_us }
    }

    /// Ends a connected handshake whose last flight has been sent, with what the session needs.
    fn leave(&mut self, flight: Flight) -> Progress {
        let keys = self.tap.lock().keys.take();
        let (Some(keys), Some((remote, local))) = (keys, self.path) else {
            return self.fail(Failure::Refused(SrtpRefusal::NoGcm));
        };
        // Our one suite makes 75 bytes: more means that the library has changed.
        let Some(flight) = flight.complete() else {
            let reason = format!("last flight over {FLIGHT_BYTES_MAX} bytes");
            return self.fail(Failure::Dtls(reason));
        };
        let close_notify = self.close();
        Progress::Connected(Box::new(Connected { keys, remote, local, flight, close_notify }))
    }

    /// Makes our close_notify, to be sent when the session ends.
    fn close(&mut self) -> heapless::Vec<u8, CLOSE_NOTIFY_BYTES_MAX> {
        let mut close_notify = heapless::Vec::new();
        if self.rtc.close().is_err() {
            return close_notify;
        }
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    let mut records = Records(&transmit.contents);
                    if records.any(|record| record.kind == ALERT) {
                        close_notify =
                            heapless::Vec::from_slice(&transmit.contents).unwrap_or_default();
                    }
                }
                Ok(Output::Event(_)) => {}
                Ok(Output::Timeout(_)) | Err(_) => return close_notify,
            }
        }
    }
}

/// A host candidate for an address of ours, in str0m's type.
fn host(address: SocketAddr) -> Option<Candidate> {
    Candidate::host(address, Protocol::Udp).ok()
}

#[cfg(test)]
mod tests;
