//! Where the configuration comes from: its file, and a copy of the last file that could be used.
//!
//! A file that cannot be used (missing, cut short, not TOML, over a bound, or with a wrong
//! `listen`) changes nothing: weir starts with the last good copy from the state folder or, without
//! one, with the defaults and no cameras, and logs it. weir never fails to start because of its
//! file. The copy is written whole or not at all, only from a file that was used, and only when it
//! differs.

use std::io;
use std::path::{Path, PathBuf};

use super::Config;
use super::place::Problem;
use super::read::{Loaded, parse};
use super::syntax::Extent;
use crate::limits::{CONFIG_BYTES_MAX, CONFIG_PROBLEMS_SHOWN};
use crate::mem::accounts::{self, AccountKind, HeapAccount, OverBudget, Refused};
use crate::storage::{StateFolder, file_text};

/// A configuration file, and the state folder with its last good copy.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    state: StateFolder,
}

/// The configuration that weir starts with.
#[derive(Debug)]
pub struct Started {
    /// The configuration in force.
    pub config: Config,
    /// Where `config` comes from, and the file's mistakes.
    pub status: ConfigStatus,
    /// To read the file again at a reload; `None` for the demo.
    pub source: Option<ConfigFile>,
    /// Text of the file if it was used, for [`ConfigFile::keep`] once weir runs with it.
    pub text: Option<String>,
}

/// How the configuration in force relates to its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigStatus {
    /// Where the configuration in force comes from.
    pub origin: ConfigOrigin,
    /// The file's mistakes, with line and column: at most [`CONFIG_PROBLEMS_SHOWN`], and a last
    /// text that says how many more there are.
    pub problems: Vec<String>,
}

/// Which configuration is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigOrigin {
    /// The file, without a mistake.
    Good,
    /// The file; wrong lines are ignored, and cameras may be disabled.
    Warnings,
    /// The last good copy, as the file cannot be used.
    LastGood,
    /// The defaults, without cameras: the file cannot be used, and there is no last good copy.
    Defaults,
}

/// A file that can be used.
#[derive(Debug)]
pub struct Usable {
    /// The configuration in the file, and its mistakes.
    pub loaded: Loaded,
    /// Its text, for [`ConfigFile::keep`].
    pub text: String,
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// The file cannot be read, or is over a bound.
    Unreadable(io::Error),
    /// The file has this fatal mistake.
    Wrong(Problem),
    /// Too little library heap is free to read the file now: the bytes needed, and why they were
    /// refused.
    NoRoom(usize, Refused),
    /// Reading the file took more memory than its account may hold.
    OverBudget(OverBudget),
}

impl Started {
    /// Starts with a configuration that has no file, which is the demo's.
    pub fn without_file(config: Config) -> Self {
        Self { config, status: ConfigStatus::good(), source: None, text: None }
    }
}

impl ConfigStatus {
    fn good() -> Self {
        Self { origin: ConfigOrigin::Good, problems: Vec::new() }
    }

    /// The status of a file that is used.
    pub fn of(loaded: &Loaded) -> Self {
        let origin =
            if loaded.problems.is_empty() { ConfigOrigin::Good } else { ConfigOrigin::Warnings };
        let shown = loaded.problems.iter().take(CONFIG_PROBLEMS_SHOWN);
        let mut problems: Vec<String> = shown.map(ToString::to_string).collect();
        let more = loaded.problems.len() + loaded.unnamed_problems - problems.len();
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        Self { origin, problems }
    }
}

impl ConfigOrigin {
    /// The name that the API shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warnings => "warnings",
            Self::LastGood => "last good",
            Self::Defaults => "defaults",
        }
    }

    /// One sentence for viewers, who may not see details; `None` for [`ConfigOrigin::Good`].
    pub fn sentence(self) -> Option<&'static str> {
        match self {
            Self::Good => None,
            Self::Warnings => Some("There are mistakes in the configuration file."),
            Self::LastGood => Some(
                "The configuration file cannot be used: weir goes on with the last one that could.",
            ),
            Self::Defaults => Some(
                "The configuration file cannot be used, and there is no earlier one: weir runs \
                 with its defaults and without cameras.",
            ),
        }
    }
}

impl ConfigFile {
    /// The configuration file at `path`, with its copy in `state`.
    pub fn new(path: PathBuf, state: StateFolder) -> Self {
        Self { path, state }
    }

    /// Path of the configuration file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`Unusable`]: why the file cannot be used.
    pub fn read(&self) -> Result<Usable, Unusable> {
        let (text, account) = self.text_with_room(1)?;
        let read = account.enter(|| self.parse(text)).map_err(Unusable::Wrong)?;
        self.within_budget(&account)?;
        Ok(read)
    }

    /// The file's text, and an account for the work on it, which reserves `factor` times the
    /// library heap that reading the text takes. [`Unusable::NoRoom`] when so much is not free.
    pub(super) fn text_with_room(&self, factor: usize) -> Result<(String, HeapAccount), Unusable> {
        // Shared: the text outlives the request that asks for it.
        let text = accounts::shared(|| file_text(&self.path, CONFIG_BYTES_MAX));
        let text = text.map_err(Unusable::Unreadable)?;
        let extent = Extent::of(&text);
        let needed = factor * extent.heap_bytes();
        let account =
            HeapAccount::promise(AccountKind::Configuration, needed, extent.parsed_bytes());
        Ok((text, account.map_err(|refused| Unusable::NoRoom(needed, refused))?))
    }

    /// Refuses a file that took more than its account may hold: the next one could take too much.
    pub(super) fn within_budget(&self, account: &HeapAccount) -> Result<(), Unusable> {
        let Some(over) = account.over() else { return Ok(()) };
        over.tell(self.path.display());
        Err(Unusable::OverBudget(over))
    }

    /// Starts with the file, else with the last good copy, else with the defaults; logs which.
    pub fn start(self) -> Started {
        let shown = self.path.display();
        let unusable = match self.read() {
            Ok(Usable { loaded, text }) => {
                for problem in &loaded.problems {
                    log::warn!("{shown}: {problem}");
                }
                let status = ConfigStatus::of(&loaded);
                let (config, text) = (loaded.config, Some(text));
                return Started { config, status, source: Some(self), text };
            }
            Err(unusable) => unusable,
        };
        log::error!("{shown}: {unusable}");
        let (config, origin) = match self.last_good() {
            Some(config) => (config, ConfigOrigin::LastGood),
            None => (Config::default(), ConfigOrigin::Defaults),
        };
        log::error!("{shown}: {}", origin.sentence().unwrap_or_default());
        let status = ConfigStatus { origin, problems: vec![unusable.to_string()] };
        Started { config, status, source: Some(self), text: None }
    }

    /// Keeps the text of a file that is used, as the last good copy. A failed write is only logged,
    /// since the configuration in force does not depend on it.
    pub fn keep(&self, text: &str) {
        let name = self.copy_name();
        if let Err(error) = self.state.write(&name, text.as_bytes()) {
            log::warn!("{name}, the copy of a good configuration, cannot be written: {error}");
        }
    }

    fn last_good(&self) -> Option<Config> {
        let name = self.copy_name();
        let bytes = match self.state.read(&name, CONFIG_BYTES_MAX) {
            Ok(bytes) => bytes?,
            Err(error) => {
                log::error!("{name}: {error}");
                return None;
            }
        };
        let text = String::from_utf8(bytes).ok()?;
        // A copy that an older version of weir wrote may be unusable for this one.
        let read = self.parse(text).map_err(|problem| log::error!("{name}: {problem}"));
        read.ok().map(|usable| usable.loaded.config)
    }

    fn parse(&self, text: String) -> Result<Usable, Problem> {
        // A relative `password_file` in the copy is resolved beside the original too.
        let loaded = parse(&text, self.path.parent().unwrap_or(Path::new("")));
        match loaded.fatal() {
            Some(problem) => Err(problem.clone()),
            None => Ok(Usable { loaded, text }),
        }
    }

    fn copy_name(&self) -> String {
        let name = self.path.file_name().unwrap_or("weir.toml".as_ref());
        format!("{}.good", name.to_string_lossy())
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "the file cannot be read: {error}"),
            Self::Wrong(problem) => write!(f, "{problem}"),
            Self::NoRoom(bytes, refused) => {
                write!(f, "reading needs {bytes} bytes of the library heap: {refused}")
            }
            Self::OverBudget(over) => write!(f, "what is in the file takes {over}"),
        }
    }
}

impl std::error::Error for Unusable {}

#[cfg(test)]
mod tests;
