//! The soak: a full house, and beside it sessions that come and go, and [`incidents`], for as long
//! as one likes. `scripts/soak` runs it; docs/performance.md says what was seen. It ends with 1 when
//! a packet was lost, an offer refused, an incident had no good end, or something grew.

#[path = "../../tests/common/mod.rs"]
mod common;
mod incidents;

use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

use clap::Parser;
use weir::limits::{PROFILE, SESSION_SILENCE_US};
use weir::plan;

use common::camera::picture::Picture;
use common::camera::{CameraFarm, Mount};
use common::churn::Ledger;
use common::full_load::{FullLoad, Holding, Stayed};
use common::server::Setup;
use incidents::Incidents;

const MINUTE_US: u64 = 60_000_000;
/// Between two key frames of a camera.
const KEY_FRAME_US: u64 = 2_000_000;
/// Sessions that vanished are silent for 8 s, and HTTP connections are kept for 5 s.
const REST_US: u64 = 3 * SESSION_SILENCE_US;
/// What the control thread may keep to show, and the kernel of pages touched.
const HEAP_BYTES_MAX: f64 = 64.0 * 1024.0;
const RESIDENT_KIB_MAX: u64 = 256;

/// Soaks weir in sessions that come and go.
#[derive(Parser, Debug)]
struct Load {
    /// Minutes, after the first that fills the memory's pages.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Hours, in place of minutes.
    #[arg(long, conflicts_with = "minutes")]
    hours: Option<u64>,
    /// Sessions that come a second; half of them vanish.
    #[arg(long, default_value_t = 10)]
    sessions_per_second: u64,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Load::parse();
    let minutes = arguments.hours.map_or(arguments.minutes, |hours| 60 * hours);
    let cameras = u32::try_from(PROFILE.cameras).expect("few") - incidents::CAMERAS;
    let farm = CameraFarm::open(Mount::many(cameras, Picture::default(), false));
    let mut incidents = Incidents::begin(Setup::of(FullLoad::entries(&farm, cameras)));
    let token = Some(incidents::TOKEN);
    let mut load = FullLoad::open_with(farm, cameras, incidents.setup(), token);
    let mut troubles = Vec::new();
    let mut visits = [0; 4];
    println!("minute   offers  watched  packets to those who stay  lost  sessions  heap  resident");
    // A viewer that began with a still picture moves with the next key frame.
    load.pass(2 * KEY_FRAME_US);
    let mut before = load.holding();
    for minute in 0..=minutes {
        let ledger = Ledger::default();
        let web = load.web;
        let mut ended = Ok(());
        let stayed =
            load.churn_beside(arguments.sessions_per_second, MINUTE_US, &ledger, |server| {
                ended = incidents.minute(server, web);
            });
        troubles.extend(ended.err().map(|what| format!("minute {minute}: {what}")));
        let by_exit = [&ledger.offers, &ledger.watched, &ledger.deleted, &ledger.closed];
        for (sum, figure) in visits.iter_mut().zip(by_exit) {
            *sum += figure.load(Relaxed);
        }
        row(minute, &ledger, &stayed, &load.holding());
        if stayed.broken_frames > 0 {
            let log = load.server.log();
            log.lines().filter(|line| line.contains("WARN")).for_each(|line| println!("{line}"));
        }
        note(minute, &ledger, &stayed, &mut troubles);
        if minute == 0 {
            before = load.rested(REST_US);
        }
    }
    let after = load.rested(REST_US);
    println!("rested, after the first minute:   {before:?}\nrested, at the end:    {after:?}");
    compare(&before, &after, &mut troubles);
    held_against(visits, &incidents);
    for trouble in &troubles {
        println!("trouble: {trouble}");
    }
    println!("{} troubles", troubles.len());
    if troubles.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What it was that it held against, or did not.
fn held_against([offers, watched, deleted, closed]: [u64; 4], incidents: &Incidents) {
    let vanished = offers - deleted - closed;
    println!(
        "held against: {offers} sessions, {watched} of them with media; {deleted} left by DELETE, \
         {closed} by an alert, {vanished} vanished\nheld against: {:?}",
        incidents.tally
    );
}

fn row(minute: u64, ledger: &Ledger, stayed: &Stayed, holding: &Holding) {
    println!(
        "{minute:6} {:8} {:8} {:26} {:5} {:9} {:5.0} {:9}",
        ledger.offers.load(Relaxed),
        ledger.watched.load(Relaxed),
        stayed.packets,
        stayed.lost + ledger.lost.load(Relaxed),
        holding.sessions,
        holding.heap_bytes / 1024.0,
        holding.resident_kib
    );
}

fn note(minute: u64, ledger: &Ledger, stayed: &Stayed, troubles: &mut Vec<String>) {
    let mut wrong = |what: &str, count: u64| {
        if count > 0 {
            troubles.push(format!("minute {minute}: {count} {what}"));
        }
    };
    wrong("packets lost by those who stay", stayed.lost);
    wrong("frames broken for those who stay", stayed.broken_frames);
    wrong("viewers ended", stayed.ended as u64);
    wrong("packets lost by those who come and go", ledger.lost.load(Relaxed));
    wrong("visitors with trouble", ledger.troubled.load(Relaxed));
    let words = ledger.troubles.lock().expect("not poisoned");
    troubles.extend(words.iter().cloned());
    let (answer, media) = (ledger.answer_us_max.load(Relaxed), ledger.media_us_max.load(Relaxed));
    let late = ledger.late.load(Relaxed);
    println!(
        "       longest answer {} ms, from there to media {} ms; {late} visitors came late; since \
         the start {} camera writes stalled, the latest {} ms behind its time, {} streams broke, \
         {} skips to an IDR",
        answer / 1000,
        media / 1000,
        stayed.camera_stalls,
        stayed.camera_late_us / 1000,
        stayed.breaks,
        stayed.skips
    );
}

fn compare(before: &Holding, after: &Holding, troubles: &mut Vec<String>) {
    let mut must = |is_so: bool, what: &str| {
        if !is_so {
            troubles.push(format!("{what}: {before:?}, then {after:?}"));
        }
    };
    must(after.sessions == before.sessions, "sessions");
    must(after.handshakes == before.handshakes, "handshakes");
    must(after.tasks == before.tasks, "tasks");
    must(after.descriptors == before.descriptors, "descriptors");
    must(after.heap_bytes < before.heap_bytes + HEAP_BYTES_MAX, "library heap");
    must(after.resident_kib < before.resident_kib + RESIDENT_KIB_MAX, "resident memory");
    must(after.peak_kib <= (plan::TOTAL_BYTES / 1024) as u64, "peak memory above the plan");
}
