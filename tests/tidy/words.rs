//! Names and words: the field's own, each with one meaning. This file must name what it bans, so no
//! rule reads it.

use std::collections::BTreeMap;

use crate::sources::{assert_none, sources};

/// Names that say nothing; the last is for what integration tests share.
const BANNED_STEMS: [&str; 6] = ["util", "utils", "helper", "helpers", "manager", "common"];
/// Unfinished work.
const BANNED_MARKS: [&str; 5] = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("];
/// The text speaks of weir, not of how it came about.
const BANNED_WORDS: [&str; 9] = [
    "worktree",
    "subagent",
    "language model",
    "findings/",
    "design.md",
    "/work/",
    "as requested",
    "as discussed",
    "in this session we",
];
/// Words for things of weir that had other meanings beside: the field's own are in use.
const RETIRED_WORDS: [&str; 17] = [
    "seat",
    "seats",
    "turner",
    "signpost",
    "oddities",
    "anew",
    "CameraCard",
    "SessionCard",
    "SeatId",
    "Knocking",
    "Unheard",
    "Wiring",
    "Outlet",
    "last_words",
    "told_since",
    "is_vain",
    "vacate",
];

#[test]
fn no_type_that_files_share_has_a_second_meaning() {
    let mut defined: BTreeMap<String, String> = BTreeMap::new();
    let mut twice = Vec::new();
    for source in sources().iter().filter(|source| source.is_of_the_library()) {
        let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        let visible = code.lines().map(str::trim_start).filter(|line| line.starts_with("pub"));
        for line in visible {
            let mut words = line.split(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
            let is_type = |word: &&str| ["struct", "enum", "trait", "type", "union"].contains(word);
            let Some(name) = words.find(is_type).and_then(|_| words.next()) else { continue };
            if let Some(other) = defined.insert(name.to_owned(), source.path.clone()) {
                twice.push(format!("{name}: {other} and {}", source.path));
            }
        }
    }
    assert!(defined.len() > 300, "{} types", defined.len());
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn retired_words_are_not_in_use() {
    let is_sign = |sign: char| !(sign.is_alphanumeric() || sign == '_');
    let mut found = Vec::new();
    for source in sources() {
        for (at, line) in source.text.lines().enumerate() {
            for word in line.split(is_sign).filter(|word| RETIRED_WORDS.contains(word)) {
                found.push(format!("{}:{}: {word}", source.path, at + 1));
            }
        }
    }
    assert_none("say it in the field's own words", &found);
}

#[test]
fn files_have_names_of_the_field() {
    let offences: Vec<String> = sources()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| {
            path.split('/').any(|part| {
                let stem = part.split('.').next().unwrap_or_default();
                let shared_by_tests = stem == "common" && path.starts_with("tests/");
                BANNED_STEMS.contains(&stem) && !shared_by_tests
            })
        })
        .collect();
    assert_none("a name that says nothing", &offences);
}

#[test]
fn nothing_is_left_to_do() {
    let mut offences = Vec::new();
    for source in sources() {
        for (index, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let mark = BANNED_MARKS.iter().find(|mark| line.contains(**mark));
            let word = BANNED_WORDS.iter().find(|word| lower.contains(**word));
            if let Some(found) = mark.or(word) {
                offences.push(format!("{}:{}: {found}", source.path, index + 1));
            }
        }
    }
    assert_none("finish it, or leave it out", &offences);
}
