//! The last [`CONSOLE_HISTORY_LINES`] typed lines. A line that contains a login is not kept, nor a
//! repetition of the line before.

use crate::limits::CONSOLE_HISTORY_LINES;

use super::line::Typed;

/// The typed lines, the newest last.
#[derive(Debug, Default)]
pub struct History {
    lines: heapless::Deque<Typed, CONSOLE_HISTORY_LINES>,
    /// How many lines back the person has gone; 0 for the line being typed.
    back: usize,
    /// The line that was being typed when the person first went back.
    unfinished: Typed,
}

impl History {
    /// Keeps a line, unless it is blank, repeats the last one or contains a login.
    pub fn keep(&mut self, line: &str) {
        self.back = 0;
        self.unfinished.clear();
        let is_again = self.lines.back().is_some_and(|last| last == line);
        // `rtsp://user:password@camera`
        let has_login = line.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
        if line.trim().is_empty() || is_again || has_login {
            return;
        }
        if self.lines.is_full() {
            self.lines.pop_front();
        }
        let mut kept = Typed::new();
        // Fits: a typed line is at most as long.
        let _ = kept.push_str(line);
        let _ = self.lines.push_back(kept);
    }

    /// The line before the one that is shown, which is `current`; `None` at the oldest.
    pub fn back(&mut self, current: &str) -> Option<&str> {
        if self.back == self.lines.len() {
            return None;
        }
        if self.back == 0 {
            self.unfinished.clear();
            let _ = self.unfinished.push_str(current);
        }
        self.back += 1;
        self.shown()
    }

    /// The line after the one that is shown; `None` when that is the line being typed.
    pub fn forth(&mut self) -> Option<&str> {
        self.back = self.back.checked_sub(1)?;
        if self.back == 0 { Some(&self.unfinished) } else { self.shown() }
    }

    /// Forgets all lines, at a logout.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.unfinished.clear();
        self.back = 0;
    }

    fn shown(&self) -> Option<&str> {
        let line = self.lines.iter().rev().nth(self.back.checked_sub(1)?)?;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_back_and_forth_and_comes_out_where_one_was() {
        let mut history = History::default();
        assert_eq!(history.back("sta"), None);
        for line in ["status", "status", "cameras", ""] {
            history.keep(line);
        }
        assert_eq!(history.back("ne"), Some("cameras"));
        assert_eq!(history.back("cameras"), Some("status"));
        assert_eq!(history.back("status"), None, "kept once");
        assert_eq!(history.forth(), Some("cameras"));
        assert_eq!(history.forth(), Some("ne"));
        assert_eq!(history.forth(), None);
        history.clear();
        assert_eq!(history.back(""), None);
    }

    #[test]
    fn the_oldest_makes_room_and_a_login_is_not_kept() {
        let mut history = History::default();
        for number in 0..CONSOLE_HISTORY_LINES + 5 {
            history.keep(&format!("camera cam{number}"));
        }
        history.keep("camera add gate rtsp://admin:secret@192.0.2.7/");
        assert_eq!(history.lines.len(), CONSOLE_HISTORY_LINES);
        let newest = format!("camera cam{}", CONSOLE_HISTORY_LINES + 4);
        assert_eq!(history.back(""), Some(&*newest));
        while history.back("").is_some() {}
        assert_eq!(history.forth().is_some(), CONSOLE_HISTORY_LINES > 1);
        assert_eq!(history.lines.front().map(|line| line.as_str()), Some("camera cam5"));
    }
}
