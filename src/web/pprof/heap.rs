//! `/debug/pprof/heap`: the memory in use, by what it is used for. weir does not sample what is
//! allocated: it counts all of it.

use super::named::{self, Row};
use crate::mem::accounts::AccountKind;
use crate::mem::heap;
use crate::plan;
use crate::status::{TABLES, Usage};
use crate::web::Reply;

pub(in crate::web) fn reply() -> Reply {
    let values = [
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
        ("most_space", "bytes"),
        ("plan_space", "bytes"),
    ];
    named::reply(&values, "inuse_space", rows())
}

fn rows() -> Vec<Row<4>> {
    let mut rows: Vec<Row<4>> = plan::arenas().map(|arena| of_arena(&arena)).collect();
    rows.extend(AccountKind::ALL.map(of_accounts));
    let (bytes, most) = heap::shared();
    let planned = crate::limits::PROFILE.shared_heap_bytes;
    rows.push(row("heap: shared", "library heap", [1, bytes, most, planned]));
    rows
}

/// What is planned for a table is all resident; in use is what its entries take.
fn of_arena(arena: &plan::ArenaLine) -> Row<4> {
    let plan::ArenaLine { what, count, bytes } = *arena;
    let (used, most) = match table(what) {
        Some(table) => (table.used(), table.most()),
        None => (count as u64, count as u64),
    };
    let entries = |count| usize::try_from(count).unwrap_or(usize::MAX);
    let (used, most) = (entries(used), entries(most));
    row(&format!("arena: {what}"), "arenas", [used, used * bytes, most * bytes, count * bytes])
}

/// The table whose entries an arena holds; `None` where all of it is in use.
fn table(what: &str) -> Option<&'static Usage> {
    let name = if what == "history ring chunks" { "ring chunks" } else { what };
    TABLES.all().find(|table| table.what == name)
}

fn of_accounts(kind: AccountKind) -> Row<4> {
    let figures = kind.figures();
    let planned = kind.max() * kind.budget_bytes();
    let values = [figures.open, figures.used_bytes, figures.most_together_bytes, planned];
    row(&format!("heap: {}", kind.name()), "library heap", values)
}

fn row(what: &str, tier: &str, values: [usize; 4]) -> Row<4> {
    let values = values.map(|value| value as u64);
    Row { names: [what.to_owned(), tier.to_owned()], values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_arenas_are_found_and_nothing_exceeds_the_plan() {
        let rows = rows();
        for what in ["history ring chunks", "carry slots, small", "sessions", "subscriptions"] {
            assert!(table(what).is_some(), "{what}");
            assert!(rows.iter().any(|row| row.names[0] == format!("arena: {what}")), "{what}");
        }
        assert!(table("send batch").is_none());
        for Row { names, values: [_, used, most, planned] } in rows {
            assert!(used <= most && most <= planned, "{names:?}: {used} {most} {planned}");
        }
    }
}
