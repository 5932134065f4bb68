//! What survives a restart: the folder `/data`, on its partition or in memory.
//!
//! Root owns the folder and what init keeps there, weir its own folder within. Each file is written
//! whole or not at all, and only when it changes.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use weir::appliance::box_file::BoxSettings;
use weir::limits::BOX_FILE_BYTES_MAX;
use weir::storage::{FileOwner, StateFolder};

use super::disk::SlotDisk;
use super::mounts;

/// Where the data partition is mounted.
pub(crate) const DATA: &str = "/data";
const WEIR: &str = "/data/weir";
const STATE: &str = "/data/weir/state";
const CONFIG: &str = "weir.toml";
const SETTINGS: &str = "box.toml";
const LAST_LINES: &str = "last-words";
const DEFAULT_CONFIG: &str = "/etc/weir/default.toml";
/// What a factory reset removes, besides weir's folder.
const FORGOTTEN: [&str; 3] = ["preset", SETTINGS, LAST_LINES];
/// Folders within one another whose files' times count.
const DEPTH_MAX: usize = 3;

/// The folder, and who owns what weir has of it.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder {
    owner: Option<FileOwner>,
    pub(crate) is_mounted: bool,
}

impl DataFolder {
    /// Mounts the data partition. A box without one, or with one that is broken, runs from memory.
    pub(crate) fn open(disk: Option<&SlotDisk>, owner: Option<FileOwner>) -> Self {
        let mounted = match disk.map(|disk| disk.device("data")) {
            None => Err("there is no disk".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(device)) => mounts::data(&device, DATA)
                .map_err(|error| format!("{} cannot be mounted: {error}", device.display())),
        };
        if let Err(why) = &mounted {
            log::error!("{why}: nothing is kept over a restart");
            if let Err(error) = fs::create_dir_all(DATA) {
                log::error!("{DATA}: {error}");
            }
        }
        Self { owner, is_mounted: mounted.is_ok() }
    }

    /// The files that init itself keeps.
    pub(crate) fn own(&self) -> StateFolder {
        StateFolder::at(DATA.into())
    }

    /// The folder with weir's configuration.
    pub(crate) fn weir(&self) -> StateFolder {
        StateFolder::at(WEIR.into()).owned_by(self.owner)
    }

    /// weir's state folder.
    pub(crate) fn state(&self) -> StateFolder {
        StateFolder::at(STATE.into()).owned_by(self.owner)
    }

    /// Path of weir's configuration.
    pub(crate) fn config_path() -> PathBuf {
        Path::new(WEIR).join(CONFIG)
    }

    /// Path of weir's state folder.
    pub(crate) fn state_path() -> &'static Path {
        Path::new(STATE)
    }

    /// Makes weir's folders, before anything is put there.
    pub(crate) fn make_folders(&self) {
        for (path, mode) in [(WEIR, 0o750), (STATE, 0o700)] {
            let made = fs::create_dir_all(path)
                .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
                .and_then(|()| self.hand_over(Path::new(path)));
            if let Err(error) = made {
                log::error!("{path}: {error}");
            }
        }
    }

    /// Sees to it that weir has a configuration, and may change it.
    pub(crate) fn prepare(&self) {
        self.make_folders();
        let config = Self::config_path();
        if !config.exists() {
            let text = fs::read(DEFAULT_CONFIG).unwrap_or_else(|error| {
                log::error!("{DEFAULT_CONFIG}: {error}; weir runs with its defaults");
                b"config_version = 1\n".to_vec()
            });
            self.write_config(&text);
        }
        if let Err(error) = self.hand_over(&config) {
            log::error!("{}: {error}", config.display());
        }
    }

    /// Replaces weir's configuration; what goes wrong is said, and returned as `None`.
    pub(crate) fn write_config(&self, text: &[u8]) -> Option<()> {
        let written = self.weir().write(CONFIG, text);
        written.map_err(|error| log::error!("{WEIR}/{CONFIG}: {error}")).ok().map(|_| ())
    }

    /// Gives what root made to weir's user.
    pub(crate) fn hand_over(&self, path: &Path) -> io::Result<()> {
        let Some(owner) = self.owner else { return Ok(()) };
        // Only what is there; a link is not followed by a rename, which is how files come here.
        chown(path, Some(owner.uid), Some(owner.gid))
    }

    /// Name and network of the box; the defaults if there are none that can be used.
    pub(crate) fn settings(&self) -> BoxSettings {
        let read = self.own().read(SETTINGS, BOX_FILE_BYTES_MAX);
        let bytes = read.unwrap_or_else(|error| {
            log::error!("{DATA}/{SETTINGS}: {error}; the network is by DHCP");
            None
        });
        let Some(bytes) = bytes else { return BoxSettings::default() };
        let text = String::from_utf8_lossy(&bytes);
        BoxSettings::parse(&text).unwrap_or_else(|why| {
            log::error!("{DATA}/{SETTINGS}: {why}; the network is by DHCP");
            BoxSettings::default()
        })
    }

    /// Keeps other settings.
    ///
    /// # Errors
    /// The disk refuses; the old ones are still there.
    pub(crate) fn keep_settings(&self, settings: &BoxSettings) -> io::Result<()> {
        self.own().write(SETTINGS, settings.text().as_bytes()).map(|_| ())
    }

    /// Where weir's last lines are kept, for weir to read.
    pub(crate) fn last_lines(&self) -> LastLinesFile {
        LastLinesFile(self.own().owned_by(self.owner))
    }

    /// The newest time of any file here, in seconds since 1970; 0 without one.
    pub(crate) fn newest_s(&self) -> u64 {
        newest_s(Path::new(DATA), DEPTH_MAX)
    }

    /// Forgets all that was configured. The update bundles that were tried stay known.
    ///
    /// # Errors
    /// The disk refuses; a part may be gone.
    pub(crate) fn forget(&self) -> io::Result<()> {
        // The record of the presets first: after a power cut in between they are applied again.
        let or_gone = |result: io::Result<()>| match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        for name in FORGOTTEN {
            or_gone(fs::remove_file(Path::new(DATA).join(name)))?;
        }
        or_gone(fs::remove_dir_all(WEIR))?;
        fs::File::open(DATA)?.sync_all()
    }
}

/// The file with the last lines of a weir that crashed.
#[derive(Debug)]
pub(crate) struct LastLinesFile(StateFolder);

impl LastLinesFile {
    /// Replaces what is there.
    pub(crate) fn write(&self, text: &[u8]) {
        if let Err(error) = self.0.write(LAST_LINES, text) {
            log::warn!("{DATA}/{LAST_LINES}: {error}");
        }
    }
}

fn newest_s(folder: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let times = entries.map(|entry| {
        let Ok(found) = entry.metadata() else { return 0 };
        let own = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let own = own.map_or(0, |since| since.as_secs());
        if found.is_dir() && depth > 0 { own.max(newest_s(&entry.path(), depth - 1)) } else { own }
    });
    times.max().unwrap_or(0)
}
