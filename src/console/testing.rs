//! A terminal emulator, as far as the console needs one, for tests of what a person sees.

use crate::limits::{CONSOLE_COLUMNS, CONSOLE_ROWS};

/// A screen of 80 columns and 24 rows that scrolls.
#[derive(Debug)]
pub(super) struct Screen {
    rows: Vec<Vec<char>>,
    column: usize,
    pending: Vec<u8>,
}

impl Default for Screen {
    fn default() -> Self {
        Self { rows: vec![Vec::new()], column: 0, pending: Vec::new() }
    }
}

impl Screen {
    /// Takes sent bytes; panics on anything that the console may not send.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
        let text = match std::str::from_utf8(&self.pending) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                assert_eq!(error.error_len(), None, "not UTF-8: {:?}", self.pending);
                std::str::from_utf8(&self.pending[..error.valid_up_to()]).expect("valid").to_owned()
            }
        };
        self.pending.drain(..text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\r' => self.column = 0,
                '\n' => {
                    self.rows.push(Vec::new());
                    if self.rows.len() > CONSOLE_ROWS {
                        self.rows.remove(0);
                    }
                }
                '\x1b' => self.sequence(&mut characters),
                character => {
                    assert!(!character.is_control(), "{character:?}");
                    if self.column == CONSOLE_COLUMNS {
                        self.receive(b"\r\n");
                    }
                    let column = self.column;
                    let row = self.rows.last_mut().expect("there is one");
                    row.resize(row.len().max(column + 1), ' ');
                    row[column] = character;
                    self.column += 1;
                }
            }
        }
    }

    fn sequence(&mut self, characters: &mut std::str::Chars) {
        assert_eq!(characters.next(), Some('['));
        let mut number = String::new();
        let last = loop {
            match characters.next().expect("whole sequences") {
                digit if digit.is_ascii_digit() => number.push(digit),
                last => break last,
            }
        };
        let row = self.rows.last_mut().expect("there is one");
        match (last, number.as_str()) {
            ('K', "") => row.truncate(self.column),
            ('D', _) => self.column -= number.parse::<usize>().expect("a number"),
            ('H', "") | ('J', "2") => *self = Self::default(),
            other => panic!("{other:?}"),
        }
    }

    /// Text of the cursor's row.
    pub(super) fn row(&self) -> String {
        let row: String = self.rows.last().expect("there is one").iter().collect();
        row.trim_end().to_owned()
    }

    /// The cursor's column, from 0.
    pub(super) fn column(&self) -> usize {
        self.column
    }

    /// Text of all rows.
    pub(super) fn text(&self) -> String {
        let rows = self.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned());
        rows.collect::<Vec<_>>().join("\n")
    }
}
