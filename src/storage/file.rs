//! Files that a person names: regular ones alone, and no more of them than a bound. A link is
//! followed: a person may keep certificates and passwords elsewhere. A file that is written is
//! replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOwner {
    /// The user's number.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
}

/// The text of a file of at most `bytes_max`.
pub(crate) fn text(path: &Path, bytes_max: usize) -> io::Result<String> {
    let file = open(path)?;
    let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if bytes > bytes_max {
        return Err(too_long(bytes_max));
    }
    let mut text = String::with_capacity(bytes + 1);
    let bytes = file.take(bytes_max as u64 + 1).read_to_string(&mut text)?;
    if bytes > bytes_max { Err(too_long(bytes_max)) } else { Ok(text) }
}

/// The content of an open file of at most `bytes_max`.
pub(crate) fn content(file: File, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max { Err(too_long(bytes_max)) } else { Ok(bytes) }
}

fn too_long(bytes_max: usize) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes"))
}

/// Opens a regular file: a pipe would keep the one who reads it waiting, and a device for ever.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_regular(path, 0)
}

/// The same for a file in a folder that somebody else may write to: a link is an error, since it
/// could lead to what only the reader may see.
pub(super) fn open_no_link(path: &Path) -> io::Result<File> {
    open_regular(path, libc::O_NOFOLLOW).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::new(io::ErrorKind::InvalidInput, "a link, not a file"),
        _ => error,
    })
}

fn open_regular(path: &Path, flags: i32) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// Makes a file that is there hold `bytes`, and keeps who may read it. What a link leads to is
/// replaced, and not the link.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    write(&path, bytes, mode, None)
}

/// Makes `path` hold `bytes`, as a file of `owner`'s where one is named. Whenever the power goes, a
/// reader finds the old or the new.
pub(super) fn write(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<FileOwner>,
) -> io::Result<()> {
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
    // By the descriptor: what stands under the name may be another's file by now.
    if let Some(FileOwner { uid, gid }) = owner {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    // The name is in the folder, which has to reach the disk as well.
    File::open(folder)?.sync_all()
}
