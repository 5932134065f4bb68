//! Heap accounts: every request or connection from outside has an account of its own, with a
//! budget.
//!
//! The allocator charges each block to the account that is entered on the calling thread
//! ([`HeapAccount::enter`], [`HeapAccount::charge`]), or to the shared part if none is. A block
//! stays on its account, whichever thread or task grows or frees it. The owner of an account that
//! is over budget after one poll is ended with a warning in the log, and the others are not
//! affected. Within one poll it gets what it asks for, out of the reserve.
//!
//! New accounts and other work that begins to take memory ([`Demand`]) are refused while less than
//! the reserve is free ([`admit`]), and if as many of their kind are open as the plan has. So the
//! budgets of all accounts that can be open, the shared part and the reserve together fit the heap,
//! which [`crate::plan`] asserts.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use super::Full;
use super::books::{AccountFigures, Tag};
use super::current::{current, enter};
use super::heap;
pub use super::kind::AccountKind;
use crate::limits::{HEAP_PROBE_BYTES, PROFILE};

impl AccountKind {
    /// The open accounts of this kind: see [`AccountFigures`].
    pub fn figures(self) -> AccountFigures {
        heap::books(|books| books.figures(self))
    }

    /// How many accounts of this kind were ended over their budget since the start.
    pub fn ended(self) -> u64 {
        ENDED[self as usize].load(Relaxed)
    }
}

/// Work that is refused while less than the reserve is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Opening an account.
    Account(AccountKind),
    /// Reading the body of an HTTP request.
    RequestBody,
    /// Hashing a password.
    Password,
}

impl Demand {
    const COUNT: usize = AccountKind::ALL.len() + 2;

    /// All kinds of demand, in the order of the report.
    pub fn all() -> impl Iterator<Item = Self> {
        AccountKind::ALL.into_iter().map(Self::Account).chain([Self::RequestBody, Self::Password])
    }

    /// The name in `/api/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account(kind) => kind.name(),
            Self::RequestBody => "request body",
            Self::Password => "password",
        }
    }

    fn number(self) -> usize {
        match self {
            Self::Account(kind) => kind as usize,
            Self::RequestBody => AccountKind::ALL.len(),
            Self::Password => AccountKind::ALL.len() + 1,
        }
    }

    /// How often it was refused since the start.
    pub fn refused(self) -> u64 {
        REFUSED[self.number()].load(Relaxed)
    }
}

static ENDED: [AtomicU64; AccountKind::ALL.len()] =
    [const { AtomicU64::new(0) }; AccountKind::ALL.len()];
static REFUSED: [AtomicU64; Demand::COUNT] = [const { AtomicU64::new(0) }; Demand::COUNT];

/// Why work is not begun now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Less memory than the reserve is free.
    Reserve,
    /// The largest number of its kind is open.
    Full(Full),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserve => f.write_str("memory is short at this moment"),
            Self::Full(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

/// Whether work may begin to take memory. This is the only place that decides it. Counts a refusal.
///
/// # Errors
/// [`Refused::Reserve`]: less than the reserve is free.
pub fn admit(demand: Demand) -> Result<(), Refused> {
    admit_bytes(demand, 0, HEAP_PROBE_BYTES)
}

/// The same for work that needs `bytes`, of which `probe_bytes` in one piece.
fn admit_bytes(demand: Demand, bytes: usize, probe_bytes: usize) -> Result<(), Refused> {
    let promised_bytes = heap::books(|books| books.promised_bytes());
    let room_bytes = heap::room_bytes().saturating_sub(promised_bytes);
    if room_bytes >= bytes + PROFILE.heap_reserve_bytes && heap::has_block(probe_bytes) {
        return Ok(());
    }
    REFUSED[demand.number()].fetch_add(1, Relaxed);
    Err(Refused::Reserve)
}

/// One account. When it is dropped it is closed, and blocks that it still holds become shared.
#[derive(Debug)]
pub struct HeapAccount {
    tag: Tag,
    kind: AccountKind,
}

impl HeapAccount {
    /// Opens an account with the budget of its kind.
    ///
    /// # Errors
    /// [`Refused`]: memory is short, or the largest number of the kind is open.
    pub fn open(kind: AccountKind) -> Result<Self, Refused> {
        admit(Demand::Account(kind))?;
        Self::book(kind, kind.budget_bytes(), false)
    }

    /// Opens an account whose `budget_bytes` are kept free for it, `block_bytes` of them in one
    /// piece.
    ///
    /// # Errors
    /// [`Refused`]: that much is not free beside the reserve, or the largest number is open.
    pub fn promise(
        kind: AccountKind,
        budget_bytes: usize,
        block_bytes: usize,
    ) -> Result<Self, Refused> {
        admit_bytes(Demand::Account(kind), budget_bytes, block_bytes)?;
        Self::book(kind, budget_bytes, true)
    }

    fn book(kind: AccountKind, budget_bytes: usize, is_promised: bool) -> Result<Self, Refused> {
        let tag = heap::books(|books| books.open(kind, budget_bytes, is_promised));
        tag.map(|tag| Self { tag, kind }).ok_or_else(|| {
            REFUSED[Demand::Account(kind).number()].fetch_add(1, Relaxed);
            Refused::Full(Full { what: kind.name(), max: kind.max() })
        })
    }

    /// Charges what `act` allocates to this account.
    pub fn enter<R>(&self, act: impl FnOnce() -> R) -> R {
        enter(self.tag, act)
    }

    #[cfg(test)]
    pub(super) fn tag(&self) -> Tag {
        self.tag
    }

    /// The excess, if the account holds more than its budget.
    pub fn over(&self) -> Option<OverBudget> {
        let (used_bytes, budget_bytes) = heap::books(|books| books.balance(self.tag));
        let over = OverBudget { kind: self.kind, used_bytes, budget_bytes };
        (used_bytes > budget_bytes).then_some(over)
    }

    /// Polls `future` under this account, which stays open: for a part of what its owner does.
    ///
    /// # Errors
    /// [`OverBudget`]: the account was over budget after a poll.
    pub async fn charge_part<F: Future>(&self, future: F) -> Result<F::Output, OverBudget> {
        let mut future = self.enter(|| Box::pin(future));
        poll_fn(|context| match self.enter(|| future.as_mut().poll(context)) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.over().map_or(Poll::Pending, |over| Poll::Ready(Err(over))),
        })
        .await
    }

    /// A future that is polled and dropped under this account. It ends with the error
    /// [`OverBudget`] if the account is over budget after a poll.
    pub fn charge<F: Future>(self, future: F) -> Charged<F> {
        let future = Some(self.enter(|| Box::pin(future)));
        Charged { future, account: self }
    }
}

impl Drop for HeapAccount {
    fn drop(&mut self) {
        heap::books(|books| books.close(self.tag));
    }
}

/// Charges what `act` allocates to the shared part: for state that outlives its requester.
pub fn shared<R>(act: impl FnOnce() -> R) -> R {
    enter(Tag::SHARED, act)
}

/// A larger budget for one account, as long as this value lives: for memory that only a bounded
/// number of accounts may have at once.
#[derive(Debug)]
pub struct Raise {
    tag: Tag,
    bytes: usize,
}

/// Raises the budget of the account that is entered by `bytes`; see [`Raise`].
pub fn raise(bytes: usize) -> Raise {
    let tag = current();
    heap::books(|books| books.change_budget(tag, |budget| budget + bytes));
    Raise { tag, bytes }
}

impl Drop for Raise {
    fn drop(&mut self) {
        let Self { tag, bytes } = *self;
        heap::books(|books| books.change_budget(tag, |budget| budget.saturating_sub(bytes)));
    }
}

/// An account holds more than its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverBudget {
    /// The kind of the account.
    pub kind: AccountKind,
    /// Bytes that it holds.
    pub used_bytes: usize,
    /// Bytes that it may hold.
    pub budget_bytes: usize,
}

impl OverBudget {
    /// Logs that the account of `whose` was ended, and counts it.
    pub fn tell(&self, whose: impl fmt::Display) {
        ENDED[self.kind as usize].fetch_add(1, Relaxed);
        log::warn!("{} {whose} ended: {self}", self.kind.name());
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, budget) = (self.used_bytes.div_ceil(1024), self.budget_bytes / 1024);
        write!(f, "{used} KiB of memory, budget {budget}")
    }
}

impl std::error::Error for OverBudget {}

/// The future of [`HeapAccount::charge`].
#[derive(Debug)]
pub struct Charged<F> {
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
    account: HeapAccount,
}

impl<F> Charged<F> {
    fn end(&mut self) {
        let Self { future, account } = self;
        account.enter(|| *future = None);
    }
}

impl<F: Future> Future for Charged<F> {
    type Output = Result<F::Output, OverBudget>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { future, account } = &mut *self;
        let future = future.as_mut().expect("a future is not polled once it is over");
        let polled = account.enter(|| future.as_mut().poll(context));
        let outcome = match polled {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => match account.over() {
                None => return Poll::Pending,
                Some(over) => Err(over),
            },
        };
        self.end();
        Poll::Ready(outcome)
    }
}

impl<F> Drop for Charged<F> {
    fn drop(&mut self) {
        self.end();
    }
}
