//! The memory weir runs in: arenas that are taken once at start, pools and tables over them, and
//! the library heap behind the global allocator, whose blocks are booked on [`accounts`].
//!
//! Words: a pool's slot is `take`n and `give`n back; a table `admit`s and `release`s. A pool sized
//! by proof is never empty; a table of clients can be [`Full`], which is a value and not a panic.

pub mod accounts;
pub mod arena;
mod books;
#[cfg(any(test, fuzzing))]
pub(crate) mod counting;
mod current;
pub mod heap;
pub mod kind;
pub mod pool;
pub mod table;

pub use books::AccountFigures;

/// A bounded thing is full: what it is and how many it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// The table or pool, in words.
    pub what: &'static str,
    /// Its bound.
    pub max: usize,
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} full, max {}", self.what, self.max)
    }
}

impl std::error::Error for Full {}
