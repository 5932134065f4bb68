//! What init says: lines of the kernel's log, which are on the serial line until weir has it, and
//! in the kernel's memory afterwards. Warnings and informations have a level that `quiet` hides;
//! what a person at the cable must see is an error.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

const KERNEL_LOG: &str = "/dev/kmsg";
/// Bytes of a line that the kernel keeps whole.
const LINE_BYTES_MAX: usize = 900;

/// The kernel's log. Without one, or where it does not take a line, nothing is said.
struct KernelLog(Option<File>);

impl Log for KernelLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        let Some(mut file) = self.0.as_ref().filter(|_| self.enabled(record.metadata())) else {
            return;
        };
        // syslog(2): errors, warnings, informations.
        let level = match record.level() {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info | Level::Debug | Level::Trace => 6,
        };
        let text = record.args().to_string().replace(['\n', '\r'], ", ");
        let mut end = text.len().min(LINE_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // A log that takes nothing is no reason to stop.
        let _ = file.write_all(format!("<{level}>weir-init: {}\n", &text[..end]).as_bytes());
    }

    fn flush(&self) {}
}

/// Lets everything that is logged from now on go to the kernel's log.
pub(crate) fn to_the_kernel() {
    static LOG: OnceLock<KernelLog> = OnceLock::new();
    // By default the kernel drops what comes fast.
    let _ = fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
    let log = LOG.get_or_init(|| KernelLog(OpenOptions::new().write(true).open(KERNEL_LOG).ok()));
    if log::set_logger(log).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
