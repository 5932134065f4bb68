//! Text of a fixed capacity: what does not fit is cut off, and nothing is allocated.

use std::fmt;

/// A text of at most `N` bytes, kept inline.
#[derive(Debug, Clone, Default)]
pub struct Text<const N: usize>(heapless::String<N>);

impl<const N: usize> Text<N> {
    /// An empty text, also for statics.
    pub const fn new() -> Self {
        Self(heapless::String::new())
    }

    /// As much of `arguments` as fits.
    pub fn of(arguments: fmt::Arguments) -> Self {
        let mut text = Self::new();
        text.add(arguments);
        text
    }

    /// As much of `arguments` as still fits.
    pub fn add(&mut self, arguments: fmt::Arguments) {
        // A `Display` may return an error; what it wrote before stays.
        let _ = fmt::write(self, arguments);
    }

    /// The text as a string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let mut bytes = more.len().min(N - self.0.len());
        while !more.is_char_boundary(bytes) {
            bytes -= 1;
        }
        self.0.push_str(&more[..bytes]).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        assert_eq!(Text::<5>::of(format_args!("ab{}", "cdef")).as_str(), "abcde");
        assert_eq!(Text::<5>::of(format_args!("abcd\u{e9}")).as_str(), "abcd");
        assert_eq!(Text::<8>::of(format_args!("{}", 12)).as_str(), "12");
    }
}
