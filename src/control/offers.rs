//! Offers: from a POST to an answer, through the tables that may be full.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::access::Owner;
use crate::clock;
use crate::egress::subscription::RtpParams;
use crate::limits::{
    CAMERA_START_WAIT_US, OFFER_WAIT_US, PROFILE, SESSION_EVICTABLE_US, SESSION_OWN_EVICTABLE_US,
};
use crate::media::{Command, Expect};
use crate::mem::accounts::{self, Account, Kind};
use crate::status::{self, TABLES};
use crate::webrtc::credentials::Credentials;
use crate::webrtc::credentials::Peer;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{Accepted, Answered, Request};
use crate::webrtc::offer::OfferError;

use super::cameras::number;
use super::handshakes::{Active, Permit};
use super::{Answer, Control, Offer, Refusal, State};

/// How often it is looked whether a camera has started.
const CAMERA_START_LOOK: Duration = Duration::from_millis(20);
/// When to ask again after a table was full.
const RETRY_FULL_S: u32 = 2;

impl Control {
    /// Answers an offer, waiting for a handshake slot where it must.
    ///
    /// # Errors
    /// A [`Refusal`], each with its HTTP status.
    pub async fn offer(&self, offer: Offer) -> Result<Answer, Refusal> {
        let state = &self.0;
        state.started(&offer.camera).await;
        state.admitting(&offer.camera)?;
        let peer = offer.peer.ip();
        state.make_room(peer, &offer.owner)?;
        let permit = state.slot(offer.client).await?;
        // While it waited the camera may have got another slot, or none.
        let camera = state.admitting(&offer.camera)?;
        // Nor need the user, token or login be there any more.
        state.admits_owner(&offer.owner)?;
        state.make_room(peer, &offer.owner)?;
        let answer = state.begin(&offer, camera);
        drop(permit);
        state.grant_next();
        answer
    }

    /// Ends a session by its secret; whether there was one.
    pub fn end(&self, secret: &str) -> bool {
        let found = self.0.sessions.borrow().find(secret);
        if let Some(session) = found {
            self.0.end(session, Ended::Deleted, None);
        }
        found.is_some()
    }

    /// Ends a session by its public id, as an operator asks for.
    ///
    /// # Errors
    /// Why there is none.
    pub fn end_by_id(&self, id: u64) -> Result<(), String> {
        let found = self.0.sessions.borrow().find_by_id(id);
        let Some(session) = found else { return Err(self.0.sessions.borrow().absence_of(id)) };
        self.0.end(session, Ended::Operator, None);
        Ok(())
    }
}

impl State {
    /// Waits for a camera that is on its way, as when a wall is opened while the box starts.
    async fn started(&self, name: &str) {
        let until_us = clock::now_us() + CAMERA_START_WAIT_US;
        let is_starting =
            || self.slot_of(name).is_some_and(|slot| self.cameras[slot].is_starting(slot));
        while is_starting() && clock::now_us() < until_us {
            sleep(CAMERA_START_LOOK).await;
        }
    }

    /// The slot of a camera, while there is one of the name.
    fn slot_of(&self, name: &str) -> Option<usize> {
        self.cameras.iter().position(|camera| camera.is(name))
    }

    /// The slot of a camera that a viewer may join now.
    fn admitting(&self, name: &str) -> Result<u16, Refusal> {
        let slot = self.slot_of(name).ok_or(Refusal::UnknownCamera)?;
        self.cameras[slot].admits(slot)?;
        Ok(number(slot))
    }

    /// Refuses an owner who was let in, and would not be now.
    fn admits_owner(&self, owner: &Owner) -> Result<(), Refusal> {
        let problem = owner.problem(&self.config().access).or_else(|| {
            let login = owner.login()?;
            (!self.guard.has_login(login)).then(|| Ended::LoggedOut.reason())
        });
        problem.map_or(Ok(()), |problem| Err(Refusal::NotLetIn(problem)))
    }

    /// Makes sure that a session finds room for `peer`: an offer that no check came for makes it,
    /// of the viewer who has most, or a session that is silent. A player that vanished and asks
    /// again does not wait until its old session is known to be silent: for its own address that
    /// takes less. Where all live, the viewer who has most sessions gives one to a viewer who has
    /// fewer.
    fn make_room(&self, peer: IpAddr, owner: &Owner) -> Result<(), Refusal> {
        if self.media.borrow().is_behind() {
            TABLES.commands.was_full();
            let reason = "the media thread is behind with its commands".to_owned();
            return Err(Refusal::Full { reason, retry_after_s: RETRY_FULL_S });
        }
        if !self.sessions.borrow().is_full() {
            return Ok(());
        }
        TABLES.sessions.was_full();
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
        drop(handshakes);
        let Some((session, ended)) = found else {
            let reason = format!("sessions full, max {}", PROFILE.sessions);
            return Err(Refusal::Full { reason, retry_after_s: RETRY_FULL_S });
        };
        self.end(session, ended, None);
        Ok(())
    }

    /// Waits for a handshake slot.
    async fn slot(&self, client: IpAddr) -> Result<Permit, Refusal> {
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
        // The driver may have to evict a quiet handshake now that somebody waits.
        self.begun.notify_one();
        match timeout(Duration::from_micros(OFFER_WAIT_US), grant).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let limit_s = OFFER_WAIT_US / 1_000_000;
                Err(full(&format_args!("no handshake slot within {limit_s} s")))
            }
        }
    }

    /// Grants free slots to those who wait.
    pub(super) fn grant_next(&self) {
        let handshakes = self.handshakes.borrow();
        let shares = handshakes.shares();
        let mut waiting = self.offers.borrow_mut();
        while handshakes.has_room() {
            let Some(waiter) = waiting.next(|client| shares.of(client)) else { return };
            // One that left in the meantime drops its permit.
            let _ = waiter.send(handshakes.permit());
        }
    }

    /// Answers the offer; the browser's first check begins the handshake.
    fn begin(&self, offer: &Offer, camera: u16) -> Result<Answer, Refusal> {
        // It outlives the connection that the offer came by.
        let account = Account::open(Kind::Offer).map_err(|refused| full(&refused))?;
        let (answer, mut active) = account.enter(|| self.answer(offer, camera))?;
        let Answer { sdp, secret, etag } = answer;
        // Copied, so that what is sent back is the connection's.
        let answer = Answer { sdp: sdp.clone(), secret, etag };
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

    fn answer(&self, offer: &Offer, camera: u16) -> Result<(Answer, Box<Active>), Refusal> {
        let now_us = clock::now_us();
        let secret = hex(&self.random::<16>());
        let etag = hex(&self.random::<8>());
        let ssrc = u32::from_be_bytes(self.random()) | 1;
        let candidates = self.candidates(offer.asked);
        let mut sessions = self.sessions.borrow_mut();
        let admitted = sessions.admit(camera, offer, secret.clone(), etag.clone());
        drop(sessions);
        let session = admitted.map_err(|error| full(&error))?;
        let mut credentials = self.credentials(session.slot);
        let resend = self.config().webrtc.resend;
        let stats = &status::CAMERAS[usize::from(camera)];
        let request = Request {
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
            timestamp_offset: u32::from_be_bytes(self.random()),
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
        Ok((Answer { sdp: answer, secret, etag }, Box::new(active)))
    }

    /// Credentials that name the session's slot.
    pub(super) fn credentials(&self, slot: u16) -> Credentials {
        let mut ufrag = heapless::String::new();
        let random: heapless::String<8, u8> = self.random_text();
        // Four digits and eight characters are what the string is made for.
        let _ = std::fmt::write(&mut ufrag, format_args!("{slot:04x}{random}"));
        Credentials { ufrag, password: self.random_text(), peer: Peer::none() }
    }
}

/// Try again in a moment.
fn full(why: &dyn std::fmt::Display) -> Refusal {
    Refusal::Full { reason: why.to_string(), retry_after_s: RETRY_FULL_S }
}

fn refusal(error: OfferError) -> Refusal {
    match error {
        error if error.is_unsupported() => Refusal::Unsupported(error.to_string()),
        OfferError::NoCandidate => {
            Refusal::NotReady { reason: error.to_string(), retry_after_s: 5 }
        }
        error => Refusal::BadOffer(error.to_string()),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
