//! Target for the text of a `weir.toml`.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::SECRET;
use crate::config::{Extent, parse};
use crate::limits::{CAMERAS_MAX, CONFIG_BYTES_MAX};
use crate::mem::counting::peak_of;

/// A configuration: reading it takes no more heap than planned from its tokens, every mistake has a
/// place in the file, a file that is not TOML is refused, and a camera's password, in `password` or
/// in its URL, shows in no message and in no debug output.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A `password_file` is left out: it could be a pipe without a writer.
    if text.len() > CONFIG_BYTES_MAX || text.contains("_file") || text.contains('\\') {
        return;
    }
    let mut loaded = None;
    let peak = peak_of(|| loaded = Some(parse(text, Path::new("/nonexistent"))));
    let extent = Extent::of(text);
    let planned = extent.heap_bytes();
    assert!(peak <= planned, "{peak} bytes of heap, {planned} planned");
    let loaded = loaded.expect("parsed");
    if extent.excess().is_some() {
        assert!(loaded.is_fatal());
        return;
    }
    let lines = text.matches('\n').count() + 1;
    for problem in &loaded.problems {
        assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem}");
        assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{problem}");
    }
    let table = DeTable::parse(text);
    assert!(table.is_ok() || loaded.is_fatal());
    assert!(loaded.config.cameras.len() <= CAMERAS_MAX);
    let shown = |text: &str| loaded.problems.iter().any(|p| p.to_string().contains(text));
    let secrets = table.map_or(0, |table| secrets(table.get_ref()));
    if secrets > 0 && secrets == text.matches(SECRET).count() {
        assert!(!shown(SECRET), "a password in a message: {:?}", loaded.problems);
        assert!(!format!("{loaded:?}").contains(SECRET), "a password in debug output");
    }
}

/// Occurrences of [`SECRET`] where passwords belong: in `password`, and in a URL's userinfo.
fn secrets(table: &DeTable<'_>) -> usize {
    let Some(DeValue::Array(cameras)) = table.get("camera").map(|value| value.get_ref()) else {
        return 0;
    };
    let cameras = cameras.iter().filter_map(|camera| match camera.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    });
    let text = |table: &DeTable<'_>, key: &str| {
        let value = table.get(key).and_then(|value| value.get_ref().as_str());
        value.unwrap_or_default().to_owned()
    };
    let count = |camera: &DeTable<'_>| {
        let url = text(camera, "url");
        let authority = url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split(['/', '?']).next().unwrap_or_default();
        let (userinfo, _) = authority.rsplit_once('@').unwrap_or_default();
        let (_, password) = userinfo.split_once(':').unwrap_or_default();
        text(camera, "password").matches(SECRET).count() + password.matches(SECRET).count()
    };
    cameras.map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a piece of a file from its number.
    type Piece = fn(usize) -> String;

    /// `head`, and as many pieces as are allowed in a file of 8000 bytes.
    fn largest(head: &str, piece: Piece) -> String {
        let text = |count| (0..count).fold(head.to_owned(), |text, number| text + &piece(number));
        let may_be = |count| {
            let text = text(count);
            let loaded = || parse(&text, Path::new("/nonexistent"));
            text.len() <= 8000 && !loaded().problems.iter().any(is_excess)
        };
        let counts: Vec<usize> = (1..8000).collect();
        text(counts.partition_point(|count| may_be(*count)))
    }

    fn is_excess(problem: &crate::config::Problem) -> bool {
        problem.message.starts_with("more than")
    }

    #[test]
    fn what_has_many_tables_in_few_bytes_is_read_within_the_plan() {
        let shapes: [(&str, Piece); 11] = [
            ("", |n| format!("k{n}{} = 1\n", ".a".repeat(40))),
            ("", |n| format!("k{n}.a = 1\n")),
            ("", |n| format!("[k{n}.a]\n")),
            ("", |n| format!("[k{n}]\na=1\n")),
            ("", |_| "[[a]]\nb.c=1\n".to_owned()),
            ("", |n| format!("k{n}={{a=1}}\n")),
            ("k=[", |_| "{a=1},".to_owned()),
            ("k=[", |_| "[1],".to_owned()),
            ("", |_| ".".to_owned()),
            ("k=[", |_| "1,".to_owned()),
            ("k=[", |_| "}".to_owned()),
        ];
        for (head, piece) in shapes {
            config(largest(head, piece).as_bytes());
        }
    }

    #[test]
    fn what_repeats_two_signs_is_read_within_the_plan() {
        let signs = [
            "}",
            "{",
            "]",
            "[",
            "=",
            ".",
            ",",
            "\n",
            " ",
            "a",
            "1",
            "\"",
            "\"\"",
            "'",
            "#",
            "\0",
            "é",
            "\r",
            "a=1\n",
            "=[",
            "-",
            "0x",
            "1979-05-27",
        ];
        for first in signs {
            for second in signs {
                for head in ["", "k=", "k=[", "k={", "["] {
                    config(format!("{head}{}", [first, second].concat().repeat(100)).as_bytes());
                }
            }
        }
    }
}
