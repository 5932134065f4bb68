//! Reloading the configuration: only what has changed is applied.
//!
//! SIGHUP or an HTTP request asks for a reload. One runs at a time, and a second one waits. The
//! file is read and applied in one step. A camera keeps its slot as long as its name stays. A
//! removed camera loses its viewers, and its slot may be used again at once. Changes that need a
//! restart are listed in the result. A file that cannot be used changes only the reported status.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use crate::access::LoginHash;
use crate::config::diff::{self, CameraChange, CameraChanges};
use crate::config::{Config, ConfigFile, ConfigStatus, Usable};
use crate::limits::CAMERAS_MAX;
use crate::mem::accounts;
use crate::webrtc::ended::Ended;

use super::cameras::number;
use super::{Configuration, Control, ReloadError, Reloaded, State};

impl Control {
    /// The status of the configuration in force against its file.
    pub fn configuration(&self) -> Configuration {
        self.0.config.status()
    }

    /// Reads the file again and applies what has changed. Waits while another reload runs.
    ///
    /// # Errors
    /// The file cannot be used, memory is short for it, or there is no file. Nothing has changed.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let state = &self.0;
        let source = state.config.source().cloned().ok_or(ReloadError::NoFile)?;
        // Held until the copy of the file is written, so that the next reload waits for it. The
        // write goes on also when the client leaves.
        let reloading_permit = Arc::new(state.config.reload_permit().await);
        let _reload = state.supervisor.reload();
        self.read_again(source, Arc::clone(&reloading_permit)).await
    }

    async fn read_again(
        &self,
        source: ConfigFile,
        reloading_permit: Arc<OwnedSemaphorePermit>,
    ) -> Result<Reloaded, ReloadError> {
        let state = &self.0;
        let Usable { loaded, text } = match source.read() {
            Ok(usable) => usable,
            Err(unusable) => return Err(state.config.unusable(&source, unusable)),
        };
        for problem in &loaded.problems {
            log::warn!("{}: {problem}", source.path().display());
        }
        let status = ConfigStatus::of(&loaded);
        // The configuration is shared, so it is not charged to the account of the client.
        let mut reloaded = accounts::shared(|| state.put_into_force(loaded.config));
        reloaded.state = status.origin.name();
        reloaded.problems.clone_from(&status.problems);
        accounts::shared(|| state.config.set_status(status));
        reloaded.log();
        // Syncing to a disk takes long, so it is done on another thread.
        let write = move || {
            source.keep(&text);
            drop(reloading_permit);
        };
        let kept = spawn_blocking(write).await;
        if let Err(error) = kept {
            log::error!("the copy of a good configuration was not written: {error}");
        }
        Ok(reloaded)
    }

    /// Reloads at each SIGHUP. Does not return while the signal exists.
    pub(super) async fn reload_at(self, mut hangup: tokio::signal::unix::Signal) {
        while hangup.recv().await.is_some() {
            // A failure is already in the log.
            let _ = self.reload().await;
        }
    }
}

impl State {
    /// Applies a new configuration.
    fn put_into_force(&self, mut config: Config) -> Reloaded {
        let fixed = diff::take_back_fixed(&self.config.now(), &mut config);
        let cameras = std::mem::take(&mut config.cameras);
        let former = self.cameras.order();
        let sections: Vec<_> = former
            .iter()
            .filter_map(|slot| self.cameras.slot(usize::from(*slot)).section())
            .collect();
        let sections: Vec<&_> = sections.iter().map(Rc::as_ref).collect();
        let changes = diff::cameras(&sections, &cameras);
        let mut done = Reloaded { needs_restart: fixed, ..Reloaded::default() };
        for place in &changes.removed {
            done.removed.push(sections[*place].name.clone());
            self.free_slot(former[*place]);
        }
        let order = slots(&former, &changes);
        for ((section, change), slot) in cameras.into_iter().zip(&changes.per_camera).zip(&order) {
            let camera = self.cameras.slot(usize::from(*slot));
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
        self.cameras.reorder(order);
        if let Some(tls) = &self.tls {
            tls.reload(&config.https);
        }
        self.config.replace(config);
        self.end_strangers();
        done
    }

    /// Ends the sessions whose user or token was removed or changed.
    fn end_strangers(&self) {
        let strangers = self.signalling.borrow().sessions().strangers(&self.config.now().access);
        for (session, reason) in strangers {
            self.end(session, Ended::AccountGone, Some(reason.to_owned()));
        }
    }

    /// Ends the sessions of a login that has ended.
    pub(super) fn end_login(&self, login: &LoginHash) {
        let of_login = self.signalling.borrow().sessions().of_login(login);
        for session in of_login {
            self.end(session, Ended::LoggedOut, None);
        }
    }

    /// Frees a camera's slot and ends the sessions of its viewers.
    fn free_slot(&self, slot: u16) {
        let watching = self.signalling.borrow().sessions().of(slot);
        for session in watching {
            self.end(session, Ended::CameraRemoved, None);
        }
        self.cameras.slot(usize::from(slot)).assign(None);
    }
}

/// The slots of the new cameras, in their order. A camera that was there keeps its slot. An added
/// one gets a slot that was free before, and only then one just vacated, where the old camera is
/// still being disconnected.
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
            "configuration reloaded: {} cameras added, {} removed, {} changed, {} unchanged",
            self.added.len(),
            self.removed.len(),
            self.changed.len(),
            self.unchanged.len()
        );
        for key in &self.needs_restart {
            log::warn!("configuration reloaded: {key} needs a restart");
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
