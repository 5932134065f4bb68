//! Credentials that were found right a short while ago, so that a wall of pages which all send the
//! same user and password has it hashed once. Only a keyed hash is kept, with a key that ends with
//! the process.

use ring::hmac;

use crate::limits::{CREDENTIALS_REMEMBERED_MAX, CREDENTIALS_REMEMBERED_US};
use crate::random::random;

/// HMAC-SHA-256 of a user's section, name and password, under the process's key.
pub(super) type CredentialDigest = [u8; 32];

/// The digests, at most [`CREDENTIALS_REMEMBERED_MAX`], each for [`CREDENTIALS_REMEMBERED_US`].
pub(super) struct VerifiedCredentials {
    key: hmac::Key,
    entries: Vec<(CredentialDigest, u64)>,
}

impl VerifiedCredentials {
    pub(super) fn new() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::<32>());
        Self { key, entries: Vec::new() }
    }

    /// The digest of these credentials. It includes the section's fingerprint, so that a changed
    /// password gives another digest.
    pub(super) fn mark(&self, fingerprint: &[u8], user: &str, password: &str) -> CredentialDigest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [fingerprint, user.as_bytes(), password.as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    pub(super) fn knows(&self, mark: &CredentialDigest, now_us: u64) -> bool {
        self.entries.iter().any(|(known, until_us)| known == mark && now_us < *until_us)
    }

    /// Remembers credentials that were found right; when the table is full, the oldest are dropped.
    pub(super) fn insert(&mut self, mark: CredentialDigest, now_us: u64) {
        self.entries.retain(|(known, until_us)| *known != mark && now_us < *until_us);
        if self.entries.len() >= CREDENTIALS_REMEMBERED_MAX {
            self.entries.remove(0);
        }
        self.entries.push((mark, now_us + CREDENTIALS_REMEMBERED_US));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_known_for_a_while_and_only_as_they_were() {
        let mut remembered = VerifiedCredentials::new();
        let mark = remembered.mark(b"section", "anna", "password");
        remembered.insert(mark, 5);
        assert!(remembered.knows(&mark, 4 + CREDENTIALS_REMEMBERED_US));
        assert!(!remembered.knows(&mark, 5 + CREDENTIALS_REMEMBERED_US));
        for (fingerprint, user, password) in [
            ("changed", "anna", "password"),
            ("section", "ann", "apassword"),
            ("section", "anna", "Password"),
        ] {
            let other = remembered.mark(fingerprint.as_bytes(), user, password);
            assert!(!remembered.knows(&other, 6), "{fingerprint} {user} {password}");
        }
        let elsewhere = VerifiedCredentials::new().mark(b"section", "anna", "password");
        assert_ne!(elsewhere, mark, "another process has another key");
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut remembered = VerifiedCredentials::new();
        let marks: Vec<CredentialDigest> = (0..=CREDENTIALS_REMEMBERED_MAX)
            .map(|number| remembered.mark(b"", "anna", &number.to_string()))
            .collect();
        for mark in &marks {
            remembered.insert(*mark, 0);
            remembered.insert(*mark, 0);
        }
        assert_eq!(remembered.entries.len(), CREDENTIALS_REMEMBERED_MAX);
        assert!(!remembered.knows(&marks[0], 1));
        assert!(marks[1..].iter().all(|mark| remembered.knows(mark, 1)));
    }
}
