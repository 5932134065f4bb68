//! `/metrics` in Prometheus's text format. Labels are cameras, tables and tiers, so that the number
//! of series is bounded by the profile; what belongs to one session is in `/api/sessions`.

use std::fmt::{Display, Write as _};
use std::ops::Range;

use hyper::StatusCode;

use super::Reply;
use super::content::Content;
use crate::appliance::request::SlotsReport;
use crate::control::CameraStatus;
use crate::limits::PROFILE;
use crate::mem::accounts::{AccountKind, Demand};
use crate::mem::heap;
use crate::process::machine::{self, MachineMemory};
use crate::process::usage::{self, ProcessUsage};
use crate::process::{build_id, cpu, resident_bytes};
use crate::status::figures::Metric;
use crate::status::tasks::TASKS;
use crate::status::{
    CAMERAS, CameraStats, GAUGES, Gauges, SEND_DELAY_BOUNDS_US, SEND_DELAYS, SendDelayCounts,
    TABLES, Usage,
};

mod slots;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A camera as the page names it.
struct Label {
    slot: usize,
    is_playing: bool,
    name: Box<str>,
}

/// The whole page, made piece by piece as it is sent: with many cameras it has hundreds of KiB. A
/// box has figures of its slots.
pub(super) fn reply(
    cameras: impl Iterator<Item = CameraStatus>,
    of_box: Option<SlotsReport>,
) -> Reply {
    let label = |camera: CameraStatus| Label {
        slot: camera.slot,
        is_playing: camera.state == "playing",
        name: escaped(camera.name),
    };
    let labels: Box<[Label]> = cameras.map(label).collect();
    let mut pieces = pieces(labels.len());
    let mut reply = super::reply(StatusCode::OK, CONTENT_TYPE, "");
    *reply.body_mut() = Content::Pieces(Box::new(move || {
        let (number, cameras) = pieces.next()?;
        let is_first = cameras.start == 0;
        let mut text = String::new();
        piece(&mut text, number, is_first, &labels[cameras], of_box.as_ref())
            .expect("writing to a string does not fail");
        Some(text.into())
    }));
    reply
}

/// Pieces before those of cameras; then those of each number of their figures.
const OF_CAMERA_FROM: usize = 5;
/// Cameras in one piece, with up to 128 bytes each.
const PIECE_CAMERAS: usize = 64;

/// The pieces of the page with so many cameras: the number of each, and the cameras that it is of.
fn pieces(cameras: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let last = OF_CAMERA_FROM + 1 + of_cameras().count();
    let of_weir = (0..OF_CAMERA_FROM).map(|number| (number, 0..0));
    let of_each = (OF_CAMERA_FROM..last).flat_map(move |number| {
        let parts = (0..cameras.max(1)).step_by(PIECE_CAMERAS);
        parts.map(move |from| (number, from..cameras.min(from + PIECE_CAMERAS)))
    });
    of_weir.chain(of_each)
}

/// The figures of cameras, as often as they have numbers, each with the number's place.
fn of_cameras() -> impl Iterator<Item = (&'static Metric<CameraStats>, usize)> {
    let figures = CameraStats::METRICS.iter();
    figures.flat_map(|figure| (0..figure.numbers()).map(move |at| (figure, at)))
}

/// A piece of the page. One of cameras has the metric's head if it `is_first`.
fn piece(
    text: &mut String,
    number: usize,
    is_first: bool,
    labels: &[Label],
    of_box: Option<&SlotsReport>,
) -> std::fmt::Result {
    match number {
        0 => {
            build(text)?;
            tables(text)
        }
        1 => process(text),
        2 => accounts(text),
        3 => {
            for metric @ Metric { name, kind, help, .. } in Gauges::METRICS {
                head(text, name, kind, help)?;
                writeln!(text, "{name} {}", metric.shown(&GAUGES, 0))?;
            }
            for (name, help, table) in [
                ("weir_handshakes", "Handshake slots in use.", &TABLES.handshakes),
                ("weir_sessions", "Sessions, in handshake or live.", &TABLES.sessions),
            ] {
                head(text, name, "gauge", help)?;
                writeln!(text, "{name} {}", table.used())?;
            }
            send_delays(text)
        }
        4 => of_box.map_or(Ok(()), |report| slots::write(text, report)),
        OF_CAMERA_FROM => {
            let name = "weir_camera_playing";
            if is_first {
                head(text, name, "gauge", "1 while the camera plays.")?;
            }
            for Label { name: label, is_playing, .. } in labels {
                writeln!(text, "{name}{{camera=\"{label}\"}} {}", u8::from(*is_playing))?;
            }
            Ok(())
        }
        _ => match of_cameras().nth(number - OF_CAMERA_FROM - 1) {
            Some((figure, at)) => {
                if is_first && at == 0 {
                    head(text, figure.name, figure.kind, figure.help)?;
                }
                of_camera(text, figure, at, labels)
            }
            None => Ok(()),
        },
    }
}

/// One number of a figure, of these cameras.
fn of_camera(
    text: &mut String,
    figure: &Metric<CameraStats>,
    at: usize,
    labels: &[Label],
) -> std::fmt::Result {
    let Metric { name, by, .. } = figure;
    let told_apart = by.map(|by| format!(",{}=\"{}\"", by.name, by.values[at]));
    let told_apart = told_apart.unwrap_or_default();
    for label in labels {
        let value = figure.shown(&CAMERAS[label.slot], at);
        writeln!(text, "{name}{{camera=\"{}\"{told_apart}}} {value}", label.name)?;
    }
    Ok(())
}

/// Which build this is, as the labels of a 1.
fn build(text: &mut String) -> std::fmt::Result {
    let (version, commit, profile) = (crate::VERSION, crate::COMMIT, PROFILE.name);
    let id = build_id::of_this_program();
    head(text, "weir_build_info", "gauge", "1, with the build as labels.")?;
    writeln!(
        text,
        "weir_build_info{{version=\"{version}\",commit=\"{commit}\",profile=\"{profile}\",\
         build_id=\"{id}\"}} 1"
    )
}

/// The process as the kernel counts it, under the names that Prometheus's own clients have; then
/// its tasks and its CPU.
fn process(text: &mut String) -> std::fmt::Result {
    if let (Some(usage), Some((resident_bytes, _))) = (usage::of_this_process(), resident_bytes()) {
        let ProcessUsage { cpu_s, threads, start_s, virtual_bytes, open_files, max_files } = usage;
        let figures: [(&str, &str, &str, &dyn Display); 7] = [
            (
                "process_cpu_seconds_total",
                "counter",
                "CPU time of all threads, in seconds.",
                &cpu_s,
            ),
            ("process_threads", "gauge", "Threads of the process.", &threads),
            (
                "process_start_time_seconds",
                "gauge",
                "Its start, in seconds since 1970, by the wall clock as it is set now.",
                &start_s,
            ),
            ("process_resident_memory_bytes", "gauge", "Resident memory.", &resident_bytes),
            ("process_virtual_memory_bytes", "gauge", "Address space.", &virtual_bytes),
            ("process_open_fds", "gauge", "Open file descriptors.", &open_files),
            ("process_max_fds", "gauge", "The bound of those.", &max_files),
        ];
        for (name, kind, help, value) in figures {
            head(text, name, kind, help)?;
            writeln!(text, "{name} {value:.2}")?;
        }
    }
    machine(text)?;
    let name = "weir_tasks";
    head(text, name, "gauge", "Tasks of the control thread.")?;
    for task in TASKS.all() {
        writeln!(text, "{name}{{task=\"{}\"}} {}", task.what, task.running())?;
    }
    let name = "weir_cpu_info";
    head(text, name, "gauge", "1, with what the CPU has for AES-GCM.")?;
    let features = cpu::features().filter(|(_, has)| *has).map(|(name, _)| name);
    let (arch, features) = (cpu::ARCHITECTURE, features.collect::<Vec<_>>().join(" "));
    writeln!(text, "{name}{{arch=\"{arch}\",features=\"{features}\"}} 1")
}

/// The machine's memory, and what its disks were written.
fn machine(text: &mut String) -> std::fmt::Result {
    if let Some(MachineMemory { total_bytes, available_bytes }) = machine::memory() {
        for (name, help, bytes) in [
            ("weir_machine_memory_bytes", "The machine's memory.", total_bytes),
            ("weir_machine_memory_available_bytes", "What of it is left.", available_bytes),
        ] {
            head(text, name, "gauge", help)?;
            writeln!(text, "{name} {bytes}")?;
        }
    }
    let disks = machine::disks();
    let written_bytes: u64 = disks.iter().map(|disk| disk.written_bytes).sum();
    let name = "weir_machine_disk_written_bytes_total";
    head(text, name, "counter", "Written to the machine's disks since it started.")?;
    writeln!(text, "{name} {written_bytes}")?;
    let worst = disks.iter().filter_map(|disk| disk.life_used_percent).max();
    let ratio = worst.map_or(f64::NAN, |percent| f64::from(percent) / 100.0);
    let name = "weir_machine_disk_life_used_ratio";
    head(text, name, "gauge", "Of its life, what the worst disk has used; NaN where none tells.")?;
    writeln!(text, "{name} {ratio}")
}

/// How long packets take within weir, as Prometheus has its histograms: each part with all below.
#[allow(clippy::cast_precision_loss)] // microseconds of years are below 2^53
fn send_delays(text: &mut String) -> std::fmt::Result {
    let name = "weir_send_delay_seconds";
    let SendDelayCounts { packets, sum_us } = SEND_DELAYS.counts();
    head(text, name, "histogram", "From the media thread's wake-up to the send, of each packet.")?;
    let mut sum = 0;
    for (bound_us, packets) in SEND_DELAY_BOUNDS_US.iter().zip(packets) {
        sum += packets;
        writeln!(text, "{name}_bucket{{le=\"{}\"}} {sum}", *bound_us as f64 / 1e6)?;
    }
    let all: u64 = packets.iter().sum();
    writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {all}")?;
    writeln!(text, "{name}_sum {}\n{name}_count {all}", sum_us as f64 / 1e6)
}

/// How full each table is.
fn tables(text: &mut String) -> std::fmt::Result {
    type Figure = (&'static str, &'static str, &'static str, fn(&Usage) -> u64);
    let figures: [Figure; 4] = [
        ("weir_table_used", "gauge", "Used now.", Usage::used),
        ("weir_table_most", "gauge", "Used at most since the start.", Usage::most),
        ("weir_table_max", "gauge", "The bound.", |table| table.max as u64),
        ("weir_table_full_total", "counter", "Times it was found full.", Usage::full),
    ];
    for (name, kind, help, value) in figures {
        head(text, name, kind, help)?;
        for table in TABLES.all() {
            writeln!(text, "{name}{{table=\"{}\"}} {}", table.what, value(table))?;
        }
    }
    Ok(())
}

/// Whose the library heap is.
fn accounts(text: &mut String) -> std::fmt::Result {
    type Figure = (&'static str, &'static str, &'static str, fn(AccountKind) -> u64);
    let figures: [Figure; 6] = [
        ("weir_accounts_open", "gauge", "Heap accounts open now.", |kind| {
            kind.figures().open as u64
        }),
        ("weir_accounts_max", "gauge", "The bound of those.", |kind| kind.max() as u64),
        ("weir_accounts_used_bytes", "gauge", "What they hold together.", |kind| {
            kind.figures().used_bytes as u64
        }),
        ("weir_accounts_most_bytes", "gauge", "The most that one held since the start.", |kind| {
            kind.figures().most_bytes as u64
        }),
        ("weir_accounts_budget_bytes", "gauge", "What each may hold.", |kind| {
            kind.budget_bytes() as u64
        }),
        (
            "weir_accounts_ended_total",
            "counter",
            "Those ended over their budget.",
            AccountKind::ended,
        ),
    ];
    for (name, kind, help, value) in figures {
        head(text, name, kind, help)?;
        for account in AccountKind::ALL {
            writeln!(text, "{name}{{account=\"{}\"}} {}", account.name(), value(account))?;
        }
    }
    let name = "weir_admissions_refused_total";
    head(text, name, "counter", "What did not begin, to keep the reserve or its bound.")?;
    for demand in Demand::all() {
        writeln!(text, "{name}{{what=\"{}\"}} {}", demand.name(), demand.refused())?;
    }
    for (name, help, bytes) in [
        ("weir_library_heap_shared_bytes", "Library heap on no account.", heap::shared_bytes()),
        ("weir_library_heap_reserve_bytes", "Kept free by refusing.", PROFILE.heap_reserve_bytes),
    ] {
        head(text, name, "gauge", help)?;
        writeln!(text, "{name} {bytes}")?;
    }
    Ok(())
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// A label's value; cameras with a bad name are shown too.
fn escaped(name: String) -> Box<str> {
    if !name.contains(['\\', '"', '\n']) {
        return name.into();
    }
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
}

#[cfg(test)]
mod tests;
