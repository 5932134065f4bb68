//! The account that is entered on a thread: its allocations are charged there. The library heap
//! looks it up at each allocation.

use std::cell::Cell;

use super::books::Tag;

thread_local! {
    static CURRENT: Cell<Tag> = const { Cell::new(Tag::SHARED) };
}

/// The account that is entered on this thread.
pub(super) fn current() -> Tag {
    // A thread that is ending no longer has the variable.
    CURRENT.try_with(Cell::get).unwrap_or(Tag::SHARED)
}

/// Charges what `act` allocates to this account.
pub(super) fn enter<R>(tag: Tag, act: impl FnOnce() -> R) -> R {
    struct Before(Tag);
    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _before = Before(CURRENT.replace(tag));
    act()
}
