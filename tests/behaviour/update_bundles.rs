//! Slots and update bundles as `scripts/slot`, minisign and tar make them, installed into files
//! that stand for partitions; and what libubootenv reads and writes of them.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use weir::appliance::boot_order::BootOrder;
use weir::appliance::bundle::{UpdateTarget, install};
use weir::appliance::install_error::InstallError;
use weir::appliance::manifest::{Manifest, UpdateKey};
use weir::appliance::slot::{SlotHeader, SlotName};
use weir::appliance::state_blocks::StateBlocks;
use weir::appliance::state_format::StateFormat;

const PARTITION_BYTES: usize = 10 << 20;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of its own, gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("weir-updates-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a writable folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file");
        path
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program).args(arguments).current_dir(&self.0).output().expect("it runs")
    }

    /// Runs a program that has to succeed, and returns what it printed.
    fn succeed(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Output {
        let path = repository().join("scripts").join(name);
        self.run(path.to_str().expect("UTF-8"), arguments)
    }

    /// Makes `slot.img` of a kernel, an initramfs and a device tree of so many bytes.
    fn slot(&self, version: &str, kernel_bytes: usize) -> Output {
        let noise = |seed: u32, bytes: usize| -> Vec<u8> {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            (0..bytes).map(|_| next()).collect()
        };
        self.write("kernel.gz", &[&[0x1f, 0x8b][..], &noise(1, kernel_bytes - 2)].concat());
        self.write("initrd", &noise(2, 150_001));
        self.write("board.dtb", &[&[0xd0, 0x0d, 0xfe, 0xed][..], &noise(3, 1020)].concat());
        self.script(
            "slot",
            &[
                &["--board", "test-board", "--version", version, "--build", "0123456789ab"][..],
                &[
                    "--load",
                    "46000000",
                    "--oldest",
                    "0.1.0",
                    "--kernel",
                    "kernel.gz",
                    "--initrd",
                    "initrd",
                ],
                &["--dtb", "board.dtb", "--slot-bytes", "10485760", "--output", "slot.img"],
            ]
            .concat(),
        )
    }

    fn bundle(&self, key: &str, output: &str) -> Vec<u8> {
        let made = self.script("bundle", &["--slot", "slot.img", "--key", key, "--output", output]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::read(self.path(output)).expect("a bundle")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn test_key(end: &str) -> String {
    let path = repository().join("tests/data/update").join(format!("test-key.{end}"));
    path.to_str().expect("UTF-8").to_owned()
}

/// Files that stand for the partitions of a box whose slot A runs.
struct Partitions<'f> {
    folder: &'f Folder,
    state: StateBlocks,
    standby: File,
}

impl<'f> Partitions<'f> {
    fn new(folder: &'f Folder) -> Self {
        let open = |name: &str, bytes: &[u8]| {
            let path = folder.write(name, bytes);
            OpenOptions::new().read(true).write(true).open(path).expect("there")
        };
        drop(open("slotA", &vec![0xa0; PARTITION_BYTES]));
        let standby = open("slotB", &vec![0xb0; PARTITION_BYTES]);
        let state = StateBlocks::new(
            StateFormat::UBoot,
            [open("state0", &[0; 4096]), open("state1", &[0; 4096])],
        );
        Self { folder, state, standby }
    }

    fn install(&self, mut bundle: &[u8]) -> Result<(Manifest, BootOrder), InstallError> {
        let key = fs::read_to_string(test_key("pub")).expect("a key");
        let target = UpdateTarget {
            board: "test-board",
            oldest: "0.1.0".parse().expect("a version"),
            key: &UpdateKey::read(&key).expect("a key"),
            running: SlotName::A,
            standby: &self.standby,
            state: &self.state,
            played: 2,
        };
        let bytes = bundle.len() as u64;
        install(&mut bundle, bytes, &target, &mut |_| ())
    }

    fn bytes(&self) -> [Vec<u8>; 4] {
        ["slotA", "slotB", "state0", "state1"]
            .map(|name| fs::read(self.folder.path(name)).expect("there"))
    }

    fn refused(&self, bundle: &[u8]) -> String {
        let before = self.bytes();
        let result = self.install(bundle);
        assert!(self.bytes() == before, "something was changed");
        let Err(InstallError::Refused(refusal)) = result else { panic!("{result:?}") };
        refusal.to_string()
    }
}

#[test]
fn a_slot_of_the_script_is_read_and_its_sections_are_where_it_says() {
    let folder = Folder::new("slot");
    let made = folder.slot("0.2.0", 200_003);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let image = fs::read(folder.path("slot.img")).expect("an image");
    let slot = File::open(folder.path("slot.img")).expect("an image");
    let header = SlotHeader::of(&slot).expect("a header");
    assert_eq!((&*header.board, &*header.build), ("test-board", "0123456789ab"));
    assert_eq!(header.version.to_string(), "0.2.0");
    assert_eq!(header.oldest.to_string(), "0.1.0");
    assert_eq!(header.bytes, image.len() as u64);
    for (section, name) in [
        (header.kernel, "kernel.gz"),
        (header.initrd, "initrd"),
        (header.dtb.expect("a device tree"), "board.dtb"),
    ] {
        let at = usize::try_from(512 * section.block).expect("small");
        let bytes = usize::try_from(section.bytes).expect("small");
        let content = fs::read(folder.path(name)).expect("there");
        assert!(image[at..at + bytes] == content, "{name}");
        assert_eq!(section.crc, crc32fast::hash(&content), "{name}");
    }
    folder.slot("0.2.0", 200_003);
    assert!(fs::read(folder.path("slot.img")).expect("again") == image, "the same bytes");
    let line = format!("{} 0x0 0x1000\n", folder.path("slot.img").display());
    folder.write("fw_env.config", line.as_bytes());
    let printed = folder.succeed("fw_printenv", &["-c", "fw_env.config"]);
    let kernel = format!("kernel_crc={:x}", header.kernel.crc);
    assert!(printed.lines().any(|line| line == kernel), "{printed}");
}

#[test]
fn a_slot_larger_than_its_partition_is_not_made() {
    let folder = Folder::new("large");
    let made = folder.slot("0.2.0", 10_400_000);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(!made.status.success());
    assert!(said.contains(", max 10485760"), "{said}");
    assert!(!folder.path("slot.img").exists());
}

#[test]
fn a_bundle_of_the_script_is_installed_and_is_checked_by_hand() {
    let folder = Folder::new("bundle");
    folder.slot("0.2.0", 9_000_000);
    let bundle = folder.bundle(&test_key("secret"), "a.weirbundle");
    assert!(folder.bundle(&test_key("secret"), "b.weirbundle") == bundle, "the same bytes");
    let partitions = Partitions::new(&folder);
    let (manifest, order) = partitions.install(&bundle).expect("good");
    assert_eq!(manifest.version.to_string(), "0.2.0");
    assert_eq!(order.order(), [SlotName::B, SlotName::A]);
    let image = fs::read(folder.path("slot.img")).expect("an image");
    assert!(partitions.bytes()[1][..image.len()] == image);

    folder.succeed("mkdir", &["out"]);
    let names = folder.succeed("tar", &["--extract", "-v", "-f", "a.weirbundle", "-C", "out"]);
    assert_eq!(names, "manifest.toml\nmanifest.toml.minisig\nslot.img\n");
    let public = test_key("pub");
    let said = folder.succeed("minisign", &["-V", "-H", "-p", &public, "-m", "out/manifest.toml"]);
    assert!(said.contains("weir 0.2.0 for test-board, build 0123456789ab"), "{said}");
    let sum = folder.succeed("sha256sum", &["out/slot.img"]);
    let text = fs::read_to_string(folder.path("out/manifest.toml")).expect("a manifest");
    assert!(text.contains(&sum[..64]), "{text}");
}

#[test]
fn bundles_that_are_refused_change_no_byte_of_either_slot() {
    let folder = Folder::new("refused");
    let partitions = Partitions::new(&folder);
    folder.slot("0.2.0", 200_000);
    folder.succeed("minisign", &["-G", "-W", "-p", "foreign.pub", "-s", "foreign.secret"]);
    let foreign = folder.bundle("foreign.secret", "foreign.weirbundle");
    let said = partitions.refused(&foreign);
    assert!(said.ends_with("it is signed by another key than this box knows"), "{said}");
    let good = folder.bundle(&test_key("secret"), "good.weirbundle");
    for part in 0..20 {
        partitions.refused(&good[..part * good.len() / 20]);
    }
    folder.slot("0.0.9", 200_000);
    let said = partitions.refused(&folder.bundle(&test_key("secret"), "old.weirbundle"));
    assert!(said.starts_with("the update has version 0.0.9, and 0.1.0 is the oldest"), "{said}");
    // What tar makes on its own: without the signature, in another order, in another format.
    folder.succeed("tar", &["-xf", "good.weirbundle"]);
    let by_hand: [(&[&str], &str); 3] = [
        (&["--format=ustar", "-b1", "manifest.toml", "slot.img"], "the update is not signed"),
        (&["--format=ustar", "-b1", "slot.img", "manifest.toml"], "this is no update of weir's"),
        (&["--format=gnu", "manifest.toml", "slot.img"], "this is no update of weir's"),
    ];
    for (arguments, expected) in by_hand {
        folder.succeed("tar", &[&["-cf", "hand.weirbundle"][..], arguments].concat());
        let bundle = fs::read(folder.path("hand.weirbundle")).expect("a bundle");
        let said = partitions.refused(&bundle);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn a_signed_manifest_that_is_not_of_its_slot_leaves_it_closed() {
    let folder = Folder::new("lying");
    let partitions = Partitions::new(&folder);
    folder.slot("0.2.0", 200_000);
    folder.bundle(&test_key("secret"), "good.weirbundle");
    folder.succeed("tar", &["-xf", "good.weirbundle"]);
    let text = fs::read_to_string(folder.path("manifest.toml")).expect("a manifest");
    folder.write("manifest.toml", text.replace("0.2.0", "0.3.0").as_bytes());
    let secret = test_key("secret");
    folder.succeed("minisign", &["-S", "-s", &secret, "-m", "manifest.toml"]);
    let entries = ["manifest.toml", "manifest.toml.minisig", "slot.img"];
    let archive = ["--format=ustar", "-b1", "-cf", "lying.weirbundle"];
    folder.succeed("tar", &[&archive[..], &entries].concat());
    let lying = fs::read(folder.path("lying.weirbundle")).expect("a bundle");
    let failure = partitions.install(&lying).expect_err("not of its slot");
    assert!(matches!(failure, InstallError::Failed(_)));
    assert_eq!(failure.to_string(), "the update's slot is not the one of its manifest");
    let order = partitions.state.load();
    assert_eq!((order.order()[0], order.tries_left(SlotName::B)), (SlotName::A, 0));
}

#[test]
fn libubootenv_reads_what_is_stored_and_its_changes_are_read() {
    let folder = Folder::new("environment");
    let partitions = Partitions::new(&folder);
    let order = BootOrder::default().begin_update(SlotName::A).finish_update(SlotName::A, 16);
    let order = order.give_up(SlotName::B, "kernel-crc");
    partitions.state.store(&order).expect("stored");
    let config = |copy: &str| {
        let line = format!("{} 0x0 0x200\n", folder.path(copy).display());
        folder.write("fw_env.config", line.as_bytes());
    };
    let expected = "BOOT_A_LEFT=3\nBOOT_B_LEFT=0\nBOOT_ORDER=A B\nUPDATE=B\nUPDATE_PLAYED=16\n\
                    WHY_B=kernel-crc\n";
    for copy in ["state0", "state1"] {
        config(copy);
        let printed = folder.succeed("fw_printenv", &["-c", "fw_env.config"]);
        let mut lines: Vec<&str> = printed.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines.join("\n") + "\n", expected);
    }
    // The copy that counts.
    config("state0");
    let set = |name: &str, value: &str| {
        folder.succeed("fw_setenv", &["-c", "fw_env.config", name, value]);
    };
    set("BOOT_ORDER", "B A");
    set("BOOT_B_LEFT", "2");
    set("UPDATE", "");
    set("WHY_A", "initrd-crc");
    let order = partitions.state.load();
    assert_eq!(order.order(), [SlotName::B, SlotName::A]);
    assert_eq!((order.tries_left(SlotName::A), order.tries_left(SlotName::B)), (3, 2));
    assert_eq!((order.update(), order.why(SlotName::A)), (None, Some("initrd-crc")));
}
