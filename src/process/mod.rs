//! The process as the kernel and the service manager see it: its build ([`build_id`]), its CPU
//! ([`cpu`]), its user ([`privileges`]), its limits ([`memory_limit`], [`open_files`]), what it
//! uses ([`usage`]), the machine around it ([`machine`]), where it spends its time ([`sampling`],
//! [`call_tree`], [`symbols`]), a program that it starts ([`child`]), and its last message when it
//! cannot go on ([`panic_report`]). [`devices`] is what the first process of a box asks of its
//! devices.
//!
//! System calls that no safe crate offers are in `kernel`, a few lines each, in [`sampling`] and in
//! [`devices`].

pub mod build_id;
pub mod call_tree;
pub mod child;
pub mod cpu;
pub mod devices;
mod kernel;
pub mod machine;
pub mod memory_limit;
pub mod open_files;
pub mod panic_report;
pub mod privileges;
pub mod sampling;
pub mod symbols;
pub mod usage;
mod user;

use std::fs;
use std::io;
use std::sync::LazyLock;

use crate::limits::PROFILE;

/// Version, commit, memory profile and build id, as `weir --version` prints them.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let id = build_id::of_this_program();
        format!("{} ({}, {}, build id {id})", crate::VERSION, crate::COMMIT, PROFILE.name)
    });
    &VERSION
}

/// Syncs the disks and restarts the box. Returns only if that is not permitted or fails.
pub fn reboot() -> io::Error {
    rustix::fs::sync();
    match rustix::system::reboot(rustix::system::RebootCommand::Restart) {
        Ok(()) => io::ErrorKind::Other.into(),
        Err(error) => error.into(),
    }
}

/// Syncs the disks and switches the box off. Returns only if that is not permitted or fails.
pub fn power_off() -> io::Error {
    rustix::fs::sync();
    match rustix::system::reboot(rustix::system::RebootCommand::PowerOff) {
        Ok(()) => io::ErrorKind::Other.into(),
        Err(error) => error.into(),
    }
}

/// Resident bytes now, and the most since the start, as the kernel counts them; `None` without
/// `/proc`.
pub fn resident_bytes() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_not_less_than_what_is_now() {
        let (now, most) = resident_bytes().expect("/proc");
        assert!(0 < now && now <= most);
    }
}
