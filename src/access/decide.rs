//! The decision: who asks, or why that is nobody. No clock, no socket, no file, no hashing here.

use tokio::sync::oneshot;

use super::account::{Account, AccountsFingerprint, Policy, Role};
use super::client::Sender;
use super::failures::{Failures, TriedSecret};
use super::logins::{EndedLogin, LoginHash, Logins};
use super::password::PasswordHash;
use super::queue::{Attempt, Job, Queue, QueueFull};
use super::verified::VerifiedCredentials;

/// The time, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// As [`crate::clock::now_us`] has it.
    pub us: u64,
    /// By the wall clock, since 1970: a login outlives the process.
    pub unix_s: u64,
}

/// What a request presents.
pub enum PresentedCredentials {
    /// Nothing.
    Nothing,
    /// A token.
    Token(String),
    /// A user and a password.
    Password {
        /// The user's name.
        user: String,
        /// What is said to be the password.
        password: String,
    },
    /// Something that cannot be read.
    Unreadable,
}

/// A request, as far as it matters here.
pub struct AuthRequest {
    /// Who sent it.
    pub sender: Sender,
    /// It is on this machine, as far as that can be told: nothing about it is a proxy's.
    pub is_local: bool,
    /// Its credentials.
    pub presented: PresentedCredentials,
    /// The login in its cookie.
    pub login: Option<String>,
}

/// Somebody who may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's or token's name, where there is one.
    pub name: Option<String>,
    /// What he may do.
    pub role: Role,
    /// How he is known.
    pub means: Means,
}

/// How somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// There are no accounts, and it is on this machine.
    Local,
    /// There are no accounts, and viewing is open.
    Open,
    /// By a token that the request has.
    Token,
    /// By user and password that the request has.
    Password,
    /// By the cookie of a login.
    Login,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It was not meant for this box: [`super::Names`].
    Host,
    /// It comes from the page of another site.
    Origin,
    /// There are no accounts, and it comes from elsewhere.
    NoAccounts,
    /// There are no accounts, so that nobody on the network is an operator.
    NoOperators,
    /// It presents nothing, or a login that is over.
    Unknown,
    /// It presents something wrong.
    Wrong,
    /// Its address failed too often: when to ask again.
    Wait {
        /// From now.
        seconds: u32,
    },
    /// Too many passwords are waiting for their hash.
    Busy,
    /// It needs this role.
    Role(Role),
}

/// What came of a password.
pub(super) enum Verdict {
    /// It was found right a moment ago.
    Known(Identity),
    /// It waits for its hash, or is being hashed: `outcome` says whether it is right. It is dropped
    /// where somebody else needed the place in the queue.
    Hashing { identity: Identity, outcome: oneshot::Receiver<bool> },
}

/// The tables. See the module.
pub struct Access {
    logins: Logins,
    failures: Failures,
    remembered: VerifiedCredentials,
    hashing: Queue,
    /// The users of the policy last seen.
    users: Vec<AccountsFingerprint>,
}

impl Access {
    pub(super) fn new(logins: Logins) -> Self {
        Self {
            logins,
            failures: Failures::new(),
            remembered: VerifiedCredentials::new(),
            hashing: Queue::default(),
            users: Vec::new(),
        }
    }

    /// Ends the logins of users that are no longer as they were; whether there were some.
    pub(super) fn follow(&mut self, policy: &Policy) -> bool {
        let users = || policy.users.iter().map(|user| *user.fingerprint());
        if users().eq(self.users.iter().copied()) {
            return false;
        }
        self.users = users().collect();
        self.logins.follow(policy)
    }

    /// Who asks; a password is a [`Verdict`] of its own.
    pub(super) fn identify(
        &mut self,
        policy: &Policy,
        asked: &AuthRequest,
        now: Now,
    ) -> Result<Verdict, Denial> {
        let identity = |name, role, means| Ok(Verdict::Known(Identity { name, role, means }));
        if !policy.has_accounts {
            return if asked.is_local {
                identity(None, Role::Viewer, Means::Local)
            } else if policy.open {
                identity(None, Role::Viewer, Means::Open)
            } else {
                Err(Denial::NoAccounts)
            };
        }
        let by =
            |account: &Account, means| identity(Some(account.name.clone()), account.role, means);
        if let PresentedCredentials::Token(token) = &asked.presented
            && let Some(account) = policy.token(token)
        {
            return by(account, Means::Token);
        }
        // Before a password or a token that is wrong: a proxy in front of us may ask for one of its
        // own, and passes it on.
        let login = asked.login.as_deref().and_then(|id| self.logins.find(id, now.unix_s));
        if let Some(user) = login.and_then(|fingerprint| policy.user_of(fingerprint)) {
            return by(&user.account, Means::Login);
        }
        match &asked.presented {
            PresentedCredentials::Password { user, password } => {
                self.try_password(policy, user, password, &asked.sender, now)
            }
            PresentedCredentials::Token(_) => Err(self.wrong_token(&asked.sender, now)),
            PresentedCredentials::Unreadable => Err(Denial::Wrong),
            PresentedCredentials::Nothing => Err(Denial::Unknown),
        }
    }

    /// Whether there is a login of this id.
    pub(super) fn knows_login(&self, id: &str, now: Now) -> bool {
        self.logins.find(id, now.unix_s).is_some()
    }

    /// A wrong token counts by itself, and never keeps a right one or a password out.
    fn wrong_token(&mut self, sender: &Sender, now: Now) -> Denial {
        if let Some(seconds) = self.failures.wait_s(sender, TriedSecret::Token, now.us) {
            return Denial::Wait { seconds };
        }
        self.failures.charge(sender, TriedSecret::Token, now.us);
        Denial::Wrong
    }

    /// Looks whether a password is known, being looked at, or may be looked at.
    pub(super) fn try_password(
        &mut self,
        policy: &Policy,
        user: &str,
        password: &str,
        sender: &Sender,
        now: Now,
    ) -> Result<Verdict, Denial> {
        let known = policy.user(user);
        let fingerprint = known.map_or(&[][..], |known| known.fingerprint());
        let mark = self.remembered.mark(fingerprint, user, password);
        let identity = Identity {
            name: Some(user.to_owned()),
            role: known.map_or(Role::Viewer, |known| known.account.role),
            means: Means::Password,
        };
        let busy = |QueueFull| Denial::Busy;
        if self.hashing.has(&mark) {
            let outcome = self.hashing.join(&mark, sender).map_err(busy)?;
            return Ok(Verdict::Hashing { identity, outcome });
        }
        // Before what is remembered, which would tell a right guess from a wrong one for nothing.
        if let Some(seconds) = self.failures.wait_s(sender, TriedSecret::Password, now.us) {
            return Err(Denial::Wait { seconds });
        }
        if policy.users.is_empty() {
            // There is nobody whose password could be guessed by the time that an answer takes.
            self.failures.charge(sender, TriedSecret::Password, now.us);
            return Err(Denial::Wrong);
        }
        if self.remembered.knows(&mark, now.us) {
            return Ok(Verdict::Known(identity));
        }
        if let Some(job) = self.hashing.make_room(sender).map_err(busy)? {
            self.failures.take_back(&job.attempt.charge);
        }
        self.hashing.make_room_for_request(sender).map_err(busy)?;
        let charge = self.failures.charge(sender, TriedSecret::Password, now.us);
        // All users take as long as the one who takes longest, and so does one there is not.
        let rounds = policy.users.iter().map(|user| user.password.rounds()).max().unwrap_or(0);
        let hash = known.map(|known| known.password.clone());
        let job = Job {
            attempt: Attempt { mark, sender: *sender, charge },
            hash: hash.unwrap_or_else(|| PasswordHash::of_nobody(rounds)),
            rounds,
            password: password.to_owned(),
            is_unknown_user: known.is_none(),
        };
        Ok(Verdict::Hashing { identity, outcome: self.hashing.admit(sender, job) })
    }

    /// The next password to hash, one at a time: each is followed by [`Access::hashed`].
    pub(super) fn next_job(&mut self) -> Option<Job> {
        self.hashing.next()
    }

    /// A password was hashed; `None` when it could not be, which is no failure.
    pub(super) fn hashed(&mut self, attempt: Attempt, is_right: Option<bool>, now: Now) {
        let Attempt { mark, sender, charge } = attempt;
        let waiting = self.hashing.finish(&mark);
        let Some(is_right) = is_right else {
            self.failures.take_back(&charge);
            return;
        };
        if is_right {
            self.remembered.insert(mark, now.us);
            self.failures.clear(&charge);
        } else if let Some(seconds) = self.failures.wait_s(&sender, TriedSecret::Password, now.us) {
            let client = sender.ip;
            log::warn!("{client}: wrong password again, next try in {seconds} s");
        }
        for waiter in waiting {
            // Who left does not want to know.
            let _ = waiter.send(is_right);
        }
    }

    /// Begins a login of somebody whose password was right; what goes into the cookie.
    pub(super) fn log_in(&mut self, policy: &Policy, user: &str, now: Now) -> Option<String> {
        let user = policy.user(user)?;
        let lifetime_s = policy.login_hours as u64 * 3600;
        Some(self.logins.admit(*user.fingerprint(), now.unix_s, lifetime_s))
    }

    /// Ends a login; `None` when there is none.
    pub(super) fn log_out(&mut self, id: &str) -> Option<EndedLogin> {
        self.logins.release(id)
    }

    /// Whether a login has not been ended.
    pub(super) fn has_login(&self, login: &LoginHash) -> bool {
        self.logins.has(login)
    }

    /// The logins' file, to be written now.
    pub(super) fn logins_text(&mut self) -> String {
        self.logins.text()
    }
}

#[cfg(test)]
mod tests;
