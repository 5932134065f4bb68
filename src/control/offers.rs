//! Offers: from a POST to an answer, through the tables that may be full.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::timeout;

use crate::clock;
use crate::egress::subscription::Wiring;
use crate::limits::{OFFER_WAIT_US, PROFILE};
use crate::media::{Command, Expect};
use crate::status;
use crate::webrtc::consent::Credentials;
use crate::webrtc::ended::Ended;
use crate::webrtc::handshake::{Accepted, Handshake, Request};
use crate::webrtc::offer::OfferError;

use super::handshakes::{Active, Permit};
use super::{Answer, Control, Offer, Refusal, State};

/// When to ask again after a table was full.
const RETRY_FULL_S: u32 = 2;

impl Control {
    /// Answers an offer, waiting for a handshake slot where it must.
    ///
    /// # Errors
    /// A [`Refusal`], each with its HTTP status.
    pub async fn offer(&self, offer: Offer) -> Result<Answer, Refusal> {
        let state = &self.0;
        let camera = state
            .cameras
            .iter()
            .position(|camera| camera.name() == offer.camera)
            .ok_or(Refusal::UnknownCamera)?;
        state.cameras[camera].admits(camera)?;
        state.make_room()?;
        let permit = state.slot(offer.peer.ip()).await?;
        state.make_room()?;
        let answer = state.begin(&offer, u16::try_from(camera).unwrap_or(u16::MAX));
        drop(permit);
        state.grant_next();
        answer
    }

    /// Ends a session by its secret; whether there was one.
    pub fn end(&self, secret: &str) -> bool {
        let found = self.0.sessions.borrow().find(secret);
        if let Some(seat) = found {
            self.0.end(seat, Ended::Deleted, None);
        }
        found.is_some()
    }
}

impl State {
    /// Makes sure that a session finds room.
    fn make_room(&self) -> Result<(), Refusal> {
        if !self.sessions.borrow().is_full() {
            return Ok(());
        }
        let evictable = self.sessions.borrow().evictable(clock::now_us());
        let Some(seat) = evictable else {
            let reason = format!("sessions full, max {}", PROFILE.sessions);
            return Err(Refusal::Full { reason, retry_after_s: RETRY_FULL_S });
        };
        self.end(seat, Ended::Evicted, None);
        Ok(())
    }

    /// Waits for a handshake slot.
    async fn slot(&self, peer: IpAddr) -> Result<Permit, Refusal> {
        if self.waiting.borrow_mut().is_empty() && self.handshakes.borrow().has_room() {
            return Ok(self.handshakes.borrow().permit());
        }
        let full = |reason: String| Refusal::Full { reason, retry_after_s: RETRY_FULL_S };
        let grant = self.waiting.borrow_mut().admit(peer);
        let grant = grant.map_err(|error| full(error.to_string()))?;
        // The driver may have to evict a quiet handshake now that somebody waits.
        self.begun.notify_one();
        match timeout(Duration::from_micros(OFFER_WAIT_US), grant).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(full(format!("no handshake slot within {} s", OFFER_WAIT_US / 1_000_000))),
        }
    }

    /// Grants free slots to those who wait.
    pub(super) fn grant_next(&self) {
        let handshakes = self.handshakes.borrow();
        let mut waiting = self.waiting.borrow_mut();
        while handshakes.has_room() {
            let Some(waiter) = waiting.next(|peer| handshakes.count_of(peer)) else { return };
            // One that left in the meantime drops its permit.
            let _ = waiter.send(handshakes.permit());
        }
    }

    /// Begins a handshake in a slot that is free.
    fn begin(&self, offer: &Offer, camera: u16) -> Result<Answer, Refusal> {
        let now_us = clock::now_us();
        let secret = hex(&self.random::<16>());
        let etag = hex(&self.random::<8>());
        let ssrc = u32::from_be_bytes(self.random()) | 1;
        let candidates = self.candidates(offer.asked);
        let admitted = self.sessions.borrow_mut().admit(camera, secret.clone(), etag.clone());
        let seat = admitted.map_err(|full| Refusal::Full {
            reason: full.to_string(),
            retry_after_s: RETRY_FULL_S,
        })?;
        let credentials = self.credentials(seat.slot);
        let resend = self.config.webrtc.resend;
        let card = &status::CAMERAS[usize::from(camera)];
        let request = Request {
            offer: &offer.sdp,
            camera_profile: card.profile_level_id.load(Relaxed),
            candidates: &candidates,
            local_ufrag: &credentials.ufrag,
            local_password: &credentials.password,
            ssrc,
            resend,
        };
        let (handshake, accepted) = match Handshake::accept(&self.identity, &request, now_us) {
            Ok(accepted) => accepted,
            Err(error) => {
                let words = Some(error.to_string());
                let mut sessions = self.sessions.borrow_mut();
                sessions.release(seat, Ended::HandshakeFailed, words, &self.config);
                return Err(refusal(error));
            }
        };
        let Accepted { answer, payload_type, playout_delay_id, .. } = accepted;
        let wiring = Wiring {
            ssrc,
            payload_type,
            playout_delay_id,
            timestamp_offset: u32::from_be_bytes(self.random()),
            is_resending: resend,
        };
        let peer = offer.peer.ip();
        let active = Active {
            seat,
            peer,
            handshake,
            wiring,
            camera,
            begun_us: now_us,
            checked_us: now_us,
            alias: None,
            candidates,
        };
        self.handshakes.borrow_mut().active.push(active);
        self.media.borrow().tell(Command::Expect(Box::new(Expect { seat, credentials })));
        self.begun.notify_one();
        Ok(Answer { sdp: answer, secret, etag })
    }

    /// Credentials that name the session's slot.
    fn credentials(&self, slot: u16) -> Credentials {
        let mut ufrag = heapless::String::new();
        let random: heapless::String<8> = self.random_text();
        // Four digits and eight characters are what the string is made for.
        let _ = std::fmt::write(&mut ufrag, format_args!("{slot:04x}{random}"));
        Credentials { ufrag, password: self.random_text() }
    }
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
