//! PATCH of a session: candidates that a browser found later, and ICE restarts.
//!
//! A restart gives a live session a second pair of ICE credentials. The media thread decides which
//! pair is in use ([`crate::webrtc::consent::Pairs`]). str0m has no part in it: it was dropped when
//! the session was connected. A session may restart once in [`crate::limits::SESSION_RESTART_US`],
//! and not while the media thread is behind with its commands. A refused PATCH never ends the
//! session.

use std::net::SocketAddr;

use crate::hex;
use crate::limits::CANDIDATES_MAX;
use crate::media::{Command, Expect};
use crate::mem::accounts;
use crate::random::random;
use crate::status::TABLES;
use crate::webrtc::credentials::{IceCredentials, Peer};
use crate::webrtc::fragment::{self, Fragment};

use super::{BrowserHandshake, IfMatch, MediaLink, Patch, PatchRefusal, Patched, Signalling};

impl<H: BrowserHandshake> Signalling<H> {
    /// Handles a PATCH. `candidates` gives our addresses for the answer to a restart.
    ///
    /// Candidates are not needed, as weir learns a browser's addresses from its checks. Those of an
    /// earlier or unknown generation are ignored without an error (RFC 8838 section 11). New
    /// credentials mean a restart, and the request must name the credentials it replaces.
    ///
    /// # Errors
    /// A [`PatchRefusal`], each with its HTTP status.
    pub(crate) fn patch(
        &mut self,
        patch: &Patch,
        candidates: impl FnOnce() -> heapless::Vec<SocketAddr, CANDIDATES_MAX>,
        link: &impl MediaLink,
        now_us: u64,
    ) -> Result<Patched, PatchRefusal> {
        let session = self.sessions.find(&patch.secret).ok_or(PatchRefusal::NoSession)?;
        let record = self.sessions.record(session).ok_or(PatchRefusal::NoSession)?;
        let fragment = Fragment::read(&patch.fragment, record.remote_ice.section())
            .map_err(|error| PatchRefusal::BadFragment(error.to_string()))?;
        if !patch.if_match.admits(&record.etag) {
            return Err(PatchRefusal::Unmatched);
        }
        let (Some(ufrag), Some(password)) = (fragment.ufrag, fragment.password) else {
            return Ok(Patched::Unchanged);
        };
        if record.remote_ice.knows(ufrag) {
            return Ok(Patched::Unchanged);
        }
        if patch.if_match == IfMatch::Absent {
            return Err(PatchRefusal::Unconditional);
        }
        record.admits_restart(now_us)?;
        if link.is_behind() {
            TABLES.commands.was_full();
            return Err(PatchRefusal::Behind);
        }
        let etag = hex::text(&random::<8>());
        accounts::shared(|| record.restarted(etag.clone(), ufrag, now_us));
        let mut credentials = IceCredentials::random(session.slot);
        credentials.peer = Peer::new(ufrag, password.0);
        let fragment = fragment::answer(fragment.section.as_ref(), &credentials, &candidates());
        link.command(Command::Restart(Box::new(Expect { session, credentials })));
        Ok(Patched::Restarted { fragment, etag })
    }
}
