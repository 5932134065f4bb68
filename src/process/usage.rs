//! What the kernel counts of this process and its threads, read from `/proc` when it is asked for.

use std::fs;

use crate::limits::SAMPLED_THREADS_MAX;

/// Units of time per second in `/proc`: USER_HZ, which is 100 on every CPU that weir runs on.
const TICKS_PER_S: f64 = 100.0;

/// What the process uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessUsage {
    /// CPU time of all threads, in seconds.
    pub cpu_s: f64,
    /// The number of its threads.
    pub threads: u64,
    /// Seconds between 1970 and its start, by the wall clock as it is set now.
    pub start_s: f64,
    /// Bytes of address space, most of which may not be resident.
    pub virtual_bytes: u64,
    /// Open file descriptors, the one for counting them left out.
    pub open_files: u64,
    /// The most file descriptors that it may have open.
    pub max_files: u64,
}

/// What the process uses; `None` without `/proc`.
pub fn of_this_process() -> Option<ProcessUsage> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let of_kernel = fs::read_to_string("/proc/stat").ok()?;
    let boot_s = of_kernel.lines().find_map(|line| line.strip_prefix("btime "))?;
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let max_files = files.split_whitespace().next()?;
    let open_files = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    Some(ProcessUsage {
        open_files: open_files as u64,
        // The word is `unlimited` where there is no limit.
        max_files: max_files.parse().unwrap_or(u64::MAX),
        ..parse(&stat, boot_s.trim().parse().ok()?)?
    })
}

/// CPU time of all threads of this process in milliseconds; `None` without `/proc`.
pub fn cpu_ms() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a time, far below 2^53
    parse(&stat, 0.0).map(|usage| (usage.cpu_s * 1000.0).round() as u64)
}

/// Reads `/proc/self/stat` (proc_pid_stat(5)): the name in it may hold any character.
fn parse(stat: &str, boot_s: f64) -> Option<ProcessUsage> {
    let (_, fields) = stat.rsplit_once(')')?;
    // The first is field 3.
    let field = |number: usize| -> Option<u64> {
        fields.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
    };
    #[allow(clippy::cast_precision_loss)] // 2^53 hundredths of a second
    let seconds = |number: usize| field(number).map(|ticks| ticks as f64 / TICKS_PER_S);
    Some(ProcessUsage {
        cpu_s: seconds(14)? + seconds(15)?,
        threads: field(20)?,
        start_s: boot_s + seconds(22)?,
        virtual_bytes: field(23)?,
        open_files: 0,
        max_files: 0,
    })
}

/// A thread as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadState {
    /// Its name; the main thread has the program's.
    pub name: String,
    /// What it does or waits for: the kernel's function, where the kernel tells it.
    pub waits_for: String,
}

/// The threads of this process.
pub fn threads() -> Vec<ThreadState> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path())).take(SAMPLED_THREADS_MAX);
    let thread = |folder: std::path::PathBuf| {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let stat = read("stat")?;
        let (_, fields) = stat.rsplit_once(')')?;
        let state = match fields.trim_start().chars().next()? {
            'R' => "runs",
            'D' => "waits for a disk",
            _ => "sleeps",
        };
        let place = read("wchan").filter(|place| !place.trim_matches('0').is_empty());
        let waits_for = match place {
            Some(place) => format!("{state} in {}", place.trim()),
            None => state.to_owned(),
        };
        Some(ThreadState { name: read("comm")?.trim().to_owned(), waits_for })
    };
    folders.filter_map(thread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_from_behind_the_name() {
        let numbers: Vec<String> = (4..=30).map(|number| number.to_string()).collect();
        let stat = format!("7 (a ) R b) S {}", numbers.join(" "));
        let usage = parse(&stat, 1000.0).expect("it is whole");
        let expected = ProcessUsage {
            cpu_s: 0.29,
            threads: 20,
            start_s: 1000.22,
            virtual_bytes: 23,
            open_files: 0,
            max_files: 0,
        };
        assert!((usage.cpu_s - expected.cpu_s).abs() < 1e-9);
        assert_eq!(ProcessUsage { cpu_s: 0.29, ..usage }, expected);
        for bad in ["", "7 (a", "7 (a) S 1 2 3", "7 (a) S x"] {
            assert_eq!(parse(bad, 0.0), None, "{bad}");
        }
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = of_this_process().expect("/proc");
        assert!(usage.threads >= 1 && usage.open_files >= 3, "{usage:?}");
        assert!(usage.open_files < usage.max_files, "{usage:?}");
        #[allow(clippy::cast_precision_loss)]
        let ago_s = crate::clock::unix_s() as f64 - usage.start_s;
        assert!((-2.0..86_400.0).contains(&ago_s), "{usage:?}");
        let threads = threads();
        assert!(threads.iter().any(|thread| thread.waits_for.starts_with("runs")), "{threads:?}");
    }
}
