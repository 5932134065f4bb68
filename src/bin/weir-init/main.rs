//! The first process of a box: it brings up what weir needs, starts it, and sees that it runs.
//!
//! There is no shell, no service manager and no other program than weir. What belongs to a box that
//! heals itself is here: the hardware watchdog, the two slots, updates, presets, the network, the
//! time. Whatever fails is said to the kernel's log and left out: a box that has its serial line
//! can be repaired, one that stopped cannot. Only the loop feeds the watchdog.

mod board;
mod boot;
mod data;
mod disk;
mod ending;
mod event_loop;
mod growth;
mod health;
mod init;
mod interface;
mod jobs;
mod kernel;
mod messages;
mod mounts;
mod network;
mod presets;
mod program;
mod report;
mod requests;
mod shutdown;
mod supervisor;
mod tables;
mod timekeeper;
mod update_job;
mod updates;
mod watchdog;

use std::process::ExitCode;

use weir::process::panic_report;

/// Everything that is allocated comes from one fixed region, as in weir itself. If it is exhausted,
/// or at a panic, this process ends, and with it the kernel, which starts the box again.
#[global_allocator]
static LIBRARY_HEAP: weir::mem::heap::LibraryHeap = weir::mem::heap::LibraryHeap;

fn main() -> ExitCode {
    if !rustix::process::getpid().is_init() {
        eprintln!("weir-init is the first process of a box, and nothing else");
        return ExitCode::from(2);
    }
    mounts::early();
    panic_report::prepare();
    messages::to_the_kernel();
    log::info!("weir-init {}", weir::process::version());
    let init = boot::boot();
    event_loop::run(init)
}
