//! Tells the binary which commit it was built from, and tests which memory profile it has. Has the
//! linker write a build id, which not every linker does unasked.

use std::path::Path;
use std::process::Command;

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
    println!("cargo::rerun-if-env-changed=WEIR_PROFILE");
    println!("cargo::rerun-if-env-changed=WEIR_SERIAL_BAUD");
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    println!("cargo::rustc-env=WEIR_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    let profile = std::env::var("WEIR_PROFILE").unwrap_or_default();
    println!("cargo::rustc-check-cfg=cfg(weir_profile, values(any()))");
    println!("cargo::rustc-link-arg=-Wl,--build-id=sha1");
    // A static program that may lie anywhere has 200 KiB of relocations, read at start and resident
    // from then on; packed they take 3. The C library has to know them: glibc does since 2.36.
    let is_static =
        std::env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.contains("crt-static"));
    let is_x86_64 = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    if is_static && is_x86_64 {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    println!("cargo::rustc-cfg=weir_profile=\"{profile}\"");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
