//! Headers as they should be, and all that can be wrong with one.

use super::*;

type Changes<'c> = &'c [(&'c str, Option<&'c str>)];

const GOOD: [(&str, &str); 17] = [
    ("format", "1"),
    ("board", "qemu-virt"),
    ("version", "0.2.0"),
    ("build", "0123456789ab"),
    ("oldest", "0.1.0"),
    ("bytes", "1a00"),
    ("kernel_block", "8"),
    ("kernel_blocks", "2"),
    ("kernel_bytes", "201"),
    ("kernel_crc", "12345678"),
    ("initrd_block", "a"),
    ("initrd_blocks", "1"),
    ("initrd_bytes", "200"),
    ("initrd_crc", "9abcdef0"),
    ("dtb_block", "b"),
    ("dtb_blocks", "2"),
    ("dtb_bytes", "400"),
];

/// A header as in [`GOOD`] but for the changes; `None` leaves a variable out.
fn block(changes: Changes<'_>) -> [u8; SLOT_HEADER_BYTES] {
    let mut environment = Environment::default();
    let changed = |name: &str| changes.iter().find(|(other, _)| *other == name);
    for (name, value) in GOOD.into_iter().chain([("dtb_crc", "1")]) {
        let value = changed(name).map_or(Some(value), |(_, value)| *value);
        if let Some(value) = value {
            environment.add(name, value);
        }
    }
    for (name, value) in changes {
        if environment.value(name).is_none()
            && let Some(value) = value
        {
            environment.add(name, value);
        }
    }
    let mut block = [0; SLOT_HEADER_BYTES];
    environment.write(&mut block).expect("it fits");
    if Environment::read(&block).is_ok_and(|read| read.text_bytes() <= SLOT_TEXT_BYTES_MAX) {
        for (at, crc) in [(0xfc0, 0x1234_5678_u32), (0xfc8, 0x9abc_def0), (0xfd0, 1)] {
            block[at..at + 4].copy_from_slice(&crc.to_be_bytes());
            block[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        }
    }
    signed(block)
}

/// The block with the checksum that its content has now.
fn signed(mut block: [u8; SLOT_HEADER_BYTES]) -> [u8; SLOT_HEADER_BYTES] {
    let crc = crc32fast::hash(&block[4..]);
    block[..4].copy_from_slice(&crc.to_le_bytes());
    block
}

fn refused(changes: Changes<'_>) -> String {
    SlotHeader::read(&block(changes)).expect_err("refused").to_string()
}

#[test]
fn a_header_is_read() {
    let header = SlotHeader::read(&block(&[])).expect("good");
    assert_eq!(header.board, "qemu-virt");
    assert_eq!(header.version.to_string(), "0.2.0");
    assert_eq!(header.build, "0123456789ab");
    assert_eq!(header.oldest.to_string(), "0.1.0");
    assert_eq!(header.bytes, 13 * 512);
    let kernel = SlotSection { block: 8, blocks: 2, bytes: 513, crc: 0x1234_5678 };
    assert_eq!(header.kernel, kernel);
    assert_eq!(header.dtb.map(|dtb| (dtb.block, dtb.bytes)), Some((11, 1024)));
}

#[test]
fn a_device_tree_is_not_needed_and_more_variables_are_no_mistake() {
    let header = SlotHeader::read(&block(&[("dtb_block", None), ("later", Some("x"))]));
    assert_eq!(header.expect("good").dtb, None);
}

#[test]
fn every_flipped_bit_is_found() {
    let good = block(&[]);
    for bit in 0..8 * good.len() {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        let error = SlotHeader::read(&bad).expect_err("damaged");
        assert!(matches!(error, SlotError::Block(EnvironmentError::Checksum)), "{bit}");
    }
}

#[test]
fn an_empty_partition_has_no_header() {
    let error = SlotHeader::read(&[0; SLOT_HEADER_BYTES]).expect_err("empty");
    assert!(error.to_string().starts_with("the slot has no header"), "{error}");
}

#[test]
fn what_is_missing_is_named() {
    for (name, _) in GOOD.into_iter().chain([("dtb_crc", "")]) {
        if name != "dtb_block" {
            let expected = format!("the slot's header has no {name}");
            assert_eq!(refused(&[(name, None)]), expected);
        }
    }
}

#[test]
fn what_cannot_be_is_named() {
    let longest = "b".repeat(SLOT_WORD_BYTES_MAX);
    SlotHeader::read(&block(&[("board", Some(&longest))])).expect("at the bound");
    let longer = "b".repeat(SLOT_WORD_BYTES_MAX + 1);
    for (name, value) in [
        ("format", "2"),
        ("board", ""),
        ("board", "qemu virt"),
        ("board", &longer),
        ("version", "0.2.0-rc1"),
        ("oldest", ""),
        ("bytes", "1a01"),
        ("bytes", "0x1a00"),
        ("bytes", "1A00"),
        ("bytes", ""),
        ("bytes", "+1a00"),
        ("bytes", "10000000000000000"),
        ("bytes", "2000200"),
        ("kernel_crc", "112345678"),
    ] {
        let expected = format!("{name} of the slot's header cannot be what it says");
        assert_eq!(refused(&[(name, Some(value))]), expected, "{value}");
    }
}

#[test]
fn sections_are_within_the_slot_and_apart() {
    for (name, value, section) in [
        ("kernel_block", "7", "kernel"),
        ("kernel_block", "9", "initrd"),
        ("kernel_block", "ffffffffffffffff", "kernel"),
        ("kernel_blocks", "1", "kernel"),
        ("kernel_blocks", "3", "kernel"),
        ("kernel_bytes", "0", "kernel"),
        ("initrd_block", "b", "dtb"),
        ("dtb_block", "c", "dtb"),
        ("bytes", "1800", "dtb"),
        ("bytes", "0", "kernel"),
    ] {
        let expected = format!("the {section} is not at a place within the slot");
        assert_eq!(refused(&[(name, Some(value))]), expected, "{name} {value}");
    }
}

#[test]
fn both_checksums_of_a_section_are_the_same() {
    for at in 0xfc0..0xfd8 {
        let mut bad = block(&[]);
        bad[at] ^= 1;
        let error = SlotHeader::read(&signed(bad)).expect_err("two checksums");
        assert!(matches!(error, SlotError::Checksums(_)), "{at}: {error}");
    }
}

#[test]
fn text_ends_before_the_checksums() {
    let plain = SlotHeader::read(&block(&[]));
    plain.expect("good");
    let text_bytes = Environment::read(&block(&[])).expect("good").text_bytes();
    // `later=` and the zero byte take seven.
    let room = SLOT_TEXT_BYTES_MAX - text_bytes - 7;
    let at_the_bound = "x".repeat(room);
    SlotHeader::read(&block(&[("later", Some(&at_the_bound))])).expect("at the bound");
    let beyond = "x".repeat(room + 1);
    assert_eq!(
        refused(&[("later", Some(&beyond))]),
        "the slot's header has 4033 bytes of text, max 4032"
    );
}

#[test]
fn a_slot_and_its_other() {
    for slot in SlotName::ALL {
        assert_eq!(slot.other().other(), slot);
        assert_eq!(slot.to_string().parse(), Ok(slot));
        assert_eq!(slot.partition(), format!("slot{slot}"));
    }
    assert_eq!("a".parse::<SlotName>(), Err(NoSlotName));
}
