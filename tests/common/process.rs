//! A process's figures as the kernel gives them.

use std::fs;

/// CPU time and memory of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Time on a CPU, all threads, nanoseconds.
    pub cpu_ns: u64,
    /// Peak resident memory, KiB.
    pub peak_kib: u64,
    /// Resident memory, KiB.
    pub resident_kib: u64,
    /// Of that, pages of files: the program, and libraries that it is linked with here.
    pub file_kib: u64,
    /// Threads.
    pub threads: u64,
}

impl Usage {
    /// Reads `/proc`; `None` when the process is gone.
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Some(Self {
            cpu_ns: threads_ns(pid)?,
            peak_kib: field("VmHWM:")?,
            resident_kib: field("VmRSS:")?,
            file_kib: field("RssFile:")?,
            threads: field("Threads:")?,
        })
    }
}

/// The threads' time on a CPU by their schedstat. A thread that ended takes its time with it;
/// weir's live as long as it does.
fn threads_ns(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(sum)
}

/// The same for the calling thread.
pub fn this_thread_ns() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
