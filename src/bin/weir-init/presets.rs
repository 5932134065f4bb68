//! Applies the presets of the partition `WEIR` at the start, and finds its update bundles.
//!
//! What is wrong with one is said on the serial line, and by a file in weir's log
//! ([`PRESET_ERRORS`]); the other one is applied nevertheless. Nothing here stops the start.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use weir::access::PasswordHash;
use weir::appliance::box_file::BoxPreset;
use weir::appliance::preset::{
    BOX_PRESET, CONFIG_PRESET, ContentHash, PRESET_ERRORS, PresetRecord, judge_box, judge_config,
};
use weir::config::{self, ConfigFile, Edit, EditError};
use weir::console::CONSOLE_PASSWORD_FILE;
use weir::limits::{BOX_FILE_BYTES_MAX, CONFIG_BYTES_MAX, INIT_FILE_BYTES_MAX, PRESET_ENTRIES_MAX};
use weir::storage::Secret;

use super::data::DataFolder;
use super::disk::SlotDisk;
use super::mounts::PresetMount;

const RECORD: &str = "preset";
const BUNDLE: &str = "weirbundle";
/// The user whom a preset's password is for besides the console.
const ADMINISTRATOR: &str = "admin";

/// What is there besides presets.
#[derive(Debug, Default)]
pub(crate) struct FoundPresets {
    /// Names of update bundles, in their order.
    pub(crate) bundles: Vec<String>,
}

/// Mounts the partition, to be read alone.
///
/// # Errors
/// There is none, or it holds no FAT.
fn mount(disk: &SlotDisk) -> Result<PresetMount, String> {
    let device = disk.device("weir").map_err(|error| error.to_string())?;
    PresetMount::new(&device).map_err(|error| format!("{}: {error}", device.display()))
}

/// Applies what was not applied yet.
pub(crate) fn apply(disk: Option<&SlotDisk>, data: &DataFolder) -> FoundPresets {
    let Some(disk) = disk else { return FoundPresets::default() };
    let mounted = match mount(disk) {
        Ok(mounted) => mounted,
        Err(error) => {
            log::error!("presets: {error}");
            return FoundPresets::default();
        }
    };
    data.make_folders();
    let mut presets =
        Presets { data, folder: mounted.path(), record: record(data), errors: Vec::new() };
    let before = presets.record.clone();
    // A password of the box's file goes into the configuration, so that comes first.
    presets.apply_config();
    presets.apply_box();
    if presets.record != before
        && let Err(error) = data.own().write(RECORD, presets.record.text().as_bytes())
    {
        log::error!("presets: what was applied cannot be remembered: {error}");
    }
    presets.tell();
    FoundPresets { bundles: bundles(mounted.path()) }
}

fn record(data: &DataFolder) -> PresetRecord {
    let read = data.own().read(RECORD, INIT_FILE_BYTES_MAX);
    let bytes = read.unwrap_or_default().unwrap_or_default();
    PresetRecord::parse(&String::from_utf8_lossy(&bytes))
}

struct Presets<'p> {
    data: &'p DataFolder,
    folder: &'p Path,
    record: PresetRecord,
    errors: Vec<String>,
}

impl Presets<'_> {
    /// The preset of this name with its hash, if it was not applied before.
    fn fresh(
        &mut self,
        name: &str,
        max: usize,
        applied: Option<ContentHash>,
    ) -> Option<(Vec<u8>, ContentHash)> {
        let path = find(self.folder, name)?;
        match content(&path, max) {
            Ok(bytes) => {
                let hash = ContentHash::of(&bytes);
                (applied != Some(hash)).then_some((bytes, hash))
            }
            Err(error) => {
                self.errors.push(format!("{name}: {error}"));
                None
            }
        }
    }

    fn apply_config(&mut self) {
        let Some((bytes, hash)) = self.fresh(CONFIG_PRESET, CONFIG_BYTES_MAX, self.record.config)
        else {
            return;
        };
        let path = DataFolder::config_path();
        let folder = path.parent().unwrap_or(Path::new("/"));
        if let Err(problems) = judge_config(&bytes, folder) {
            self.errors.extend(problems.into_iter().map(|why| format!("{CONFIG_PRESET}: {why}")));
            return;
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if self.data.write_config(text).is_some() {
            self.record.config = Some(hash);
            log::info!("presets: {CONFIG_PRESET} is applied");
        }
    }

    fn apply_box(&mut self) {
        let Some((bytes, hash)) = self.fresh(BOX_PRESET, BOX_FILE_BYTES_MAX, self.record.box_file)
        else {
            return;
        };
        let applied = judge_box(&bytes).and_then(|preset| self.take(&preset));
        match applied {
            Ok(()) => {
                self.record.box_file = Some(hash);
                log::info!("presets: {BOX_PRESET} is applied");
            }
            Err(why) => self.errors.push(format!("{BOX_PRESET}: {why}")),
        }
    }

    /// Takes a judged `box.toml`: the password first, as it is what may still be refused.
    fn take(&self, preset: &BoxPreset) -> Result<(), String> {
        if let Some(password) = &preset.password {
            self.set_password(password)?;
        }
        let settings = self.data.settings().with(preset);
        self.data.keep_settings(&settings).map_err(|error| error.to_string())
    }

    fn set_password(&self, password: &Secret) -> Result<(), String> {
        let hash = PasswordHash::make(password.reveal());
        let hash = hash.map_err(|why| format!("`password` {why}"))?;
        self.data.prepare();
        let path = DataFolder::config_path();
        let has_own =
            config::load(&path).is_ok_and(|loaded| loaded.config.console.password.is_some());
        let file = ConfigFile::new(path.clone(), self.data.state());
        if has_own {
            let edit = Edit::ConsolePassword(hash.clone());
            file.edit(&edit).map_err(|error| error.to_string())?;
        } else {
            let text = format!("{hash}\n");
            let written = self.data.state().write(CONSOLE_PASSWORD_FILE, text.as_bytes());
            written.map_err(|error| error.to_string())?;
        }
        match file.edit(&Edit::UserPassword(ADMINISTRATOR.to_owned(), hash)) {
            Ok(()) | Err(EditError::Unknown(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
        // It was replaced as root.
        self.data.hand_over(&path).map_err(|error| error.to_string())
    }

    /// Says what is wrong, and leaves it for weir's log; or removes what was left before.
    fn tell(&self) {
        for error in &self.errors {
            log::error!("presets: {error}; nothing of the file is applied");
        }
        let state = self.data.state();
        if !self.errors.is_empty() {
            let text = self.errors.join("\n") + "\n";
            if let Err(error) = state.write(PRESET_ERRORS, text.as_bytes()) {
                log::warn!("{PRESET_ERRORS}: {error}");
            }
        } else if let Some(path) = state.path(PRESET_ERRORS).filter(|path| path.exists())
            && let Err(error) = fs::remove_file(path)
        {
            log::warn!("{PRESET_ERRORS}: {error}");
        }
    }
}

/// The file of this name: FAT knows no case, and systems that write short names have their own.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.take(PRESET_ENTRIES_MAX).flatten();
    let mut names = entries.map(|entry| entry.file_name());
    let found = names.find(|found| found.eq_ignore_ascii_case(name))?;
    Some(folder.join(found))
}

fn content(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        Err(io::Error::other(format!("more than {max} bytes")))
    } else {
        Ok(bytes)
    }
}

fn bundles(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(PRESET_ENTRIES_MAX).flatten();
    let is_bundle = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(BUNDLE))
            // What a Mac leaves beside each file.
            && !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let paths = entries.map(|entry| entry.path()).filter(is_bundle);
    let names =
        paths.filter_map(|path| path.file_name().and_then(OsStr::to_str).map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}
