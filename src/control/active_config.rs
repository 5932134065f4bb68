//! The configuration in force, and how it stands to its file.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::config::{Config, ConfigFile, ConfigOrigin, ConfigStatus, Unusable};

use super::{Configuration, ReloadError};

/// The configuration in force without its cameras, which have their slots.
pub(super) struct ActiveConfig {
    config: RefCell<Rc<Config>>,
    /// The configuration's file; the demo has none.
    source: Option<ConfigFile>,
    status: RefCell<Configuration>,
    /// Held during a reload: one at a time.
    reloading: Arc<Semaphore>,
}

impl ActiveConfig {
    /// The configuration that weir starts with.
    pub(super) fn new(config: Config, source: Option<ConfigFile>, status: ConfigStatus) -> Self {
        let active = Self {
            config: RefCell::new(Rc::new(config)),
            source,
            status: RefCell::default(),
            reloading: Arc::new(Semaphore::new(1)),
        };
        active.set_status(status);
        active
    }

    /// The configuration in force.
    pub(super) fn now(&self) -> Rc<Config> {
        self.config.borrow().clone()
    }

    /// Puts another configuration into force.
    pub(super) fn replace(&self, config: Config) {
        self.config.replace(Rc::new(config));
    }

    /// The configuration's file; the demo has none.
    pub(super) fn source(&self) -> Option<&ConfigFile> {
        self.source.as_ref()
    }

    /// Waits until no reload runs, and holds up the next one as long as the permit is held.
    pub(super) async fn reload_permit(&self) -> OwnedSemaphorePermit {
        let permit = Arc::clone(&self.reloading).acquire_owned().await;
        permit.expect("it is never closed")
    }

    /// How the configuration in force stands to its file.
    pub(super) fn status(&self) -> Configuration {
        self.status.borrow().clone()
    }

    /// Notes how the file was when it was read, now.
    pub(super) fn set_status(&self, status: ConfigStatus) {
        let ConfigStatus { origin, problems } = status;
        let read_at = clock::utc(clock::now_us());
        let (state, sentence) = (origin.name(), origin.sentence());
        *self.status.borrow_mut() = Configuration { state, sentence, problems, read_at };
    }

    /// Notes that the file cannot be used, and returns why.
    pub(super) fn unusable(&self, source: &ConfigFile, unusable: Unusable) -> ReloadError {
        log::error!("{}: {unusable}; nothing has changed", source.path().display());
        if matches!(unusable, Unusable::NoRoom(..)) {
            // This says nothing about the file.
            return ReloadError::NoRoom(unusable.to_string());
        }
        // The status names what a start would use now: the last good file, if there was one.
        let is_default = self.status.borrow().state == ConfigOrigin::Defaults.name();
        let origin = if is_default { ConfigOrigin::Defaults } else { ConfigOrigin::LastGood };
        self.set_status(ConfigStatus { origin, problems: vec![unusable.to_string()] });
        let detail = unusable.to_string();
        let place = match unusable {
            Unusable::Wrong(problem) => Some((problem.line, problem.column)),
            _ => None,
        };
        ReloadError::Unusable { detail, place }
    }
}
