//! The shape of a file: its length, its first line, its comments.

use crate::sources::{assert_none, repository, sources};

const FILE_LINES_MAX: usize = 500;
const MAIN_LINES_MAX: usize = 100;

#[test]
fn files_are_short() {
    let offences: Vec<String> = sources()
        .iter()
        .filter(|source| !source.path.ends_with(".md"))
        .filter_map(|source| {
            let lines = source.text.lines().count();
            let main = source.path == "src/bin/weir/main.rs";
            let max = if main { MAIN_LINES_MAX } else { FILE_LINES_MAX };
            (lines > max).then(|| format!("{}: {lines} lines, max {max}", source.path))
        })
        .collect();
    assert_none("split by noun", &offences);
}

#[test]
fn comments_end_at_column_100() {
    let is_long = |line: &&str| line.chars().count() > 100 && line.trim_start().starts_with("//");
    let mut long = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        let found = source.text.lines().filter(is_long);
        long.extend(found.map(|line| format!("{}: {line}", source.path)));
    }
    assert_none("break the line", &long);
}

#[test]
fn modules_say_what_they_are() {
    let offences: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.is_rust() && !source.path.starts_with("memory-profiles/"))
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert_none("a module starts with //! and what it owns", &offences);
}

#[test]
fn what_is_public_is_described_in_more_than_three_words() {
    let mut thin = Vec::new();
    let mut seen = 0;
    // The program's arguments are described to those who ask for help.
    for source in sources().iter().filter(|source| source.is_of_the_library()) {
        let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
        for (at, line) in lines.iter().enumerate() {
            let is_doc = |at: usize| lines.get(at).is_some_and(|line| line.starts_with("///"));
            if !is_doc(at) || is_doc(at + 1) || at.checked_sub(1).is_some_and(is_doc) {
                continue;
            }
            let item = lines[at + 1..].iter().find(|line| !line.starts_with("#["));
            if !item.is_some_and(|item| item.starts_with("pub")) {
                continue;
            }
            seen += 1;
            let words = line.trim_start_matches('/').split_whitespace().count();
            let is_reference = line.starts_with("/// See [`");
            if words < 4 && !is_reference {
                thin.push(format!("{}:{}: {line}", source.path, at + 1));
            }
        }
    }
    assert!(seen > 1000, "{seen} descriptions in one line");
    assert_none("say what a caller needs", &thin);
}

#[test]
fn each_promise_has_a_number_of_its_own() {
    let path = repository().join("docs/promises.md");
    let text = std::fs::read_to_string(path).expect("the promises");
    let numbers = text.lines().filter_map(|line| line.strip_prefix("| P")?.split(' ').next());
    let mut numbers: Vec<u32> = numbers.map(|number| number.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert!(numbers.len() > 100, "{} promises were found", numbers.len());
    let twice: Vec<String> = numbers
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| format!("P{}", pair[0]))
        .collect();
    assert_none("give it another number", &twice);
}
