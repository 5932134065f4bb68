//! The file of the program: the arenas are zeros until they are used, and take no room in it.

use std::process::Command;

/// Bytes of a section.
fn section_bytes(sizes: &str, section: &str) -> usize {
    let line = sizes.lines().find(|line| line.split_whitespace().next() == Some(section));
    let bytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    bytes.unwrap_or_else(|| panic!("no {section} in {sizes}"))
}

#[test]
fn the_arenas_take_no_room_in_the_file() {
    let program = env!("CARGO_BIN_EXE_weir");
    let told = Command::new("size").args(["-A", "-d", program]).output().expect("binutils");
    let sizes = String::from_utf8(told.stdout).expect("ASCII");
    let (data, zeros) = (section_bytes(&sizes, ".data"), section_bytes(&sizes, ".bss"));
    // One value that is not zero at the start, and all of an arena is in the file and resident.
    assert!(data < 1 << 20, "{data} bytes of .data: what of the arenas is not zero?");
    assert!(zeros > 16 << 20, "{zeros} bytes of .bss");
}
