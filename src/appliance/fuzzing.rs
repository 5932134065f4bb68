//! Fuzzing of what an appliance reads from disks and files, see [`crate::fuzzing`].

use std::io::{self, Read};

use crate::fuzzing::Tape;
use crate::limits::{
    SLOT_BLOCK_BYTES, SLOT_BYTES_MAX, SLOT_HEADER_BYTES, SLOT_TEXT_BYTES_MAX, SLOT_TRIES_MAX,
    SLOT_WHY_BYTES_MAX, STATE_BLOCK_BYTES, UPDATE_MANIFEST_BYTES_MAX, UPDATE_SIGNATURE_BYTES_MAX,
};

use super::boot_order::BootOrder;
use super::bundle::BundleHead;
use super::environment::Environment;
use super::manifest::{Manifest, UpdateKey};
use super::slot::{SlotHeader, SlotName, is_word};
use super::state_format::StateFormat;
use super::ustar;

/// A key that signed one manifest of the corpora.
const KEY: &str = include_str!("../../tests/data/update/test-key.pub");
const SIGNED: &[u8] = include_bytes!("../../tests/data/update/manifest.toml");

/// A block of `N` bytes that begins as `data` does, with the right checksum.
fn block<const N: usize>(data: &[u8]) -> [u8; N] {
    let mut block = [0; N];
    let count = data.len().min(N - 4);
    block[4..4 + count].copy_from_slice(&data[..count]);
    with_checksum(block)
}

fn with_checksum<const N: usize>(mut block: [u8; N]) -> [u8; N] {
    let crc = crc32fast::hash(&block[4..]);
    block[..4].copy_from_slice(&crc.to_le_bytes());
    block
}

/// A state block: whatever its variables say, they are within bounds, are the same when written
/// and read again, and stay so through every transition.
pub fn environment_block(data: &[u8]) {
    grub_state(data);
    // As it comes: the checksum keeps nearly everything out.
    let _ = Environment::read(data);
    let block: [u8; STATE_BLOCK_BYTES] = block(data);
    let Ok(environment) = Environment::read(&block) else {
        assert_eq!(BootOrder::read(&block), None);
        return;
    };
    let mut written = [0xff; STATE_BLOCK_BYTES];
    environment.write(&mut written).expect("it came from as many bytes");
    let again = Environment::read(&written).expect("written by us");
    assert_eq!(again, environment);
    let order = BootOrder::read(&block).expect("the block is good");
    for slot in SlotName::ALL {
        check_order(&order);
        check_order(&order.clone().begin_update(slot));
        check_order(&order.clone().finish_update(slot, u32::MAX));
        check_order(&order.clone().made_good(slot));
        check_order(&order.clone().give_up(slot, &String::from_utf8_lossy(data)));
        let noticed = order.clone().noticed_rollback(slot, true);
        assert!(!noticed.was_rolled_back(slot));
        check_order(&noticed);
        if let Ok(back) = order.clone().roll_back(slot, true) {
            assert!(back.tries_left(slot.other()) > 0 && back.order()[0] == slot.other());
            check_order(&back);
        }
    }
}

/// A state block with this content, as GRUB has it: what it says is within bounds, and is the same
/// when written over it and read again.
fn grub_state(data: &[u8]) {
    let mut block = StateFormat::Grub.block(&BootOrder::default(), None);
    let begin = block.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let count = data.len().min(block.len() - begin);
    block[begin..begin + count].copy_from_slice(&data[..count]);
    if let Some(order) = StateFormat::Grub.read(&block) {
        check_order(&order);
        let written = StateFormat::Grub.block(&order, Some(&block));
        assert_eq!(StateFormat::Grub.read(&written), Some(order));
    }
}

fn check_order(order: &BootOrder) {
    for format in [StateFormat::UBoot, StateFormat::Grub] {
        assert_eq!(format.read(&format.block(order, None)).as_ref(), Some(order));
    }
    for slot in SlotName::ALL {
        assert!(order.tries_left(slot) <= SLOT_TRIES_MAX);
        let is_shown = |why: &str| {
            (1..=SLOT_WHY_BYTES_MAX).contains(&why.len())
                && why.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        assert!(order.why(slot).is_none_or(is_shown));
    }
}

/// A slot's header: what is accepted lies within the slot, each part behind the one before, and
/// its names can be shown.
pub fn slot_header(data: &[u8]) {
    let mut block: [u8; SLOT_HEADER_BYTES] = block(data);
    // The checksums behind the text, as the text has them.
    if let Ok(environment) = Environment::read(&block)
        && environment.text_bytes() <= SLOT_TEXT_BYTES_MAX
    {
        for (name, at) in [("kernel_crc", 0), ("initrd_crc", 8), ("dtb_crc", 16)] {
            let text = environment.value(name).unwrap_or_default();
            let crc = u32::from_str_radix(text, 16).unwrap_or_default();
            let at = SLOT_TEXT_BYTES_MAX + at;
            block[at..at + 4].copy_from_slice(&crc.to_be_bytes());
            block[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        }
    }
    let Ok(header) = SlotHeader::read(&with_checksum(block)) else { return };
    assert!(is_word(&header.board) && is_word(&header.build));
    assert!(header.bytes <= SLOT_BYTES_MAX);
    let mut sections: Vec<_> = [Some(header.kernel), Some(header.initrd), header.dtb].into();
    sections.sort_by_key(|section| section.map(|section| section.block));
    let mut end = SLOT_HEADER_BYTES as u64;
    for section in sections.into_iter().flatten() {
        assert!(section.block * SLOT_BLOCK_BYTES >= end && section.bytes > 0);
        assert!(section.bytes <= section.blocks * SLOT_BLOCK_BYTES);
        end = (section.block + section.blocks) * SLOT_BLOCK_BYTES;
    }
    assert!(end <= header.bytes);
}

/// The beginning of a bundle: the same however it is cut into reads, within its bounds, and read to
/// its end and no further. What was not signed is not accepted.
pub fn bundle_head(data: &[u8]) {
    if let Some((head, bytes)) = head(data) {
        let texts = [&head.manifest, &head.signature].map(|text| text.len() as u64);
        let expected: u64 = texts.map(ustar::entry_bytes).iter().sum();
        assert_eq!(bytes, expected + ustar::BLOCK_BYTES);
        check_manifest(&head);
    }
    // The same without the frame, which is hard to hit.
    let mut tape = Tape::new(data);
    let (manifest, signature) = (tape.record(), tape.rest());
    let framed = [
        &entry("manifest.toml", manifest)[..],
        &entry("manifest.toml.minisig", signature),
        &ustar::written("slot.img", 0),
    ]
    .concat();
    let is_within = manifest.len() <= UPDATE_MANIFEST_BYTES_MAX
        && signature.len() <= UPDATE_SIGNATURE_BYTES_MAX;
    let head = head(&framed).map(|(head, _)| head);
    assert_eq!(head.is_some(), is_within);
    if let Some(head) = head {
        assert_eq!((&head.manifest[..], &head.signature[..]), (manifest, signature));
        check_manifest(&head);
    }
}

fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [&ustar::written(name, content.len()), content, &padding].concat()
}

/// A head, and how many bytes it takes.
fn head(data: &[u8]) -> Option<(BundleHead, u64)> {
    let mut rest = data;
    let whole = BundleHead::read(&mut rest).ok();
    let mut bytes = Bytewise(data);
    let cut = BundleHead::read(&mut bytes).ok();
    let content =
        |head: &BundleHead| (head.manifest.clone(), head.signature.clone(), head.slot_bytes);
    assert_eq!(whole.as_ref().map(content), cut.as_ref().map(content));
    let whole = whole?;
    assert_eq!(rest.len(), bytes.0.len());
    Some((whole, (data.len() - rest.len()) as u64))
}

fn check_manifest(head: &BundleHead) {
    assert!(head.manifest.len() <= UPDATE_MANIFEST_BYTES_MAX);
    assert!(head.signature.len() <= UPDATE_SIGNATURE_BYTES_MAX);
    let key = UpdateKey::read(KEY).expect("a key");
    let is_signed = Manifest::signed(&head.manifest, &head.signature, &key).is_ok();
    assert!(!is_signed || head.manifest == SIGNED, "a signature was forged");
    if let Ok(manifest) = Manifest::read(&head.manifest) {
        assert!(is_word(&manifest.board) && is_word(&manifest.build));
        assert!((SLOT_HEADER_BYTES as u64..=SLOT_BYTES_MAX).contains(&manifest.slot_bytes));
    }
}

/// Gives one byte at each read.
struct Bytewise<'d>(&'d [u8]);

impl Read for Bytewise<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(1);
        self.0.read(&mut buffer[..count])
    }
}
