//! Every text of the repository, and what each is: of the library, of the program, of the tests.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Source {
    /// Relative to the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let is_unit = name == "tests.rs" || name.ends_with("_tests.rs") || name == "testing.rs";
        is_unit || self.path.split('/').any(|folder| folder == "tests")
    }

    /// Not of the program, which has modules of its own, and not of tests.
    pub(crate) fn is_of_the_library(&self) -> bool {
        let is_elsewhere = self.path.starts_with("src/bin/") || self.path.contains("fuzzing");
        self.path.starts_with("src/") && self.is_rust() && !self.is_test() && !is_elsewhere
    }

    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// What runs in the field: the lines before the unit tests, without comments.
    pub(crate) fn production_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .map(|line| line.split("//").next().unwrap_or_default())
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text of ours, save `words.rs`, which must name what it bans.
pub(crate) fn sources() -> Vec<Source> {
    let mut folders: Vec<PathBuf> =
        [".ci", "board", "docs", "memory-profiles", "packaging", "scripts", "src", "tests"]
            .map(|folder| repository().join(folder))
            .into();
    let mut files: Vec<PathBuf> =
        ["build.rs", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"]
            .map(|file| repository().join(file))
            .into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().unwrap_or_default();
            if path.is_file() {
                files.push(path);
            } else if name != "node_modules" && name != "data" && name != "target" {
                folders.push(path);
            }
        }
    }
    let sources: Vec<Source> = files
        .into_iter()
        .filter(|file| !file.ends_with("tests/tidy/words.rs"))
        .filter(|file| !file.ends_with("package-lock.json"))
        .filter_map(|file| {
            let text = fs::read_to_string(&file).ok()?;
            let path = file.strip_prefix(repository()).ok()?;
            Some(Source { path: path.to_str()?.to_owned(), text })
        })
        .collect();
    assert!(sources.len() > 20, "the sources were found");
    sources
}

pub(crate) fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}
