//! ICE restarts as a viewer makes them.

use str0m::change::{SdpAnswer, SdpPendingOffer};

use super::Viewer;
use crate::common::agent::attribute;
use crate::common::whep::{self, HttpError, Response};

/// The type of a PATCH's body.
pub const PATCH_TYPE: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");

/// A restart that was begun.
pub struct Restart {
    /// What is to be sent.
    pub fragment: String,
    pending: SdpPendingOffer,
}

impl Viewer {
    /// Makes new credentials, which are in use when weir's answer to them is taken.
    pub fn begin_restart(&mut self) -> Restart {
        let mut change = self.rtc.sdp_api();
        change.ice_restart(true);
        let (offer, pending) = change.apply().expect("a change to offer");
        let offer = offer.to_sdp_string();
        let line = |name| format!("a={name}:{}\r\n", attribute(&offer, name).expect("it is there"));
        let section = format!("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n{}", line("mid"));
        let fragment = [line("ice-ufrag"), line("ice-pwd"), section].concat();
        Restart { fragment, pending }
    }

    /// PATCHes the session.
    pub fn patch(&self, if_match: Option<&str>, fragment: &str) -> Result<Response, HttpError> {
        let mut headers = vec![PATCH_TYPE];
        headers.extend(if_match.map(|tag| ("If-Match", tag)));
        whep::request(self.http, "PATCH", &self.location, &headers, fragment)
    }

    /// Takes weir's fragment: the old answer with what is new of it.
    pub fn finish_restart(&mut self, restart: Restart, fragment: &str) {
        for name in ["ice-ufrag", "ice-pwd"] {
            let (old, new) = (attribute(&self.answer, name), attribute(fragment, name));
            let (old, new) = (old.expect("an answer"), new.expect("an answer").to_owned());
            self.answer =
                self.answer.replace(&format!("a={name}:{old}\r\n"), &format!("a={name}:{new}\r\n"));
        }
        let answer = SdpAnswer::from_sdp_string(&self.answer).expect("the answer is SDP");
        let accepted = self.rtc.sdp_api().accept_answer(restart.pending, answer);
        accepted.expect("the answer fits the offer");
    }
}
