//! Heap accounts: what comes from outside is served under an account of its own, with a budget.
//!
//! The allocator books each block on the account that is entered on the calling thread
//! ([`HeapAccount::enter`], [`HeapAccount::charge`]), or on what all share where none is. A block stays on
//! the account that it was made for, whoever makes it longer or gives it back. Whoever is over its
//! budget after a turn is ended by name, and nobody else notices; within one turn it is given what
//! it asks for, out of the reserve.
//!
//! New accounts, and what else begins to take memory ([`Demand`]), are refused while less than
//! the reserve is free ([`admit`]), and where there are as many of a kind as the plan has. So the
//! budgets of all that can be open, the part that all share, and the reserve are the heap's sum,
//! which [`crate::plan`] asserts.

use std::fmt;
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
    /// Accounts of this kind: see [`AccountFigures`].
    pub fn figures(self) -> AccountFigures {
        heap::books(|books| books.figures(self))
    }

    /// How many were ended over their budget.
    pub fn ended(self) -> u64 {
        ENDED[self as usize].load(Relaxed)
    }
}

/// What is refused while less than the reserve is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// An account.
    Account(AccountKind),
    /// The body of an HTTP request.
    RequestBody,
    /// A password to be hashed.
    Password,
}

impl Demand {
    const COUNT: usize = AccountKind::ALL.len() + 2;

    /// All demands.
    pub fn all() -> impl Iterator<Item = Self> {
        AccountKind::ALL.into_iter().map(Self::Account).chain([Self::RequestBody, Self::Password])
    }

    /// In words.
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

/// Why something does not begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is little memory left.
    Reserve,
    /// There are as many of its kind as there may be.
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

/// Whether something may begin to take memory: the one place that decides. Counted where not.
///
/// # Errors
/// [`Refused::Reserve`].
pub fn admit(demand: Demand) -> Result<(), Refused> {
    admit_bytes(demand, 0, HEAP_PROBE_BYTES)
}

/// The same for what is known to need `bytes`, of which `probe_bytes` in one piece.
fn admit_bytes(demand: Demand, bytes: usize, probe_bytes: usize) -> Result<(), Refused> {
    let promised_bytes = heap::books(|books| books.promised_bytes());
    let room_bytes = heap::room_bytes().saturating_sub(promised_bytes);
    if room_bytes >= bytes + PROFILE.heap_reserve_bytes && heap::has_block(probe_bytes) {
        return Ok(());
    }
    REFUSED[demand.number()].fetch_add(1, Relaxed);
    Err(Refused::Reserve)
}

/// One account. Dropped, it is closed: what it still holds is everybody's from then on.
#[derive(Debug)]
pub struct HeapAccount {
    tag: Tag,
    kind: AccountKind,
}

impl HeapAccount {
    /// Opens one, with the budget of its kind.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open(kind: AccountKind) -> Result<Self, Refused> {
        admit(Demand::Account(kind))?;
        Self::book(kind, kind.budget_bytes(), false)
    }

    /// Opens one that is promised `budget_bytes`, `block_bytes` of them in one piece: they are kept
    /// free for it.
    ///
    /// # Errors
    /// [`Refused`]; so many are not free beside the reserve.
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

    /// Books what `act` allocates on this account.
    pub fn enter<R>(&self, act: impl FnOnce() -> R) -> R {
        enter(self.tag, act)
    }

    #[cfg(test)]
    pub(super) fn tag(&self) -> Tag {
        self.tag
    }

    /// Whether it holds more than it may.
    pub fn over(&self) -> Option<OverBudget> {
        let (used_bytes, budget_bytes) = heap::books(|books| books.balance(self.tag));
        let over = OverBudget { kind: self.kind, used_bytes, budget_bytes };
        (used_bytes > budget_bytes).then_some(over)
    }

    /// A future that is polled and dropped under this account, and ended when it is over.
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

/// Books what `act` allocates on what all share: for state that outlives the one who asks for it.
pub fn shared<R>(act: impl FnOnce() -> R) -> R {
    enter(Tag::SHARED, act)
}

/// A larger budget for the account that is entered, as long as this lives: for what only so many
/// can have at once.
#[derive(Debug)]
pub struct Raise {
    tag: Tag,
    bytes: usize,
}

/// See [`Raise`].
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

/// An account holds more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverBudget {
    /// What it is.
    pub kind: AccountKind,
    /// What it holds.
    pub used_bytes: usize,
    /// What it may.
    pub budget_bytes: usize,
}

impl OverBudget {
    /// Says whose it was, and counts it.
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

/// See [`HeapAccount::charge`].
#[derive(Debug)]
pub struct Charged<F> {
    /// `None` once it is over.
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
