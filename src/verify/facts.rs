//! What is known of a weir after a look: facts and no judgement. Those that weir tells are read
//! from its API; a field that is missing there is missing here.

use serde_json::Value;

use super::printable;
use super::session::SessionFacts;
use crate::clock;

/// Everything that the rules judge; `None` is what was not reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Its version by `/healthz`, or why there is no answer.
    pub(crate) server: Option<Result<String, String>>,
    /// What was found about the certificate: fine, not fine, or that there is no TLS.
    pub(crate) certificate: Certificate,
    /// Who we are there, or why we are nobody.
    pub(crate) identity: Option<Result<AskerFacts, String>>,
    pub(crate) configuration: Option<(String, String)>,
    /// The cameras at the begin and at the end.
    pub(crate) cameras: Option<[Vec<CameraFacts>; 2]>,
    /// Its own report at the begin and at the end; an operator is told.
    pub(crate) status: Option<[StatusFacts; 2]>,
    /// Milliseconds between these two.
    pub(crate) apart_ms: u64,
    pub(crate) sessions: Vec<SessionFacts>,
}

/// What is known of the certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Not so far.
    #[default]
    Unseen,
    /// HTTP without TLS.
    Plain,
    /// It is the one that was asked for.
    Trusted,
    /// Any would have been taken.
    Unchecked,
    /// It is not trusted, for this reason.
    Distrusted(String),
}

/// Who asks, as weir sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskerFacts {
    pub(super) name: String,
    pub(super) role: String,
}

impl AskerFacts {
    pub(super) fn read(json: &Value) -> Self {
        Self { name: text(&json["name"]), role: text(&json["role"]) }
    }
}

/// A camera of `/api/cameras`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CameraFacts {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) frames_per_s: Option<f64>,
    /// What weir finds of it and calls an error or a warning, the gravest first.
    pub(super) findings: Vec<CameraTrouble>,
}

/// A finding of `/api/cameras`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CameraTrouble {
    pub(super) words: String,
    pub(super) advice: String,
}

impl CameraFacts {
    /// Those of `/api/cameras`; their names are checked, as they become paths.
    pub(super) fn list(json: &Value) -> Option<Vec<Self>> {
        let cameras = json["cameras"].as_array()?.iter().map(|camera| Self {
            name: text(&camera["name"]),
            state: text(&camera["state"]),
            reason: text(&camera["reason"]),
            frames_per_s: camera["frames_per_s"].as_f64(),
            findings: CameraTrouble::list(&camera["findings"]),
        });
        Some(cameras.collect())
    }

    /// Whether a session with it can be asked for.
    pub(super) fn is_playing(&self) -> bool {
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "._-".contains(sign);
        self.state == "playing" && !self.name.is_empty() && self.name.chars().all(is_sign)
    }
}

impl CameraTrouble {
    fn list(json: &Value) -> Vec<Self> {
        let findings = json.as_array().into_iter().flatten();
        let grave = findings.filter(|finding| finding["severity"] != "note");
        let read = |finding: &Value| Self {
            words: text(&finding["words"]),
            advice: text(&finding["advice"]),
        };
        grave.map(read).collect()
    }
}

/// What weir reports of itself in `/api/status`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StatusFacts {
    pub(crate) build_id: String,
    pub(crate) profile: String,
    pub(crate) uptime_s: u64,
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) resident_most_bytes: Option<u64>,
    pub(crate) plan_bytes: Option<u64>,
    pub(crate) udp_port: Option<u64>,
    /// Packets by how long they took within weir, each with the bound in microseconds; `None` for
    /// those above all.
    pub(crate) send_delays: Vec<(Option<u64>, u64)>,
    /// Tables that were found full, and how often.
    pub(crate) full_tables: Vec<(String, u64)>,
    pub(crate) errors_total: u64,
    /// The last warnings and errors, the newest last.
    pub(crate) events: Vec<LoggedEvent>,
}

/// A warning or an error of weir's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedEvent {
    pub(super) is_error: bool,
    pub(super) text: String,
    pub(super) count: u64,
    /// Seconds since it was last logged, by weir's own clock; `None` if the times make no sense.
    pub(super) age_s: Option<u64>,
}

impl StatusFacts {
    pub(crate) fn read(json: &Value) -> Self {
        let uptime_s = json["uptime_s"].as_u64().unwrap_or(0);
        let started_s = json["started_at"].as_str().and_then(clock::unix_of);
        let now_s = started_s.map(|started_s| started_s + uptime_s);
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let full_tables = list(&json["tables"]).into_iter().filter_map(|table| {
            let full = table["full"].as_u64().filter(|full| *full > 0)?;
            Some((text(&table["what"]), full))
        });
        let events = list(&json["errors"]).into_iter().map(|event| LoggedEvent {
            is_error: event["level"] == "error",
            text: text(&event["text"]),
            count: event["count"].as_u64().unwrap_or(1),
            age_s: now_s
                .zip(event["last_at"].as_str().and_then(clock::unix_of))
                .map(|(now_s, last_s)| now_s.saturating_sub(last_s)),
        });
        let memory = &json["memory"];
        let network = &json["network"];
        let delays = list(&network["send_delays"]).into_iter();
        let read = |part: serde_json::Value| {
            (part["up_to_us"].as_u64(), part["packets"].as_u64().unwrap_or(0))
        };
        Self {
            build_id: text(&json["build_id"]),
            profile: text(&json["profile"]),
            uptime_s,
            cpu_ms: json["cpu_ms"].as_u64(),
            resident_most_bytes: memory["resident_most_bytes"].as_u64(),
            plan_bytes: memory["plan_bytes"].as_u64(),
            udp_port: network["udp_port"].as_u64(),
            send_delays: delays.map(read).collect(),
            full_tables: full_tables.collect(),
            errors_total: json["errors_total"].as_u64().unwrap_or(0),
            events: events.collect(),
        }
    }
}

/// State and message of the configuration, of `/api/cameras`.
pub(super) fn configuration(json: &Value) -> Option<(String, String)> {
    let configuration = &json["configuration"];
    let state = configuration["state"].as_str()?;
    Some((printable(state), text(&configuration["message"])))
}

/// A text of the network, without what a terminal would obey; empty for anything else.
fn text(value: &Value) -> String {
    value.as_str().map(printable).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_have_an_age_by_weirs_own_clock() {
        let status = StatusFacts::read(&json!({
            "build_id": "ab", "started_at": "1970-01-01T00:00:10Z", "uptime_s": 100,
            "errors_total": 3, "tables": [{"what": "sessions", "full": 2}, {"what": "x", "full": 0}],
            "errors": [
                {"level": "warning", "text": "w", "count": 1, "last_at": "1970-01-01T00:01:00Z"},
                {"level": "error", "text": "e\u{1b}[2J", "count": 3, "last_at": "1970-01-01T00:01:40Z"}
            ]
        }));
        assert_eq!(status.full_tables, [("sessions".to_owned(), 2)]);
        let [warning, error] = &status.events[..] else { panic!("{:?}", status.events) };
        assert_eq!((warning.is_error, warning.age_s), (false, Some(50)));
        assert_eq!((error.age_s, error.count, error.text.as_str()), (Some(10), 3, "e [2J"));
    }

    #[test]
    fn only_playing_cameras_with_a_name_for_a_path_are_asked_for() {
        let list = json!({"cameras": [
            {"name": "gate", "state": "playing", "frames_per_s": 25.0, "findings": [
                {"severity": "note", "words": "n"},
                {"severity": "warning", "words": "odd\u{1b}[2J", "advice": "look"}
            ]},
            {"name": "../x", "state": "playing"},
            {"name": "yard", "state": "waiting", "reason": "no route"}
        ]});
        let cameras = CameraFacts::list(&list).expect("a list");
        let playing: Vec<bool> = cameras.iter().map(CameraFacts::is_playing).collect();
        assert_eq!(playing, [true, false, false]);
        let [words, advice] = ["odd [2J", "look"].map(str::to_owned);
        assert_eq!(cameras[0].findings, [CameraTrouble { words, advice }], "a note is no trouble");
        assert!(cameras[1].findings.is_empty());
        assert_eq!(CameraFacts::list(&json!({})), None);
    }
}
