//! The state folder: the few small files that weir itself writes, each replaced whole or not at
//! all, and only when its content has changed. In steady state nothing is written.
//!
//! weir's user can write to the folder, and root reads and writes there before it becomes that
//! user. So only regular files are read, no link is followed, and a file that root makes is given
//! to the user by its descriptor.

use std::io;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use super::file::{FileOwner, content, open_no_link, write};

/// Readable by weir's own user only: the content may be secret.
const FILE_MODE: u32 = 0o600;

/// The folder for what weir needs again after a restart; the demo has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateFolder {
    path: Option<PathBuf>,
    /// Owner of the files written here; `None` for the process's own user.
    owner: Option<FileOwner>,
}

impl StateFolder {
    /// The state folder at `path`, which must exist.
    pub fn at(path: PathBuf) -> Self {
        Self { path: Some(path), owner: None }
    }

    /// No state folder: reads find nothing, writes are refused.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same folder, whose files belong to `owner`: for root, before it becomes that user.
    #[must_use]
    pub fn owned_by(self, owner: Option<FileOwner>) -> Self {
        Self { owner, ..self }
    }

    /// The folder for a configuration file: `chosen`, else the service manager's
    /// `$STATE_DIRECTORY`, else the folder of that file.
    pub fn beside(configuration: &Path, chosen: Option<PathBuf>) -> Self {
        // systemd lists several, separated by colons; the first is weir's.
        let given = std::env::var_os("STATE_DIRECTORY").and_then(|list| {
            let first = std::env::split_paths(&list).next()?;
            (!first.as_os_str().is_empty()).then_some(first)
        });
        let own = || match configuration.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self::at(chosen.or(given).unwrap_or_else(own))
    }

    /// Path of the file `name`; `None` without a folder.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.path.as_ref().map(|folder| folder.join(name))
    }

    /// Content of the file `name`; `None` when it does not exist.
    ///
    /// # Errors
    /// The file cannot be read, is not regular, is a link, or is longer than `bytes_max`.
    pub fn read(&self, name: &str, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(path) = self.path(name) else { return Ok(None) };
        match open_no_link(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(file) => content(file, bytes_max).map(Some),
        }
    }

    /// Gives a file that root made to the folder's owner, which could not read it otherwise. A file
    /// with further hard links is left alone: it may be another user's file.
    ///
    /// # Errors
    /// The file cannot be opened or is a link, or its owner cannot be changed.
    pub fn hand_over(&self, name: &str) -> io::Result<()> {
        let (Some(path), Some(owner)) = (self.path(name), self.owner) else { return Ok(()) };
        let file = open_no_link(&path)?;
        let found = file.metadata()?;
        if found.uid() == owner.uid || found.nlink() != 1 {
            return Ok(());
        }
        fchown(&file, Some(owner.uid), Some(owner.gid))
    }

    /// Makes the file `name` hold `bytes`; false when it held them already. After a power cut, a
    /// reader finds the old content or the new.
    ///
    /// # Errors
    /// There is no folder, or the file system refused the write; the old content is then still
    /// there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let none = || io::Error::new(io::ErrorKind::Unsupported, "there is no state folder");
        let folder = self.path.as_ref().ok_or_else(none)?;
        if self.read(name, bytes.len()).is_ok_and(|held| held.as_deref() == Some(bytes)) {
            return Ok(false);
        }
        write(&folder.join(name), bytes, FILE_MODE, self.owner).map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    fn folder(name: &str) -> (PathBuf, StateFolder) {
        let path = std::env::temp_dir().join(format!("weir-state-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a folder");
        (path.clone(), StateFolder::at(path))
    }

    #[test]
    fn a_file_is_replaced_whole_and_is_for_its_owner_alone() {
        let (path, state) = folder("replaced");
        assert_eq!(state.read("a", 10).expect("nothing yet"), None);
        state.write("a", b"one").expect("written");
        state.write("a", b"two").expect("written");
        assert_eq!(state.read("a", 3).expect("there").as_deref(), Some(&b"two"[..]));
        assert!(state.read("a", 2).is_err(), "over the bound");
        let mode = fs::metadata(path.join("a")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, FILE_MODE);
        assert_eq!(fs::read_dir(&path).expect("a folder").count(), 1, "nothing is left over");
        let _ = fs::remove_dir_all(path);
    }

    #[test]
    fn what_is_there_already_is_not_written_again() {
        let (path, state) = folder("same");
        assert!(state.write("a", b"same").expect("written"));
        let before = fs::metadata(path.join("a")).expect("there").ino();
        assert!(!state.write("a", b"same").expect("nothing to do"));
        assert_eq!(fs::metadata(path.join("a")).expect("there").ino(), before);
        let _ = fs::remove_dir_all(path);
    }

    /// If the read waited for the pipe's other end, this test would not end.
    #[test]
    fn a_pipe_and_a_link_are_not_read_and_are_replaced() {
        let (path, state) = folder("planted");
        let (target, name) = (path.join("target"), path.join("a"));
        fs::write(&target, "not ours").expect("written");
        let pipe = |name: &Path| {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, name, kind, mode, 0).expect("a pipe");
        };
        let link = |name: &Path| std::os::unix::fs::symlink(&target, name).expect("a link");
        let plants: [&dyn Fn(&Path); 2] = [&pipe, &link];
        let errors = plants.map(|plant| {
            plant(&name);
            plant(&path.join(".a.new"));
            let error = state.read("a", 100).expect_err("neither is read").to_string();
            assert!(state.hand_over("a").is_ok(), "no owner, nothing to do");
            let owned = state.clone().owned_by(Some(FileOwner { uid: 0, gid: 0 }));
            assert!(owned.hand_over("a").is_err());
            state.write("a", b"ours").expect("replaced");
            assert_eq!(state.read("a", 100).expect("there").as_deref(), Some(&b"ours"[..]));
            assert!(fs::symlink_metadata(&name).expect("there").is_file());
            fs::remove_file(&name).expect("there");
            error
        });
        assert_eq!(errors, ["not a regular file", "a link, not a file"]);
        assert_eq!(fs::read_to_string(&target).expect("untouched"), "not ours");
        let _ = fs::remove_dir_all(path);
    }

    #[test]
    fn without_a_folder_nothing_is_found_and_nothing_written() {
        let state = StateFolder::none();
        assert_eq!(state.read("a", 10).expect("nothing"), None);
        assert!(state.write("a", b"x").is_err());
    }

    #[test]
    fn the_folder_is_the_files_own_unless_another_is_chosen() {
        let of = |file: &str, chosen: Option<&str>| {
            StateFolder::beside(Path::new(file), chosen.map(PathBuf::from))
        };
        assert_eq!(of("/etc/weir/weir.toml", None), StateFolder::at("/etc/weir".into()));
        assert_eq!(of("weir.toml", None), StateFolder::at(".".into()));
        assert_eq!(of("/etc/weir.toml", Some("/var/x")), StateFolder::at("/var/x".into()));
    }
}
