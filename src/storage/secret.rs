//! A password in memory, which the log and the API must never show.

/// A password. Its `Debug` prints nothing of it, not even its length.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password, so that `Debug` prints nothing of it.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The password in the clear: to use it, never to log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the password is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret");
        assert_eq!(format!("{:?}", Secret::default()), "Secret");
    }
}
