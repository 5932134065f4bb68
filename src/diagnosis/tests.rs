//! Findings by their figures, in turned time; and that docs/api.md has each of them.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::codec::{CodecProfile, HevcProfile};
use crate::limits::CONSOLE_COLUMNS;
use crate::status::{BreakReason, CameraStats};

const S: u64 = 1_000_000;
/// A connection began here.
const PLAYED_US: u64 = 1_000 * S;
const FRAMES_PER_S: u64 = 25;
const BASELINE: CodecProfile = CodecProfile::H264(0x42_e01f);

/// A camera that plays, and the time.
struct Playing {
    stats: CameraStats,
    samples: CameraSamples,
    second: u64,
    says_frames_x100: Option<u32>,
}

impl Playing {
    fn new() -> Self {
        let stats = CameraStats::new();
        stats.ready.store(true, Relaxed);
        stats.profile.store(BASELINE.to_number(), Relaxed);
        let samples = CameraSamples::begun(&stats, PLAYED_US);
        Self { stats, samples, second: 0, says_frames_x100: Some(2500) }
    }

    fn now_us(&self) -> u64 {
        PLAYED_US + self.second * S
    }

    /// So many seconds of a camera that is well, but for what `change` does each second.
    fn pass(&mut self, seconds: u64, change: impl Fn(&CameraStats, u64)) -> &mut Self {
        for _ in 0..seconds {
            self.second += 1;
            let now_us = self.now_us();
            let Self { stats, second, .. } = self;
            stats.frames.fetch_add(FRAMES_PER_S, Relaxed);
            stats.last_rtp_us.store(now_us, Relaxed);
            stats.last_idr_us.store(now_us - *second % 2 * S, Relaxed);
            stats.set_clock(u32::try_from(*second * 90_000).expect("hours"), now_us);
            change(stats, *second);
            self.samples.take(&self.stats, now_us);
        }
        self
    }

    fn figures(&self) -> CameraFigures<'_> {
        CameraFigures {
            stats: &self.stats,
            samples: &self.samples,
            says_frames_x100: self.says_frames_x100,
            is_in_the_clear: false,
            has_foreign_sound: false,
        }
    }

    fn found(&self) -> Vec<CameraFinding> {
        self.figures().findings(self.now_us()).iter().copied().collect()
    }

    fn codes(&self) -> Vec<&'static str> {
        self.found().iter().map(CameraFinding::code).collect()
    }
}

/// Nothing but what a camera does that is well.
fn well(_: &CameraStats, _: u64) {}

/// What is found after five minutes in which `change` is made each second.
fn codes_of(change: impl Fn(&CameraStats, u64)) -> Vec<&'static str> {
    Playing::new().pass(300, change).codes()
}

#[test]
fn nothing_is_found_of_a_camera_that_is_well_nor_of_what_happens_to_such() {
    let nothing: [&str; 0] = [];
    let mut camera = Playing::new();
    for _ in 0..3600 {
        assert_eq!(camera.pass(1, well).codes(), nothing, "{} s", camera.second);
    }
    let at = |second: u64, what: fn(&CameraStats)| {
        codes_of(move |stats, now| {
            if now == second {
                what(stats)
            }
        })
    };
    // A clock that is set once; a cable that is pulled once; a moment without room.
    assert_eq!(at(290, |stats| stats.clock_jumps.store(1, Relaxed)), nothing);
    let lose = |stats: &CameraStats| {
        stats.gaps.fetch_add(2, Relaxed);
        stats.missing.fetch_add(400, Relaxed);
    };
    assert_eq!(at(290, lose), nothing);
    assert_eq!(at(290, |stats| stats.unread_us.store(3 * S, Relaxed)), nothing);
    // What came late at one sample.
    for late_at in [180, 240, 300] {
        let late = codes_of(move |stats, second| {
            if second == late_at {
                let stamp = u32::try_from((second - 3) * 90_000).expect("small");
                stats.set_clock(stamp, PLAYED_US + second * S);
            }
        });
        assert_eq!(late, nothing, "{late_at} s");
    }
    // Key frames each 10 s.
    let seldom = |stats: &CameraStats, second: u64| {
        stats.last_idr_us.store(PLAYED_US + second / 10 * 10 * S, Relaxed);
    };
    let mut camera = Playing::new();
    for _ in 0..100 {
        assert_eq!(camera.pass(1, seldom).codes(), nothing);
    }
}

#[test]
fn a_camera_without_key_frames_or_parameter_sets_is_told_with_what_it_lacks() {
    let never = |stats: &CameraStats, _: u64| stats.last_idr_us.store(PLAYED_US - S, Relaxed);
    let mut camera = Playing::new();
    assert_eq!(camera.pass(14, never).codes(), [""; 0]);
    let found = camera.pass(1, never).found();
    assert_eq!(found, [CameraFinding::NoKeyFrame { for_s: 15, had_one: false }]);
    assert!(found[0].is_pictureless() && found[0].severity() == FindingSeverity::Error);
    let mut camera = Playing::new();
    camera.pass(10, well);
    let last = |stats: &CameraStats, _: u64| stats.last_idr_us.store(PLAYED_US + 8 * S, Relaxed);
    assert_eq!(camera.pass(12, last).codes(), [""; 0]);
    let found = camera.pass(9, last).found();
    assert_eq!(found, [CameraFinding::NoKeyFrame { for_s: 23, had_one: true }]);
    assert!(!found[0].is_pictureless() && found[0].severity() == FindingSeverity::Warning);
    // Nothing comes: that is silence, and no want of key frames.
    camera.second += 5;
    assert_eq!(camera.found(), found);

    let without_pps = |stats: &CameraStats, _: u64| stats.ready.store(false, Relaxed);
    let mut camera = Playing::new();
    assert_eq!(camera.pass(10, without_pps).codes(), [""; 0]);
    assert_eq!(
        camera.pass(1, without_pps).found(),
        [CameraFinding::NoParameterSets { has_sps: true }]
    );
    let without_sps = |stats: &CameraStats, _: u64| stats.profile.store(0, Relaxed);
    assert_eq!(codes_of(without_sps), ["no_parameter_sets"]);
    let few = |stats: &CameraStats, _: u64| {
        without_sps(stats, 0);
        stats.frames.store(3, Relaxed);
    };
    assert_eq!(Playing::new().pass(30, few).codes(), [""; 0], "it may begin");
}

#[test]
fn what_is_lost_before_weir_is_told_from_what_weir_had_no_room_for() {
    let lossy = |stats: &CameraStats, second: u64| {
        stats.gaps.store(u32::try_from(second / 10).expect("few"), Relaxed);
        stats.missing.store(second / 10 * 3, Relaxed);
    };
    let mut camera = Playing::new();
    camera.pass(300, lossy);
    let found = camera.found();
    assert!(matches!(found[..], [CameraFinding::LostBeforeWeir { missing: 18..=36 }]), "{found:?}");
    // Two minutes later it is over.
    assert_eq!(camera.pass(121, |_, _| {}).codes(), [""; 0]);

    let dropped = |stats: &CameraStats, second: u64| {
        lossy(stats, second);
        let breaks = &stats.breaks[BreakReason::NoCarrySlot as usize];
        breaks.store(u32::try_from(second / 30).expect("few"), Relaxed);
    };
    assert_eq!(codes_of(dropped), ["no_room"], "what weir drops is missing too");
    let unread = |stats: &CameraStats, second: u64| {
        stats.unread_us.store(second * S * 3 / 10, Relaxed);
    };
    let mut camera = Playing::new();
    let found = camera.pass(300, unread).found();
    let expected = CameraFinding::NoRoom { unread_percent: 30, dropped: 0 };
    assert_eq!(found, [expected]);
    let throttled = |stats: &CameraStats, second: u64| stats.throttled.store(second, Relaxed);
    assert_eq!(codes_of(throttled), ["over_rate"]);
}

#[test]
fn clocks_that_jump_or_run_fast_or_slow_are_told_apart() {
    let at_rate = |per_mille: u64| {
        move |stats: &CameraStats, second: u64| {
            let stamp = u32::try_from(second * 90 * per_mille).expect("hours");
            stats.set_clock(stamp, PLAYED_US + second * S);
        }
    };
    let found = |per_mille| Playing::new().pass(300, at_rate(per_mille)).found();
    assert_eq!(found(1_020), [CameraFinding::ClockFast { per_mille: 20 }]);
    assert_eq!(found(840), [CameraFinding::ClockSlow { per_mille: 160 }]);
    assert_eq!(found(1_005), [], "half a percent");
    // It is not said before both minutes are over, from the first sample of the clock on.
    assert_eq!(Playing::new().pass(179, at_rate(1_020)).found(), []);
    assert_eq!(Playing::new().pass(180, at_rate(1_020)).codes(), ["clock_fast"]);
    let jumping = |stats: &CameraStats, second: u64| {
        at_rate(1_020)(stats, second);
        stats.clock_jumps.store(u32::try_from(second / 20).expect("few"), Relaxed);
    };
    assert_eq!(codes_of(jumping), ["clock_jumps"], "a rate means nothing then");
    // Another connection begins with another clock.
    let mut camera = Playing::new();
    camera.pass(300, at_rate(1_020));
    let samples = CameraSamples::begun(&camera.stats, PLAYED_US + 299 * S);
    let other = CameraFigures { samples: &samples, ..camera.figures() };
    assert_eq!(other.findings(camera.now_us()), CameraFindings::new());
}

#[test]
fn what_the_stream_is_and_how_many_frames_it_says_is_found() {
    let slow = |stats: &CameraStats, second: u64| stats.frames.store(second * 12, Relaxed);
    let mut camera = Playing::new();
    assert_eq!(camera.pass(119, slow).codes(), [""; 0], "one minute alone");
    let found = camera.pass(120, slow).found();
    assert_eq!(found, [CameraFinding::SlowerThanItSays { comes: 12, says: 25 }]);
    camera.says_frames_x100 = None;
    assert_eq!(camera.codes(), [""; 0], "it says nothing");
    assert_eq!(codes_of(|stats, second| stats.frames.store(second * 21, Relaxed)), [""; 0]);

    let hevc = HevcProfile { profile_id: 1, is_high_tier: false, level_id: 120 };
    let h265 = CodecProfile::H265(hevc).to_number();
    let stats = |stats: &CameraStats, _: u64| {
        stats.profile.store(h265, Relaxed);
        stats.b_frames.store(true, Relaxed);
    };
    let mut camera = Playing::new();
    camera.pass(1, stats);
    assert_eq!(camera.codes(), ["b_frames", "h265"]);
    let mut figures = camera.figures();
    (figures.is_in_the_clear, figures.has_foreign_sound) = (true, true);
    let found = figures.findings(camera.now_us());
    let codes: Vec<&str> = found.iter().map(CameraFinding::code).collect();
    assert_eq!(codes, ["b_frames", "password_in_the_clear", "h265", "sound_not_taken"]);
}

#[test]
fn the_gravest_are_kept_where_there_is_no_room_for_all() {
    let all: CameraFindings = CameraFinding::ALL.into_iter().rev().collect();
    let severities: Vec<FindingSeverity> = all.iter().map(CameraFinding::severity).collect();
    assert_eq!(severities, [FindingSeverity::Error; CAMERA_FINDINGS_MAX]);
}

#[test]
fn a_viewer_is_told_why_it_has_no_picture_or_a_bad_one() {
    let code = |figures: SessionFigures| {
        figures.findings().iter().map(SessionFinding::code).next().unwrap_or_default()
    };
    let waits = SessionFigures { age_ms: 4_999, ..SessionFigures::default() };
    assert_eq!(code(waits), "");
    let waits = SessionFigures { age_ms: 5_000, ..waits };
    assert_eq!(code(waits), "never_checked");
    assert_eq!(code(SessionFigures { was_checked: true, ..waits }), "");
    let well = SessionFigures {
        was_live: true,
        was_checked: true,
        age_ms: 600_000,
        packets: 100_000,
        asked_again: 1_000,
        fraction_lost: 3,
        skips: 1,
    };
    assert_eq!(code(well), "");
    assert_eq!(code(SessionFigures { asked_again: 2_000, ..well }), "lost_on_the_way");
    assert_eq!(code(SessionFigures { fraction_lost: 13, ..well }), "lost_on_the_way");
    let begins = SessionFigures { packets: 2_999, asked_again: 2_999, ..well };
    assert_eq!(code(begins), "");
    let slow = SessionFigures { skips: 3, asked_again: 2_000, ..well };
    assert_eq!(code(slow), "slow_link", "that is why");
    let once = SessionFigures { age_ms: 86_400_000, ..slow };
    assert_eq!(code(once), "lost_on_the_way", "three skips of a day");
}

/// Code, severity, words and advice of every finding of one kind.
fn rows<F: Diagnosis>(all: &[F]) -> Vec<[String; 4]> {
    let row = |found: &F| {
        let (code, severity) = (found.code().to_owned(), found.severity().name().to_owned());
        [code, severity, found.to_string(), found.advice().to_owned()]
    };
    all.iter().map(row).collect()
}

#[test]
fn every_text_fits_a_line_of_the_console_and_every_code_is_its_own() {
    let all = [rows(&CameraFinding::ALL), rows(&SessionFinding::ALL)].concat();
    for [code, _, words, advice] in &all {
        // Behind the margin that the console has before it.
        for text in [words, advice] {
            assert!(text.chars().count() < CONSOLE_COLUMNS - 6, "{code}: {text}");
            assert!(!text.is_empty() && !text.ends_with('.'), "{code}: {text}");
        }
        assert!(
            code.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
        );
    }
    let codes: BTreeSet<&String> = all.iter().map(|[code, ..]| code).collect();
    assert_eq!(codes.len(), all.len());
    let other = [
        CameraFinding::NoParameterSets { has_sps: true },
        CameraFinding::NoKeyFrame { for_s: 15, had_one: false },
    ];
    assert!(other.iter().all(|found| found.to_string().len() < CONSOLE_COLUMNS - 6));
}

#[test]
fn the_documentation_has_every_finding() {
    let table = |all: Vec<[String; 4]>| {
        let mut text = String::from("| code | severity | words | advice |\n|---|---|---|---|\n");
        for [code, severity, words, advice] in all {
            text += &format!("| `{code}` | {severity} | {words} | {advice} |\n");
        }
        text
    };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md");
    let mut page = std::fs::read_to_string(path).expect("docs/api.md");
    for (of, rows) in [
        ("camera findings", table(rows(&CameraFinding::ALL))),
        ("session findings", table(rows(&SessionFinding::ALL))),
    ] {
        let (begin, end) = (format!("<!-- {of} -->\n"), format!("<!-- /{of} -->"));
        let (before, rest) = page.split_once(&begin).expect("the table's begin");
        let (known, after) = rest.split_once(&end).expect("the table's end");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            page = format!("{before}{begin}{rows}{end}{after}");
        } else {
            assert_eq!(known, rows, "run UPDATE_DOCS=1 cargo test --lib the_documentation_has");
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page).expect("docs/api.md is written");
    }
}
