//! Where in the file a mistake is, and how much it breaks.

use crate::limits::{CONFIG_PROBLEM_CHARS_MAX, CONFIG_PROBLEMS_MAX};

/// How far a mistake reaches. `weir check` refuses a file with any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The line is ignored: an unknown key (a newer weir's, after a rollback), or a value whose
    /// default is safe.
    Warning,
    /// This camera is disabled; the others are served.
    Camera,
    /// The file is not used; weir uses the last good one. The file is not TOML, or an address to
    /// listen on is wrong, where any default could open what the operator meant to keep closed.
    Fatal,
}

/// A mistake in the file. The message never contains a value that may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How far the mistake reaches.
    pub severity: Severity,
    /// What is wrong, as the operator reads it.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// Collects the mistakes of one file: the first [`CONFIG_PROBLEMS_MAX`], and every fatal one.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    text: &'t str,
    found: Vec<Problem>,
    unnamed: usize,
}

impl<'t> Problems<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new(), unnamed: 0 }
    }

    /// Notes a mistake at the byte `offset` of the file.
    pub(super) fn note(&mut self, offset: usize, severity: Severity, mut message: String) {
        if self.found.len() >= CONFIG_PROBLEMS_MAX && severity < Severity::Fatal {
            self.unnamed += 1;
            return;
        }
        // A message may quote a key, which may be as long as the file.
        if let Some((end, _)) = message.char_indices().nth(CONFIG_PROBLEM_CHARS_MAX) {
            message.truncate(end);
            message.push('…');
        }
        let (line, column) = self.place(offset);
        self.found.push(Problem { line, column, severity, message });
    }

    /// Line and column of the byte `offset`, both from 1; the column counts characters.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The mistakes in the file's order, and how many more were found.
    pub(super) fn into_sorted(mut self) -> (Vec<Problem>, usize) {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        (self.found, self.unnamed)
    }
}
