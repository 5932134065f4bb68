//! What the kernel is told at the start: modules and settings; and what it tells: its command line.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::system::finit_module;
use weir::limits::BOOT_FILE_BYTES_MAX;

const MODULES: &str = "/etc/modules";
const SETTINGS: &str = "/etc/sysctl.conf";
const COMMAND_LINE: &str = "/proc/cmdline";

/// Loads the modules that `/etc/modules` lists, in its order. One that is in the kernel already, or
/// whose hardware is not there, is passed over.
pub(crate) fn load_modules() {
    let list = text(Path::new(MODULES)).unwrap_or_default();
    let mut loaded = 0;
    for path in
        list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match load_module(Path::new(path)) {
            Ok(()) => loaded += 1,
            Err(error) => match error.kind() {
                io::ErrorKind::AlreadyExists => {}
                // A driver's way to say that its device is not there.
                _ if error.raw_os_error() == Some(NO_DEVICE) => {}
                _ => log::warn!("{path}: {error}"),
            },
        }
    }
    log::info!("{loaded} kernel modules are loaded");
}

/// `ENODEV`, which has no kind of its own.
const NO_DEVICE: i32 = 19;

fn load_module(path: &Path) -> io::Result<()> {
    const NO_PARAMETERS: &CStr = c"";
    Ok(finit_module(File::open(path)?, NO_PARAMETERS, 0)?)
}

/// Makes the settings of `/etc/sysctl.conf`.
pub(crate) fn set_settings() {
    for line in text(Path::new(SETTINGS)).unwrap_or_default().lines() {
        let line = line.trim();
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';']))
        else {
            continue;
        };
        let key = key.trim().trim_start_matches('-');
        if key.is_empty() || key.contains("..") {
            continue;
        }
        let path = PathBuf::from("/proc/sys").join(key.replace('.', "/"));
        if let Err(error) = fs::write(&path, format!("{}\n", value.trim())) {
            log::warn!("{key}: {error}");
        }
    }
}

/// The value of `name=value` in the kernel's command line.
pub(crate) fn argument(name: &str) -> Option<String> {
    let line = text(Path::new(COMMAND_LINE)).ok()?;
    let value = |word: &str| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    line.split_whitespace().find_map(value)
}

/// A text of a bounded length; the files of `/proc` do not tell theirs.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let max = BOOT_FILE_BYTES_MAX as u64;
    File::open(path)?.take(max).read_to_string(&mut text)?;
    Ok(text)
}
