//! Deliberate leaks, in the memory profile of the tests only: a handler that keeps memory for ever,
//! on its connection's account or on the shared one.

use std::cell::RefCell;

use crate::mem::accounts;

/// A request for this path makes its connection keep [`OWN_BYTES`] more.
const OWN: &str = "/-/leak/own";
const OWN_BYTES: usize = 1024;
/// A request for this path keeps [`SHARED_BYTES`] more on the shared account.
const SHARED: &str = "/-/leak/shared";
const SHARED_BYTES: usize = 32 * 1024;
/// A request for this path frees what is kept on the shared account.
const MEND: &str = "/-/leak/mend";

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The memory that one connection keeps.
#[derive(Debug, Default)]
pub(super) struct Leak(RefCell<Vec<Vec<u8>>>);

impl Leak {
    pub(super) fn request(&self, path: &str) {
        match path {
            OWN => self.0.borrow_mut().push(vec![1; OWN_BYTES]),
            SHARED => accounts::shared(|| {
                KEPT.with_borrow_mut(|kept| kept.push(vec![1; SHARED_BYTES]));
            }),
            MEND => KEPT.take().clear(),
            _ => {}
        }
    }
}
