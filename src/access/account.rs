//! Users, tokens, and the configuration's rules about access.

use std::net::IpAddr;

use super::{Network, Origin, PasswordHash, TokenHash, sha256};
use crate::limits::LOGIN_HOURS_DEFAULT;

/// What a client may do; each role may also do what the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May watch the cameras.
    Viewer,
    /// May see weir's status and its sessions, end a session, and reload the configuration.
    Operator,
}

impl Role {
    /// Parses a role as the configuration writes it; `None` for any other text.
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "viewer" => Some(Self::Viewer),
            "operator" => Some(Self::Operator),
            _ => None,
        }
    }

    /// The role as the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// The name and the role of a user or token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Unique among users, and among tokens.
    pub name: String,
    /// What the user or token may do.
    pub role: Role,
}

/// SHA-256 of a user's or token's section, which distinguishes the section from what it was before.
/// A login is bound to it, so that a change of password or role ends the login, over a restart too.
pub type AccountsFingerprint = [u8; 32];

/// A `[[user]]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name and role.
    pub account: Account,
    /// The hash of the user's password.
    pub password: PasswordHash,
    fingerprint: AccountsFingerprint,
}

impl User {
    /// A user of the configuration, with the fingerprint of the section.
    pub fn new(account: Account, password: PasswordHash) -> Self {
        let Account { name, role } = &account;
        let text = password.to_string();
        // Neither a role nor a hash has a zero byte in it.
        let parts: [&[u8]; 5] =
            [role.name().as_bytes(), b"\0", text.as_bytes(), b"\0", name.as_bytes()];
        let fingerprint = sha256(&parts);
        Self { account, password, fingerprint }
    }

    /// The fingerprint of the whole section.
    pub fn fingerprint(&self) -> &AccountsFingerprint {
        &self.fingerprint
    }
}

/// A `[[token]]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The token's name and role.
    pub account: Account,
    /// The hash of the token.
    pub hash: TokenHash,
}

impl Token {
    /// The fingerprint of the whole section.
    pub fn fingerprint(&self) -> AccountsFingerprint {
        let Account { name, role } = &self.account;
        let text = self.hash.to_string();
        sha256(&[role.name().as_bytes(), b"\0", text.as_bytes(), b"\0", name.as_bytes()])
    }
}

/// The configuration's rules about access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `[[user]]`, at most [`crate::limits::USERS_MAX`].
    pub users: Vec<User>,
    /// `[[token]]`, at most [`crate::limits::TOKENS_MAX`].
    pub tokens: Vec<Token>,
    /// There is a section of a user or a token, even a faulty one: a mistake in it must not let
    /// every client in.
    pub has_accounts: bool,
    /// `[http] open`: without accounts, every client is a viewer.
    pub open: bool,
    /// `[http] names`: further names of this box, in lower case.
    pub names: Vec<String>,
    /// `[http] origins`: sites whose pages may use weir.
    pub origins: Vec<Origin>,
    /// `[http] proxies`: proxies that are believed about the client that they ask for.
    pub proxies: Vec<Network>,
    /// `[http] prefix`: the path below which a proxy serves weir, `/weir`; else empty.
    pub prefix: String,
    /// `[http] login_hours`: how long a login lasts, in hours.
    pub login_hours: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            tokens: Vec::new(),
            has_accounts: false,
            open: false,
            names: Vec::new(),
            origins: Vec::new(),
            proxies: Vec::new(),
            prefix: String::new(),
            login_hours: LOGIN_HOURS_DEFAULT,
        }
    }
}

impl Policy {
    /// Whether an address is a proxy's that is believed about the client it asks for.
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(ip))
    }

    /// The user of this name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.account.name == name)
    }

    /// The user that a login is bound to; `None` once the section was removed or changed.
    pub fn user_of(&self, fingerprint: &AccountsFingerprint) -> Option<&User> {
        self.users.iter().find(|user| user.fingerprint == *fingerprint)
    }

    /// The account of a token. Compares with all tokens, however early one fits, so that the time
    /// does not tell which.
    pub fn token(&self, text: &str) -> Option<&Account> {
        let hash = TokenHash::of(text);
        self.tokens.iter().fold(None, |found, token| {
            let fits = token.hash.fits(&hash);
            found.or(fits.then_some(&token.account))
        })
    }
}
