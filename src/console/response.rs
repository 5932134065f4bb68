//! What the console answers to a command: text, and what it does after it.

use super::command::BoxChange;
use crate::config::NewCamera;
use crate::web::{Pieces, whole};

/// The answer to a command.
pub(super) struct Response {
    /// The text, piece by piece until `None`.
    pub(super) pieces: Pieces,
    /// Whether the command failed.
    pub(super) is_failure: bool,
    /// What the console does after the text.
    pub(super) then: Then,
}

/// What the console does after an answer.
#[derive(Debug)]
pub(super) enum Then {
    /// Prompts for the next command.
    Next,
    /// Shows the log from the line of this number on, until the person ends it.
    Follow(u64),
    /// Asks the person a question.
    Ask(Prompt),
    /// Ends the session; on a serial line, asks for the password again.
    Leave,
}

/// What a command asks the person before it goes on.
#[derive(Debug, Clone)]
pub(super) enum Prompt {
    /// The password of the new camera's user.
    CameraPassword(NewCamera),
    /// A confirmation: only the word asked for does this to the box.
    Confirm(BoxChange),
}

impl Prompt {
    /// The prompt, and whether the typed answer may be shown.
    pub(super) fn prompt(&self) -> (String, bool) {
        match self {
            Self::CameraPassword(camera) => {
                let user = camera.user.as_deref().unwrap_or_default();
                (format!("password of {user:.24}: "), false)
            }
            Self::Confirm(change) => (change.question().to_owned(), true),
        }
    }
}

impl Response {
    pub(super) fn of(pieces: Pieces, then: Then) -> Self {
        Self { pieces, is_failure: false, then }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::of(whole(text), Then::Next)
    }

    pub(super) fn failure(why: &str) -> Self {
        Self { is_failure: true, ..Self::text(format!("{why}\n")) }
    }

    pub(super) fn confirm(change: BoxChange) -> Self {
        Self::of(whole(""), Then::Ask(Prompt::Confirm(change)))
    }

    pub(super) fn result(result: Result<String, String>) -> Self {
        result.map_or_else(|why| Self::failure(&why), Self::text)
    }
}
