//! Which pages the kernel gives to weir's two large statics, whatever it is set to by default.
//!
//! The media arena gets huge pages. A frame passes some twenty places of it, none of which was
//! touched since the frames of 63 other cameras; with pages of 4 KiB the CPU has to look up the
//! address of most of them first. The library heap gets small pages, as it is not used to its end:
//! where the kernel gives huge ones to everybody (Debian does), 2 MiB would be resident for each
//! block at the beginning of them.

use std::ptr::NonNull;

/// A multiple of every page size that Linux has on the CPUs weir runs on.
const PAGE_BYTES_MAX: usize = 64 * 1024;

/// Asks for huge pages where whole ones lie within a region that will be touched to its end, so
/// that they take no more memory. A kernel without huge pages refuses, and nothing changes.
pub(super) fn large(region: NonNull<[u8]>) {
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
            large(region);
            small(region);
        }
        assert!((0_u32..).zip(&bytes).all(|(at, byte)| u32::from(*byte) == at % 251));
    }
}
