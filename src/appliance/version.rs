//! A version: two to four numbers with dots between them, in the order of their numbers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const NUMBERS_MIN: usize = 2;
const NUMBERS_MAX: usize = 4;

/// A version such as `0.2.0`; a number that is missing counts as zero.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DottedVersion {
    numbers: [u32; NUMBERS_MAX],
    count: usize,
}

/// A text that is not two to four numbers with dots between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoVersion;

impl FromStr for DottedVersion {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let mut version = Self { numbers: [0; NUMBERS_MAX], count: 0 };
        for word in text.split('.') {
            let number = version.numbers.get_mut(version.count).ok_or(NoVersion)?;
            // `parse` would take a plus sign; a zero before other digits is another text for the
            // same number.
            let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number || (word.len() > 1 && word.starts_with('0')) {
                return Err(NoVersion);
            }
            *number = word.parse().map_err(|_| NoVersion)?;
            version.count += 1;
        }
        if version.count < NUMBERS_MIN { Err(NoVersion) } else { Ok(version) }
    }
}

impl TryFrom<String> for DottedVersion {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

impl From<DottedVersion> for String {
    fn from(version: DottedVersion) -> Self {
        version.to_string()
    }
}

impl PartialEq for DottedVersion {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for DottedVersion {}

impl PartialOrd for DottedVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DottedVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

impl fmt::Display for DottedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, number) in self.numbers.iter().take(self.count).enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{number}")?;
        }
        Ok(())
    }
}

impl fmt::Display for NoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a version is {NUMBERS_MIN} to {NUMBERS_MAX} numbers with dots between them")
    }
}

impl std::error::Error for NoVersion {}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> DottedVersion {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn versions_are_in_the_order_of_their_numbers() {
        let order = ["0.1.9", "0.2", "0.2.0.1", "0.2.1", "0.10.0", "1.0", "4294967295.0"];
        for pair in order.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("0.2"), version("0.2.0"));
        assert_eq!(version("0.2").to_string(), "0.2");
        assert_eq!(version("0.2.0").to_string(), "0.2.0");
    }

    #[test]
    fn other_texts_are_no_versions() {
        let wrong = ["", "1", "1.", ".1", "1..2", "1.2.3.4.5", "+1.2", "1.-2", "1.2-rc1", "01.2"];
        for text in wrong.into_iter().chain(["v1.2", "1.4294967296", " 1.2", "1.2\n"]) {
            assert_eq!(text.parse::<DottedVersion>(), Err(NoVersion), "{text:?}");
        }
    }

    #[test]
    fn the_weir_of_this_build_has_one() {
        assert_eq!(version(crate::VERSION).to_string(), crate::VERSION);
    }
}
