//! Tokens: 256 random bits that let a player in. The configuration has only their SHA-256. That is
//! enough for a secret that cannot be guessed: it needs no rounds, and no limit on tries.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::sha256;
use crate::hex;
use crate::random::random;

const FORM: &str = "sha256$";

/// The SHA-256 of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of this token.
    pub fn of(token: &str) -> Self {
        Self(sha256(&[token.as_bytes()]))
    }

    /// Parses what `weir token` prints: `sha256$` and 64 hexadecimal digits. `None` for any other
    /// text.
    pub fn parse(text: &str) -> Option<Self> {
        hex::bytes(text.strip_prefix(FORM)?).map(Self)
    }

    /// Makes a new token of 43 characters, and its hash.
    pub fn generate() -> (String, Self) {
        let token = URL_SAFE_NO_PAD.encode(random::<32>());
        let hash = Self::of(&token);
        (token, hash)
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub fn fits(&self, other: &Self) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[]);
        let tag = hmac::sign(&key, &self.0);
        hmac::verify(&key, &other.0, tag.as_ref()).is_ok()
    }
}

impl std::fmt::Display for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{FORM}{}", hex::text(&self.0))
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_own_hash_as_printed_and_no_other() {
        let (token, hash) = TokenHash::generate();
        assert_eq!(token.len(), 43, "256 bits in base64");
        let read = TokenHash::parse(&hash.to_string()).expect("its own form");
        assert!(read.fits(&TokenHash::of(&token)));
        assert!(!read.fits(&TokenHash::generate().1));
        assert_eq!(format!("{hash:?}"), "TokenHash");
    }

    #[test]
    fn the_hash_is_sha256_of_the_text() {
        // The digest of "abc" in FIPS 180-4's examples.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc").to_string(), format!("sha256${abc}"));
        for bad in ["", "sha256$", &abc[1..], &format!("sha256${}", &abc[1..]), "sha512$00"] {
            assert!(TokenHash::parse(bad).is_none(), "{bad}");
        }
        assert!(TokenHash::parse(&format!("sha256${}é", &abc[2..])).is_none());
    }
}
