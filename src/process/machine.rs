//! The machine that weir runs on, as the kernel counts it: how much of its memory is left, and how
//! much its disks were written since it started. A box's flash wears by that alone, and the steady
//! state of weir writes nothing. Read from `/proc` and `/sys` when it is asked for.

use std::fs;
use std::path::Path;

use crate::limits::DISKS_MAX;

/// A folder for each block device.
const BLOCK_DEVICES: &str = "/sys/block";
/// The kernel counts sectors of this size, whatever those of the disk are.
const SECTOR_BYTES: u64 = 512;

/// The machine's memory, which all programs share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct MachineMemory {
    /// All that the kernel manages.
    pub total_bytes: u64,
    /// What programs could still be given without swapping.
    pub available_bytes: u64,
}

/// A disk, and what it was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Disk {
    /// The kernel's name, for example `mmcblk0`.
    pub name: String,
    /// Bytes written since the machine started.
    pub written_bytes: u64,
    /// How much of its life is used in percent, rounded up to a step of ten as an eMMC tells it;
    /// `None` for what does not tell.
    pub life_used_percent: Option<u8>,
}

/// The machine's memory; `None` without `/proc`.
pub fn memory() -> Option<MachineMemory> {
    parse_memory(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse_memory(text: &str) -> Option<MachineMemory> {
    let bytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        kib.checked_mul(1024)
    };
    Some(MachineMemory { total_bytes: bytes("MemTotal")?, available_bytes: bytes("MemAvailable")? })
}

/// The machine's disks by name, at most [`DISKS_MAX`]: those with a device behind them, so neither
/// loops nor RAM disks.
pub fn disks() -> Vec<Disk> {
    disks_of(Path::new(BLOCK_DEVICES))
}

/// The disk of this name; `None` if there is none.
pub fn disk(name: &str) -> Option<Disk> {
    disk_at(&Path::new(BLOCK_DEVICES).join(name))
}

fn disks_of(folder: &Path) -> Vec<Disk> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let disks = entries.filter_map(|entry| disk_at(&entry.ok()?.path()));
    let mut disks: Vec<Disk> = disks.take(DISKS_MAX).collect();
    disks.sort_by(|a, b| a.name.cmp(&b.name));
    disks
}

fn disk_at(path: &Path) -> Option<Disk> {
    let device = path.join("device");
    if !device.exists() {
        return None;
    }
    let stat = fs::read_to_string(path.join("stat")).ok()?;
    // The field of sectors written (Documentation/block/stat.rst).
    let sectors: u64 = stat.split_whitespace().nth(6)?.parse().ok()?;
    let life = fs::read_to_string(device.join("life_time")).ok();
    Some(Disk {
        name: path.file_name()?.to_str()?.to_owned(),
        written_bytes: sectors.saturating_mul(SECTOR_BYTES),
        life_used_percent: life.as_deref().and_then(life_used_percent),
    })
}

/// Reads an eMMC's `life_time`: two bytes, for its two kinds of memory, each 1 to 10 for so many
/// tenths of its life and 11 for more than all (JESD84-B51, `DEVICE_LIFE_TIME_EST_TYP`).
fn life_used_percent(text: &str) -> Option<u8> {
    let tenths = text.split_whitespace().map(|word| {
        let digits = word.strip_prefix("0x")?;
        u8::from_str_radix(digits, 16).ok().filter(|tenths| *tenths <= 11)
    });
    let worst = tenths.collect::<Option<Vec<u8>>>()?.into_iter().max()?;
    (worst > 0).then(|| worst * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_the_kernel_says() {
        let text = "MemTotal:         235012 kB\nMemFree: 9 kB\nMemAvailable:     180000 kB\n";
        let memory = parse_memory(text).expect("it is whole");
        assert_eq!(memory.total_bytes, 235_012 * 1024);
        assert_eq!(memory.available_bytes, 180_000 * 1024);
        assert_eq!(parse_memory("MemTotal: 5 kB\n"), None);
        assert_eq!(parse_memory("MemTotal: many kB\nMemAvailable: 1 kB\n"), None);
        let here = super::memory().expect("this machine has some");
        assert!(here.available_bytes < here.total_bytes);
    }

    #[test]
    fn disks_are_counted_and_loops_are_not() {
        let folder = std::env::temp_dir().join(format!("weir-disks-{}", std::process::id()));
        let file = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("below")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        file("mmcblk0/stat", "  10 0 80 5 3 1 48 9 0 7 14 0 0 0 0 0 0\n");
        file("mmcblk0/device/life_time", "0x01 0x03\n");
        file("vda/stat", "1 0 8 1 0 0 0 0 0 0 0\n");
        file("vda/device/vendor", "0x1af4\n");
        file("loop0/stat", "1 0 8 1 9 9 9 9 0 0 0\n");
        file("sdx/device/model", "broken\n");
        file("sdx/stat", "none\n");
        let found = disks_of(&folder);
        fs::remove_dir_all(&folder).expect("ours");
        let disk = |name: &str, written_bytes, life_used_percent| Disk {
            name: name.to_owned(),
            written_bytes,
            life_used_percent,
        };
        assert_eq!(found, [disk("mmcblk0", 48 * 512, Some(30)), disk("vda", 0, None)]);
        assert!(disks_of(&folder).is_empty());
    }

    #[test]
    fn a_life_that_is_not_told_is_not_made_up() {
        assert_eq!(life_used_percent("0x0b 0x01\n"), Some(110));
        for text in ["", "0x00 0x00\n", "0x0c 0x01", "0xff", "ten"] {
            assert_eq!(life_used_percent(text), None, "{text}");
        }
    }
}
