//! Every rule, with facts by hand: a weir that is well, and one change to it at a time.

use super::*;
use crate::verify::facts::{AskerFacts, CameraTrouble, LoggedEvent};
use crate::verify::reception::ReceptionCounts;
use crate::verify::session::SessionFacts;

fn camera(name: &str) -> CameraFacts {
    let [name, state, reason] = [name, "playing", ""].map(str::to_owned);
    CameraFacts { name, state, reason, frames_per_s: Some(25.0), findings: Vec::new() }
}

fn session(camera: &str) -> SessionFacts {
    let counts = ReceptionCounts {
        packets: 10_000,
        expected: 10_000,
        whole_units: 250,
        settled_units: 225,
        settled_ms: 9_000,
        picture_ms: Some(80),
        jitter_ms: 2.0,
        ..ReceptionCounts::default()
    };
    SessionFacts {
        camera: camera.to_owned(),
        cipher: Some("AEAD_AES_256_GCM"),
        is_gcm: true,
        addresses: vec!["192.0.2.1:8118".parse().unwrap(); 2],
        has_rtcp_mux: true,
        counts,
        round_trips_us: vec![2_000; 20],
        ..SessionFacts::default()
    }
}

fn healthy() -> Facts {
    let [name, role] = ["installer", "operator"].map(str::to_owned);
    let status = StatusFacts {
        build_id: "0123456789abcdef".to_owned(),
        cpu_ms: Some(5_000),
        resident_most_bytes: Some(20 << 20),
        plan_bytes: Some(30 << 20),
        send_delays: vec![(Some(1_000), 50_000), (None, 2_000)],
        ..StatusFacts::default()
    };
    let send_delays = vec![(Some(1_000), 59_500), (None, 2_500)];
    let after = StatusFacts { cpu_ms: Some(6_000), send_delays, ..status.clone() };
    let cameras = vec![camera("gate"), camera("yard")];
    Facts {
        server: Some(Ok("weir 0.1.0".to_owned())),
        certificate: Certificate::Trusted,
        identity: Some(Ok(AskerFacts { name, role })),
        configuration: Some(("good".to_owned(), String::new())),
        cameras: Some([cameras.clone(), cameras]),
        status: Some([status, after]),
        apart_ms: 10_000,
        sessions: vec![session("gate"), session("yard")],
    }
}

fn of(facts: &Facts, limits: &VerifyLimits, verdict: RuleVerdict) -> Vec<&'static str> {
    let findings = judge(facts, limits);
    assert_eq!(findings.len(), RULES.len());
    for finding in &findings {
        assert!(!finding.found.is_empty() && !finding.limit.is_empty(), "{finding:?}");
        assert_eq!(finding.advice.is_empty(), finding.verdict == RuleVerdict::Good, "{finding:?}");
    }
    findings.iter().filter(|finding| finding.verdict == verdict).map(|one| one.rule).collect()
}

fn missed(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
    let mut facts = healthy();
    change(&mut facts);
    of(&facts, &VerifyLimits::default(), RuleVerdict::Missed)
}

fn after(facts: &mut Facts) -> &mut StatusFacts {
    &mut facts.status.as_mut().expect("it is there")[1]
}

#[test]
fn a_weir_that_is_well_keeps_every_rule() {
    let limits = VerifyLimits {
        build_id: Some("0123456".to_owned()),
        cameras: Some(2),
        ..VerifyLimits::default()
    };
    assert_eq!(of(&healthy(), &limits, RuleVerdict::Good).len(), RULES.len());
}

#[test]
fn what_was_not_reached_is_unknown_and_only_its_cause_is_missed() {
    let down = Facts { server: Some(Err("refused".to_owned())), ..Facts::default() };
    let limits = VerifyLimits::default();
    assert_eq!(of(&down, &limits, RuleVerdict::Missed), ["server"]);
    assert_eq!(of(&down, &limits, RuleVerdict::Unknown).len(), RULES.len() - 1);
    let viewer = |facts: &mut Facts| {
        if let Some(Ok(identity)) = &mut facts.identity {
            identity.role = "viewer".to_owned();
        }
        facts.status = None;
    };
    let mut facts = healthy();
    viewer(&mut facts);
    let untold = ["access", "build", "memory", "cpu", "disk", "log"];
    assert_eq!(of(&facts, &limits, RuleVerdict::Unknown), untold);
    assert_eq!(missed(viewer), [""; 0]);
    let asked = VerifyLimits { build_id: Some("0123456".to_owned()), ..limits };
    assert_eq!(of(&facts, &asked, RuleVerdict::Missed), ["build"], "it was asked for");
}

#[test]
fn what_the_api_tells_breaks_one_rule_each() {
    let nothing: [&str; 0] = [];
    let distrusted = |facts: &mut Facts| {
        facts.certificate = Certificate::Distrusted("another".to_owned());
    };
    assert_eq!(missed(distrusted), ["certificate"]);
    assert_eq!(missed(|facts| facts.certificate = Certificate::Plain), nothing);
    assert_eq!(missed(|facts| facts.identity = Some(Err("HTTP 401".to_owned()))), ["access"]);
    let last_good = |facts: &mut Facts| {
        facts.configuration = Some(("last good".to_owned(), "line 3".to_owned()));
    };
    assert_eq!(missed(last_good), ["configuration"]);
    assert_eq!(missed(|facts| after(facts).resident_most_bytes = Some(31 << 20)), ["memory"]);
    let full = |facts: &mut Facts| after(facts).full_tables.push(("sessions".to_owned(), 3));
    assert_eq!(missed(full), ["memory"]);
    assert_eq!(missed(|facts| after(facts).cpu_ms = Some(13_000)), nothing, "80 % exactly");
    assert_eq!(missed(|facts| after(facts).cpu_ms = Some(13_010)), ["cpu"]);
    // It was started again meanwhile.
    assert_eq!(missed(|facts| after(facts).cpu_ms = Some(10)), nothing);
}

#[test]
fn the_build_is_told_by_enough_of_its_digits() {
    let build = |expected: &str| {
        let build_id = Some(expected.to_owned());
        of(&healthy(), &VerifyLimits { build_id, ..VerifyLimits::default() }, RuleVerdict::Missed)
    };
    assert!(build("0123456789ABCDEF").is_empty() && build("0123456").is_empty());
    for wrong in ["012345", "", "1123456789abcdef", "0123456789abcdef0"] {
        assert_eq!(build(wrong), ["build"], "{wrong}");
    }
}

#[test]
fn a_camera_that_was_down_at_either_end_is_named() {
    for at in [0, 1] {
        let mut facts = healthy();
        let cameras = facts.cameras.as_mut().expect("they are there");
        cameras[at][1].state = "waiting".to_owned();
        cameras[at][1].reason = "no route to host".to_owned();
        let findings = judge(&facts, &VerifyLimits::default());
        let missed = findings.iter().find(|finding| finding.verdict == RuleVerdict::Missed);
        let missed = missed.expect("one is missed");
        assert_eq!(missed.rule, "playing");
        assert_eq!(missed.found, "1 of 2 do not: yard: no route to host");
    }
    assert_eq!(missed(|facts| facts.cameras = Some([vec![], vec![]])), ["cameras"]);
    let limits = VerifyLimits { cameras: Some(64), ..VerifyLimits::default() };
    assert_eq!(of(&healthy(), &limits, RuleVerdict::Missed), ["cameras"]);
}

#[test]
fn an_error_is_new_for_ten_minutes() {
    let with = |is_error, age_s| {
        let text = "the media thread is stuck".to_owned();
        missed(|facts| after(facts).events.push(LoggedEvent { is_error, text, count: 64, age_s }))
    };
    assert_eq!(with(true, Some(VERIFY_ERRORS_NEW_S - 1)), ["log"]);
    assert_eq!(with(true, Some(VERIFY_ERRORS_NEW_S)), [""; 0]);
    assert_eq!(with(true, None), ["log"]);
    assert_eq!(with(false, Some(0)), [""; 0], "a warning");
    // Its text was replaced by those of other events.
    assert_eq!(missed(|facts| after(facts).errors_total = 1), ["log"]);
}

#[test]
fn a_disk_that_took_no_write_is_named_by_its_warning() {
    for (number, expected) in [(28, true), (30, true), (5, true), (2, false), (50, false)] {
        let error = std::io::Error::from_raw_os_error(number);
        let text = format!("weir.toml.good cannot be written: {error}");
        let event = LoggedEvent { is_error: false, text, count: 1, age_s: Some(5_000) };
        let missed = missed(|facts| after(facts).events.push(event));
        assert_eq!(missed == ["disk"], expected, "{error}: {missed:?}");
    }
}

#[test]
fn what_a_session_shows_breaks_one_rule_each() {
    let first = |change: fn(&mut SessionFacts)| missed(|facts| change(&mut facts.sessions[0]));
    let failed = |session: &mut SessionFacts| session.failure = Some("no answer by UDP".to_owned());
    assert_eq!(first(failed), ["sessions"]);
    assert_eq!(first(|session| session.counts.picture_ms = None), ["sessions"]);
    assert_eq!(first(|session| session.is_gcm = false), ["cipher"]);
    assert_eq!(first(|session| session.counts.forged = 1), ["cipher"]);
    let second_port = |session: &mut SessionFacts| {
        session.addresses.push("192.0.2.1:8119".parse().unwrap());
    };
    assert_eq!(first(second_port), ["udp port"]);
    let another_host = |session: &mut SessionFacts| {
        session.addresses.push("203.0.113.1:50000".parse().unwrap());
    };
    assert!(first(another_host).is_empty(), "announced, behind a NAT");
    assert_eq!(first(|session| session.has_rtcp_mux = false), ["udp port"]);
    assert_eq!(first(|session| session.counts.settled_units = 179), ["frames"]);
    assert!(first(|session| session.counts.settled_units = 180).is_empty(), "80 % of 25 per s");
    assert_eq!(first(|session| session.counts.settled_ms = 0), ["frames"]);
    // 0.1 % of the 20 000 of both sessions.
    assert_eq!(first(|session| session.counts.packets -= 20), ["loss"]);
    assert!(first(|session| session.counts.packets -= 19).is_empty());
    assert_eq!(first(|session| session.counts.jitter_ms = 30.0), ["jitter"]);
    assert_eq!(first(|session| session.round_trips_us = vec![100_000; 20]), ["latency"]);
    let mut slow = healthy();
    let [_, after] = slow.status.as_mut().expect("it is told");
    after.send_delays = vec![(Some(1_000), 59_400), (None, 2_600)];
    assert_eq!(
        of(&slow, &VerifyLimits::default(), RuleVerdict::Missed),
        ["latency"],
        "6 % are slower than any bound"
    );
}

#[test]
fn of_many_names_the_first_are_listed() {
    let all: Vec<String> = (0..6).map(|number| format!("cam{number}")).collect();
    assert_eq!(names(&all), "cam0; cam1; cam2; cam3; and 2 more");
    assert_eq!(names(&all[..1]), "cam0");
}

#[test]
fn what_weir_finds_of_a_camera_is_quoted_with_its_advice() {
    let trouble = |words: &str, advice: &str| {
        let [words, advice] = [words, advice].map(str::to_owned);
        vec![CameraTrouble { words, advice }]
    };
    let quoted = |state: &str| {
        let mut facts = healthy();
        let [_, cameras] = facts.cameras.as_mut().expect("they are there");
        cameras[1].state = state.to_owned();
        cameras[1].findings = trouble("it is odd", "look at it");
        let findings = judge(&facts, &VerifyLimits::default());
        let missed: Vec<Finding> =
            findings.into_iter().filter(|one| one.verdict == RuleVerdict::Missed).collect();
        let [missed] = &missed[..] else { panic!("{missed:?}") };
        assert_eq!(missed.advice, "look at it");
        (missed.rule, missed.found.clone())
    };
    assert_eq!(quoted("playing"), ("findings", "yard: it is odd".to_owned()));
    assert_eq!(quoted("failed"), ("playing", "1 of 2 do not: yard: failed".to_owned()));
}
