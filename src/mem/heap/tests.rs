//! Tests the bookkeeping against a model, the budgets, and the reserve.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::*;
use crate::mem::accounts::{AccountKind, HeapAccount, Refused, raise, shared};

/// Serialises the tests: each has a heap of its own, but all share the count of used bytes.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).expect("a layout")
}

/// A block of the heap, all filled with one byte value.
struct Block {
    start: *mut u8,
    layout: Layout,
    fill: u8,
}

impl Block {
    fn new(layout: Layout, fill: u8) -> Self {
        // SAFETY: the layout has a size.
        let start = unsafe { LibraryHeap.alloc(layout) };
        assert!(!start.is_null() && start.addr().is_multiple_of(layout.align()));
        // SAFETY: the block has so many bytes.
        unsafe { start.write_bytes(fill, layout.size()) };
        Self { start, layout, fill }
    }

    fn check(&self) {
        // SAFETY: the block has so many bytes, all written.
        let bytes = unsafe { std::slice::from_raw_parts(self.start, self.layout.size()) };
        assert!(bytes.iter().all(|byte| *byte == self.fill));
    }

    fn grow(&mut self, bytes: usize) {
        // SAFETY: it is a block of this heap with its layout.
        self.start = unsafe { LibraryHeap.realloc(self.start, self.layout, bytes) };
        assert!(!self.start.is_null());
        let kept = self.layout.size().min(bytes);
        // SAFETY: the block has so many bytes, of which those kept are written.
        let is_kept = unsafe { std::slice::from_raw_parts(self.start, kept) };
        assert!(is_kept.iter().all(|byte| *byte == self.fill));
        self.layout = Layout::from_size_align(bytes, self.layout.align()).expect("a layout");
        // SAFETY: the block has so many bytes.
        unsafe { self.start.write_bytes(self.fill, bytes) };
    }

    fn bytes(&self) -> usize {
        block_bytes(self.layout)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it is freed once, with its own layout.
        unsafe { LibraryHeap.dealloc(self.start, self.layout) };
    }
}

#[test]
fn blocks_are_counted_and_what_does_not_fit_is_null() {
    let _alone = alone();
    let mut block = Block::new(layout(1000), 7);
    assert_eq!(used_bytes(), block_bytes(layout(1000)));
    block.grow(50_000);
    assert_eq!(used_bytes(), block_bytes(layout(50_000)));
    for too_large in [layout(REGION_BYTES + 1), layout(isize::MAX as usize - 8)] {
        // SAFETY: the layout is not of zero bytes, and the result is not used.
        assert!(unsafe { LibraryHeap.alloc(too_large) }.is_null());
    }
    // SAFETY: it is a block of this heap with its layout, also if it cannot grow.
    let grown = unsafe { LibraryHeap.realloc(block.start, block.layout, REGION_BYTES + 1) };
    assert!(grown.is_null());
    block.check();
    assert_eq!((used_bytes(), shared_bytes()), (block.bytes(), block.bytes()));
    drop(block);
    assert_eq!((used_bytes(), shared_bytes()), (0, 0));
    assert!(high_water_bytes() >= block_bytes(layout(50_000)));
    count_this_thread();
    let counted = Block::new(layout(1), 1);
    assert_eq!(counted_allocations(), 1);
    drop(counted);
    IS_COUNTED.set(false);
}

#[test]
fn the_place_of_a_block_is_found_again_for_the_next_of_its_size() {
    let _alone = alone();
    for bytes in [100, 1_500, 8_192, 9_000, 16_384, 50_000] {
        // A block that stays behind each one keeps neighbouring free blocks from merging.
        let pair = |_| (Block::new(layout(bytes), 1), Block::new(layout(40), 2));
        let pairs: Vec<_> = (0..20).map(pair).collect();
        let places: Vec<_> = pairs.iter().map(|(block, _)| block.start.addr()).collect();
        let pins: Vec<_> = pairs.into_iter().map(|(_, pin)| pin).collect();
        let again: Vec<_> = (0..20).map(|_| Block::new(layout(bytes), 3)).collect();
        let found = again.iter().filter(|block| places.contains(&block.start.addr())).count();
        assert_eq!(found, 20, "{bytes} bytes");
        drop((again, pins));
    }
}

#[test]
fn an_account_is_over_its_budget_until_it_gives_back_or_is_closed() {
    let _alone = alone();
    let kind = AccountKind::Offer;
    let account = HeapAccount::open(kind).expect("room");
    let block = account.enter(|| Block::new(layout(kind.budget_bytes()), 1));
    let over = account.over().expect("with its header it is more");
    assert_eq!((over.used_bytes, over.budget_bytes), (block.bytes(), kind.budget_bytes()));
    let raised = account.enter(|| raise(1024));
    assert_eq!(account.over(), None);
    drop(raised);
    assert!(account.over().is_some());
    let other = account.enter(|| shared(|| Block::new(layout(10_000), 2)));
    assert_eq!(shared_bytes(), other.bytes());
    let figures = kind.figures();
    assert_eq!((figures.open, figures.used_bytes), (1, block.bytes()));
    drop(account);
    assert_eq!(kind.figures().open, 0);
    assert_eq!(shared_bytes(), other.bytes() + block.bytes(), "what is left is everybody's");
    let next = HeapAccount::open(kind).expect("room");
    drop(block);
    assert_eq!((next.over(), shared_bytes()), (None, other.bytes()), "and given back from there");
}

#[test]
fn no_more_accounts_are_open_than_the_plan_has_and_none_beside_the_reserve() {
    let _alone = alone();
    let kind = AccountKind::Handshake;
    let open: Vec<_> = (0..kind.max()).map(|_| HeapAccount::open(kind).expect("room")).collect();
    assert!(matches!(HeapAccount::open(kind), Err(Refused::Full(full)) if full.max == kind.max()));
    drop(open);
    let promised = room_bytes() - PROFILE.heap_reserve_bytes;
    let file = HeapAccount::promise(AccountKind::Configuration, promised, 1).expect("all there is");
    let small = Block::new(layout(1), 1);
    assert_eq!(HeapAccount::open(kind).err(), Some(Refused::Reserve));
    let block = file.enter(|| Block::new(layout(promised / 2), 1));
    assert_eq!(HeapAccount::open(kind).err(), Some(Refused::Reserve), "the rest is promised still");
    drop(file);
    assert!(HeapAccount::open(kind).is_ok());
    drop((block, small));
    // Free bytes in small pieces do not help a request for one large piece.
    let mut pieces: Vec<_> = Vec::new();
    while room_bytes() > 200_000 {
        pieces.push(Block::new(layout(16_000), 1));
    }
    let mut number = 0;
    pieces.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    assert!(room_bytes() > PROFILE.heap_reserve_bytes && !has_block(400_000));
    assert!(has_block(15_000));
}

/// Pseudo-random numbers, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

#[test]
fn the_books_add_up_whatever_is_allocated_grown_given_back_and_closed() {
    let _alone = alone();
    let mut numbers = Numbers(1);
    // A block, and the number of its account while that is open.
    let mut blocks: Vec<(Block, Option<usize>)> = Vec::new();
    let mut accounts: Vec<Option<HeapAccount>> = (0..12).map(|_| None).collect();
    let rounds = if cfg!(miri) { 500 } else { 50_000 };
    for round in 0..rounds {
        let at = numbers.below(accounts.len());
        match numbers.below(8) {
            0 => {
                if accounts[at].take().is_some() {
                    let of_it = blocks.iter_mut().filter(|(_, owner)| *owner == Some(at));
                    of_it.for_each(|(_, owner)| *owner = None);
                } else {
                    let kind = AccountKind::ALL[numbers.below(AccountKind::ALL.len())];
                    accounts[at] = HeapAccount::open(kind).ok();
                }
            }
            1..=4 if blocks.len() < 200 => {
                let align = [1, 8, 16, 64, 128][numbers.below(5)];
                let scale = 1 << numbers.below(12);
                let size = 1 + numbers.below(scale);
                let layout = Layout::from_size_align(size, align).expect("a layout");
                #[allow(clippy::cast_possible_truncation)] // any byte does
                let make = || Block::new(layout, round as u8);
                match &accounts[at] {
                    Some(account) => blocks.push((account.enter(make), Some(at))),
                    None => blocks.push((make(), None)),
                }
            }
            // A block may be grown and freed under any account.
            5 if !blocks.is_empty() => {
                let (chosen, bytes) = (numbers.below(blocks.len()), 1 + numbers.below(5_000));
                let block = &mut blocks[chosen].0;
                match &accounts[at] {
                    Some(account) => account.enter(|| block.grow(bytes)),
                    None => block.grow(bytes),
                }
            }
            _ if !blocks.is_empty() => {
                let (block, _) = blocks.swap_remove(numbers.below(blocks.len()));
                block.check();
            }
            _ => {}
        }
        let of = |owner: Option<usize>| -> usize {
            blocks.iter().filter(|(_, of)| *of == owner).map(|(block, _)| block.bytes()).sum()
        };
        assert_eq!(used_bytes(), blocks.iter().map(|(block, _)| block.bytes()).sum::<usize>());
        assert_eq!(books(|books| books.total_bytes()), used_bytes());
        assert_eq!(shared_bytes(), of(None));
        if let Some(account) = &accounts[at] {
            let (held, _) = books(|books| books.balance(account.tag()));
            assert_eq!(held, of(Some(at)));
        }
    }
    accounts.clear();
    assert_eq!(shared_bytes(), used_bytes());
    blocks.iter().for_each(|(block, _)| block.check());
    drop(blocks);
    assert_eq!((used_bytes(), shared_bytes()), (0, 0));
    assert!(AccountKind::ALL.iter().all(|kind| kind.figures().open == 0));
}
