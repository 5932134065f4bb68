//! The table of logins. A browser has a random id in its cookie. Here, and in the file that keeps
//! the table over a restart, is only the id's hash, the user's section that it is bound to, and
//! when it ends, by the wall clock.
//!
//! The file is text. The first line names the format; each further line is a login:
//!
//! ```text
//! weir-logins 1
//! <SHA-256 of the id> <seconds since 1970> <the section's fingerprint>
//! ```

use super::{AccountsFingerprint, Policy, sha256};
use crate::hex;
use crate::limits::{LOGINS_MAX, USER_LOGINS_MAX};
use crate::random::random;

const FORM: &str = "weir-logins 1";

/// SHA-256 of a login's id; the id itself is not kept.
pub type LoginHash = [u8; 32];

/// The hash of an id as a cookie has it.
pub(super) fn hash_of(id: &str) -> LoginHash {
    sha256(&[id.as_bytes()])
}

/// The logins, oldest first, at most [`LOGINS_MAX`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Logins {
    entries: Vec<Login>,
}

#[derive(Debug, PartialEq, Eq)]
struct Login {
    id_hash: LoginHash,
    until_s: u64,
    user: AccountsFingerprint,
    /// The login is in the file, or in the write that is under way.
    is_filed: bool,
}

/// A login that was ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndedLogin {
    /// The login is in the file, which has to be written again, or a restart brings it back.
    pub(super) is_filed: bool,
}

impl Logins {
    /// Parses what [`Logins::text`] wrote, as far as possible; the flag says whether that was all
    /// of it.
    pub(super) fn read(text: &str) -> (Self, bool) {
        let mut lines = text.lines();
        if lines.next() != Some(FORM) {
            return (Self::default(), text.is_empty());
        }
        let read = |line: &str| {
            let mut words = line.split(' ');
            let id_hash = hex::bytes(words.next()?)?;
            let until_s = words.next()?.parse().ok()?;
            let user = hex::bytes(words.next()?)?;
            words.next().is_none().then_some(Login { id_hash, until_s, user, is_filed: true })
        };
        let (mut entries, mut is_whole) = (Vec::new(), true);
        for line in lines {
            match read(line) {
                Some(login) if entries.len() < LOGINS_MAX => entries.push(login),
                _ => is_whole = false,
            }
        }
        (Self { entries }, is_whole)
    }

    /// The text for the file. From now on all logins count as filed.
    pub(super) fn text(&mut self) -> String {
        self.entries.iter_mut().for_each(|login| login.is_filed = true);
        let lines = self.entries.iter().map(|login| {
            format!("{} {} {}\n", hex::text(&login.id_hash), login.until_s, hex::text(&login.user))
        });
        std::iter::once(format!("{FORM}\n")).chain(lines).collect()
    }

    /// Begins a login that lasts `lifetime_s` seconds; returns the id for the cookie. A user who
    /// has [`USER_LOGINS_MAX`] loses the oldest of them, so that one user cannot end other users'
    /// logins by logging in again and again. When the table is full, the oldest login of all is
    /// dropped.
    pub(super) fn admit(
        &mut self,
        user: AccountsFingerprint,
        now_s: u64,
        lifetime_s: u64,
    ) -> String {
        self.entries.retain(|login| now_s < login.until_s);
        // More than one over the bound only after a file from before this bound was read.
        while self.entries.iter().filter(|login| login.user == user).count() >= USER_LOGINS_MAX {
            let Some(oldest) = self.entries.iter().position(|login| login.user == user) else {
                break;
            };
            self.entries.remove(oldest);
        }
        if self.entries.len() >= LOGINS_MAX {
            self.entries.remove(0);
        }
        let id = hex::text(&random::<16>());
        let id_hash = hash_of(&id);
        let until_s = now_s.saturating_add(lifetime_s);
        self.entries.push(Login { id_hash, until_s, user, is_filed: false });
        id
    }

    /// The fingerprint of the section that a login is bound to; `None` where it is unknown or over.
    pub(super) fn find(&self, id: &str, now_s: u64) -> Option<&AccountsFingerprint> {
        let id_hash = hash_of(id);
        let found = self.entries.iter().find(|login| login.id_hash == id_hash)?;
        (now_s < found.until_s).then_some(&found.user)
    }

    /// Whether a login has not been ended. Its lifetime is not checked.
    pub(super) fn has(&self, id_hash: &LoginHash) -> bool {
        self.entries.iter().any(|login| login.id_hash == *id_hash)
    }

    /// Ends a login; `None` where there is none.
    pub(super) fn release(&mut self, id: &str) -> Option<EndedLogin> {
        let id_hash = hash_of(id);
        let index = self.entries.iter().position(|login| login.id_hash == id_hash)?;
        let Login { is_filed, .. } = self.entries.remove(index);
        Some(EndedLogin { is_filed })
    }

    /// Ends the logins whose section is no longer in `policy`; true where there were some.
    pub(super) fn follow(&mut self, policy: &Policy) -> bool {
        let before = self.entries.len();
        self.entries.retain(|login| policy.user_of(&login.user).is_some());
        self.entries.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 86_400;

    #[test]
    fn a_login_lasts_as_long_as_it_should_and_ends_when_it_is_ended() {
        let mut logins = Logins::default();
        let anna = logins.admit([1; 32], 100, DAY_S);
        let bert = logins.admit([2; 32], 100, DAY_S);
        assert_eq!(anna.len(), 32, "128 bits");
        assert_eq!(logins.find(&anna, 99 + DAY_S), Some(&[1; 32]));
        assert_eq!(logins.find(&anna, 100 + DAY_S), None);
        assert_eq!(logins.release(&anna), Some(EndedLogin { is_filed: false }));
        assert_eq!(logins.release(&anna), None);
        assert_eq!(logins.find(&anna, 101), None);
        assert_eq!(logins.find(&bert, 101), Some(&[2; 32]));
        assert_eq!(logins.find("", 101), None);
    }

    /// The section of the login with this number, when each user has as many as allowed.
    fn user_of(number: usize) -> AccountsFingerprint {
        [u8::try_from(number / USER_LOGINS_MAX).expect("few users"); 32]
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut logins = Logins::default();
        let ids: Vec<String> = (0..=LOGINS_MAX).map(|n| logins.admit(user_of(n), 0, 9)).collect();
        assert_eq!(logins.find(&ids[0], 1), None);
        assert!(ids[1..].iter().all(|id| logins.find(id, 1).is_some()));
        let later = logins.admit([1; 32], 9, 9);
        assert_eq!(logins.entries.len(), 1, "the others are over");
        assert!(logins.find(&later, 10).is_some());
    }

    #[test]
    fn a_user_who_logs_in_again_and_again_ends_only_his_own_logins() {
        let mut logins = Logins::default();
        let anna = logins.admit([1; 32], 0, DAY_S);
        let ids: Vec<String> = (0..=LOGINS_MAX).map(|_| logins.admit([2; 32], 0, DAY_S)).collect();
        assert_eq!(logins.find(&anna, 1), Some(&[1; 32]));
        let (ended, kept) = ids.split_at(ids.len() - USER_LOGINS_MAX);
        assert!(ended.iter().all(|id| logins.find(id, 1).is_none()));
        assert!(kept.iter().all(|id| logins.find(id, 1).is_some()));
        assert!(logins.release(&kept[0]).is_some());
        logins.admit([2; 32], 0, DAY_S);
        assert!(kept[1..].iter().all(|id| logins.find(id, 1).is_some()), "there was room");
    }

    #[test]
    fn the_file_brings_them_back_without_their_ids() {
        let mut logins = Logins::default();
        let ids: Vec<String> =
            (0..LOGINS_MAX).map(|n| logins.admit(user_of(n), 0, DAY_S)).collect();
        let text = logins.text();
        assert!(text.len() <= crate::limits::LOGINS_FILE_BYTES_MAX, "{}", text.len());
        assert!(ids.iter().all(|id| !text.contains(id.as_str())));
        assert_eq!(Logins::read(&text), (logins, true));
        let (mut read, _) = Logins::read(&text);
        assert_eq!(read.release(&ids[0]), Some(EndedLogin { is_filed: true }));
    }

    #[test]
    fn a_file_is_read_as_far_as_it_makes_sense() {
        let mut logins = Logins::default();
        let id = logins.admit([7; 32], 0, DAY_S);
        let text = logins.text();
        let line = text.lines().nth(1).expect("a login");
        for bad in [
            format!("{text}rubbish\n"),
            format!("{text}{}\n", &line[..60]),
            format!("{text}{line} more\n"),
            format!("{text}{}", line.replacen(' ', " -", 1)),
            text.clone() + &format!("{line}\n").repeat(LOGINS_MAX),
        ] {
            let (read, is_whole) = Logins::read(&bad);
            assert!(!is_whole, "{bad}");
            assert!(read.find(&id, 1).is_some(), "{bad}");
        }
        assert_eq!(Logins::read("weir-logins 2\nx"), (Logins::default(), false));
        assert_eq!(Logins::read(""), (Logins::default(), true));
    }
}
