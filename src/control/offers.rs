//! What players ask for, with the waits that [`crate::signalling`] has not: an offer waits for its
//! camera to start and for a handshake slot.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::access::Owner;
use crate::clock;
use crate::limits::{CAMERA_START_WAIT_US, OFFER_WAIT_US};
use crate::media::SessionId;
use crate::signalling::{self, AnswerTerms, Permit, Turn, full};
use crate::sound::SoundCodec;
use crate::status;
use crate::webrtc::ended::Ended;

use super::{
    Control, OfferAnswer, OfferRefusal, OfferRequest, Patch, PatchRefusal, Patched, State,
};

/// How often to look whether a camera has started.
const CAMERA_START_LOOK: Duration = Duration::from_millis(20);

impl Control {
    /// Answers an offer. Waits for the camera to start and for a handshake slot if it must.
    ///
    /// # Errors
    /// A [`OfferRefusal`], each with its HTTP status.
    pub async fn offer(&self, offer: OfferRequest) -> Result<OfferAnswer, OfferRefusal> {
        let state = &self.0;
        state.started(&offer.camera).await;
        let (_, profile) = state.cameras.admitting(&offer.camera)?;
        // A session is ended for an offer only when nothing else is in its way.
        signalling::check(&offer.sdp, profile)?;
        state.signalling.borrow().room(
            offer.peer.ip(),
            &offer.owner,
            &*state.media.borrow(),
            clock::now_us(),
        )?;
        let permit = state.turn(offer.client).await?;
        // While it waited the camera may have got another slot or codec, or none.
        let (camera, camera_profile) = state.cameras.admitting(&offer.camera)?;
        // The user, token or login may have been removed as well.
        state.admits_owner(&offer.owner)?;
        let terms = AnswerTerms {
            camera,
            camera_profile,
            sound: sound(camera),
            candidates: &state.candidates(offer.asked),
            resend: state.config.now().webrtc.resend,
        };
        let answer = state.signalling.borrow_mut().open(
            &offer,
            &terms,
            permit,
            &*state.media.borrow(),
            clock::now_us(),
        );
        state.gauge();
        state.signalled.notify_one();
        answer
    }

    /// Handles a PATCH: candidates that a browser found later, or an ICE restart.
    ///
    /// # Errors
    /// A [`PatchRefusal`], each with its HTTP status.
    pub fn patch(&self, patch: &Patch) -> Result<Patched, PatchRefusal> {
        let candidates = || self.0.candidates(patch.asked);
        let (mut signalling, media) = (self.0.signalling.borrow_mut(), self.0.media.borrow());
        signalling.patch(patch, candidates, &*media, clock::now_us())
    }

    /// Ends a session by its secret. Returns whether there was one.
    pub fn end(&self, secret: &str) -> bool {
        let found = self.0.signalling.borrow().sessions().find(secret);
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
        let signalling = self.0.signalling.borrow();
        let sessions = signalling.sessions();
        let session = sessions.find_by_id(id).ok_or_else(|| sessions.absence_of(id))?;
        drop(signalling);
        self.0.end(session, Ended::Operator, None);
        Ok(())
    }
}

impl State {
    /// Waits for a camera that is starting, as when a page is opened while the box boots. Takes at
    /// most [`CAMERA_START_WAIT_US`].
    async fn started(&self, name: &str) {
        let until_us = clock::now_us() + CAMERA_START_WAIT_US;
        let is_starting = || {
            let slot = self.cameras.slot_of(name);
            slot.is_some_and(|slot| self.cameras.slot(slot).is_starting(slot))
        };
        while is_starting() && clock::now_us() < until_us {
            sleep(CAMERA_START_LOOK).await;
        }
    }

    /// Refuses an owner that was admitted before the wait and would not be admitted now.
    fn admits_owner(&self, owner: &Owner) -> Result<(), OfferRefusal> {
        let problem = owner.problem(&self.config.now().access).or_else(|| {
            let login = owner.login()?;
            (!self.guard.has_login(login)).then(|| Ended::LoggedOut.reason())
        });
        problem.map_or(Ok(()), |problem| Err(OfferRefusal::NotLetIn(problem)))
    }

    /// Waits for a handshake slot, at most [`OFFER_WAIT_US`].
    async fn turn(&self, client: IpAddr) -> Result<Permit, OfferRefusal> {
        let turn = self.signalling.borrow_mut().ask(client)?;
        let grant = match turn {
            Turn::Now(permit) => return Ok(permit),
            Turn::Wait(grant) => grant,
        };
        self.gauge();
        // A quiet handshake may have to be evicted now that an offer waits.
        self.signalled.notify_one();
        match timeout(Duration::from_micros(OFFER_WAIT_US), grant).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let limit_s = OFFER_WAIT_US / 1_000_000;
                Err(full(&format_args!("no handshake slot within {limit_s} s")))
            }
        }
    }

    /// Ends a session. `words` replace the reason that `ended` has.
    pub(super) fn end(&self, session: SessionId, ended: Ended, words: Option<String>) {
        let (mut signalling, media) = (self.signalling.borrow_mut(), self.media.borrow());
        signalling.end(session, ended, words, &*media, clock::now_us());
        self.signalled.notify_one();
    }
}

/// The codec of a camera's sound; `None` while it has none that is passed on.
fn sound(camera: u16) -> Option<SoundCodec> {
    SoundCodec::from_number(status::CAMERAS[usize::from(camera)].sound.load(Relaxed))
}
