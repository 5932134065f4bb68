//! Bookkeeping of the library heap: an entry for each open account, and one for the shared part.
//! [`super::heap`] keeps it behind its lock, beside the blocks.
//!
//! Each block carries a [`Tag`]: the account it was allocated for, and a count of that entry's
//! uses. When an account is closed, the blocks that it still holds become shared, and its entry may
//! be used again at once. A block with the tag of an earlier use is freed from the shared part.

use super::kind::AccountKind;

/// Entries: one for the shared part, and one for each account that can be open.
const ENTRIES: usize = 1 + accounts_max();
/// Bits of a tag that name the entry; the others count the entry's uses.
const ENTRY_BITS: u32 = 12;
const USES: u32 = 1 << (u32::BITS - ENTRY_BITS);

const _: () = assert!(ENTRIES <= 1 << ENTRY_BITS, "a tag has no room for so many accounts");

const fn accounts_max() -> usize {
    let mut sum = 0;
    let mut at = 0;
    while at < AccountKind::ALL.len() {
        sum += AccountKind::ALL[at].max();
        at += 1;
    }
    sum
}

/// The account of a block. It is stored behind each block of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    /// The tag of the shared part.
    pub(super) const SHARED: Self = Self(0);

    #[allow(clippy::cast_possible_truncation)] // asserted above
    fn new(entry: usize, uses: u32) -> Self {
        Self(uses << ENTRY_BITS | entry as u32)
    }

    fn entry(self) -> usize {
        (self.0 & ((1 << ENTRY_BITS) - 1)) as usize
    }

    fn uses(self) -> u32 {
        self.0 >> ENTRY_BITS
    }
}

/// The entry of one account, open or not.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// `None` if the entry is free, and for the shared part.
    kind: Option<AccountKind>,
    uses: u32,
    used_bytes: usize,
    budget_bytes: usize,
    /// Whether the budget is kept free for it from its opening on.
    is_promised: bool,
}

/// Totals of the accounts of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountFigures {
    /// Accounts that are open now.
    pub open: usize,
    /// Bytes that they hold now.
    pub used_bytes: usize,
    /// The most bytes that a single account held since the start.
    pub most_bytes: usize,
    /// The most bytes that they held together since the start.
    pub most_together_bytes: usize,
}

/// The entries of all accounts.
#[derive(Debug)]
pub(super) struct Books {
    entries: [Entry; ENTRIES],
    /// Where the search for a free entry begins. It goes round, so that tags repeat late.
    next: usize,
    open: [usize; AccountKind::ALL.len()],
    most_bytes: [usize; AccountKind::ALL.len()],
    /// What the accounts of each kind hold together, and the most of it.
    together: [Together; AccountKind::ALL.len()],
    shared: Together,
}

/// What several hold together.
#[derive(Debug, Clone, Copy)]
struct Together {
    used_bytes: usize,
    most_bytes: usize,
}

impl Together {
    const NONE: Self = Self { used_bytes: 0, most_bytes: 0 };

    fn take(&mut self, bytes: usize) {
        self.used_bytes += bytes;
        self.most_bytes = self.most_bytes.max(self.used_bytes);
    }
}

impl Books {
    pub(super) const fn new() -> Self {
        let entry =
            Entry { kind: None, uses: 0, used_bytes: 0, budget_bytes: 0, is_promised: false };
        Self {
            entries: [entry; ENTRIES],
            next: 1,
            open: [0; AccountKind::ALL.len()],
            most_bytes: [0; AccountKind::ALL.len()],
            together: [Together::NONE; AccountKind::ALL.len()],
            shared: Together::NONE,
        }
    }

    /// Opens an account; `None` if the largest number of its kind is open.
    pub(super) fn open(
        &mut self,
        kind: AccountKind,
        budget_bytes: usize,
        is_promised: bool,
    ) -> Option<Tag> {
        if self.open[kind as usize] >= kind.max() {
            return None;
        }
        let all = (self.next..ENTRIES).chain(1..self.next);
        let at = all.into_iter().find(|at| self.entries[*at].kind.is_none())?;
        self.next = if at + 1 < ENTRIES { at + 1 } else { 1 };
        self.open[kind as usize] += 1;
        let entry = &mut self.entries[at];
        *entry =
            Entry { kind: Some(kind), used_bytes: 0, budget_bytes, is_promised, uses: entry.uses };
        Some(Tag::new(at, entry.uses))
    }

    /// Closes an account. The blocks that it holds become shared.
    pub(super) fn close(&mut self, tag: Tag) {
        let at = self.holder(tag);
        let entry = &mut self.entries[at];
        let Some(kind) = entry.kind.take() else { return };
        entry.uses = (entry.uses + 1) % USES;
        let rest = std::mem::take(&mut entry.used_bytes);
        self.entries[0].used_bytes += rest;
        self.open[kind as usize] -= 1;
        self.together(Some(kind)).used_bytes -= rest;
        self.together(None).take(rest);
    }

    /// What all accounts of a kind hold together; without a kind, the shared part.
    fn together(&mut self, kind: Option<AccountKind>) -> &mut Together {
        kind.map_or(&mut self.shared, |kind| &mut self.together[kind as usize])
    }

    /// The index of the entry that a block with this tag belongs to now.
    fn holder(&self, tag: Tag) -> usize {
        let entry = &self.entries[tag.entry()];
        if entry.kind.is_some() && entry.uses == tag.uses() { tag.entry() } else { 0 }
    }

    pub(super) fn take(&mut self, tag: Tag, bytes: usize) {
        let at = self.holder(tag);
        let entry = &mut self.entries[at];
        entry.used_bytes += bytes;
        let kind = entry.kind;
        if let Some(kind) = kind {
            let most = &mut self.most_bytes[kind as usize];
            *most = entry.used_bytes.max(*most);
        }
        self.together(kind).take(bytes);
    }

    pub(super) fn give(&mut self, tag: Tag, bytes: usize) {
        let at = self.holder(tag);
        // A tag repeats after 2^20 uses and may then name another account, so do not underflow.
        let Entry { used_bytes, kind, .. } = &mut self.entries[at];
        let given_bytes = bytes.min(*used_bytes);
        *used_bytes -= given_bytes;
        let kind = *kind;
        self.together(kind).used_bytes -= given_bytes;
    }

    /// Changes an account's budget; does nothing if it is closed.
    pub(super) fn change_budget(&mut self, tag: Tag, change: impl FnOnce(usize) -> usize) {
        let at = self.holder(tag);
        let entry = &mut self.entries[at];
        if entry.kind.is_some() {
            entry.budget_bytes = change(entry.budget_bytes);
        }
    }

    /// The bytes that an account holds, and its budget.
    pub(super) fn balance(&self, tag: Tag) -> (usize, usize) {
        let entry = &self.entries[self.holder(tag)];
        (entry.used_bytes, entry.budget_bytes)
    }

    /// Free bytes that are kept for accounts whose budget was promised.
    pub(super) fn promised_bytes(&self) -> usize {
        let promised =
            self.entries.iter().filter(|entry| entry.kind.is_some() && entry.is_promised);
        promised.map(|entry| entry.budget_bytes.saturating_sub(entry.used_bytes)).sum()
    }

    /// The bytes of the shared part.
    pub(super) fn shared_bytes(&self) -> usize {
        self.entries[0].used_bytes
    }

    /// The most bytes of the shared part since the start.
    pub(super) fn shared_most_bytes(&self) -> usize {
        self.shared.most_bytes
    }

    pub(super) fn figures(&self, kind: AccountKind) -> AccountFigures {
        let Together { used_bytes, most_bytes } = self.together[kind as usize];
        AccountFigures {
            open: self.open[kind as usize],
            used_bytes,
            most_bytes: self.most_bytes[kind as usize],
            most_together_bytes: most_bytes,
        }
    }

    #[cfg(test)]
    pub(super) fn total_bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.used_bytes).sum()
    }
}
