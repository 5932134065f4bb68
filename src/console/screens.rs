//! The console's screens: text of 80 columns, from the same data as `/api/status`, `/api/cameras`
//! and `/api/sessions`. Pure.

use std::fmt::Write as _;

use crate::appliance::request::{SlotsReport, WatchdogReport};
use crate::control::{CameraCount, CameraStatus, Reloaded, SessionStatus, StatusReport};
use crate::diagnosis::{CameraFinding, Diagnosis, FindingSeverity};
use crate::limits::PROFILE;
use crate::process::machine::{Disk, MachineMemory};

/// Cameras on the `status` screen: four columns of 16 rows.
const CELLS: usize = 64;
const COLUMNS: usize = 4;
const CELL_CHARACTERS: usize = 19;
const SIGNS: &str = "+ plays  * see cameras  ~ connects  ! waits  # needs you  - disabled";

/// The `status` screen. Fits 24 rows, with the command above it and the prompt below. Holds no more
/// cameras than it shows.
pub(super) fn status(
    report: &StatusReport,
    host: &str,
    (count, cameras): (CameraCount, impl Iterator<Item = CameraStatus>),
) -> String {
    let mut text = String::new();
    let head = format!("weir {} ({}) on {host}", report.version, report.profile);
    let up = format!("up {}", duration(report.uptime_s));
    line(&mut text, &format!("{:<60.60} {up:>18}", head));
    line(&mut text, &sentence(report, count));
    let memory = &report.memory;
    let resident = memory.resident_bytes.map_or("?".to_owned(), mib);
    line(
        &mut text,
        &format!(
            "memory {resident} of {} MiB, heap at most {} of {}, {} errors, {} warnings",
            mib(memory.plan_bytes as u64),
            mib(memory.library_heap.most_bytes as u64),
            mib(memory.library_heap.region_bytes as u64),
            report.errors_total,
            report.warnings_total,
        ),
    );
    let shown = chosen(cameras);
    if shown.is_empty() {
        return text;
    }
    let left_out = count.all.saturating_sub(CELLS);
    line(&mut text, "");
    let rows = shown.len().div_ceil(COLUMNS);
    for row in 0..rows {
        let cells: Vec<String> =
            (row..shown.len()).step_by(rows).map(|at| cell(&shown[at])).collect();
        line(&mut text, cells.join(" ").trim_end());
    }
    line(&mut text, "");
    line(
        &mut text,
        &match left_out {
            0 => SIGNS.to_owned(),
            more => format!("{SIGNS}; {more} more"),
        },
    );
    text
}

/// The cameras that the screen has room for. Of more, those in trouble come first, and playing ones
/// are left out.
fn chosen(cameras: impl Iterator<Item = CameraStatus>) -> Vec<CameraStatus> {
    let is_playing = |camera: &CameraStatus| camera.state == "playing";
    let mut shown = Vec::new();
    let mut is_cut = false;
    for camera in cameras {
        if shown.len() < CELLS {
            shown.push(camera);
            continue;
        }
        is_cut = true;
        if !is_playing(&camera)
            && let Some(last) = shown.iter().rposition(is_playing)
        {
            shown.remove(last);
            shown.push(camera);
        }
    }
    if is_cut {
        shown.sort_by_key(is_playing);
    }
    shown
}

/// The overall state in one line.
pub(super) fn sentence(report: &StatusReport, cameras: CameraCount) -> String {
    let CameraCount { all, playing } = cameras;
    let sessions = report.tables.iter().find(|table| table.what == "sessions");
    let sessions = sessions.map_or(0, |table| table.used);
    let state = report.configuration.state;
    format!("{playing} of {all} cameras playing, {sessions} sessions, configuration: {state}")
}

fn cell(camera: &CameraStatus) -> String {
    let sign = sign(camera);
    match camera.frames_per_s {
        Some(rate) => format!("{sign} {:<11} {rate:>5.1}", short(&camera.name, 11)),
        None => format!("{sign} {:<17}", short(&camera.name, CELL_CHARACTERS - 2)),
    }
}

fn sign(camera: &CameraStatus) -> char {
    let is_found = |found: &CameraFinding| found.severity() < FindingSeverity::Note;
    match camera.state {
        "playing" if camera.findings.iter().any(is_found) => '*',
        "playing" => '+',
        "connecting" => '~',
        "waiting" => '!',
        "disabled" => '-',
        _ => '#',
    }
}

/// Shortens a name to `characters`, keeping both its ends, which tell names apart.
fn short(name: &str, characters: usize) -> String {
    let all: Vec<char> = name.chars().collect();
    if all.len() <= characters {
        return name.to_owned();
    }
    let begin = (characters - 2) / 2;
    let end = characters - 2 - begin;
    all[..begin].iter().chain(&['.', '.']).chain(&all[all.len() - end..]).collect()
}

/// Head of the table of [`camera_row`]s.
pub(super) const CAMERA_HEAD: &str =
    "camera             state      picture      fps    kbit/s  key frame  viewers\n";

/// One camera's row, then the reason, or what is wrong with its sound, then what is found of it.
pub(super) fn camera_row(camera: &CameraStatus) -> String {
    let picture = match (camera.width, camera.height) {
        (Some(width), Some(height)) => format!("{width}x{height}"),
        _ => String::new(),
    };
    let rate = camera.frames_per_s.map_or(String::new(), |rate| format!("{rate:.1}"));
    let kbit = camera.bits_per_s.map_or(String::new(), |bits| (bits / 1000).to_string());
    let gop = camera.gop_ms.map_or(String::new(), |ms| format!("{:.1} s", f64::from(ms) / 1000.0));
    let name = short(&camera.name, 18);
    let row = format!(
        "{name:<18} {:<10} {picture:<9} {rate:>6} {kbit:>9}  {gop:>9}  {:>7}\n",
        camera.state, camera.viewers
    );
    let of_sound = camera.sound_problem.as_ref();
    let is_said = |reason: &&String| camera.findings.iter().any(|one| one.to_string() == **reason);
    let row = match camera.reason.as_ref().filter(|reason| !is_said(reason)).or(of_sound) {
        Some(reason) => format!("{row}    {reason}\n"),
        None => row,
    };
    let others = camera.findings.iter().filter(|found| **found != CameraFinding::SoundNotTaken);
    row + &findings(others)
}

/// What was found, two lines each: the words, and what to do.
pub(super) fn findings<'f, F: Diagnosis + 'f>(found: impl Iterator<Item = &'f F>) -> String {
    found.map(|found| format!("    {found}\n      {}\n", found.advice())).collect()
}

/// The `camera NAME` screen; `url` comes without its login.
pub(super) fn camera(camera: &CameraStatus, url: &str, user: Option<&str>) -> String {
    let mut text = String::new();
    let mut row = |what: &str, value: String| line(&mut text, &format!("{what:<12}{value}"));
    row("name", camera.name.clone());
    row("state", camera.state.to_owned());
    if let Some(reason) = &camera.reason {
        row("reason", reason.clone());
    }
    row("url", url.to_owned());
    row("user", user.unwrap_or("none").to_owned());
    if let Some(transport) = camera.transport {
        row("transport", transport.to_owned());
    }
    if let (Some(width), Some(height)) = (camera.width, camera.height) {
        row("picture", format!("{} {width} x {height}", camera.codec.unwrap_or("")));
    }
    if let Some(rate) = camera.frames_per_s {
        row("frames", format!("{rate:.1} a second"));
    }
    if let Some(bits) = camera.bits_per_s {
        row("bit rate", format!("{} kbit/s", bits / 1000));
    }
    if let Some(ms) = camera.gop_ms {
        row("key frames", format!("every {:.1} s", f64::from(ms) / 1000.0));
    }
    let requests = &camera.key_frame_requests;
    if let Some(onvif) = requests.onvif {
        row("on demand", format!("by RTCP: {}, by ONVIF: {onvif}", requests.rtcp));
    } else {
        row("on demand", format!("by RTCP: {}", requests.rtcp));
    }
    if let Some(problem) = &requests.onvif_problem {
        row("", format!("ONVIF: {problem}"));
    }
    if let Some(sound) = camera.sound.map(str::to_owned).or(camera.sound_problem.clone()) {
        row("sound", sound);
    }
    row("viewers", camera.viewers.to_string());
    row("ready", if camera.ready { "yes" } else { "no" }.to_owned());
    for found in camera.findings.iter() {
        row("found", found.to_string());
        row("", found.advice().to_owned());
    }
    text
}

/// Head of the table of [`session_row`]s.
pub(super) const SESSION_HEAD: &str =
    "    id camera        state      address                      age   loss   delay\n";

/// One session's row, and a second line with the reason if there is one.
pub(super) fn session_row(session: &SessionStatus) -> String {
    let address = session.address.as_deref().unwrap_or("");
    let delay = session.round_trip_ms.map_or(String::new(), |ms| format!("{ms:.0} ms"));
    let row = format!(
        "{:>6} {:<13} {:<10} {address:<21} {:>10} {:>5.1}% {delay:>7}\n",
        session.id,
        short(&session.camera, 13),
        session.state,
        duration(session.age_ms / 1000),
        session.loss_percent,
    );
    let row = match &session.reason {
        Some(reason) => format!("{row}       {reason}\n"),
        None => row,
    };
    row + &findings(session.findings.iter())
}

/// The `memory` screen: memory against the plan, and how full each table is.
pub(super) fn memory(report: &StatusReport) -> String {
    let (memory, mut text) = (&report.memory, String::new());
    let known = |bytes: Option<u64>| bytes.map_or("?".to_owned(), mib);
    line(
        &mut text,
        &format!(
            "resident {} MiB, at most {}; the plan is {} ({})",
            known(memory.resident_bytes),
            known(memory.resident_most_bytes),
            mib(memory.plan_bytes as u64),
            PROFILE.name
        ),
    );
    let heap = &memory.library_heap;
    let [used, most, region] =
        [heap.used_bytes, heap.most_bytes, heap.region_bytes].map(|bytes| mib(bytes as u64));
    line(&mut text, &format!("library heap {used} MiB, at most {most}, of {region}"));
    if let Some(MachineMemory { total_bytes, available_bytes }) = report.machine.memory {
        let (used, total) = (mib(total_bytes.saturating_sub(available_bytes)), mib(total_bytes));
        line(
            &mut text,
            &format!("this machine uses {used} of {total} MiB, weir and its files included"),
        );
    }
    for Disk { name, written_bytes, life_used_percent } in &report.machine.disks {
        let life = life_used_percent.map(|percent| format!(", up to {percent} % of its life used"));
        let (kib, life) = (written_bytes / 1024, life.unwrap_or_default());
        line(&mut text, &format!("{name:.16} was written {kib} KiB since the start{life}"));
    }
    line(&mut text, "");
    line(&mut text, "what                           used     most      max  times full");
    for table in &report.tables {
        let row = format!(
            "{:<26} {:>8} {:>8} {:>8} {:>11}",
            table.what, table.used, table.most, table.max, table.full
        );
        line(&mut text, &row);
    }
    text
}

/// The `slots` screen: the slots of the box, and how it came to run this one.
pub(super) fn slots(report: &SlotsReport) -> String {
    let mut text = String::new();
    line(&mut text, "slot  version      build         starts left  state     why");
    for slot in &report.slots {
        let of = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
        let row = format!(
            "{:<5} {:<12.12} {:<13.13} {:>11}  {:<9} {}",
            slot.slot,
            of(&slot.version),
            of(&slot.build),
            slot.tries_left,
            slot.state.name(),
            slot.why.as_deref().unwrap_or_default()
        );
        line(&mut text, row.trim_end());
    }
    let next = report.order[0];
    let trial = match (&report.update, report.good) {
        (Some(update), _) => format!("the update in slot {} is on trial", update.slot),
        (None, true) => "what runs has carried media and is good".to_owned(),
        (None, false) => "what runs has not carried media yet".to_owned(),
    };
    line(&mut text, &format!("board {}; slot {next} is started next; {trial}", report.board));
    if let Some(WatchdogReport { identity, timeout_s }) = &report.watchdog {
        line(&mut text, &format!("watchdog {identity:.40}, {timeout_s} s"));
    }
    if report.reset_by_watchdog {
        line(&mut text, "the watchdog has reset the box before this start");
    }
    text
}

/// The `net` screen: links, addresses and the media port.
pub(super) fn net(report: &StatusReport, urls: &[String]) -> String {
    let (network, mut text) = (&report.network, String::new());
    for link in &network.links {
        line(&mut text, &format!("{:<12} {}", link.name, link.state));
        for address in &link.addresses {
            line(&mut text, &format!("             {address}"));
        }
        for (way, traffic) in [("in", &link.received), ("out", &link.sent)] {
            let (mib, dropped, errors) = (traffic.bytes >> 20, traffic.dropped, traffic.errors);
            let row =
                format!("             {way:<3} {mib:>9} MiB, {dropped} dropped, {errors} errors");
            line(&mut text, &row);
        }
    }
    let row = format!(
        "media port   udp {}: {} datagrams dropped on the way in",
        network.udp_port, network.udp_receive_dropped
    );
    line(&mut text, &row);
    let row = format!(
        "             {} packets out, {} refused, {} times full, {} icmp errors",
        network.udp_packets_sent, network.udp_refused, network.udp_blocked, network.icmp_errors
    );
    line(&mut text, &row);
    for url in urls {
        line(&mut text, &format!("open         {url}"));
    }
    text
}

/// What a reload changed, one line each.
pub(super) fn reloaded(reloaded: &Reloaded) -> String {
    let mut text = format!("the configuration is in force: {}\n", reloaded.state);
    for (what, names) in [
        ("added", &reloaded.added),
        ("removed", &reloaded.removed),
        ("changed", &reloaded.changed),
        ("mistake", &reloaded.problems),
    ] {
        for name in names {
            line(&mut text, &format!("{what}: {name}"));
        }
    }
    for key in &reloaded.needs_restart {
        line(&mut text, &format!("needs a restart: {key}"));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}

/// `3 d 04:12` from one day on, else `04:12:33`.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match days {
        0 => format!("{hours:02}:{minutes:02}:{:02}", seconds % 60),
        days => format!("{days} d {hours:02}:{minutes:02}"),
    }
}

fn mib(bytes: u64) -> String {
    let tenths = (bytes * 10) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
#[path = "screens_tests.rs"]
mod tests;
