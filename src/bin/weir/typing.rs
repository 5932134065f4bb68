//! The terminal that a command is typed at: whether it shows what is typed, and whether it waits for
//! a line's end. It is told by the kernel's own calls, so that no other program has to be there.

use std::io::{self, IsTerminal as _};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};

/// The mode as it was before, and will be again.
pub(crate) struct Mode(Option<Termios>);

impl Mode {
    /// Every key is passed on as it is.
    pub(crate) fn raw() -> Self {
        Self::with(Termios::make_raw)
    }

    /// What is typed does not show. To be called before the prompt: what is typed as soon as that is
    /// there is hidden too.
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
            // A terminal that cannot be told stays as it is.
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
