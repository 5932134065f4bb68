//! The state folder: the few small files that weir itself writes, each replaced whole or not at
//! all, and only when what it holds has changed. In steady state nothing is written.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::file::write;

/// Readable by weir's own user alone: what is kept here may hold secrets.
const FILE_MODE: u32 = 0o600;

/// Where weir keeps what it must find again after a restart; the demo has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateFolder(Option<PathBuf>);

impl StateFolder {
    /// A folder that is there.
    pub fn at(path: PathBuf) -> Self {
        Self(Some(path))
    }

    /// None: reads find nothing, writes are refused.
    pub fn none() -> Self {
        Self(None)
    }

    /// The folder for a configuration file: `chosen`, else the service manager's
    /// `$STATE_DIRECTORY`, else the one that the file is in.
    pub fn beside(configuration: &Path, chosen: Option<PathBuf>) -> Self {
        // systemd lists several with colons; the first is ours.
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

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|folder| folder.join(name))
    }

    /// What `name` holds; `None` when it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is longer than `bytes_max`.
    pub fn read(&self, name: &str, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(path) = self.path(name) else { return Ok(None) };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > bytes_max {
            let message = format!("{name}: more than {bytes_max} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(Some(bytes))
    }

    /// Makes `name` hold `bytes`; whether that took a write. Whenever the power goes, a reader finds
    /// the old or the new.
    ///
    /// # Errors
    /// What the file system says; the old content is then still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let none = || io::Error::new(io::ErrorKind::Unsupported, "there is no state folder");
        let folder = self.0.as_ref().ok_or_else(none)?;
        if self.read(name, bytes.len()).is_ok_and(|held| held.as_deref() == Some(bytes)) {
            return Ok(false);
        }
        write(&folder.join(name), bytes, FILE_MODE).map(|()| true)
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
