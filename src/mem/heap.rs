//! The library heap: a global allocator over one fixed region, for what our libraries allocate
//! (handshakes, HTTP, configuration). TLSF: constant time, no fragmentation creep.
//!
//! The region's size comes from the profile. It is counted by its high-water mark, and the
//! allocations of the media thread are counted apart, because after start there should be none.
//! It is not touched at start: what nobody used is not resident.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use rlsf::Tlsf;

use crate::limits::PROFILE;

/// What all of it can hold at once, headers included.
pub const REGION_BYTES: usize = PROFILE.library_heap_bytes;
/// First-level classes: blocks up to 32 << 20 bytes, which is above any region.
const FIRST_LEVELS: usize = 20;
const SECOND_LEVELS: usize = 16;

type Blocks = Tlsf<'static, u32, u16, FIRST_LEVELS, SECOND_LEVELS>;

#[repr(align(64))]
struct Region(UnsafeCell<[MaybeUninit<u8>; REGION_BYTES]>);

// SAFETY: the region is only reached through the allocator, which the mutex guards.
unsafe impl Sync for Region {}

static REGION: Region = Region(UnsafeCell::new([MaybeUninit::uninit(); REGION_BYTES]));
static USED_BYTES: AtomicUsize = AtomicUsize::new(0);
static HIGH_WATER_BYTES: AtomicUsize = AtomicUsize::new(0);
static COUNTED_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static WHEN_EXHAUSTED: OnceLock<fn(usize)> = OnceLock::new();

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Counts the calling thread's allocations from now on: see [`counted_allocations`].
pub fn count_this_thread() {
    IS_COUNTED.set(true);
}

/// Allocations (and growing reallocations) of the threads that are counted.
pub fn counted_allocations() -> u64 {
    COUNTED_ALLOCATIONS.load(Ordering::Relaxed)
}

/// Has `end`, which ends the process, called with the bytes that the region has no room for. Until
/// then, and where it returns, the allocator says null, as Rust has it.
pub fn when_exhausted(end: fn(usize)) {
    let _ = WHEN_EXHAUSTED.set(end);
}

/// Bytes of the region in use now, blocks' headers and rounding included.
pub fn used_bytes() -> usize {
    USED_BYTES.load(Ordering::Relaxed)
}

/// Bytes of the region that are not in use.
pub fn room_bytes() -> usize {
    REGION_BYTES.saturating_sub(used_bytes())
}

/// The most bytes that were ever in use at once.
pub fn high_water_bytes() -> usize {
    HIGH_WATER_BYTES.load(Ordering::Relaxed)
}

/// The allocator; the program declares one as `#[global_allocator]`.
pub struct LibraryHeap {
    blocks: Mutex<State>,
}

struct State {
    blocks: Blocks,
    has_region: bool,
}

// SAFETY: the free lists hold pointers into the static region, which belongs to no thread.
unsafe impl Send for State {}

impl LibraryHeap {
    /// The heap before its first allocation.
    pub const fn new() -> Self {
        Self { blocks: Mutex::new(State { blocks: Blocks::new(), has_region: false }) }
    }

    fn with<R>(&self, act: impl FnOnce(&mut Blocks) -> R) -> R {
        // A panic while the lock is held ends the process: poisoning has nobody to tell.
        let mut state = match self.blocks.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        };
        if !state.has_region {
            state.has_region = true;
            let start = REGION.0.get().cast::<u8>();
            let region = ptr::slice_from_raw_parts_mut(start, REGION_BYTES);
            let region = NonNull::new(region).expect("a static has an address");
            // SAFETY: the region is static and given to one heap once: there is one global
            // allocator in a program, and the flag above guards the first use.
            unsafe { state.blocks.insert_free_block_ptr(region) };
        }
        act(&mut state.blocks)
    }
}

impl Default for LibraryHeap {
    fn default() -> Self {
        Self::new()
    }
}

/// What a block of `bytes` takes of the region: a header of half a granule, rounded up.
fn block_bytes(bytes: usize) -> usize {
    (bytes + rlsf::GRANULARITY / 2).next_multiple_of(rlsf::GRANULARITY)
}

fn count(bytes: usize) {
    let used = USED_BYTES.fetch_add(block_bytes(bytes), Ordering::Relaxed) + block_bytes(bytes);
    HIGH_WATER_BYTES.fetch_max(used, Ordering::Relaxed);
    if IS_COUNTED.try_with(Cell::get).unwrap_or(false) {
        COUNTED_ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

/// There is no block of so many bytes; the lock is not held.
fn exhausted(bytes: usize) -> *mut u8 {
    if let Some(end) = WHEN_EXHAUSTED.get() {
        end(bytes);
    }
    ptr::null_mut()
}

// SAFETY: TLSF gives out disjoint blocks of the static region with the layout asked for; null
// says that none fits. The counters do not touch the blocks.
unsafe impl GlobalAlloc for LibraryHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.with(|blocks| blocks.allocate(layout)) {
            Some(block) => {
                count(layout.size());
                block.as_ptr()
            }
            None => exhausted(layout.size()),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else {
            return;
        };
        // SAFETY: the caller gives back a block of this heap with the layout it was made by.
        self.with(|blocks| unsafe { blocks.deallocate(block, layout.align()) });
        USED_BYTES.fetch_sub(block_bytes(layout.size()), Ordering::Relaxed);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        let Some(block) = NonNull::new(block) else {
            return ptr::null_mut();
        };
        let Ok(new_layout) = Layout::from_size_align(new_bytes, layout.align()) else {
            return ptr::null_mut();
        };
        // SAFETY: the caller gives a block of this heap with the layout it was made by.
        match self.with(|blocks| unsafe { blocks.reallocate(block, new_layout) }) {
            Some(moved) => {
                USED_BYTES.fetch_sub(block_bytes(layout.size()), Ordering::Relaxed);
                count(new_bytes);
                moved.as_ptr()
            }
            None => exhausted(new_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_and_what_does_not_fit_is_null() {
        let heap = LibraryHeap::new();
        let layout = Layout::from_size_align(1000, 8).unwrap();
        // SAFETY: the layouts are valid and every block goes back with its own.
        unsafe {
            let first = heap.alloc(layout);
            assert_eq!(used_bytes(), block_bytes(1000));
            first.write_bytes(7, 1000);
            let second = heap.realloc(first, layout, 50_000);
            assert_eq!(second.add(999).read(), 7);
            assert_eq!(used_bytes(), block_bytes(50_000));
            let too_large = Layout::from_size_align(REGION_BYTES + 1, 8).unwrap();
            assert!(heap.alloc(too_large).is_null());
            heap.dealloc(second, Layout::from_size_align(50_000, 8).unwrap());
            assert_eq!(used_bytes(), 0);
            assert!(high_water_bytes() >= block_bytes(50_000));
            count_this_thread();
            let counted = heap.alloc(layout);
            assert_eq!(counted_allocations(), 1);
            heap.dealloc(counted, layout);
        }
        IS_COUNTED.set(false);
    }
}
