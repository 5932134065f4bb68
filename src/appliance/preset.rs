//! The presets on the partition `WEIR`: a `box.toml` and a whole `weir.toml`, each applied once.
//!
//! A file is applied when it differs from the one of its name that was applied last, which
//! [`PresetRecord`] remembers by their hashes. A file with a mistake is applied not at all, and
//! looked at again at the next boot. The record is kept after what it tells of: a power cut between
//! the two applies the file once more. Files and partitions are init's; here are the decisions.

use std::fmt;

use ring::digest::{SHA256, digest};

use super::box_file::BoxPreset;
use crate::config;
use crate::hex;
use crate::limits::{CONFIG_BYTES_MAX, PRESET_PROBLEMS_MAX};

/// Name of the preset for what init owns.
pub const BOX_PRESET: &str = "box.toml";
/// Name of the preset for weir.
pub const CONFIG_PRESET: &str = "weir.toml";
/// The file of weir's state folder with what was wrong with presets, a line each; there is none
/// when nothing was.
pub const PRESET_ERRORS: &str = "preset-errors";

/// The hashes of the presets that were applied last; `None` for one that never was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresetRecord {
    /// Hash of the `box.toml`.
    pub box_file: Option<ContentHash>,
    /// Hash of the `weir.toml`.
    pub config: Option<ContentHash>,
}

/// The SHA-256 of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }

    /// Wraps a hash that was made elsewhere.
    pub fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Reads the 64 digits that `Display` writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hex::bytes(text).map(Self)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::text(&self.0))
    }
}

impl PresetRecord {
    /// Reads the text of `/data/preset`; lines that are none of ours are left out.
    pub fn parse(text: &str) -> Self {
        let mut record = Self::default();
        for (name, hash) in text.lines().filter_map(|line| line.split_once(' ')) {
            match name {
                BOX_PRESET => record.box_file = ContentHash::parse(hash),
                CONFIG_PRESET => record.config = ContentHash::parse(hash),
                _ => {}
            }
        }
        record
    }

    /// The text that [`PresetRecord::parse`] reads.
    pub fn text(&self) -> String {
        let line = |name: &str, hash: &Option<ContentHash>| {
            hash.map_or_else(String::new, |hash| format!("{name} {hash}\n"))
        };
        line(BOX_PRESET, &self.box_file) + &line(CONFIG_PRESET, &self.config)
    }
}

/// Judges a `box.toml`.
///
/// # Errors
/// A sentence for the serial line, without anything of the password.
pub fn judge_box(bytes: &[u8]) -> Result<BoxPreset, String> {
    BoxPreset::parse(text_of(bytes)?)
}

/// Judges a `weir.toml` as `weir check` does: it is applied only if there is nothing wrong with it.
///
/// # Errors
/// Sentences for the serial line, at most [`PRESET_PROBLEMS_MAX`] and one that counts the others.
pub fn judge_config(bytes: &[u8], folder: &std::path::Path) -> Result<(), Vec<String>> {
    if bytes.len() > CONFIG_BYTES_MAX {
        return Err(vec![format!("{} bytes, max {CONFIG_BYTES_MAX}", bytes.len())]);
    }
    let text = text_of(bytes).map_err(|why| vec![why])?;
    let loaded = config::parse(text, folder);
    let named = loaded.problems.iter().take(PRESET_PROBLEMS_MAX).map(ToString::to_string);
    let mut problems: Vec<String> = named.collect();
    let more = loaded.problems.len() + loaded.unnamed_problems - problems.len();
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// A text file as people write it on any system: with or without a byte order mark.
fn text_of(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes);
    let text =
        text.map_err(|error| format!("no UTF-8 text from byte {} on", error.valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let both = PresetRecord {
            box_file: Some(ContentHash::of(b"one")),
            config: Some(ContentHash::of(b"two")),
        };
        let text = both.text();
        assert_eq!(text.lines().count(), 2);
        assert_eq!(PresetRecord::parse(&text), both);
        assert_eq!(PresetRecord::parse(""), PresetRecord::default());
        for cut in 0..text.len() {
            let read = PresetRecord::parse(&text[..cut]);
            assert!(
                read == PresetRecord::default() || read.config.is_none() || cut == text.len() - 1
            );
        }
        let other = format!("# by hand\nother {}\n{text}", ContentHash::of(b"three"));
        assert_eq!(PresetRecord::parse(&other), both);
    }

    /// The check value of FIPS 180-2, appendix B.1.
    #[test]
    fn a_hash_is_sha_256() {
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(ContentHash::of(b"abc").to_string(), digits);
        assert_eq!(ContentHash::parse(digits), Some(ContentHash::of(b"abc")));
        assert_eq!(ContentHash::parse(&digits[1..]), None);
    }

    #[test]
    fn a_configuration_is_taken_only_without_a_mistake() {
        let judge = |text: &str| judge_config(text.as_bytes(), Path::new("/data/weir"));
        assert_eq!(judge("config_version = 1\n"), Ok(()));
        assert_eq!(judge("\u{feff}config_version = 1\n"), Ok(()));
        let why = judge("config_version = 1\n[[camera]]\nname = \"gate\"\n").expect_err("no url");
        assert!(why.len() == 1 && why[0].contains("url"), "{why:?}");
        judge("").expect_err("a power cut may leave an empty file");
        let many = format!("config_version = 1\n{}", "x = 1\n[[camera]]\n".repeat(40));
        let why = judge(&many).expect_err("wrong");
        assert!(why.len() <= PRESET_PROBLEMS_MAX + 1, "{why:?}");
        let long = judge(&"#".repeat(CONFIG_BYTES_MAX + 1)).expect_err("too long");
        assert!(long[0].contains("max"), "{long:?}");
        let binary = judge_config(&[b'a', 0xff], Path::new("")).expect_err("no text");
        assert_eq!(binary, ["no UTF-8 text from byte 1 on"]);
    }

    #[test]
    fn a_box_file_is_judged_whole() {
        let preset = judge_box("hostname = \"gate\"\r\n".as_bytes()).expect("good");
        assert_eq!(preset.hostname.as_deref(), Some("gate"));
        judge_box(&[0xff]).expect_err("no text");
        judge_box(b"hostname = \"gate\"\nmode = \"static\"\n").expect_err("an unknown key");
    }
}
