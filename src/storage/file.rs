//! Files that a person names: only regular files, read up to a bound. Links are followed, since a
//! person may keep certificates and passwords elsewhere. A file is replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// Owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOwner {
    /// Numeric id of the user.
    pub uid: u32,
    /// Numeric id of the group.
    pub gid: u32,
}

/// Reads a text file; one of more than `bytes_max` bytes is [`io::ErrorKind::FileTooLarge`].
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

/// Reads an open file; one of more than `bytes_max` bytes is [`io::ErrorKind::FileTooLarge`].
pub(crate) fn content(file: File, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max { Err(too_long(bytes_max)) } else { Ok(bytes) }
}

fn too_long(bytes_max: usize) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes"))
}

/// Opens a regular file. Any other is an error: reading a pipe could block, and a device never end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_regular(path, 0)
}

/// As [`open`], for a file in a folder that another user may write to: a link is an error, since it
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

/// Makes an existing file hold `bytes`, and keeps its permission bits. A link's target is replaced,
/// not the link.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    write(&path, bytes, mode, None)
}

/// Makes `path` hold `bytes`, with `owner` as the file's owner if given. After a power cut, a
/// reader finds the old content or the new.
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
    // One left by a power cut may have permissions that let others read it.
    if let Err(error) = fs::remove_file(&unfinished)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    // By the descriptor: the name may belong to another file by now.
    if let Some(FileOwner { uid, gid }) = owner {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    // The folder holds the name, and has to reach the disk as well.
    File::open(folder)?.sync_all()
}
