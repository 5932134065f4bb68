//! A YAML document as a tree that can be queried by key.
//!
//! The parser yields events. The nodes are in one list and refer to each other by index, so that an
//! alias costs one number however large what it repeats, and depth costs no stack. Bounded by
//! [`IMPORT_NODES_MAX`]. Only the first document of a file is read. Every scalar is text; the
//! caller interprets it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScanError};

use crate::limits::IMPORT_NODES_MAX;

/// Characters of a tag that are kept.
const TAG_CHARS_MAX: usize = 32;

/// A document; [`Tree::root`] is its topmost node.
pub(super) struct Tree<'t> {
    items: Vec<Item<'t>>,
    root: usize,
}

/// A value in a tree.
#[derive(Clone, Copy)]
pub(super) struct Node<'a, 't> {
    tree: &'a Tree<'t>,
    index: usize,
}

enum Item<'t> {
    Text(Cow<'t, str>),
    /// A scalar that another program replaces (`!secret name`); holds its tag.
    Tagged(String),
    List(Vec<usize>),
    /// Keys and values, alternating.
    Map(Vec<usize>),
}

/// Why a text cannot be read as a document.
#[derive(Debug, PartialEq, Eq)]
pub enum YamlError {
    /// The text is not YAML at this place.
    Syntax {
        /// Line in the text, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The parser's message, without any of the text.
        what: String,
    },
    /// The document has more than [`IMPORT_NODES_MAX`] nodes.
    Nodes,
    /// There is no document in the text.
    Empty,
}

/// A list or map whose end was not read yet.
struct Open {
    index: usize,
    anchor: usize,
}

/// A document while it is read.
#[derive(Default)]
struct Builder<'t> {
    items: Vec<Item<'t>>,
    open: Vec<Open>,
    anchors: HashMap<usize, usize>,
    /// Items, plus the places that aliases take in lists and maps.
    nodes: usize,
    root: Option<usize>,
}

impl<'t> Tree<'t> {
    /// Reads the first document of `text`.
    ///
    /// # Errors
    /// [`YamlError`], which never quotes the text.
    pub(super) fn parse(text: &'t str) -> Result<Self, YamlError> {
        let mut builder = Builder::default();
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, _) = event.map_err(|error| YamlError::of(&error))?;
            if matches!(event, Event::DocumentEnd) {
                break;
            }
            builder.take(event)?;
        }
        let Builder { items, root, .. } = builder;
        root.map(|root| Self { items, root }).ok_or(YamlError::Empty)
    }

    /// The topmost node of the document.
    pub(super) fn root(&self) -> Node<'_, 't> {
        Node { tree: self, index: self.root }
    }
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, _, anchor, tag) => {
                let own = tag.filter(|tag| tag.handle == "!" && !tag.suffix.is_empty());
                let index = self.push(match own {
                    Some(tag) => Item::Tagged(tag.suffix.chars().take(TAG_CHARS_MAX).collect()),
                    None => Item::Text(text),
                })?;
                self.place(index, anchor);
            }
            Event::SequenceStart(anchor, _) => {
                let index = self.push(Item::List(Vec::new()))?;
                self.open.push(Open { index, anchor });
            }
            Event::MappingStart(anchor, _) => {
                let index = self.push(Item::Map(Vec::new()))?;
                self.open.push(Open { index, anchor });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { index, anchor }) = self.open.pop() {
                    self.place(index, anchor);
                }
            }
            Event::Alias(anchor) => {
                self.count()?;
                // A node that is still open is not among the anchors, so no node contains itself.
                match self.anchors.get(&anchor) {
                    Some(index) => self.place(*index, 0),
                    None => {
                        let index = self.push(Item::Text(Cow::Borrowed("")))?;
                        self.place(index, 0);
                    }
                }
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > IMPORT_NODES_MAX { Err(YamlError::Nodes) } else { Ok(()) }
    }

    fn push(&mut self, item: Item<'t>) -> Result<usize, YamlError> {
        self.count()?;
        self.items.push(item);
        Ok(self.items.len() - 1)
    }

    /// Adds a complete node to the innermost open list or map, or makes it the root; `anchor` is 0
    /// for none.
    fn place(&mut self, index: usize, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, index);
        }
        match self.open.last().map(|open| &mut self.items[open.index]) {
            Some(Item::List(children) | Item::Map(children)) => children.push(index),
            _ => self.root = Some(index),
        }
    }
}

impl<'a, 't> Node<'a, 't> {
    fn item(self) -> &'a Item<'t> {
        &self.tree.items[self.index]
    }

    fn at(self, index: usize) -> Self {
        Self { tree: self.tree, index }
    }

    /// Text of a scalar, empty for an empty value; `None` for any other node.
    pub(super) fn text(self) -> Option<&'a str> {
        match self.item() {
            Item::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Tag of a scalar that another program replaces, or `?` for a tag that may not be shown.
    pub(super) fn tag(self) -> Option<&'a str> {
        match self.item() {
            Item::Tagged(tag) if tag.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Some(tag),
            Item::Tagged(_) => Some("?"),
            _ => None,
        }
    }

    /// Text of a scalar that is not empty; YAML writes an empty value as `~` and `null` too.
    pub(super) fn words(self) -> Option<&'a str> {
        self.text().filter(|text| !matches!(*text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Whether this scalar is a boolean that is true: `true`, `yes`, `on` or `y`.
    pub(super) fn is_on(self) -> bool {
        let words = ["true", "yes", "on", "y"];
        self.text().is_some_and(|text| words.iter().any(|word| text.eq_ignore_ascii_case(word)))
    }

    pub(super) fn is_map(self) -> bool {
        matches!(self.item(), Item::Map(_))
    }

    /// Members of a list; none for any other node.
    pub(super) fn members(self) -> impl Iterator<Item = Self> {
        let members = match self.item() {
            Item::List(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(move |index| self.at(*index))
    }

    /// Keys and values of a map; none for any other node. Keys that are not text are skipped.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let entries = match self.item() {
            Item::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries
            .chunks_exact(2)
            .filter_map(move |pair| Some((self.at(pair[0]).text()?, self.at(pair[1]))))
    }

    /// Value of a key, the map's own or one merged in with `<<`.
    pub(super) fn value(self, key: &str) -> Option<Self> {
        let mut node = self;
        loop {
            if let Some(value) = node.own(key) {
                return Some(value);
            }
            let merged = node.own("<<")?;
            if let Some(value) = merged.members().find_map(|member| member.own(key)) {
                return Some(value);
            }
            node = merged;
        }
    }

    fn own(self, key: &str) -> Option<Self> {
        self.entries().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

impl YamlError {
    fn of(error: &ScanError) -> Self {
        let mark = error.marker();
        // Only one of the parser's messages quotes a character of the file, behind a colon.
        let what = error.info().split(": `").next().unwrap_or_default().to_owned();
        Self::Syntax { line: mark.line(), column: mark.col() + 1, what }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column, what } => {
                write!(f, "line {line}, column {column}: {what}")
            }
            Self::Nodes => write!(f, "more than {IMPORT_NODES_MAX} values in it"),
            Self::Empty => f.write_str("there is nothing in it"),
        }
    }
}

impl std::error::Error for YamlError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, path: &[&str]) -> Option<String> {
        let tree = Tree::parse(text).expect("YAML");
        let mut node = tree.root();
        for key in path {
            node = node.value(key)?;
        }
        node.text().map(str::to_owned)
    }

    #[test]
    fn keys_are_found_in_every_style() {
        let text = "a:\n  b: plain # remark\n  'c': 'it''s'\nd: {e: \"x\\ty\", f: [1, 2]}\n";
        assert_eq!(value(text, &["a", "b"]).as_deref(), Some("plain"));
        assert_eq!(value(text, &["a", "c"]).as_deref(), Some("it's"));
        assert_eq!(value(text, &["d", "e"]).as_deref(), Some("x\ty"));
        assert_eq!(value(text, &["d", "f"]), None, "a list is no text");
        assert_eq!(value(text, &["d", "g"]), None);
    }

    #[test]
    fn a_scalar_that_another_program_replaces_is_no_text() {
        let tree = Tree::parse("a: !secret x\nb: !!str y\nc: ! z\nd: !a-b x\n").expect("YAML");
        let of = |key: &str| tree.root().value(key).map(|node| (node.tag(), node.text()));
        assert_eq!(of("a"), Some((Some("secret"), None)));
        assert_eq!(of("b"), Some((None, Some("y"))));
        assert_eq!(of("c"), Some((None, Some("z"))));
        assert_eq!(of("d"), Some((Some("?"), None)));
    }

    #[test]
    fn aliases_and_merges_are_followed() {
        let text = "base: &b {source: x, record: no}\none: *b\ntwo:\n  <<: *b\n  source: y\n\
                    three: {<<: [*b, {more: z}]}\n";
        assert_eq!(value(text, &["one", "source"]).as_deref(), Some("x"));
        assert_eq!(value(text, &["two", "source"]).as_deref(), Some("y"));
        assert_eq!(value(text, &["two", "record"]).as_deref(), Some("no"));
        assert_eq!(value(text, &["three", "more"]).as_deref(), Some("z"));
    }

    #[test]
    fn what_would_hold_itself_ends() {
        assert_eq!(value("a: &a\n  <<: *a\n  b: c\n", &["a", "b"]).as_deref(), Some("c"));
        assert_eq!(value("a: &a\n  <<: *a\n", &["a", "z"]), None);
    }

    #[test]
    fn a_thousand_laughs_cost_a_thousand_numbers() {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for n in 1..200 {
            let many = format!("*a{}, ", n - 1).repeat(10);
            text.push_str(&format!("a{n}: &a{n} [{many}]\n"));
        }
        assert!(Tree::parse(&text).is_ok());
    }

    #[test]
    fn values_have_a_bound() {
        let list = |items: usize| format!("[{}]", "x, ".repeat(items));
        assert!(Tree::parse(&list(IMPORT_NODES_MAX - 1)).is_ok());
        assert_eq!(Tree::parse(&list(IMPORT_NODES_MAX)).err(), Some(YamlError::Nodes));
        let aliases = format!("- &a x\n- [{}]", "*a, ".repeat(IMPORT_NODES_MAX - 2));
        assert_eq!(Tree::parse(&aliases).err(), Some(YamlError::Nodes));
        let deep = "- ".repeat(IMPORT_NODES_MAX - 1) + "x";
        assert!(Tree::parse(&deep).is_ok(), "depth costs no stack");
    }

    #[test]
    fn what_is_no_yaml_says_where_and_not_what() {
        let error = Tree::parse("a: 1\nb: @hunter2\n").err().expect("an error").to_string();
        assert!(error.starts_with("line 2, column 4: ") && !error.contains('@'), "{error}");
        assert!(Tree::parse("a: [hunter2\nb: }").err().is_some());
        assert_eq!(Tree::parse("# nothing\n").err(), Some(YamlError::Empty));
    }
}
