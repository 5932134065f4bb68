//! The partitions of the box's disk, found by their names in its partition table, as the kernel
//! shows them: `PARTNAME` in `/sys/class/block/*/uevent`.
//!
//! A disk is the box's when it has all partitions of [`NEEDED`]. A box may have two such disks, a
//! card and the flash on its board: then the kernel's command line has to say which. Bounded by
//! [`PARTITIONS_MAX`] devices and [`UEVENT_BYTES_MAX`] of each. Nothing is opened before it is
//! asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::{PARTITIONS_MAX, SLOT_BLOCK_BYTES, UEVENT_BYTES_MAX};
use crate::storage::file_content;

use super::slot::SlotName;
use super::state_blocks::StateBlocks;
use super::state_format::StateFormat;

/// Names of the partitions without which a disk is not the box's.
pub const NEEDED: [&str; 4] = ["state0", "state1", "slotA", "slotB"];

/// The partitions of the disk that the box runs from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxDisk {
    /// Name of the disk's device, such as `mmcblk0`.
    pub disk: String,
    partitions: BTreeMap<String, BoxPartition>,
}

/// One partition of the box's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxPartition {
    /// Its device below `/dev`.
    pub device: PathBuf,
    /// Name of its device, such as `mmcblk0p3`.
    pub name: String,
    /// Its number in the partition table, from 1.
    pub number: u32,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Why the box's partitions are not found.
#[derive(Debug)]
pub enum PartitionError {
    /// `/sys/class/block` cannot be read.
    Devices(io::Error),
    /// No disk has all of [`NEEDED`]. It may not have appeared yet.
    NoDisk,
    /// Several disks have them, these.
    Ambiguous(Vec<String>),
    /// The disk has no partition of this name.
    Missing(String),
}

impl BoxDisk {
    /// Finds the box's disk. `sys` and `dev` are `/sys` and `/dev`; `disk` is the one that the
    /// kernel's command line names, if it does.
    ///
    /// # Errors
    /// No disk has the partitions that are needed, or several do.
    pub fn find(sys: &Path, dev: &Path, disk: Option<&str>) -> Result<Self, PartitionError> {
        let folder = sys.join("class/block");
        let entries = fs::read_dir(folder).map_err(PartitionError::Devices)?;
        let mut disks: BTreeMap<String, BTreeMap<String, BoxPartition>> = BTreeMap::new();
        for entry in entries.take(PARTITIONS_MAX) {
            let path = entry.map_err(PartitionError::Devices)?.path();
            // What is no partition, or goes away meanwhile.
            let Some(found) = read(&path, dev) else { continue };
            let partitions = disks.entry(found.disk).or_default();
            partitions.entry(found.label).or_insert(found.partition);
        }
        let is_ours = |name: &str, partitions: &BTreeMap<String, BoxPartition>| {
            disk.is_none_or(|wanted| wanted == name)
                && NEEDED.iter().all(|needed| partitions.contains_key(*needed))
        };
        disks.retain(|name, partitions| is_ours(name, partitions));
        if disks.len() > 1 {
            return Err(PartitionError::Ambiguous(disks.into_keys().collect()));
        }
        let (disk, partitions) = disks.pop_first().ok_or(PartitionError::NoDisk)?;
        Ok(Self { disk, partitions })
    }

    /// The partition of this name in the partition table, such as `data`.
    ///
    /// # Errors
    /// The disk has none of this name.
    pub fn partition(&self, name: &str) -> Result<&BoxPartition, PartitionError> {
        self.partitions.get(name).ok_or_else(|| PartitionError::Missing(name.to_owned()))
    }

    /// The partition of a slot.
    ///
    /// # Errors
    /// None: [`Self::find`] accepts no disk without both.
    pub fn slot(&self, slot: SlotName) -> Result<&BoxPartition, PartitionError> {
        self.partition(slot.partition())
    }

    /// Opens both state blocks, for reading and writing in the board's format.
    ///
    /// # Errors
    /// One of their devices cannot be opened.
    pub fn state_blocks(&self, format: StateFormat) -> io::Result<StateBlocks> {
        let open = |name| self.partition(name).map_err(io::Error::other)?.open_to_write();
        Ok(StateBlocks::new(format, [open("state0")?, open("state1")?]))
    }
}

impl BoxPartition {
    /// Opens its device for reading alone.
    ///
    /// # Errors
    /// There is no such device, or it cannot be opened.
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.device)
    }

    /// Opens its device for reading and writing. A file that stands for it is not created.
    ///
    /// # Errors
    /// There is no such device, or it cannot be opened.
    pub fn open_to_write(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.device)
    }
}

/// What one folder of `/sys/class/block` says.
struct FoundPartition {
    disk: String,
    label: String,
    partition: BoxPartition,
}

fn read(path: &Path, dev: &Path) -> Option<FoundPartition> {
    let text = attribute(&path.join("uevent"))?;
    let value = |key: &str| {
        let of_key = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
        text.lines().find_map(of_key)
    };
    let label = value("PARTNAME")?;
    let name = value("DEVNAME")?;
    if name.is_empty() || name.contains(['/', '.']) {
        return None;
    }
    let number = value("PARTN")?.parse().ok()?;
    let blocks: u64 = attribute(&path.join("size"))?.trim_end().parse().ok()?;
    // The folder is a link; a partition's own one lies in that of its disk.
    let folder = fs::canonicalize(path).ok()?;
    let disk = folder.parent()?.file_name()?.to_str()?.to_owned();
    let bytes = blocks.checked_mul(SLOT_BLOCK_BYTES)?;
    let partition = BoxPartition { device: dev.join(&name), name, number, bytes };
    Some(FoundPartition { disk, label, partition })
}

/// Text of a file of the kernel's, whose length is not the one that it shows.
fn attribute(path: &Path) -> Option<String> {
    let bytes = file_content(File::open(path).ok()?, UEVENT_BYTES_MAX).ok()?;
    String::from_utf8(bytes).ok()
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices(error) => write!(f, "the disks cannot be listed: {error}"),
            Self::NoDisk => {
                write!(f, "no disk has the partitions {}", NEEDED.join(", "))
            }
            Self::Ambiguous(disks) => write!(
                f,
                "{} disks have a box's partitions: {}; weir.disk=NAME on the kernel's command \
                 line says which",
                disks.len(),
                disks.join(", ")
            ),
            Self::Missing(name) => write!(f, "the disk has no partition {name}"),
        }
    }
}

impl std::error::Error for PartitionError {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A `/sys` of its own, gone with the value.
    struct Sys(PathBuf);

    impl Sys {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("weir-sys-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("class/block")).expect("a writable folder");
            Self(path)
        }

        fn device(&self, below: &str, name: &str, uevent: &str, size: &str) {
            let folder = self.0.join("devices/platform").join(below).join(name);
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("uevent"), uevent).expect("a file");
            fs::write(folder.join("size"), size).expect("a file");
            symlink(&folder, self.0.join("class/block").join(name)).expect("a link");
        }

        /// A disk with partitions of these names, each of one MiB.
        fn disk(&self, disk: &str, names: &[&str]) {
            let uevent = format!("MAJOR=254\nMINOR=0\nDEVNAME={disk}\nDEVTYPE=disk\n");
            self.device("", disk, &uevent, "262144\n");
            for (number, name) in (1..).zip(names) {
                let device = format!("{disk}p{number}");
                let uevent = format!(
                    "MAJOR=254\nMINOR={number}\nDEVNAME={device}\nDEVTYPE=partition\n\
                     DISKSEQ=9\nPARTN={number}\nPARTNAME={name}\n"
                );
                self.device(disk, &device, &uevent, "2048\n");
            }
        }

        fn find(&self, disk: Option<&str>) -> Result<BoxDisk, PartitionError> {
            BoxDisk::find(&self.0, &self.0, disk)
        }
    }

    impl Drop for Sys {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const NAMES: [&str; 7] = ["boot", "state0", "state1", "slotA", "slotB", "weir", "data"];

    #[test]
    fn partitions_are_found_by_their_names() {
        let sys = Sys::new("found");
        sys.disk("vda", &NAMES);
        sys.disk("vdb", &["boot", "data"]);
        sys.device("", "ram0", "DEVNAME=ram0\nDEVTYPE=disk\n", "8192\n");
        let disk = sys.find(None).expect("one disk");
        assert_eq!(disk.disk, "vda");
        let slot = disk.slot(SlotName::B).expect("there");
        let device = sys.0.join("vdap5");
        let expected = BoxPartition {
            device: device.clone(),
            name: "vdap5".into(),
            number: 5,
            bytes: 1 << 20,
        };
        assert_eq!(*slot, expected);
        let missing = disk.partition("swap").expect_err("none").to_string();
        assert_eq!(missing, "the disk has no partition swap");
        slot.open_to_write().expect_err("there is no device");
        assert!(!device.exists(), "and none is made");
    }

    #[test]
    fn without_a_disk_of_ours_there_is_none() {
        let sys = Sys::new("none");
        let none = |sys: &Sys| sys.find(None).expect_err("none").to_string();
        assert_eq!(none(&sys), "no disk has the partitions state0, state1, slotA, slotB");
        sys.disk("vda", &NAMES[..4]);
        assert_eq!(none(&sys), "no disk has the partitions state0, state1, slotA, slotB");
        let nowhere = BoxDisk::find(Path::new("/nonexistent"), Path::new("/dev"), None);
        assert!(matches!(nowhere, Err(PartitionError::Devices(_))));
    }

    #[test]
    fn of_two_disks_the_one_that_is_named_counts() {
        let sys = Sys::new("two");
        sys.disk("mmcblk0", &NAMES);
        sys.disk("mmcblk1", &NAMES);
        let said = sys.find(None).expect_err("which?").to_string();
        assert!(said.starts_with("2 disks have a box's partitions: mmcblk0, mmcblk1;"), "{said}");
        let disk = sys.find(Some("mmcblk1")).expect("named");
        assert_eq!(disk.partition("data").expect("there").name, "mmcblk1p7");
        assert!(matches!(sys.find(Some("sda")), Err(PartitionError::NoDisk)));
    }

    #[test]
    fn what_describes_no_partition_is_passed_over() {
        let sys = Sys::new("odd");
        sys.disk("vda", &NAMES);
        let long = format!("PARTNAME=slotA\n{}", "X=1\n".repeat(UEVENT_BYTES_MAX / 4));
        for (name, uevent, size) in [
            ("odd1", "PARTNAME=slotA\nDEVNAME=../x\nPARTN=1\n", "2048\n"),
            ("odd2", "PARTNAME=slotA\nDEVNAME=odd2\n", "2048\n"),
            ("odd3", "PARTNAME=slotA\nDEVNAME=odd3\nPARTN=x\n", "2048\n"),
            ("odd4", "PARTNAME=slotA\nDEVNAME=odd4\nPARTN=1\n", ""),
            ("odd5", "PARTNAME=slotA\nDEVNAME=odd5\nPARTN=1\n", "18446744073709551615\n"),
            ("odd6", &long, "2048\n"),
        ] {
            sys.device("vda", name, uevent, size);
        }
        let disk = sys.find(None).expect("one disk");
        assert_eq!(disk.slot(SlotName::A).expect("there").name, "vdap4");
    }

    #[test]
    fn state_blocks_are_kept_in_their_partitions() {
        let sys = Sys::new("state");
        sys.disk("vda", &NAMES);
        let disk = sys.find(None).expect("one disk");
        disk.state_blocks(StateFormat::UBoot).expect_err("no device");
        for name in ["state0", "state1"] {
            let device = &disk.partition(name).expect("there").device;
            fs::write(device, vec![0; 1 << 20]).expect("a file");
        }
        let blocks = disk.state_blocks(StateFormat::UBoot).expect("both are there");
        let order = blocks.load().begin_update(SlotName::A);
        blocks.store(&order).expect("stored");
        assert_eq!(disk.state_blocks(StateFormat::UBoot).expect("again").load(), order);
    }
}
