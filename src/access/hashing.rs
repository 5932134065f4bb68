//! The one thread that does slow work: it hashes passwords, one after the other, and writes files
//! of the state folder. The first order starts it, so that there is none without users. Its queue
//! has room for everything that can wait at once: one password of the web (whose own queue is in
//! [`super::queue`]), one write of the logins ([`super::keeping`]), and the orders of the consoles.

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

/// Passwords of the web that wait here: it has one hashed at a time.
const HASHES_MAX: usize = 1;
/// Writes of the logins that wait here: one runs at a time.
const WRITES_WAITING_MAX: usize = 1;
/// Each console has at most one order that it waits for, and one that it no longer waits for.
const CONSOLE_ORDERS_MAX: usize = 2 * CONSOLES_MAX;

/// What the thread is asked to do, with the sender for the result.
enum Order {
    Hash(Job, oneshot::Sender<bool>),
    Fits(PasswordHash, Secret, oneshot::Sender<bool>),
    Make(Secret, oneshot::Sender<Option<PasswordHash>>),
    Write { folder: StateFolder, name: &'static str, text: String, done: oneshot::Sender<bool> },
}

/// The handle of the thread, which ends when this is dropped and its queue is empty.
pub(super) struct Hashing(SyncSender<Order>);

impl Hashing {
    /// Starts the thread; the error is that of the operating system.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, queue) = sync_channel(HASHES_MAX + WRITES_WAITING_MAX + CONSOLE_ORDERS_MAX);
        let thread = thread::Builder::new().name("weir-passwords".to_owned());
        thread.stack_size(PASSWORD_STACK_BYTES).spawn(move || work(&queue))?;
        Ok(Self(orders))
    }

    /// Has a password of the web hashed; the result says whether it is right. The receiver fails
    /// where it could not be hashed.
    pub(super) fn hash(&self, job: Job) -> oneshot::Receiver<bool> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Hash(job, done));
        outcome
    }

    /// Whether `password` is the one of `hash`, for a console.
    pub(super) fn fits(&self, hash: PasswordHash, password: Secret) -> oneshot::Receiver<bool> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Fits(hash, password, done));
        outcome
    }

    /// The hash of a new password, for a console; `None` where [`PasswordHash::make`] refuses it.
    pub(super) fn make(&self, password: Secret) -> oneshot::Receiver<Option<PasswordHash>> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Make(password, done));
        outcome
    }

    /// Writes a file of the state folder; the result says whether it was written. A file that holds
    /// the same text already is not.
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
        // The receiver of a dropped order gets an error, which its caller handles.
        if self.0.try_send(order).is_err() {
            log::error!("the password thread's queue is full");
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
                    log::warn!("{name}: {error}; changes in it will be lost at the next restart");
                    false
                });
                let _ = done.send(is_written);
            }
        }
    }
}
