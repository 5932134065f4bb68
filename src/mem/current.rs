//! Which account is entered on a thread: what it allocates is booked there. The library heap asks at
//! each allocation.

use std::cell::Cell;

use super::books::Tag;

thread_local! {
    static CURRENT: Cell<Tag> = const { Cell::new(Tag::SHARED) };
}

/// The account that is entered on this thread.
pub(super) fn current() -> Tag {
    // A thread that is ending has no account any more.
    CURRENT.try_with(Cell::get).unwrap_or(Tag::SHARED)
}

/// Books what `act` allocates on this account.
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
