//! The owner of a session: what has to stay as it is for the session to go on, and which sessions
//! count as one viewer's when there is not room for all.

use std::net::IpAddr;

use super::account::{AccountsFingerprint, Policy};
use super::decide::{Identity, Means};
use super::logins::{LoginHash, hash_of};

/// The user, token or client that a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A user, with the section as it was when the session began.
    User {
        /// The fingerprint of the user's section.
        section: AccountsFingerprint,
        /// The login that the request had; `None` for a password in the request.
        login: Option<LoginHash>,
    },
    /// A token, with the section as it was when the session began.
    Token {
        /// The fingerprint of the token's section.
        section: AccountsFingerprint,
    },
    /// There are no accounts: the client, by its address.
    Address {
        /// The key that the client is counted by: [`super::client::key`].
        key: IpAddr,
        /// The client is on this machine, where the cameras are shown without `open` too.
        is_local: bool,
    },
}

impl Owner {
    /// The owner of a session of `identity`, which was let in under this policy. `login` is the id
    /// of the request's login, `key` what its client is counted by.
    pub fn of(identity: &Identity, policy: &Policy, login: Option<&str>, key: IpAddr) -> Self {
        let name = identity.name.as_deref().unwrap_or_default();
        let login = login.filter(|_| identity.means == Means::Login).map(hash_of);
        let owner = match identity.means {
            Means::Local | Means::Open => None,
            Means::Token => {
                let token = policy.tokens.iter().find(|token| token.account.name == name);
                token.map(|token| Self::Token { section: token.fingerprint() })
            }
            Means::Password | Means::Login => {
                policy.user(name).map(|user| Self::User { section: *user.fingerprint(), login })
            }
        };
        owner.unwrap_or(Self::Address { key, is_local: identity.means == Means::Local })
    }

    /// Whether both count as one viewer: the same account, whatever the login, or the same client
    /// address.
    pub fn is_same_viewer(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::User { section, .. }, Self::User { section: other, .. })
            | (Self::Token { section }, Self::Token { section: other }) => section == other,
            (Self::Address { key, .. }, Self::Address { key: other, .. }) => key == other,
            _ => false,
        }
    }

    /// Why the policy no longer lets this owner in, as the viewer is told; `None` when it does.
    /// Whether a login is over is not checked here.
    pub fn problem(&self, policy: &Policy) -> Option<&'static str> {
        match self {
            Self::User { section, .. } => {
                policy.user_of(section).is_none().then_some("the user was removed or changed")
            }
            Self::Token { section } => {
                let mut sections = policy.tokens.iter().map(super::Token::fingerprint);
                let is_there = sections.any(|known| known == *section);
                (!is_there).then_some("the token was removed or changed")
            }
            Self::Address { .. } if policy.has_accounts => {
                Some("this needs a login or a token now")
            }
            Self::Address { is_local, .. } => (!policy.open && !is_local)
                .then_some("the cameras are no longer shown to everybody"),
        }
    }

    /// The login that the session began with, where there was one.
    pub fn login(&self) -> Option<&LoginHash> {
        match self {
            Self::User { login, .. } => login.as_ref(),
            Self::Token { .. } | Self::Address { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::key;
    use super::super::{Account, Role, Sender, Token, TokenHash};
    use super::*;

    fn token(name: &str, text: &str, role: Role) -> Token {
        Token { account: Account { name: name.to_owned(), role }, hash: TokenHash::of(text) }
    }

    #[test]
    fn a_changed_or_removed_token_is_another() {
        let with = |token| Policy { tokens: vec![token], has_accounts: true, ..Policy::default() };
        let before = with(token("wall", "a", Role::Viewer));
        let name = Some("wall".to_owned());
        let identity = Identity { name, role: Role::Viewer, means: Means::Token };
        let owner = Owner::of(&identity, &before, Some("0f"), [192, 0, 2, 1].into());
        assert_eq!(owner.problem(&before), None);
        assert_eq!(owner.login(), None, "a token is no login, whatever cookie comes with it");
        for after in [
            with(token("wall", "b", Role::Viewer)),
            with(token("wall", "a", Role::Operator)),
            with(token("hall", "a", Role::Viewer)),
            Policy { has_accounts: true, ..Policy::default() },
        ] {
            assert_eq!(owner.problem(&after), Some("the token was removed or changed"));
        }
    }

    #[test]
    fn without_accounts_the_address_counts() {
        let known = |means| Identity { name: None, role: Role::Viewer, means };
        let closed = Policy::default();
        let of = |text: &str| {
            let ip = text.parse().expect("an address");
            let sender = Sender::new(ip, key(ip, 0));
            Owner::of(&known(Means::Open), &closed, None, sender.key)
        };
        assert!(of("2001:db8::1").is_same_viewer(&of("2001:db8::2")));
        assert!(!of("2001:db8::1").is_same_viewer(&of("2001:db8:0:1::1")));
        assert!(!of("fe80::1").is_same_viewer(&of("fe80::2")), "two hosts of a LAN");
        assert!(!of("192.0.2.1").is_same_viewer(&of("192.0.2.2")));
        assert!(of("192.0.2.1").is_same_viewer(&of("::ffff:192.0.2.1")));
        let open = Policy { open: true, ..Policy::default() };
        let accounts = Policy { has_accounts: true, ..open.clone() };
        assert_eq!(of("192.0.2.1").problem(&open), None);
        assert!(of("192.0.2.1").problem(&closed).is_some());
        assert!(of("127.0.0.1").problem(&closed).is_some(), "a proxy on this machine asked for it");
        let local = Owner::of(&known(Means::Local), &closed, None, [127, 0, 0, 1].into());
        assert_eq!(local.problem(&closed), None);
        assert!(local.problem(&accounts).is_some());
    }

    #[test]
    fn two_logins_of_a_user_are_one_viewer() {
        let user = |section, login| Owner::User { section: [section; 32], login };
        assert!(user(1, Some([1; 32])).is_same_viewer(&user(1, None)));
        assert!(!user(1, None).is_same_viewer(&user(2, None)));
        assert!(!user(1, None).is_same_viewer(&Owner::Token { section: [1; 32] }));
    }
}
