//! Replays the committed corpora, and seeded mutations of them, through the entries: what the
//! fuzzer once found stays found, on any machine and without the fuzzer.
//!
//! `WEIR_FUZZ_MUTATIONS` sets how many mutations of each input are tried.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::bytes::{Counted, check};
use super::{TARGETS, Target};
use crate::rtp::testing::Random;

/// Mutations of each input by default: a few seconds in all.
const MUTATIONS: usize = 40;
/// Files per target, and bytes of all corpora, at most: people read them, and every clone has them.
const FILES_MAX: usize = 40;
const BYTES_MAX: u64 = 300 * 1024;
/// Bytes of a mutated input, at most: less than the largest read of a camera's socket, more than a
/// datagram.
const INPUT_BYTES_MAX: usize = 20 * 1024;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// Inputs of a target, in the order of their file names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder("corpus").join(target)).expect("a folder for each target");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    let read = |file: PathBuf| (file.clone(), fs::read(&file).expect("a readable input"));
    files.into_iter().map(read).collect()
}

/// Changes an input as a fuzzer does: bits, bytes, lengths, and pieces of another input.
fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    const INTERESTING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'$', b' '];
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + 1 + random.below(16)).min(input.len());
        match random.below(8) {
            0 if at < end => input[at] ^= 1 << random.below(8),
            1 if at < end => input[at] = INTERESTING[random.below(INTERESTING.len())],
            2 if at < end => input[at] = input[at].wrapping_add(1),
            3 => drop(input.drain(at..end)),
            4 => input.insert(at, random.bytes(1)[0]),
            5 => {
                let copied = input[at..end].to_vec();
                input.splice(at..at, copied);
            }
            6 => input.truncate(at),
            _ if !other.is_empty() => {
                let from = random.below(other.len());
                let to = (from + 1 + random.below(64)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            _ => {}
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// Prints the input when an entry panics.
struct Witness<'i> {
    target: &'static str,
    file: &'i Path,
    input: &'i [u8],
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (target, file, input) = (self.target, self.file.display(), self.input);
            eprintln!("{target}: from {file}: b\"{}\"", input.escape_ascii());
        }
    }
}

fn replay(target: &'static Target, mutations: usize) {
    let name = target.name;
    let mut most = Counted::default();
    let mut entry = |input: &[u8]| most.include(check(target, input), input);
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    let mut random = Random(0x5eed);
    for (index, (file, seed)) in corpus.iter().enumerate() {
        let _witness = Witness { target: name, file, input: seed };
        entry(seed);
        for _ in 0..mutations {
            let mut input = seed.clone();
            let other = (index + random.below(corpus.len())) % corpus.len();
            mutate(&mut random, &mut input, &corpus[other].1);
            let _witness = Witness { target: name, file, input: &input };
            entry(&input);
        }
    }
    println!("{name:15} {most}");
}

#[test]
fn the_corpora_and_mutations_of_them_hold() {
    let asked = std::env::var("WEIR_FUZZ_MUTATIONS").ok();
    let mutations = asked.map_or(MUTATIONS, |count| count.parse().expect("a number"));
    for target in TARGETS {
        replay(target, mutations);
    }
}

#[test]
fn every_target_has_its_program_and_its_corpus() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let found = |name: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder(name)).expect("a folder");
        let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into());
        entries.filter_map(|entry| stem(entry.expect("a readable folder").path())).collect()
    };
    assert_eq!(found("fuzz_targets"), names);
    assert_eq!(found("corpus"), names);
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("a manifest");
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is in the manifest");
        let program = folder("fuzz_targets").join(format!("{name}.rs"));
        let program = fs::read_to_string(program).expect("a program");
        assert!(program.contains(&format!("run(\"{name}\", data)")), "{name} counts its bytes");
    }
}

#[test]
fn the_corpora_are_small() {
    let mut bytes = 0;
    for Target { name, .. } in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() <= FILES_MAX, "{name}: {} files", corpus.len());
        bytes += corpus.iter().map(|(_, input)| input.len() as u64).sum::<u64>();
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}
