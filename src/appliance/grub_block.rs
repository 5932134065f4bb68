//! A state block as GRUB writes it: a cpio archive (newc) of one file `state`, which is GRUB's
//! environment block: a line of its own, then lines `name=value`, then `#` to the end.
//!
//! An archive, as GRUB writes into files alone, and knows where those of an archive lie. It writes
//! no checksum. A write that was cut off is told by two variables instead, the first and the last
//! of the block: they have the same number, which each write changes to one that neither of them
//! has. What was cut off has two different ones. A sector that a disk changes by itself is found by
//! the disk's own checksum, or not at all.
//!
//! Reading is bounded by the block's length; of several variables of a name the last counts, as for
//! GRUB.

use crate::limits::{SLOT_WHY_BYTES_MAX, STATE_BLOCK_BYTES};

use super::boot_order::{BootOrder, StateBlock};

/// The archive up to the file's content: magic, inode, mode of a file, user, group, one link, time,
/// length in hexadecimal, two devices twice, the name's length, no checksum, and the name.
const HEAD: &[u8; 116] = b"07070100000000000081a400000000000000000000000100000000\
    0000018c000000000000000000000000000000000000000600000000state\0";
/// What GRUB knows its environment block by.
const SIGNATURE: &[u8; 25] = b"# GRUB Environment Block\n";
const BEGUN: &str = "WRITE_BEGUN";
const ENDED: &str = "WRITE_ENDED";

const _: () = assert!(HEAD.len() + 0x18c == STATE_BLOCK_BYTES, "the file reaches to the end");
// WRITE_BEGUN=1 and WRITE_ENDED, BOOT_ORDER=A B, BOOT_A_LEFT=3 and B, UPDATE=A,
// UPDATE_PLAYED=4294967295, WHY_A= and WHY_B=, a line each.
const _: () = assert!(
    116 + 25 + 2 * 14 + 15 + 2 * 14 + 9 + 25 + 2 * (7 + SLOT_WHY_BYTES_MAX) <= STATE_BLOCK_BYTES,
    "a state block holds two reasons of any length"
);

/// Reads a block; `None` when it is not whole.
pub(super) fn read(block: &StateBlock) -> Option<BootOrder> {
    let content = block.strip_prefix(HEAD)?.strip_prefix(SIGNATURE)?;
    let begun = value(content, BEGUN)?;
    let is_whole = !begun.is_empty() && value(content, ENDED) == Some(begun);
    is_whole.then(|| BootOrder::of_variables(|name| value(content, name)))
}

/// The block that says `order`, to be written over `held`: the same bytes if that says it already.
pub(super) fn block(order: &BootOrder, held: Option<&StateBlock>) -> StateBlock {
    let content = held.map_or(&[][..], |held| &held[HEAD.len() + SIGNATURE.len()..]);
    let numbers = [value(content, BEGUN), value(content, ENDED)];
    let is_free = |number: &&str| !numbers.contains(&Some(number));
    let same = numbers[0].filter(|number| number.len() == 1).map(|number| filled(order, number));
    if let Some(same) = same
        && Some(&same) == held
    {
        return same;
    }
    filled(order, ["1", "2", "3"].into_iter().find(is_free).expect("one of three is not among two"))
}

/// The block that says `order`, written as the `number`th, which is one digit.
fn filled(order: &BootOrder, number: &str) -> StateBlock {
    let mut text = format!("{BEGUN}={number}\n");
    for (name, value) in order.variables() {
        text += &format!("{name}={value}\n");
    }
    text += &format!("{ENDED}={number}\n");
    let mut block = [b'#'; STATE_BLOCK_BYTES];
    let mut at = 0;
    for part in [&HEAD[..], SIGNATURE, text.as_bytes()] {
        block[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    block
}

/// Value of the last variable `name`, as GRUB finds it: in lines that do not begin with `#`, each
/// of which has an end.
fn value<'c>(content: &'c [u8], name: &str) -> Option<&'c str> {
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    let mut values = lines.filter_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value.strip_suffix(b"\n")?).ok()
    });
    values.next_back()
}

#[cfg(test)]
mod tests {
    use super::super::slot::SlotName::{A, B};
    use super::*;

    fn text(block: &StateBlock) -> String {
        let content = &block[HEAD.len() + SIGNATURE.len()..];
        String::from_utf8_lossy(content).trim_end_matches('#').replace('\n', "; ")
    }

    /// What `scripts/image` makes, and `cpio` and `grub-editenv` read.
    #[test]
    fn a_fresh_block_is_that_of_an_image() {
        let block = block(&BootOrder::default(), None);
        let image = include_bytes!("../../tests/data/boot/grub-state");
        assert_eq!(String::from_utf8_lossy(&block), String::from_utf8_lossy(image));
        assert_eq!(read(image), Some(BootOrder::default()));
    }

    /// What GRUB 2.06 wrote under AAVMF when it gave slot B up.
    #[test]
    fn what_grub_wrote_is_read() {
        let order = read(include_bytes!("../../tests/data/boot/grub-state-given-up"));
        let order = order.expect("whole");
        assert_eq!((order.order(), order.tries_left(B)), ([B, A], 0));
        assert_eq!(order.why(B), Some("kernel-crc"));
        assert_eq!(order.update().map(|update| update.slot), Some(B));
    }

    #[test]
    fn each_write_has_a_number_that_is_not_there_and_the_same_is_not_written() {
        let order = BootOrder::default();
        let first = block(&order, None);
        assert!(text(&first).starts_with("WRITE_BEGUN=1; BOOT_ORDER=A B; BOOT_A_LEFT=3; "));
        assert!(text(&first).ends_with("UPDATE=; UPDATE_PLAYED=; WHY_A=; WHY_B=; WRITE_ENDED=1; "));
        assert_eq!(block(&order, Some(&first)), first);
        let changed = order.give_up(B, "kernel-crc");
        let second = block(&changed, Some(&first));
        assert!(text(&second).contains("WHY_B=kernel-crc; WRITE_ENDED=2; "), "{}", text(&second));
        // The beginning of the second before the end of the first.
        let mut torn = second;
        torn[160..].copy_from_slice(&first[160..]);
        assert_eq!(read(&torn), None);
        let third = block(&changed, Some(&torn));
        assert!(text(&third).starts_with("WRITE_BEGUN=3; "), "{}", text(&third));
        assert_eq!(read(&third), Some(changed));
    }

    #[test]
    fn what_is_no_whole_block_is_refused() {
        let good = block(&BootOrder::default(), None);
        for at in 0..HEAD.len() + SIGNATURE.len() {
            let mut bad = good;
            bad[at] ^= 1;
            assert_eq!(read(&bad), None, "{at}");
        }
        let replaced = |from: &str, to: &str| {
            let text = String::from_utf8_lossy(&good).replace(from, to);
            let mut block = [b'#'; STATE_BLOCK_BYTES];
            let count = text.len().min(STATE_BLOCK_BYTES);
            block[..count].copy_from_slice(&text.as_bytes()[..count]);
            read(&block)
        };
        assert_eq!(replaced("", ""), Some(BootOrder::default()));
        assert_eq!(replaced("WRITE_ENDED=1", "WRITE_ENDED=2"), None);
        assert_eq!(replaced("WRITE_ENDED=1\n", "WRITE_ENDED=1"), None);
        assert_eq!(replaced("WRITE_ENDED=1", "#WRITE_ENDED=1"), None);
        assert_eq!(replaced("WRITE_BEGUN=1\n", ""), None);
        assert_eq!(replaced("=1\n", "=\n"), None);
        // The last of a name counts, for GRUB as well.
        assert_eq!(replaced("=1\n#", "=1\nWRITE_ENDED=2\n#"), None);
        let tired = replaced("=1\n#", "=1\nBOOT_A_LEFT=0\n#").expect("whole");
        assert_eq!(tired.tries_left(A), 0);
    }

    #[test]
    fn the_longest_reasons_fit() {
        let longest = "x".repeat(SLOT_WHY_BYTES_MAX);
        let order = BootOrder::default()
            .give_up(A, &longest)
            .give_up(B, &longest)
            .finish_update(B, u32::MAX)
            .give_up(A, &longest);
        assert_eq!(read(&block(&order, None)), Some(order));
    }
}
