//! Whether a request carries the login that a camera wants; as strict as the strictest cameras: the
//! `uri` is that of the request, to the byte.

use md5::{Digest, Md5};

use super::habits::{Login, Scheme};
use crate::common::camera::rtsp::Request;

/// Whether `request` is signed with one of `nonces`.
pub(super) fn is_signed(login: &Login, request: &Request, nonce: &str) -> bool {
    let authorization = request.header("authorization").unwrap_or_default();
    let Some(fields) = authorization.strip_prefix("Digest ") else { return false };
    let field = |name: &str| {
        let (_, rest) = fields.split_once(&format!("{name}="))?;
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => rest.split(',').next(),
        }
    };
    let hash = match login.takes {
        Scheme::Md5 | Scheme::Md5Qop => md5_hex,
        Scheme::Sha256 => sha256_hex,
    };
    let (user, password) = login.user;
    let secret = hash(&format!("{user}:{}:{password}", login.realm));
    let what = hash(&format!("{}:{}", request.method, request.uri));
    let expected = match login.takes {
        Scheme::Md5Qop => {
            let (count, own) = (field(", nc").unwrap_or(""), field("cnonce").unwrap_or(""));
            hash(&format!("{secret}:{nonce}:{count}:{own}:auth:{what}"))
        }
        Scheme::Md5 | Scheme::Sha256 => hash(&format!("{secret}:{nonce}:{what}")),
    };
    let is_named = login.takes != Scheme::Sha256 || field("algorithm") == Some("SHA-256");
    is_named && field("uri") == Some(&request.uri) && field("response") == Some(&expected)
}

fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

fn sha256_hex(text: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
