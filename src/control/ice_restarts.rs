//! PATCH of a session: candidates that a browser found later, and ICE restarts.
//!
//! A restart gives a live session a second pair of ICE credentials. The media thread decides which
//! pair is in use ([`crate::webrtc::consent::Pairs`]). str0m has no part in it: it was dropped when
//! the session was connected. A session may restart once in [`crate::limits::SESSION_RESTART_US`],
//! and not while the media thread is behind with its commands. A refused PATCH never ends the
//! session.

use crate::clock;
use crate::hex;
use crate::media::{Command, Expect};
use crate::mem::accounts;
use crate::random::random;
use crate::status::TABLES;
use crate::webrtc::credentials::Peer;
use crate::webrtc::fragment::{self, Fragment};

use super::{Control, Patch, PatchRefusal, Patched};

impl Control {
    /// Handles a PATCH.
    ///
    /// Candidates are not needed, as weir learns a browser's addresses from its checks. Those of an
    /// earlier or unknown generation are ignored without an error (RFC 8838 section 11). New
    /// credentials mean a restart, and the request must name the credentials it replaces.
    ///
    /// # Errors
    /// A [`PatchRefusal`], each with its HTTP status.
    pub fn patch(&self, patch: &Patch) -> Result<Patched, PatchRefusal> {
        let state = &self.0;
        let session = state.sessions.borrow().find(&patch.secret).ok_or(PatchRefusal::NoSession)?;
        let fragment = Fragment::read(&patch.fragment)
            .map_err(|error| PatchRefusal::BadFragment(error.to_string()))?;
        let mut sessions = state.sessions.borrow_mut();
        let record = sessions.record(session).ok_or(PatchRefusal::NoSession)?;
        if !patch.if_match.admits(&record.etag) {
            return Err(PatchRefusal::Unmatched);
        }
        let (Some(ufrag), Some(password)) = (fragment.ufrag, fragment.password) else {
            return Ok(Patched::Unchanged);
        };
        if record.knows(ufrag) {
            return Ok(Patched::Unchanged);
        }
        if patch.if_match == super::IfMatch::Absent {
            return Err(PatchRefusal::Unconditional);
        }
        let now_us = clock::now_us();
        record.admits_restart(now_us)?;
        if state.media.borrow().is_behind() {
            TABLES.commands.was_full();
            return Err(PatchRefusal::Behind);
        }
        let etag = hex::text(&random::<8>());
        accounts::shared(|| record.restarted(etag.clone(), ufrag, now_us));
        let mut credentials = state.credentials(session.slot);
        credentials.peer = Peer::new(ufrag, password.0);
        let candidates = state.candidates(patch.asked);
        let fragment = fragment::answer(fragment.section.as_ref(), &credentials, &candidates);
        state.media.borrow().send(Command::Restart(Box::new(Expect { session, credentials })));
        Ok(Patched::Restarted { fragment, etag })
    }
}
