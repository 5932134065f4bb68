//! Offers: from a POST to an answer, with a refusal or an eviction where a table is full.

use std::net::{IpAddr, SocketAddr};

use tokio::sync::oneshot;

use crate::access::Owner;
use crate::codec::CodecProfile;
use crate::egress::sound::SoundParams;
use crate::egress::subscription::{PlayoutDelay, RtpParams};
use crate::hex;
use crate::limits::{
    PROFILE, SESSION_EVICTABLE_US, SESSION_OWN_EVICTABLE_US, SESSIONS_MAX, SUBSCRIPTIONS_MAX,
};
use crate::media::{Command, Expect, SessionId};
use crate::mem::accounts::{self, AccountKind, HeapAccount};
use crate::random::random;
use crate::sound::SoundCodec;
use crate::status::TABLES;
use crate::webrtc::credentials::IceCredentials;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{Accepted, Answered, HandshakeRequest};
use crate::webrtc::offer::OfferError;

use super::handshakes::{Active, BrowserHandshake, Permit};
use super::{MediaLink, OfferAnswer, OfferRefusal, OfferRequest, Signalling};

/// The `Retry-After` in seconds when a table was full.
const RETRY_FULL_S: u32 = 2;

/// What weir answers an offer with, beside the session's own secrets.
pub(crate) struct AnswerTerms<'t> {
    /// The slot of the camera.
    pub(crate) camera: u16,
    /// What the camera sends.
    pub(crate) camera_profile: CodecProfile,
    /// The codec of the camera's sound, if it has any.
    pub(crate) sound: Option<SoundCodec>,
    /// The addresses of the media socket, best first.
    pub(crate) candidates: &'t [SocketAddr],
    /// Whether packets are sent again on a NACK.
    pub(crate) resend: bool,
}

/// An offer's turn for a handshake slot.
pub(crate) enum Turn {
    /// A slot is free.
    Now(Permit),
    /// The receiver resolves when a slot is granted.
    Wait(oneshot::Receiver<Permit>),
}

impl<H: BrowserHandshake> Signalling<H> {
    /// Which session makes room for one of `owner`; `None` while a slot is free. It is the first
    /// that is found in this order:
    ///
    /// - an offer without a check, of the viewer with the most sessions;
    /// - the longest silent session, if silent for [`SESSION_EVICTABLE_US`];
    /// - a session of the same address, if silent for [`SESSION_OWN_EVICTABLE_US`], so that a
    ///   player that vanished and asks again need not wait longer;
    /// - a session of the viewer with the most, if `owner` has fewer.
    pub(crate) fn room(
        &self,
        peer: IpAddr,
        owner: &Owner,
        link: &impl MediaLink,
        now_us: u64,
    ) -> Result<Option<(SessionId, Ended)>, OfferRefusal> {
        if link.is_behind() {
            TABLES.commands.was_full();
            let reason = "the media thread is behind with its commands".to_owned();
            return Err(OfferRefusal::Full { reason, retry_after_s: RETRY_FULL_S });
        }
        if !self.sessions.is_full() {
            return Ok(None);
        }
        let sessions = &self.sessions;
        let is_unchecked = |session| self.handshakes.is_unchecked(session, now_us);
        let unchecked = sessions.unchecked(owner, is_unchecked);
        let silent = || sessions.evictable(now_us, SESSION_EVICTABLE_US, |_| true);
        let own =
            || sessions.evictable(now_us, SESSION_OWN_EVICTABLE_US, |address| address == peer);
        let found = unchecked.map(|session| (session, Ended::HandshakeEvicted));
        let found = found.or_else(|| Some((silent()?, Ended::Evicted)));
        let found = found.or_else(|| Some((own()?, Ended::Replaced)));
        let surplus = || {
            let session = sessions.surplus(owner, is_unchecked)?;
            let is_live = !is_unchecked(session);
            Some((session, if is_live { Ended::Surplus } else { Ended::HandshakeEvicted }))
        };
        let found = found.or_else(surplus);
        if found.is_none() {
            TABLES.sessions.was_full();
            let reason = format!("sessions full, max {}", PROFILE.sessions);
            return Err(OfferRefusal::Full { reason, retry_after_s: RETRY_FULL_S });
        }
        Ok(found)
    }

    /// Asks for a handshake slot. [`Signalling::round`] grants free ones to the offers that wait.
    ///
    /// # Errors
    /// The queue is full.
    pub(crate) fn ask(&mut self, client: IpAddr) -> Result<Turn, OfferRefusal> {
        if self.queue.is_empty() && self.handshakes.has_room() {
            return Ok(Turn::Now(self.handshakes.permit()));
        }
        TABLES.handshakes.was_full();
        let grant = accounts::shared(|| self.queue.admit(client)).map_err(|error| {
            TABLES.offers_waiting.was_full();
            full(&error)
        })?;
        Ok(Turn::Wait(grant))
    }

    /// Answers an offer that has its turn: makes room in a full table, and takes a session slot.
    /// The browser's first check begins the handshake.
    ///
    /// # Errors
    /// No room, or the offer cannot be answered.
    pub(crate) fn open(
        &mut self,
        offer: &OfferRequest,
        terms: &AnswerTerms<'_>,
        turn: Permit,
        link: &impl MediaLink,
        now_us: u64,
    ) -> Result<OfferAnswer, OfferRefusal> {
        let room = self.room(offer.peer.ip(), &offer.owner, link, now_us);
        let answer = room.and_then(|room| {
            if let Some((session, ended)) = room {
                TABLES.sessions.was_full();
                self.end(session, ended, None, link, now_us);
            }
            self.begin(offer, terms, link, now_us)
        });
        drop(turn);
        answer
    }

    fn begin(
        &mut self,
        offer: &OfferRequest,
        terms: &AnswerTerms<'_>,
        link: &impl MediaLink,
        now_us: u64,
    ) -> Result<OfferAnswer, OfferRefusal> {
        // An account of its own: the offer outlives the HTTP connection that brought it.
        let account = HeapAccount::open(AccountKind::Offer).map_err(|refused| full(&refused))?;
        let (answer, mut active) = account.enter(|| self.answer(offer, terms, link, now_us))?;
        let OfferAnswer { sdp, secret, etag } = answer;
        // Copied, so that the text of the response is charged to the connection's account.
        let answer = OfferAnswer { sdp: sdp.clone(), secret, etag };
        drop(sdp);
        let (session, over) = (active.session, account.over());
        active.account = Some(account);
        accounts::shared(|| self.handshakes.active.push(active));
        if let Some(over) = over {
            over.tell(format_args!("of {}", offer.peer));
            self.end(session, Ended::HandshakeFailed, Some(over.to_string()), link, now_us);
            return Err(full(&over));
        }
        Ok(answer)
    }

    /// Whether there is a subscription for one more viewer with sound: each session needs one for
    /// its picture.
    fn has_room_for_sound(&self) -> bool {
        self.sessions.with_sound() < SUBSCRIPTIONS_MAX - SESSIONS_MAX
    }

    fn answer(
        &mut self,
        offer: &OfferRequest,
        terms: &AnswerTerms<'_>,
        link: &impl MediaLink,
        now_us: u64,
    ) -> Result<(OfferAnswer, Box<Active<H>>), OfferRefusal> {
        let secret = hex::text(&random::<16>());
        let etag = hex::text(&random::<8>());
        let ssrc = u32::from_be_bytes(random()) | 1;
        let admitted =
            self.sessions.admit(terms.camera, offer, secret.clone(), etag.clone(), now_us);
        let session = admitted.map_err(|error| full(&error))?;
        let mut credentials = IceCredentials::random(session.slot);
        let sound = terms.sound.filter(|_| self.has_room_for_sound());
        let sound = sound.map(|codec| (codec, sound_ssrc(ssrc)));
        let request = HandshakeRequest {
            offer: &offer.sdp,
            camera_profile: terms.camera_profile,
            candidates: terms.candidates,
            local_ufrag: &credentials.ufrag,
            local_password: &credentials.password,
            ssrc,
            sound,
            resend: terms.resend,
        };
        let (answered, accepted) = match Answered::accept(&self.identity, &request, now_us) {
            Ok(accepted) => accepted,
            Err(error) => {
                let words = Some(error.to_string());
                self.sessions.release(session, Ended::HandshakeFailed, words, now_us);
                return Err(refusal(error));
            }
        };
        credentials.peer = answered.peer();
        let Accepted { answer, remote_ice, payload_type, playout_delay_id, .. } = accepted;
        let sound = sound.zip(accepted.sound_payload_type);
        self.sessions.name_remote(session, remote_ice, sound.is_some());
        let rtp_params = RtpParams {
            ssrc,
            payload_type,
            playout_delay: playout_delay_id
                .map(|id| PlayoutDelay { id, waits_for_sound: sound.is_some() }),
            timestamp_offset: u32::from_be_bytes(random()),
            is_resending: terms.resend,
        };
        let active = Active {
            session,
            client: offer.client,
            answered,
            handshake: None,
            held: None,
            rtp_params,
            sound: sound.map(|((codec, ssrc), payload_type)| SoundParams {
                ssrc,
                payload_type,
                codec,
                timestamp_offset: u32::from_be_bytes(random()),
            }),
            camera: terms.camera,
            begun_us: None,
            checked_us: now_us,
            alias: None,
            candidates: terms.candidates.into(),
            account: None,
        };
        link.command(Command::Expect(Box::new(Expect { session, credentials })));
        Ok((OfferAnswer { sdp: answer, secret, etag }, Box::new(active)))
    }
}

/// Another SSRC than the picture's.
fn sound_ssrc(picture: u32) -> u32 {
    let ssrc = u32::from_be_bytes(random()) | 1;
    if ssrc == picture { ssrc ^ 2 } else { ssrc }
}

/// Checks what of an offer can be checked before it waits for its turn.
///
/// # Errors
/// The offer cannot be read, or has nothing for the camera.
pub(crate) fn check(sdp: &str, camera_profile: CodecProfile) -> Result<(), OfferRefusal> {
    Answered::check(sdp, camera_profile).map_err(refusal)
}

/// A refusal that asks the client to try again in [`RETRY_FULL_S`].
pub(crate) fn full(why: &dyn std::fmt::Display) -> OfferRefusal {
    OfferRefusal::Full { reason: why.to_string(), retry_after_s: RETRY_FULL_S }
}

fn refusal(error: OfferError) -> OfferRefusal {
    match error {
        error if error.is_unsupported() => OfferRefusal::Unsupported(error.to_string()),
        OfferError::NoCandidate => {
            OfferRefusal::NotReady { reason: error.to_string(), retry_after_s: 5 }
        }
        error => OfferRefusal::BadOffer(error.to_string()),
    }
}
