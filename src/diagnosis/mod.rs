//! What is wrong with a camera or a viewer, in words, with what to do about it.
//!
//! This is the one place that decides so. It owns no counter and has no clock: pure functions make
//! findings of figures that are there anyway ([`crate::status`], the errors of a dial), when a
//! console or an API asks for them, and once a second for the log. Each finding has a code that
//! does not change; docs/api.md has all of them. Nothing is allocated before it is shown.

mod camera;
mod picture;
mod samples;
mod session;

use std::fmt::Display;

use serde::ser::{Serialize, SerializeSeq as _, SerializeStruct as _, Serializer};

use crate::limits::CAMERA_FINDINGS_MAX;

pub use camera::CameraFinding;
pub use picture::CameraFigures;
pub use samples::CameraSamples;
pub use session::{SessionFigures, SessionFinding};

/// What was found of one camera.
pub type CameraFindings = Findings<CameraFinding, CAMERA_FINDINGS_MAX>;
/// What was found of one session: the likeliest cause alone.
pub type SessionFindings = Findings<SessionFinding, 1>;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingSeverity {
    /// There is no picture, or no connection.
    Error,
    /// The picture suffers, or a password does.
    Warning,
    /// Good to know.
    Note,
}

impl FindingSeverity {
    /// The word for it in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something found, which says in words what it is.
pub trait Diagnosis: Display {
    /// Its stable code.
    fn code(&self) -> &'static str;
    /// How grave it is.
    fn severity(&self) -> FindingSeverity;
    /// What to do about it.
    fn advice(&self) -> &'static str;

    /// Words and advice, for the log.
    fn sentence(&self) -> String {
        format!("{self}; {}", self.advice())
    }

    /// A reason that has more to tell than the words, with the advice.
    fn explained(&self, reason: &str) -> String {
        let advice = self.advice();
        if reason.ends_with(advice) { reason.to_owned() } else { format!("{reason}; {advice}") }
    }
}

/// At most `MAX` findings, the gravest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings<F, const MAX: usize>(heapless::Vec<F, MAX>);

impl<F: Diagnosis, const MAX: usize> Findings<F, MAX> {
    /// A list without a finding, for what is well.
    pub const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    /// All of them, the gravest first.
    pub fn iter(&self) -> impl Iterator<Item = &F> {
        self.0.iter()
    }

    /// Adds one behind those that are as grave. Where there is no room the last one is left out.
    pub fn add(&mut self, finding: F) {
        let severity = finding.severity();
        let place = self.0.iter().take_while(|known| known.severity() <= severity).count();
        if place == MAX {
            return;
        }
        if self.0.is_full() {
            self.0.pop();
        }
        // There is room now, and the place is within the list.
        let _ = self.0.insert(place, finding);
    }
}

impl<F: Diagnosis, const MAX: usize> Default for Findings<F, MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Diagnosis, const MAX: usize> FromIterator<F> for Findings<F, MAX> {
    fn from_iter<I: IntoIterator<Item = F>>(found: I) -> Self {
        let mut findings = Self::new();
        for finding in found {
            findings.add(finding);
        }
        findings
    }
}

/// A finding as the API shows it.
struct Shown<'f, F>(&'f F);

impl<F: Diagnosis> Serialize for Shown<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("finding", 4)?;
        shown.serialize_field("code", self.0.code())?;
        shown.serialize_field("severity", self.0.severity().name())?;
        shown.serialize_field("words", &format_args!("{}", self.0))?;
        shown.serialize_field("advice", self.0.advice())?;
        shown.end()
    }
}

impl<F: Diagnosis, const MAX: usize> Serialize for Findings<F, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for finding in &self.0 {
            list.serialize_element(&Shown(finding))?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests;
