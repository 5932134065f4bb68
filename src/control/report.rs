//! The report on weir itself for `/api/status`: build, start time, table use, memory against the
//! plan, network, and the last warnings and errors.

use std::sync::atomic::Ordering::Relaxed;

use crate::journal::events;
use crate::limits::PROFILE;
use crate::mem::accounts::{AccountKind, Demand};
use crate::mem::{AccountFigures, heap};
use crate::net::links::{self, Link};
use crate::plan;
use crate::process::machine::{self, Disk, MachineMemory};
use crate::process::{self, build_id};
use crate::status::{GAUGES, SEND_DELAY_BOUNDS_US, SEND_DELAYS, TABLES};
use crate::{clock, journal};

use super::{Configuration, Control};

/// Everything in `/api/status` that is not about one camera or session.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StatusReport {
    pub(crate) version: &'static str,
    pub(crate) commit: &'static str,
    pub(crate) profile: &'static str,
    pub(crate) build_id: &'static str,
    /// UTC, by the wall clock as it is set now.
    pub(crate) started_at: String,
    pub(crate) uptime_s: u64,
    /// CPU time of all threads since the start; `None` without `/proc`.
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) configuration: Configuration,
    pub(crate) tables: Vec<TableReport>,
    pub(crate) memory: MemoryReport,
    pub(crate) network: NetworkReport,
    pub(crate) machine: MachineReport,
    pub(crate) errors_total: u64,
    pub(crate) warnings_total: u64,
    pub(crate) log_lines_left_out: u64,
    /// The last warnings and errors, each text once, the newest last.
    pub(crate) errors: Vec<EventReport>,
}

/// The use of one bounded table.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct TableReport {
    pub(crate) what: &'static str,
    pub(crate) used: u64,
    /// The most in use at once since the start.
    pub(crate) most: u64,
    pub(crate) max: usize,
    /// How often it was found full since the start.
    pub(crate) full: u64,
}

/// The memory in use against the plan.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct MemoryReport {
    /// The sum that `weir memory` prints; the process never exceeds it.
    pub(crate) plan_bytes: usize,
    /// The static part of the plan, touched at start.
    pub(crate) arena_bytes: usize,
    /// By the kernel's count: now, and below the most since the start.
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) resident_most_bytes: Option<u64>,
    pub(crate) library_heap: LibraryHeapReport,
}

#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct LibraryHeapReport {
    pub(crate) used_bytes: usize,
    /// The most in use at once since the start.
    pub(crate) most_bytes: usize,
    pub(crate) region_bytes: usize,
    /// Nothing new is admitted while less than this is free.
    pub(crate) reserve_bytes: usize,
    /// Charged to no account.
    pub(crate) shared_bytes: usize,
    pub(crate) accounts: Vec<AccountsReport>,
    pub(crate) refusals: Vec<RefusalsReport>,
}

/// The heap accounts of one kind.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct AccountsReport {
    pub(crate) what: &'static str,
    pub(crate) open: usize,
    pub(crate) max: usize,
    pub(crate) used_bytes: usize,
    /// The most that a single account held since the start.
    pub(crate) most_bytes: usize,
    /// The bound of each account.
    pub(crate) budget_bytes: usize,
    /// Accounts that exceeded the bound, so that their owner was ended.
    pub(crate) ended: u64,
}

/// How often one kind of work was refused, to keep the heap reserve or a bound.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct RefusalsReport {
    pub(crate) what: &'static str,
    pub(crate) count: u64,
}

/// Packets whose delay is up to a bound, and above the bound before it.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct SendDelayReport {
    /// `None` for those above all bounds.
    pub(crate) up_to_us: Option<u64>,
    pub(crate) packets: u64,
}

/// Network counters, as far as the kernel shows them to this process.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct NetworkReport {
    pub(crate) links: Vec<Link>,
    /// The UDP port for media.
    pub(crate) udp_port: u16,
    /// Datagrams that the kernel dropped because they came faster than they were read.
    pub(crate) udp_receive_dropped: u64,
    pub(crate) udp_packets_sent: u64,
    /// Calls of the kernel that sent them.
    pub(crate) udp_calls: u64,
    /// Whether the kernel cuts them out of larger messages (GSO).
    pub(crate) udp_gso: bool,
    /// Messages that the kernel refused for good.
    pub(crate) udp_refused: u64,
    /// Times the socket was full; no packet is lost by it.
    pub(crate) udp_blocked: u64,
    /// How many of those packets took how long from the media thread's wake-up to their send.
    pub(crate) send_delays: Vec<SendDelayReport>,
    pub(crate) icmp_errors: u64,
}

/// The machine, with all that runs on it.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct MachineReport {
    /// What all programs share; `None` without `/proc`.
    pub(crate) memory: Option<MachineMemory>,
    pub(crate) disks: Vec<Disk>,
}

/// A warning or an error, and how often it was logged.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct EventReport {
    /// `error` or `warning`, as in the log.
    pub(crate) level: &'static str,
    pub(crate) text: String,
    pub(crate) count: u64,
    pub(crate) first_at: String,
    pub(crate) last_at: String,
}

impl Control {
    /// The report on weir itself, as of now.
    pub fn report(&self) -> StatusReport {
        StatusReport::now(self.configuration(), self.0.media.borrow().port())
    }
}

impl StatusReport {
    /// Builds the report from the process's counters.
    pub(crate) fn now(configuration: Configuration, udp_port: u16) -> Self {
        let totals = events::totals();
        Self {
            version: crate::VERSION,
            commit: crate::COMMIT,
            profile: PROFILE.name,
            build_id: build_id::of_this_program(),
            started_at: clock::utc(0),
            uptime_s: clock::now_us() / 1_000_000,
            cpu_ms: process::usage::cpu_ms(),
            configuration,
            tables: tables(),
            memory: memory(),
            network: network(udp_port),
            machine: MachineReport { memory: machine::memory(), disks: machine::disks() },
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
            reserve_bytes: PROFILE.heap_reserve_bytes,
            shared_bytes: heap::shared_bytes(),
            accounts: AccountKind::ALL.into_iter().map(accounts).collect(),
            refusals: refusals(),
        },
    }
}

fn accounts(kind: AccountKind) -> AccountsReport {
    let AccountFigures { open, used_bytes, most_bytes, .. } = kind.figures();
    AccountsReport {
        what: kind.name(),
        open,
        max: kind.max(),
        used_bytes,
        most_bytes,
        budget_bytes: kind.budget_bytes(),
        ended: kind.ended(),
    }
}

fn refusals() -> Vec<RefusalsReport> {
    let of = |demand: Demand| RefusalsReport { what: demand.name(), count: demand.refused() };
    Demand::all().map(of).collect()
}

fn network(udp_port: u16) -> NetworkReport {
    let gauges = &GAUGES;
    let bounds_us = SEND_DELAY_BOUNDS_US.into_iter().map(Some).chain([None]);
    let delays = bounds_us.zip(SEND_DELAYS.counts().packets);
    NetworkReport {
        links: links::all(),
        udp_port,
        udp_receive_dropped: links::udp_dropped(udp_port),
        udp_packets_sent: gauges.udp_packets.load(Relaxed),
        udp_calls: gauges.udp_calls.load(Relaxed),
        udp_gso: gauges.gso.load(Relaxed) == 1,
        udp_refused: gauges.udp_refused.load(Relaxed),
        udp_blocked: gauges.udp_blocked.load(Relaxed),
        send_delays: delays
            .map(|(up_to_us, packets)| SendDelayReport { up_to_us, packets })
            .collect(),
        icmp_errors: gauges.icmp_errors.load(Relaxed),
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
