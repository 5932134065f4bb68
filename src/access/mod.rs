//! Who may do what.
//!
//! [`Access`] decides from what a request presents, who sends it and the time, and keeps the
//! tables for it: logins ([`logins`]), failures by address ([`failures`], [`count`]), credentials
//! known to be right ([`verified`]), and the passwords that wait for their hash ([`queue`]). It
//! touches no socket, file or clock. Whom an address counts as is [`client`]'s. A password is the
//! one thing it cannot decide at once: it is hashed on a thread of its own ([`hashing`]), and
//! [`Guard`] is
//! [`Access`] with that thread and the file of the logins. Whom there is to let in is the
//! configuration's [`Policy`]. What HTTP calls it all is in [`crate::web`].

mod account;
pub mod client;
mod count;
mod decide;
mod domains;
mod failures;
mod guard;
mod hashing;
mod host;
mod keeping;
mod logins;
mod network;
mod origin;
mod owner;
mod password;
mod queue;
mod token;
mod verified;

pub use account::{Account, AccountsFingerprint, Policy, Role, Token, User};
pub use client::Sender;
pub use decide::{Access, AuthRequest, Denial, Identity, Means, Now, PresentedCredentials};
pub use guard::{Guard, LoggedIn};
pub use host::{HostKind, Names, host_without_port};
pub use logins::LoginHash;
pub use network::Network;
pub use origin::{Origin, host_of as origin_host, is_own as origin_is_own};
pub use owner::Owner;
pub use password::{PasswordHash, PasswordProblem};
pub use token::TokenHash;

use ring::digest;

/// SHA-256.
fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `N` bytes from twice as many hexadecimal digits.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

/// Bytes nobody can guess.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    use ring::rand::{SecureRandom as _, SystemRandom};
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.expect("the kernel has random bytes once it has booted");
    bytes
}
