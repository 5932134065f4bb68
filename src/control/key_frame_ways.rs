//! The ways to ask one camera for a key frame, and what was learnt of each: RTCP, which the media
//! thread sends, and ONVIF.
//!
//! RTCP comes first, as it costs nothing. Where there is ONVIF too, that is asked once RTCP has had
//! [`KEY_FRAME_RTCP_US`]. A key frame that begins in time says that the way asked last works; after
//! [`KEY_FRAME_FAILURES_MAX`] failures in a row a way is not asked any more. This has neither clock
//! nor network.

use super::onvif::{OnvifError, OnvifService};
use crate::limits::{KEY_FRAME_ANSWER_US_MAX, KEY_FRAME_FAILURES_MAX, KEY_FRAME_RTCP_US};

/// What is known of one camera's ways, from one change of its section to the next.
#[derive(Debug, Default)]
pub(super) struct KeyFrameWays {
    rtcp: Way,
    /// `None` without a port for ONVIF.
    onvif: Option<Way>,
    service: Option<OnvifService>,
    /// Why the last conversation failed.
    problem: Option<String>,
    stage: Stage,
    /// The service was looked for, or is being, since the camera plays.
    is_prepared: bool,
    /// A viewer's request that came while another was under way, by its time.
    waiting_us: Option<u64>,
}

/// What was learnt of one way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Way {
    failures: u8,
    has_worked: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Rest,
    /// The media thread asked by RTCP, or found that in vain, at this time.
    Rtcp { asked_us: u64 },
    /// A conversation is under way; with `for_key_frame` it ends with a request.
    Conversing,
    /// The camera took the request that was made at this time.
    Onvif { asked_us: u64 },
}

/// What to do next for a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFrameStep {
    /// Nothing, before something happens.
    Rest,
    /// Look again at this time.
    At(u64),
    /// Begin a conversation: for a key frame, or only to find the camera's service.
    Converse { for_key_frame: bool },
}

impl Way {
    fn is_given_up(self) -> bool {
        self.failures >= KEY_FRAME_FAILURES_MAX
    }

    fn worked(&mut self) {
        *self = Self { failures: 0, has_worked: true };
    }

    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// As `/api/cameras` has it.
    fn name(self) -> &'static str {
        match self {
            Self { failures, .. } if failures >= KEY_FRAME_FAILURES_MAX => "given up",
            Self { has_worked: true, .. } => "works",
            Self { failures: 0, .. } => "untried",
            Self { .. } => "unanswered",
        }
    }
}

impl KeyFrameWays {
    /// Nothing is known of the camera yet.
    pub(super) fn new(has_onvif: bool) -> Self {
        Self { onvif: has_onvif.then(Way::default), ..Self::default() }
    }

    /// The camera was asked at `asked_us`, for its viewers.
    pub(super) fn asked(&mut self, asked_us: u64) {
        match self.stage {
            Stage::Rest => self.stage = Stage::Rtcp { asked_us },
            _ => self.waiting_us = Some(asked_us),
        }
    }

    /// The camera has a new connection.
    pub(super) fn plays(&mut self) {
        self.is_prepared = false;
    }

    /// Looks for the service of a camera that plays, once, so that the first request is not the
    /// slowest.
    pub(super) fn prepare(&mut self) -> KeyFrameStep {
        let is_needed = !self.is_prepared && self.service.is_none() && self.can_converse();
        if self.stage != Stage::Rest || !is_needed {
            return KeyFrameStep::Rest;
        }
        self.is_prepared = true;
        self.stage = Stage::Conversing;
        KeyFrameStep::Converse { for_key_frame: false }
    }

    /// What to do at `now_us`, where the newest key frame began at `key_frame_us`. The caller does
    /// it.
    pub(super) fn next(&mut self, key_frame_us: u64, now_us: u64) -> KeyFrameStep {
        loop {
            match self.stage {
                Stage::Rest => match self.waiting_us.take() {
                    Some(asked_us) if key_frame_us < asked_us => {
                        self.stage = Stage::Rtcp { asked_us };
                    }
                    _ => return KeyFrameStep::Rest,
                },
                Stage::Rtcp { asked_us } => {
                    if let Some(step) = self.after_rtcp(asked_us, key_frame_us, now_us) {
                        return step;
                    }
                }
                Stage::Conversing => return KeyFrameStep::Rest,
                Stage::Onvif { asked_us } => {
                    let until_us = asked_us + KEY_FRAME_ANSWER_US_MAX;
                    let way = self.onvif.get_or_insert_default();
                    if key_frame_us >= asked_us {
                        way.worked();
                    } else if now_us < until_us {
                        return KeyFrameStep::At(until_us);
                    } else {
                        self.onvif_failed("it takes the request, and makes no key frame", false);
                    }
                    self.stage = Stage::Rest;
                }
            }
        }
    }

    fn after_rtcp(
        &mut self,
        asked_us: u64,
        key_frame_us: u64,
        now_us: u64,
    ) -> Option<KeyFrameStep> {
        let (is_asked, has_onvif) = (!self.rtcp.is_given_up(), self.can_converse());
        let wait_us = match (is_asked, has_onvif) {
            (false, _) => 0,
            (true, true) => KEY_FRAME_RTCP_US,
            (true, false) => KEY_FRAME_ANSWER_US_MAX,
        };
        if key_frame_us >= asked_us {
            if is_asked {
                self.rtcp.worked();
            }
            self.stage = Stage::Rest;
            return None;
        }
        if now_us < asked_us + wait_us {
            return Some(KeyFrameStep::At(asked_us + wait_us));
        }
        if is_asked {
            self.rtcp.failed();
        }
        if has_onvif {
            self.stage = Stage::Conversing;
            return Some(KeyFrameStep::Converse { for_key_frame: true });
        }
        self.stage = Stage::Rest;
        None
    }

    /// A conversation has ended; `Ok` with the time of the request, if it was for a key frame.
    pub(super) fn conversed(&mut self, ended: Result<(OnvifService, Option<u64>), OnvifError>) {
        self.stage = Stage::Rest;
        match ended {
            Ok((service, asked_us)) => {
                self.service = Some(service);
                self.problem = None;
                if let Some(asked_us) = asked_us {
                    self.stage = Stage::Onvif { asked_us };
                }
            }
            Err(error) if error.is_ours() => {}
            Err(error) => self.onvif_failed(&error.to_string(), error.needs_person()),
        }
    }

    fn onvif_failed(&mut self, problem: &str, is_final: bool) {
        let way = self.onvif.get_or_insert_default();
        way.failed();
        if is_final {
            way.failures = KEY_FRAME_FAILURES_MAX;
        }
        if way.is_given_up() {
            // RTCP had little time beside it: it is judged again, alone.
            self.rtcp.failures = 0;
            self.service = None;
        }
        self.problem = Some(problem.to_owned());
    }

    fn can_converse(&self) -> bool {
        self.onvif.is_some_and(|way| !way.is_given_up())
    }

    /// What is known of the camera's ONVIF services.
    pub(super) fn service(&self) -> Option<OnvifService> {
        self.service.clone()
    }

    /// Whether asking by RTCP is in vain.
    pub(super) fn is_rtcp_in_vain(&self) -> bool {
        self.rtcp.is_given_up()
    }

    /// Why it is not asked by ONVIF any more, if it is not.
    pub(super) fn given_up_for(&self) -> Option<&str> {
        let is_given_up = self.onvif.is_some_and(Way::is_given_up);
        self.problem.as_deref().filter(|_| is_given_up)
    }

    /// How RTCP does, and ONVIF if it is configured, as `/api/cameras` has it.
    pub(super) fn names(&self) -> (&'static str, Option<&'static str>) {
        (self.rtcp.name(), self.onvif.map(Way::name))
    }

    /// Why the last conversation by ONVIF failed, if it did.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

#[cfg(test)]
#[path = "key_frame_ways_tests.rs"]
mod tests;
