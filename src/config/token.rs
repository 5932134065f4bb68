//! A token as the configuration knows it: by its hash, so that the file gives nobody access.

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// SHA-256 of a token. A token is random and long: unlike a password it needs no slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; SHA256_OUTPUT_LEN]);

impl TokenHash {
    /// The hash of `token`.
    pub fn of(token: &str) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }

    /// Reads `sha256$` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256$")?;
        if digits.len() != 2 * SHA256_OUTPUT_LEN || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut hash = [0; SHA256_OUTPUT_LEN];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }

    /// Whether both are of one token; how long that takes tells nothing about how near they are.
    pub fn fits(&self, other: &Self) -> bool {
        let differences = self.0.iter().zip(&other.0).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differences) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc` (FIPS 180-2, appendix B.1).
    const ABC: &str = "sha256$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_token_fits_its_hash_alone() {
        let hash = TokenHash::parse(ABC).expect("well formed");
        assert!(hash.fits(&TokenHash::of("abc")));
        for other in ["", "ab", "abcd", "ABC", ABC] {
            assert!(!hash.fits(&TokenHash::of(other)), "{other}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let upper = ABC.to_uppercase().replace("SHA256", "sha256");
        assert_eq!(TokenHash::parse(&upper), TokenHash::parse(ABC));
        for bad in ["", "abc", "sha256$", &ABC[..70], &format!("{ABC}0"), &ABC.replace("ba", "+a")]
        {
            assert_eq!(TokenHash::parse(bad), None, "{bad}");
        }
    }
}
