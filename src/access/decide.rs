//! The decision whether a request is let in, and as whom. There is no clock, socket, file or
//! hashing here.

use tokio::sync::oneshot;

use super::account::{Account, AccountsFingerprint, Policy, Role};
use super::client::Sender;
use super::failures::{Failures, TriedSecret};
use super::logins::{EndedLogin, LoginHash, Logins};
use super::password::PasswordHash;
use super::queue::{Attempt, Job, Queue, QueueFull};
use super::verified::VerifiedCredentials;

/// The time on the monotonic and on the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic time in µs, of [`crate::clock::now_us`].
    pub us: u64,
    /// Wall clock in seconds since 1970, for logins, which outlive the process.
    pub unix_s: u64,
}

/// The credentials in a request's head.
pub enum PresentedCredentials {
    /// The request has no credentials.
    Nothing,
    /// A token, right or wrong.
    Token(String),
    /// A user and a password, right or wrong.
    Password {
        /// The name, which may be no user's.
        user: String,
        /// The password, as it was sent.
        password: String,
    },
    /// An `Authorization` that cannot be read, or a token that is too long.
    Unreadable,
}

/// The parts of a request that access depends on.
pub struct AuthRequest {
    /// The client that sent it, by its address.
    pub sender: Sender,
    /// The client is on this machine, as far as that can be told: there is no trace of a proxy.
    pub is_local: bool,
    /// The credentials in its head.
    pub presented: PresentedCredentials,
    /// The id of the login in its cookie.
    pub login: Option<String>,
}

/// A client that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's or token's name; `None` where there are no accounts.
    pub name: Option<String>,
    /// What the client may do.
    pub role: Role,
    /// How the client was identified.
    pub means: Means,
}

/// How a client was identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// There are no accounts, and the client is on this machine.
    Local,
    /// There are no accounts, and viewing is open to every client.
    Open,
    /// By a token in the request.
    Token,
    /// By a user and password in the request.
    Password,
    /// By the cookie of a login.
    Login,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Its host name is not this box's: [`super::Names`].
    Host,
    /// It comes from a page of another site.
    Origin,
    /// There are no accounts, and it does not come from this machine.
    NoAccounts,
    /// There are no accounts, so that no client is an operator.
    NoOperators,
    /// It has no credentials, or only a login that is over.
    Unknown,
    /// Its credentials are wrong, or cannot be read.
    Wrong,
    /// Its address failed too often and has to wait.
    Wait {
        /// How long from now, in whole seconds.
        seconds: u32,
    },
    /// Its password could not be hashed in time: too many wait, or memory is short.
    Busy,
    /// It needs this role, which the client does not have.
    Role(Role),
}

/// The result of a check, where the request is not denied at once.
pub(super) enum AuthVerdict {
    /// The client is let in. A password among them was found right a short while ago.
    Known(Identity),
    /// The password waits for its hash, or is being hashed; `outcome` gives whether it is right.
    /// `outcome` fails where another password needed the room in the queue, or the hash could not
    /// be made.
    Hashing { identity: Identity, outcome: oneshot::Receiver<bool> },
}

/// Access control without clock, file or thread: the tables, and the decisions made from them. See
/// [`super`].
pub struct Access {
    logins: Logins,
    failures: Failures,
    remembered: VerifiedCredentials,
    hashing: Queue,
    /// Fingerprints of the users of the policy last seen.
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

    /// Ends the logins of users that were removed or changed; true where there were some. Called
    /// with the policy of the moment before each request is identified.
    pub(super) fn follow(&mut self, policy: &Policy) -> bool {
        let users = || policy.users.iter().map(|user| *user.fingerprint());
        if users().eq(self.users.iter().copied()) {
            return false;
        }
        self.users = users().collect();
        self.logins.follow(policy)
    }

    /// Identifies the client of a request. A password may have to be hashed first:
    /// [`AuthVerdict::Hashing`].
    pub(super) fn identify(
        &mut self,
        policy: &Policy,
        asked: &AuthRequest,
        now: Now,
    ) -> Result<AuthVerdict, Denial> {
        let identity = |name, role, means| Ok(AuthVerdict::Known(Identity { name, role, means }));
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
        // A login goes before a wrong password or token: a proxy in front of weir may ask for
        // credentials of its own, and pass them on.
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

    /// Whether there is a login of this id that is not over.
    pub(super) fn knows_login(&self, id: &str, now: Now) -> bool {
        self.logins.find(id, now.unix_s).is_some()
    }

    /// Counts a wrong token. It is counted apart from passwords, and never keeps a right token or a
    /// password out.
    fn wrong_token(&mut self, sender: &Sender, now: Now) -> Denial {
        if let Some(seconds) = self.failures.wait_s(sender, TriedSecret::Token, now.us) {
            return Denial::Wait { seconds };
        }
        self.failures.charge(sender, TriedSecret::Token, now.us);
        Denial::Wrong
    }

    /// Checks a password: it is known to be right, being hashed already, or put into the queue.
    /// Called for a password in a request and for the login form.
    pub(super) fn try_password(
        &mut self,
        policy: &Policy,
        user: &str,
        password: &str,
        sender: &Sender,
        now: Now,
    ) -> Result<AuthVerdict, Denial> {
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
            return Ok(AuthVerdict::Hashing { identity, outcome });
        }
        // Before the remembered credentials, which would tell a right guess from a wrong one at no
        // cost.
        if let Some(seconds) = self.failures.wait_s(sender, TriedSecret::Password, now.us) {
            return Err(Denial::Wait { seconds });
        }
        if policy.users.is_empty() {
            // There is no user whose password could be guessed from the time that the answer takes.
            self.failures.charge(sender, TriedSecret::Password, now.us);
            return Err(Denial::Wrong);
        }
        if self.remembered.knows(&mark, now.us) {
            return Ok(AuthVerdict::Known(identity));
        }
        if let Some(job) = self.hashing.make_room(sender).map_err(busy)? {
            self.failures.take_back(&job.attempt.charge);
        }
        self.hashing.make_room_for_request(sender).map_err(busy)?;
        let charge = self.failures.charge(sender, TriedSecret::Password, now.us);
        // Every user takes as many rounds as the one with most, and so does an unknown user.
        let rounds = policy.users.iter().map(|user| user.password.rounds()).max().unwrap_or(0);
        let hash = known.map(|known| known.password.clone());
        let job = Job {
            attempt: Attempt { mark, sender: *sender, charge },
            hash: hash.unwrap_or_else(|| PasswordHash::of_nobody(rounds)),
            rounds,
            password: password.to_owned(),
            is_unknown_user: known.is_none(),
        };
        Ok(AuthVerdict::Hashing { identity, outcome: self.hashing.admit(sender, job) })
    }

    /// The next password to hash; `None` while one is being hashed. The caller reports each to
    /// [`Access::hashed`].
    pub(super) fn next_job(&mut self) -> Option<Job> {
        self.hashing.next()
    }

    /// Takes the result of a hash; `None` where it could not be made, which is not a failed try.
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
            // A request that has gone no longer listens.
            let _ = waiter.send(is_right);
        }
    }

    /// Begins a login of a user whose password was right. Returns the id for the cookie; `None`
    /// where there is no such user.
    pub(super) fn log_in(&mut self, policy: &Policy, user: &str, now: Now) -> Option<String> {
        let user = policy.user(user)?;
        let lifetime_s = policy.login_hours as u64 * 3600;
        Some(self.logins.admit(*user.fingerprint(), now.unix_s, lifetime_s))
    }

    /// Ends the login of this id; `None` where there is none.
    pub(super) fn log_out(&mut self, id: &str) -> Option<EndedLogin> {
        self.logins.release(id)
    }

    /// Whether the login has not been ended. Its lifetime is not checked.
    pub(super) fn has_login(&self, login: &LoginHash) -> bool {
        self.logins.has(login)
    }

    /// The text of the logins' file. The caller writes it now: the logins count as filed.
    pub(super) fn logins_text(&mut self) -> String {
        self.logins.text()
    }
}

#[cfg(test)]
mod tests;
