//! `weir verify`: looks at a weir over the network, as its viewers and its operator see it, and
//! says which rules it keeps.
//!
//! [`collect`] finds the facts: over HTTP ([`http`], [`site`]) what weir tells of itself
//! ([`facts`]), and in a real session with each camera of a sample ([`session`]) what comes of its
//! media. [`rules`] and [`session_rules`] judge them, each rule by itself and without looking at
//! anything but facts; [`report`] shows what they say, and [`mod@watch`] what they say over hours.
//!
//! `weir selftest` has sessions of the same kind, all at once ([`together`]), and its rules say
//! what they say in the same words.
//!
//! It runs in a process of its own, on the box or elsewhere, and takes nothing of the memory of the
//! weir that it looks at but what any viewer takes. What it reads of the network is bounded.

mod answer;
mod checks;
mod collect;
mod facts;
mod http;
mod latency;
mod options;
mod reception;
mod report;
mod reports;
mod rules;
mod session;
mod session_rules;
mod site;
mod together;
mod watch;

use tokio::task::LocalSet;

pub(crate) use facts::{Facts, StatusFacts};
pub use http::SiteTrust;
pub(crate) use http::{Asked, HttpClient};
pub(crate) use latency::LatencyCounts;
pub use options::{VerifyLimits, VerifyOptions, token_in};
pub use report::VerifyReport;
pub(crate) use report::{aligned, missed, misses, rules_json, rules_table, sentence, verdict};
pub use rules::{Finding, RuleVerdict};
pub(crate) use rules::{Judgement, judge_by};
pub(crate) use session::{SessionFacts, look};
pub use site::SiteUrl;
pub(crate) use together::{SessionGroup, SessionPlan};
pub use watch::{WatchSummary, watch, watch_duration};

/// Characters of a text of the network that are shown.
const SHOWN_CHARS_MAX: usize = 200;

/// Looks once, and judges what it found.
///
/// # Errors
/// The token cannot be sent, or this machine has no random bytes; a sentence.
pub async fn verify(options: &VerifyOptions) -> Result<VerifyReport, String> {
    let facts = LocalSet::new().run_until(collect::collect(options)).await?;
    Ok(VerifyReport::of(options.site.to_string(), facts, &options.limits))
}

/// A text of the network for a terminal: without control characters, and cut.
fn printable(text: &str) -> String {
    let sign = |sign: char| if sign.is_control() { ' ' } else { sign };
    text.chars().take(SHOWN_CHARS_MAX).map(sign).collect()
}
