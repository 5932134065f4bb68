//! [`Access`] together with the clock, the thread that hashes, and the file of the logins.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::client::Sender;
use super::decide::{Access, AuthRequest, AuthVerdict, Denial, Identity, Now};
use super::domains::Domains;
use super::hashing::Hashing;
use super::keeping::{Keeping, Urgency};
use super::logins::{LoginHash, Logins, hash_of};
use super::{Names, PasswordHash, Policy, sha256};
use crate::clock;
use crate::hex;
use crate::limits::{LOGINS_FILE_BYTES_MAX, LOGINS_LAST_WRITE_MS_MAX, PASSWORD_WAIT_MS_MAX};
use crate::mem::accounts::{self, Demand};
use crate::status::GAUGES;
use crate::status::tasks::{self, TASKS};
use crate::storage::{Secret, StateFolder};

const FILE: &str = "weir-logins";
/// Enough to distinguish the boxes behind one host name.
const BOX_ID_BYTES: usize = 4;
/// The file in which Linux has the box's host name.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";
/// The file that identifies one installation of a system (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// Called with each login that a logout ends.
type OnLogOut = Box<dyn Fn(&LoginHash)>;

/// Access control for the whole web. Cheap to clone; for the control thread only.
#[derive(Clone)]
pub struct Guard(Rc<State>);

struct State {
    access: RefCell<Access>,
    hashing: RefCell<Option<Hashing>>,
    keeping: RefCell<Keeping>,
    /// Notified when a write may have become due sooner.
    hurried: Notify,
    /// Notified when the file was written.
    written: Notify,
    folder: StateFolder,
    own_name: String,
    domains: Domains,
    box_id: String,
    on_log_out: OnceCell<OnLogOut>,
}

/// A login that has begun.
pub struct LoggedIn {
    /// The login's id, for the cookie.
    pub id: String,
    /// How long the login lasts, in seconds.
    pub lifetime_s: u64,
}

impl Guard {
    /// A guard with the logins that the folder's file has. The daemon makes one at start.
    pub fn new(folder: StateFolder) -> Self {
        let access = RefCell::new(Access::new(read(&folder)));
        let own_name = std::fs::read_to_string(HOSTNAME).unwrap_or_default().trim().to_owned();
        let box_id = box_id(&own_name, &folder);
        Self(Rc::new(State {
            access,
            hashing: RefCell::default(),
            keeping: RefCell::default(),
            hurried: Notify::new(),
            written: Notify::new(),
            folder,
            own_name,
            domains: Domains::default(),
            box_id,
            on_log_out: OnceCell::new(),
        }))
    }

    /// The domains that the box's network gave it, in lower case, for [`Guard::names`].
    pub fn domains(&self) -> Rc<[String]> {
        // The kept list outlives the connection that asks, and is booked on the shared account.
        accounts::shared(|| self.0.domains.at(clock::now_us()))
    }

    /// The names that the box answers to; `domains` are those of [`Guard::domains`].
    pub fn names<'n>(&'n self, policy: &'n Policy, domains: &'n [String]) -> Names<'n> {
        Names { own: &self.0.own_name, further: &policy.names, domains }
    }

    /// Distinguishes this weir from others that browsers reach by the same host name. Not a secret.
    pub fn box_id(&self) -> &str {
        &self.0.box_id
    }

    /// The first good login among the ids in a request's cookies; `None` where none is good.
    pub fn good_login(&self, ids: impl Iterator<Item = String>) -> Option<String> {
        let access = self.0.access.borrow();
        let now = now();
        let mut ids = ids;
        ids.find(|id| access.knows_login(id, now))
    }

    /// Identifies the client of a request. A password is waited for up to [`PASSWORD_WAIT_MS_MAX`].
    ///
    /// # Errors
    /// [`Denial::NoAccounts`], [`Denial::Unknown`], [`Denial::Wrong`], [`Denial::Wait`] or
    /// [`Denial::Busy`].
    pub async fn identify(&self, policy: &Policy, asked: &AuthRequest) -> Result<Identity, Denial> {
        if self.0.access.borrow_mut().follow(policy) {
            self.changed(Urgency::Ended);
        }
        let verdict = self.0.access.borrow_mut().identify(policy, asked, now());
        self.settle(verdict).await
    }

    /// Checks a password from the login form, and begins a login. It is in the file within
    /// [`crate::limits::LOGINS_WRITE_MS`].
    ///
    /// # Errors
    /// [`Denial::Wrong`] for a wrong user or password, [`Denial::Wait`] after too many failures,
    /// [`Denial::Busy`] when the password could not be hashed in time.
    pub async fn log_in(
        &self,
        policy: &Policy,
        user: &str,
        password: &str,
        sender: &Sender,
    ) -> Result<LoggedIn, Denial> {
        let verdict =
            self.0.access.borrow_mut().try_password(policy, user, password, sender, now());
        self.settle(verdict).await?;
        let id = self.0.access.borrow_mut().log_in(policy, user, now()).ok_or(Denial::Wrong)?;
        log::info!("{}: logged in", sender.ip);
        self.changed(Urgency::Soon);
        Ok(LoggedIn { id, lifetime_s: policy.login_hours as u64 * 3600 })
    }

    /// Ends a login. If the file has it, this returns once the file is written without it, which
    /// begins within [`crate::limits::LOGINS_ENDED_WRITE_MS`].
    pub async fn log_out(&self, id: &str) {
        let Some(ended) = self.0.access.borrow_mut().log_out(id) else { return };
        if let Some(tell) = self.0.on_log_out.get() {
            tell(&hash_of(id));
        }
        if ended.is_filed {
            let number = self.changed(Urgency::Ended);
            self.kept(number).await;
        }
    }

    /// Writes the logins that are not in the file yet. Called as weir shuts down; it waits for at
    /// most [`LOGINS_LAST_WRITE_MS_MAX`].
    pub async fn finish(&self) {
        let number = self.0.keeping.borrow_mut().hurry();
        self.0.hurried.notify_one();
        let patience = Duration::from_millis(LOGINS_LAST_WRITE_MS_MAX);
        if timeout(patience, self.kept(number)).await.is_err() {
            log::warn!("{FILE}: not written within {LOGINS_LAST_WRITE_MS_MAX} ms");
        }
    }

    /// Has `tell` called with each login that a logout ends, at once, so that the control can end
    /// its sessions. To be set only once.
    pub fn on_log_out(&self, tell: impl Fn(&LoginHash) + 'static) {
        let set = self.0.on_log_out.set(Box::new(tell));
        debug_assert!(set.is_ok(), "on_log_out is already set");
    }

    /// Whether a login has not been ended. Its lifetime is not checked.
    pub fn has_login(&self, login: &LoginHash) -> bool {
        self.0.access.borrow().has_login(login)
    }

    /// Whether a console's password is the one of this hash; `None` when the thread could not check
    /// it.
    pub async fn fits(&self, hash: PasswordHash, password: Secret) -> Option<bool> {
        self.with_thread(|thread| thread.fits(hash, password))?.await.ok()
    }

    /// The hash of a console's new password; `None` when [`PasswordHash::make`] refuses it, or the
    /// thread could not make it.
    pub async fn make(&self, password: Secret) -> Option<PasswordHash> {
        self.with_thread(|thread| thread.make(password))?.await.ok()?
    }

    /// Writes a file of the state folder for a console; returns once it was written or has failed,
    /// which is logged.
    pub async fn write_file(&self, name: &'static str, text: String) {
        let folder = self.0.folder.clone();
        if let Some(written) = self.with_thread(|thread| thread.write(folder, name, text)) {
            let _ = written.await;
        }
    }

    /// The state folder that has the file of the logins.
    pub fn folder(&self) -> &StateFolder {
        &self.0.folder
    }

    async fn settle(&self, verdict: Result<AuthVerdict, Denial>) -> Result<Identity, Denial> {
        let denied = |denial| {
            GAUGES.denials.fetch_add(1, Relaxed);
            denial
        };
        match verdict.map_err(denied)? {
            AuthVerdict::Known(identity) => Ok(identity),
            AuthVerdict::Hashing { identity, outcome } => {
                self.hash_next();
                let patience = Duration::from_millis(PASSWORD_WAIT_MS_MAX);
                match timeout(patience, outcome).await {
                    Ok(Ok(true)) => Ok(identity),
                    Ok(Ok(false)) => Err(denied(Denial::Wrong)),
                    Ok(Err(_)) | Err(_) => Err(denied(Denial::Busy)),
                }
            }
        }
    }

    /// Has the next password hashed unless one is being hashed, and then those after it, whether or
    /// not a request still waits for them: each was counted as a try.
    fn hash_next(&self) {
        let Some(job) = self.0.access.borrow_mut().next_job() else { return };
        let attempt = job.attempt;
        let outcome = match accounts::admit(Demand::Password) {
            Ok(()) => self.with_thread(|thread| thread.hash(job)),
            Err(_) => None,
        };
        let guard = self.clone();
        tasks::spawn(&TASKS.password, async move {
            let is_right = match outcome {
                Some(outcome) => outcome.await.ok(),
                None => None,
            };
            guard.0.access.borrow_mut().hashed(attempt, is_right, now());
            guard.hash_next();
        });
    }

    /// Records that the logins have changed, and sees that they are written; returns the change's
    /// number.
    fn changed(&self, urgency: Urgency) -> u64 {
        let mut keeping = self.0.keeping.borrow_mut();
        let number = keeping.change(urgency);
        if keeping.attend() {
            // The task outlives the request that starts it.
            accounts::shared(|| tasks::spawn(&TASKS.logins, self.clone().keep()));
        }
        self.0.hurried.notify_one();
        number
    }

    /// Returns once a change is in the file, or could not be written.
    async fn kept(&self, number: u64) {
        while !self.0.keeping.borrow().has_kept(number) {
            self.0.written.notified().await;
        }
    }

    /// Writes the logins whenever that is due, until nothing is left to write. One such task runs
    /// at a time.
    async fn keep(self) {
        loop {
            let due_us = self.0.keeping.borrow_mut().due_us();
            let Some(due_us) = due_us else { return };
            let wait_us = due_us.saturating_sub(clock::now_us());
            if wait_us > 0 {
                let _ = timeout(Duration::from_micros(wait_us), self.0.hurried.notified()).await;
                continue;
            }
            let holds = self.0.keeping.borrow().begin();
            self.write().await;
            self.0.keeping.borrow_mut().finish(holds, clock::now_us());
            self.0.written.notify_waiters();
        }
    }

    async fn write(&self) {
        let State { access, folder, .. } = &*self.0;
        if folder.path(FILE).is_none() {
            return;
        }
        let text = access.borrow_mut().logins_text();
        let written = self.with_thread(|thread| thread.write(folder.clone(), FILE, text));
        let Some(written) = written else { return };
        if written.await == Ok(true) {
            GAUGES.login_writes.fetch_add(1, Relaxed);
        }
    }

    fn with_thread<T>(&self, ask: impl FnOnce(&Hashing) -> T) -> Option<T> {
        let mut hashing = self.0.hashing.borrow_mut();
        if hashing.is_none() {
            match accounts::shared(Hashing::start) {
                Ok(started) => *hashing = Some(started),
                Err(error) => log::error!("cannot start the password thread: {error}"),
            }
        }
        hashing.as_ref().map(ask)
    }
}

/// An id made of what stays the same over restarts and upgrades.
fn box_id(own_name: &str, folder: &StateFolder) -> String {
    let machine = std::fs::read(MACHINE_ID).unwrap_or_default();
    let folder = folder.path("").unwrap_or_default();
    let parts = [machine.as_slice(), own_name.as_bytes(), folder.as_os_str().as_encoded_bytes()];
    let whole = sha256(&parts.map(|part| sha256(&[part])).each_ref().map(|part| &part[..]));
    hex::text(&whole[..BOX_ID_BYTES])
}

fn now() -> Now {
    Now { us: clock::now_us(), unix_s: clock::unix_s() }
}

/// The logins in the folder's file. Where the file cannot be read, its users only have to log in
/// again.
fn read(folder: &StateFolder) -> Logins {
    let bytes = match folder.read(FILE, LOGINS_FILE_BYTES_MAX) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(error) => {
            log::warn!("{FILE}: {error}");
            return Logins::default();
        }
    };
    let (logins, is_whole) = Logins::read(&String::from_utf8_lossy(&bytes));
    if !is_whole {
        log::warn!("{FILE}: some lines cannot be read; their users have to log in again");
    }
    logins
}
