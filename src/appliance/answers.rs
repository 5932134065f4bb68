//! The answers of weir-init as they come over a connection, for a client in an event loop.

use super::request::{BoxAnswer, RequestError, meaning};
use crate::limits::BOX_REQUEST_BYTES_MAX;

/// Answers of weir-init out of pieces of any length; holds one line at most.
#[derive(Debug, Default)]
pub struct AnswerLines {
    unread: Vec<u8>,
}

impl AnswerLines {
    /// Takes bytes of the connection. Each answer is to be taken out before more are given.
    pub fn give(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Takes the next answer; `None` until its line is whole.
    ///
    /// # Errors
    /// The line is too long or no answer.
    pub fn next_answer(&mut self) -> Result<Option<BoxAnswer>, RequestError> {
        let line = self.unread.iter().take(BOX_REQUEST_BYTES_MAX).position(|byte| *byte == b'\n');
        match line {
            Some(end) => {
                let answer = meaning(&self.unread[..end]);
                self.unread.drain(..=end);
                answer.map(Some)
            }
            None if self.unread.len() >= BOX_REQUEST_BYTES_MAX => Err(RequestError::TooLong),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::request::UpdateProgress;
    use super::*;

    #[test]
    fn answers_are_taken_out_of_pieces_of_any_length() {
        let text = b"{\"progress\":{\"bytes\":1,\"of\":2}}\n{\"done\":{}}\n";
        let answers =
            [BoxAnswer::Progress(UpdateProgress { bytes: 1, of: 2 }), BoxAnswer::Done(json!({}))];
        for length in 1..=text.len() {
            let mut lines = AnswerLines::default();
            let mut taken = Vec::new();
            for piece in text.chunks(length) {
                lines.give(piece);
                while let Some(answer) = lines.next_answer().expect("good") {
                    taken.push(answer);
                }
            }
            assert_eq!(taken, answers, "{length}");
        }
    }

    #[test]
    fn an_answer_without_an_end_is_held_to_its_bound() {
        let mut lines = AnswerLines::default();
        lines.give(&[b' '; BOX_REQUEST_BYTES_MAX - 1]);
        assert_eq!(lines.next_answer().expect("it may end yet"), None);
        lines.give(b" ");
        assert!(matches!(lines.next_answer(), Err(RequestError::TooLong)));
    }
}
