//! Bundles that are good and all that can be wrong with one, with the bytes of both slots compared.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use super::super::state_format::StateFormat;
use super::*;

const KEY: &str = include_str!("../../../tests/data/update/test-key.pub");
const OTHER_KEY: &str = include_str!("../../../tests/data/update/foreign-key.pub");
const SIGNED: &[u8] = include_bytes!("../../../tests/data/update/manifest.toml");
const ITS_SIGNATURE: &[u8] = include_bytes!("../../../tests/data/update/manifest.toml.minisig");
const FOREIGN: &[u8] = include_bytes!("../../../tests/data/update/foreign.minisig");
/// What `scripts/slot` made.
const IMAGE: &[u8] = include_bytes!("../../../tests/data/update/slot.img");

const PARTITION_BYTES: usize = 16 * 1024;
/// What stands behind the slot.
const END_BYTES: usize = 1024;

fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [&ustar::written(name, content.len()), content, &padding].concat()
}

fn bundle_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(name, content)| entry(name, content));
    entries.chain([0; END_BYTES]).collect()
}

fn bundle() -> Vec<u8> {
    bundle_of(&[(MANIFEST, SIGNED), (SIGNATURE, ITS_SIGNATURE), (SLOT, IMAGE)])
}

/// A disk of files that stand for partitions, gone with the value.
struct Disk {
    folder: PathBuf,
    state: StateBlocks,
    standby: File,
}

impl Disk {
    fn new(name: &str) -> Self {
        Self::with(name, PARTITION_BYTES)
    }

    fn with(name: &str, partition_bytes: usize) -> Self {
        let name = format!("weir-bundle-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a writable folder");
        let open = |name: &str, bytes: Vec<u8>| {
            let path = folder.join(name);
            fs::write(&path, bytes).expect("a file");
            OpenOptions::new().read(true).write(true).open(path).expect("there")
        };
        let standby = open("slotB", vec![0xb0; partition_bytes]);
        drop(open("slotA", vec![0xa0; partition_bytes]));
        let state = StateBlocks::new(
            StateFormat::UBoot,
            [open("state0", vec![0; 4096]), open("state1", vec![0; 4096])],
        );
        state.store(&BootOrder::default()).expect("stored");
        Self { folder, state, standby }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn bytes(&self) -> [Vec<u8>; 4] {
        ["slotA", "slotB", "state0", "state1"].map(|name| fs::read(self.path(name)).expect("there"))
    }

    fn install(&self, mut bundle: &[u8]) -> Result<(Manifest, BootOrder), InstallError> {
        let bytes = bundle.len() as u64;
        self.install_as(&mut bundle, bytes, "test-board", "0.1.0", KEY)
    }

    fn install_as(
        &self,
        source: &mut impl Read,
        bytes: u64,
        board: &str,
        oldest: &str,
        key: &str,
    ) -> Result<(Manifest, BootOrder), InstallError> {
        let key = UpdateKey::read(key).expect("a key");
        install(source, bytes, &self.target(board, oldest, &key), &mut |_| ())
    }

    fn target<'t>(&'t self, board: &'t str, oldest: &str, key: &'t UpdateKey) -> UpdateTarget<'t> {
        UpdateTarget {
            board,
            oldest: oldest.parse().expect("a version"),
            key,
            running: SlotName::A,
            standby: &self.standby,
            state: &self.state,
            played: 16,
        }
    }

    /// Asserts that what failed has left the standby slot closed, everything else as it was, and
    /// returns what was said.
    fn failed(
        self,
        result: Result<(Manifest, BootOrder), InstallError>,
        before: &[Vec<u8>; 4],
    ) -> String {
        let Err(InstallError::Failed(failure)) = result else { panic!("{result:?}") };
        let order = self.state.load();
        assert_eq!(order, BootOrder::default().begin_update(SlotName::A));
        assert_eq!((order.order()[0], order.tries_left(SlotName::B)), (SlotName::A, 0));
        assert_eq!(self.bytes()[0], before[0], "the running slot");
        failure.to_string()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Asserts that a bundle is refused and that no byte of the disk is another one; returns why.
fn refused(disk: &Disk, bundle: &[u8]) -> String {
    let before = disk.bytes();
    let result = disk.install(bundle);
    assert!(disk.bytes() == before, "something was changed");
    let Err(InstallError::Refused(refusal)) = result else { panic!("{result:?}") };
    refusal.to_string()
}

#[test]
fn a_good_bundle_is_in_the_standby_slot_and_started_next() {
    let disk = Disk::new("good");
    let before = disk.bytes();
    let (manifest, order) = disk.install(&bundle()).expect("good");
    assert_eq!(manifest.version.to_string(), "0.2.0");
    assert_eq!(order, BootOrder::default().finish_update(SlotName::A, 16));
    assert_eq!(disk.state.load(), order);
    let after = disk.bytes();
    assert!(after[0] == before[0], "the running slot");
    assert!(
        after[1][..IMAGE.len()] == *IMAGE && after[1][IMAGE.len()..] == before[1][IMAGE.len()..]
    );
    let header = SlotHeader::of(&disk.standby).expect("whole");
    assert_eq!((&*header.board, header.bytes), ("test-board", IMAGE.len() as u64));
}

#[test]
fn more_than_the_bundle_is_not_read() {
    let disk = Disk::new("behind");
    let bundle = bundle();
    let longer = [&bundle[..], b"next"].concat();
    let mut source = &longer[..];
    let bytes = bundle.len() as u64;
    disk.install_as(&mut source, bytes, "test-board", "0.1.0", KEY).expect("good");
    assert_eq!(source, b"next");
}

#[test]
fn progress_goes_from_the_first_piece_to_the_end() {
    let disk = Disk::new("progress");
    let bundle = bundle();
    let key = UpdateKey::read(KEY).expect("a key");
    let target = disk.target("test-board", "0.2.0", &key);
    let mut told = Vec::new();
    let progress = &mut |made| told.push(made);
    install(&mut &bundle[..], bundle.len() as u64, &target, progress).expect("good");
    let bytes = IMAGE.len() as u64;
    let of = 2 * bytes;
    assert_eq!(told, [UpdateProgress { bytes, of }, UpdateProgress { bytes: of, of }]);
}

#[test]
fn what_is_not_for_this_box_changes_nothing() {
    let disk = Disk::new("foreign");
    let unsigned = bundle_of(&[(MANIFEST, SIGNED), (SLOT, IMAGE)]);
    assert_eq!(
        refused(&disk, &unsigned),
        "the update is not signed: slot.img is in the place of the signature"
    );
    let foreign = bundle_of(&[(MANIFEST, SIGNED), (SIGNATURE, FOREIGN), (SLOT, IMAGE)]);
    assert_eq!(
        refused(&disk, &foreign),
        "the update is refused: it is signed by another key than this box knows"
    );
    assert_eq!(refused(&disk, b""), "this is no update of weir's: it ends early");
    assert_eq!(
        refused(&disk, &[7; 4096]),
        "this is no update of weir's: manifest.toml is not at its place in it"
    );
    let bundle = bundle();
    for (board, oldest, key, said) in [
        ("rock64", "0.1.0", KEY, "the update is for the board test-board, and this is a rock64"),
        (
            "test-board",
            "0.2.1",
            KEY,
            "the update has version 0.2.0, and 0.2.1 is the oldest that may follow what runs",
        ),
        (
            "test-board",
            "0.1.0",
            OTHER_KEY,
            "the update is refused: it is signed by another key than this box knows",
        ),
    ] {
        let before = disk.bytes();
        let bytes = bundle.len() as u64;
        let error = disk.install_as(&mut &bundle[..], bytes, board, oldest, key);
        assert!(disk.bytes() == before, "something was changed");
        assert_eq!(error.expect_err("refused").to_string(), said);
    }
}

#[test]
fn what_is_larger_than_the_slot_changes_nothing() {
    refused(&Disk::with("small", IMAGE.len() - 512), &bundle());
    let said = refused(&Disk::with("smaller", 4096), &bundle());
    let expected = format!("the update's slot has {} bytes, and this box's have 4096", IMAGE.len());
    assert_eq!(said, expected);
    Disk::with("exact", IMAGE.len()).install(&bundle()).expect("it fits exactly");
}

#[test]
fn a_cut_off_or_longer_file_changes_nothing() {
    let disk = Disk::new("cut");
    let bundle = bundle();
    // At every length that is a round twentieth, and around each border between parts.
    let twentieths = (0..20).map(|part| part * bundle.len() / 20);
    let borders = (512..bundle.len()).step_by(512).flat_map(|at| [at - 1, at, at + 1]);
    for length in twentieths.chain(borders).filter(|length| *length < bundle.len()) {
        refused(&disk, &bundle[..length]);
    }
    let longer = [&bundle[..], &[0; 512]].concat();
    let said = refused(&disk, &longer);
    let expected =
        format!("the update has {} bytes, and by its manifest {}", longer.len(), bundle.len());
    assert_eq!(said, expected);
    let lying = bundle_of(&[(MANIFEST, SIGNED), (SIGNATURE, ITS_SIGNATURE), (SLOT, &IMAGE[512..])]);
    refused(&disk, &lying);
}

/// The part of a bundle before the slot.
fn head_bytes() -> usize {
    bundle().len() - IMAGE.len() - END_BYTES
}

#[test]
fn a_flipped_byte_before_the_slot_changes_nothing() {
    let disk = Disk::new("head");
    let good = bundle();
    // The signature's first comment is not trusted: minisign itself does not look at it.
    let signature = 1024 + SIGNED.len().next_multiple_of(512);
    let comment = ITS_SIGNATURE.iter().position(|byte| *byte == b'\n').expect("a line");
    let untrusted = signature..signature + comment;
    for at in (0..head_bytes()).step_by(3).filter(|at| !untrusted.contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        refused(&disk, &bad);
    }
}

#[test]
fn a_flipped_byte_in_the_slot_or_behind_it_leaves_the_slot_closed() {
    let good = bundle();
    let (slot, end) = (head_bytes(), good.len());
    let places = (slot..end).step_by(397).chain([slot, end - 1024, end - 1]);
    for at in places {
        let disk = Disk::new("slot");
        let before = disk.bytes();
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        let result = disk.install(&bad);
        let said = disk.failed(result, &before);
        let expected = if at < end - 1024 {
            "the update is damaged: it has not the hash of its manifest"
        } else {
            "the update was not received whole: there is something between its entries"
        };
        assert_eq!(said, expected, "{at}");
    }
}

/// Gives so many bytes of a bundle, and then no more.
struct Cut<'b>(&'b [u8]);

impl Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_connection_that_breaks_within_the_slot_leaves_it_closed() {
    let bundle = bundle();
    for length in (head_bytes()..bundle.len()).step_by(997) {
        let disk = Disk::new("broken");
        let before = disk.bytes();
        let bytes = bundle.len() as u64;
        let mut source = Cut(&bundle[..length]);
        let result = disk.install_as(&mut source, bytes, "test-board", "0.1.0", KEY);
        let said = disk.failed(result, &before);
        assert!(said.starts_with("the update was not received whole: "), "{said}");
    }
}

#[test]
fn an_interrupted_update_is_made_up_for_by_the_next() {
    let disk = Disk::new("again");
    let mut bad = bundle();
    let at = head_bytes() + 100;
    bad[at] ^= 1;
    disk.install(&bad).expect_err("damaged");
    let (_, order) = disk.install(&bundle()).expect("good");
    assert_eq!(order, BootOrder::default().finish_update(SlotName::A, 16));
}

#[test]
fn what_the_disk_does_not_keep_is_not_started() {
    let disk = Disk::new("worn");
    let before = disk.bytes();
    let bundle = bundle();
    let key = UpdateKey::read(KEY).expect("a key");
    let target = disk.target("test-board", "0.1.0", &key);
    let other = OpenOptions::new().write(true).open(disk.path("slotB")).expect("there");
    // When the last piece is written, and before it is read back.
    let mut flip = |made: UpdateProgress| {
        if 2 * made.bytes == made.of {
            other.write_all_at(&[0xff], IMAGE.len() as u64 - 1).expect("written");
        }
    };
    let result = install(&mut &bundle[..], bundle.len() as u64, &target, &mut flip);
    let said = disk.failed(result, &before);
    assert!(said.starts_with("the disk does not hold what was written"), "{said}");
}

#[test]
fn an_update_on_trial_keeps_the_slot_it_may_need() {
    let disk = Disk::new("trial");
    // Slot B was running when A was updated, and A runs now.
    let order = BootOrder::default().finish_update(SlotName::B, 3);
    disk.state.store(&order).expect("stored");
    let said = refused(&disk, &bundle());
    assert!(said.starts_with("the last update, in slot A, is still on trial"), "{said}");
    disk.state.store(&order.made_good(SlotName::A)).expect("stored");
    disk.install(&bundle()).expect("good");
}

#[test]
fn a_partition_that_refuses_the_write_leaves_the_slot_closed() {
    let mut disk = Disk::new("read-only");
    disk.standby = File::open(disk.path("slotB")).expect("there");
    let before = disk.bytes();
    let result = disk.install(&bundle());
    let said = disk.failed(result, &before);
    assert!(said.starts_with("the other slot cannot be written: "), "{said}");
}
