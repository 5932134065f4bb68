//! The line that is being typed, as a person edits it, and how a terminal of 80 columns shows it:
//! one row, of which a longer line is a part. At most [`CONSOLE_LINE_BYTES_MAX`]; what has no room
//! is not taken. Draws no more than a key changed.

use std::fmt::Write as _;

use super::keys::Key;
use super::output::Output;
use crate::limits::{CONSOLE_COLUMNS, CONSOLE_LINE_BYTES_MAX};

/// A line's text.
pub(super) type Typed = heapless::String<CONSOLE_LINE_BYTES_MAX>;

/// The line, its cursor and its prompt.
#[derive(Debug, Default)]
pub struct Line {
    prompt: heapless::String<CONSOLE_COLUMNS>,
    is_shown: bool,
    text: Typed,
    /// In bytes, between characters.
    cursor: usize,
    /// Characters left of the part that is shown.
    from: usize,
}

impl Line {
    /// An empty line behind a prompt; what is typed shows or, a password, does not.
    pub fn begin(&mut self, prompt: &str, is_shown: bool, output: &mut Output) {
        self.prompt.clear();
        for character in prompt.chars().take(CONSOLE_COLUMNS / 2) {
            // A prompt's half of the row has room for four bytes a character only where it is short.
            let _ = self.prompt.push(character);
        }
        self.is_shown = is_shown;
        self.forget();
        self.redraw(output);
    }

    /// What has been typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Forgets it; nothing is drawn.
    pub fn forget(&mut self) {
        self.text.clear();
        self.cursor = 0;
        self.from = 0;
    }

    /// Puts another text in its place.
    pub fn replace(&mut self, text: &str, output: &mut Output) {
        self.forget();
        // Both are lines, and as long at most.
        let _ = self.text.push_str(text);
        self.cursor = self.text.len();
        self.redraw(output);
    }

    /// Edits; keys that are not about the line do nothing.
    pub fn press(&mut self, key: Key, output: &mut Output) {
        match key {
            Key::Char(character) => self.insert(character, output),
            Key::Backspace => {
                let before = self.before();
                self.take(before, self.cursor, output);
            }
            Key::Delete => {
                let after = self.after();
                self.take(self.cursor, after, output);
            }
            Key::TakeBefore => self.take(0, self.cursor, output),
            Key::TakeAfter => self.take(self.cursor, self.text.len(), output),
            Key::TakeWord => {
                let words = self.text[..self.cursor].trim_end_matches(' ');
                let start = words.rfind(' ').map_or(0, |space| space + 1);
                self.take(start, self.cursor, output);
            }
            Key::Left => self.move_to(self.before(), output),
            Key::Right => self.move_to(self.after(), output),
            Key::Home => self.move_to(0, output),
            Key::End => self.move_to(self.text.len(), output),
            Key::Redraw => {
                output.draw("\x1b[H\x1b[2J");
                self.redraw(output);
            }
            Key::Enter | Key::Up | Key::Down | Key::Cancel | Key::Close => {}
        }
    }

    fn insert(&mut self, character: char, output: &mut Output) {
        if self.text.len() + character.len_utf8() > CONSOLE_LINE_BYTES_MAX {
            return;
        }
        let is_at_end = self.cursor == self.text.len();
        let mut utf8 = [0; 4];
        let inserted = character.encode_utf8(&mut utf8);
        if is_at_end {
            // Looked at above.
            let _ = self.text.push(character);
        } else {
            let mut text: Typed = Typed::new();
            for part in [&self.text[..self.cursor], &*inserted, &self.text[self.cursor..]] {
                let _ = text.push_str(part);
            }
            self.text = text;
        }
        self.cursor += inserted.len();
        let is_in_view = self.characters(self.cursor) - self.from <= self.columns();
        if is_at_end && is_in_view {
            if self.is_shown {
                output.draw(inserted);
            }
        } else {
            self.redraw(output);
        }
    }

    fn take(&mut self, from: usize, to: usize, output: &mut Output) {
        if from == to {
            return;
        }
        let mut text = Typed::new();
        for part in [&self.text[..from], &self.text[to..]] {
            // Shorter than before.
            let _ = text.push_str(part);
        }
        self.text = text;
        self.cursor = from;
        self.redraw(output);
    }

    fn move_to(&mut self, cursor: usize, output: &mut Output) {
        if cursor != self.cursor {
            self.cursor = cursor;
            self.redraw(output);
        }
    }

    /// Draws the row anew.
    pub fn redraw(&mut self, output: &mut Output) {
        let cursor = self.characters(self.cursor);
        self.from = self.from.min(cursor).max(cursor.saturating_sub(self.columns()));
        let mut row = String::from("\r");
        row += &self.prompt;
        if self.is_shown {
            let shown = self.text.chars().skip(self.from).take(self.columns());
            let before = row.chars().count();
            row.extend(shown);
            let behind = (row.chars().count() - before) - (cursor - self.from);
            row += "\x1b[K";
            if behind > 0 {
                // Writing to a String does not fail.
                let _ = write!(row, "\x1b[{behind}D");
            }
        } else {
            row += "\x1b[K";
        }
        output.draw(&row);
    }

    /// Columns for the text: the row's last stays free, where a terminal may go on to the next.
    fn columns(&self) -> usize {
        CONSOLE_COLUMNS - 1 - self.prompt.chars().count()
    }

    fn characters(&self, bytes: usize) -> usize {
        self.text[..bytes].chars().count()
    }

    fn before(&self) -> usize {
        let last = self.text[..self.cursor].chars().next_back();
        self.cursor - last.map_or(0, char::len_utf8)
    }

    fn after(&self) -> usize {
        let next = self.text[self.cursor..].chars().next();
        self.cursor + next.map_or(0, char::len_utf8)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::super::testing::Screen;
    use super::*;

    /// Types bytes; the line's text, and the row with its cursor as a terminal shows them.
    fn typed(bytes: &[u8]) -> (String, String, usize) {
        let (mut keys, mut line, mut output) =
            (Keys::default(), Line::default(), Output::default());
        let mut screen = Screen::default();
        line.begin("weir> ", true, &mut output);
        for byte in bytes {
            if let Some(key) = keys.receive(*byte) {
                line.press(key, &mut output);
            }
            while !output.waiting().is_empty() {
                let bytes = output.waiting().to_vec();
                screen.receive(&bytes);
                output.sent(bytes.len());
            }
        }
        (line.text().to_owned(), screen.row(), screen.column())
    }

    #[test]
    fn what_is_shown_is_what_is_in_the_line() {
        for (bytes, text, column) in [
            (&b"status"[..], "status", 12),
            (b"statsu\x08\x08us", "status", 12),
            (b"satus\x1b[D\x1b[D\x1b[D\x1b[Dt", "status", 8),
            (b"tatus\x01s", "status", 7),
            (b"tatus\x01s\x05!", "status!", 13),
            (b"camera gate\x17yard", "camera yard", 17),
            (b"camera gate  \x17", "camera ", 13),
            (b"camera gate\x15", "", 6),
            (b"camera gate\x01\x1b[C\x0b", "c", 7),
            (b"status\x01\x1b[3~", "tatus", 6),
            ("größe\x1b[D\x7f".as_bytes(), "gröe", 9),
            (b"\x08\x7f\x1b[D\x17\x15\x1b[3~x", "x", 7),
        ] {
            let shown = typed(bytes);
            let expected = (text.to_owned(), format!("weir> {text}").trim_end().to_owned(), column);
            assert_eq!(shown, expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn of_a_long_line_the_part_at_the_cursor_is_shown() {
        let long: String = ('a'..='z').cycle().take(200).collect();
        let (text, row, column) = typed(long.as_bytes());
        assert_eq!(text, long);
        assert_eq!((row.as_str(), column), (&*format!("weir> {}", &long[200 - 73..]), 79));
        let home = [long.as_bytes(), b"\x01"].concat();
        let (_, row, column) = typed(&home);
        assert_eq!((row.as_str(), column), (&*format!("weir> {}", &long[..73]), 6));
    }

    #[test]
    fn a_line_has_a_bound_and_no_character_is_cut() {
        let (text, ..) = typed("x".repeat(CONSOLE_LINE_BYTES_MAX + 9).as_bytes());
        assert_eq!(text.len(), CONSOLE_LINE_BYTES_MAX);
        let (text, ..) = typed(format!("x{}", "é".repeat(CONSOLE_LINE_BYTES_MAX)).as_bytes());
        assert_eq!(text.len(), CONSOLE_LINE_BYTES_MAX - 1);
    }

    #[test]
    fn a_password_does_not_show() {
        let (mut line, mut output) = (Line::default(), Output::default());
        line.begin("password: ", false, &mut output);
        for character in "hunter2".chars() {
            line.press(Key::Char(character), &mut output);
        }
        line.press(Key::Backspace, &mut output);
        line.press(Key::Redraw, &mut output);
        let mut screen = Screen::default();
        screen.receive(output.waiting());
        assert_eq!((screen.row().as_str(), screen.column()), ("password:", 10));
        let shown = String::from_utf8_lossy(output.waiting()).replace("password: ", "");
        assert!(!shown.contains(char::is_lowercase), "{shown:?}");
        assert_eq!(line.text(), "hunter");
    }
}
