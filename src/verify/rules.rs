//! The rules: a table of pure functions over the facts of a look. Each says what it found, what it
//! compares with, and for a miss what to try.

use super::facts::{CameraFacts, Certificate, Facts, StatusFacts};
use super::options::VerifyLimits;
use super::session_rules as sessions;
use crate::limits::VERIFY_ERRORS_NEW_S;

/// Names that a finding lists before it says how many more there are.
pub(super) const NAMES_SHOWN_MAX: usize = 4;
const MIB: f64 = (1 << 20) as f64;
/// The least number of digits of a build id that tell one build from another.
const BUILD_ID_DIGITS_MIN: usize = 7;

/// Linux's ENOSPC, EROFS and EIO in weir's log: a disk that is full, read-only or broken.
const DISK_ERRORS: [&str; 3] = ["(os error 28)", "(os error 30)", "(os error 5)"];

/// How a rule came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleVerdict {
    /// What was found keeps the rule.
    Good,
    /// What was found breaks the rule.
    Missed,
    /// Nothing was found that the rule could judge.
    Unknown,
}

impl RuleVerdict {
    /// The word for it in table and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Missed => "MISSED",
            Self::Unknown => "unknown",
        }
    }
}

/// What one rule has to say of one look.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The name of the rule.
    pub rule: &'static str,
    /// How it came out.
    pub verdict: RuleVerdict,
    /// What was found, in words.
    pub found: String,
    /// What the rule wants, in words.
    pub limit: String,
    /// What to try, unless it is good.
    pub advice: String,
}

/// What a rule returns: a [`Finding`] without its name.
#[derive(Debug, PartialEq)]
pub(crate) struct Judgement {
    verdict: RuleVerdict,
    found: String,
    limit: String,
    advice: String,
}

type Rule = fn(&Facts, &VerifyLimits) -> Judgement;

/// Every rule, in the order in which a person would look.
const RULES: [(&str, Rule); 19] = [
    ("server", server),
    ("certificate", certificate),
    ("access", access),
    ("build", build),
    ("configuration", configuration),
    ("cameras", cameras),
    ("playing", playing),
    ("findings", findings),
    ("sessions", sessions::sessions),
    ("cipher", sessions::cipher),
    ("udp port", sessions::udp_port),
    ("frames", sessions::frames),
    ("loss", sessions::loss),
    ("latency", sessions::latency),
    ("jitter", sessions::jitter),
    ("memory", memory),
    ("cpu", cpu),
    ("disk", disk),
    ("log", log),
];

/// Judges a look by every rule.
pub(super) fn judge(facts: &Facts, limits: &VerifyLimits) -> Vec<Finding> {
    RULES.iter().map(|(rule, check)| check(facts, limits).of_rule(rule)).collect()
}

/// Judges a look by the rules with these names, in their usual order.
pub(crate) fn judge_by(names: &[&str], facts: &Facts, limits: &VerifyLimits) -> Vec<Finding> {
    let mut findings = judge(facts, limits);
    findings.retain(|finding| names.contains(&finding.rule));
    findings
}

impl Judgement {
    /// The finding of the rule with this name.
    pub(crate) fn of_rule(self, rule: &'static str) -> Finding {
        let Self { verdict, found, limit, advice } = self;
        Finding { rule, verdict, found, limit, advice }
    }

    pub(crate) fn of(is_good: bool, found: String, limit: String, advice: &str) -> Self {
        let (verdict, advice) =
            if is_good { (RuleVerdict::Good, "") } else { (RuleVerdict::Missed, advice) };
        Self { verdict, found, limit, advice: advice.to_owned() }
    }

    pub(crate) fn missed(found: String, limit: &str, advice: &str) -> Self {
        Self::of(false, found, limit.to_owned(), advice)
    }

    pub(crate) fn unknown(found: &str, limit: &str, advice: &str) -> Self {
        let [found, limit, advice] = [found, limit, advice].map(str::to_owned);
        Self { verdict: RuleVerdict::Unknown, found, limit, advice }
    }

    /// The rule needs what was not reached; another rule says why.
    pub(crate) fn not_reached(limit: &str) -> Self {
        Self::unknown("not looked at", limit, "what the rules above say comes first")
    }
}

/// Names, the first of them; how many more.
pub(super) fn names(all: &[String]) -> String {
    let shown = all.iter().take(NAMES_SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMES_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

fn server(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "it answers /healthz";
    match &facts.server {
        None => Judgement::not_reached(limit),
        Some(Ok(version)) => Judgement::of(true, version.clone(), limit.to_owned(), ""),
        Some(Err(why)) => Judgement::missed(
            why.clone(),
            limit,
            "look whether weir runs (systemctl status weir), which port it listens on, and whether \
             a firewall is between",
        ),
    }
}

fn certificate(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "the certificate is the one asked for";
    match &facts.certificate {
        Certificate::Trusted => Judgement::of(true, "it is".to_owned(), limit.to_owned(), ""),
        Certificate::Distrusted(why) => Judgement::missed(
            why.clone(),
            limit,
            "compare it with what `weir console tls` says on the box, and give that by \
             --fingerprint; for a certificate of an authority give its file by --ca",
        ),
        Certificate::Unchecked => {
            Judgement::unknown("any was taken", limit, "give --fingerprint in place of --insecure")
        }
        Certificate::Plain => Judgement::unknown("HTTP without TLS", limit, "see docs/https.md"),
        Certificate::Unseen => Judgement::not_reached(limit),
    }
}

fn access(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "an operator, who is told everything";
    match &facts.identity {
        None => Judgement::not_reached(limit),
        Some(Ok(identity)) if identity.role == "operator" => {
            let found = format!("{} is an operator", identity.name);
            Judgement::of(true, found, limit.to_owned(), "")
        }
        Some(Ok(identity)) => Judgement::unknown(
            &format!("the role is {}", identity.role),
            limit,
            "give the token of an operator (--token-file) for the rules from build to log",
        ),
        Some(Err(why)) => Judgement::missed(
            why.clone(),
            limit,
            "make a token with `weir token`, put its hash into a [[token]] with the role operator, \
             and give it by --token-file",
        ),
    }
}

/// For the rules that need an operator.
fn of_operator<'f>(facts: &'f Facts, limit: &str) -> Result<&'f [StatusFacts; 2], Judgement> {
    let untold = || match &facts.identity {
        Some(Ok(identity)) if identity.role != "operator" => Judgement::unknown(
            "only an operator is told",
            limit,
            "give the token of an operator (--token-file)",
        ),
        _ => Judgement::not_reached(limit),
    };
    facts.status.as_ref().ok_or_else(untold)
}

fn build(facts: &Facts, limits: &VerifyLimits) -> Judgement {
    let limit = match &limits.build_id {
        Some(expected) => format!("build id {expected}"),
        None => "any, as none is expected".to_owned(),
    };
    let [status, _] = match of_operator(facts, &limit) {
        Ok(status) => status,
        // What was asked for and cannot be told is a miss.
        Err(unknown) if limits.build_id.is_some() => {
            return Judgement::missed(unknown.found, &limit, &unknown.advice);
        }
        Err(unknown) => return unknown,
    };
    let id = &status.build_id;
    let is_expected = |expected: &String| {
        let expected = expected.to_ascii_lowercase();
        expected.len() >= BUILD_ID_DIGITS_MIN && id.starts_with(&expected)
    };
    Judgement::of(
        limits.build_id.as_ref().is_none_or(is_expected),
        format!("build id {id}, profile {}", status.profile),
        limit,
        "another build runs: install the one that is meant, and restart weir (`weir --version` on \
         the box names the installed one, `weir console version` the running one)",
    )
}

fn configuration(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "what is in force is what the file says";
    match &facts.configuration {
        Some((state, message)) => Judgement::of(
            state == "good",
            if message.is_empty() { state.clone() } else { format!("{state}: {message}") },
            limit.to_owned(),
            "`weir check --config /etc/weir/weir.toml` names each mistake with its line",
        ),
        None => Judgement::not_reached(limit),
    }
}

fn cameras(facts: &Facts, limits: &VerifyLimits) -> Judgement {
    let limit = match limits.cameras {
        Some(expected) => format!("{expected} cameras"),
        None => "at least one camera".to_owned(),
    };
    let Some([_, cameras]) = &facts.cameras else { return Judgement::not_reached(&limit) };
    let count = cameras.len();
    Judgement::of(
        limits.cameras.map_or(count > 0, |expected| count == expected),
        format!("{count} cameras"),
        limit,
        "compare the [[camera]] sections with the list of cameras; a profile has a most of them \
         (`weir check` says so)",
    )
}

fn playing(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "every camera plays, all the time";
    let Some([before, after]) = &facts.cameras else { return Judgement::not_reached(limit) };
    let mut down: Vec<String> = Vec::new();
    for camera in after.iter().chain(before).filter(|camera| camera.state != "playing") {
        let CameraFacts { name, state, reason, .. } = camera;
        let is_listed = |line: &String| line.starts_with(&format!("{name}: "));
        if !down.iter().any(is_listed) {
            let why = if reason.is_empty() { state } else { reason };
            down.push(format!("{name}: {why}"));
        }
    }
    let found = if down.is_empty() {
        format!("{} of {} play", after.len(), after.len())
    } else {
        format!("{} of {} do not: {}", down.len(), after.len(), names(&down))
    };
    let is_down = |camera: &&CameraFacts| camera.state != "playing";
    let known = after.iter().filter(is_down).find_map(|camera| camera.findings.first());
    let advice = known.map_or(
        "power and network of that camera, its URL and its login; `weir console camera test NAME` \
         says what it answers",
        |finding| &finding.advice,
    );
    Judgement::of(down.is_empty(), found, limit.to_owned(), advice)
}

fn findings(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "weir finds nothing wrong with a camera that plays";
    let Some([_, cameras]) = &facts.cameras else { return Judgement::not_reached(limit) };
    let playing = cameras.iter().filter(|camera| camera.state == "playing");
    let found = playing
        .flat_map(|camera| camera.findings.iter().map(move |finding| (&camera.name, finding)));
    let found: Vec<_> = found.collect();
    let words = found.iter().map(|(name, finding)| format!("{name}: {}", finding.words));
    let words: Vec<String> = words.collect();
    Judgement::of(
        words.is_empty(),
        if words.is_empty() { "nothing".to_owned() } else { names(&words) },
        limit.to_owned(),
        found.first().map_or("", |(_, finding)| &finding.advice),
    )
}

#[allow(clippy::cast_precision_loss)] // of a process's memory, for people
fn memory(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "never more than the plan, and no table full";
    let [_, status] = match of_operator(facts, limit) {
        Ok(status) => status,
        Err(unknown) => return unknown,
    };
    let (Some(most), Some(plan)) = (status.resident_most_bytes, status.plan_bytes) else {
        return Judgement::unknown("weir does not know", limit, "it needs /proc");
    };
    let full: Vec<String> = status
        .full_tables
        .iter()
        .map(|(table, times)| format!("{table} full {times} times"))
        .collect();
    let mut found = format!("at most {:.1} of {:.1} MiB", most as f64 / MIB, plan as f64 / MIB);
    if !full.is_empty() {
        found += &format!("; {}", names(&full));
    }
    Judgement::of(
        most <= plan && full.is_empty(),
        found,
        limit.to_owned(),
        "docs/limits.md says what a full table does; a larger memory profile has larger ones; \
         more memory than the plan is a bug: report it with `weir console report`",
    )
}

#[allow(clippy::cast_precision_loss)] // milliseconds of a look
fn cpu(facts: &Facts, limits: &VerifyLimits) -> Judgement {
    let limit = format!("at most {} % of a core", limits.cpu_percent);
    let [before, after] = match of_operator(facts, &limit) {
        Ok(status) => status,
        Err(unknown) => return unknown,
    };
    let used = after.cpu_ms.zip(before.cpu_ms).and_then(|(after, before)| {
        let used_ms = after.checked_sub(before)?;
        (facts.apart_ms > 0).then_some(used_ms as f64 * 100.0 / facts.apart_ms as f64)
    });
    let Some(used) = used else {
        return Judgement::unknown("weir does not know", &limit, "it needs /proc");
    };
    Judgement::of(
        used <= limits.cpu_percent,
        format!("{used:.1} % of a core"),
        limit,
        "fewer viewers or cameras, or sub streams of lower bit rates; docs/profiling.md finds \
         where the time goes",
    )
}

fn disk(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "no write has failed since the start";
    let [_, status] = match of_operator(facts, limit) {
        Ok(status) => status,
        Err(unknown) => return unknown,
    };
    let failed: Vec<String> = status
        .events
        .iter()
        .rev()
        .filter(|event| DISK_ERRORS.iter().any(|error| event.text.contains(error)))
        .map(|event| event.text.clone())
        .collect();
    let found = if failed.is_empty() { "none has".to_owned() } else { names(&failed) };
    Judgement::of(
        failed.is_empty(),
        found,
        limit.to_owned(),
        "`df` on the box: make room, or replace a card that is read-only or broken; then restart \
         weir, as the list is since its start",
    )
}

fn log(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let minutes = VERIFY_ERRORS_NEW_S / 60;
    let limit = format!("no error in the last {minutes} minutes");
    let [before, after] = match of_operator(facts, &limit) {
        Ok(status) => status,
        Err(unknown) => return unknown,
    };
    let is_new = |age_s: Option<u64>| age_s.is_none_or(|age_s| age_s < VERIFY_ERRORS_NEW_S);
    let new: Vec<String> = after
        .events
        .iter()
        .rev()
        .filter(|event| event.is_error && is_new(event.age_s))
        .map(|error| format!("{} ({} times)", error.text, error.count))
        .collect();
    // Their texts may have left the list.
    let more = after.errors_total.saturating_sub(before.errors_total);
    let found = match (new.is_empty(), more) {
        (true, 0) => format!("none ({} since the start)", after.errors_total),
        (true, more) => format!("{more} during this look"),
        (false, _) => names(&new),
    };
    Judgement::of(
        new.is_empty() && more == 0,
        found,
        limit,
        "journalctl -u weir, or `weir console log`, has the lines around them",
    )
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
