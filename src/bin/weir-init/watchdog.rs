//! The hardware watchdog: found by its driver's name, as the kernel's own software one may be there
//! too and has another number on each board. It runs from its opening on, and nothing stops it but
//! a box that is switched off on purpose.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use weir::appliance::request::WatchdogReport;
use weir::process::devices;

const DEVICES: [&str; 4] = ["watchdog0", "watchdog1", "watchdog2", "watchdog3"];
/// The name of the one that a hung kernel hangs with.
const SOFTWARE: &str = "Software Watchdog";

/// The watchdog, which is armed.
#[derive(Debug)]
pub(crate) struct HardwareWatchdog {
    device: File,
    pub(crate) report: WatchdogReport,
    pub(crate) was_reset: bool,
}

impl HardwareWatchdog {
    /// Arms the first one that there is; `None` without any.
    pub(crate) fn arm(timeout_s: u32) -> Option<Self> {
        let name = DEVICES.into_iter().find(|name| {
            // Asked before it is opened, which arms it.
            let path = format!("/sys/class/watchdog/{name}/identity");
            fs::read_to_string(path).is_ok_and(|identity| identity.trim() != SOFTWARE)
        });
        let Some(name) = name else {
            log::warn!("there is no hardware watchdog: a box that hangs stays so");
            return None;
        };
        match Self::open(&Path::new("/dev").join(name), timeout_s) {
            Ok(watchdog) => Some(watchdog),
            Err(error) => {
                log::error!("/dev/{name}: {error}; a box that hangs stays so");
                None
            }
        }
    }

    fn open(path: &Path, wanted_s: u32) -> std::io::Result<Self> {
        let device = OpenOptions::new().write(true).open(path)?;
        let identity = devices::watchdog_identity(&device)?;
        let timeout_s = devices::set_watchdog_timeout(&device, wanted_s).unwrap_or_else(|error| {
            log::warn!("{identity}: {wanted_s} s: {error}; it keeps its own time");
            0
        });
        let was_reset = devices::was_reset_by(&device).unwrap_or(false);
        log::info!("the watchdog is {identity}, {timeout_s} s");
        if was_reset {
            log::error!("the box was reset by its watchdog");
        }
        Ok(Self { device, report: WatchdogReport { identity, timeout_s }, was_reset })
    }

    /// Puts the reset off once more.
    pub(crate) fn feed(&mut self) {
        if let Err(error) = self.device.write_all(b"\0") {
            log::warn!("{}: {error}", self.report.identity);
        }
    }

    /// Disarms it, for a box that is switched off.
    pub(crate) fn disarm(&mut self) {
        let _ = self.device.write_all(b"V");
    }
}
