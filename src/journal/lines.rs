//! The last [`LOG_LINES_KEPT`] lines of the log, as they were written, numbered. A reader that
//! comes too late is told how many it missed.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

use log::Level;

use super::Text;
use crate::clock;
use crate::limits::{EVENT_BYTES_MAX, LOG_LINES_KEPT};

/// A line of the log.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// When it was written, in [`crate::clock::now_us`] microseconds.
    pub at_us: u64,
    /// Level that it was logged at.
    pub level: Level,
    /// The text, cut to [`EVENT_BYTES_MAX`] bytes.
    pub text: Text<EVENT_BYTES_MAX>,
}

/// On one line: time (UTC), level, text.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.as_str().replace('\n', " ");
        let level = self.level.as_str().to_lowercase();
        write!(f, "{} {level} {text}", clock::utc(self.at_us))
    }
}

/// What was written since a reader last asked.
#[derive(Debug, Default)]
pub struct Since {
    /// The lines, the newest last.
    pub lines: Vec<LogLine>,
    /// How many lines before them are no longer kept.
    pub missed: u64,
    /// The number to ask [`since`] with next.
    pub next: u64,
}

struct Ring {
    lines: heapless::Deque<LogLine, LOG_LINES_KEPT>,
    /// Number of lines written since the start.
    count: u64,
}

static RING: Mutex<Ring> = Mutex::new(Ring::new());

pub(super) const BYTES: usize = size_of::<Mutex<Ring>>();

/// Keeps a line; the oldest makes room.
pub(super) fn note(level: Level, words: &fmt::Arguments, now_us: u64) {
    // Formatted before the lock is taken: a `Display` can run any code.
    let text = Text::of(*words);
    ring().note(LogLine { at_us: now_us, level, text });
}

/// Lines from the number `from` on; 0 for all that are kept.
pub fn since(from: u64) -> Since {
    ring().since(from)
}

fn ring() -> MutexGuard<'static, Ring> {
    // Nothing that can panic happens under the lock.
    RING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Ring {
    const fn new() -> Self {
        Self { lines: heapless::Deque::new(), count: 0 }
    }

    fn note(&mut self, line: LogLine) {
        if self.lines.is_full() {
            self.lines.pop_front();
        }
        self.count += 1;
        // There is room now.
        let _ = self.lines.push_back(line);
    }

    fn since(&self, from: u64) -> Since {
        let first = self.count - self.lines.len() as u64;
        let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        Since {
            lines: self.lines.iter().skip(skipped).cloned().collect(),
            missed: first.saturating_sub(from),
            next: self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_each_line_once_and_knows_what_it_missed() {
        let mut ring = Ring::new();
        let note = |ring: &mut Ring, number: usize| {
            let text = Text::of(format_args!("line {number}"));
            ring.note(LogLine { at_us: 0, level: Level::Info, text });
        };
        assert_eq!((ring.since(0).next, ring.since(0).lines.len()), (0, 0));
        note(&mut ring, 0);
        note(&mut ring, 1);
        let first = ring.since(0);
        assert_eq!((first.lines.len(), first.missed, first.next), (2, 0, 2));
        assert!(ring.since(first.next).lines.is_empty());
        for number in 2..LOG_LINES_KEPT + 5 {
            note(&mut ring, number);
        }
        let later = ring.since(first.next);
        assert_eq!((later.lines.len(), later.missed), (LOG_LINES_KEPT, 3));
        assert_eq!(later.lines[0].text.as_str(), "line 5");
    }
}
