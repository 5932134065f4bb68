//! The queue of bytes to send to a terminal, at most [`CONSOLE_OUTPUT_BYTES`]. A line that does not
//! fit is left out as a whole, and the next line that fits follows a note of how many were. A slow
//! cable, or one that is not read, blocks nothing.

use crate::limits::CONSOLE_OUTPUT_BYTES;

/// Bytes kept free for the note of how many lines were left out.
const NOTE_BYTES: usize = 48;

/// Bytes to send, and a count of the lines left out.
#[derive(Debug, Default)]
pub struct Output {
    bytes: heapless::Deque<u8, CONSOLE_OUTPUT_BYTES>,
    left_out: u64,
}

impl Output {
    /// Queues a line, or counts it as left out. Control characters, which a camera may have sent,
    /// become question marks, so that no text moves the cursor.
    pub fn line(&mut self, text: &str) {
        if self.part(text) {
            self.push(b"\r\n");
        }
    }

    /// Queues part of a line; false if it does not fit together with a line's end.
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

    /// Queues an echo or a cursor movement, whole or not at all. Not counted when left out.
    pub fn draw(&mut self, text: &str) {
        if self.room_bytes() >= text.len() + NOTE_BYTES {
            self.push(text.as_bytes());
        }
    }

    /// The bytes to send next; empty when there are none.
    pub fn waiting(&self) -> &[u8] {
        let (first, second) = self.bytes.as_slices();
        if first.is_empty() { second } else { first }
    }

    /// Removes the first `bytes` of [`Output::waiting`], which were sent.
    pub fn sent(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.bytes.pop_front();
        }
        self.note();
    }

    /// Whether a line of `bytes` would fit now.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.left_out == 0 && self.room_bytes() >= bytes + 2 + NOTE_BYTES
    }

    /// Drops the queue and the count of lines left out.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.left_out = 0;
    }

    /// Says how many lines were left out, once half of the queue is free.
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
        // Fits: each caller has checked the room.
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
