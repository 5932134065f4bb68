//! `mediamtx.yml`: `paths`, each with a `source`, and `pathDefaults` for keys that a path lacks.
//! Older files have the keys' older names (`sourceProtocol`, `all`).

use super::source::{elsewhere, is_rtsp, refusal, rtsp};
use super::yaml::{Node, Tree};
use super::{Findings, Found, ImportedSource};
use crate::config::CertificateFingerprint;
use crate::rtsp::UrlScheme;

/// Top-level keys that only mediamtx has, to recognise a file without paths.
const OWN_KEYS: [&str; 3] = ["pathDefaults", "rtspAddress", "rtspTransports"];
/// Keys with which a path starts a program.
const HOOKS: [&str; 10] = [
    "runOnInit",
    "runOnDemand",
    "runOnUnDemand",
    "runOnReady",
    "runOnNotReady",
    "runOnRead",
    "runOnUnread",
    "runOnRecordSegmentCreate",
    "runOnRecordSegmentComplete",
    "runOnPublish",
];

/// A path, and the defaults for keys that it lacks.
struct Path<'a, 't> {
    own: Node<'a, 't>,
    defaults: Option<Node<'a, 't>>,
}

pub(super) fn is_of(tree: &Tree) -> bool {
    let root = tree.root();
    let has_paths = root.value("paths").is_some_and(Node::is_map);
    has_paths || OWN_KEYS.iter().any(|key| root.value(key).is_some())
}

/// Reads the paths; `None` without a map of paths.
pub(super) fn read(tree: &Tree) -> Option<Findings> {
    let root = tree.root();
    let defaults = root.value("pathDefaults");
    let paths = root.value("paths").filter(|paths| paths.is_map())?;
    let streams = paths.entries().map(|(name, own)| stream(name, Path { own, defaults })).collect();
    let mut remarks = Vec::new();
    if has_users(root, defaults) {
        remarks.push(
            "users and passwords of viewers are not taken over: make them with `weir password`"
                .to_owned(),
        );
    }
    Some(Findings { streams, remarks })
}

fn stream(name: &str, path: Path) -> Found {
    let text = path.words("source").unwrap_or("publisher");
    let source = if name.starts_with('~') || matches!(name, "all" | "all_others") {
        Err("it is a pattern for many paths, and weir knows its cameras by name".to_owned())
    } else if let Some(tag) = path.value("source").and_then(Node::tag) {
        Err(elsewhere(tag))
    } else if is_rtsp(text) {
        rtsp(text).map(|source| {
            let shown = path.words("sourceFingerprint").filter(|_| is_encrypted(text));
            ImportedSource { fingerprint: shown.and_then(CertificateFingerprint::parse), ..source }
        })
    } else {
        Err(stays_behind(text, &path))
    };
    Found { name: name.to_owned(), source, remarks: remarks(&path) }
}

/// Whether a URL is that of a camera within TLS.
fn is_encrypted(text: &str) -> bool {
    UrlScheme::strip(text).is_some_and(|(scheme, _)| scheme.is_encrypted())
}

/// Why a path that does not pull from an RTSP camera is left out.
fn stays_behind(text: &str, path: &Path) -> String {
    let command = ["runOnInit", "runOnDemand"].into_iter().find(|hook| path.words(hook).is_some());
    match (text, command) {
        ("publisher", Some(hook)) => format!(
            "it is published by the command in `{hook}`, and weir runs no programs; if that reads \
             a camera, give the camera's `rtsp://` address"
        ),
        ("publisher", None) => {
            "it waits for somebody to publish it, and weir takes no streams but those it fetches \
             from cameras"
                .to_owned()
        }
        ("redirect", _) => "it redirects to another path or server".to_owned(),
        ("rpiCamera", _) => {
            "it is a Raspberry Pi's own camera, and weir takes RTSP alone".to_owned()
        }
        _ => refusal(text),
    }
}

/// Remarks on what is left out of a camera that is taken over.
fn remarks(path: &Path) -> Vec<String> {
    let mut remarks = Vec::new();
    for key in ["rtspTransport", "sourceProtocol"] {
        let transport = ["udp", "multicast"].into_iter().find(|transport| {
            path.words(key).is_some_and(|words| words.eq_ignore_ascii_case(transport))
        });
        if let Some(transport) = transport {
            remarks.push(format!("`{key}: {transport}` not taken over: weir asks for TCP"));
        }
    }
    if path.value("record").is_some_and(Node::is_on) {
        remarks.push("recording not taken over: weir records nothing".to_owned());
    }
    if path.value("sourceOnDemand").is_some_and(Node::is_on) {
        let remark = "`sourceOnDemand` not taken over: weir stays connected to its cameras";
        remarks.push(remark.to_owned());
    }
    if path.words("fallback").is_some() {
        remarks.push("`fallback` not taken over: weir shows its page instead".to_owned());
    }
    for hook in HOOKS {
        if path.words(hook).is_some() {
            remarks.push(format!("`{hook}` not taken over: weir runs no programs"));
        }
    }
    remarks
}

/// Whether viewers need a login: internal users other than `any`, another authentication method, or
/// an older file's `readUser`.
fn has_users(root: Node, defaults: Option<Node>) -> bool {
    let is_other_method = |method: Node| method.words().is_some_and(|words| words != "internal");
    let is_somebody = |user: Node| {
        let name = user.value("user").and_then(Node::words);
        name.is_some_and(|name| name != "any")
    };
    let users = root.value("authInternalUsers");
    let of_paths = root.value("paths").into_iter().flat_map(|paths| paths.entries());
    let mut places = of_paths.map(|(_, path)| path).chain(defaults);
    root.value("authMethod").is_some_and(is_other_method)
        || users.is_some_and(|users| users.members().any(is_somebody))
        || places.any(|place| place.value("readUser").and_then(Node::words).is_some())
}

impl<'a, 't> Path<'a, 't> {
    fn value(&self, key: &str) -> Option<Node<'a, 't>> {
        self.own.value(key).or_else(|| self.defaults?.value(key))
    }

    fn words(&self, key: &str) -> Option<&'a str> {
        self.value(key).and_then(Node::words)
    }
}
