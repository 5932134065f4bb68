//! The console's password: the one of `[console]`, or else weir's own, whose hash is kept in the
//! state folder. Until its first use, weir's own is a new one at each start, and the banner on the
//! serial line shows it; after that it is nowhere in the clear.

use std::cell::RefCell;

use crate::access::PasswordHash;
use crate::config::Edit;
use crate::control::Control;
use crate::random::random;
use crate::storage::{Secret, StateFolder};

/// The file of the state folder with the hash of weir's own password, which a preset may bring.
pub const CONSOLE_PASSWORD_FILE: &str = "weir-console-password";
/// Bound of the file: twice a line with a hash.
const FILE_BYTES_MAX: usize = 512;
/// Characters that are not mistaken for one another, on paper or by telephone.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789=";

/// weir's own password for the console.
#[derive(Debug)]
pub(super) struct PasswordDialog(RefCell<Own>);

#[derive(Debug, Clone)]
enum Own {
    /// In the clear: no login has used it yet.
    First(Secret),
    Kept(PasswordHash),
}

/// Result of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Not checked: the thread that hashes takes no more work.
    Unknown,
}

impl PasswordDialog {
    /// Reads the hash in the folder; without a usable one, makes a new password.
    pub(super) fn read(folder: &StateFolder) -> Self {
        let kept = folder.read(CONSOLE_PASSWORD_FILE, FILE_BYTES_MAX).unwrap_or_else(|error| {
            log::warn!("{CONSOLE_PASSWORD_FILE}: {error}; the console's password is a new one");
            None
        });
        let hash = kept.and_then(|bytes| {
            let hash = String::from_utf8(bytes).ok().map(|text| PasswordHash::parse(text.trim()));
            let hash = hash.and_then(Result::ok);
            if hash.is_none() {
                log::warn!("{CONSOLE_PASSWORD_FILE} is no hash of a password; the console's password is a new one");
            }
            hash
        });
        Self(RefCell::new(hash.map_or_else(|| Own::First(new()), Own::Kept)))
    }

    /// The password to show on the serial line; `None` once it was used, or if `[console]` has one.
    pub(super) fn first(&self, control: &Control) -> Option<Secret> {
        match &*self.0.borrow() {
            Own::First(first) if control.console().password.is_none() => Some(first.clone()),
            Own::First(_) | Own::Kept(_) => None,
        }
    }

    /// Checks a typed password. The first password is kept as a hash once it was used.
    pub(super) async fn judge(&self, control: &Control, typed: Secret) -> Verdict {
        let guard = control.guard();
        let verdict = |fits: Option<bool>| match fits {
            Some(true) => Verdict::Right,
            Some(false) => Verdict::Wrong,
            None => Verdict::Unknown,
        };
        if let Some(hash) = control.console().password {
            return verdict(guard.fits(hash, typed).await);
        }
        let own = self.0.borrow().clone();
        match own {
            Own::Kept(hash) => verdict(guard.fits(hash, typed).await),
            Own::First(first) => {
                let Some(hash) = guard.make(first.clone()).await else { return Verdict::Unknown };
                let fits = guard.fits(hash.clone(), typed).await;
                if fits == Some(true) {
                    self.keep(control, hash).await;
                }
                verdict(fits)
            }
        }
    }

    /// Makes a new password, valid from now on, and keeps its hash in the configuration if that has
    /// one, else in the state folder.
    ///
    /// # Errors
    /// The password could not be hashed, or the configuration could not be changed; a sentence.
    pub(super) async fn reset(&self, control: &Control) -> Result<Secret, String> {
        let (password, hash) = made(control).await?;
        if control.console().password.is_some() {
            control.edit(Edit::ConsolePassword(hash)).await?;
        } else {
            self.keep(control, hash).await;
        }
        Ok(password)
    }

    async fn keep(&self, control: &Control, hash: PasswordHash) {
        let text = format!("{hash}\n");
        self.0.replace(Own::Kept(hash));
        control.guard().write_file(CONSOLE_PASSWORD_FILE, text).await;
    }
}

/// Makes a new password and its hash.
///
/// # Errors
/// The thread that hashes takes no more work; a sentence.
pub(super) async fn made(control: &Control) -> Result<(Secret, PasswordHash), String> {
    let password = new();
    let hash = control.guard().make(password.clone()).await;
    let hash = hash.ok_or("no password could be hashed at this moment: try again")?;
    Ok((password, hash))
}

/// Three groups of four characters, 59 bits of entropy.
fn new() -> Secret {
    let mut characters = Vec::new();
    while characters.len() < 12 {
        let random: [u8; 16] = random();
        // The last of the 32 is dropped, so that the other 31 are equally likely.
        let fit = random.iter().map(|byte| ALPHABET[usize::from(byte & 31)]).filter(|c| *c != b'=');
        characters.extend(fit.map(char::from));
    }
    let group = |at: usize| characters[at..at + 4].iter().collect::<String>();
    Secret::new([group(0), group(4), group(8)].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_can_be_read_out_and_is_never_the_same() {
        let (one, other) = (new(), new());
        assert_ne!(one, other);
        for password in [one, other] {
            let text = password.reveal();
            assert!(text.len() == 14 && text.split('-').all(|group| group.len() == 4), "{text}");
            assert!(text.bytes().all(|byte| byte == b'-' || ALPHABET[..31].contains(&byte)));
            assert!(PasswordHash::make(text).is_ok());
        }
    }
}
