//! The allocator of fuzz targets and unit tests: the system's, which counts what the measuring
//! threads hold, in bytes as the library heap counts them. The program itself has [`super::heap`].
//!
//! A block is counted for the thread that allocated it, whichever thread frees it: the thread's
//! number is stored behind the block. So tests that run in parallel do not see each other's blocks,
//! and a block that was handed to another thread is counted until that thread frees it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

use super::heap::block_bytes;

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

/// Threads that may measure over time: the fuzzer's one, or those of some unit tests.
const THREADS_MAX: usize = 64;
const NUMBER_BYTES: usize = size_of::<usize>();

/// Bytes by thread number. Threads that do not measure have number 0 and are not counted.
static HELD: [AtomicIsize; THREADS_MAX] = [const { AtomicIsize::new(0) }; THREADS_MAX];
static PEAK: [AtomicIsize; THREADS_MAX] = [const { AtomicIsize::new(0) }; THREADS_MAX];
static NEXT: AtomicUsize = AtomicUsize::new(1);

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// Runs `act`. Returns the most bytes that this thread held at once meanwhile, beyond those before.
pub(crate) fn peak_of(act: impl FnOnce()) -> usize {
    let before = held_bytes();
    let peak = &PEAK[NUMBER.get()];
    let outer = peak.swap(before, Relaxed);
    act();
    // A measurement may be nested in another.
    (peak.fetch_max(outer, Relaxed) - before).unsigned_abs()
}

/// Bytes that this thread allocated and that are not freed, from its first call of this on.
pub(crate) fn held_bytes() -> isize {
    if NUMBER.get() == 0 {
        NUMBER.set(NEXT.fetch_add(1, Relaxed));
    }
    HELD[NUMBER.get()].load(Relaxed)
}

fn book(number: usize, layout: Layout) {
    if number > 0 {
        let bytes = block_bytes(layout).cast_signed();
        let held = HELD[number].fetch_add(bytes, Relaxed) + bytes;
        PEAK[number].fetch_max(held, Relaxed);
    }
}

fn unbook(number: usize, layout: Layout) {
    if number > 0 {
        HELD[number].fetch_sub(block_bytes(layout).cast_signed(), Relaxed);
    }
}

/// The layout with room for the thread's number behind it.
fn numbered(bytes: usize, layout: Layout) -> Option<Layout> {
    Layout::from_size_align(bytes.checked_add(NUMBER_BYTES)?, layout.align()).ok()
}

/// The position of a block's number.
///
/// # Safety
/// The block was allocated for these bytes and the number.
unsafe fn number_at(block: *mut u8, bytes: usize) -> *mut usize {
    // SAFETY: it lies behind the payload, within the block.
    unsafe { block.add(bytes).cast() }
}

impl Counting {
    /// Stores a new block's number, and counts the block.
    ///
    /// # Safety
    /// The block is null, or was allocated for the layout and the number.
    unsafe fn begin(block: *mut u8, number: usize, layout: Layout) -> *mut u8 {
        if !block.is_null() {
            // SAFETY: the caller promises it; `write_unaligned` needs no alignment.
            unsafe { number_at(block, layout.size()).write_unaligned(number) };
            book(number, layout);
        }
        block
    }
}

// SAFETY: each block comes from the system's allocator, and is longer than requested by the number,
// which nothing else writes to. Counting touches neither the payload nor the heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(longer) = numbered(layout.size(), layout) else { return std::ptr::null_mut() };
        let number = NUMBER.try_with(Cell::get).unwrap_or(0);
        // SAFETY: the layout is not of zero bytes, and the block is made for it and the number.
        unsafe { Self::begin(System.alloc(longer), number, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(longer) = numbered(layout.size(), layout) else { return std::ptr::null_mut() };
        let number = NUMBER.try_with(Cell::get).unwrap_or(0);
        // SAFETY: as above.
        unsafe { Self::begin(System.alloc_zeroed(longer), number, layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(longer) = numbered(layout.size(), layout) else { return };
        // SAFETY: the caller frees a block that this allocator made with the layout.
        unsafe {
            unbook(number_at(block, layout.size()).read_unaligned(), layout);
            System.dealloc(block, longer);
        }
    }

    // If the system moves a block, both blocks exist for a moment, and both are counted.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        let (Some(longer), Some(_), Ok(new)) = (
            numbered(layout.size(), layout),
            numbered(new_bytes, layout),
            Layout::from_size_align(new_bytes, layout.align()),
        ) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the caller passes a block that this allocator made with the layout. The block is
        // unchanged if the system has no longer one.
        unsafe {
            let number = number_at(block, layout.size()).read_unaligned();
            let moved = System.realloc(block, longer, new_bytes + NUMBER_BYTES);
            if moved.is_null() {
                return moved;
            }
            let moved = Self::begin(moved, number, new);
            unbook(number, layout);
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_and_what_was_there_at_once_is_counted() {
        let before = held_bytes();
        let mut stays = None;
        let peak = peak_of(|| {
            drop(std::hint::black_box(vec![0_u8; 10_000]));
            stays = Some(Box::new([0_u8; 1000]));
        });
        assert!((1000..1100).contains(&(held_bytes() - before)));
        assert!((10_000..10_700).contains(&peak), "{peak}");
        drop(stays);
        assert_eq!(held_bytes(), before);
    }

    #[test]
    fn a_block_that_grows_counts_once() {
        let before = held_bytes();
        let peak = peak_of(|| {
            let mut grows = vec![0_u8; 8];
            (0..10_000).for_each(|_| grows.push(1));
        });
        assert_eq!(held_bytes(), before);
        assert!((16_384..40_000).contains(&peak), "{peak}");
    }

    #[test]
    fn a_block_that_another_thread_gives_back_is_gone() {
        let before = held_bytes();
        let handed = vec![0_u8; 5000];
        assert!(held_bytes() - before >= 5000);
        std::thread::spawn(move || drop(handed)).join().expect("it does not panic");
        assert!(held_bytes() - before < 1000);
    }
}
