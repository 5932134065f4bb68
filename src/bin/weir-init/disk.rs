//! The box's disk: its slots, its boot order, and the partitions that are mounted. A box without
//! one, started over the network or by a test, runs from memory.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use weir::appliance::boot_order::BootOrder;
use weir::appliance::partitions::{BoxDisk, PartitionError};
use weir::appliance::slot::{SlotHeader, SlotName};
use weir::appliance::state_blocks::StateBlocks;
use weir::appliance::state_format::StateFormat;
use weir::clock;
use weir::limits::DISK_WAIT_US_MAX;
use weir::process::machine;

use super::board::Board;
use super::tables;

const LOOK: Duration = Duration::from_millis(100);

/// The disk with what is known of its slots.
#[derive(Debug)]
pub(crate) struct SlotDisk {
    pub(crate) disk: BoxDisk,
    format: StateFormat,
    /// The slot that runs; `None` where no boot loader of ours started the kernel.
    pub(crate) running: Option<SlotName>,
    /// The boot order as it is on the disk.
    pub(crate) order: BootOrder,
}

impl SlotDisk {
    /// Waits for the disk, as its driver may still look for it.
    pub(crate) fn find(board: &Board, feed: &mut impl FnMut()) -> Option<Self> {
        let until_us = clock::now_us() + DISK_WAIT_US_MAX;
        let mut was_repaired = false;
        let disk = loop {
            let found = BoxDisk::find(Path::new("/sys"), Path::new("/dev"), board.disk.as_deref());
            match found {
                Ok(disk) => break disk,
                Err(PartitionError::NoDisk) if clock::now_us() < until_us => {
                    // Once there was time for the kernel to look at it.
                    if !was_repaired && clock::now_us() + DISK_WAIT_US_MAX * 4 / 5 > until_us {
                        was_repaired = true;
                        tables::repair();
                    }
                }
                Err(error) => {
                    log::error!("no disk: {error}; the box runs from memory");
                    return None;
                }
            }
            feed();
            sleep(LOOK);
        };
        log::info!("the disk is {}", disk.disk);
        let format = board.state_format;
        let order = match disk.state_blocks(format) {
            Ok(blocks) => {
                match blocks.repair() {
                    Ok(false) => {}
                    Ok(true) => {
                        log::error!("a copy of the boot order was damaged, and is repaired")
                    }
                    Err(error) => log::error!("the boot order cannot be repaired: {error}"),
                }
                blocks.load()
            }
            Err(error) => {
                log::error!("the boot order cannot be read: {error}");
                BootOrder::default()
            }
        };
        if board.slot.is_none() {
            log::warn!("the kernel's command line names no slot: there are no updates");
        }
        Some(Self { disk, format, running: board.slot, order })
    }

    /// Makes a rollback last that the boot loader decided on, and says it.
    pub(crate) fn notice_rollback(&mut self, was_watchdog: bool) {
        let Some(running) = self.running else { return };
        if self.order.was_rolled_back(running) {
            let order = self.order.clone().noticed_rollback(running, was_watchdog);
            let why = order.why(running.other()).unwrap_or("without a reason").to_owned();
            log::error!("the update in slot {} was rolled back: {why}", running.other());
            self.store(order);
        }
    }

    /// Stores another boot order; what the disk refuses is said.
    pub(crate) fn store(&mut self, order: BootOrder) {
        let stored = self.state_blocks().and_then(|blocks| blocks.store(&order));
        if let Err(error) = stored {
            log::error!("the boot order cannot be stored: {error}");
        }
        self.order = order;
    }

    /// Reads the boot order again, after an update's thread stored it.
    pub(crate) fn reload(&mut self) {
        match self.state_blocks() {
            Ok(blocks) => self.order = blocks.load(),
            Err(error) => log::error!("the boot order cannot be read: {error}"),
        }
    }

    /// How many cameras played before the update that this slot is on trial for; `None` if it is
    /// not.
    pub(crate) fn trial_played(&self) -> Option<u32> {
        let update = self.order.update()?;
        (Some(update.slot) == self.running).then_some(update.played)
    }

    /// The running slot is good.
    pub(crate) fn made_good(&mut self) {
        if let Some(running) = self.running {
            let order = self.order.clone().made_good(running);
            self.store(order);
        }
    }

    /// Gives the running slot up; the box has to be restarted then.
    pub(crate) fn give_up(&mut self, why: &str) {
        if let Some(running) = self.running {
            let order = self.order.clone().give_up(running, why);
            self.store(order);
        }
    }

    /// Whether the boot loader would start the other slot if this one were given up.
    pub(crate) fn is_other_bootable(&self) -> bool {
        let Some(other) = self.running.map(SlotName::other) else { return false };
        self.order.tries_left(other) > 0 && self.header(other).is_some()
    }

    /// What a slot says of itself; `None` for an empty one.
    pub(crate) fn header(&self, slot: SlotName) -> Option<SlotHeader> {
        SlotHeader::of(&self.disk.slot(slot).ok()?.open().ok()?).ok()
    }

    /// The state blocks, for an update to store the order itself.
    pub(crate) fn state_blocks(&self) -> io::Result<StateBlocks> {
        self.disk.state_blocks(self.format)
    }

    /// Path of the device of a partition.
    pub(crate) fn device(&self, name: &str) -> Result<PathBuf, PartitionError> {
        self.disk.partition(name).map(|partition| partition.device.clone())
    }

    /// Bytes that were written to the disk since the box was started.
    pub(crate) fn bytes_written(&self) -> u64 {
        machine::disk(&self.disk.disk).map_or(0, |disk| disk.written_bytes)
    }
}
