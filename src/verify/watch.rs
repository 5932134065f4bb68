//! Looks again and again: one line a minute in a file bounded in size, and a summary at the end.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::ctrl_c;
use tokio::time::sleep;

use super::options::VerifyOptions;
use super::report::VerifyReport;
use super::rules::{Finding, RuleVerdict};
use crate::clock;
use crate::limits::{VERIFY_WATCH_FILE_BYTES_MAX, VERIFY_WATCH_S};

/// Characters of a line of the file.
const LINE_CHARS_MAX: usize = 600;
/// Rules whose figures stand in each line, good or not.
const FIGURES: [&str; 5] = ["loss", "latency", "jitter", "memory", "cpu"];

/// What many looks came to.
#[derive(Debug, Clone, Default)]
pub struct WatchSummary {
    site: String,
    /// When the first look ended, in UTC, and the last one.
    first_at: String,
    last_at: String,
    rounds: u64,
    good: u64,
    missed: BTreeMap<&'static str, Misses>,
}

/// How often one rule was missed.
#[derive(Debug, Clone)]
struct Misses {
    rounds: u64,
    first_at: String,
    last_at: String,
    /// What the last one found, and what to try.
    found: String,
    advice: String,
}

/// Looks each minute for so long, or until `^C`, with a line for each look in `file`.
///
/// # Errors
/// The token cannot be sent, or the file cannot be written; a sentence.
pub async fn watch(
    options: &VerifyOptions,
    duration: Duration,
    file: &Path,
) -> Result<WatchSummary, String> {
    let mut summary = WatchSummary::default();
    let end_us = clock::now_us() + u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 2);
    let stopped = async {
        loop {
            let next_us = clock::now_us() + VERIFY_WATCH_S * 1_000_000;
            let report = super::verify(options).await?;
            let line = line(&report);
            append(file, &line, VERIFY_WATCH_FILE_BYTES_MAX)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            summary.add(&report);
            if next_us >= end_us {
                return Ok::<(), String>(());
            }
            sleep(Duration::from_micros(next_us.saturating_sub(clock::now_us()))).await;
        }
    };
    // A look under way at the end is not waited for when a person ends it.
    tokio::select! {
        done = stopped => done?,
        _ = ctrl_c() => {}
    }
    Ok(summary)
}

/// Reads `24h`, `90m`, `30s` or `2d`.
///
/// # Errors
/// It is no such time; a sentence.
pub fn watch_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "it is no time like 24h, 90m or 2d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * unit_s))
}

/// The line of one look.
fn line(report: &VerifyReport) -> String {
    let missed: Vec<&Finding> = report.missed().collect();
    let shown = |finding: &&Finding| format!("{}: {}", finding.rule, finding.found);
    let verdict = if missed.is_empty() { "good" } else { "MISSED" };
    let figures = report
        .findings
        .iter()
        .filter(|finding| FIGURES.contains(&finding.rule) && finding.verdict == RuleVerdict::Good);
    let words: Vec<String> = missed.iter().copied().chain(figures).map(|one| shown(&one)).collect();
    let line = format!("{} {verdict} {}", report.at, words.join("; "));
    line.trim_end().chars().take(LINE_CHARS_MAX).collect()
}

/// Adds a line to the file. One that would pass `bytes_max` becomes `.1` first, in place of the one
/// before.
fn append(path: &Path, line: &str, bytes_max: u64) -> io::Result<()> {
    let bytes = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    if bytes > 0 && bytes + line.len() as u64 >= bytes_max {
        let mut before = path.as_os_str().to_owned();
        before.push(".1");
        fs::rename(path, PathBuf::from(before))?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

impl WatchSummary {
    fn add(&mut self, report: &VerifyReport) {
        if self.rounds == 0 {
            self.site.clone_from(&report.site);
            self.first_at.clone_from(&report.at);
        }
        self.rounds += 1;
        self.last_at.clone_from(&report.at);
        self.good += u64::from(report.missed().next().is_none());
        for finding in report.missed() {
            let misses = self.missed.entry(finding.rule).or_insert_with(|| Misses {
                rounds: 0,
                first_at: report.at.clone(),
                last_at: String::new(),
                found: String::new(),
                advice: String::new(),
            });
            misses.rounds += 1;
            misses.last_at.clone_from(&report.at);
            misses.found.clone_from(&finding.found);
            misses.advice.clone_from(&finding.advice);
        }
    }

    /// Whether there was a look, and none with a miss.
    pub fn is_good(&self) -> bool {
        self.rounds > 0 && self.good == self.rounds
    }

    /// The summary for people.
    pub fn text(&self) -> String {
        let Self { site, first_at, last_at, rounds, good, missed } = self;
        let mut text =
            format!("{site} from {first_at} to {last_at}: {good} of {rounds} looks good\n");
        for (rule, Misses { rounds, first_at, last_at, found, advice }) in missed {
            text += &format!(
                "\n{rule}: missed {rounds} times from {first_at} to {last_at}\n  \
                 found: {found}\n  try:   {advice}\n"
            );
        }
        text
    }

    /// The summary for programs.
    pub fn json(&self) -> Value {
        let missed = self.missed.iter().map(|(rule, misses)| {
            let Misses { rounds, first_at, last_at, found, advice } = misses;
            json!({ "rule": rule, "looks": rounds, "first_at": first_at, "last_at": last_at,
                "found": found, "advice": advice })
        });
        json!({
            "schema": super::report::SCHEMA, "url": self.site, "first_at": self.first_at,
            "last_at": self.last_at, "looks": self.rounds, "good": self.good,
            "missed": missed.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(minute: u8, misses: &[&'static str]) -> VerifyReport {
        let finding = |rule: &'static str| {
            let is_missed = misses.contains(&rule);
            let verdict = if is_missed { RuleVerdict::Missed } else { RuleVerdict::Good };
            let [found, limit] = [format!("{minute} %"), "under 0.1 %".to_owned()];
            let advice = if is_missed { "a cable" } else { "" }.to_owned();
            Finding { rule, verdict, found, limit, advice }
        };
        let findings = ["playing", "loss", "cpu"].map(finding).to_vec();
        let at = format!("2026-11-21T09:{minute:02}:00Z");
        VerifyReport::of_findings("http://box:8117".to_owned(), at, findings)
    }

    #[test]
    fn a_line_has_the_misses_and_the_figures() {
        let good = "2026-11-21T09:01:00Z good loss: 1 %; cpu: 1 %";
        assert_eq!(line(&report(1, &[])), good);
        let bad = "2026-11-21T09:02:00Z MISSED playing: 2 %; loss: 2 %; cpu: 2 %";
        assert_eq!(line(&report(2, &["playing", "loss"])), bad);
    }

    #[test]
    fn the_summary_says_how_often_and_when_each_rule_was_missed() {
        let mut summary = WatchSummary::default();
        assert!(!summary.is_good(), "nobody looked");
        for minute in 0..5 {
            let misses: &[&str] = if [2, 4].contains(&minute) { &["loss"] } else { &[] };
            summary.add(&report(minute, misses));
        }
        assert!(!summary.is_good());
        let json = summary.json();
        assert_eq!((&json["looks"], &json["good"]), (&5.into(), &3.into()));
        let missed = &json["missed"][0];
        assert_eq!((&missed["rule"], &missed["looks"]), (&"loss".into(), &2.into()));
        assert_eq!(missed["first_at"], "2026-11-21T09:02:00Z");
        let text = summary.text();
        assert!(text.contains(": 3 of 5 looks good\n"), "{text}");
        let line = "loss: missed 2 times from 2026-11-21T09:02:00Z to 2026-11-21T09:04:00Z\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn the_file_keeps_the_last_lines_within_its_bound() {
        let folder = std::env::temp_dir().join(format!("weir-watch-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("verify.log");
        for number in 0..100 {
            append(&path, &format!("line {number:02}"), 80).expect("written");
            assert!(fs::metadata(&path).expect("there").len() <= 80);
        }
        let read = |path: &Path| fs::read_to_string(path).expect("there");
        let kept = read(&folder.join("verify.log.1")) + &read(&path);
        let lines: Vec<&str> = kept.lines().collect();
        assert!(lines.len() >= 10, "{kept}");
        let first = 100 - lines.len();
        for (line, number) in lines.iter().zip(first..) {
            assert_eq!(*line, format!("line {number:02}"));
        }
        assert_eq!(fs::read_dir(&folder).expect("there").count(), 2);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, seconds) in [("24h", 86_400), ("90m", 5_400), ("30s", 30), ("2d", 172_800)] {
            assert_eq!(watch_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in ["", "h", "24", "-1h", "1.5h", "24 h", "1é"] {
            assert!(watch_duration(wrong).is_err(), "{wrong}");
        }
    }
}
