//! The data partition takes what is free behind it, at the first start from a disk that is larger
//! than the image: first the partition table, then the kernel's view of it, then the file system,
//! which is in use meanwhile. On a thread of its own, as a slow card takes seconds. A power cut
//! anywhere leaves a box that starts, and the next start goes on.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;

use weir::appliance::partition_table::{self, GrownPartition, SECTOR_BYTES};
use weir::limits::INIT_STACK_BYTES;
use weir::process::devices;

use super::disk::SlotDisk;
use super::tables::{sectors, write};

const NAME: &str = "data";

/// Looks whether there is anything to grow, and does it.
pub(crate) fn start(disk: &SlotDisk, place: &'static str) {
    let (name, partition) = match disk.disk.partition(NAME) {
        Ok(partition) => (disk.disk.disk.clone(), partition.name.clone()),
        Err(_) => return,
    };
    let grow = move || match grow(&name, &partition, place) {
        Ok(Some(mib)) => log::info!("the data partition has {mib} MiB now"),
        Ok(None) => {}
        Err(error) => log::error!("the data partition cannot grow: {error}"),
    };
    let thread = thread::Builder::new().name("growth".to_owned()).stack_size(INIT_STACK_BYTES);
    if let Err(error) = thread.spawn(grow) {
        log::warn!("the data partition does not grow: {error}");
    }
}

/// Returns the file system's length if it has grown.
fn grow(disk: &str, partition: &str, place: &str) -> io::Result<Option<u64>> {
    let all = sectors(disk).ok_or_else(|| io::Error::other("its sectors are not of 512 bytes"))?;
    let mut device =
        OpenOptions::new().read(true).write(true).open(Path::new("/dev").join(disk))?;
    let plan = partition_table::plan(&mut device, all, NAME).map_err(io::Error::other)?;
    if let Some(plan) = plan {
        write(&device, &plan)?;
        if let Some(GrownPartition { number, first, sectors }) = plan.grown {
            let (start, length) = (first * SECTOR_BYTES, sectors * SECTOR_BYTES);
            devices::resize_partition(&device, number, start, length)?;
        }
    }
    // Also after a power cut between the table and this.
    let Some(sectors) = sectors(partition) else { return Ok(None) };
    let (has_blocks, block_bytes) = ext4_extent(partition)?;
    let blocks = sectors * SECTOR_BYTES / block_bytes;
    // A last group of blocks that is too small for its own tables is left out.
    if blocks <= has_blocks + SPARE_BYTES / block_bytes {
        return Ok(None);
    }
    devices::resize_ext4(File::open(place)?, blocks)?;
    Ok(Some(blocks * block_bytes / MIB))
}

/// Blocks of the file system in a partition, and bytes of each, by its superblock.
fn ext4_extent(partition: &str) -> io::Result<(u64, u64)> {
    let mut block = [0; 1024];
    File::open(Path::new("/dev").join(partition))?.read_exact_at(&mut block, 1024)?;
    let word = |at: usize| {
        u64::from(u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]))
    };
    let block_bytes = 1024_u64.checked_shl(u32::try_from(word(24)).unwrap_or(u32::MAX));
    let is_ext4 = block[56..58] == [0x53, 0xef];
    match block_bytes.filter(|bytes| is_ext4 && *bytes <= 64 * 1024) {
        Some(block_bytes) => Ok((word(4) | word(336) << 32, block_bytes)),
        None => Err(io::Error::other("it holds no ext4")),
    }
}

const MIB: u64 = 1024 * 1024;
/// The tables of a group of blocks take half of this.
const SPARE_BYTES: u64 = 4 * MIB;
