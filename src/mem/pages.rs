//! Asks the kernel for pages of the right size, whatever its default is.
//!
//! The media arena gets huge pages. A frame passes many places of it that were last touched before
//! the frames of all other cameras; with pages of 4 KiB the CPU looks most of their addresses up in
//! the page tables first. The library heap gets small pages, because it is not used to its end.
//! With huge ones, Debian's default for every program, memory that nothing used would be resident.

use std::ptr::NonNull;

/// A multiple of every page size that Linux has on the CPUs weir runs on.
const PAGE_BYTES_MAX: usize = 64 * 1024;

/// Asks for huge pages where whole ones lie within a region that will be touched to its end, so
/// that they take no more memory. A kernel without huge pages refuses, and nothing changes.
pub(super) fn huge(region: NonNull<[u8]>) {
    advise(region, libc::MADV_HUGEPAGE);
}

/// Asks for small pages only. A kernel without huge pages refuses, and has no others.
pub(super) fn small(region: NonNull<[u8]>) {
    advise(region, libc::MADV_NOHUGEPAGE);
}

fn advise(region: NonNull<[u8]>, advice: libc::c_int) {
    let start = region.cast::<u8>().as_ptr();
    let before_bytes = start.align_offset(PAGE_BYTES_MAX);
    let bytes = region.len().saturating_sub(before_bytes) / PAGE_BYTES_MAX * PAGE_BYTES_MAX;
    if bytes == 0 || cfg!(miri) {
        return;
    }
    // SAFETY: the range lies within the region, and the two kinds of advice change neither the
    // contents of memory nor who may access it.
    unsafe { libc::madvise(start.wrapping_add(before_bytes).cast(), bytes, advice) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_changes_no_byte() {
        let mut bytes: Vec<u8> =
            (0..6_u32 << 20).map(|at| u8::try_from(at % 251).expect("small")).collect();
        for length in [0, 1, PAGE_BYTES_MAX, bytes.len()] {
            let region = NonNull::from(&mut bytes[..length]);
            huge(region);
            small(region);
        }
        assert!((0_u32..).zip(&bytes).all(|(at, byte)| u32::from(*byte) == at % 251));
    }
}
