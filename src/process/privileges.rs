//! The user that weir runs as. Started as root, it becomes `[process] user` for good, once its
//! sockets are bound and its keys are read, and before there is a second thread. Neither weir nor a
//! program that it might start can gain privileges again.
//!
//! Without the key it becomes user `weir` if there is one. Otherwise it stays root, with a warning:
//! a made-up user could not use weir's state folder. If the configured user does not exist, weir
//! runs as user `nobody`: the operator does not want it to be root, but does want a picture.

use std::fmt;
use std::io;
use std::path::Path;

use super::kernel;
use super::user::SystemUser;
use crate::storage::{FileOwner, StateFolder, open_file};

/// The user if `[process] user` is not set.
const USER_DEFAULT: &str = "weir";
/// The id of user and group nobody on every Linux.
const NOBODY: u32 = 65_534;

/// Why privileges could not be dropped.
#[derive(Debug)]
pub enum PrivilegesError {
    /// The kernel refused the change of user.
    Refused {
        /// The user to become.
        user: Box<SystemUser>,
        /// The error of the system call.
        error: io::Error,
    },
    /// The calls succeeded, but the process still has privileges.
    StillPrivileged,
    /// New privileges cannot be forbidden.
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

/// The user that weir will become; `None` if it is not root, or stays root.
#[derive(Debug)]
pub struct Successor(Option<SystemUser>);

impl Successor {
    /// Chooses the user for `[process] user`. Call it once: it logs warnings.
    pub fn of(user: Option<&str>) -> Self {
        let is_root = kernel::identity().is_ok_and(|(uids, _)| uids.contains(&0));
        Self(if is_root { chosen(user) } else { None })
    }

    /// The owner for files that are made before the change; `None` if there is no change.
    pub fn owner(&self) -> Option<FileOwner> {
        self.0.as_ref().map(|user| FileOwner { uid: user.uid, gid: user.gid })
    }

    /// Drops the privileges. Call it once, when the sockets are bound and the keys are read, and
    /// before another thread exists.
    ///
    /// # Errors
    /// [`PrivilegesError`]: the kernel refuses, or the privileges are still there.
    pub fn become_it(self) -> Result<(), PrivilegesError> {
        if let Some(user) = self.0 {
            become_user(&user)?;
            log::info!("runs as user {user}");
        }
        if kernel::forbid_new_privileges() { Ok(()) } else { Err(PrivilegesError::NotForbidden) }
    }
}

/// Warns of a configuration file or state folder that the new user cannot access: a reload reads
/// the configuration again, and the state folder is written to.
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

/// The user to become; `None` to stay root.
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
