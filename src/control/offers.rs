//! Offers: from a POST to an answer, with a refusal or an eviction where a table is full.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::access::Owner;
use crate::clock;
use crate::egress::subscription::RtpParams;
use crate::hex;
use crate::limits::{
    CAMERA_START_WAIT_US, OFFER_WAIT_US, PROFILE, SESSION_EVICTABLE_US, SESSION_OWN_EVICTABLE_US,
};
use crate::media::{Command, Expect, SessionId};
use crate::mem::accounts::{self, AccountKind, HeapAccount};
use crate::random::random;
use crate::status::{self, TABLES};
use crate::webrtc::credentials::{IceCredentials, Peer};
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{Accepted, Answered, HandshakeRequest};
use crate::webrtc::offer::OfferError;

use super::cameras::number;
use super::handshakes::{Active, Permit};
use super::{Control, OfferAnswer, OfferRefusal, OfferRequest, State};

/// How often to look whether a camera has started.
const CAMERA_START_LOOK: Duration = Duration::from_millis(20);
/// The `Retry-After` in seconds when a table was full.
const RETRY_FULL_S: u32 = 2;

impl Control {
    /// Answers an offer. Waits for the camera to start and for a handshake slot if it must.
    ///
    /// # Errors
    /// A [`OfferRefusal`], each with its HTTP status.
    pub async fn offer(&self, offer: OfferRequest) -> Result<OfferAnswer, OfferRefusal> {
        let state = &self.0;
        state.started(&offer.camera).await;
        let camera = state.admitting(&offer.camera)?;
        // A session is ended for an offer only when nothing else is in its way.
        let profile = status::CAMERAS[usize::from(camera)].profile_level_id.load(Relaxed);
        Answered::check(&offer.sdp, profile).map_err(refusal)?;
        let peer = offer.peer.ip();
        state.room(peer, &offer.owner)?;
        let permit = state.slot(offer.client).await?;
        // While it waited the camera may have got another slot, or none.
        let camera = state.admitting(&offer.camera)?;
        // The user, token or login may have been removed as well.
        state.admits_owner(&offer.owner)?;
        state.make_room(peer, &offer.owner)?;
        let answer = state.begin(&offer, camera);
        drop(permit);
        state.grant_next();
        answer
    }

    /// Ends a session by its secret. Returns whether there was one.
    pub fn end(&self, secret: &str) -> bool {
        let found = self.0.sessions.borrow().find(secret);
        if let Some(session) = found {
            self.0.end(session, Ended::Deleted, None);
        }
        found.is_some()
    }

    /// Ends a session by its public id. Called when an operator asks for it.
    ///
    /// # Errors
    /// A text for the operator: there is no such session, or it has ended and why.
    pub fn end_by_id(&self, id: u64) -> Result<(), String> {
        let found = self.0.sessions.borrow().find_by_id(id);
        let Some(session) = found else { return Err(self.0.sessions.borrow().absence_of(id)) };
        self.0.end(session, Ended::Operator, None);
        Ok(())
    }
}

impl State {
    /// Waits for a camera that is starting, as when a page is opened while the box boots. Takes at
    /// most [`CAMERA_START_WAIT_US`].
    async fn started(&self, name: &str) {
        let until_us = clock::now_us() + CAMERA_START_WAIT_US;
        let is_starting =
            || self.slot_of(name).is_some_and(|slot| self.cameras[slot].is_starting(slot));
        while is_starting() && clock::now_us() < until_us {
            sleep(CAMERA_START_LOOK).await;
        }
    }

    /// The slot of the camera of this name.
    fn slot_of(&self, name: &str) -> Option<usize> {
        self.cameras.iter().position(|camera| camera.is(name))
    }

    /// The slot of a camera, if a viewer may join it now.
    fn admitting(&self, name: &str) -> Result<u16, OfferRefusal> {
        let slot = self.slot_of(name).ok_or(OfferRefusal::UnknownCamera)?;
        self.cameras[slot].admits(slot)?;
        Ok(number(slot))
    }

    /// Refuses an owner that was admitted before the wait and would not be admitted now.
    fn admits_owner(&self, owner: &Owner) -> Result<(), OfferRefusal> {
        let problem = owner.problem(&self.config().access).or_else(|| {
            let login = owner.login()?;
            (!self.guard.has_login(login)).then(|| Ended::LoggedOut.reason())
        });
        problem.map_or(Ok(()), |problem| Err(OfferRefusal::NotLetIn(problem)))
    }

    /// Makes sure that a session of `owner` finds a slot: in a full table it ends the session that
    /// [`State::room`] names.
    fn make_room(&self, peer: IpAddr, owner: &Owner) -> Result<(), OfferRefusal> {
        if let Some((session, ended)) = self.room(peer, owner)? {
            TABLES.sessions.was_full();
            self.end(session, ended, None);
        }
        Ok(())
    }

    /// Which session makes room for one of `owner`; `None` while a slot is free. It is the first
    /// that is found in this order:
    ///
    /// - an offer without a check, of the viewer with the most sessions;
    /// - the longest silent session, if silent for [`SESSION_EVICTABLE_US`];
    /// - a session of the same address, if silent for [`SESSION_OWN_EVICTABLE_US`], so that a
    ///   player that vanished and asks again need not wait longer;
    /// - a session of the viewer with the most, if `owner` has fewer.
    fn room(
        &self,
        peer: IpAddr,
        owner: &Owner,
    ) -> Result<Option<(SessionId, Ended)>, OfferRefusal> {
        if self.media.borrow().is_behind() {
            TABLES.commands.was_full();
            let reason = "the media thread is behind with its commands".to_owned();
            return Err(OfferRefusal::Full { reason, retry_after_s: RETRY_FULL_S });
        }
        if !self.sessions.borrow().is_full() {
            return Ok(None);
        }
        let now_us = clock::now_us();
        let handshakes = self.handshakes.borrow();
        let is_unchecked = |session| handshakes.is_unchecked(session, now_us);
        let unchecked = self.sessions.borrow().unchecked(owner, is_unchecked);
        let silent = || self.sessions.borrow().evictable(now_us, SESSION_EVICTABLE_US, |_| true);
        let own = || {
            let sessions = self.sessions.borrow();
            sessions.evictable(now_us, SESSION_OWN_EVICTABLE_US, |address| address == peer)
        };
        let found = unchecked.map(|session| (session, Ended::HandshakeEvicted));
        let found = found.or_else(|| Some((silent()?, Ended::Evicted)));
        let found = found.or_else(|| Some((own()?, Ended::Replaced)));
        let surplus = || {
            let session = self.sessions.borrow().surplus(owner, is_unchecked)?;
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

    /// Waits for a handshake slot, at most [`OFFER_WAIT_US`].
    async fn slot(&self, client: IpAddr) -> Result<Permit, OfferRefusal> {
        if self.offers.borrow_mut().is_empty() && self.handshakes.borrow().has_room() {
            return Ok(self.handshakes.borrow().permit());
        }
        TABLES.handshakes.was_full();
        let grant = accounts::shared(|| self.offers.borrow_mut().admit(client));
        let grant = grant.map_err(|error| {
            TABLES.offers_waiting.was_full();
            full(&error)
        })?;
        TABLES.offers_waiting.set(self.offers.borrow_mut().len());
        // The driver may have to evict a quiet handshake now that an offer waits.
        self.begun.notify_one();
        match timeout(Duration::from_micros(OFFER_WAIT_US), grant).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let limit_s = OFFER_WAIT_US / 1_000_000;
                Err(full(&format_args!("no handshake slot within {limit_s} s")))
            }
        }
    }

    /// Grants free handshake slots to the offers that wait.
    pub(super) fn grant_next(&self) {
        let handshakes = self.handshakes.borrow();
        let shares = handshakes.shares();
        let mut waiting = self.offers.borrow_mut();
        while handshakes.has_room() {
            let Some(waiter) = waiting.next(|client| shares.of(client)) else { return };
            // If the waiter has left, the permit is dropped here.
            let _ = waiter.send(handshakes.permit());
        }
    }

    /// Answers the offer. The browser's first check begins the handshake.
    fn begin(&self, offer: &OfferRequest, camera: u16) -> Result<OfferAnswer, OfferRefusal> {
        // An account of its own: the offer outlives the HTTP connection that brought it.
        let account = HeapAccount::open(AccountKind::Offer).map_err(|refused| full(&refused))?;
        let (answer, mut active) = account.enter(|| self.answer(offer, camera))?;
        let OfferAnswer { sdp, secret, etag } = answer;
        // Copied, so that the text of the response is charged to the connection's account.
        let answer = OfferAnswer { sdp: sdp.clone(), secret, etag };
        drop(sdp);
        let (session, over) = (active.session, account.over());
        active.account = Some(account);
        accounts::shared(|| self.handshakes.borrow_mut().active.push(active));
        self.gauge();
        self.begun.notify_one();
        if let Some(over) = over {
            over.tell(format_args!("of {}", offer.peer));
            self.end(session, Ended::HandshakeFailed, Some(over.to_string()));
            return Err(full(&over));
        }
        Ok(answer)
    }

    fn answer(
        &self,
        offer: &OfferRequest,
        camera: u16,
    ) -> Result<(OfferAnswer, Box<Active>), OfferRefusal> {
        let now_us = clock::now_us();
        let secret = hex::text(&random::<16>());
        let etag = hex::text(&random::<8>());
        let ssrc = u32::from_be_bytes(random()) | 1;
        let candidates = self.candidates(offer.asked);
        let mut sessions = self.sessions.borrow_mut();
        let admitted = sessions.admit(camera, offer, secret.clone(), etag.clone());
        drop(sessions);
        let session = admitted.map_err(|error| full(&error))?;
        let mut credentials = self.credentials(session.slot);
        let resend = self.config().webrtc.resend;
        let stats = &status::CAMERAS[usize::from(camera)];
        let request = HandshakeRequest {
            offer: &offer.sdp,
            camera_profile: stats.profile_level_id.load(Relaxed),
            candidates: &candidates,
            local_ufrag: &credentials.ufrag,
            local_password: &credentials.password,
            ssrc,
            resend,
        };
        let (answered, accepted) = match Answered::accept(&self.identity, &request, now_us) {
            Ok(accepted) => accepted,
            Err(error) => {
                let words = Some(error.to_string());
                self.sessions.borrow_mut().release(session, Ended::HandshakeFailed, words);
                return Err(refusal(error));
            }
        };
        credentials.peer = answered.peer();
        let Accepted { answer, remote_ufrag, payload_type, playout_delay_id, .. } = accepted;
        self.sessions.borrow_mut().name_remote(session, remote_ufrag);
        let rtp_params = RtpParams {
            ssrc,
            payload_type,
            playout_delay_id,
            timestamp_offset: u32::from_be_bytes(random()),
            is_resending: resend,
        };
        let active = Active {
            session,
            client: offer.client,
            answered,
            handshake: None,
            held: None,
            rtp_params,
            camera,
            begun_us: None,
            checked_us: now_us,
            alias: None,
            candidates: candidates.as_slice().into(),
            account: None,
        };
        self.media.borrow().send(Command::Expect(Box::new(Expect { session, credentials })));
        Ok((OfferAnswer { sdp: answer, secret, etag }, Box::new(active)))
    }

    /// New local ICE credentials. The ufrag begins with the session's slot in hexadecimal.
    pub(super) fn credentials(&self, slot: u16) -> IceCredentials {
        let mut ufrag = heapless::String::new();
        let random: heapless::String<8, u8> = self.random_text();
        // Fits: four digits and eight characters are the capacity of the string.
        let _ = std::fmt::write(&mut ufrag, format_args!("{slot:04x}{random}"));
        IceCredentials { ufrag, password: self.random_text(), peer: Peer::none() }
    }
}

/// A refusal that asks the client to try again in [`RETRY_FULL_S`].
fn full(why: &dyn std::fmt::Display) -> OfferRefusal {
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
