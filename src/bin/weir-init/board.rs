//! What comes with the slot and with the kernel's command line: which board this is, and which slot
//! was started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use weir::appliance::slot::SlotName;
use weir::appliance::state_format::StateFormat;
use weir::limits::{CONSOLE_BAUD_DEFAULT, TRIAL_US_MAX, WATCHDOG_S_DEFAULT};

use super::kernel;

/// What is known of this box before its disk is.
#[derive(Debug)]
pub(crate) struct Board {
    /// Its name, as bundles have it.
    pub(crate) name: String,
    /// Its serial line with its speed, as `weir run --console` takes it.
    pub(crate) serial: Option<String>,
    pub(crate) watchdog_s: u32,
    /// How long an update in this slot has to become good.
    pub(crate) trial_us: u64,
    /// Seconds since 1970 of the commit that this was built from.
    pub(crate) built_s: u64,
    /// The format in which its boot loader keeps the boot order.
    pub(crate) state_format: StateFormat,
    /// The slot that the boot loader started; `None` where something else started the kernel.
    pub(crate) slot: Option<SlotName>,
    /// The disk to take, where several have a box's partitions.
    pub(crate) disk: Option<String>,
}

impl Board {
    /// Reads what there is; a box that does not know its name takes no updates.
    pub(crate) fn read() -> Self {
        let facts = facts(Path::new("/etc/weir/board"));
        let build = facts_of(&kernel::text(Path::new("/etc/build")).unwrap_or_default());
        let number = |facts: &BTreeMap<String, String>, key: &str| -> Option<u64> {
            facts.get(key)?.parse().ok()
        };
        let baud = number(&facts, "serial_baud").unwrap_or(u64::from(CONSOLE_BAUD_DEFAULT));
        // In another place than the board's, if the kernel's command line says so.
        let serial = kernel::argument("weir.serial").or_else(|| {
            facts
                .get("serial")
                .filter(|serial| !serial.is_empty())
                .map(|path| format!("{path},{baud}"))
        });
        Self {
            name: facts.get("board").cloned().unwrap_or_default(),
            serial,
            watchdog_s: number(&facts, "watchdog_s")
                .and_then(|seconds| u32::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .unwrap_or(WATCHDOG_S_DEFAULT),
            trial_us: number(&facts, "trial_s")
                .map_or(TRIAL_US_MAX, |seconds| seconds.saturating_mul(1_000_000)),
            state_format: StateFormat::of_boot(facts.get("boot").map_or("", |boot| boot)),
            built_s: number(&build, "epoch").unwrap_or(0),
            slot: kernel::argument("weir.slot").and_then(|slot| slot.parse().ok()),
            disk: kernel::argument("weir.disk"),
        }
    }

    /// Path of its serial line.
    pub(crate) fn serial_path(&self) -> Option<PathBuf> {
        let serial = self.serial.as_deref()?;
        Some(PathBuf::from(serial.split(',').next().unwrap_or(serial)))
    }
}

fn facts(path: &Path) -> BTreeMap<String, String> {
    match kernel::text(path) {
        Ok(text) => facts_of(&text),
        Err(error) => {
            log::error!("{}: {error}", path.display());
            BTreeMap::new()
        }
    }
}

/// Lines of `key=value`, with or without quotation marks.
fn facts_of(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(pair).collect()
}
