//! Profiles whose functions are no functions: what memory is used for, what is waited for.

use super::profile::{self, ValueType, Writer};
use crate::web::Reply;

/// A sample: names, the innermost first, and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row<const VALUES: usize> {
    pub(super) names: [String; 2],
    pub(super) values: [u64; VALUES],
}

/// The reply with these samples.
pub(super) fn reply<const VALUES: usize>(
    values: &[ValueType; VALUES],
    shown: &str,
    rows: Vec<Row<VALUES>>,
) -> Reply {
    let mut rows = rows.into_iter();
    let mut known = Vec::new();
    profile::reply(values, shown, move |writer| {
        let row = rows.next();
        row.is_some_and(|Row { names, values }| {
            let locations = names.map(|name| location(writer, &mut known, name));
            writer.sample(locations, &values);
            true
        })
    })
}

/// The number of the location that stands for a name.
fn location(writer: &mut Writer, known: &mut Vec<String>, name: String) -> u64 {
    if let Some(at) = known.iter().position(|other| *other == name) {
        return at as u64 + 1;
    }
    let id = known.len() as u64 + 1;
    writer.function(id, &name);
    writer.location(id, id, None);
    known.push(name);
    id
}
