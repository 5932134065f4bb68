//! Partition tables on their disks: read, written in the order that a power cut leaves whole, and
//! repaired.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use weir::appliance::partition_table::{self, SECTOR_BYTES};
use weir::process::devices;

/// Sectors of a disk or partition; `None` if it is empty or has sectors of another size.
pub(crate) fn sectors(name: &str) -> Option<u64> {
    let read =
        |path: PathBuf| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let folder = Path::new("/sys/class/block").join(name);
    let sector_bytes = read(folder.join("queue/logical_block_size"));
    let is_usual = sector_bytes.is_none_or(|bytes| bytes == SECTOR_BYTES);
    read(folder.join("size")).filter(|sectors| *sectors > 0 && is_usual)
}

/// A power cut while the partition table was written leaves its copy at the disk's end alone valid,
/// where the kernel does not look by itself.
pub(crate) fn repair() {
    let disks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    for name in disks.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        if ["ram", "loop", "zram", "mtd", "nbd"].iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        match repair_table(&name) {
            Ok(true) => log::error!("{name}: its partition table was damaged, and is repaired"),
            Ok(false) => {}
            Err(error) => log::warn!("{name}: {error}"),
        }
    }
}

fn repair_table(name: &str) -> io::Result<bool> {
    let Some(sectors) = sectors(name) else { return Ok(false) };
    let mut disk = OpenOptions::new().read(true).write(true).open(Path::new("/dev").join(name))?;
    // Without a partition `data` it is none of ours.
    let Ok(Some(plan)) = partition_table::plan(&mut disk, sectors, "data") else {
        return Ok(false);
    };
    write(&disk, &plan)?;
    devices::reread_partitions(&disk)?;
    Ok(true)
}

/// Writes a plan, each part of it to the disk before the next.
pub(crate) fn write(disk: &File, plan: &partition_table::TablePlan) -> io::Result<()> {
    for (sector, bytes) in &plan.writes {
        disk.write_all_at(bytes, sector * SECTOR_BYTES)?;
        disk.sync_all()?;
    }
    Ok(())
}
