//! What Tab makes of a line: the commands of `help` and `help box` that it may become. Words that a
//! person chooses, such as a camera's name, are not completed. Pure.

use super::command::{BOX_HELP, HELP};

/// What a Tab does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Completion {
    /// Adds this to the line; a space when the word was whole already.
    Add(String),
    /// Shows the words that are possible, as there is more than one.
    Show(Vec<&'static str>),
}

/// Completes a line whose cursor is at its end.
pub(super) fn of(typed: &str) -> Completion {
    let (before, begun) = typed.rsplit_once(' ').unwrap_or(("", typed));
    let before: Vec<&str> = before.split_whitespace().collect();
    let usages = HELP.lines().chain(BOX_HELP.lines()).filter(|line| !line.starts_with("Keys:"));
    let next = usages.filter_map(|line| next_word(line, &before));
    let mut possible: Vec<&str> = next.filter(|word| word.starts_with(begun)).collect();
    possible.sort_unstable();
    possible.dedup();
    match *possible {
        [] => Completion::Add(" ".to_owned()),
        [word] => Completion::Add(format!("{} ", &word[begun.len()..])),
        [first, .., last] => {
            // The list is sorted: what its ends have in common, all have.
            let same = first.chars().zip(last.chars()).take_while(|(a, b)| a == b).count();
            let more = &first[begun.len()..same.max(begun.len())];
            if more.is_empty() {
                Completion::Show(possible)
            } else {
                Completion::Add(more.to_owned())
            }
        }
    }
}

/// The literal word that a line of help has next, where it begins with what was typed `before`.
fn next_word(line: &'static str, before: &[&str]) -> Option<&'static str> {
    let usage = line.split("  ").next().unwrap_or_default();
    let mut words = usage.split(' ').map(|word| word.trim_matches(['[', ']']));
    let fits = before
        .iter()
        .all(|typed| words.next().is_some_and(|word| is_chosen(word) || word == *typed));
    words.next().filter(|word| fits && !is_chosen(word))
}

/// Whether a person chooses the word: `NAME`, `NAME|URL`.
fn is_chosen(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adds(typed: &str) -> String {
        match of(typed) {
            Completion::Add(more) => format!("{typed}{more}"),
            Completion::Show(words) => panic!("{typed} may be {words:?}"),
        }
    }

    #[test]
    fn what_is_clear_is_added() {
        for (typed, whole) in [
            ("st", "status "),
            ("cam", "camera"),
            ("camera r", "camera remove "),
            ("camera add gate", "camera add gate "),
            ("camera te", "camera test "),
            ("config s", "config show "),
            ("net s", "net set "),
            ("net set d", "net set dhcp "),
            ("log f", "log follow "),
            ("factory", "factory-reset "),
            ("help b", "help box "),
            ("nothing of the kind", "nothing of the kind "),
        ] {
            assert_eq!(adds(typed), whole);
        }
    }

    #[test]
    fn what_is_not_clear_is_shown() {
        assert_eq!(of("camera"), Completion::Show(vec!["camera", "cameras"]));
        assert_eq!(of("camera "), Completion::Show(vec!["add", "remove", "test", "trust"]));
        assert_eq!(of("camera t"), Completion::Show(vec!["test", "trust"]));
        let Completion::Show(all) = of("") else { panic!("all commands are shown") };
        assert!(all.contains(&"slots") && all.contains(&"status"), "{all:?}");
    }
}
