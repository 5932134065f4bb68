//! The pages of the two large statics: huge ones for the media arena, small ones for the library
//! heap, whatever the kernel gives by default.

use std::fs;
use std::path::Path;

use weir::mem::heap;

use crate::common::server::{Server, Setup};

/// What both ends of a region may lack, as advice is for whole pages.
const MARGIN_BYTES: usize = 128 * 1024;

/// A mapping of a process, as `/proc/PID/smaps` has it.
#[derive(Debug, Default)]
struct Mapping {
    kib: usize,
    huge_kib: usize,
    flags: String,
}

fn mappings(pid: u32) -> Vec<Mapping> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("a Linux with /proc");
    let mut mappings = Vec::new();
    let mut current = Mapping::default();
    for line in smaps.lines() {
        let (name, value) = line.split_once(':').unwrap_or_default();
        let kib = || value.trim().trim_end_matches(" kB").parse().expect("a number");
        match name {
            "Size" => current.kib = kib(),
            "AnonHugePages" => current.huge_kib = kib(),
            "VmFlags" => {
                value.trim().clone_into(&mut current.flags);
                mappings.push(std::mem::take(&mut current));
            }
            _ => {}
        }
    }
    mappings
}

#[test]
fn the_arena_gets_huge_pages_and_the_library_heap_none() {
    if !Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        println!("skipped: this kernel has no huge pages");
        return;
    }
    let server = Server::start(&Setup::of([]));
    let mappings = mappings(server.pid());
    let with = |flag: &str, bytes: usize| -> Vec<&Mapping> {
        let is_flagged = |mapping: &&Mapping| mapping.flags.split(' ').any(|is| is == flag);
        let is_whole = |mapping: &&Mapping| mapping.kib * 1024 >= bytes - MARGIN_BYTES;
        mappings.iter().filter(is_flagged).filter(is_whole).collect()
    };
    let arena = with("hg", size_of::<weir::media::Memory>());
    assert_eq!(arena.len(), 1, "{mappings:#?}");
    println!("{} KiB of huge pages", arena[0].huge_kib);
    let library_heap = with("nh", heap::REGION_BYTES);
    assert!(!library_heap.is_empty(), "{mappings:#?}");
    assert!(library_heap.iter().all(|mapping| mapping.huge_kib == 0), "{library_heap:?}");
}
