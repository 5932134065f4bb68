//! What is kept of the browser's ICE descriptions in its offer, to tell what a later fragment is
//! about.
//!
//! The sections of an offer may have credentials each of their own. One section's transport is
//! that of all in BUNDLE, and candidates for the others may still come. It is bounded by
//! [`OFFER_MEDIA_MAX`] and [`SECTION_NAME_BYTES_MAX`].

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::limits::{OFFER_MEDIA_MAX, SECTION_NAME_BYTES_MAX};

/// The browser's ICE generations of one session, and which section they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteIce {
    /// The name of the section whose transport is used. Empty if it has none, or a long one.
    section: heapless::String<SECTION_NAME_BYTES_MAX, u8>,
    /// The browser's ufrag, and the one before the last ICE restart.
    ufrags: [Box<str>; 2],
    /// Hashes of the ufrags that the offer has for other sections.
    others: heapless::Vec<u32, OFFER_MEDIA_MAX>,
}

impl RemoteIce {
    /// Keeps an offer's: the ufrag that is used, the name of its section, and all ufrags.
    pub fn new<'a>(
        ufrag: &str,
        section: Option<&str>,
        all: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let section = section.and_then(|name| name.try_into().ok()).unwrap_or_default();
        let others = all.into_iter().filter(|other| *other != ufrag).map(hash);
        let ufrags = [ufrag.into(), Box::default()];
        // No more than the sections, of which an offer has no more than this.
        Self { section, ufrags, others: others.take(OFFER_MEDIA_MAX).collect() }
    }

    /// The browser's part of the USERNAME in its checks.
    pub fn ufrag(&self) -> &str {
        &self.ufrags[0]
    }

    /// The name of the section whose transport is used, if it is known.
    pub fn section(&self) -> Option<&str> {
        Some(&*self.section).filter(|name| !name.is_empty())
    }

    /// Whether `ufrag` is the browser's present or previous one, or one that its offer had for
    /// another section. Candidates for those may still arrive.
    pub fn knows(&self, ufrag: &str) -> bool {
        self.ufrags.iter().any(|known| **known == *ufrag) || self.others.contains(&hash(ufrag))
    }

    /// Keeps the ufrag of an ICE restart beside the one before.
    pub fn restarted(&mut self, ufrag: &str) {
        self.ufrags.swap(0, 1);
        self.ufrags[0] = ufrag.into();
    }
}

/// Four bytes that tell ufrags apart; a browser that makes two of the same can only ignore its own
/// restart.
fn hash(ufrag: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    ufrag.hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ufrags_of_all_sections_and_of_one_restart_are_known() {
        let mut ice = RemoteIce::new("sound", Some("0"), ["sound", "video"]);
        assert_eq!((ice.ufrag(), ice.section()), ("sound", Some("0")));
        assert!(ice.knows("sound") && ice.knows("video") && !ice.knows("other"));
        ice.restarted("again");
        assert!(ice.knows("again") && ice.knows("sound") && ice.knows("video"));
        ice.restarted("more");
        assert!(ice.knows("again") && !ice.knows("sound"));
    }

    #[test]
    fn the_longest_name_is_kept_and_a_longer_one_is_none() {
        let name = |bytes| "x".repeat(bytes);
        let kept = |bytes| RemoteIce::new("a", Some(&name(bytes)), []).section().is_some();
        assert!(kept(SECTION_NAME_BYTES_MAX) && !kept(SECTION_NAME_BYTES_MAX + 1));
        assert_eq!(RemoteIce::new("a", None, []).section(), None);
        let all = ["b"; 2 * OFFER_MEDIA_MAX];
        assert_eq!(RemoteIce::new("a", None, all).others.len(), OFFER_MEDIA_MAX);
    }
}
