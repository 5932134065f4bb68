//! `weir import`: the cameras of a `mediamtx.yml` or a `go2rtc.yaml` as sections of a weir.toml.
//!
//! Owns both formats as far as cameras go, and the reasons for what is left out. Reasons never
//! repeat a URL, a login or a command, only names, keys and kinds. [`crate::config`] checks the
//! result, so that `weir check` accepts it. Bounded by [`crate::limits::IMPORT_BYTES_MAX`] and
//! `IMPORT_NODES_MAX`, and in its output by `CAMERAS_MAX` and `CONFIG_BYTES_MAX`. Does not expand
//! variables, resolve names or contact cameras.

mod fragment;
mod go2rtc;
mod mediamtx;
mod source;
mod yaml;

use std::fmt;
use std::io;
use std::path::Path;

use crate::limits::IMPORT_BYTES_MAX;

use fragment::ConfigFragment;
use source::ImportedSource;
use yaml::Tree;
pub use yaml::YamlError;

/// The program that a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportKind {
    /// mediamtx, with its `mediamtx.yml`.
    MediaMtx,
    /// go2rtc, with its `go2rtc.yaml`; also Frigate's.
    Go2rtc,
}

/// The result of an import.
#[derive(Debug, PartialEq, Eq)]
pub struct Imported {
    /// The program that the file belongs to.
    pub kind: ImportKind,
    /// A weir.toml with the cameras, passwords included; empty when there are none.
    pub fragment: String,
    /// Number of cameras in `fragment`.
    pub taken: usize,
    /// Number of cameras and streams in the file.
    pub found: usize,
    /// What was changed or left out, and why, one line each. Without secrets.
    pub notes: Vec<String>,
}

/// Why a file cannot be imported.
#[derive(Debug)]
pub enum ImportError {
    /// The file cannot be read.
    File(io::Error),
    /// The file is not YAML, is empty, or has too many nodes.
    Yaml(YamlError),
    /// The file could be either program's or neither's; `--from` decides.
    Unknown,
    /// The section of this name is not a map: its lines lost their indentation.
    Flat(&'static str),
    /// The file lacks the section in which this program has its cameras.
    NotOf(ImportKind),
}

/// A stream of the file, before it becomes a camera.
struct Found {
    /// Name as the file has it.
    name: String,
    /// Where it comes from, or why it is left out.
    source: Result<ImportedSource, String>,
    /// What is left out or changed of it.
    remarks: Vec<String>,
}

/// What a program's module finds in its file.
struct Findings {
    streams: Vec<Found>,
    /// Remarks about the file as a whole.
    remarks: Vec<String>,
}

/// Imports the file at `path`. Without `from`, the content tells which program's it is.
///
/// # Errors
/// [`ImportError`]; its text contains no secrets.
pub fn import_file(path: &Path, from: Option<ImportKind>) -> Result<Imported, ImportError> {
    let text = crate::storage::file_text(path, IMPORT_BYTES_MAX).map_err(ImportError::File)?;
    import(&text, from)
}

/// Imports a file's text. Without `from`, the content tells which program's it is.
///
/// # Errors
/// [`ImportError`]; its text contains no secrets.
pub fn import(text: &str, from: Option<ImportKind>) -> Result<Imported, ImportError> {
    let tree = Tree::parse(text).map_err(ImportError::Yaml)?;
    let kind = from.or_else(|| kind_of(&tree)).ok_or_else(|| flat(&tree, ImportError::Unknown))?;
    let findings = match kind {
        ImportKind::MediaMtx => mediamtx::read(&tree),
        ImportKind::Go2rtc => go2rtc::read(&tree),
    };
    let Findings { streams, remarks } =
        findings.ok_or_else(|| flat(&tree, ImportError::NotOf(kind)))?;
    let found = streams.len();
    let mut fragment = ConfigFragment::of(kind, &streams);
    for stream in streams {
        fragment.add(stream);
    }
    let ConfigFragment { text, taken, mut notes, .. } = fragment;
    notes.extend(remarks);
    let fragment = if taken > 0 { text } else { String::new() };
    Ok(Imported { kind, fragment, taken, found, notes })
}

/// The program that the file's keys belong to; `None` when it could be either or neither.
fn kind_of(tree: &Tree) -> Option<ImportKind> {
    let is_go2rtc = go2rtc::is_of(tree);
    match (mediamtx::is_of(tree), is_go2rtc) {
        (true, false) => Some(ImportKind::MediaMtx),
        (false, true) => Some(ImportKind::Go2rtc),
        _ => None,
    }
}

/// Why there are no cameras: lines that lost their indentation, or else `other`.
fn flat(tree: &Tree, other: ImportError) -> ImportError {
    let is_flat =
        |section: &&str| tree.root().value(section).is_some_and(|section| !section.is_map());
    ["streams", "paths"].into_iter().find(is_flat).map_or(other, ImportError::Flat)
}

/// A name from the file as it may be shown: on one line, and cut to 80 characters. A URL in the
/// place of a name is not shown.
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

impl fmt::Display for ImportKind {
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
            Self::NotOf(ImportKind::MediaMtx) => f.write_str("there is no section `paths` in it"),
            Self::NotOf(ImportKind::Go2rtc) => f.write_str("there is no section `streams` in it"),
        }
    }
}

impl std::error::Error for ImportError {}

#[cfg(test)]
mod tests;
