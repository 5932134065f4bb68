//! A look for people and for programs: a table and JSON, with the same content.

use serde_json::{Value, json};

use super::facts::Facts;
use super::options::VerifyLimits;
use super::rules::{Finding, RuleVerdict, judge};
use super::session::SessionFacts;
use super::session_rules::percentile;
use crate::clock;

pub(super) const SCHEMA: u32 = 1;
const HEADINGS: [&str; 8] =
    ["camera", "cipher", "packets", "lost", "whole", "broken", "picture ms", "jitter ms"];

/// What one look came to.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    /// Where the weir is.
    pub site: String,
    /// When the look ended, in UTC.
    pub at: String,
    /// What each rule says, in their order.
    pub findings: Vec<Finding>,
    sessions: Vec<SessionFacts>,
}

impl VerifyReport {
    /// Judges facts as of now.
    pub(super) fn of(site: String, facts: Facts, limits: &VerifyLimits) -> Self {
        let findings = judge(&facts, limits);
        let at = clock::utc(clock::now_us());
        Self { site, at, findings, sessions: facts.sessions }
    }

    #[cfg(test)]
    pub(super) fn of_findings(site: String, at: String, findings: Vec<Finding>) -> Self {
        Self { site, at, findings, sessions: Vec::new() }
    }

    /// The rules that were missed, in their order.
    pub fn missed(&self) -> impl Iterator<Item = &Finding> {
        missed(&self.findings)
    }

    /// The look as a table, each miss below it with what to try.
    pub fn table(&self) -> String {
        let mut text = format!("{} at {}\n\n{}", self.site, self.at, rules_table(&self.findings));
        if !self.sessions.is_empty() {
            let headings = HEADINGS.map(str::to_owned);
            let rows = std::iter::once(headings).chain(self.sessions.iter().map(session_row));
            text += &format!("\n{}", aligned(rows.collect()));
        }
        format!("{text}{}\n{}\n", misses(&self.findings), self.sentence())
    }

    /// The sum of it: how many rules are good, missed and unknown.
    pub fn sentence(&self) -> String {
        sentence(&self.findings)
    }

    /// The look as one JSON object.
    pub fn json(&self) -> Value {
        json!({
            "schema": SCHEMA, "url": self.site, "at": self.at, "verdict": verdict(&self.findings),
            "rules": rules_json(&self.findings),
            "sessions": self.sessions.iter().map(session_json).collect::<Vec<_>>(),
        })
    }
}

/// The rules that were missed, in their order.
pub(crate) fn missed(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| finding.verdict == RuleVerdict::Missed)
}

/// `good` unless a rule was missed.
pub(crate) fn verdict(findings: &[Finding]) -> &'static str {
    if missed(findings).next().is_none() { "good" } else { "missed" }
}

/// A line for each rule.
pub(crate) fn rules_table(findings: &[Finding]) -> String {
    let headings = ["rule", "", "found", "limit"].map(str::to_owned);
    let row = |finding: &Finding| {
        let Finding { rule, verdict, found, limit, .. } = finding;
        [(*rule).to_owned(), verdict.word().to_owned(), found.clone(), limit.clone()]
    };
    aligned(std::iter::once(headings).chain(findings.iter().map(row)).collect())
}

/// Each miss with what to try, then what is unknown and why; empty where all is good.
pub(crate) fn misses(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { rule, found, limit, advice, .. } in missed(findings) {
        text +=
            &format!("\n{rule}: MISSED\n  found: {found}\n  limit: {limit}\n  try:   {advice}\n");
    }
    let unknown = findings.iter().filter(|one| one.verdict == RuleVerdict::Unknown);
    for (at, Finding { rule, found, advice, .. }) in unknown.enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        text += &format!("{gap}{rule}: unknown, {found}; {advice}\n");
    }
    text
}

/// How many rules are good, missed and unknown, and which are missed.
pub(crate) fn sentence(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|one| one.verdict == verdict).count();
    let missed: Vec<&str> = missed(findings).map(|finding| finding.rule).collect();
    let (good, all, unknown) =
        (count(RuleVerdict::Good), findings.len(), count(RuleVerdict::Unknown));
    match missed.len() {
        0 => format!("{good} of {all} rules good, none missed, {unknown} unknown"),
        many => {
            let missed = missed.join(", ");
            format!("{good} of {all} rules good, {many} missed ({missed}), {unknown} unknown")
        }
    }
}

/// The rules for programs.
pub(crate) fn rules_json(findings: &[Finding]) -> Value {
    let rule = |finding: &Finding| {
        let Finding { rule, verdict, found, limit, advice } = finding;
        let verdict = verdict.word().to_ascii_lowercase();
        let advice = (!advice.is_empty()).then_some(advice);
        json!({ "rule": rule, "verdict": verdict, "found": found, "limit": limit,
            "advice": advice })
    };
    findings.iter().map(rule).collect()
}

fn session_row(session: &SessionFacts) -> [String; 8] {
    let counts = &session.counts;
    let picture_ms = counts.picture_ms.map_or("-".to_owned(), |ms| ms.to_string());
    [
        session.camera.clone(),
        session.cipher.unwrap_or("-").to_owned(),
        counts.packets.to_string(),
        counts.lost().to_string(),
        counts.whole_units.to_string(),
        counts.broken_units.to_string(),
        picture_ms,
        format!("{:.1}", counts.jitter_ms),
    ]
}

fn session_json(session: &SessionFacts) -> Value {
    let counts = &session.counts;
    let round_trip_ms = percentile(95, session.round_trips_us.clone());
    let round_trip_ms = round_trip_ms.map(|us| f64::from(us) / 1_000.0);
    json!({
        "camera": session.camera, "failure": session.failure, "cipher": session.cipher,
        "packets": counts.packets, "lost": counts.lost(), "late": counts.late,
        "forged": counts.forged, "whole_units": counts.whole_units,
        "broken_units": counts.broken_units, "picture_ms": counts.picture_ms,
        "jitter_ms": counts.jitter_ms, "round_trip_p95_ms": round_trip_ms,
    })
}

/// Columns as wide as their widest cell, the last one excepted.
pub(crate) fn aligned<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: &'static str, verdict: RuleVerdict, advice: &str) -> Finding {
        let [found, limit, advice] = ["2 %", "under 0.1 %", advice].map(str::to_owned);
        Finding { rule, verdict, found, limit, advice }
    }

    fn report(findings: Vec<Finding>) -> VerifyReport {
        let session = SessionFacts { camera: "gate".to_owned(), ..SessionFacts::default() };
        let [site, at] = ["http://box:8117", "2026-11-21T09:12:01Z"].map(str::to_owned);
        VerifyReport { site, at, findings, sessions: vec![session] }
    }

    #[test]
    fn table_and_json_have_the_same_content() {
        let report = report(vec![
            finding("server", RuleVerdict::Good, ""),
            finding("loss", RuleVerdict::Missed, "a cable"),
            finding("cpu", RuleVerdict::Unknown, "a token"),
        ]);
        let (table, json) = (report.table(), report.json());
        assert_eq!(json["verdict"], "missed");
        for rule in json["rules"].as_array().expect("rules") {
            let line = table.lines().find(|line| line.starts_with(rule["rule"].as_str().unwrap()));
            let line = line.expect("a line").to_ascii_lowercase();
            assert!(line.contains(rule["verdict"].as_str().unwrap()), "{line}");
            for key in ["found", "limit"] {
                assert!(line.contains(rule[key].as_str().unwrap()), "{line}");
            }
            if let Some(advice) = rule["advice"].as_str() {
                let is_there = |line: &str| line.ends_with(advice);
                assert!(table.lines().any(is_there), "{table}");
            }
        }
        assert!(table.lines().any(|line| line.starts_with("gate ")), "{table}");
        assert_eq!(json["sessions"][0]["camera"], "gate");
        let end = "1 of 3 rules good, 1 missed (loss), 1 unknown";
        assert_eq!(table.lines().last(), Some(end));
    }

    #[test]
    fn unknown_alone_is_no_miss() {
        let report = report(vec![finding("cpu", RuleVerdict::Unknown, "a token")]);
        assert_eq!(report.json()["verdict"], "good");
        assert_eq!(report.missed().count(), 0);
    }
}
