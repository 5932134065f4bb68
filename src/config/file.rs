//! Files that a person names: regular ones alone, and no more of them than a bound. A file that is
//! written is replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
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

/// Makes a file that is there hold `bytes`, and keeps who may read it. What a link leads to is
/// replaced, and not the link.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    write(&path, bytes, mode)
}

/// Makes `path` hold `bytes`. Whenever the power goes, a reader finds the old or the new.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let nowhere = || io::Error::from(io::ErrorKind::InvalidInput);
    let name = path.file_name().ok_or_else(nowhere)?;
    let folder = path.parent().ok_or_else(nowhere)?;
    let unfinished = folder.join(format!(".{}.new", name.to_string_lossy()));
    // One that a power cut left may have been made for others to read.
    if let Err(error) = fs::remove_file(&unfinished)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    // The name is in the folder, which has to reach the disk as well.
    File::open(folder)?.sync_all()
}
