//! A region of static memory that exactly one owner takes, once, at start.
//!
//! The regions are zero-initialised statics: they take no room in the file, and the linker knows
//! their size. [`Arena::take`] touches every page, so that weir fails at boot on a box with too
//! little memory.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pages;

/// Static memory for one `T`, which can be taken once.
pub struct Arena<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `take` hands the only reference out once, guarded by an atomic swap, so no two threads
// ever reach the value; it may move to another thread because `T` is `Send`.
unsafe impl<T: Send> Sync for Arena<T> {}

impl<T> Arena<T> {
    /// An arena around `value`, which should be all zeros to stay out of the binary.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The arena's only reference; `None` if it was taken before.
    #[allow(clippy::mut_from_ref)] // the swap hands it out once
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: the swap above lets exactly one caller pass, and the arena is static.
        let value = unsafe { &mut *self.value.get() };
        let start = NonNull::from(&mut *value).cast::<u8>();
        pages::huge(NonNull::slice_from_raw_parts(start, size_of::<T>()));
        touch(value);
        Some(value)
    }
}

/// Writes one byte of each page of `value` back to itself, which makes the page resident.
fn touch<T>(value: &mut T) {
    const PAGE_BYTES: usize = 4096;
    let start = std::ptr::from_mut(value).cast::<u8>();
    for offset in (0..size_of::<T>()).step_by(PAGE_BYTES) {
        // SAFETY: `offset` lies within the value, which is borrowed exclusively; the byte is
        // copied as possibly uninitialised memory, so padding is no question of validity.
        unsafe {
            let byte = start.add(offset).cast::<std::mem::MaybeUninit<u8>>();
            byte.write_volatile(byte.read_volatile());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_is_given_once() {
        static ARENA: Arena<[u8; 10_000]> = Arena::new([0; 10_000]);
        let bytes = ARENA.take().expect("first");
        bytes[9_999] = 1;
        assert_eq!(bytes[0], 0);
        assert!(ARENA.take().is_none());
    }
}
