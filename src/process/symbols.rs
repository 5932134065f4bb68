//! The program's own symbol table, read from its file when a profile needs names.
//!
//! The file is `/proc/self/exe`, which is the running program even when an update has replaced it.
//! It is read in pieces: the whole table is many times larger than what a profile needs of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustc_demangle::demangle;

use super::build_id::{number, usize_of};
use super::call_tree::CallTree;
use crate::journal::Text;
use crate::limits::{FUNCTION_NAME_BYTES_MAX, SYMBOL_BYTES_MAX};

/// Bytes of one section's header, of one segment's, and of one symbol.
const SECTION_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
const SYMBOL_ENTRY_BYTES: usize = 24;
/// Sections and segments that are looked at; a program has some 40 and a dozen.
const HEADERS_MAX: usize = 128;
/// Symbols that are read at once: 4 KiB.
const SYMBOLS_AT_ONCE: usize = 170;
/// Symbols that are read at most; weir has some 10 thousand.
const SYMBOLS_MAX: usize = 1 << 20;
const PT_LOAD: u64 = 1;
const SHT_SYMTAB: u64 = 2;
const STT_FUNC: u8 = 2;

/// A function's readable name.
pub type FunctionName = Text<FUNCTION_NAME_BYTES_MAX>;

/// The symbol table of an ELF file for 64 bits.
#[derive(Debug)]
pub struct Symbols<F = File> {
    file: F,
    table: Section,
    names: Section,
    /// The address that the program's first byte is linked to.
    base: u64,
}

#[derive(Debug, Clone, Copy)]
struct Section {
    offset: u64,
    bytes: usize,
}

/// What is read from anywhere, in pieces.
pub trait ReadAt {
    /// Fills `bytes` with what lies at `offset`.
    ///
    /// # Errors
    /// There is not as much, or it cannot be read.
    fn fill(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn fill(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }
}

impl Symbols {
    /// Opens the symbol table of the running program.
    ///
    /// # Errors
    /// It has none, as after `strip`, or cannot be read.
    pub fn of_this_program() -> io::Result<Self> {
        Self::of(File::open("/proc/self/exe")?)
    }
}

impl<F: ReadAt> Symbols<F> {
    /// Opens the symbol table of a file.
    ///
    /// # Errors
    /// It is no such file, or has no symbol table.
    pub fn of(file: F) -> io::Result<Self> {
        let mut head = [0; 64];
        file.fill(&mut head, 0)?;
        if !head.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) {
            return Err(io::Error::other("not an ELF file for 64 bits"));
        }
        let count = |at: usize| usize_of(number(&head[at..at + 2])).min(HEADERS_MAX);
        let segments = headers::<SEGMENT_BYTES, _>(&file, number(&head[32..40]), count(56));
        let loaded = segments.filter(|segment| number(&segment[..4]) == PT_LOAD);
        let base = loaded.map(|segment| number(&segment[16..24])).min().unwrap_or(0);
        let sections = number(&head[40..48]);
        let table = headers::<SECTION_BYTES, _>(&file, sections, count(60))
            .find(|section| number(&section[4..8]) == SHT_SYMTAB);
        let table = table.ok_or_else(|| io::Error::other("no symbol table"))?;
        let of_names = number(&table[40..44]);
        let offset = of_names.saturating_mul(SECTION_BYTES as u64).saturating_add(sections);
        let mut names = [0; SECTION_BYTES];
        file.fill(&mut names, offset)?;
        let section = |header: &[u8]| Section {
            offset: number(&header[24..32]),
            bytes: usize_of(number(&header[32..40])),
        };
        let (table, names) = (section(&table), section(&names));
        Ok(Self { file, table, names, base })
    }

    /// The address that the program's first byte is linked to: 0 where it may be loaded anywhere.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Finds the symbol of each node of a tree, in one pass through the table.
    ///
    /// # Errors
    /// The file cannot be read. What was found by then is in the tree.
    pub fn resolve(&self, tree: &CallTree) -> io::Result<()> {
        let address = |at: &u16| tree.call(*at).map_or(0, |call| u64::from(call.address));
        let mut places: Vec<u16> = Vec::with_capacity(tree.places().count());
        places.extend(tree.places());
        places.sort_unstable_by_key(address);
        let mut bytes = [0; SYMBOLS_AT_ONCE * SYMBOL_ENTRY_BYTES];
        let mut left = (self.table.bytes / SYMBOL_ENTRY_BYTES).min(SYMBOLS_MAX);
        let mut offset = self.table.offset;
        while left > 0 {
            let some = &mut bytes[..left.min(SYMBOLS_AT_ONCE) * SYMBOL_ENTRY_BYTES];
            self.file.fill(some, offset)?;
            for entry in some.chunks_exact(SYMBOL_ENTRY_BYTES) {
                let (start, size) = (number(&entry[8..16]), number(&entry[16..24]));
                let start = start.wrapping_sub(self.base);
                let is_function = entry[4] & 15 == STT_FUNC && size > 0;
                let Ok(symbol) = u32::try_from(number(&entry[..4])) else { continue };
                if !is_function {
                    continue;
                }
                let first = places.partition_point(|at| address(at) < start);
                let inside = |at: &&u16| address(at) - start < size;
                places[first..]
                    .iter()
                    .take_while(inside)
                    .for_each(|at| tree.set_symbol(*at, symbol));
            }
            left -= some.len() / SYMBOL_ENTRY_BYTES;
            offset = offset.saturating_add(some.len() as u64);
        }
        Ok(())
    }

    /// The readable name of a symbol, cut off at [`FUNCTION_NAME_BYTES_MAX`]; `None` if it cannot
    /// be read.
    pub fn name(&self, symbol: u32) -> Option<FunctionName> {
        let at = usize_of(u64::from(symbol));
        let left = self.names.bytes.checked_sub(at)?.min(SYMBOL_BYTES_MAX);
        let mut bytes = [0; SYMBOL_BYTES_MAX];
        let bytes = &mut bytes[..left];
        self.file.fill(bytes, self.names.offset.checked_add(u64::from(symbol))?).ok()?;
        let name = bytes.split(|byte| *byte == 0).next()?;
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
        // Without the hash at its end.
        Some(FunctionName::of(format_args!("{:#}", demangle(name))))
    }
}

/// The headers of a table that can be read.
fn headers<const BYTES: usize, F: ReadAt>(
    file: &F,
    offset: u64,
    count: usize,
) -> impl Iterator<Item = [u8; BYTES]> + '_ {
    (0..count as u64).map_while(move |index| {
        let mut header = [0; BYTES];
        let at = offset.checked_add(index * BYTES as u64)?;
        file.fill(&mut header, at).ok().map(|()| header)
    })
}

#[cfg(test)]
mod tests;
