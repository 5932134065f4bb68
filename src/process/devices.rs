//! What weir-init asks of devices that no safe call offers: the watchdog's time and history, a
//! partition's new length, a table to be read again, and a mounted ext4 file system to grow.
//!
//! Each is one `ioctl` on a descriptor of the caller's. On any other kind of file the kernel
//! answers with an error.

use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, NoArg, Opcode, Setter, Updater, ioctl, opcode};

/// Bit of the boot status: the last reset was the watchdog's (`WDIOF_CARDRESET`).
const CARD_RESET: i32 = 0x20;

/// What a watchdog's driver says of itself (`struct watchdog_info`).
#[repr(C)]
struct WatchdogInfo {
    options: u32,
    firmware: u32,
    identity: [u8; 32],
}

/// The name that a watchdog's driver gives it.
///
/// # Errors
/// It is no watchdog.
pub fn watchdog_identity(watchdog: impl AsFd) -> io::Result<String> {
    const SUPPORT: Opcode = opcode::read::<WatchdogInfo>(b'W', 0);
    // SAFETY: WDIOC_GETSUPPORT writes a `struct watchdog_info`, which this type is; any bytes are
    // one.
    let info = unsafe { ioctl(watchdog, Getter::<SUPPORT, WatchdogInfo>::new()) }?;
    let name = info.identity.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).trim().to_owned())
}

/// Whether the box's last reset was the watchdog's doing.
///
/// # Errors
/// It is no watchdog, or it does not know.
pub fn was_reset_by(watchdog: impl AsFd) -> io::Result<bool> {
    const BOOT_STATUS: Opcode = opcode::read::<i32>(b'W', 2);
    // SAFETY: WDIOC_GETBOOTSTATUS writes one number.
    let status = unsafe { ioctl(watchdog, Getter::<BOOT_STATUS, i32>::new()) }?;
    Ok(status & CARD_RESET != 0)
}

/// Sets the seconds after which a watchdog that is not fed resets the box. Returns those that the
/// driver made of it.
///
/// # Errors
/// It is no watchdog, or it has other limits.
pub fn set_watchdog_timeout(watchdog: impl AsFd, timeout_s: u32) -> io::Result<u32> {
    const SET_TIMEOUT: Opcode = opcode::read_write::<i32>(b'W', 6);
    let mut seconds =
        i32::try_from(timeout_s).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: WDIOC_SETTIMEOUT reads one number and writes it.
    unsafe { ioctl(watchdog, Updater::<SET_TIMEOUT, i32>::new(&mut seconds)) }?;
    Ok(u32::try_from(seconds).unwrap_or(timeout_s))
}

/// A partition in the words of BLKPG (`struct blkpg_partition`).
#[repr(C)]
struct ResizedPartition {
    start_bytes: i64,
    length_bytes: i64,
    number: i32,
    names: [u8; 128],
}

/// The argument of BLKPG (`struct blkpg_ioctl_arg`).
#[repr(C)]
struct PartitionOrder {
    order: i32,
    flags: i32,
    bytes: i32,
    partition: *mut ResizedPartition,
}

/// Tells the kernel the new length of a partition, which may be in use. `disk` is the whole disk.
///
/// # Errors
/// It is no disk, has no such partition at this place, or another one is in the way.
pub fn resize_partition(
    disk: impl AsFd,
    number: u32,
    start_bytes: u64,
    length_bytes: u64,
) -> io::Result<()> {
    const PARTITION: Opcode = opcode::none(0x12, 105);
    const RESIZE: i32 = 3;
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut partition = ResizedPartition {
        start_bytes: i64::try_from(start_bytes).map_err(too_large)?,
        length_bytes: i64::try_from(length_bytes).map_err(too_large)?,
        number: i32::try_from(number).map_err(too_large)?,
        names: [0; 128],
    };
    let order = PartitionOrder {
        order: RESIZE,
        flags: 0,
        bytes: i32::try_from(size_of::<ResizedPartition>()).unwrap_or(0),
        partition: &raw mut partition,
    };
    // SAFETY: BLKPG reads a `struct blkpg_ioctl_arg`, which this type is, and what it points at,
    // which is a `struct blkpg_partition` that lives until the call is over. It keeps neither.
    unsafe { ioctl(disk, Setter::<PARTITION, PartitionOrder>::new(order)) }?;
    Ok(())
}

/// Has the kernel read a disk's partition table again.
///
/// # Errors
/// It is no disk, or one of its partitions is in use.
pub fn reread_partitions(disk: impl AsFd) -> io::Result<()> {
    const REREAD: Opcode = opcode::none(0x12, 95);
    // SAFETY: BLKRRPART takes no argument.
    unsafe { ioctl(disk, NoArg::<REREAD>::new()) }?;
    Ok(())
}

/// Lets the mounted ext4 file system of this file grow to so many of its blocks.
///
/// # Errors
/// It is another file system, its device has fewer blocks, or it cannot grow so far.
pub fn resize_ext4(file: impl AsFd, blocks: u64) -> io::Result<()> {
    const RESIZE: Opcode = opcode::write::<u64>(b'f', 16);
    // SAFETY: EXT4_IOC_RESIZE_FS reads one number of 64 bits.
    unsafe { ioctl(file, Setter::<RESIZE, u64>::new(blocks)) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_types_are_as_long_as_the_kernels() {
        assert_eq!(size_of::<WatchdogInfo>(), 40);
        assert_eq!(size_of::<ResizedPartition>(), 152);
        assert_eq!(size_of::<PartitionOrder>(), 24);
    }

    #[test]
    fn on_another_file_each_is_an_error() {
        let null = File::open("/dev/null").expect("a device");
        let file = File::open("/proc/self/status").expect("/proc");
        for other in [&null, &file] {
            watchdog_identity(other).expect_err("no watchdog");
            was_reset_by(other).expect_err("no watchdog");
            set_watchdog_timeout(other, 15).expect_err("no watchdog");
            set_watchdog_timeout(other, u32::MAX).expect_err("too long");
            resize_partition(other, 1, 0, 512).expect_err("no disk");
            resize_partition(other, 1, u64::MAX, 512).expect_err("too far");
            reread_partitions(other).expect_err("no disk");
            resize_ext4(other, 1).expect_err("no ext4");
        }
    }
}
