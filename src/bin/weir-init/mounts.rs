//! The file systems that every Linux program expects, and those of the box's disk.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

/// Mounts what programs expect. There is nobody to tell of a failure yet.
pub(crate) fn early() {
    let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let devices = MountFlags::NOSUID | MountFlags::NOEXEC;
    let table = [
        ("proc", "/proc", safe, 0o555),
        ("sysfs", "/sys", safe, 0o555),
        // Mounted already if the kernel was told to.
        ("devtmpfs", "/dev", devices, 0o755),
        ("tmpfs", "/run", safe, 0o755),
        ("tmpfs", "/tmp", safe, 0o1777),
    ];
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    // Whatever the archive says that it was unpacked from: weir is another user.
    let _ = fs::set_permissions("/", fs::Permissions::from_mode(0o755));
    for (kind, place, flags, mode) in table {
        let _ = fs::create_dir_all(place);
        let _ = mount(kind, place, kind, flags, None::<&CStr>);
        let _ = fs::set_permissions(place, fs::Permissions::from_mode(mode));
    }
}

/// Mounts the data partition.
///
/// # Errors
/// It holds no ext4, or a broken one.
pub(crate) fn data(device: &Path, place: &str) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let flags = MountFlags::NOATIME | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount(device, place, "ext4", flags, Some(c"errors=remount-ro"))?)
}

/// Where the partition of presets is while it is looked at.
const PRESETS: &str = "/run/preset";

/// The partition of presets, which is mounted as long as this lives.
#[derive(Debug)]
pub(crate) struct PresetMount(());

impl PresetMount {
    /// Mounts it, to be read alone.
    ///
    /// # Errors
    /// It holds no FAT, or a broken one.
    pub(crate) fn new(device: &Path) -> io::Result<Self> {
        fs::create_dir_all(PRESETS)?;
        let flags =
            MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(device, PRESETS, "vfat", flags, None::<&CStr>)?;
        Ok(Self(()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &'static Path {
        Path::new(PRESETS)
    }
}

impl Drop for PresetMount {
    fn drop(&mut self) {
        if let Err(error) = unmount(PRESETS, UnmountFlags::DETACH) {
            log::warn!("{PRESETS}: cannot be unmounted: {error}");
        }
    }
}

/// Unmounts a file system, or else has it written and allows no further writes.
pub(crate) fn release(place: &str) {
    if unmount(place, UnmountFlags::empty()).is_ok() {
        return;
    }
    // Something of it is still in use.
    if let Err(error) = mount_remount(place, MountFlags::RDONLY, c"") {
        log::warn!("{place}: cannot be unmounted: {error}");
    }
}
