//! What was sampled: a tree of calls in a fixed table of [`CALL_NODES_MAX`] nodes, which signal
//! handlers of all threads fill at once, without a lock.
//!
//! A node is an address and its caller's node, in one word. A single atomic exchange adds it, so
//! that no half of a node is ever seen. Samples with the same callers share their nodes. When the
//! table is full, or too crowded around a place, a sample is only counted.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::limits::{CALL_DEPTH_MAX, CALL_NODES_MAX};

/// Places that are looked at for a node, from its own on.
const PROBES_MAX: usize = 64;
const _: () = assert!(CALL_NODES_MAX.is_power_of_two() && CALL_NODES_MAX < u16::MAX as usize);

/// The tree. Its addresses are offsets in the program, and never 0.
pub struct CallTree {
    nodes: [Node; CALL_NODES_MAX],
    /// Samples that found no room.
    truncated: AtomicU32,
}

struct Node {
    /// The caller's place plus one (0 for none), then 32 bits of address; 0 while it is free.
    key: AtomicU64,
    /// Samples that ended here.
    samples: AtomicU32,
    /// The symbol's number, once it was looked up; 0 for none.
    symbol: AtomicU32,
}

impl Default for CallTree {
    fn default() -> Self {
        Self::new()
    }
}

/// A node as its readers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The caller's place; the outermost has none.
    pub caller: Option<u16>,
    /// The address, as an offset in the program.
    pub address: u32,
    /// Samples in which it is the innermost.
    pub samples: u32,
    /// Its symbol's number; 0 for none.
    pub symbol: u32,
}

impl CallTree {
    /// A tree without a node.
    pub const fn new() -> Self {
        let nodes = [const {
            Node { key: AtomicU64::new(0), samples: AtomicU32::new(0), symbol: AtomicU32::new(0) }
        }; CALL_NODES_MAX];
        Self { nodes, truncated: AtomicU32::new(0) }
    }

    /// Forgets all nodes and counts.
    pub fn clear(&self) {
        for node in &self.nodes {
            node.key.store(0, Relaxed);
            node.samples.store(0, Relaxed);
            node.symbol.store(0, Relaxed);
        }
        self.truncated.store(0, Relaxed);
    }

    /// Adds so many samples of the same: addresses, innermost first. Allocates nothing and waits
    /// for nothing.
    pub fn add(&self, addresses: &[u32], samples: u32) {
        let mut at = None;
        for address in addresses.iter().rev() {
            let Some(found) = self.child(at, *address) else {
                self.truncated.fetch_add(samples, Relaxed);
                return;
            };
            at = Some(found);
        }
        if let Some(at) = at {
            self.nodes[at].samples.fetch_add(samples, Relaxed);
        }
    }

    /// The node of a call, which is added if it is new; `None` without room for it.
    fn child(&self, caller: Option<usize>, address: u32) -> Option<usize> {
        let caller = caller.map_or(0, |at| at as u64 + 1);
        let key = caller << 32 | u64::from(address);
        // Fibonacci hashing: the upper bits of the product depend on all bits of the key.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let first = usize::try_from(hash).unwrap_or_default();
        (first..first + PROBES_MAX).map(|at| at % CALL_NODES_MAX).find(|at| {
            let node = &self.nodes[*at].key;
            match node.load(Relaxed) {
                0 => match node.compare_exchange(0, key, Relaxed, Relaxed) {
                    Ok(_) => true,
                    Err(other) => other == key,
                },
                found => found == key,
            }
        })
    }

    /// The node at a place; `None` where there is none.
    pub fn call(&self, at: u16) -> Option<Call> {
        let node = self.nodes.get(usize::from(at))?;
        let key = node.key.load(Relaxed);
        let [.., high, low, a, b, c, d] = key.to_be_bytes();
        let caller = u16::from_be_bytes([high, low]).checked_sub(1);
        let address = u32::from_be_bytes([a, b, c, d]);
        let (samples, symbol) = (node.samples.load(Relaxed), node.symbol.load(Relaxed));
        (key != 0).then_some(Call { caller, address, samples, symbol })
    }

    /// The places of all nodes.
    pub fn places(&self) -> impl Iterator<Item = u16> + '_ {
        (0..u16::MAX).take(CALL_NODES_MAX).filter(|at| self.call(*at).is_some())
    }

    /// A sample's places, from the innermost to the outermost.
    pub fn chain(&self, at: u16) -> impl Iterator<Item = u16> + '_ {
        std::iter::successors(Some(at), |at| self.call(*at)?.caller).take(CALL_DEPTH_MAX)
    }

    /// Names the symbol of a node.
    pub fn set_symbol(&self, at: u16, symbol: u32) {
        self.nodes[usize::from(at)].symbol.store(symbol, Relaxed);
    }

    /// Samples that found no room.
    pub fn truncated(&self) -> u32 {
        self.truncated.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(tree: &CallTree) -> Vec<(Vec<u32>, u32)> {
        let calls = tree.places().filter_map(|at| Some((at, tree.call(at)?.samples)));
        let address = |at| tree.call(at).expect("a node").address;
        let of = |(at, count)| (tree.chain(at).map(address).collect(), count);
        let mut all: Vec<_> = calls.filter(|(_, count)| *count > 0).map(of).collect();
        all.sort();
        all
    }

    #[test]
    fn samples_with_the_same_callers_are_counted_together() {
        static TREE: CallTree = CallTree::new();
        TREE.add(&[3, 2, 1], 1);
        TREE.add(&[3, 2, 1], 4);
        TREE.add(&[2, 1], 1);
        TREE.add(&[3, 1], 1);
        TREE.add(&[], 1);
        let expected = [(vec![2, 1], 1), (vec![3, 1], 1), (vec![3, 2, 1], 5)];
        assert_eq!(samples(&TREE), expected);
        assert_eq!(TREE.places().count(), 4);
        TREE.clear();
        assert_eq!((TREE.places().count(), TREE.truncated()), (0, 0));
    }

    #[test]
    fn a_full_table_keeps_what_it_has_and_counts_the_rest() {
        static TREE: CallTree = CallTree::new();
        for round in 1..=2 {
            for address in 1..=3 * u32::try_from(CALL_NODES_MAX).expect("a small number") {
                TREE.add(&[address], 1);
            }
            let held: u32 = samples(&TREE).iter().map(|(_, count)| count).sum();
            assert_eq!(held + TREE.truncated(), round * 3 * 4096, "none is lost");
        }
        assert!(TREE.places().count() > CALL_NODES_MAX * 9 / 10);
    }

    #[test]
    fn threads_add_at_once() {
        static TREE: CallTree = CallTree::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|n| TREE.add(&[n % 7 + 1, n % 3 + 1], 1)));
            }
        });
        assert_eq!(samples(&TREE).iter().map(|(_, count)| count).sum::<u32>(), 4000);
        assert_eq!(samples(&TREE).len(), 21);
    }
}
