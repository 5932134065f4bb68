//! The line being typed, as a person edits it, and its drawing on a terminal of 80 columns: on one
//! row, which shows a part of a longer line. At most [`CONSOLE_LINE_BYTES_MAX`] bytes; a character
//! beyond is dropped. Draws no more than a key changed.

use std::fmt::Write as _;

use super::keys::Key;
use super::output::Output;
use crate::limits::{CONSOLE_COLUMNS, CONSOLE_LINE_BYTES_MAX, CONSOLE_PROMPT_COLUMNS_MAX};

/// Text of a typed line.
pub(super) type Typed = heapless::String<CONSOLE_LINE_BYTES_MAX>;

/// The line, its cursor and its prompt.
#[derive(Debug, Default)]
pub struct LineEditor {
    prompt: heapless::String<CONSOLE_COLUMNS>,
    is_shown: bool,
    text: Typed,
    /// Byte offset in `text`, between characters.
    cursor: usize,
    /// Number of characters to the left of the part that is shown.
    from: usize,
}

impl LineEditor {
    /// Begins an empty line after a prompt. Typed text is shown only with `is_shown`, which is
    /// false for a password.
    pub fn begin(&mut self, prompt: &str, is_shown: bool, output: &mut Output) {
        self.prompt.clear();
        for character in prompt.chars().take(CONSOLE_PROMPT_COLUMNS_MAX) {
            // Fails only for a long prompt of multi-byte characters, which then loses its end.
            let _ = self.prompt.push(character);
        }
        self.is_shown = is_shown;
        self.forget();
        self.redraw(output);
    }

    /// The text typed so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the cursor is behind the last character.
    pub fn is_at_end(&self) -> bool {
        self.cursor == self.text.len()
    }

    /// Empties the line without drawing it.
    pub fn forget(&mut self) {
        self.text.clear();
        self.cursor = 0;
        self.from = 0;
    }

    /// Replaces the text, and draws it with the cursor at its end.
    pub fn replace(&mut self, text: &str, output: &mut Output) {
        self.forget();
        // Fits: `text` is a typed line too.
        let _ = self.text.push_str(text);
        self.cursor = self.text.len();
        self.redraw(output);
    }

    /// Edits the line; keys that do not edit do nothing.
    pub fn press(&mut self, key: Key, output: &mut Output) {
        match key {
            Key::Char(character) => self.insert(character, output),
            Key::Tab => self.insert(' ', output),
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
            // Fits: checked above.
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
            // Fits: shorter than before.
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

    /// Draws the whole row again.
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

    /// Columns for the text. The row's last column stays free, as a terminal may wrap after it.
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
    use super::super::keys::KeyReader;
    use super::super::testing::Screen;
    use super::*;

    /// Types bytes; returns the text, and the row and cursor as a terminal shows them.
    fn typed(bytes: &[u8]) -> (String, String, usize) {
        let (mut keys, mut line, mut output) =
            (KeyReader::default(), LineEditor::default(), Output::default());
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
    fn of_a_long_prompt_the_beginning_is_shown() {
        let shown = |prompt: &str| {
            let (mut line, mut output) = (LineEditor::default(), Output::default());
            let mut screen = Screen::default();
            line.begin(prompt, true, &mut output);
            screen.receive(output.waiting());
            screen.row()
        };
        let longest = "p".repeat(CONSOLE_PROMPT_COLUMNS_MAX);
        assert_eq!(shown(&longest), longest);
        assert_eq!(shown(&format!("{longest}q")), longest);
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
        let (mut line, mut output) = (LineEditor::default(), Output::default());
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
