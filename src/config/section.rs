//! One table of the file, read key by key. A key that is never asked for is reported as unknown.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{Problems, Severity};

/// A value and the byte offset where it begins in the file, for the message about it.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) offset: usize,
}

/// A table while its keys are read.
pub(super) struct TomlSection<'s, 't> {
    title: &'static str,
    table: &'s DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'s, 't> TomlSection<'s, 't> {
    /// `title` is the table's name in messages, like `[http]`.
    pub(super) fn new(title: &'static str, table: &'s DeTable<'t>) -> Self {
        Self { title, table, known: Vec::new() }
    }

    /// The raw value of `key`, which counts as known from now on.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'s Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Reads a string. A value of another type is an error message with the value's offset.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<At<&'s str>>, At<String>> {
        let title = self.title;
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let offset = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => Ok(Some(At { value: text, offset })),
            other => Err(wrong_type(title, key, "a string", other, offset)),
        }
    }

    /// Reads `listen`, an `address:port`. A mistake in it is fatal.
    pub(super) fn listen(&mut self, default: SocketAddr, problems: &mut Problems) -> SocketAddr {
        let text = match self.text("listen") {
            Ok(None) => return default,
            Ok(Some(text)) => text,
            Err(At { value, offset }) => {
                problems.note(offset, Severity::Fatal, value);
                return default;
            }
        };
        text.value.parse().unwrap_or_else(|_| {
            let message = format!(
                "`listen` in {} is not an address and port, like \"{default}\"",
                self.title
            );
            problems.note(text.offset, Severity::Fatal, message);
            default
        })
    }

    /// Reads `user`, the user to become. A wrong type is fatal: without a user weir might stay
    /// root.
    pub(super) fn user(&mut self, problems: &mut Problems) -> Option<String> {
        match self.text("user") {
            Ok(text) => text.map(|text| text.value.to_owned()),
            Err(At { value, offset }) => {
                problems.note(offset, Severity::Fatal, value);
                None
            }
        }
    }

    /// Reads a whole number in `range`. Any other value is noted, and `default` is returned.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
        default: usize,
        problems: &mut Problems,
    ) -> usize {
        let title = self.title;
        let Some(value) = self.value(key) else {
            return default;
        };
        let offset = value.span().start;
        let DeValue::Integer(integer) = value.get_ref() else {
            let At { value, offset } =
                wrong_type(title, key, "a whole number", value.get_ref(), offset);
            problems.note(offset, Severity::Warning, value);
            return default;
        };
        let number = usize::from_str_radix(integer.as_str(), integer.radix()).ok();
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return number;
        }
        let message = format!(
            "`{key}` in {title} is {}, not in {} to {}",
            integer.as_str(),
            range.start(),
            range.end()
        );
        problems.note(offset, Severity::Warning, message);
        default
    }

    /// Reads a boolean. Any other value is noted, and `default` is returned.
    pub(super) fn switch(
        &mut self,
        key: &'static str,
        default: bool,
        problems: &mut Problems,
    ) -> bool {
        let title = self.title;
        let Some(value) = self.value(key) else {
            return default;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            let At { value, offset } =
                wrong_type(title, key, "true or false", value.get_ref(), value.span().start);
            problems.note(offset, Severity::Warning, value);
            default
        })
    }

    /// Notes every key that was not asked for.
    pub(super) fn finish(self, problems: &mut Problems) {
        for key in self.table.keys() {
            if !self.known.contains(&key.get_ref().as_ref()) {
                let message = format!("unknown key `{}` in {}", key.get_ref(), self.title);
                problems.note(key.span().start, Severity::Warning, message);
            }
        }
    }
}

/// The message for a value of the wrong type; it names the type and never the value.
pub(super) fn wrong_type(
    title: &str,
    key: &str,
    wanted: &str,
    found: &DeValue,
    offset: usize,
) -> At<String> {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    At { value: format!("`{key}` in {title} must be {wanted}, not {found}"), offset }
}
