//! The kernel's memory limit for this process's control group. Under systemd that is `MemoryMax`,
//! unless the kernel has no memory controller: Raspberry Pi OS boots without one, and containers
//! may lack it.

use std::fs;

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// The lowest limit of the group and its parents, in bytes; `None` if no limit is visible.
pub fn of_this_process() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let (folder, file) = place(&groups)?;
    let mut path = folder.as_str();
    let mut least = None;
    loop {
        let limit = fs::read_to_string(format!("{path}/{file}")).ok();
        let limit = limit.and_then(|text| parse(&text));
        least = [least, limit].into_iter().flatten().min();
        if path == GROUPS {
            return least;
        }
        path = path.rsplit_once('/')?.0;
    }
}

/// The group's folder and the name of its limit file, from `/proc/self/cgroup` (cgroups(7)): in the
/// version 1 hierarchy if memory is in one, else in that of version 2.
fn place(groups: &str) -> Option<(String, &'static str)> {
    let field = |line: &'_ str| {
        let mut fields = line.splitn(3, ':').skip(1).map(str::to_owned);
        Some((fields.next()?, fields.next()?))
    };
    let found: Vec<(String, String)> = groups.lines().filter_map(field).collect();
    let old = found.iter().find(|(controllers, _)| controllers.split(',').any(|c| c == "memory"));
    let new = found.iter().find(|(controllers, _)| controllers.is_empty());
    let (root, (_, path), file) = match (old, new) {
        (Some(old), _) => (format!("{GROUPS}/memory"), old, "memory.limit_in_bytes"),
        (None, Some(new)) => (GROUPS.to_owned(), new, "memory.max"),
        (None, None) => return None,
    };
    Some((format!("{root}{}", path.trim_end_matches('/')), file))
}

/// Parses a limit; `max`, and more than any machine has, means no limit.
fn parse(text: &str) -> Option<u64> {
    const NONE_BYTES: u64 = 1 << 60;
    text.trim().parse().ok().filter(|bytes| *bytes < NONE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_in_either_hierarchy() {
        let service = ("/sys/fs/cgroup/system.slice/weir.service".to_owned(), "memory.max");
        assert_eq!(place("0::/system.slice/weir.service\n"), Some(service));
        let old = "9:name=systemd:/a\n4:cpu,memory:/b/c\n0::/d\n";
        let expected = ("/sys/fs/cgroup/memory/b/c".to_owned(), "memory.limit_in_bytes");
        assert_eq!(place(old), Some(expected));
        assert_eq!(place("0::/\n"), Some(("/sys/fs/cgroup".to_owned(), "memory.max")));
        assert_eq!(place("1:cpu:/x\nnonsense\n"), None);
        assert_eq!(place(""), None);
    }

    #[test]
    fn what_is_no_number_or_above_all_machines_is_no_limit() {
        assert_eq!(parse("56623104\n"), Some(56_623_104));
        for none in ["max\n", "", "9223372036854771712\n", "-1", "54M"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn looking_ends() {
        // The machine's own group may have a limit or none.
        assert!(of_this_process().is_none_or(|bytes| bytes > 1 << 20));
    }
}
