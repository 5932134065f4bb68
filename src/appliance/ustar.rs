//! Entries of a ustar file (POSIX.1-1988), as far as a bundle has them: plain files with short
//! names, whose names and order are agreed on.
//!
//! Five fields of a header are read, so this is shorter than what a crate for all of tar would need
//! to be told not to do: names and attributes of any length, sparse files, links.

use std::fmt;
use std::io::{self, Read};

const BLOCK: usize = 512;
/// Unit of a ustar file.
pub(super) const BLOCK_BYTES: u64 = BLOCK as u64;
/// The two empty blocks behind the last entry.
pub(super) const END_BYTES: u64 = 2 * BLOCK_BYTES;

type Header = [u8; BLOCK];

/// Why a file is not the ustar file that was agreed on.
#[derive(Debug)]
pub enum UstarError {
    /// It cannot be read, or it ends before its end.
    Source(io::Error),
    /// The entry of this name is not the next one: what is in its place is no ustar header, is
    /// damaged, or is an entry of the other name.
    Entry(&'static str, Option<String>),
    /// The entry of this name is too long.
    TooLong {
        /// Name of the entry.
        name: &'static str,
        /// Its length.
        bytes: u64,
        /// The longest that is read.
        max: u64,
    },
    /// What fills up the last block of an entry is not empty.
    Padding,
}

/// Bytes of an entry with its header and its padding.
pub(super) fn entry_bytes(bytes: u64) -> u64 {
    BLOCK_BYTES + bytes.next_multiple_of(BLOCK_BYTES)
}

/// Reads the header of the entry `name`, which has to be next, and returns its length.
pub(super) fn header(
    source: &mut impl Read,
    name: &'static str,
    bytes_max: u64,
) -> Result<u64, UstarError> {
    let mut block: Header = [0; BLOCK];
    source.read_exact(&mut block).map_err(UstarError::Source)?;
    let (found, bytes) = plain_file(&block).ok_or(UstarError::Entry(name, None))?;
    if found != name {
        return Err(UstarError::Entry(name, Some(found)));
    }
    if bytes > bytes_max {
        return Err(UstarError::TooLong { name, bytes, max: bytes_max });
    }
    Ok(bytes)
}

/// Reads a whole entry of at most `bytes_max`.
pub(super) fn entry(
    source: &mut impl Read,
    name: &'static str,
    bytes_max: usize,
) -> Result<Vec<u8>, UstarError> {
    let bytes = header(source, name, bytes_max as u64)?;
    // At most `bytes_max`, which is a length already.
    let mut content = vec![0; usize::try_from(bytes).unwrap_or(bytes_max)];
    source.read_exact(&mut content).map_err(UstarError::Source)?;
    empty(source, bytes.next_multiple_of(BLOCK_BYTES) - bytes)?;
    Ok(content)
}

/// Reads what has to be zeros.
pub(super) fn empty(source: &mut impl Read, bytes: u64) -> Result<(), UstarError> {
    let mut read = [0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(read.len()).min(read.len());
        source.read_exact(&mut read[..count]).map_err(UstarError::Source)?;
        if read[..count].iter().any(|byte| *byte != 0) {
            return Err(UstarError::Padding);
        }
        left -= count as u64;
    }
    Ok(())
}

/// Name and length of a plain file; `None` for a header of anything else.
fn plain_file(header: &Header) -> Option<(String, u64)> {
    let is_ustar = header[257..263] == *b"ustar\0" && header[263..265] == *b"00";
    let is_file = header[156] == b'0';
    let has_no_prefix = header[345] == 0;
    if !(is_ustar && is_file && has_no_prefix) {
        return None;
    }
    // The sum of all bytes, those of the checksum itself counted as spaces.
    let sum = |sum: u64, byte: &u8| sum + u64::from(*byte);
    let sum = header[..148].iter().chain(&header[156..]).fold(8 * u64::from(b' '), sum);
    if octal(&header[148..156])? != sum {
        return None;
    }
    let name = header[..100].split(|byte| *byte == 0).next()?;
    let name = std::str::from_utf8(name).ok()?.escape_default().to_string();
    Some((name, octal(&header[124..136])?))
}

/// Octal digits, and then nothing but spaces and zero bytes.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_end_matches(['\0', ' ']);
    let is_number = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    if is_number { u64::from_str_radix(text, 8).ok() } else { None }
}

impl fmt::Display for UstarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("it ends early")
            }
            Self::Source(error) => write!(f, "it cannot be read: {error}"),
            Self::Entry(name, None) => write!(f, "{name} is not at its place in it"),
            Self::Entry(name, Some(found)) => write!(f, "{found} is in the place of {name}"),
            Self::TooLong { name, bytes, max } => write!(f, "{name} has {bytes} bytes, max {max}"),
            Self::Padding => f.write_str("there is something between its entries"),
        }
    }
}

impl std::error::Error for UstarError {}

/// The header of a plain file of this name and length, as Debian's tar writes it.
#[cfg(any(test, fuzzing))]
pub(crate) fn written(name: &str, bytes: usize) -> Header {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, name);
    put(100, "0000644\x000000000\x000000000\0");
    put(124, &format!("{bytes:011o}"));
    put(136, "00000000000");
    put(148, "        0");
    put(257, "ustar\x0000");
    put(329, "0000000\x000000000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Result<Vec<u8>, String> {
        entry(&mut bytes, "manifest.toml", 600).map_err(|error| error.to_string())
    }

    /// A file with one entry, and what follows it.
    fn file(content: &[u8]) -> Vec<u8> {
        let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
        [&written("manifest.toml", content.len()), content, &padding].concat()
    }

    #[test]
    fn an_entry_is_read_up_to_its_bound() {
        for length in [0, 1, 511, 512, 513, 600] {
            let content = vec![7; length];
            let file = file(&content);
            assert_eq!(file.len() as u64, entry_bytes(length as u64));
            assert_eq!(read(&file), Ok(content));
        }
        let longer = read(&file(&[7; 601]));
        assert_eq!(longer, Err("manifest.toml has 601 bytes, max 600".to_owned()));
    }

    /// But for the sign behind the checksum, a zero byte or a space as one likes.
    #[test]
    fn every_flipped_bit_of_header_and_padding_is_found() {
        let good = file(b"content");
        let is_free = |bit: &usize| {
            (512..519).contains(&(bit / 8)) || [8 * 154 + 5, 8 * 155 + 5].contains(bit)
        };
        for bit in (0..8 * good.len()).filter(|bit| !is_free(bit)) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            read(&bad).expect_err("damaged");
        }
    }

    #[test]
    fn what_ends_early_does_not_pass() {
        let good = file(b"content");
        for length in 0..good.len() {
            assert_eq!(read(&good[..length]), Err("it ends early".to_owned()), "{length}");
        }
    }

    #[test]
    fn other_entries_are_named_and_other_formats_are_not_read() {
        let other = [&written("slot.img", 0)[..], &[0; 512]].concat();
        assert_eq!(read(&other), Err("slot.img is in the place of manifest.toml".to_owned()));
        let not_there = Err("manifest.toml is not at its place in it".to_owned());
        assert_eq!(read(&[0; 1024]), not_there);
        assert_eq!(read(&[b'0'; 1024]), not_there);
        let mut old = written("manifest.toml", 0);
        old[257..265].copy_from_slice(b"ustar  \0");
        assert_eq!(read(&old), not_there, "GNU's own format");
    }

    #[test]
    fn numbers_are_octal_digits() {
        assert_eq!(octal(b"00000000017\0"), Some(15));
        assert_eq!(octal(b"000017\0 "), Some(15));
        assert_eq!(octal(b"777777777777"), Some((1 << 36) - 1));
        for wrong in [&b"\0\0"[..], b"8\0", b"1 2\0", b"+1\0", b"-1\0", b"\x80\0\x01", b""] {
            assert_eq!(octal(wrong), None, "{wrong:?}");
        }
    }
}
