//! What waits to be sent to a terminal: [`CONSOLE_OUTPUT_BYTES`] and no more. A line has room as a
//! whole or is left out, and the next one that has room is told how many were. A slow cable, or one
//! that nobody reads, keeps nobody waiting.

use crate::limits::CONSOLE_OUTPUT_BYTES;

/// Room for the line that says how many were left out.
const NOTE_BYTES: usize = 48;

/// The queue.
#[derive(Debug, Default)]
pub struct Output {
    bytes: heapless::Deque<u8, CONSOLE_OUTPUT_BYTES>,
    left_out: u64,
}

impl Output {
    /// Adds a line, or counts it as left out. Control characters, which a camera may have sent,
    /// become question marks: what is shown moves no cursor.
    pub fn line(&mut self, text: &str) {
        if self.part(text) {
            self.push(b"\r\n");
        }
    }

    /// The same for a part of a line; whether it had room, with the line's end.
    pub fn part(&mut self, text: &str) -> bool {
        self.note();
        let has_room = self.left_out == 0 && self.room_bytes() >= text.len() + 2 + NOTE_BYTES;
        if !has_room {
            self.left_out += 1;
            return false;
        }
        let mut utf8 = [0; 4];
        for character in text.chars() {
            let character = if character.is_control() { '?' } else { character };
            self.push(character.encode_utf8(&mut utf8).as_bytes());
        }
        true
    }

    /// Adds what moves the cursor, or an echo: all of it or nothing.
    pub fn draw(&mut self, text: &str) {
        if self.room_bytes() >= text.len() + NOTE_BYTES {
            self.push(text.as_bytes());
        }
    }

    /// What is to be sent next; empty when nothing is.
    pub fn waiting(&self) -> &[u8] {
        let (first, second) = self.bytes.as_slices();
        if first.is_empty() { second } else { first }
    }

    /// The first `bytes` of [`Output::waiting`] were sent.
    pub fn sent(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.bytes.pop_front();
        }
        self.note();
    }

    /// Whether a line of `bytes` would have room.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.left_out == 0 && self.room_bytes() >= bytes + 2 + NOTE_BYTES
    }

    /// Forgets what is waiting.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.left_out = 0;
    }

    /// Says how many lines were left out, once there is room for a good many again.
    fn note(&mut self) {
        if self.left_out > 0 && self.room_bytes() >= CONSOLE_OUTPUT_BYTES / 2 {
            let note = format!("({} lines left out)\r\n", std::mem::take(&mut self.left_out));
            self.push(note.as_bytes());
        }
    }

    fn room_bytes(&self) -> usize {
        CONSOLE_OUTPUT_BYTES - self.bytes.len()
    }

    fn push(&mut self, bytes: &[u8]) {
        // Looked at before: there is room for all of them.
        self.bytes.extend(bytes.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(output: &mut Output) -> String {
        let mut text = Vec::new();
        while !output.waiting().is_empty() {
            let piece = output.waiting()[..1].to_vec();
            output.sent(1);
            text.extend(piece);
        }
        String::from_utf8(text).expect("only whole characters were put in")
    }

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let mut output = Output::default();
        output.line("one");
        output.draw("> ");
        output.line("zwölf");
        assert_eq!(drained(&mut output), "one\r\n> zwölf\r\n");
    }

    #[test]
    fn a_full_queue_leaves_out_whole_lines_and_says_how_many() {
        let mut output = Output::default();
        let line = "x".repeat(98);
        for _ in 0..1000 {
            output.line(&line);
            output.draw("echo");
        }
        assert!(!output.has_room(98));
        let text = drained(&mut output);
        assert!(text.len() <= CONSOLE_OUTPUT_BYTES + NOTE_BYTES);
        let whole = text.lines().filter(|shown| shown.ends_with(&line)).count();
        let note = text.lines().find_map(|shown| shown.split_once(" lines left out)"));
        let left_out: usize =
            note.expect("a note").0.rsplit('(').next().expect("one").parse().expect("a number");
        assert_eq!(whole + left_out, 1000);
        output.line("after");
        assert_eq!(drained(&mut output), "after\r\n", "said once");
    }

    #[test]
    fn nothing_that_is_shown_moves_the_cursor() {
        let mut output = Output::default();
        output.line("camera \x1b[2J\x07says\u{9b}no");
        assert_eq!(drained(&mut output), "camera ?[2J?says?no\r\n");
    }
}
