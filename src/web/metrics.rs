//! `/metrics` in Prometheus's text format. Labels are cameras, tables and tiers, so that the number of
//! series is bounded by the profile; what belongs to one session is in `/api/sessions`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

use super::Reply;
use super::content::Content;
use crate::control::CameraStatus;
use crate::limits::PROFILE;
use crate::mem::accounts::{Demand, Kind};
use crate::mem::heap;
use crate::process::build_id;
use crate::status::{CAMERAS, CameraStats, GAUGES, TABLES, Usage};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A gauge or counter of the process.
type Whole = (&'static str, &'static str, &'static str, &'static AtomicU64);

static PROCESS: &[Whole] = &[
    (
        "weir_library_heap_used_bytes",
        "gauge",
        "Library heap in use.",
        &GAUGES.library_heap_used_bytes,
    ),
    (
        "weir_library_heap_high_water_bytes",
        "gauge",
        "The most of the library heap in use since the start.",
        &GAUGES.library_heap_high_water_bytes,
    ),
    (
        "weir_media_thread_allocations",
        "counter",
        "Heap allocations of the media thread.",
        &GAUGES.media_allocations,
    ),
    ("weir_handshakes", "gauge", "Handshake slots in use.", &TABLES.handshakes.used),
    ("weir_sessions", "gauge", "Sessions, in handshake or live.", &TABLES.sessions.used),
    ("weir_udp_gso", "gauge", "1 while media leaves by UDP GSO.", &GAUGES.gso),
    ("weir_udp_calls_total", "counter", "Calls of sendmmsg.", &GAUGES.udp_calls),
    (
        "weir_udp_messages_total",
        "counter",
        "Messages that left, each a run of packets.",
        &GAUGES.udp_messages,
    ),
    ("weir_udp_packets_total", "counter", "Packets that left.", &GAUGES.udp_packets),
    (
        "weir_udp_refused_total",
        "counter",
        "Messages the kernel refused for good.",
        &GAUGES.udp_refused,
    ),
    ("weir_udp_blocked_total", "counter", "Times the socket was full.", &GAUGES.udp_blocked),
    (
        "weir_ring_unserved_chunks",
        "gauge",
        "Ring chunks with what a viewer has yet to get.",
        &GAUGES.ring_unserved_chunks,
    ),
    (
        "weir_ring_history_chunks",
        "gauge",
        "Ring chunks with the history that resends are made of.",
        &GAUGES.ring_history_chunks,
    ),
    (
        "weir_ring_key_frame_chunks",
        "gauge",
        "Ring chunks with the newest key frames.",
        &GAUGES.ring_key_frame_chunks,
    ),
    (
        "weir_ring_group_chunks",
        "gauge",
        "Ring chunks with the groups since them.",
        &GAUGES.ring_group_chunks,
    ),
    (
        "weir_ring_groups_given_up_total",
        "counter",
        "Groups given up for want of ring chunks.",
        &GAUGES.ring_groups_given_up,
    ),
    (
        "weir_ring_key_frames_given_up_total",
        "counter",
        "Key frames given up for want of ring chunks.",
        &GAUGES.ring_key_frames_given_up,
    ),
    (
        "weir_ring_history_given_up_total",
        "counter",
        "Chunks of history given up for want of ring chunks.",
        &GAUGES.ring_history_given_up,
    ),
    ("weir_tls_handshakes", "gauge", "TLS handshakes under way.", &GAUGES.tls_handshakes),
    (
        "weir_tls_large_records",
        "gauge",
        "TLS connections in the middle of a large record.",
        &GAUGES.tls_large_records,
    ),
    ("weir_tls_accepted_total", "counter", "TLS handshakes that ended well.", &GAUGES.tls_accepted),
    ("weir_tls_failed_total", "counter", "TLS handshakes that did not.", &GAUGES.tls_failed),
    (
        "weir_tls_files_refused",
        "gauge",
        "1 while the configured certificate cannot be used.",
        &GAUGES.tls_files_refused,
    ),
    ("weir_icmp_errors_total", "counter", "ICMP errors about what was sent.", &GAUGES.icmp_errors),
    (
        "weir_handshake_datagrams_refused_total",
        "counter",
        "Datagrams beyond the addresses or the rate of their handshake.",
        &GAUGES.handshake_datagrams_refused,
    ),
    (
        "weir_reports_refused_total",
        "counter",
        "Reports of viewers beyond their rate: signs of life and nothing more.",
        &GAUGES.reports_refused,
    ),
    ("weir_password_hashes_total", "counter", "Passwords hashed.", &GAUGES.password_hashes),
    (
        "weir_login_writes_total",
        "counter",
        "Times that the file of the logins was written.",
        &GAUGES.login_writes,
    ),
    (
        "weir_denials_total",
        "counter",
        "Requests without the credentials they need.",
        &GAUGES.denials,
    ),
];

/// A figure of one camera.
type OfCamera = (&'static str, &'static str, &'static str, fn(&CameraStats) -> u64);

static OF_CAMERA: [OfCamera; 9] = [
    ("weir_camera_packets_total", "counter", "RTP packets received.", |stats| {
        stats.packets.load(Ordering::Relaxed)
    }),
    ("weir_camera_bytes_total", "counter", "RTP bytes received.", |stats| {
        stats.bytes.load(Ordering::Relaxed)
    }),
    ("weir_camera_frames_total", "counter", "Access units received.", |stats| {
        stats.frames.load(Ordering::Relaxed)
    }),
    ("weir_camera_packets_out_total", "counter", "Packets cut into the history ring.", |stats| {
        stats.packets_out.load(Ordering::Relaxed)
    }),
    (
        "weir_camera_breaks_total",
        "counter",
        "Times the stream had to wait for its next IDR.",
        |stats| stats.breaks.load(Ordering::Relaxed),
    ),
    (
        "weir_camera_throttled_total",
        "counter",
        "Times it sent more than weir reads of one camera, and had to wait.",
        |stats| stats.throttled.load(Ordering::Relaxed),
    ),
    (
        "weir_camera_bits_per_second",
        "gauge",
        "Bit rate over the last two seconds or so.",
        |stats| stats.bits_per_s.load(Ordering::Relaxed),
    ),
    ("weir_camera_gop_milliseconds", "gauge", "Time between the last two IDRs.", |stats| {
        u64::from(stats.gop_ms.load(Ordering::Relaxed))
    }),
    ("weir_camera_viewers", "gauge", "Subscriptions now.", |stats| {
        u64::from(stats.viewers.load(Ordering::Relaxed))
    }),
];

/// A camera as the page names it.
struct Label {
    slot: usize,
    is_playing: bool,
    name: String,
}

/// The whole page, made piece by piece as it is sent: with every camera it has 50 KiB.
pub(super) fn reply(cameras: &[CameraStatus]) -> Reply {
    let label = |camera: &CameraStatus| Label {
        slot: camera.slot,
        is_playing: camera.state == "playing",
        name: escaped(&camera.name),
    };
    let labels: Vec<Label> = cameras.iter().map(label).collect();
    let mut numbers = 0..PIECES;
    let mut reply = super::reply(StatusCode::OK, CONTENT_TYPE, "");
    *reply.body_mut() = Content::Pieces(Box::new(move || {
        let mut text = String::new();
        piece(&mut text, numbers.next()?, &labels).expect("writing to a string does not fail");
        Some(text.into())
    }));
    reply
}

/// What is not of one camera, those that play, each figure of them, and what was abandoned.
const PIECES: usize = OF_CAMERA_FROM + OF_CAMERA.len() + TIERS.len();
const OF_CAMERA_FROM: usize = 4;
const TIERS: [&str; 3] = ["small", "medium", "large"];

fn piece(text: &mut String, number: usize, labels: &[Label]) -> std::fmt::Result {
    match number {
        0 => {
            build(text)?;
            tables(text)
        }
        1 => accounts(text),
        2 => {
            for (name, kind, help, value) in PROCESS {
                head(text, name, kind, help)?;
                writeln!(text, "{name} {}", value.load(Ordering::Relaxed))?;
            }
            Ok(())
        }
        3 => {
            let name = "weir_camera_playing";
            head(text, name, "gauge", "1 while the camera plays.")?;
            for Label { name: label, is_playing, .. } in labels {
                writeln!(text, "{name}{{camera=\"{label}\"}} {}", u8::from(*is_playing))?;
            }
            Ok(())
        }
        _ => match OF_CAMERA.get(number - OF_CAMERA_FROM) {
            Some(figure) => of_camera(text, figure, labels),
            None => abandoned(text, number - OF_CAMERA_FROM - OF_CAMERA.len(), labels),
        },
    }
}

fn of_camera(text: &mut String, figure: &OfCamera, labels: &[Label]) -> std::fmt::Result {
    let (name, kind, help, value) = figure;
    head(text, name, kind, help)?;
    for label in labels {
        let value = value(&CAMERAS[label.slot]);
        writeln!(text, "{name}{{camera=\"{}\"}} {value}", label.name)?;
    }
    Ok(())
}

fn abandoned(text: &mut String, tier: usize, labels: &[Label]) -> std::fmt::Result {
    let name = "weir_camera_frames_abandoned_total";
    if tier == 0 {
        head(text, name, "counter", "Interleaved frames without a carry slot.")?;
    }
    for label in labels {
        let count = CAMERAS[label.slot].abandoned[tier].load(Ordering::Relaxed);
        let (camera, tier) = (&label.name, TIERS[tier]);
        writeln!(text, "{name}{{camera=\"{camera}\",tier=\"{tier}\"}} {count}")?;
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
    type Figure = (&'static str, &'static str, &'static str, fn(Kind) -> u64);
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
        ("weir_accounts_ended_total", "counter", "Those ended over their budget.", Kind::ended),
    ];
    for (name, kind, help, value) in figures {
        head(text, name, kind, help)?;
        for account in Kind::ALL {
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
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
