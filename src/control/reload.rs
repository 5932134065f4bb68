//! Reading the configuration anew, and doing what has changed: nothing else is touched.
//!
//! One at a time, asked for by SIGHUP or over HTTP; a second one waits. The file is read and put
//! into force in one go. A camera keeps its slot while its name stays; one that is gone loses its
//! viewers, and its slot may be another's at once. What only a restart can change is named. A file
//! that cannot be used changes nothing but what is said of it.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use crate::access::LoginHash;
use crate::clock;
use crate::config::diff::{self, CameraChange, CameraChanges};
use crate::config::{Config, ConfigStatus, Origin, Source, Unusable, Usable};
use crate::limits::CAMERAS_MAX;
use crate::mem::accounts;
use crate::webrtc::ended::Ended;

use super::cameras::number;
use super::{Configuration, Control, ReloadError, Reloaded, State};

impl Control {
    /// How the configuration in force and its file stand to each other.
    pub fn configuration(&self) -> Configuration {
        self.0.config_status.borrow().clone()
    }

    /// Reads the file anew and does what has changed.
    ///
    /// # Errors
    /// The file cannot be used; nothing has changed.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let state = &self.0;
        let source = state.source.clone().ok_or(ReloadError::NoFile)?;
        // The next one's when this one is over, and its copy written: where the client leaves, the
        // write goes on without it.
        let turn = Arc::clone(&state.reloading).acquire_owned().await;
        let turn = Arc::new(turn.expect("it is never closed"));
        let _reload = state.supervisor.reload();
        self.read_anew(source, Arc::clone(&turn)).await
    }

    async fn read_anew(
        &self,
        source: Source,
        turn: Arc<OwnedSemaphorePermit>,
    ) -> Result<Reloaded, ReloadError> {
        let state = &self.0;
        let Usable { loaded, text } = match source.read() {
            Ok(usable) => usable,
            Err(unusable) => return Err(state.unusable(&source, unusable)),
        };
        for problem in &loaded.problems {
            log::warn!("{}: {problem}", source.path().display());
        }
        let status = ConfigStatus::of(&loaded);
        // What is in force is not the one's who asked for it.
        let mut reloaded = accounts::shared(|| state.put_into_force(loaded.config));
        reloaded.state = status.origin.name();
        reloaded.problems.clone_from(&status.problems);
        accounts::shared(|| state.set_config_status(status));
        reloaded.log();
        // What is synced to a disk takes its time, which is not the control thread's.
        let write = move || {
            source.keep(&text);
            drop(turn);
        };
        let kept = spawn_blocking(write).await;
        if let Err(error) = kept {
            log::error!("the copy of a good configuration was not written: {error}");
        }
        Ok(reloaded)
    }

    /// Reads the file anew at each SIGHUP, for ever.
    pub(super) async fn reload_at(self, mut hangup: tokio::signal::unix::Signal) {
        while hangup.recv().await.is_some() {
            // The log has the reason where it came to nothing.
            let _ = self.reload().await;
        }
    }
}

impl State {
    pub(super) fn set_config_status(&self, status: ConfigStatus) {
        let ConfigStatus { origin, problems } = status;
        let read_at = clock::utc(clock::now_us());
        let (state, sentence) = (origin.name(), origin.sentence());
        *self.config_status.borrow_mut() = Configuration { state, sentence, problems, read_at };
    }

    fn unusable(&self, source: &Source, unusable: Unusable) -> ReloadError {
        log::error!("{}: {unusable}; nothing has changed", source.path().display());
        if matches!(unusable, Unusable::NoRoom(..)) {
            // That says nothing about the file.
            return ReloadError::NoRoom(unusable.to_string());
        }
        // What is in force is now what a start would find: the last good one, if there was one.
        let is_default = self.config_status.borrow().state == Origin::Defaults.name();
        let origin = if is_default { Origin::Defaults } else { Origin::LastGood };
        self.set_config_status(ConfigStatus { origin, problems: vec![unusable.to_string()] });
        let detail = unusable.to_string();
        let place = match unusable {
            Unusable::Wrong(problem) => Some((problem.line, problem.column)),
            _ => None,
        };
        ReloadError::Unusable { detail, place }
    }

    /// Goes over to a new configuration.
    fn put_into_force(&self, mut config: Config) -> Reloaded {
        let fixed = diff::take_back_fixed(&self.config(), &mut config);
        let cameras = std::mem::take(&mut config.cameras);
        let former = self.order.borrow().clone();
        let sections: Vec<_> =
            former.iter().filter_map(|slot| self.cameras[usize::from(*slot)].section()).collect();
        let sections: Vec<&_> = sections.iter().map(Rc::as_ref).collect();
        let changes = diff::cameras(&sections, &cameras);
        let mut done = Reloaded { needs_restart: fixed, ..Reloaded::default() };
        for place in &changes.removed {
            done.removed.push(sections[*place].name.clone());
            self.free_slot(former[*place]);
        }
        let order = slots(&former, &changes);
        for ((section, change), slot) in cameras.into_iter().zip(&changes.per_camera).zip(&order) {
            let camera = &self.cameras[usize::from(*slot)];
            let names = match change {
                CameraChange::Added => &mut done.added,
                CameraChange::Changed(_) => &mut done.changed,
                CameraChange::Same(_) => &mut done.unchanged,
            };
            names.push(section.name.clone());
            match change {
                CameraChange::Same(_) => camera.renew(section),
                CameraChange::Added | CameraChange::Changed(_) => camera.assign(Some(section)),
            }
        }
        self.order.replace(order);
        if let Some(tls) = &self.tls {
            tls.reload(&config.https);
        }
        self.config.replace(Rc::new(config));
        self.end_strangers();
        done
    }

    /// Ends the sessions of users and tokens that are not as they were.
    fn end_strangers(&self) {
        let strangers = self.sessions.borrow().strangers(&self.config().access);
        for (session, reason) in strangers {
            self.end(session, Ended::AccountGone, Some(reason.to_owned()));
        }
    }

    /// Ends the sessions of a login that was ended.
    pub(super) fn end_login(&self, login: &LoginHash) {
        let of_login = self.sessions.borrow().of_login(login);
        for session in of_login {
            self.end(session, Ended::LoggedOut, None);
        }
    }

    /// Takes a camera out of its slot, and its viewers with it.
    fn free_slot(&self, slot: u16) {
        let watching = self.sessions.borrow().of(slot);
        for session in watching {
            self.end(session, Ended::CameraRemoved, None);
        }
        self.cameras[usize::from(slot)].assign(None);
    }
}

/// The slots of the new cameras. One that was there keeps its own; the others get those that were
/// free before those that are only now, which have a goodbye to say first.
fn slots(former: &[u16], changes: &CameraChanges) -> Vec<u16> {
    let is_free = |slot: &u16| !former.contains(slot);
    let vacated = changes.removed.iter().map(|place| former[*place]);
    let mut free = (0..number(CAMERAS_MAX)).filter(is_free).chain(vacated);
    let slot = |change: &CameraChange| match change {
        CameraChange::Same(place) | CameraChange::Changed(place) => former[*place],
        CameraChange::Added => free.next().expect("no more cameras are read than there are slots"),
    };
    changes.per_camera.iter().map(slot).collect()
}

impl Reloaded {
    fn log(&self) {
        log::info!(
            "configuration read anew: {} cameras added, {} removed, {} changed, {} unchanged",
            self.added.len(),
            self.removed.len(),
            self.changed.len(),
            self.unchanged.len()
        );
        for key in &self.needs_restart {
            log::warn!("configuration read anew: {key} needs a restart");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_keeps_its_slot_and_a_new_one_takes_a_free_one_first() {
        let changes = CameraChanges {
            per_camera: vec![CameraChange::Same(2), CameraChange::Added, CameraChange::Changed(0)],
            removed: vec![1],
        };
        assert_eq!(slots(&[0, 1, 2], &changes), [2, 3, 0]);
    }

    #[test]
    fn in_a_full_table_a_new_camera_takes_the_slot_of_one_that_is_gone() {
        let former: Vec<u16> = (0..number(CAMERAS_MAX)).collect();
        let mut per_camera: Vec<CameraChange> = (1..CAMERAS_MAX).map(CameraChange::Same).collect();
        per_camera.push(CameraChange::Added);
        let order = slots(&former, &CameraChanges { per_camera, removed: vec![0] });
        assert_eq!(order.last(), Some(&0));
        assert_eq!(order.len(), CAMERAS_MAX);
    }
}
