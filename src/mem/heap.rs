//! The library heap: a global allocator over one fixed region, for what the libraries allocate
//! (handshakes, HTTP, configuration). It is TLSF: constant time, and freed blocks are found again.
//!
//! Behind each block lie four bytes that name its account ([`super::accounts`]). The layout of a
//! block is known when it is freed, and so is its end.
//!
//! The profile sets the region's size. The high-water mark of its use is kept. Allocations of the
//! media thread are counted separately, because after start there should be none. The region is not
//! touched at start: pages that were never used are not resident.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::{self, NonNull};
#[cfg(not(test))]
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rlsf::Tlsf;

use super::books::{Books, Tag};
use super::current::current;
use super::pages;
use crate::limits::PROFILE;

/// Bytes of the region, blocks' headers included.
pub const REGION_BYTES: usize = PROFILE.library_heap_bytes;
/// First-level classes: blocks up to 32 << 20 bytes, which is above any region.
const FIRST_LEVELS: usize = 20;
/// Classes of sizes between two powers of two: a block is rounded up by a 32nd at most.
const SECOND_LEVELS: usize = 32;
const TAG_BYTES: usize = size_of::<Tag>();

type Blocks = Tlsf<'static, u32, u32, FIRST_LEVELS, SECOND_LEVELS>;

#[cfg(not(test))]
#[repr(align(64))]
struct Region(std::cell::UnsafeCell<[std::mem::MaybeUninit<u8>; REGION_BYTES]>);

// SAFETY: the region is only reached through the allocator, which the mutex guards.
#[cfg(not(test))]
unsafe impl Sync for Region {}

#[cfg(not(test))]
static REGION: Region =
    Region(std::cell::UnsafeCell::new([std::mem::MaybeUninit::uninit(); REGION_BYTES]));
#[cfg(not(test))]
static STATE: Mutex<State> = Mutex::new(State::new());
static USED_BYTES: AtomicUsize = AtomicUsize::new(0);
static HIGH_WATER_BYTES: AtomicUsize = AtomicUsize::new(0);
static COUNTED_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static WHEN_EXHAUSTED: OnceLock<fn(usize)> = OnceLock::new();

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Counts the calling thread's allocations from now on; see [`counted_allocations`].
pub fn count_this_thread() {
    IS_COUNTED.set(true);
}

/// The number of allocations and growing reallocations of the threads that are counted.
pub fn counted_allocations() -> u64 {
    COUNTED_ALLOCATIONS.load(Ordering::Relaxed)
}

/// Sets the function to call when the region has no room for an allocation. It gets the number of
/// bytes and is expected to end the process. Without it, or if it returns, the allocator returns
/// null, as Rust prescribes.
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

/// Whether a single block of `bytes` is free: the free bytes may be split into small blocks.
pub(super) fn has_block(bytes: usize) -> bool {
    let Ok(layout) = Layout::from_size_align(bytes, 1) else { return false };
    with(|state| {
        let found = state.blocks.allocate(layout);
        if let Some(block) = found {
            // SAFETY: it was allocated with this alignment just now, and is not used.
            unsafe { state.blocks.deallocate(block, layout.align()) };
        }
        found.is_some()
    })
}

/// Gives access to the accounts, under the heap's lock. `act` must not allocate.
pub(super) fn books<R>(act: impl FnOnce(&mut Books) -> R) -> R {
    with(|state| act(&mut state.books))
}

/// Bytes that are charged to no account.
pub fn shared_bytes() -> usize {
    books(|books| books.shared_bytes())
}

/// The same now and at most since the start.
pub fn shared() -> (usize, usize) {
    books(|books| (books.shared_bytes(), books.shared_most_bytes()))
}

/// The allocator; the program declares it as `#[global_allocator]`.
#[derive(Debug, Default)]
pub struct LibraryHeap;

struct State {
    blocks: Blocks,
    books: Books,
    has_region: bool,
}

// SAFETY: the free lists hold pointers into the static region, which belongs to no thread.
unsafe impl Send for State {}

impl State {
    const fn new() -> Self {
        Self { blocks: Blocks::new(), books: Books::new(), has_region: false }
    }

    fn ready(&mut self) -> &mut Self {
        if !self.has_region {
            self.has_region = true;
            let region = region();
            pages::small(region);
            // SAFETY: the region is static, and given to the only set of blocks once: the flag
            // above guards the first use.
            unsafe { self.blocks.insert_free_block_ptr(region) };
        }
        self
    }
}

#[cfg(not(test))]
fn with<R>(act: impl FnOnce(&mut State) -> R) -> R {
    // A panic while the lock is held ends the process, so a poisoned lock needs no care.
    let mut state = match STATE.lock() {
        Ok(state) => state,
        Err(poisoned) => poisoned.into_inner(),
    };
    act(state.ready())
}

#[cfg(not(test))]
fn region() -> NonNull<[u8]> {
    let start = REGION.0.get().cast::<u8>();
    let region = ptr::slice_from_raw_parts_mut(start, REGION_BYTES);
    NonNull::new(region).expect("a static has an address")
}

/// Unit tests have another allocator. Each test thread has a heap of its own here, so that one test
/// cannot cause refusals in another.
#[cfg(test)]
fn with<R>(act: impl FnOnce(&mut State) -> R) -> R {
    thread_local! {
        static STATE: std::cell::RefCell<State> = const { std::cell::RefCell::new(State::new()) };
    }
    STATE.with_borrow_mut(|state| act(state.ready()))
}

#[cfg(test)]
fn region() -> NonNull<[u8]> {
    let region = Box::leak(Box::<[u8]>::new_uninit_slice(REGION_BYTES));
    NonNull::new(ptr::slice_from_raw_parts_mut(region.as_mut_ptr().cast(), region.len()))
        .expect("it has an address")
}

/// The layout of a block with its tag, rounded up to its size class.
fn tagged(layout: Layout) -> Option<Layout> {
    // A size over the region's is refused first, so that the additions cannot overflow.
    let bytes = (layout.size() <= REGION_BYTES).then(|| block_bytes(layout))?;
    Layout::from_size_align(bytes - header_bytes(layout), layout.align()).ok()
}

/// Bytes in front of a block: a header of half a granule. With an alignment above a granule, up to
/// the alignment may be unused there.
fn header_bytes(layout: Layout) -> usize {
    if layout.align() < rlsf::GRANULARITY { rlsf::GRANULARITY / 2 } else { layout.align() }
}

/// Bytes that a block takes of the region with tag and header: those of its size class. TLSF looks
/// for a free block in the next class up, where every block is long enough. If blocks were shorter
/// than their class, a freed one would not be found for the next request of the same size.
pub(super) fn block_bytes(layout: Layout) -> usize {
    let bytes = layout.size() + TAG_BYTES + header_bytes(layout);
    let class_bytes = (1 << bytes.ilog2()) / SECOND_LEVELS;
    bytes.next_multiple_of(class_bytes.max(rlsf::GRANULARITY))
}

/// Writes a new block's tag, and charges it to the account.
///
/// # Safety
/// The block was allocated with the tagged layout, and is not used yet.
unsafe fn book(books: &mut Books, block: NonNull<u8>, layout: Layout, tag: Tag) {
    // SAFETY: the tag's bytes lie behind the payload, within the block; they need no alignment.
    unsafe { block.as_ptr().add(layout.size()).cast::<Tag>().write_unaligned(tag) };
    let bytes = block_bytes(layout);
    books.take(tag, bytes);
    let used = USED_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    HIGH_WATER_BYTES.fetch_max(used, Ordering::Relaxed);
}

/// Takes a block off its account. Returns the account.
///
/// # Safety
/// The block was passed to `book` with this layout.
unsafe fn unbook(books: &mut Books, block: NonNull<u8>, layout: Layout) -> Tag {
    // SAFETY: its tag was written there by `book`.
    let tag = unsafe { block.as_ptr().add(layout.size()).cast::<Tag>().read_unaligned() };
    books.give(tag, block_bytes(layout));
    USED_BYTES.fetch_sub(block_bytes(layout), Ordering::Relaxed);
    tag
}

fn count_call() {
    if IS_COUNTED.try_with(Cell::get).unwrap_or(false) {
        COUNTED_ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Called without the lock when no block of so many bytes is free.
fn exhausted(bytes: usize) -> *mut u8 {
    if let Some(end) = WHEN_EXHAUSTED.get() {
        end(bytes);
    }
    ptr::null_mut()
}

// SAFETY: TLSF returns disjoint blocks of the static region with the requested layout and a tag
// behind it, or null if none fits. The bookkeeping does not touch the payload.
unsafe impl GlobalAlloc for LibraryHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let tag = current();
        let block = with(|state| {
            let block = state.blocks.allocate(tagged(layout)?)?;
            // SAFETY: it is new, and has the tagged layout.
            unsafe { book(&mut state.books, block, layout, tag) };
            Some(block)
        });
        count_call();
        block.map_or_else(|| exhausted(layout.size()), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else {
            return;
        };
        with(|state| {
            // SAFETY: the caller frees a block of this heap with the layout it was allocated with.
            unsafe {
                unbook(&mut state.books, block, layout);
                state.blocks.deallocate(block, layout.align());
            }
        });
    }

    // A block stays on its account: a shared list that grows is not charged to the account that is
    // entered when it grows.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        let Some(block) = NonNull::new(block) else {
            return ptr::null_mut();
        };
        let Ok(new_layout) = Layout::from_size_align(new_bytes, layout.align()) else {
            return ptr::null_mut();
        };
        let moved = with(|state| {
            let new = tagged(new_layout)?;
            // SAFETY: the caller passes a block of this heap with the layout it was allocated with.
            // The block is unchanged if there is no room for a longer one, and else is new.
            unsafe {
                let tag = unbook(&mut state.books, block, layout);
                let moved = state.blocks.reallocate(block, new);
                match moved {
                    Some(moved) => book(&mut state.books, moved, new_layout, tag),
                    None => book(&mut state.books, block, layout, tag),
                }
                moved
            }
        });
        count_call();
        moved.map_or_else(|| exhausted(new_bytes), NonNull::as_ptr)
    }
}

#[cfg(test)]
mod tests;
