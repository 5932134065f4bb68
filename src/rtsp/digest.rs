//! The hashes of Digest authentication (RFC 7616, and RFC 2069 for the many cameras without `qop`).
//! MD5 comes from the `md5` crate, SHA-256 from ring. No state, no allocation; `challenge` parses.

use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA256};

/// A hash algorithm that a Digest challenge may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
}

/// A hash in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hex {
    digits: [u8; 64],
    len: usize,
}

impl Hex {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    fn of(hash: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self { digits, len: 2 * hash.len() }
    }
}

/// The inputs of one signature. They are bytes, because realms come in any encoding.
#[derive(Debug)]
pub(super) struct Signature<'a> {
    pub algorithm: Algorithm,
    pub user: &'a [u8],
    pub password: &'a [u8],
    pub realm: &'a [u8],
    pub nonce: &'a [u8],
    pub method: &'a [u8],
    pub uri: &'a [u8],
    /// nc and cnonce, if the challenge asks for `qop=auth`.
    pub qop: Option<(&'a [u8], &'a [u8])>,
}

impl Signature<'_> {
    /// The value of `response=` in the Authorization header.
    pub(super) fn response(&self) -> Hex {
        let secret = self.hash(&[self.user, self.realm, self.password]);
        let request = self.hash(&[self.method, self.uri]);
        let (secret, request) = (secret.as_bytes(), request.as_bytes());
        match self.qop {
            None => self.hash(&[secret, self.nonce, request]),
            Some((count, cnonce)) => {
                self.hash(&[secret, self.nonce, count, cnonce, b"auth", request])
            }
        }
    }

    /// The hash of `parts`, joined with colons.
    fn hash(&self, parts: &[&[u8]]) -> Hex {
        match self.algorithm {
            Algorithm::Md5 => {
                let mut hash = Md5::new();
                feed(parts, |bytes| hash.update(bytes));
                Hex::of(&hash.finalize())
            }
            Algorithm::Sha256 => {
                let mut hash = Context::new(&SHA256);
                feed(parts, |bytes| hash.update(bytes));
                Hex::of(hash.finish().as_ref())
            }
        }
    }
}

fn feed(parts: &[&[u8]], mut update: impl FnMut(&[u8])) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            update(b":");
        }
        update(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7616_comes_out() {
        let mut signature = Signature {
            algorithm: Algorithm::Sha256,
            user: b"Mufasa",
            password: b"Circle of Life",
            realm: b"http-auth@example.org",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            method: b"GET",
            uri: b"/dir/index.html",
            qop: Some((b"00000001", b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        };
        assert_eq!(
            signature.response().as_bytes(),
            b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        signature.algorithm = Algorithm::Md5;
        assert_eq!(signature.response().as_bytes(), b"8ca523f5e9506fed4657c9700eebdbec");
    }
}
