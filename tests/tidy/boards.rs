//! The boards and their descriptions.

use std::fs;

use weir::limits::{CONSOLE_BAUD_MAX, CONSOLE_BAUD_MIN};

use crate::sources::repository;

/// Each board's `meta` has every key once, names what is there, and stands in the list of boards
/// with how far it got.
#[test]
fn boards_are_described_whole() {
    const KEYS: [&str; 18] = [
        "name",
        "target",
        "profile",
        "ram_mib",
        "serial",
        "serial_baud",
        "network",
        "watchdog",
        "modules",
        "boot",
        "firmware",
        "firmware_at",
        "u_boot",
        "slot_address",
        "scratch_address",
        "device_tree",
        "kernel",
        "cpu_aes",
    ];
    let boards = repository().join("board");
    let list = fs::read_to_string(boards.join("README.md")).expect("a list");
    let mut count = 0;
    for entry in fs::read_dir(&boards).expect("boards") {
        let folder = entry.expect("a readable folder").path();
        let Ok(meta) = fs::read_to_string(folder.join("meta")) else { continue };
        let id = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let value = |key: &str| -> &str {
            let lines = || meta.lines().filter_map(|line| line.split_once('='));
            assert_eq!(lines().filter(|(name, _)| *name == key).count(), 1, "{id}: {key}");
            lines().find(|(name, _)| *name == key).map_or("", |(_, value)| value.trim_matches('"'))
        };
        let lines = meta.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(lines, KEYS.len() + 1, "{id} has other keys");
        for key in KEYS {
            value(key);
        }
        assert!(["aarch64", "x86_64"].contains(&value("target")), "{id}");
        assert!(
            repository().join(format!("memory-profiles/{}.rs", value("profile"))).is_file(),
            "{id}"
        );
        assert!(value("serial").starts_with("/dev/tty"), "{id}");
        let baud: usize = value("serial_baud").parse().expect("a number");
        assert!((CONSOLE_BAUD_MIN..=CONSOLE_BAUD_MAX).contains(&baud), "{id}");
        assert!(value("ram_mib").parse::<u32>().is_ok_and(|mib| mib >= 128), "{id}");
        assert!(["yes", "no"].contains(&value("cpu_aes")), "{id}");
        let row =
            list.lines().find(|line| line.contains(&format!("`{id}`")) && line.starts_with('|'));
        let row = row.unwrap_or_else(|| panic!("{id} is not in the list"));
        assert!(
            row.contains(value("name")) && row.ends_with(&format!("| {} |", value("seen"))),
            "{row}"
        );
        assert!(["built", "emulated", "hardware"].contains(&value("seen")), "{id}");
        count += 1;
    }
    assert!(count >= 6, "{count} boards were found");
}
