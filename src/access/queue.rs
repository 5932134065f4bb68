//! Passwords that wait for their hash, and the requests that wait for each.
//!
//! One password is hashed at a time. The queue is fair by address: each password gets a number one
//! above its address's last one, or above the one being hashed, and the lowest number is next. An
//! address that queues five passwords delays another's only one by one hash.
//!
//! Passwords are bounded by [`PASSWORDS_WAITING_MAX`], requests over all of them by
//! [`PASSWORD_REQUESTS_MAX`]. When the queue is full, the newest password of the address that has
//! most is dropped, if that address has at least two more than the newcomer's; else the newcomer is
//! refused. A client whose address may be made up ([`Sender::forwarded`]) goes behind others with
//! the same number, makes room for each of them, and gets room only from other such clients.

use std::net::IpAddr;

use tokio::sync::oneshot;

use super::client::Sender;
use super::failures::Charge;
use super::password::PasswordHash;
use super::verified::CredentialDigest;
use crate::limits::{PASSWORD_REQUESTS_MAX, PASSWORDS_WAITING_MAX};

/// One try at a password, as it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) mark: CredentialDigest,
    pub(super) sender: Sender,
    pub(super) charge: Charge,
}

/// A password to be hashed.
pub(super) struct Job {
    pub(super) attempt: Attempt,
    pub(super) hash: PasswordHash,
    pub(super) rounds: u32,
    pub(super) password: String,
    /// There is no such user: the result is wrong, whatever the hash says.
    pub(super) is_unknown_user: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    /// Passwords in the order in which they came.
    hashes: Vec<Hash>,
    /// The number of the password that was last taken to be hashed.
    served: u64,
}

struct Hash {
    mark: CredentialDigest,
    address: IpAddr,
    /// The address may be made up.
    is_forwarded: bool,
    number: u64,
    /// `None` while it is being hashed.
    job: Option<Job>,
    requests: Vec<Request>,
}

struct Request {
    address: IpAddr,
    outcome: oneshot::Sender<bool>,
}

/// The queue has no room for this address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueFull;

impl Queue {
    /// Whether this password is waiting or being hashed.
    pub(super) fn has(&self, mark: &CredentialDigest) -> bool {
        self.hashes.iter().any(|hash| hash.mark == *mark)
    }

    /// Adds a request of `sender` to a password that [`Queue::has`].
    pub(super) fn join(
        &mut self,
        mark: &CredentialDigest,
        sender: &Sender,
    ) -> Result<oneshot::Receiver<bool>, QueueFull> {
        let address = sender.tries_key();
        self.make_room_for_request(sender)?;
        let (sender, outcome) = oneshot::channel();
        let hash = self.hashes.iter_mut().find(|hash| hash.mark == *mark).ok_or(QueueFull)?;
        hash.requests.push(Request { address, outcome: sender });
        Ok(outcome)
    }

    /// Makes room for a password of `sender`. Returns the password that was dropped for it, where
    /// one was; the requests that wait for that one learn that the queue is full.
    pub(super) fn make_room(&mut self, sender: &Sender) -> Result<Option<Job>, QueueFull> {
        if self.hashes.len() < PASSWORDS_WAITING_MAX {
            return Ok(None);
        }
        let mark = self.least_entitled(sender).ok_or(QueueFull)?;
        let index = self.hashes.iter().position(|hash| hash.mark == mark).ok_or(QueueFull)?;
        Ok(self.hashes.remove(index).job)
    }

    /// The waiting password that makes room for one of `sender`.
    fn least_entitled(&self, sender: &Sender) -> Option<CredentialDigest> {
        let of = |address| self.hashes.iter().filter(|hash| hash.address == address).count();
        let is_due = |hash: &&Hash| {
            (hash.is_forwarded && !sender.is_forwarded())
                || (hash.is_forwarded == sender.is_forwarded()
                    && of(hash.address) >= of(sender.tries_key()) + 2)
        };
        let waiting = self.hashes.iter().filter(|hash| hash.job.is_some());
        let rank = |hash: &&Hash| (hash.is_forwarded, of(hash.address), hash.number);
        waiting.filter(is_due).max_by_key(rank).map(|hash| hash.mark)
    }

    /// Adds a password of `sender` after [`Queue::make_room`] and [`Queue::make_room_for_request`].
    pub(super) fn admit(&mut self, sender: &Sender, job: Job) -> oneshot::Receiver<bool> {
        let address = sender.tries_key();
        let of_address = self.hashes.iter().filter(|hash| hash.address == address);
        let last = of_address.map(|hash| hash.number).max().unwrap_or(0);
        let (outcome_sender, outcome) = oneshot::channel();
        self.hashes.push(Hash {
            mark: job.attempt.mark,
            address,
            is_forwarded: sender.is_forwarded(),
            number: last.max(self.served) + 1,
            job: Some(job),
            requests: vec![Request { address, outcome: outcome_sender }],
        });
        outcome
    }

    /// Takes the next password to hash; `None` while one is being hashed, or when none waits.
    pub(super) fn next(&mut self) -> Option<Job> {
        if self.hashes.iter().any(|hash| hash.job.is_none()) {
            return None;
        }
        let next = self.hashes.iter_mut().min_by_key(|hash| (hash.number, hash.is_forwarded))?;
        self.served = next.number;
        next.job.take()
    }

    /// Takes out a password that was hashed; returns the senders of the requests that wait for it.
    pub(super) fn finish(&mut self, mark: &CredentialDigest) -> Vec<oneshot::Sender<bool>> {
        let Some(index) = self.hashes.iter().position(|hash| hash.mark == *mark) else {
            return Vec::new();
        };
        let requests = self.hashes.remove(index).requests;
        requests.into_iter().map(|request| request.outcome).collect()
    }

    /// Makes room for one more request of `sender`: where needed, the newest of the address that
    /// has most is dropped, if that address has at least two more.
    pub(super) fn make_room_for_request(&mut self, sender: &Sender) -> Result<(), QueueFull> {
        let address = sender.tries_key();
        for hash in &mut self.hashes {
            hash.requests.retain(|request| !request.outcome.is_closed());
        }
        let all = || self.hashes.iter().flat_map(|hash| &hash.requests);
        if all().count() < PASSWORD_REQUESTS_MAX {
            return Ok(());
        }
        let of = |address| all().filter(|request| request.address == address).count();
        let greedy = all().map(|request| (of(request.address), request.address)).max();
        let (_, greedy) = greedy.filter(|(count, _)| *count >= of(address) + 2).ok_or(QueueFull)?;
        for hash in self.hashes.iter_mut().rev() {
            if let Some(index) = hash.requests.iter().rposition(|other| other.address == greedy) {
                hash.requests.remove(index);
                break;
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}
