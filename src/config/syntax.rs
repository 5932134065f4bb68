//! Checks a text as TOML before any of it is read: what reading it costs, and its first syntax
//! mistake.

use std::fmt::Write;

use toml_parser::lexer::TokenKind;
use toml_parser::parser::{RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{Expected, ParseError, Source};

use super::section::At;
use crate::limits::{
    CONFIG_HEAP_BYTES_FIXED, CONFIG_HEAP_BYTES_PER_BYTE, CONFIG_HEAP_BYTES_PER_TABLE,
    CONFIG_HEAP_BYTES_PER_TOKEN, CONFIG_NESTING_MAX, CONFIG_TABLES_MAX, CONFIG_TOKENS_MAX,
};

/// The size of a text, from which the cost of reading it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    bytes: usize,
    tokens: usize,
    /// Tokens that begin a table or a list: dots, `[` and `{`.
    tables: usize,
}

impl Extent {
    /// Counts at most [`CONFIG_TOKENS_MAX`] + 1 tokens, which is enough to refuse the text.
    pub(crate) fn of(text: &str) -> Self {
        let mut extent = Self { bytes: text.len(), tokens: 0, tables: 0 };
        for token in Source::new(text).lex().take(CONFIG_TOKENS_MAX + 1) {
            extent.tokens += 1;
            extent.tables += usize::from(matches!(
                token.kind(),
                TokenKind::Dot | TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket
            ));
        }
        extent
    }

    /// Bytes of library heap needed while the text is read, at most.
    pub(crate) fn heap_bytes(self) -> usize {
        CONFIG_HEAP_BYTES_FIXED
            + self.parsed_bytes()
            + CONFIG_HEAP_BYTES_PER_TOKEN * self.tokens
            + CONFIG_HEAP_BYTES_PER_TABLE * self.tables
    }

    /// Bytes of library heap needed for what was parsed, at most.
    pub(super) fn parsed_bytes(self) -> usize {
        CONFIG_HEAP_BYTES_PER_BYTE * self.bytes
    }

    /// Why the text is too large to be read; `None` when it is not.
    pub(crate) fn excess(self) -> Option<String> {
        if self.tokens > CONFIG_TOKENS_MAX {
            Some(format!("more than {CONFIG_TOKENS_MAX} tokens"))
        } else if self.tables > CONFIG_TABLES_MAX {
            Some(format!("more than {CONFIG_TABLES_MAX} tables, lists and dots in keys"))
        } else {
            None
        }
    }
}

/// The first syntax mistake of a text. `toml` recovers from a mistake, and makes a value of each
/// token that cannot be one: a list of nothing but `}` costs it twice what any list of values does.
/// So `toml` is given no text that has a syntax mistake.
///
/// Does not find the mistakes that only `toml` finds: an invalid number, a duplicate key.
pub(super) fn first_mistake(text: &str) -> Option<At<String>> {
    let source = Source::new(text);
    let mut first: Option<ParseError> = None;
    let mut nobody = ();
    let mut receiver = ValidateWhitespace::new(&mut nobody, source);
    let mut receiver = RecursionGuard::new(&mut receiver, CONFIG_NESTING_MAX);
    parse_document(&source.lex().into_vec(), &mut receiver, &mut first);
    let mistake = first?;
    let offset = mistake.unexpected().map_or(0, |span| span.start());
    Some(At { value: message(&mistake), offset })
}

/// Whether `toml` may be given a text of another file than a weir.toml: it has no syntax mistake,
/// and at most `tables_max` tables, lists and dots in keys, each of which costs a KiB.
pub(crate) fn is_cheap(text: &str, tables_max: usize) -> bool {
    let extent = Extent::of(text);
    extent.excess().is_none() && extent.tables <= tables_max && first_mistake(text).is_none()
}

/// What is wrong and what was expected. Never quotes the text, which may be a password.
fn message(mistake: &ParseError) -> String {
    let mut message = mistake.description().to_owned();
    for (index, expected) in mistake.expected().unwrap_or_default().iter().enumerate() {
        message += if index == 0 { ", expected " } else { ", " };
        // Writing to a string does not fail.
        let _ = match expected {
            Expected::Literal("\n") => write!(message, "newline"),
            Expected::Literal(sign) => write!(message, "`{sign}`"),
            Expected::Description(words) => write!(message, "{words}"),
            _ => write!(message, "something else"),
        };
    }
    message
}
