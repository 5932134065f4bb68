//! The order of the folders, read from what their files import: none imports from a folder above
//! it, and no two files need one another. Unit tests and fuzzing may reach anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the ground up. What stands in one line may not import from one another.
const LAYERS: [&[&str]; 13] = [
    &["clock", "codec", "der", "hex", "limits", "random", "sound", "storage"],
    &["demo", "journal", "net", "status"],
    &["diagnosis", "history", "mem"],
    &["access", "egress", "onvif", "process", "rtp", "rtsp"],
    &["config", "stream", "webrtc"],
    &["appliance", "import", "media", "tls"],
    &["plan", "signalling", "verify"],
    &["selftest"],
    &["control"],
    &["web"],
    &["console"],
    &["daemon"],
    &["bin"],
];

type Module = Vec<String>;
type Imports = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn no_folder_imports_from_one_above_it() {
    let layer = |module: &Module| LAYERS.iter().position(|names| names.contains(&&*module[0]));
    let mut upward = Vec::new();
    let mut edges = 0;
    for (module, imported) in imports() {
        for target in imported.iter().filter(|target| target[0] != module[0]) {
            edges += 1;
            let (from, to) = (layer(&module), layer(target));
            assert!(from.is_some() && to.is_some(), "{module:?} or {target:?} has no layer");
            if to >= from {
                upward.push(format!("{} -> {}", module.join("::"), target.join("::")));
            }
        }
    }
    assert!(edges > 200, "{edges} imports between folders were found");
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn no_two_files_need_one_another() {
    // What imports nothing that is left goes, until nothing is left but circles.
    let mut left = imports();
    assert!(left.len() > 150, "{} files import something", left.len());
    loop {
        let before = left.len();
        let names: BTreeSet<Module> = left.keys().cloned().collect();
        left.retain(|_, imported| imported.iter().any(|target| names.contains(target)));
        if left.len() == before {
            break;
        }
    }
    // And what only leads to them.
    loop {
        let wanted: BTreeSet<Module> = left.values().flatten().cloned().collect();
        let before = left.len();
        left.retain(|module, _| wanted.contains(module));
        if left.len() == before {
            break;
        }
    }
    let circles: Vec<String> = left.keys().map(|module| module.join("::")).collect();
    assert!(circles.is_empty(), "these files lie on circles: {circles:?}");
}

/// What each file of the library imports of the others; a folder's mod.rs is the folder.
fn imports() -> Imports {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = BTreeMap::new();
    collect(&root, &mut Vec::new(), &mut texts);
    let modules: BTreeSet<Module> = texts.keys().cloned().collect();
    let of = |(module, text): (&Module, &String)| {
        let found = paths(text).into_iter().filter_map(|path| target(module, &path, &modules));
        // A file and what it is divided into are one.
        let found = found.filter(|to| !to.starts_with(module) && !module.starts_with(to));
        (module.clone(), found.collect())
    };
    texts.iter().map(of).collect()
}

fn collect(folder: &Path, at: &mut Module, texts: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let is_test = ["tests", "testing"].contains(&&*name) || name.ends_with("_tests");
        if is_test || name.contains("fuzzing") {
            continue;
        }
        if path.is_dir() {
            at.push(name);
            collect(&path, at, texts);
            at.pop();
            continue;
        }
        let mut module = at.clone();
        if name != "mod" {
            module.push(name);
        }
        if path.extension().is_some_and(|extension| extension == "rs") && module != ["lib"] {
            let text = fs::read_to_string(&path).expect("a source");
            texts.entry(module).or_default().push_str(&bare(&text));
        }
    }
}

/// A file's text without comments and without its unit tests.
fn bare(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let line = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    code.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// All paths that begin with `crate` or `super`; of a `use` with braces each.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in text.match_indices(root) {
            let is_inside = text[..at].ends_with("super::");
            let before = text[..at].chars().next_back();
            if is_inside || before.is_some_and(|sign| sign.is_alphanumeric() || sign == '_') {
                continue;
            }
            let is_use = text[..at].trim_end_matches(char::is_whitespace).ends_with("use");
            let rest = &text[at..];
            let tree: String = if is_use {
                rest.split(';').next().unwrap_or_default().split_whitespace().collect()
            } else {
                let is_part = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == ':';
                rest.chars().take_while(|sign| is_part(*sign)).collect()
            };
            expand("", &tree, &mut found);
        }
    }
    found
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let Some((head, body)) = tree.split_once('{') else {
        return found.push(format!("{prefix}{tree}"));
    };
    let body = body.strip_suffix('}').unwrap_or(body);
    let (mut depth, mut part) = (0_u32, String::new());
    for sign in body.chars().chain([',']) {
        match sign {
            ',' if depth == 0 => {
                let part = std::mem::take(&mut part);
                if !part.is_empty() {
                    expand(&format!("{prefix}{head}"), &part, found);
                }
                continue;
            }
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        part.push(sign);
    }
}

/// The file that a path in `module` leads to, if it is one of ours.
fn target(module: &Module, path: &str, modules: &BTreeSet<Module>) -> Option<Module> {
    let mut steps: Vec<&str> = path.split("::").collect();
    let mut at: Module = Vec::new();
    if steps[0] == "super" {
        at.clone_from(module);
        while steps.first() == Some(&"super") {
            at.pop();
            steps.remove(0);
        }
    } else {
        steps.remove(0);
    }
    at.extend(steps.iter().map(|step| (*step).to_owned()));
    while !at.is_empty() && !modules.contains(&at) {
        at.pop();
    }
    (!at.is_empty()).then_some(at)
}
