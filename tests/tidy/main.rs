//! The house rules that a machine can hold, and the README's memory table. Rules of the language
//! (function length, unsafe blocks' comments, the clock) are clippy's, see Cargo.toml.

mod boards;
mod code;
mod memory;
mod shape;
mod sources;
mod words;
