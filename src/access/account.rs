//! Users, tokens, and the rules of the configuration about them.

use std::net::IpAddr;

use super::{Network, Origin, PasswordHash, TokenHash, sha256};
use crate::limits::LOGIN_HOURS_DEFAULT;

/// What somebody may do; each may what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See the cameras.
    Viewer,
    /// See how weir does, and who looks; reload.
    Operator,
}

impl Role {
    /// As the configuration writes it.
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "viewer" => Some(Self::Viewer),
            "operator" => Some(Self::Operator),
            _ => None,
        }
    }

    /// The same.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// What a user and a token have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Unique among users, and among tokens.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// Tells one user's section from what it was before. A login is bound to it, so that a change of
/// password or role ends the login, over a restart too.
pub type AccountsFingerprint = [u8; 32];

/// A `[[user]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub account: Account,
    /// Of the password.
    pub password: PasswordHash,
    fingerprint: AccountsFingerprint,
}

impl User {
    /// A user of the configuration.
    pub fn new(account: Account, password: PasswordHash) -> Self {
        let Account { name, role } = &account;
        let text = password.to_string();
        // Neither a role nor a hash has a zero byte in it.
        let parts: [&[u8]; 5] =
            [role.name().as_bytes(), b"\0", text.as_bytes(), b"\0", name.as_bytes()];
        let fingerprint = sha256(&parts);
        Self { account, password, fingerprint }
    }

    /// Of the whole section.
    pub fn fingerprint(&self) -> &AccountsFingerprint {
        &self.fingerprint
    }
}

/// A `[[token]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who.
    pub account: Account,
    /// Of the token.
    pub hash: TokenHash,
}

impl Token {
    /// Of the whole section.
    pub fn fingerprint(&self) -> AccountsFingerprint {
        let Account { name, role } = &self.account;
        let text = self.hash.to_string();
        sha256(&[role.name().as_bytes(), b"\0", text.as_bytes(), b"\0", name.as_bytes()])
    }
}

/// Whom the configuration lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `[[user]]`, at most [`crate::limits::USERS_MAX`].
    pub users: Vec<User>,
    /// `[[token]]`, at most [`crate::limits::TOKENS_MAX`].
    pub tokens: Vec<Token>,
    /// There is a section of a user or a token, even if it makes no sense: nobody is let in for
    /// want of one.
    pub has_accounts: bool,
    /// `[http] open`: without accounts, everybody is a viewer.
    pub open: bool,
    /// `[http] names`: further names of this box, in lower case.
    pub names: Vec<String>,
    /// `[http] origins`: sites whose pages may use this one.
    pub origins: Vec<Origin>,
    /// `[http] proxies`: who may say for whom it asks.
    pub proxies: Vec<Network>,
    /// `[http] prefix`: the path that a proxy serves this one below, `/weir`; else empty.
    pub prefix: String,
    /// `[http] login_hours`.
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
    /// Whether an address is a proxy's that may say for whom it asks.
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(ip))
    }

    /// The user of a name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.account.name == name)
    }

    /// The user that a login is of.
    pub fn user_of(&self, fingerprint: &AccountsFingerprint) -> Option<&User> {
        self.users.iter().find(|user| user.fingerprint == *fingerprint)
    }

    /// The account of a token. Looks at all of them, however early one fits.
    pub fn token(&self, text: &str) -> Option<&Account> {
        let hash = TokenHash::of(text);
        self.tokens.iter().fold(None, |found, token| {
            let fits = token.hash.fits(&hash);
            found.or(fits.then_some(&token.account))
        })
    }
}
