//! The rules: pure functions over what was measured. Those that [`crate::verify`] has are its own.

use super::SelftestOptions;
use super::facts::{SelftestFacts, WindowFacts};
use crate::limits::{
    SELFTEST_CPU_PERCENT_MAX, SELFTEST_FRAMES_PERCENT_MIN, SELFTEST_LATENCY_MS_MAX,
    SELFTEST_LOAD_PERCENT_MAX,
};
use crate::verify::{Finding, Judgement, VerifyLimits, judge_by};

/// The rules of a look over the network that hold here too.
const LOOKED: [&str; 5] = ["sessions", "cipher", "loss", "memory", "cpu"];

/// Judges by every rule, in the order in which a person would look.
pub(super) fn judge(options: SelftestOptions, facts: &SelftestFacts) -> Vec<Finding> {
    let limits = VerifyLimits { cpu_percent: SELFTEST_CPU_PERCENT_MAX, ..VerifyLimits::default() };
    let mut findings = vec![run(facts).of_rule("run"), cameras(options, facts).of_rule("cameras")];
    findings.extend(judge_by(&LOOKED, &facts.looked, &limits));
    let window = facts.window.as_ref();
    findings.push(frames(window).of_rule("frames"));
    findings.push(latency(window).of_rule("latency"));
    findings.push(load(window).of_rule("load"));
    findings
}

fn run(facts: &SelftestFacts) -> Judgement {
    let limit = "a weir of its own starts, answers and ends";
    match &facts.run {
        None => Judgement::not_reached(limit),
        Some(Ok(())) => Judgement::of(true, "it did".to_owned(), limit.to_owned(), ""),
        Some(Err(why)) => Judgement::missed(
            why.clone(),
            limit,
            "a folder to write to ($TMPDIR, /tmp or /dev/shm) and free memory (`weir memory`) are \
             what it needs; limits of this shell or service (`ulimit -a`) bind it too",
        ),
    }
}

fn cameras(options: SelftestOptions, facts: &SelftestFacts) -> Judgement {
    let limit = format!("all {} cameras on loopback play", options.cameras);
    let Some(playing) = facts.playing else { return Judgement::not_reached(&limit) };
    Judgement::of(
        playing == options.cameras,
        format!("{playing} play"),
        limit,
        "fewer cameras (--cameras) show whether it is the load; each takes four descriptors here \
         and one of the weir that is judged (`ulimit -n`)",
    )
}

#[allow(clippy::cast_precision_loss)] // pictures of minutes
fn frames(window: Option<&WindowFacts>) -> Judgement {
    let limit = format!("{SELFTEST_FRAMES_PERCENT_MIN} % of the frames that were sent come whole");
    let Some(WindowFacts { pictures_sent: sent, pictures_whole: whole, .. }) = window else {
        return Judgement::not_reached(&limit);
    };
    let percent = *whole as f64 * 100.0 / (*sent).max(1) as f64;
    let is_good = *sent > 0 && percent >= SELFTEST_FRAMES_PERCENT_MIN;
    Judgement::of(
        is_good,
        format!("{whole} of {sent}"),
        limit,
        "if the rule load is missed too, this box cannot be the load: fewer cameras (--cameras); \
         else larger socket buffers (net.core.rmem_max, net.core.wmem_max)",
    )
}

fn latency(window: Option<&WindowFacts>) -> Judgement {
    let limit = format!("99 % of the frames within {SELFTEST_LATENCY_MS_MAX} ms");
    let Some(latencies) = window.and_then(|window| window.latencies) else {
        return Judgement::not_reached(&limit);
    };
    let p99_ms = latencies.p99_ms;
    Judgement::of(
        p99_ms <= SELFTEST_LATENCY_MS_MAX,
        format!("99 % within {p99_ms:.1} ms"),
        limit,
        "what else runs on this box (`top`), a CPU that is throttled for heat or power, or fewer \
         cameras (--cameras)",
    )
}

fn load(window: Option<&WindowFacts>) -> Judgement {
    let limit = format!("cameras and viewers take at most {SELFTEST_LOAD_PERCENT_MAX} % of a core");
    let Some(window) = window else { return Judgement::not_reached(&limit) };
    let Some(percent) = window.percent(window.load_cpu_ms) else {
        return Judgement::unknown("not told", &limit, "it needs /proc");
    };
    Judgement::of(
        percent <= SELFTEST_LOAD_PERCENT_MAX,
        format!("{percent:.1} % of a core"),
        limit,
        "this box is too slow to be the load as well: fewer cameras (--cameras), or cameras and \
         `weir verify` on another machine",
    )
}

#[cfg(test)]
mod tests {
    use super::super::facts::Latencies;
    use super::*;
    use crate::verify::{SessionFacts, StatusFacts, missed};

    const OPTIONS: SelftestOptions = SelftestOptions { cameras: 1, seconds: 10 };

    fn good() -> SelftestFacts {
        let mut session = SessionFacts { is_gcm: true, ..SessionFacts::default() };
        session.cipher = Some("AEAD_AES_256_GCM");
        session.counts.packets = 2_000;
        session.counts.expected = 2_000;
        session.counts.picture_ms = Some(20);
        let status = |cpu_ms| StatusFacts {
            cpu_ms: Some(cpu_ms),
            resident_most_bytes: Some(1 << 20),
            plan_bytes: Some(2 << 20),
            ..StatusFacts::default()
        };
        let mut facts = SelftestFacts {
            run: Some(Ok(())),
            playing: Some(1),
            window: Some(WindowFacts {
                window_ms: 10_000,
                load_cpu_ms: Some(9_000),
                pictures_sent: 1_000,
                pictures_whole: 999,
                latencies: Some(Latencies { p50_ms: 0.2, p99_ms: 40.0, most_ms: 80.0 }),
                ..WindowFacts::default()
            }),
            ..SelftestFacts::default()
        };
        facts.looked.sessions = vec![session];
        facts.looked.status = Some([status(0), status(5_000)]);
        facts.looked.apart_ms = 10_000;
        facts
    }

    /// The rules that are missed after a change.
    fn missed_by(change: impl FnOnce(&mut SelftestFacts, &mut WindowFacts)) -> Vec<&'static str> {
        let mut facts = good();
        let mut window = facts.window.take().expect("a window");
        change(&mut facts, &mut window);
        facts.window = Some(window);
        let findings = judge(OPTIONS, &facts);
        let rules = missed(&findings).map(|finding| {
            let is_said = [&finding.found, &finding.limit, &finding.advice];
            assert!(is_said.iter().all(|text| !text.is_empty()), "{finding:?}");
            finding.rule
        });
        rules.collect()
    }

    #[test]
    fn each_rule_is_kept_up_to_its_limit_and_missed_beyond() {
        assert!(missed_by(|_, _| {}).is_empty());
        assert_eq!(missed_by(|facts, _| facts.run = Some(Err("no room".to_owned()))), ["run"]);
        assert_eq!(missed_by(|facts, _| facts.playing = Some(0)), ["cameras"]);
        assert_eq!(missed_by(|facts, _| facts.looked.sessions[0].is_gcm = false), ["cipher"]);
        let fails = |facts: &mut SelftestFacts, _: &mut WindowFacts| {
            facts.looked.sessions[0].failure = Some("POST: HTTP 503".to_owned());
        };
        assert_eq!(missed_by(fails), ["sessions"]);
        let loses = |facts: &mut SelftestFacts, _: &mut WindowFacts| {
            facts.looked.sessions[0].counts.expected = 2_100;
        };
        assert_eq!(missed_by(loses), ["loss"]);
        assert_eq!(missed_by(|_, window| window.pictures_whole = 998), ["frames"]);
        assert_eq!(missed_by(|_, window| window.pictures_sent = 0), ["frames"]);
        assert_eq!(missed_by(|_, window| window.load_cpu_ms = Some(9_010)), ["load"]);
        let late = Latencies { p50_ms: 0.2, p99_ms: 40.1, most_ms: 80.0 };
        assert_eq!(missed_by(|_, window| window.latencies = Some(late)), ["latency"]);
        let status = |change: fn(&mut StatusFacts)| {
            missed_by(move |facts, _| change(&mut facts.looked.status.as_mut().expect("two")[1]))
        };
        assert_eq!(status(|status| status.cpu_ms = Some(5_010)), ["cpu"]);
        assert_eq!(status(|status| status.resident_most_bytes = Some(3 << 20)), ["memory"]);
    }

    #[test]
    fn what_was_not_reached_is_no_miss() {
        let facts = SelftestFacts { run: Some(Err("no room".to_owned())), ..Default::default() };
        let findings = judge(OPTIONS, &facts);
        assert_eq!(findings.len(), 10);
        let rules: Vec<&str> = missed(&findings).map(|finding| finding.rule).collect();
        assert_eq!(rules, ["run"]);
    }
}
