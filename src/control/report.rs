//! How weir itself is, for `/api/status`: which build, since when, how full its tables are, its
//! memory against the plan, and the last warnings and errors.

use crate::journal::events;
use crate::limits::PROFILE;
use crate::mem::heap;
use crate::plan;
use crate::process::{self, build_id};
use crate::status::TABLES;
use crate::{clock, journal};

use super::{Configuration, Control};

/// Everything about weir that is not a camera's or a session's.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    version: &'static str,
    commit: &'static str,
    profile: &'static str,
    build_id: &'static str,
    /// UTC by the wall clock as it is set now.
    started_at: String,
    uptime_s: u64,
    configuration: Configuration,
    tables: Vec<TableReport>,
    memory: MemoryReport,
    errors_total: u64,
    warnings_total: u64,
    log_lines_left_out: u64,
    /// The last warnings and errors, each text once, the newest last.
    errors: Vec<EventReport>,
}

/// One thing with a bound.
#[derive(Debug, Clone, serde::Serialize)]
struct TableReport {
    what: &'static str,
    used: u64,
    /// At most since the start.
    most: u64,
    max: usize,
    /// How often it was found full since the start.
    full: u64,
}

/// Memory against the plan.
#[derive(Debug, Clone, serde::Serialize)]
struct MemoryReport {
    /// The sum that `weir memory` prints; the process never passes it.
    plan_bytes: usize,
    /// Of those, static memory that was touched at start.
    arena_bytes: usize,
    /// By the kernel's count, now and at most since the start.
    resident_bytes: Option<u64>,
    resident_most_bytes: Option<u64>,
    library_heap: LibraryHeapReport,
}

#[derive(Debug, Clone, serde::Serialize)]
struct LibraryHeapReport {
    used_bytes: usize,
    /// At most since the start.
    most_bytes: usize,
    region_bytes: usize,
}

/// A warning or an error, and how often it was said.
#[derive(Debug, Clone, serde::Serialize)]
struct EventReport {
    /// `error` or `warning`.
    level: &'static str,
    text: String,
    count: u64,
    first_at: String,
    last_at: String,
}

impl Control {
    /// How weir itself is.
    pub fn report(&self) -> Report {
        Report::now(self.configuration())
    }
}

impl Report {
    /// What the process's own figures say.
    pub(crate) fn now(configuration: Configuration) -> Self {
        let totals = events::totals();
        Self {
            version: crate::VERSION,
            commit: crate::COMMIT,
            profile: PROFILE.name,
            build_id: build_id::of_this_program(),
            started_at: clock::utc(0),
            uptime_s: clock::now_us() / 1_000_000,
            configuration,
            tables: tables(),
            memory: memory(),
            errors_total: totals.errors,
            warnings_total: totals.warnings,
            log_lines_left_out: journal::lines_left_out(),
            errors: events::last().iter().map(event).collect(),
        }
    }
}

fn tables() -> Vec<TableReport> {
    let tables = TABLES.all().map(|table| TableReport {
        what: table.what,
        used: table.used(),
        most: table.most(),
        max: table.max,
        full: table.full(),
    });
    tables.collect()
}

fn memory() -> MemoryReport {
    let resident = process::resident_bytes();
    MemoryReport {
        plan_bytes: plan::TOTAL_BYTES,
        arena_bytes: plan::ARENA_BYTES,
        resident_bytes: resident.map(|(now, _)| now),
        resident_most_bytes: resident.map(|(_, most)| most),
        library_heap: LibraryHeapReport {
            used_bytes: heap::used_bytes(),
            most_bytes: heap::high_water_bytes(),
            region_bytes: heap::REGION_BYTES,
        },
    }
}

fn event(event: &events::Event) -> EventReport {
    EventReport {
        level: if event.level == log::Level::Error { "error" } else { "warning" },
        text: event.text.as_str().to_owned(),
        count: event.count,
        first_at: clock::utc(event.first_us),
        last_at: clock::utc(event.last_us),
    }
}
