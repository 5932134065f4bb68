//! One update at a time: whether it may begin, and all that its thread needs of the box.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use serde_json::{Value, json};
use weir::appliance::boot_order::BootOrder;
use weir::appliance::bundle::{UpdateTarget, install};
use weir::appliance::manifest::{Manifest, UpdateKey};
use weir::appliance::request::UpdateProgress;
use weir::appliance::slot::SlotName;
use weir::appliance::state_blocks::StateBlocks;
use weir::appliance::version::DottedVersion;

use super::board::Board;
use super::disk::SlotDisk;
use super::{health, kernel};

const KEY: &str = "/etc/weir/update.pub";

/// Which updates are under way, and which are to be tried.
#[derive(Debug)]
pub(crate) struct UpdateState {
    is_running: bool,
    /// Bundles of the preset partition that were not looked at yet.
    bundles: Vec<String>,
}

/// All that an update's thread needs of the box.
#[derive(Debug)]
pub(crate) struct UpdateJob {
    board: String,
    oldest: DottedVersion,
    running: SlotName,
    standby: File,
    state: StateBlocks,
    /// The partition of presets, where bundles may lie.
    pub(crate) presets: PathBuf,
}

impl UpdateState {
    pub(crate) fn new(bundles: Vec<String>) -> Self {
        Self { is_running: false, bundles }
    }

    /// Whether a thread writes a slot and stores the boot order.
    pub(crate) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Lets an update begin.
    ///
    /// # Errors
    /// A sentence for people: why it may not.
    pub(crate) fn begin(
        &mut self,
        board: &Board,
        disk: Option<&SlotDisk>,
        is_good: bool,
    ) -> Result<UpdateJob, String> {
        let disk = disk.ok_or("this box has no disk with slots")?;
        let running = disk.running.ok_or("this box was not started from a slot")?;
        if self.is_running {
            return Err("another update is under way".to_owned());
        }
        if !is_good {
            return Err(format!(
                "slot {running}, which runs, is not known to be good yet: it has \
                                to run for a minute"
            ));
        }
        let header = disk.header(running).ok_or("the slot that runs has no header")?;
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let standby = disk.disk.slot(running.other()).map_err(|error| said(&error))?;
        let job = UpdateJob {
            board: board.name.clone(),
            oldest: header.oldest,
            running,
            standby: standby.open_to_write().map_err(|error| said(&error))?,
            state: disk.state_blocks().map_err(|error| said(&error))?,
            presets: disk.device("weir").map_err(|error| said(&error))?,
        };
        self.is_running = true;
        Ok(job)
    }

    /// The thread has ended.
    pub(crate) fn end(&mut self) {
        self.is_running = false;
    }

    /// The bundles to try, once.
    pub(crate) fn take_bundles(&mut self) -> Vec<String> {
        if self.is_running { Vec::new() } else { std::mem::take(&mut self.bundles) }
    }
}

impl UpdateJob {
    /// Installs what comes; the new boot order, and what to say of it.
    pub(crate) fn install(
        &self,
        source: &mut impl Read,
        bytes: u64,
        mut progress: &mut dyn FnMut(UpdateProgress),
    ) -> Result<(BootOrder, Manifest), String> {
        let key = kernel::text(KEY.as_ref()).map_err(|error| format!("{KEY}: {error}"))?;
        let key = UpdateKey::read(&key).map_err(|error| format!("{KEY}: {error}"))?;
        let target = UpdateTarget {
            board: &self.board,
            oldest: self.oldest,
            key: &key,
            running: self.running,
            standby: &self.standby,
            state: &self.state,
            played: health::look().map_or(0, |health| health.playing),
        };
        let installed = install(source, bytes, &target, &mut progress);
        installed.map(|(manifest, order)| (order, manifest)).map_err(|error| error.to_string())
    }

    /// What the answer says of it.
    pub(crate) fn said(&self, manifest: &Manifest) -> Value {
        json!({
            "slot": self.running.other(),
            "version": manifest.version.to_string(),
            "build": manifest.build,
        })
    }
}
