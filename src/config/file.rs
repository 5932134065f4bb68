//! Files that a person names: regular ones alone, and no more of them than a bound.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::limits::CONFIG_BYTES_MAX;

/// The text of a configuration.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let file = open(path)?;
    let too_long = || {
        let message = format!("more than {CONFIG_BYTES_MAX} bytes");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if bytes > CONFIG_BYTES_MAX {
        return Err(too_long());
    }
    let mut text = String::with_capacity(bytes + 1);
    let bytes = file.take(CONFIG_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if bytes > CONFIG_BYTES_MAX { Err(too_long()) } else { Ok(text) }
}

/// Opens a regular file: a pipe would keep the one who reads it waiting, and a device for ever.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}
