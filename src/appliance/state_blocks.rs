//! The boot order on the disk: the same block at the beginning of two partitions, `state0` and
//! `state1`, so that a power cut or a dead sector costs one of them.
//!
//! The first valid copy counts, for the boot loader as well. A write goes to the copy that does not
//! count first, then to the other, each with a sync. So at each moment one whole copy holds the old
//! value or the new, and the one that counts never falls back to anything older, even if the copies
//! differed before. A copy that holds the value already is not written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::limits::STATE_BLOCK_BYTES;

use super::boot_order::{BootOrder, StateBlock};
use super::state_format::StateFormat;

/// The two partitions of the state blocks, open for reading and writing.
#[derive(Debug)]
pub struct StateBlocks {
    format: StateFormat,
    copies: [File; 2],
}

impl StateBlocks {
    /// Takes the partitions `state0` and `state1`, in this order, and the format of both blocks.
    pub fn new(format: StateFormat, copies: [File; 2]) -> Self {
        Self { format, copies }
    }

    /// The boot order that counts, for the boot loader as well; the default when no copy is valid.
    /// A copy that cannot be read is not valid.
    pub fn load(&self) -> BootOrder {
        load(self.format, &self.blocks())
    }

    /// Makes both copies hold `order`; after a power cut within, the old order counts or the new.
    ///
    /// # Errors
    /// One of the partitions refused the write or the sync. The other was written nevertheless.
    pub fn store(&self, order: &BootOrder) -> io::Result<()> {
        store(self.format, &self.blocks(), order, |copy, block| {
            self.copies[copy].write_all_at(block, 0)?;
            self.copies[copy].sync_data()
        })
    }

    /// Writes what counts over a copy that is not valid, and tells whether there was one. GRUB,
    /// which counts the tries of the next start, cannot write over damage.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn repair(&self) -> io::Result<bool> {
        let blocks = self.blocks();
        let is_valid = |block: &Option<StateBlock>| {
            block.as_ref().is_some_and(|block| self.format.read(block).is_some())
        };
        if blocks.iter().all(is_valid) {
            return Ok(false);
        }
        self.store(&load(self.format, &blocks)).map(|()| true)
    }

    fn blocks(&self) -> [Option<StateBlock>; 2] {
        self.copies.each_ref().map(|copy| {
            let mut block = [0; STATE_BLOCK_BYTES];
            copy.read_exact_at(&mut block, 0).ok().map(|()| block)
        })
    }
}

fn load(format: StateFormat, blocks: &[Option<StateBlock>; 2]) -> BootOrder {
    blocks.iter().flatten().find_map(|block| format.read(block)).unwrap_or_default()
}

/// Writes the copy that does not count first; both are tried whatever happens to the first.
fn store(
    format: StateFormat,
    held: &[Option<StateBlock>; 2],
    wanted: &BootOrder,
    mut write: impl FnMut(usize, &StateBlock) -> io::Result<()>,
) -> io::Result<()> {
    let is_first_valid = held[0].as_ref().is_some_and(|block| format.read(block).is_some());
    let order = if is_first_valid { [1, 0] } else { [0, 1] };
    let results = order.map(|copy| {
        let block = format.block(wanted, held[copy].as_ref());
        if held[copy] == Some(block) { Ok(()) } else { write(copy, &block) }
    });
    results.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::slot::SlotName;
    use super::*;

    type Disk = [Option<StateBlock>; 2];

    const FORMATS: [StateFormat; 2] = [StateFormat::UBoot, StateFormat::Grub];

    /// A disk loses power once it has taken so many bytes.
    fn store_until_cut(
        format: StateFormat,
        disk: &mut Disk,
        wanted: &BootOrder,
        mut bytes_left: usize,
    ) {
        let mut is_on = true;
        let held = *disk;
        let _ = store(format, &held, wanted, |copy, block| {
            let taken = bytes_left.min(STATE_BLOCK_BYTES);
            bytes_left -= taken;
            if is_on && let Some(sector) = &mut disk[copy] {
                sector[..taken].copy_from_slice(&block[..taken]);
            }
            is_on &= taken == STATE_BLOCK_BYTES;
            if is_on { Ok(()) } else { Err(io::Error::other("no power")) }
        });
    }

    fn values() -> [BootOrder; 3] {
        let old = BootOrder::default().give_up(SlotName::B, "kernel-crc");
        let newer = old.clone().begin_update(SlotName::A);
        let newest = newer.clone().finish_update(SlotName::A, 16);
        [old, newer, newest]
    }

    fn disks() -> Vec<(StateFormat, Disk)> {
        let with = |format| disks_of(format).into_iter().map(move |disk| (format, disk));
        FORMATS.into_iter().flat_map(with).collect()
    }

    fn disks_of(format: StateFormat) -> Vec<Disk> {
        let [old, newer, _] = values().map(|order| format.block(&order, None));
        let mut torn = format.block(&values()[1], Some(&old));
        torn[200..].copy_from_slice(&old[200..]);
        let blocks = [old, newer, torn, [0; STATE_BLOCK_BYTES]].map(Some);
        blocks.iter().flat_map(|first| blocks.map(|second| [*first, second])).collect()
    }

    #[test]
    fn a_power_cut_leaves_the_old_order_or_the_new_wherever_it_comes() {
        let [_, _, wanted] = values();
        for (format, disk) in disks() {
            let before = load(format, &disk);
            let mut seen_new = false;
            for bytes in 0..=2 * STATE_BLOCK_BYTES {
                let mut cut = disk;
                store_until_cut(format, &mut cut, &wanted, bytes);
                let after = load(format, &cut);
                assert!(after == before || after == wanted, "{bytes} bytes: {after:?}");
                assert!(!seen_new || after == wanted, "{bytes} bytes lead back");
                seen_new |= after == wanted;
            }
            assert!(seen_new);
        }
    }

    /// Of a power cut within a store that follows one: what counts was asked for, now or before.
    #[test]
    fn a_second_power_cut_does_not_bring_back_what_was_replaced() {
        let [_, newer, newest] = values();
        for (format, disk) in disks() {
            for first_bytes in 0..=2 * STATE_BLOCK_BYTES {
                let mut once = disk;
                store_until_cut(format, &mut once, &newer, first_bytes);
                let between = load(format, &once);
                for bytes in [1, 4, 40, 511, 512, 513, 700, 1023] {
                    let mut twice = once;
                    store_until_cut(format, &mut twice, &newest, bytes);
                    let after = load(format, &twice);
                    assert!(after == between || after == newest, "{first_bytes}, {bytes}");
                }
            }
        }
    }

    #[test]
    fn an_unreadable_copy_is_left_to_the_other() {
        let [old, newer, _] = values();
        for (format, copy) in FORMATS.into_iter().flat_map(|format| [(format, 0), (format, 1)]) {
            let mut disk = [Some(format.block(&old, None)); 2];
            disk[copy] = None;
            assert_eq!(load(format, &disk), old);
            store_until_cut(format, &mut disk, &newer, usize::MAX);
            assert_eq!(load(format, &disk), newer);
            assert_eq!(load(format, &[None, None]), BootOrder::default());
        }
    }

    #[test]
    fn what_is_there_already_is_not_written_and_a_damaged_copy_is() {
        for format in FORMATS {
            let order = BootOrder::default();
            let block = format.block(&order, None);
            let written = |held: [Option<StateBlock>; 2]| {
                let mut written = Vec::new();
                let write = |copy, _: &StateBlock| {
                    written.push(copy);
                    Ok(())
                };
                store(format, &held, &order, write).expect("stored");
                written
            };
            let damaged = Some([0xff; STATE_BLOCK_BYTES]);
            assert!(written([Some(block); 2]).is_empty());
            assert_eq!(written([damaged, Some(block)]), [0]);
            assert_eq!(written([Some(block), damaged]), [1]);
            assert_eq!(written([damaged, damaged]), [0, 1]);
            let [other, _, _] = values().map(|order| Some(format.block(&order, None)));
            assert_eq!(written([other, other]), [1, 0]);
        }
    }

    #[test]
    fn a_copy_that_fails_is_said_and_does_not_keep_the_other_from_it() {
        let [old, newer, _] = values();
        for (format, broken) in FORMATS.into_iter().flat_map(|format| [(format, 0), (format, 1)]) {
            let mut written = Vec::new();
            let write = |copy, _: &StateBlock| {
                written.push(copy);
                if copy == broken { Err(io::Error::other("broken")) } else { Ok(()) }
            };
            let held = [Some(format.block(&old, None)); 2];
            let result = store(format, &held, &newer, write);
            assert_eq!(result.expect_err("said").to_string(), "broken");
            assert_eq!(written, [1, 0]);
        }
    }

    #[test]
    fn the_partitions_hold_it_at_their_beginning_and_the_rest_is_left() {
        let path = |copy: usize| {
            std::env::temp_dir().join(format!("weir-state{copy}-{}", std::process::id()))
        };
        let open = |copy: usize| {
            fs::write(path(copy), [7; 2 * STATE_BLOCK_BYTES]).expect("a writable folder");
            fs::OpenOptions::new().read(true).write(true).open(path(copy)).expect("there")
        };
        for format in FORMATS {
            let blocks = StateBlocks::new(format, [open(0), open(1)]);
            assert_eq!(blocks.load(), BootOrder::default());
            for order in values() {
                blocks.store(&order).expect("stored");
                assert_eq!(blocks.load(), order);
                for copy in [0, 1] {
                    let bytes = fs::read(path(copy)).expect("there");
                    let block = bytes[..STATE_BLOCK_BYTES].try_into().expect("a block");
                    assert_eq!(format.read(block), Some(order.clone()));
                    assert_eq!(bytes[STATE_BLOCK_BYTES..], [7; STATE_BLOCK_BYTES]);
                }
            }
            assert!(!blocks.repair().expect("nothing to do"));
            let order = blocks.load();
            let _ = open(0);
            assert!(blocks.repair().expect("written"));
            assert!(!blocks.repair().expect("nothing to do"));
            assert_eq!(blocks.load(), order);
            let [first, second] = [0, 1].map(|copy| fs::read(path(copy)).expect("there"));
            assert!(format.read(first[..STATE_BLOCK_BYTES].try_into().expect("a block")).is_some());
            assert!(
                format.read(second[..STATE_BLOCK_BYTES].try_into().expect("a block")).is_some()
            );
        }
        for copy in [0, 1] {
            let _ = fs::remove_file(path(copy));
        }
    }
}
