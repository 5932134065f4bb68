//! `weir import`: the cameras of a `mediamtx.yml` or a `go2rtc.yaml` as sections of a weir.toml.
//!
//! Owns the two formats as far as cameras go, and the words for what has no place in weir: those
//! never repeat a URL, a login or a command, only names, keys and kinds. What comes out is judged
//! by [`crate::config`], so that `weir check` has nothing against it. Bounded by
//! [`crate::limits::IMPORT_BYTES_MAX`] and `IMPORT_NODES_MAX`, and in what it makes by
//! `CAMERAS_MAX` and `CONFIG_BYTES_MAX`. Does not read variables, resolve names or ask cameras.

mod fragment;
mod go2rtc;
mod mediamtx;
mod source;
mod yaml;

use std::fmt;
use std::io;
use std::path::Path;

use crate::limits::IMPORT_BYTES_MAX;

use fragment::Fragment;
use source::Source;
use yaml::Tree;
pub use yaml::YamlError;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `mediamtx.yml`
    MediaMtx,
    /// `go2rtc.yaml`
    Go2rtc,
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Imported {
    /// Whose file it was.
    pub kind: Kind,
    /// A weir.toml with the cameras, passwords and all; empty when there are none.
    pub fragment: String,
    /// Cameras in it.
    pub taken: usize,
    /// Cameras and streams of the file.
    pub found: usize,
    /// What was changed or left out, and why, a line each. Without secrets.
    pub notes: Vec<String>,
}

/// Why nothing could be made of a file.
#[derive(Debug)]
pub enum ImportError {
    /// It cannot be read.
    File(io::Error),
    /// It is no YAML, or more of it than there is room for.
    Yaml(YamlError),
    /// It looks like neither program's.
    Unknown,
    /// The section of this name has no map in it.
    Flat(&'static str),
    /// It lacks what the program's files have.
    NotOf(Kind),
}

/// A stream of the file, with what its program knows of it.
struct Found {
    /// As the file has it.
    name: String,
    /// Where it comes from, or why it does not come with us.
    source: Result<Source, String>,
    /// What of it is left out or changed.
    remarks: Vec<String>,
}

/// What a program's module finds in its file.
struct Findings {
    streams: Vec<Found>,
    /// About the file as a whole.
    remarks: Vec<String>,
}

/// Reads the file at `path`.
///
/// # Errors
/// [`ImportError`], in words without secrets.
pub fn import_file(path: &Path, from: Option<Kind>) -> Result<Imported, ImportError> {
    let text = crate::storage::file_text(path, IMPORT_BYTES_MAX).map_err(ImportError::File)?;
    import(&text, from)
}

/// Reads a file's text. Without `from` the content tells whose it is.
///
/// # Errors
/// [`ImportError`], in words without secrets.
pub fn import(text: &str, from: Option<Kind>) -> Result<Imported, ImportError> {
    let tree = Tree::parse(text).map_err(ImportError::Yaml)?;
    let kind = from.or_else(|| kind_of(&tree)).ok_or_else(|| flat(&tree, ImportError::Unknown))?;
    let findings = match kind {
        Kind::MediaMtx => mediamtx::read(&tree),
        Kind::Go2rtc => go2rtc::read(&tree),
    };
    let Findings { streams, remarks } =
        findings.ok_or_else(|| flat(&tree, ImportError::NotOf(kind)))?;
    let found = streams.len();
    let mut fragment = Fragment::of(kind, &streams);
    for stream in streams {
        fragment.add(stream);
    }
    let Fragment { text, taken, mut notes, .. } = fragment;
    notes.extend(remarks);
    let fragment = if taken > 0 { text } else { String::new() };
    Ok(Imported { kind, fragment, taken, found, notes })
}

/// Whose file it is by what stands in it; `None` when that could be either's or neither's.
fn kind_of(tree: &Tree) -> Option<Kind> {
    let is_go2rtc = go2rtc::is_of(tree);
    match (mediamtx::is_of(tree), is_go2rtc) {
        (true, false) => Some(Kind::MediaMtx),
        (false, true) => Some(Kind::Go2rtc),
        _ => None,
    }
}

/// Why there are no cameras: lines that lost their indentation, or else `other`.
fn flat(tree: &Tree, other: ImportError) -> ImportError {
    let is_flat =
        |section: &&str| tree.root().value(section).is_some_and(|section| !section.is_map());
    ["streams", "paths"].into_iter().find(is_flat).map_or(other, ImportError::Flat)
}

/// A name of the file as it may be shown: on one line, and no longer than it needs to be told from
/// others. A URL that slipped into the place of a name is not shown.
fn shown(name: &str) -> String {
    const CHARS_MAX: usize = 80;
    if name.contains("://") || name.contains('@') {
        return "(a name like a URL)".to_owned();
    }
    let mut shown: String = name
        .chars()
        .take(CHARS_MAX)
        .map(|char| if char.is_control() { '?' } else { char })
        .collect();
    if name.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MediaMtx => "mediamtx",
            Self::Go2rtc => "go2rtc",
        })
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Yaml(error) => error.fmt(f),
            Self::Unknown => f.write_str(
                "neither `paths` as in a mediamtx.yml nor `streams` as in a go2rtc.yaml alone; \
                 say which with --from",
            ),
            Self::Flat(section) => write!(
                f,
                "there are no cameras in `{section}`: each is a line `name:` indented below it"
            ),
            Self::NotOf(Kind::MediaMtx) => f.write_str("there is no section `paths` in it"),
            Self::NotOf(Kind::Go2rtc) => f.write_str("there is no section `streams` in it"),
        }
    }
}

impl std::error::Error for ImportError {}

#[cfg(test)]
mod tests;
