//! What a simulation saw, so that none passes because nothing happened in it.

use std::collections::BTreeMap;

/// How often each thing happened.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    pub(super) fn note(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// How often the rarest of all that a simulation must have seen was seen.
    pub(super) fn rarest(&self) -> u64 {
        const ALL: [&str; 18] = [
            "answered",
            "behind",
            "camera removed",
            "connected",
            "deleted",
            "ended by media",
            "evicted",
            "full",
            "handshake evicted",
            "handshake failed",
            "handshake timed out",
            "left the queue",
            "no longer let in",
            "replaced",
            "restart refused",
            "restarted",
            "surplus",
            "waited for a slot",
        ];
        ALL.iter().map(|what| self.of(what)).min().unwrap_or(0)
    }
}
