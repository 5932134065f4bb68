//! The GUID partition table of the box's disk (UEFI 2.10, section 5.3), to let its last partition
//! grow to the disk's end, and to write a damaged copy again from the other one.
//!
//! Only the plan is made here: which bytes go where, in which order. The copy at the disk's new end
//! is written first, then the one at its beginning. A power cut within the second leaves it invalid
//! with a whole copy at the end, where firmware looks, the kernel with `gpt` on its command line,
//! and [`plan`]. Sectors of 512 bytes; the protective MBR is left as it is.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use crate::limits::{PARTITION_ENTRIES_MAX, PARTITION_ENTRY_BYTES_MAX, PARTITION_NAME_UNITS};

/// Bytes of a sector; disks with larger ones are left alone.
pub const SECTOR_BYTES: u64 = 512;

const SECTOR: usize = 512;
const SIGNATURE: &[u8; 8] = b"EFI PART";
const HEADER_BYTES_MIN: usize = 92;
const ENTRY_BYTES_MIN: usize = 128;
const PRIMARY: u64 = 1;

/// What has to be written to make the tables what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePlan {
    /// Bytes with the sector that they begin at. Each is to be on the disk before the next begins.
    pub writes: Vec<(u64, Vec<u8>)>,
    /// The partition that grows; `None` if only a copy was damaged.
    pub grown: Option<GrownPartition>,
}

/// The partition that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrownPartition {
    /// Its number in the table, from 1.
    pub number: u32,
    /// The sector where it begins.
    pub first: u64,
    /// Its length in sectors from now on.
    pub sectors: u64,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum TableError {
    /// The disk cannot be read.
    Disk(io::Error),
    /// Neither copy is valid.
    None,
    /// There is no partition of this name.
    Missing(String),
    /// The partition of this name is not the last one, so it cannot grow.
    NotLast(String),
    /// The disk has fewer sectors than the table uses.
    Small {
        /// Sectors of the disk.
        sectors: u64,
        /// Sectors that it would have to have.
        needed: u64,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(f, "the disk cannot be read: {error}"),
            Self::None => f.write_str("there is no valid partition table"),
            Self::Missing(name) => write!(f, "there is no partition {name}"),
            Self::NotLast(name) => write!(f, "partition {name} is not the last one"),
            Self::Small { sectors, needed } => {
                write!(f, "the disk has {sectors} sectors, its table needs {needed}")
            }
        }
    }
}

impl std::error::Error for TableError {}

/// One copy of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    /// The header as it was read: what is not known here stays.
    header: Vec<u8>,
    entries: Vec<u8>,
}

/// Plans how partition `name` takes all that is free behind it on a disk of `sectors`, and how a
/// damaged copy of the table becomes whole. `None` if everything is as it should be.
///
/// # Errors
/// [`TableError`]: why nothing can be done.
pub fn plan(
    disk: &mut (impl Read + Seek),
    sectors: u64,
    name: &str,
) -> Result<Option<TablePlan>, TableError> {
    let last = sectors.saturating_sub(1);
    let primary = Table::read(disk, PRIMARY, sectors).map_err(TableError::Disk)?;
    // The one that the primary names may lie where a smaller disk ended.
    let backup = Table::read(disk, last, sectors).map_err(TableError::Disk)?;
    let table = primary.clone().or_else(|| backup.clone()).ok_or(TableError::None)?;
    let mut entries = table.entries.clone();
    let last_usable = table.last_usable(sectors)?;
    let grown = table.grow(&mut entries, name, last_usable)?;
    let copy = |own: u64, other: u64, entries_at: u64| Table {
        header: table.header_of(own, other, entries_at, last_usable, &entries),
        entries: entries.clone(),
    };
    let new_backup = copy(last, PRIMARY, last_usable + 1);
    // One that was made from a backup has no place of its own for the entries yet.
    let primary_entries = primary.as_ref().map_or(PRIMARY + 1, |table| table.number(72));
    let new_primary = copy(PRIMARY, last, primary_entries);
    let mut writes = Vec::new();
    if backup.as_ref() != Some(&new_backup) {
        writes.push((last_usable + 1, new_backup.padded_entries()));
        writes.push((last, new_backup.header));
    }
    if primary.as_ref() != Some(&new_primary) {
        writes.push((primary_entries, new_primary.padded_entries()));
        writes.push((PRIMARY, new_primary.header));
    }
    Ok((!writes.is_empty()).then_some(TablePlan { writes, grown }))
}

impl Table {
    /// Reads the copy whose header is at sector `at`; `None` if it is not a valid one.
    fn read(disk: &mut (impl Read + Seek), at: u64, sectors: u64) -> io::Result<Option<Self>> {
        if at < PRIMARY || at >= sectors {
            return Ok(None);
        }
        let mut header = vec![0; SECTOR];
        read_at(disk, at, &mut header)?;
        let mut table = Self { header, entries: Vec::new() };
        let bytes = usize::try_from(table.word(12)).unwrap_or(usize::MAX);
        let is_header = table.header.starts_with(SIGNATURE)
            && (HEADER_BYTES_MIN..=SECTOR).contains(&bytes)
            && table.number(24) == at
            && table.word(16) == header_crc(&table.header, bytes);
        let (count, entry_bytes) = (table.word(80), table.word(84));
        let is_bounded = (1..=PARTITION_ENTRIES_MAX).contains(&count)
            && entry_bytes.is_power_of_two()
            && (ENTRY_BYTES_MIN..=PARTITION_ENTRY_BYTES_MAX)
                .contains(&usize::try_from(entry_bytes).unwrap_or(usize::MAX));
        if !is_header || !is_bounded {
            return Ok(None);
        }
        // Both are small, so the product is.
        table.entries = vec![0; usize::try_from(count * entry_bytes).unwrap_or(0)];
        let entries_at = table.number(72);
        if entries_at < 2 || entries_at.saturating_add(table.entry_sectors()) > sectors {
            return Ok(None);
        }
        read_at(disk, entries_at, &mut table.entries)?;
        let is_whole = table.word(88) == crc32fast::hash(&table.entries);
        Ok(is_whole.then_some(table))
    }

    fn word(&self, at: usize) -> u32 {
        let bytes = self.header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(bytes.unwrap_or_default())
    }

    fn number(&self, at: usize) -> u64 {
        number(&self.header, at)
    }

    fn entry_bytes(&self) -> usize {
        usize::try_from(self.word(84)).unwrap_or(ENTRY_BYTES_MIN).max(ENTRY_BYTES_MIN)
    }

    /// Sectors that the entries take.
    fn entry_sectors(&self) -> u64 {
        (self.entries.len() as u64).div_ceil(SECTOR_BYTES)
    }

    fn padded_entries(&self) -> Vec<u8> {
        let mut entries = self.entries.clone();
        entries.resize(entries.len().next_multiple_of(SECTOR), 0);
        entries
    }

    /// The last sector that a partition may use, with the entries and the header behind it.
    fn last_usable(&self, sectors: u64) -> Result<u64, TableError> {
        let behind = 1 + self.entry_sectors();
        let used = self.entries.chunks(self.entry_bytes()).filter(|entry| is_used(entry));
        let end = used.map(|entry| number(entry, 40)).max().unwrap_or(0);
        let end = end.max(self.number(40));
        let needed = end.saturating_add(1 + behind);
        if sectors < needed {
            return Err(TableError::Small { sectors, needed });
        }
        Ok(sectors - 1 - behind)
    }

    /// Lets partition `name` end at `last_usable`; `None` if it does already.
    fn grow(
        &self,
        entries: &mut [u8],
        name: &str,
        last_usable: u64,
    ) -> Result<Option<GrownPartition>, TableError> {
        let missing = || TableError::Missing(name.to_owned());
        let firsts = entries.chunks(self.entry_bytes()).filter(|entry| is_used(entry));
        let last_first = firsts.map(|entry| number(entry, 32)).max().ok_or_else(missing)?;
        let mut numbered = (1_u32..).zip(entries.chunks_mut(self.entry_bytes()));
        let found = numbered.find(|(_, entry)| is_used(entry) && is_named(entry, name));
        let (partition, entry) = found.ok_or_else(missing)?;
        let (first, end) = (number(entry, 32), number(entry, 40));
        if first != last_first {
            return Err(TableError::NotLast(name.to_owned()));
        }
        // Up to a whole MiB, as partitioning programs do; flash has erase blocks.
        let aligned = (last_usable + 1) / ALIGNED_SECTORS * ALIGNED_SECTORS;
        let wanted = aligned.saturating_sub(1);
        if wanted <= end {
            return Ok(None);
        }
        entry[40..48].copy_from_slice(&wanted.to_le_bytes());
        Ok(Some(GrownPartition { number: partition, first, sectors: wanted + 1 - first }))
    }

    /// The header for a copy at sector `own`, with both checksums.
    fn header_of(
        &self,
        own: u64,
        other: u64,
        entries_at: u64,
        last_usable: u64,
        entries: &[u8],
    ) -> Vec<u8> {
        let mut header = self.header.clone();
        let values = [(24, own), (32, other), (48, last_usable), (72, entries_at)];
        for (at, value) in values {
            header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        header[88..92].copy_from_slice(&crc32fast::hash(entries).to_le_bytes());
        let bytes = usize::try_from(self.word(12)).unwrap_or(HEADER_BYTES_MIN);
        let crc = header_crc(&header, bytes);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        header
    }
}

/// Sectors of a MiB.
const ALIGNED_SECTORS: u64 = 2048;

/// The checksum of a header, whose own field counts as zero.
fn header_crc(header: &[u8], bytes: usize) -> u32 {
    let mut header = header.get(..bytes).unwrap_or_default().to_vec();
    if let Some(own) = header.get_mut(16..20) {
        own.fill(0);
    }
    crc32fast::hash(&header)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    u64::from_le_bytes(bytes.unwrap_or_default())
}

fn is_used(entry: &[u8]) -> bool {
    entry.iter().take(16).any(|byte| *byte != 0)
}

fn is_named(entry: &[u8], name: &str) -> bool {
    let units = entry.get(56..56 + 2 * PARTITION_NAME_UNITS).unwrap_or_default();
    let (units, _) = units.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
    units.eq(name.encode_utf16())
}

fn read_at(disk: &mut (impl Read + Seek), sector: u64, bytes: &mut [u8]) -> io::Result<()> {
    disk.seek(SeekFrom::Start(sector * SECTOR_BYTES))?;
    disk.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const IMAGE_SECTORS: u64 = 8192;
    const DISK_SECTORS: u64 = 16_384;

    fn entry(name: &str, first: u64, last: u64) -> Vec<u8> {
        let mut entry = vec![0; 128];
        entry[..16].fill(0x0f);
        entry[16..32].fill(u8::try_from(first / 2048).expect("small"));
        entry[32..40].copy_from_slice(&first.to_le_bytes());
        entry[40..48].copy_from_slice(&last.to_le_bytes());
        for (unit, place) in name.encode_utf16().zip(entry[56..].chunks_mut(2)) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
        entry
    }

    /// A disk on whose beginning an image was written, with both copies of its table.
    fn disk(partitions: &[(&str, u64, u64)]) -> Vec<u8> {
        let mut entries = Vec::new();
        for (name, first, last) in partitions {
            entries.extend(entry(name, *first, *last));
        }
        entries.resize(128 * 128, 0);
        let mut header = vec![0; SECTOR];
        header[..8].copy_from_slice(SIGNATURE);
        header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
        header[40..48].copy_from_slice(&34_u64.to_le_bytes());
        header[56..72].fill(0xd1);
        header[80..88].copy_from_slice(&[128, 0, 0, 0, 128, 0, 0, 0]);
        let table = Table { header, entries };
        let last_usable = IMAGE_SECTORS - 34;
        let mut disk = vec![0; usize::try_from(DISK_SECTORS * SECTOR_BYTES).expect("small")];
        let ends = [(PRIMARY, IMAGE_SECTORS - 1, 2), (IMAGE_SECTORS - 1, PRIMARY, last_usable + 1)];
        for (own, other, entries_at) in ends {
            let header = table.header_of(own, other, entries_at, last_usable, &table.entries);
            write(&mut disk, own, &header);
            write(&mut disk, entries_at, &table.entries);
        }
        disk
    }

    fn write(disk: &mut [u8], sector: u64, bytes: &[u8]) {
        let at = usize::try_from(sector * SECTOR_BYTES).expect("small");
        disk[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn planned(disk: &[u8]) -> Result<Option<TablePlan>, TableError> {
        plan(&mut Cursor::new(disk), DISK_SECTORS, "data")
    }

    fn valid(disk: &[u8], at: u64) -> Option<Table> {
        Table::read(&mut Cursor::new(disk), at, DISK_SECTORS).expect("memory")
    }

    const USUAL: [(&str, u64, u64); 3] =
        [("state0", 2048, 2049), ("slotA", 2050, 4095), ("data", 4096, 6143)];

    #[test]
    fn the_last_partition_takes_what_is_free() {
        let mut disk = disk(&USUAL);
        let plan = planned(&disk).expect("good").expect("it grows");
        let sectors = DISK_SECTORS - 2048 - 4096;
        let grown = GrownPartition { number: 3, first: 4096, sectors };
        assert_eq!(plan.grown, Some(grown));
        for (sector, bytes) in &plan.writes {
            write(&mut disk, *sector, bytes);
        }
        let (primary, backup) =
            (valid(&disk, 1).expect("good"), valid(&disk, 16_383).expect("good"));
        assert_eq!(primary.entries, backup.entries);
        assert_eq!((primary.number(32), backup.number(32)), (16_383, 1));
        assert_eq!((primary.number(48), backup.number(48)), (16_350, 16_350));
        assert_eq!((primary.number(72), backup.number(72)), (2, 16_351));
        assert_eq!(primary.header[56..72], [0xd1; 16], "the disk's own number stays");
        assert_eq!(planned(&disk).expect("good"), None, "there is nothing left to do");
    }

    /// Cuts the power after each sector of the writes, with that sector garbled or not.
    #[test]
    fn a_power_cut_leaves_a_whole_table_and_the_next_start_goes_on() {
        let before = disk(&USUAL);
        let plan = planned(&before).expect("good").expect("it grows");
        let sectors: Vec<(u64, &[u8])> =
            plan.writes.iter().flat_map(|(at, bytes)| (*at..).zip(bytes.chunks(SECTOR))).collect();
        assert!(sectors.len() > 60);
        for cut in 0..=sectors.len() {
            for is_torn in [false, true] {
                let mut disk = before.clone();
                for (at, bytes) in &sectors[..cut] {
                    write(&mut disk, *at, bytes);
                }
                if let Some((at, _)) = sectors.get(cut).filter(|_| is_torn) {
                    write(&mut disk, *at, &[0xa5; SECTOR]);
                }
                let (primary, backup) = (valid(&disk, 1), valid(&disk, 16_383));
                assert!(primary.is_some() || backup.is_some(), "{cut} {is_torn}");
                for (sector, bytes) in
                    planned(&disk).expect("good").into_iter().flat_map(|plan| plan.writes)
                {
                    write(&mut disk, sector, &bytes);
                }
                let entries = valid(&disk, 1).expect("good").entries;
                assert_eq!(Some(entries), valid(&disk, 16_383).map(|table| table.entries));
                assert_eq!(planned(&disk).expect("good"), None, "{cut} {is_torn}");
            }
        }
    }

    #[test]
    fn what_cannot_grow_is_said() {
        let none = vec![0; usize::try_from(DISK_SECTORS * SECTOR_BYTES).expect("small")];
        assert!(matches!(planned(&none), Err(TableError::None)));
        let other = disk(&[("data2", 4096, 6143)]);
        assert!(matches!(planned(&other), Err(TableError::Missing(_))));
        let before = disk(&[("data", 2048, 4095), ("behind", 4096, 6143)]);
        assert!(matches!(planned(&before), Err(TableError::NotLast(_))));
        let small = plan(&mut Cursor::new(disk(&USUAL)), 6000, "data");
        let why = small.expect_err("smaller than the image").to_string();
        assert_eq!(why, "the disk has 6000 sectors, its table needs 6177");
    }

    #[test]
    fn a_flipped_bit_in_the_header_or_an_entry_makes_a_copy_invalid() {
        let mut disk = disk(&USUAL);
        for bit in (0..92 * 8).chain(512 * 8..(512 + 384) * 8) {
            disk[512 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(valid(&disk, 1), None, "{bit}");
            disk[512 + bit / 8] ^= 1 << (bit % 8);
        }
        assert!(valid(&disk, 1).is_some());
    }
}
