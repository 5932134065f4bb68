//! What `weir verify` is asked to look at, and the limits that its rules hold.

use std::path::Path;

use super::http::SiteTrust;
use super::site::SiteUrl;
use crate::limits::{VERIFY_SAMPLE_DEFAULT, VERIFY_SECONDS_DEFAULT, VERIFY_TOKEN_FILE_BYTES_MAX};
use crate::storage::file_text;

/// Which weir is looked at, and how.
#[derive(Clone)]
pub struct VerifyOptions {
    /// Where the weir is.
    pub site: SiteUrl,
    /// By what its certificate is judged.
    pub trust: SiteTrust,
    /// Sent as `Authorization: Bearer`; an operator's, for all rules.
    pub token: Option<String>,
    /// How many cameras get a session; `None` for all of them.
    pub sample: Option<usize>,
    /// Seconds of media of each session.
    pub seconds: u64,
    /// The limits of the rules.
    pub limits: VerifyLimits,
}

impl VerifyOptions {
    /// A look at this weir with all defaults.
    pub fn of(site: SiteUrl) -> Self {
        Self {
            site,
            trust: SiteTrust::Undecided,
            token: None,
            sample: Some(VERIFY_SAMPLE_DEFAULT),
            seconds: VERIFY_SECONDS_DEFAULT,
            limits: VerifyLimits::default(),
        }
    }
}

/// The token in a file: its first line.
///
/// # Errors
/// The file cannot be read, or has no token; a sentence.
pub fn token_in(path: &Path) -> Result<String, String> {
    let text = file_text(path, VERIFY_TOKEN_FILE_BYTES_MAX);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(format!("{}: its first line is empty", path.display())),
    }
}

/// What the rules compare with.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyLimits {
    /// The build id that is expected, or its first digits.
    pub build_id: Option<String>,
    /// How many cameras are expected.
    pub cameras: Option<usize>,
    /// Percent of the packets that may be lost.
    pub loss_percent: f64,
    /// Milliseconds of the round trip that 95 % of the checks have to keep.
    pub latency_ms: f64,
    /// Milliseconds of jitter between frames.
    pub jitter_ms: f64,
    /// Percent of one core that weir may use.
    pub cpu_percent: f64,
    /// Percent of a camera's frames that have to come whole.
    pub frames_percent: f64,
}

impl Default for VerifyLimits {
    fn default() -> Self {
        Self {
            build_id: None,
            cameras: None,
            loss_percent: 0.1,
            latency_ms: 100.0,
            jitter_ms: 30.0,
            // One thread sends all media: above this it has nothing in hand.
            cpu_percent: 80.0,
            // Cameras' clocks and rates are rough.
            frames_percent: 80.0,
        }
    }
}
