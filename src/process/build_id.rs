//! The build id: a note that the linker wrote into the program, a hash of its whole content. It is
//! read from the program's file through `/proc/self/exe`, which is the running program even when an
//! update has replaced it. At most [`NOTES_BYTES_MAX`] of it are read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::LazyLock;

use crate::hex;

/// Bytes of program headers that are read: 56 for each; a program has a dozen.
const HEADERS_BYTES_MAX: usize = 64 * 56;
/// Bytes of notes that are read: a program's ABI and build id take some 100.
const NOTES_BYTES_MAX: usize = 4096;
const PT_NOTE: u64 = 4;
const NT_GNU_BUILD_ID: u64 = 3;

/// The running program's build id in hexadecimal; `none` if it has none.
pub fn of_this_program() -> &'static str {
    static ID: LazyLock<String> = LazyLock::new(|| {
        let id = File::open("/proc/self/exe").and_then(|file| of_file(&file));
        let id = id.ok().flatten().filter(|id| !id.is_empty());
        id.map_or_else(|| "none".to_owned(), |id| hex::text(&id))
    });
    &ID
}

fn of_file(file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0)?;
    let Some(layout) = Layout::of(&head) else { return Ok(None) };
    let (offset, bytes) = layout.headers(&head);
    let mut headers = vec![0; bytes.min(HEADERS_BYTES_MAX)];
    file.read_exact_at(&mut headers, offset)?;
    for header in headers.chunks_exact(layout.header_bytes) {
        let Some((offset, bytes)) = layout.note(header) else { continue };
        let mut notes = vec![0; bytes.min(NOTES_BYTES_MAX)];
        file.read_exact_at(&mut notes, offset)?;
        if let Some(id) = build_id(&notes) {
            return Ok(Some(id.to_vec()));
        }
    }
    Ok(None)
}

/// The positions of an ELF file's fields, for 64 or 32 bits.
struct Layout {
    is_64: bool,
    header_bytes: usize,
}

impl Layout {
    /// The layout of a little-endian ELF file; weir is built for no other.
    fn of(head: &[u8; 64]) -> Option<Self> {
        match head {
            [0x7f, b'E', b'L', b'F', 2, 1, ..] => Some(Self { is_64: true, header_bytes: 56 }),
            [0x7f, b'E', b'L', b'F', 1, 1, ..] => Some(Self { is_64: false, header_bytes: 32 }),
            _ => None,
        }
    }

    /// Offset and length of the program headers.
    fn headers(&self, head: &[u8; 64]) -> (u64, usize) {
        let (offset, count) = if self.is_64 { (32..40, 56..58) } else { (28..32, 44..46) };
        (number(&head[offset]), usize_of(number(&head[count])).saturating_mul(self.header_bytes))
    }

    /// Offset and length of the notes of a program header, if it is for notes.
    fn note(&self, header: &[u8]) -> Option<(u64, usize)> {
        let (offset, bytes) = if self.is_64 { (8..16, 32..40) } else { (4..8, 16..20) };
        let is_note = number(&header[..4]) == PT_NOTE;
        is_note.then(|| (number(&header[offset]), usize_of(number(&header[bytes]))))
    }
}

/// Finds the build id among notes. Each note has the lengths of its name and its content, a type,
/// the name and the content, both padded to four bytes.
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let (name_bytes, bytes) = (usize_of(number(&head[..4])), usize_of(number(&head[4..8])));
        let (name, rest) = rest.split_at_checked(name_bytes.checked_next_multiple_of(4)?)?;
        let content = rest.get(..bytes)?;
        if number(&head[8..]) == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(content);
        }
        notes = rest.get(bytes.checked_next_multiple_of(4)?..)?;
    }
}

pub(super) fn number(little_endian: &[u8]) -> u64 {
    little_endian.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub(super) fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for word in [name.len(), content.len(), kind.into()] {
            note.extend_from_slice(&u32::try_from(word).expect("a short note").to_ne_bytes());
        }
        for part in [name, content] {
            note.extend_from_slice(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn the_id_is_found_behind_other_notes_and_not_made_up() {
        let other = note(b"GNU\0", 1, &[9; 16]);
        let id = note(b"GNU\0", 3, &[1, 2, 3, 4, 5]);
        let foreign = note(b"Go\0", 3, &[7; 4]);
        assert_eq!(build_id(&[&other[..], &foreign, &id].concat()), Some(&[1, 2, 3, 4, 5][..]));
        assert_eq!(build_id(&[other, foreign].concat()), None);
        for end in 0..id.len() - 3 {
            assert_eq!(build_id(&id[..end]), None, "cut at {end}");
        }
        assert_eq!(build_id(&[0xff; 64]), None);
    }

    #[test]
    fn this_test_program_has_one() {
        let id = of_this_program();
        assert_eq!(id.len(), 40, "{id}: the linker is asked for sha1");
    }
}
