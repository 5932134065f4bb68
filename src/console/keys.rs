//! Decodes a terminal's bytes into keys: UTF-8, control characters and the escape sequences of the
//! cursor keys (ECMA-48). Other bytes are noise, counted and dropped: a cable at the wrong speed
//! sends nothing else. Holds at most one unfinished character or sequence.

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A printable character to insert.
    Char(char),
    /// Return or line feed: the line is finished.
    Enter,
    /// Completes a command; elsewhere as good as a space.
    Tab,
    /// Deletes the character before the cursor.
    Backspace,
    /// Deletes the character under the cursor.
    Delete,
    /// Moves the cursor left by one character; also `^B`.
    Left,
    /// Moves the cursor right by one character; also `^F`.
    Right,
    /// Shows the line before in the history; also `^P`.
    Up,
    /// Shows the line after in the history; also `^N`.
    Down,
    /// Moves the cursor to the begin of the line; also `^A`.
    Home,
    /// Moves the cursor to the end of the line; also `^E`.
    End,
    /// `^U`: deletes everything before the cursor.
    TakeBefore,
    /// `^K`: deletes everything from the cursor on.
    TakeAfter,
    /// `^W`: deletes the word before the cursor.
    TakeWord,
    /// `^C`: cancels the line or the command under way.
    Cancel,
    /// `^D`: leaves the console, on an empty line.
    Close,
    /// `^L`: clears the screen and draws the line again.
    Redraw,
}

/// Bytes after which an escape sequence is noise; a function key sends five.
const SEQUENCE_BYTES_MAX: u8 = 12;

/// Decodes one byte at a time.
#[derive(Debug, Default)]
pub struct KeyReader {
    state: State,
    /// The last byte was a carriage return: a line feed after it does not end another line.
    was_return: bool,
    noise_bytes: u32,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Bytes of a UTF-8 character so far, and how many it needs.
    Character(heapless::Vec<u8, 4>, usize),
    Escape,
    /// After `ESC O`, before its one byte.
    Shift,
    /// After `ESC [`: the number of bytes so far, and the first parameter.
    Sequence(u8, u16),
}

impl KeyReader {
    /// Takes a byte; returns the key that it completes.
    pub fn receive(&mut self, byte: u8) -> Option<Key> {
        let was_return = std::mem::take(&mut self.was_return);
        if byte == b'\n' && was_return {
            return None;
        }
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte),
            State::Character(mut bytes, wanted) => {
                if byte & 0xc0 != 0x80 || bytes.push(byte).is_err() {
                    self.noise(bytes.len());
                    return self.ground(byte);
                }
                if bytes.len() < wanted {
                    self.state = State::Character(bytes, wanted);
                    return None;
                }
                let text = std::str::from_utf8(&bytes).ok();
                let character = text.and_then(|text| text.chars().next());
                let key = character.filter(|character| !character.is_control()).map(Key::Char);
                if key.is_none() {
                    self.noise(bytes.len());
                }
                key
            }
            // A control character ends every sequence and is a key itself.
            State::Escape | State::Shift | State::Sequence(..) if byte < 0x20 => self.ground(byte),
            State::Escape => {
                self.state = match byte {
                    b'[' => State::Sequence(0, 0),
                    b'O' => State::Shift,
                    _ => State::Ground,
                };
                None
            }
            State::Shift => named(byte, 0),
            State::Sequence(bytes, parameter) => self.sequence(byte, bytes + 1, parameter),
        }
    }

    /// Returns the number of noise bytes since the last call.
    pub fn take_noise_bytes(&mut self) -> u32 {
        std::mem::take(&mut self.noise_bytes)
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        let key = match byte {
            b'\r' | b'\n' => {
                self.was_return = byte == b'\r';
                Key::Enter
            }
            0x08 | 0x7f => Key::Backspace,
            0x01 => Key::Home,
            0x02 => Key::Left,
            0x03 => Key::Cancel,
            0x04 => Key::Close,
            0x05 => Key::End,
            0x06 => Key::Right,
            0x0b => Key::TakeAfter,
            0x0c => Key::Redraw,
            0x0e => Key::Down,
            0x10 => Key::Up,
            0x15 => Key::TakeBefore,
            0x17 => Key::TakeWord,
            b'\t' => Key::Tab,
            0x1b => {
                self.state = State::Escape;
                return None;
            }
            b' '..=b'~' => Key::Char(char::from(byte)),
            0xc2..=0xf4 => {
                let wanted = match byte {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    _ => 4,
                };
                let mut bytes = heapless::Vec::new();
                // Fits: the first of at most four bytes.
                let _ = bytes.push(byte);
                self.state = State::Character(bytes, wanted);
                return None;
            }
            _ => {
                self.noise(1);
                return None;
            }
        };
        Some(key)
    }

    fn sequence(&mut self, byte: u8, bytes: u8, parameter: u16) -> Option<Key> {
        if bytes > SEQUENCE_BYTES_MAX || byte > 0x7e {
            self.noise(usize::from(bytes));
            return None;
        }
        if byte >= 0x40 {
            return named(byte, parameter);
        }
        let parameter = match byte {
            b'0'..=b'9' => parameter.saturating_mul(10).saturating_add(u16::from(byte - b'0')),
            // Further parameters say which modifiers were held.
            _ => parameter,
        };
        self.state = State::Sequence(bytes, parameter);
        None
    }

    fn noise(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.noise_bytes = self.noise_bytes.saturating_add(bytes);
    }
}

/// The key that a sequence's last byte names; `None` for keys without a use here.
fn named(last: u8, parameter: u16) -> Option<Key> {
    Some(match (last, parameter) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 3) => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> (Vec<Key>, u32) {
        let mut keys = KeyReader::default();
        let pressed = bytes.iter().filter_map(|byte| keys.receive(*byte)).collect();
        (pressed, keys.take_noise_bytes())
    }

    #[test]
    fn cursor_keys_come_in_every_terminals_dialect() {
        for (bytes, key) in [
            (&b"\x1b[A"[..], Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1b[1;5C", Key::Right),
            (b"\x1b[D", Key::Left),
            (b"\x1b[H", Key::Home),
            (b"\x1b[7~", Key::Home),
            (b"\x1b[1~", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[3~", Key::Delete),
            (b"\x7f", Key::Backspace),
            (b"\x08", Key::Backspace),
        ] {
            assert_eq!(keys(bytes), (vec![key], 0), "{bytes:?}");
        }
        assert_eq!(keys(b"\x1b[15~\x1b[200~\x1bx"), (vec![], 0), "others mean nothing");
    }

    #[test]
    fn a_line_ends_once_however_it_is_ended() {
        let enters = |bytes: &[u8]| keys(bytes).0.len();
        assert_eq!(
            (enters(b"\r"), enters(b"\n"), enters(b"\r\n"), enters(b"\r\n\r\n")),
            (1, 1, 1, 2)
        );
        assert_eq!(enters(b"\n\n"), 2);
        assert_eq!(keys(b"\x1b[\r").0, [Key::Enter], "an unfinished sequence swallows no line");
    }

    #[test]
    fn what_makes_no_sense_is_counted_and_passed_over() {
        assert_eq!(keys(b"a\xff\xfe\x00b"), (vec![Key::Char('a'), Key::Char('b')], 3));
        assert_eq!(keys(b"\xe2\x82a"), (vec![Key::Char('a')], 2), "a character cut short");
        assert_eq!(keys("ü€😀".as_bytes()).0, "ü€😀".chars().map(Key::Char).collect::<Vec<_>>());
        assert_eq!(keys(b"\xed\xa0\x80"), (vec![], 3), "half of a surrogate pair");
        assert_eq!(keys(b"\x1b[111111111111111111A").0.last(), Some(&Key::Char('A')));
        assert_eq!(keys(b"\xc2\x85"), (vec![], 2), "a control character of Latin-1");
    }
}
