//! Access control: which clients are let in, and what each may do.
//!
//! [`Access`] decides from what a request presents, its sender and the time. It keeps the tables
//! for that: logins ([`logins`]), failures by address ([`failures`], [`count`]), credentials known
//! to be right ([`verified`]), and the passwords that wait for their hash ([`queue`]). It touches
//! no socket, file or clock. [`client`] says which addresses count as one client.
//!
//! A password is the one thing that cannot be decided at once: it is hashed on a thread of its own
//! ([`hashing`]). [`Guard`] is [`Access`] with that thread and the file of the logins. The users,
//! tokens and sites that are let in are the configuration's [`Policy`]. The HTTP side is in
//! [`crate::web`].

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

/// SHA-256 of the parts, joined.
fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
