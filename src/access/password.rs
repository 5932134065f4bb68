//! The hash of a password: PBKDF2-HMAC-SHA256 with a salt of its own, as text
//! `pbkdf2-sha256$rounds$salt$hash`, the last two in base64.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::pbkdf2;

use crate::limits::{
    PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PASSWORD_ROUNDS_MAX, PASSWORD_ROUNDS_MIN,
    PASSWORD_SALT_BYTES_MAX,
};
use crate::random::random;

const FORM: &str = "pbkdf2-sha256";
const SALT_BYTES: usize = 16;

/// The hash of a password, as the configuration keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: [u8; 32],
}

/// Why a text is not a password's hash, or why a password cannot be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordProblem {
    /// The text is not of the form that `weir password` prints.
    Form,
    /// The text has fewer rounds than [`PASSWORD_ROUNDS_MIN`], or more than
    /// [`PASSWORD_ROUNDS_MAX`].
    Rounds(u32),
    /// The password has this many bytes, fewer than [`PASSWORD_BYTES_MIN`] or more than
    /// [`PASSWORD_BYTES_MAX`].
    Bytes(usize),
    /// The password has a line break or another control character.
    Control,
}

impl std::fmt::Display for PasswordProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form => write!(f, "is not what `weir password` prints"),
            Self::Rounds(rounds) => {
                write!(f, "has {rounds} rounds, not {PASSWORD_ROUNDS_MIN} to {PASSWORD_ROUNDS_MAX}")
            }
            Self::Bytes(bytes) => {
                write!(f, "is {bytes} bytes long, not {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX}")
            }
            Self::Control => write!(f, "has a control character"),
        }
    }
}

impl PasswordHash {
    /// Parses the text that `weir password` prints.
    ///
    /// # Errors
    /// [`PasswordProblem::Form`] for another form, [`PasswordProblem::Rounds`] for too few or too
    /// many rounds.
    pub fn parse(text: &str) -> Result<Self, PasswordProblem> {
        let mut parts = text.split('$');
        let (form, rounds, salt, hash) = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(FORM), Some(rounds), Some(salt), Some(hash), None) =
            (form, rounds, salt, hash, parts.next())
        else {
            return Err(PasswordProblem::Form);
        };
        let decoded = |text: &str| STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let rounds: u32 = rounds.parse().map_err(|_| PasswordProblem::Form)?;
        let salt = decoded(salt).ok_or(PasswordProblem::Form)?;
        let hash = decoded(hash).and_then(|hash| hash.try_into().ok());
        let hash: [u8; 32] = hash.ok_or(PasswordProblem::Form)?;
        if salt.len() < SALT_BYTES || salt.len() > PASSWORD_SALT_BYTES_MAX {
            return Err(PasswordProblem::Form);
        }
        if !(PASSWORD_ROUNDS_MIN..=PASSWORD_ROUNDS_MAX).contains(&rounds) {
            return Err(PasswordProblem::Rounds(rounds));
        }
        let rounds = NonZeroU32::new(rounds).ok_or(PasswordProblem::Rounds(0))?;
        Ok(Self { rounds, salt, hash })
    }

    /// Hashes a new password, with a salt of its own.
    ///
    /// # Errors
    /// [`PasswordProblem::Bytes`] for a password that is too short or too long,
    /// [`PasswordProblem::Control`] for one that cannot be typed.
    pub fn make(password: &str) -> Result<Self, PasswordProblem> {
        if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
            return Err(PasswordProblem::Bytes(password.len()));
        }
        if password.chars().any(char::is_control) {
            return Err(PasswordProblem::Control);
        }
        let salt = random::<SALT_BYTES>().to_vec();
        let rounds = NonZeroU32::new(PASSWORD_ROUNDS_MIN).expect("not zero");
        let mut hash = [0; 32];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, rounds, &salt, password.as_bytes(), &mut hash);
        Ok(Self { rounds, salt, hash })
    }

    /// A hash that no password has, and that takes as long to check: for unknown users.
    pub(super) fn of_nobody(rounds: u32) -> Self {
        let rounds = NonZeroU32::new(rounds.max(PASSWORD_ROUNDS_MIN)).expect("not zero");
        Self { rounds, salt: random::<SALT_BYTES>().to_vec(), hash: random() }
    }

    /// How many rounds of PBKDF2 it takes.
    pub(super) fn rounds(&self) -> u32 {
        self.rounds.get()
    }

    /// Whether the password is this one. Takes as long as `rounds` rounds, where those are more, so
    /// that all users of a configuration take the same time.
    pub(super) fn fits(&self, password: &str, rounds: u32) -> bool {
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        let password = password.as_bytes();
        let fits = pbkdf2::verify(algorithm, self.rounds, &self.salt, password, &self.hash);
        if let Some(more) = NonZeroU32::new(rounds.saturating_sub(self.rounds())) {
            pbkdf2::derive(algorithm, more, &self.salt, password, &mut [0; 32]);
        }
        fits.is_ok()
    }
}

impl std::fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [salt, hash] = [&self.salt[..], &self.hash].map(|bytes| STANDARD_NO_PAD.encode(bytes));
        write!(f, "{FORM}${}${salt}${hash}", self.rounds)
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_as_printed_and_no_other() {
        let hash = PasswordHash::make("correct horse").expect("long enough");
        let text = hash.to_string();
        assert!(text.starts_with("pbkdf2-sha256$600000$"), "{text}");
        let read = PasswordHash::parse(&text).expect("its own form");
        assert_eq!(read, hash);
        assert!(read.fits("correct horse", 0));
        assert!(!read.fits("correct horsf", 0));
        assert_ne!(PasswordHash::make("correct horse").expect("again").to_string(), text, "salted");
        assert_eq!(format!("{hash:?}"), "PasswordHash");
    }

    /// Computed independently, by Python's `hashlib.pbkdf2_hmac("sha256", b"hunter2hunter2",
    /// b"0123456789abcdef", 600000)`.
    #[test]
    fn it_is_pbkdf2_with_hmac_sha256() {
        let text = "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$R4DtQ4mdeOPjQVafZIfXfiZwNqo6bjkgxGgW6Dvlm/0";
        let hash = PasswordHash::parse(text).expect("good");
        assert!(hash.fits("hunter2hunter2", 0));
    }

    #[test]
    fn fewer_rounds_and_other_forms_are_refused() {
        let text = PasswordHash::make("correct horse").expect("long enough").to_string();
        let with = |rounds: &str| text.replace("$600000$", &format!("${rounds}$"));
        for (text, problem) in [
            (with("599999"), PasswordProblem::Rounds(599_999)),
            (with("10000001"), PasswordProblem::Rounds(10_000_001)),
            (with("0"), PasswordProblem::Rounds(0)),
            (with("many"), PasswordProblem::Form),
            (with("99999999999"), PasswordProblem::Form),
            (text.replace("pbkdf2-sha256", "pbkdf2-sha1"), PasswordProblem::Form),
            (text[..text.len() - 4].to_owned(), PasswordProblem::Form),
            (format!("{text}$"), PasswordProblem::Form),
            ("hunter2".to_owned(), PasswordProblem::Form),
        ] {
            assert_eq!(PasswordHash::parse(&text), Err(problem), "{text}");
        }
        assert_eq!(PasswordHash::make("short"), Err(PasswordProblem::Bytes(5)));
        assert_eq!(PasswordHash::make("with\na break"), Err(PasswordProblem::Control));
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert_eq!(PasswordHash::make(&long), Err(PasswordProblem::Bytes(257)));
    }
}
