//! A slot: a raw partition with a header, a kernel, an initramfs and perhaps a device tree.
//!
//! The header is an environment block of [`SLOT_HEADER_BYTES`], which U-Boot reads with the means
//! that it has on every board. Numbers are lower-case hexadecimal without `0x`. Behind the text, at
//! [`SLOT_TEXT_BYTES_MAX`], each section's CRC-32 stands twice, big and little endian: U-Boot's
//! `crc32 addr len dest` writes the one on some boards and the other on others.
//!
//! For GRUB, which reads neither, the same places and checksums stand once more between the text
//! and those, in its own forms; nothing here reads them.
//!
//! `scripts/slot` writes slots. This reads headers; the boot loader compares the checksums of the
//! sections before each start, and [`super::bundle`] the hash of all bytes when it installs one.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{
    SLOT_BLOCK_BYTES, SLOT_BYTES_MAX, SLOT_HEADER_BYTES, SLOT_TEXT_BYTES_MAX, SLOT_WORD_BYTES_MAX,
};

use super::environment::{Environment, EnvironmentError};
use super::version::DottedVersion;

/// The format that this reads, as the header has it.
const FORMAT: &str = "1";

/// One of the two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotName {
    /// The slot in the partition `slotA`.
    A,
    /// The slot in the partition `slotB`.
    B,
}

/// A text that is neither `A` nor `B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSlotName;

/// What a slot says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotHeader {
    /// Name of the board that it is made for.
    pub board: String,
    /// Version of the weir in it.
    pub version: DottedVersion,
    /// Commit that it was built from, as far as that is known.
    pub build: String,
    /// The oldest version that may be installed over this one.
    pub oldest: DottedVersion,
    /// All bytes that count, header included: a multiple of 512.
    pub bytes: u64,
    /// The kernel, packed with gzip.
    pub kernel: SlotSection,
    /// The initramfs as the kernel takes it.
    pub initrd: SlotSection,
    /// The device tree, where the firmware brings none.
    pub dtb: Option<SlotSection>,
}

/// A part of a slot, padded with zeros to whole blocks of 512 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotSection {
    /// First block, from the beginning of the slot.
    pub block: u64,
    /// Whole blocks, padding included.
    pub blocks: u64,
    /// Bytes without the padding.
    pub bytes: u64,
    /// CRC-32 (IEEE) of those bytes.
    pub crc: u32,
}

/// Why a slot's header does not count.
#[derive(Debug)]
pub enum SlotError {
    /// The partition cannot be read.
    Device(io::Error),
    /// It is no environment block: nothing was ever installed there, or it is damaged.
    Block(EnvironmentError),
    /// The variable of this name is missing.
    Missing(&'static str),
    /// The variable of this name has a value that it cannot have.
    Value(&'static str),
    /// The variables reach into the checksums behind them.
    TextTooLong(usize),
    /// The checksum of this section is not what stands behind the text.
    Checksums(&'static str),
    /// The section of this name lies outside of the slot, or over the header or another section.
    Place(&'static str),
}

impl SlotName {
    /// Both slots, in the order of their names.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The slot that this one is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Name of its partition in the partition table.
    pub fn partition(self) -> &'static str {
        match self {
            Self::A => "slotA",
            Self::B => "slotB",
        }
    }
}

impl FromStr for SlotName {
    type Err = NoSlotName;

    fn from_str(text: &str) -> Result<Self, NoSlotName> {
        match text {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            _ => Err(NoSlotName),
        }
    }
}

impl SlotHeader {
    /// Reads a header from a slot's partition.
    ///
    /// # Errors
    /// The partition cannot be read, or holds no whole header.
    pub fn of(partition: &File) -> Result<Self, SlotError> {
        let mut block = [0; SLOT_HEADER_BYTES];
        partition.read_exact_at(&mut block, 0).map_err(SlotError::Device)?;
        Self::read(&block)
    }

    /// Reads a header from the first bytes of a slot.
    ///
    /// # Errors
    /// The checksum is wrong, or what it says cannot be.
    pub fn read(block: &[u8; SLOT_HEADER_BYTES]) -> Result<Self, SlotError> {
        let environment = Environment::read(block).map_err(SlotError::Block)?;
        let text_bytes = environment.text_bytes();
        if text_bytes > SLOT_TEXT_BYTES_MAX {
            return Err(SlotError::TextTooLong(text_bytes));
        }
        let fields = Fields { environment: &environment, checksums: &block[SLOT_TEXT_BYTES_MAX..] };
        if fields.value("format")? != FORMAT {
            return Err(SlotError::Value("format"));
        }
        let header = Self {
            board: fields.word("board")?,
            version: fields.version("version")?,
            build: fields.word("build")?,
            oldest: fields.version("oldest")?,
            bytes: fields.number("bytes")?,
            kernel: fields.section(&KERNEL)?.ok_or(SlotError::Missing("kernel_block"))?,
            initrd: fields.section(&INITRD)?.ok_or(SlotError::Missing("initrd_block"))?,
            dtb: fields.section(&DTB)?,
        };
        header.check_places()?;
        Ok(header)
    }

    /// The sections are within the slot, behind the header, and none lies over another.
    fn check_places(&self) -> Result<(), SlotError> {
        let is_whole = self.bytes.is_multiple_of(SLOT_BLOCK_BYTES);
        if !is_whole || self.bytes > SLOT_BYTES_MAX {
            return Err(SlotError::Value("bytes"));
        }
        let sections = [
            (KERNEL.name, Some(self.kernel)),
            (INITRD.name, Some(self.initrd)),
            (DTB.name, self.dtb),
        ];
        let mut places: Vec<(&str, SlotSection)> =
            sections.into_iter().filter_map(|(name, section)| Some((name, section?))).collect();
        places.sort_by_key(|(_, section)| section.block);
        let mut free = SLOT_HEADER_BYTES as u64 / SLOT_BLOCK_BYTES;
        for (name, section) in places {
            let is_filled = section.bytes.div_ceil(SLOT_BLOCK_BYTES) == section.blocks;
            let end = section.block.checked_add(section.blocks).ok_or(SlotError::Place(name))?;
            if section.block < free
                || section.bytes == 0
                || !is_filled
                || end > self.bytes / SLOT_BLOCK_BYTES
            {
                return Err(SlotError::Place(name));
            }
            free = end;
        }
        Ok(())
    }
}

/// Names of a section's variables, and where its checksums stand behind the text.
struct SectionNames {
    name: &'static str,
    block: &'static str,
    blocks: &'static str,
    bytes: &'static str,
    crc: &'static str,
    /// Place of the big-endian checksum from the end of the text; the little-endian one follows.
    at: usize,
}

const KERNEL: SectionNames = SectionNames {
    name: "kernel",
    block: "kernel_block",
    blocks: "kernel_blocks",
    bytes: "kernel_bytes",
    crc: "kernel_crc",
    at: 0,
};
const INITRD: SectionNames = SectionNames {
    name: "initrd",
    block: "initrd_block",
    blocks: "initrd_blocks",
    bytes: "initrd_bytes",
    crc: "initrd_crc",
    at: 8,
};
const DTB: SectionNames = SectionNames {
    name: "dtb",
    block: "dtb_block",
    blocks: "dtb_blocks",
    bytes: "dtb_bytes",
    crc: "dtb_crc",
    at: 16,
};

/// What is read of a header.
struct Fields<'h> {
    environment: &'h Environment,
    /// What follows the text.
    checksums: &'h [u8],
}

impl Fields<'_> {
    fn value(&self, name: &'static str) -> Result<&str, SlotError> {
        self.environment.value(name).ok_or(SlotError::Missing(name))
    }

    fn word(&self, name: &'static str) -> Result<String, SlotError> {
        let word = self.value(name)?;
        if is_word(word) { Ok(word.to_owned()) } else { Err(SlotError::Value(name)) }
    }

    fn version(&self, name: &'static str) -> Result<DottedVersion, SlotError> {
        self.value(name)?.parse().map_err(|_| SlotError::Value(name))
    }

    fn number(&self, name: &'static str) -> Result<u64, SlotError> {
        let text = self.value(name)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !text.bytes().all(is_digit) {
            return Err(SlotError::Value(name));
        }
        u64::from_str_radix(text, 16).map_err(|_| SlotError::Value(name))
    }

    /// A section; `None` when its first variable is missing.
    fn section(&self, names: &SectionNames) -> Result<Option<SlotSection>, SlotError> {
        if self.environment.value(names.block).is_none() {
            return Ok(None);
        }
        let crc = self.number(names.crc)?;
        let section = SlotSection {
            block: self.number(names.block)?,
            blocks: self.number(names.blocks)?,
            bytes: self.number(names.bytes)?,
            crc: u32::try_from(crc).map_err(|_| SlotError::Value(names.crc))?,
        };
        let both = [section.crc.to_be_bytes(), section.crc.to_le_bytes()].concat();
        if self.checksums.get(names.at..names.at + 8) != Some(&both[..]) {
            return Err(SlotError::Checksums(names.name));
        }
        Ok(Some(section))
    }
}

/// Whether a text can be the name of a board or build: it is shown to people and to U-Boot.
pub(super) fn is_word(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    (1..=SLOT_WORD_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_sign)
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

impl fmt::Display for NoSlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slot is A or B")
    }
}

impl std::error::Error for NoSlotName {}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "the slot cannot be read: {error}"),
            Self::Block(error) => write!(f, "the slot has no header: {error}"),
            Self::Missing(name) => write!(f, "the slot's header has no {name}"),
            Self::Value(name) => write!(f, "{name} of the slot's header cannot be what it says"),
            Self::TextTooLong(bytes) => {
                write!(f, "the slot's header has {bytes} bytes of text, max {SLOT_TEXT_BYTES_MAX}")
            }
            Self::Checksums(name) => {
                write!(f, "the slot's header has two checksums of its {name}")
            }
            Self::Place(name) => write!(f, "the {name} is not at a place within the slot"),
        }
    }
}

impl std::error::Error for SlotError {}

#[cfg(test)]
mod tests;
