//! Where the configuration comes from: its file, and a copy of the last one that could be used.
//!
//! A file that cannot be used (it is gone, cut short, not TOML, over a bound, or listens nowhere)
//! changes nothing: weir starts with the last good one, from the state folder, or without one
//! with the defaults and no cameras, and says so. It never fails to start because of its file.
//! The copy is written whole or not at all, only of a file that was used, and only when it differs.

use std::io;
use std::path::{Path, PathBuf};

use super::Config;
use super::place::Problem;
use super::read::{Loaded, parse};
use super::syntax::Extent;
use crate::limits::{CONFIG_BYTES_MAX, CONFIG_PROBLEMS_SHOWN};
use crate::mem::accounts::{self, Account, Kind, OverBudget, Refused};
use crate::storage::StateFolder;
use crate::storage::file_text;

/// A configuration's file, and the folder with its last good copy.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    state: StateFolder,
}

/// What weir starts with.
#[derive(Debug)]
pub struct Started {
    /// What is in force.
    pub config: Config,
    /// Where it is from, and what is wrong with the file.
    pub status: ConfigStatus,
    /// To read it anew; the demo has none.
    pub source: Option<Source>,
    /// The text of a file that was used, to be kept once weir runs with it.
    pub text: Option<String>,
}

/// How the configuration in force and its file stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigStatus {
    /// In one word or two.
    pub origin: Origin,
    /// The file's mistakes, with their places: at most [`CONFIG_PROBLEMS_SHOWN`] and one that
    /// says how many more there are.
    pub problems: Vec<String>,
}

/// What is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The file, without a mistake.
    Good,
    /// The file; some of it is passed over, and cameras may be disabled.
    Warnings,
    /// The file cannot be used: the last one that could.
    LastGood,
    /// The file cannot be used, and there is no earlier one: the defaults, without cameras.
    Defaults,
}

/// A file that can be used.
#[derive(Debug)]
pub struct Usable {
    /// What it says.
    pub loaded: Loaded,
    /// Its text, for [`Source::keep`].
    pub text: String,
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// It cannot be read, or is over a bound.
    Unreadable(io::Error),
    /// There is a mistake in it that leaves nothing to go by.
    Wrong(Problem),
    /// There is no memory to read it now: the bytes it needs, and what is in the way.
    NoRoom(usize, Refused),
    /// What became of it took more memory than it may.
    OverBudget(OverBudget),
}

impl Started {
    /// With a configuration that has no file.
    pub fn without_file(config: Config) -> Self {
        Self { config, status: ConfigStatus::good(), source: None, text: None }
    }
}

impl ConfigStatus {
    fn good() -> Self {
        Self { origin: Origin::Good, problems: Vec::new() }
    }

    /// Of a file that is used.
    pub fn of(loaded: &Loaded) -> Self {
        let origin = if loaded.problems.is_empty() { Origin::Good } else { Origin::Warnings };
        let shown = loaded.problems.iter().take(CONFIG_PROBLEMS_SHOWN);
        let mut problems: Vec<String> = shown.map(ToString::to_string).collect();
        let more = loaded.problems.len() + loaded.unnamed_problems - problems.len();
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        Self { origin, problems }
    }
}

impl Origin {
    /// As the API shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warnings => "warnings",
            Self::LastGood => "last good",
            Self::Defaults => "defaults",
        }
    }

    /// In one sentence, for people who may look but not know more.
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

impl Source {
    /// The file at `path`, and its copy in `state`.
    pub fn new(path: PathBuf, state: StateFolder) -> Self {
        Self { path, state }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn read(&self) -> Result<Usable, Unusable> {
        let (text, account) = self.text_with_room(1)?;
        let read = account.enter(|| self.parse(text)).map_err(Unusable::Wrong)?;
        self.within_budget(&account)?;
        Ok(read)
    }

    /// The file's text, and an account for what becomes of it: when there is memory for `factor`
    /// times what reading it takes, which is kept free for it.
    pub(super) fn text_with_room(&self, factor: usize) -> Result<(String, Account), Unusable> {
        // Kept beyond the request that asks for it.
        let text = accounts::shared(|| file_text(&self.path, CONFIG_BYTES_MAX));
        let text = text.map_err(Unusable::Unreadable)?;
        let extent = Extent::of(&text);
        let needed = factor * extent.heap_bytes();
        let account = Account::promise(Kind::Configuration, needed, extent.parsed_bytes());
        Ok((text, account.map_err(|refused| Unusable::NoRoom(needed, refused))?))
    }

    /// A file that took more than its account has is not used: the next one could take too much.
    pub(super) fn within_budget(&self, account: &Account) -> Result<(), Unusable> {
        let Some(over) = account.over() else { return Ok(()) };
        over.tell(self.path.display());
        Err(Unusable::OverBudget(over))
    }

    /// Finds something to start with, and says in the log what.
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
            Some(config) => (config, Origin::LastGood),
            None => (Config::default(), Origin::Defaults),
        };
        log::error!("{shown}: {}", origin.sentence().unwrap_or_default());
        let status = ConfigStatus { origin, problems: vec![unusable.to_string()] };
        Started { config, status, source: Some(self), text: None }
    }

    /// Keeps the text of a file that is used, for a day when the file cannot be. A folder that
    /// cannot be written to is said in the log: what is in force does not hang on it.
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
        // A copy that an older weir wrote may be unusable for this one.
        let read = self.parse(text).map_err(|problem| log::error!("{name}: {problem}"));
        read.ok().map(|usable| usable.loaded.config)
    }

    fn parse(&self, text: String) -> Result<Usable, Problem> {
        // A relative `password_file` of the copy is beside the original too.
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
