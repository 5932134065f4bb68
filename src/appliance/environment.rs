//! U-Boot's environment block, not redundant: a CRC-32 (IEEE) in little endian of all that follows,
//! then `name=value` entries that each end in a zero byte, then an empty entry. A block's length is
//! agreed on elsewhere. U-Boot's `env import -c` and libubootenv read and write the same.
//!
//! Reading is bounded by the block's length and by
//! [`crate::limits::ENVIRONMENT_VARIABLES_MAX`]. Which names there are is not known here.

use std::fmt;

use crate::limits::ENVIRONMENT_VARIABLES_MAX;

/// Bytes of the checksum at the beginning.
const CRC_BYTES: usize = 4;

/// The variables of a block, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    variables: Vec<(String, String)>,
    /// Bytes from the block's beginning to behind the empty entry.
    bytes: usize,
}

/// Why a block cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentError {
    /// The checksum is another one than that of the content: garbage, or a write that was cut off.
    Checksum,
    /// There is no empty entry at the end.
    Endless,
    /// An entry is not text of the form `name=value`.
    Entry,
    /// A variable is there twice.
    Twice,
    /// More than [`ENVIRONMENT_VARIABLES_MAX`] variables.
    TooMany,
    /// The entries take more bytes than there are.
    TooLong {
        /// What the entries take, with the checksum.
        bytes: usize,
        /// Length of the block, or of its text.
        max: usize,
    },
}

impl Environment {
    /// The variables of `block`, all of whose bytes count for the checksum.
    pub(crate) fn read(block: &[u8]) -> Result<Self, EnvironmentError> {
        let (crc, content) = block.split_at_checked(CRC_BYTES).ok_or(EnvironmentError::Checksum)?;
        if crc32fast::hash(content).to_le_bytes() != crc {
            return Err(EnvironmentError::Checksum);
        }
        let mut found = Self::default();
        let mut rest = content;
        loop {
            let end = rest.iter().position(|byte| *byte == 0).ok_or(EnvironmentError::Endless)?;
            let (entry, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            if entry.is_empty() {
                break;
            }
            let text = std::str::from_utf8(entry).map_err(|_| EnvironmentError::Entry)?;
            let (name, value) = text.split_once('=').ok_or(EnvironmentError::Entry)?;
            if name.is_empty() {
                return Err(EnvironmentError::Entry);
            }
            if found.value(name).is_some() {
                return Err(EnvironmentError::Twice);
            }
            if found.variables.len() == ENVIRONMENT_VARIABLES_MAX {
                return Err(EnvironmentError::TooMany);
            }
            found.variables.push((name.to_owned(), value.to_owned()));
        }
        found.bytes = block.len() - rest.len();
        Ok(found)
    }

    /// Value of the variable `name`; `None` when there is none.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// Bytes of the block up to the end of the entries; 0 for one that was not read.
    pub(crate) fn text_bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a variable that is not there yet; neither may contain a zero byte, and the name no `=`.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Fills `block` with the variables, zeros and the checksum.
    pub(crate) fn write(&self, block: &mut [u8]) -> Result<(), EnvironmentError> {
        let entries: usize =
            self.variables.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        // An environment without variables ends in an empty entry as well.
        let bytes = CRC_BYTES + entries + 1;
        let max = block.len();
        let Some((crc, content)) = block.split_at_mut_checked(CRC_BYTES) else {
            return Err(EnvironmentError::TooLong { bytes, max });
        };
        if bytes > max {
            return Err(EnvironmentError::TooLong { bytes, max });
        }
        content.fill(0);
        let mut at = 0;
        for (name, value) in &self.variables {
            for part in [name.as_bytes(), b"=", value.as_bytes(), b"\0"] {
                content[at..at + part.len()].copy_from_slice(part);
                at += part.len();
            }
        }
        crc.copy_from_slice(&crc32fast::hash(content).to_le_bytes());
        Ok(())
    }
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("the checksum is not that of the content"),
            Self::Endless => f.write_str("the variables have no end"),
            Self::Entry => f.write_str("an entry is not name=value"),
            Self::Twice => f.write_str("a variable is there twice"),
            Self::TooMany => write!(f, "more than {ENVIRONMENT_VARIABLES_MAX} variables"),
            Self::TooLong { bytes, max } => write!(f, "{bytes} bytes of variables, max {max}"),
        }
    }
}

impl std::error::Error for EnvironmentError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of 64 bytes with this content and its checksum.
    fn block(content: &[u8]) -> [u8; 64] {
        let mut block = [0; 64];
        block[4..4 + content.len()].copy_from_slice(content);
        let crc = crc32fast::hash(&block[4..]);
        block[..4].copy_from_slice(&crc.to_le_bytes());
        block
    }

    #[test]
    fn what_is_written_is_read() {
        let mut environment = Environment::default();
        environment.add("BOOT_ORDER", "A B");
        environment.add("EMPTY", "");
        environment.add("SIGNS", "a=b=c");
        let mut written = [0xff; 64];
        environment.write(&mut written).expect("it fits");
        assert_eq!(written, block(b"BOOT_ORDER=A B\0EMPTY=\0SIGNS=a=b=c\0\0"));
        let read = Environment::read(&written).expect("ours");
        assert_eq!(read.value("BOOT_ORDER"), Some("A B"));
        assert_eq!(read.value("EMPTY"), Some(""));
        assert_eq!(read.value("SIGNS"), Some("a=b=c"));
        assert_eq!(read.value("BOOT"), None);
        assert_eq!(read.text_bytes(), 4 + 35);
    }

    /// What `printf 'BOOT_ORDER=A B\n' | mkenvimage -s 32 -p 0 -o - -` writes.
    #[test]
    fn the_checksum_is_that_of_u_boot() {
        let mut environment = Environment::default();
        environment.add("BOOT_ORDER", "A B");
        let mut written = [0; 32];
        environment.write(&mut written).expect("it fits");
        assert_eq!(written[..4], [0xd5, 0x06, 0xde, 0x74]);
        assert_eq!(written[4..], *b"BOOT_ORDER=A B\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let good = block(b"BOOT_ORDER=A B\0\0");
        for bit in 0..8 * good.len() {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Environment::read(&bad), Err(EnvironmentError::Checksum), "{bit}");
        }
    }

    #[test]
    fn what_is_no_environment_is_refused_in_words() {
        let refused = |content: &[u8]| Environment::read(&block(content)).expect_err("refused");
        assert_eq!(refused(&[b'a'; 60]), EnvironmentError::Endless);
        assert_eq!(refused(&[&[b'='; 59][..], b"\0"].concat()), EnvironmentError::Entry);
        assert_eq!(refused(b"name\0\0"), EnvironmentError::Entry);
        assert_eq!(refused(b"=value\0\0"), EnvironmentError::Entry);
        assert_eq!(refused(b"a=\xff\0\0"), EnvironmentError::Entry);
        assert_eq!(refused(b"a=1\0b=2\0a=3\0\0"), EnvironmentError::Twice);
        for short in [&[][..], &[0; 3], &[0; 4]] {
            Environment::read(short).expect_err("too short for anything");
        }
    }

    #[test]
    fn an_empty_one_is_an_empty_entry() {
        let mut written = [0xff; 5];
        Environment::default().write(&mut written).expect("it fits");
        assert_eq!(Environment::read(&written).map(|read| read.text_bytes()), Ok(5));
        let no_room = Environment::default().write(&mut [0; 4]);
        assert_eq!(no_room, Err(EnvironmentError::TooLong { bytes: 5, max: 4 }));
        let no_room = Environment::default().write(&mut [0; 3]);
        assert_eq!(no_room, Err(EnvironmentError::TooLong { bytes: 5, max: 3 }));
    }

    #[test]
    fn a_block_holds_what_fits_and_nothing_more() {
        let mut environment = Environment::default();
        environment.add("a", &"x".repeat(57));
        let mut written = [0; 64];
        let bytes = environment.write(&mut written).expect_err("one byte too long");
        assert_eq!(bytes, EnvironmentError::TooLong { bytes: 65, max: 64 });
        let mut environment = Environment::default();
        environment.add("a", &"x".repeat(56));
        environment.write(&mut written).expect("it fits");
        assert_eq!(Environment::read(&written).map(|read| read.text_bytes()), Ok(64));
    }

    #[test]
    fn variables_are_counted() {
        let filled = |count: usize| {
            let mut environment = Environment::default();
            (0..count).for_each(|number| environment.add(&format!("v{number}"), ""));
            let mut block = [0; 512];
            environment.write(&mut block).expect("it fits");
            Environment::read(&block).map(|read| read.variables.len())
        };
        assert_eq!(filled(ENVIRONMENT_VARIABLES_MAX), Ok(ENVIRONMENT_VARIABLES_MAX));
        assert_eq!(filled(ENVIRONMENT_VARIABLES_MAX + 1), Err(EnvironmentError::TooMany));
    }
}
