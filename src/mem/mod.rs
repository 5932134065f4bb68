//! weir's memory: arenas that are taken once at start, pools and tables in them, and the library
//! heap behind the global allocator, whose blocks are charged to [`accounts`].
//!
//! Terms: a pool's slot is `take`n and `give`n back; a table `admit`s and `release`s. A pool that
//! is sized by proof is never empty. A table of clients can be [`Full`], which is an error and not
//! a panic.

pub mod accounts;
pub mod arena;
mod books;
#[cfg(any(test, fuzzing))]
pub(crate) mod counting;
mod current;
pub mod heap;
pub mod kind;
mod pages;
pub mod pool;
pub mod table;

pub use books::AccountFigures;

/// A bounded table or pool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// The name of the table or pool, as messages use it.
    pub what: &'static str,
    /// The number of entries it can hold.
    pub max: usize,
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} full, max {}", self.what, self.max)
    }
}

impl std::error::Error for Full {}
