//! As whom weir runs. Started as root it becomes `[process] user` once its sockets are bound and
//! its keys are read, before there is a second thread, and for good. It never gains privileges
//! again, nor does what it might start.
//!
//! Without the key it becomes `weir` where there is such a user, and stays root where there is
//! none, with a warning: the folder that it keeps its state in would be closed to a user made up
//! here. A user that is asked for and not there is another matter: weir then runs as nobody, since
//! it was told not to be root, and a box that shows no picture helps no one.

use std::fmt;
use std::io;
use std::path::Path;

use super::kernel;
use super::user::SystemUser;
use crate::storage::{FileOwner, StateFolder, open_file};

/// Who it is without `[process] user`.
const USER_DEFAULT: &str = "weir";
/// Nobody, by the numbers that every Linux has for it.
const NOBODY: u32 = 65_534;

/// What stood in the way.
#[derive(Debug)]
pub enum PrivilegesError {
    /// The kernel refused.
    Refused {
        /// Whom to become.
        user: Box<SystemUser>,
        /// Why not.
        error: io::Error,
    },
    /// It said yes, and did not.
    StillPrivileged,
    /// New privileges cannot be ruled out.
    NotForbidden,
}

impl fmt::Display for PrivilegesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { user, error } => write!(f, "cannot become user {user}: {error}"),
            Self::StillPrivileged => write!(f, "privileges were dropped and are still there"),
            Self::NotForbidden => write!(f, "the kernel does not know PR_SET_NO_NEW_PRIVS"),
        }
    }
}

impl std::error::Error for PrivilegesError {}

/// Whom weir will become; nobody else where it is not root, or stays it.
#[derive(Debug)]
pub struct Successor(Option<SystemUser>);

impl Successor {
    /// The one that `[process] user` asks for. To be called once: it says in the log what does not
    /// fit.
    pub fn of(user: Option<&str>) -> Self {
        let is_root = kernel::identity().is_ok_and(|(uids, _)| uids.contains(&0));
        Self(if is_root { chosen(user) } else { None })
    }

    /// To whom files belong that are made before.
    pub fn owner(&self) -> Option<FileOwner> {
        self.0.as_ref().map(|user| FileOwner { uid: user.uid, gid: user.gid })
    }

    /// Gives up what is not needed any more: to be called once, when the sockets are bound, the
    /// keys read, and no other thread has begun.
    ///
    /// # Errors
    /// The kernel refuses, or does not do what it said.
    pub fn become_it(self) -> Result<(), PrivilegesError> {
        if let Some(user) = self.0 {
            become_user(&user)?;
            log::info!("runs as user {user}");
        }
        if kernel::forbid_new_privileges() { Ok(()) } else { Err(PrivilegesError::NotForbidden) }
    }
}

/// Says what will be missed later: a reload reads the configuration again, and the state folder is
/// written to.
pub fn warn_of_closed(configuration: Option<&Path>, state: &StateFolder) {
    if let Some(path) = configuration
        && let Err(error) = open_file(path)
    {
        log::warn!("{}: {error}; a reload will not be able to read it", path.display());
    }
    if let Some(folder) = state.path("")
        && let Err(error) = kernel::may_write(&folder)
    {
        log::warn!("{}: {error}; nothing can be kept over a restart", folder.display());
    }
}

/// Whom to become; `None` to stay root.
fn chosen(user: Option<&str>) -> Option<SystemUser> {
    let Some(text) = user else {
        let weir = SystemUser::find(USER_DEFAULT);
        if weir.is_none() {
            log::warn!(
                "runs as root: there is no user {USER_DEFAULT}, and none is named by `user` in \
                 [process]"
            );
        }
        return weir;
    };
    let found = SystemUser::find(text).unwrap_or_else(|| {
        log::error!("`user` in [process]: there is no user {text}; runs as nobody instead");
        SystemUser::of(NOBODY, NOBODY)
    });
    if found.uid == 0 {
        log::warn!("runs as root, as `user` in [process] asks");
        return None;
    }
    Some(found)
}

fn become_user(user: &SystemUser) -> Result<(), PrivilegesError> {
    let refused = |error| PrivilegesError::Refused { user: Box::new(user.clone()), error };
    kernel::take_groups(&user.groups).map_err(refused)?;
    kernel::take_identity(user.uid, user.gid).map_err(refused)?;
    let is_whole =
        kernel::identity().is_ok_and(|identity| identity == ([user.uid; 3], [user.gid; 3]));
    if !is_whole || kernel::can_return_to_root() {
        return Err(PrivilegesError::StillPrivileged);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_is_not_there_is_nobody_and_never_root() {
        let user = chosen(Some("no-such-user-here")).expect("somebody");
        assert_eq!((user.uid, user.gid), (NOBODY, NOBODY));
        assert_eq!(chosen(Some("0:0")), None);
    }
}
