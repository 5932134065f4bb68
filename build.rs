//! Tells the binary which commit it was built from, and tests which memory profile it has;
//! compresses the pages for browsers that accept gzip. Has the linker write a build id, which not
//! every linker does by default.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

const PAGES: &str = "src/web/pages";

fn main() {
    // The reflog grows with each commit; a linked checkout has it elsewhere.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=memory-profiles");
    println!("cargo::rerun-if-changed={PAGES}");
    println!("cargo::rerun-if-env-changed=WEIR_PROFILE");
    println!("cargo::rerun-if-env-changed=WEIR_SERIAL_BAUD");
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    println!("cargo::rustc-env=WEIR_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    let profile = std::env::var("WEIR_PROFILE").unwrap_or_default();
    println!("cargo::rustc-check-cfg=cfg(weir_profile, values(any()))");
    println!("cargo::rustc-link-arg=-Wl,--build-id=sha1");
    // A static position-independent program has 200 KiB of relocations, read at start and resident
    // from then on; packed they take 3. The C library has to support them: glibc does since 2.36.
    let is_static =
        std::env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.contains("crt-static"));
    let is_x86_64 = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    if is_static && is_x86_64 {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    println!("cargo::rustc-cfg=weir_profile=\"{profile}\"");
    println!("cargo::rustc-env=WEIR_PAGES={:016x}", pack_pages());
}

/// Writes each page as gzip to `$OUT_DIR/pages`, without a time, so that the build is reproducible.
/// Returns an FNV-1a hash of all pages, which tells versions of the pages apart and protects
/// nothing.
fn pack_pages() -> u64 {
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo names it")).join("pages");
    fs::create_dir_all(&folder).expect("a writable folder");
    let entries = fs::read_dir(PAGES).expect("the pages");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a page").path()).collect();
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for file in files {
        let bytes = fs::read(&file).expect("a readable page");
        hash = bytes
            .iter()
            .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&bytes).expect("memory");
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let packed = packed.finish().expect("memory");
        fs::write(folder.join(format!("{name}.gz")), packed).expect("a writable folder");
    }
    hash
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
