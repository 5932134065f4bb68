//! The terminal that a command is typed at: whether it echoes, and whether it waits for a line's
//! end. Set by system calls, so that no other program is needed.

use std::io::{self, IsTerminal as _};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};

/// The terminal's mode before a change, restored when this is dropped.
pub(crate) struct Mode(Option<Termios>);

impl Mode {
    /// Passes every key on as it is.
    pub(crate) fn raw() -> Self {
        Self::with(Termios::make_raw)
    }

    /// Turns echo off. To be called before the prompt is printed, so that what is typed at once is
    /// hidden too.
    pub(crate) fn hidden() -> Self {
        Self::with(|mode| mode.local_modes &= !LocalModes::ECHO)
    }

    fn with(change: impl FnOnce(&mut Termios)) -> Self {
        if !io::stdin().is_terminal() {
            return Self(None);
        }
        let before = termios::tcgetattr(io::stdin()).ok();
        if let Some(mut mode) = before.clone() {
            change(&mut mode);
            // A terminal that refuses the mode stays as it is.
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &mode);
        }
        Self(before)
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
