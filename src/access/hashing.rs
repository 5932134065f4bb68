//! The one thread that does what takes long: it hashes passwords, one after the other, and writes
//! the file of the logins. It is started by the first of these, so that there is none without
//! users. Its queue holds what may wait by proof: a password of the web's (its own queue is in
//! [`super::queue`]), a write of the logins ([`super::keeping`]), and what the consoles ask.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use super::PasswordHash;
use super::queue::Job;
use crate::limits::{CONSOLES_MAX, PASSWORD_STACK_BYTES};
use crate::status::GAUGES;
use crate::storage::{Secret, StateFolder};

/// The web has one password hashed at a time.
const HASHES_MAX: usize = 1;
/// The logins are written one at a time.
const WRITES_WAITING_MAX: usize = 1;
/// A console has one thing done at a time, and one that it did not wait for.
const CONSOLE_ORDERS_MAX: usize = 2 * CONSOLES_MAX;

/// What the thread is asked.
enum Order {
    Hash(Job, oneshot::Sender<bool>),
    Fits(PasswordHash, Secret, oneshot::Sender<bool>),
    Make(Secret, oneshot::Sender<Option<PasswordHash>>),
    Write { folder: StateFolder, name: &'static str, text: String, done: oneshot::Sender<bool> },
}

/// The thread. It ends when this is dropped and its queue is empty.
pub(super) struct Hashing(SyncSender<Order>);

impl Hashing {
    /// Starts it.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, queue) = sync_channel(HASHES_MAX + WRITES_WAITING_MAX + CONSOLE_ORDERS_MAX);
        let thread = thread::Builder::new().name("weir-passwords".to_owned());
        thread.stack_size(PASSWORD_STACK_BYTES).spawn(move || work(&queue))?;
        Ok(Self(orders))
    }

    /// Has a password hashed: whether it is right.
    pub(super) fn hash(&self, job: Job) -> oneshot::Receiver<bool> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Hash(job, done));
        outcome
    }

    /// Whether a password is the one of this hash.
    pub(super) fn fits(&self, hash: PasswordHash, password: Secret) -> oneshot::Receiver<bool> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Fits(hash, password, done));
        outcome
    }

    /// The hash of a new password; `None` when it cannot be one.
    pub(super) fn make(&self, password: Secret) -> oneshot::Receiver<Option<PasswordHash>> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Make(password, done));
        outcome
    }

    /// Has a file of the state folder written; whether it was, once that is over. A file that holds
    /// the same already is not.
    pub(super) fn write(
        &self,
        folder: StateFolder,
        name: &'static str,
        text: String,
    ) -> oneshot::Receiver<bool> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Write { folder, name, text, done });
        outcome
    }

    fn order(&self, order: Order) {
        // A dropped order is one whose outcome never comes, which is an answer too.
        if self.0.try_send(order).is_err() {
            log::error!("the thread for passwords takes no more");
        }
    }
}

fn work(queue: &Receiver<Order>) {
    while let Ok(order) = queue.recv() {
        match order {
            Order::Hash(job, done) => {
                GAUGES.password_hashes.fetch_add(1, Relaxed);
                let is_right = job.hash.fits(&job.password, job.rounds) && !job.is_unknown_user;
                let _ = done.send(is_right);
            }
            Order::Fits(hash, password, done) => {
                GAUGES.password_hashes.fetch_add(1, Relaxed);
                let _ = done.send(hash.fits(password.reveal(), 0));
            }
            Order::Make(password, done) => {
                GAUGES.password_hashes.fetch_add(1, Relaxed);
                let _ = done.send(PasswordHash::make(password.reveal()).ok());
            }
            Order::Write { folder, name, text, done } => {
                let is_written = folder.write(name, text.as_bytes()).unwrap_or_else(|error| {
                    log::warn!("{name}: {error}; what is new in it will not outlive a restart");
                    false
                });
                let _ = done.send(is_written);
            }
        }
    }
}
