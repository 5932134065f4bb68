//! Files on the box: those that a person names, and the small ones that weir itself keeps.
//!
//! [`mod@file`] reads only regular files, up to a bound, and replaces them whole or not at all;
//! [`state_folder`] holds what weir needs again after a restart; [`secret`] is a password in
//! memory.

mod file;
mod secret;
mod state_folder;

pub use file::FileOwner;
pub(crate) use file::text as file_text;
pub(crate) use file::{content as file_content, open as open_file, replace as replace_file};
pub use secret::Secret;
pub use state_folder::StateFolder;
