//! Memory as documents and packaging have it: the README's tables and the service's limit.

use std::fs;
use std::process::Command;

use weir::limits::{
    BRIDGE_SOCKET_BYTES, CAMERA_RTCP_BUFFER_BYTES, CAMERA_SOCKET_BYTES, CAMERA_SOUND_BUFFER_BYTES,
    HTTP_PLACELESS_SOCKETS_MAX, HTTP_SOCKETS_MAX, PROFILE, Profile, TCP_BUFFER_BYTES,
};

use crate::sources::repository;

const TABLE_BEGIN: &str = "<!-- memory table -->";
const TABLE_END: &str = "<!-- /memory table -->";

/// The README is of the default profile. `UPDATE_README=1 cargo test --test tidy` writes it again.
#[test]
fn readme_has_the_memory_table() {
    // mio's sockets are larger with debug assertions, which no released program has.
    if cfg!(debug_assertions) {
        return;
    }
    if PROFILE.name != "edge-64" {
        return;
    }
    let output =
        Command::new(env!("CARGO_BIN_EXE_weir")).arg("memory").output().expect("weir runs");
    assert!(output.status.success());
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    let path = repository().join("README.md");
    let readme = fs::read_to_string(&path).expect("a README");
    let (before, rest) = readme.split_once(TABLE_BEGIN).expect("the table's begin");
    let (shown, after) = rest.split_once(TABLE_END).expect("the table's end");
    let expected = format!("\n```text\n{}\n```\n", table.trim_end());
    if std::env::var_os("UPDATE_README").is_some() {
        let fresh = format!("{before}{TABLE_BEGIN}{expected}{TABLE_END}{after}");
        fs::write(&path, fresh).expect("a writable README");
    } else {
        assert_eq!(shown, expected, "run UPDATE_README=1 cargo test --test tidy");
    }
}

/// What profiles differ in, as the README has it. The test profile is for tests alone.
#[test]
fn readme_has_the_memory_profiles() {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    const PROFILES: [Profile; 6] = [
        include!("../../memory-profiles/lean-64.rs"),
        include!("../../memory-profiles/edge-64.rs"),
        include!("../../memory-profiles/full-64.rs"),
        include!("../../memory-profiles/edge-256.rs"),
        include!("../../memory-profiles/lean-512.rs"),
        include!("../../memory-profiles/edge-512.rs"),
    ];
    let mut table = String::from(
        "| profile | cameras | sessions | ring chunks | total | `MemoryMax` |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    for profile in PROFILES {
        let Profile { name, cameras, sessions, ring_chunks, ring_chunk_bytes, total_bytes, .. } =
            profile;
        let (ring, total) = (ring_chunks * ring_chunk_bytes, total_bytes / MIB);
        let ring = format!("{}.{} MiB", ring / MIB, ring % MIB * 10 / MIB);
        let limit = memory_max_mib(&profile);
        table += &format!(
            "| `{name}` | {cameras} | {sessions} | {ring} | {total} MiB | {limit} MiB |\n"
        );
    }
    let readme = fs::read_to_string(repository().join("README.md")).expect("a README");
    assert!(readme.contains(&table), "the README lacks\n{table}");
}

/// The service's limit, as scripts/package works it out for any profile: the plan's total, the
/// media socket's buffers, those of each camera's connection and UDP sockets, of each bridge and of
/// each HTTP socket when all are full, 8 MiB for what else the kernel holds of the process.
fn memory_max_mib(profile: &Profile) -> usize {
    // The limits of HTTP sockets are those of the profile that this is built with.
    assert_eq!(profile.http_connections, PROFILE.http_connections, "{}", profile.name);
    let http = (4 * HTTP_SOCKETS_MAX + 2 * HTTP_PLACELESS_SOCKETS_MAX) * TCP_BUFFER_BYTES;
    let bridges = profile.bridged_cameras * BRIDGE_SOCKET_BYTES;
    let buffers = profile.camera_datagram_buffer_bytes + CAMERA_SOUND_BUFFER_BYTES;
    let datagrams = 2 * (buffers + 6 * CAMERA_RTCP_BUFFER_BYTES);
    let sockets = profile.cameras * (CAMERA_SOCKET_BYTES + datagrams) + bridges + http;
    let kernel = 2 * profile.udp_socket_buffer_bytes + sockets + (8 << 20);
    (profile.total_bytes + kernel).div_ceil(1 << 20)
}

#[test]
fn the_service_may_take_what_the_profile_says() {
    if PROFILE.name != "edge-64" {
        return;
    }
    let limit = format!("\nMemoryMax={}M\n", memory_max_mib(&PROFILE));
    let unit = fs::read_to_string(repository().join("packaging/weir.service")).expect("a unit");
    assert!(unit.contains(&limit), "the unit lacks {limit:?}");
}
