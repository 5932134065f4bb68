//! Files that a person names: regular ones alone, and no more of them than a bound.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The text of a file of at most `bytes_max`.
pub(crate) fn text(path: &Path, bytes_max: usize) -> io::Result<String> {
    let file = open(path)?;
    let too_long = || {
        let message = format!("more than {bytes_max} bytes");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if bytes > bytes_max {
        return Err(too_long());
    }
    let mut text = String::with_capacity(bytes + 1);
    let bytes = file.take(bytes_max as u64 + 1).read_to_string(&mut text)?;
    if bytes > bytes_max { Err(too_long()) } else { Ok(text) }
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
