//! What is known of a weir after a look: facts and no judgement. Those that weir tells are read
//! from its API; a field that is missing there is missing here.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::printable;
use super::session::SessionFacts;
use crate::clock;
use crate::limits::{VERIFY_CAMERAS_MAX, VERIFY_FINDINGS_MAX};

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
    /// Whether a session with it can be asked for.
    pub(super) fn is_playing(&self) -> bool {
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "._-".contains(sign);
        self.state == "playing" && !self.name.is_empty() && self.name.chars().all(is_sign)
    }
}

/// What is read of `/api/cameras`, which is long where there are hundreds of cameras: nothing else
/// of it is kept, and its texts stay where they are until then.
#[derive(Deserialize)]
pub(super) struct CameraList<'j> {
    #[serde(borrow)]
    configuration: Option<ListedConfiguration<'j>>,
    #[serde(borrow, deserialize_with = "at_most::<_, _, VERIFY_CAMERAS_MAX>")]
    cameras: Vec<ListedCamera<'j>>,
}

#[derive(Deserialize)]
struct ListedConfiguration<'j> {
    #[serde(borrow)]
    state: Cow<'j, str>,
    #[serde(borrow)]
    message: Option<Cow<'j, str>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ListedCamera<'j> {
    #[serde(borrow)]
    name: Cow<'j, str>,
    #[serde(borrow)]
    state: Cow<'j, str>,
    #[serde(borrow)]
    reason: Option<Cow<'j, str>>,
    frames_per_s: Option<f64>,
    #[serde(borrow, deserialize_with = "at_most::<_, _, VERIFY_FINDINGS_MAX>")]
    findings: Vec<ListedFinding<'j>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ListedFinding<'j> {
    #[serde(borrow)]
    severity: Cow<'j, str>,
    #[serde(borrow)]
    words: Cow<'j, str>,
    #[serde(borrow)]
    advice: Cow<'j, str>,
}

/// A list that is refused once it has more than `MAX` items: three bytes of JSON may become a
/// hundred of memory.
fn at_most<'j, D: Deserializer<'j>, T: Deserialize<'j>, const MAX: usize>(
    json: D,
) -> Result<Vec<T>, D::Error> {
    struct Items<T, const MAX: usize>(PhantomData<T>);
    impl<'j, T: Deserialize<'j>, const MAX: usize> Visitor<'j> for Items<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'j>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == MAX {
                    return Err(de::Error::invalid_length(MAX + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }
    json.deserialize_seq(Items::<T, MAX>(PhantomData))
}

impl<'j> CameraList<'j> {
    /// Reads the answer; `None` if it is another one.
    pub(super) fn read(json: &'j [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// State and message of the configuration.
    pub(super) fn configuration(&self) -> Option<(String, String)> {
        let ListedConfiguration { state, message } = self.configuration.as_ref()?;
        Some((printable(state), message.as_deref().map(printable).unwrap_or_default()))
    }

    /// The cameras; their names are checked when they become paths.
    pub(super) fn cameras(&self) -> Vec<CameraFacts> {
        let read = |camera: &ListedCamera| CameraFacts {
            name: printable(&camera.name),
            state: printable(&camera.state),
            reason: camera.reason.as_deref().map(printable).unwrap_or_default(),
            frames_per_s: camera.frames_per_s,
            findings: camera.troubles(),
        };
        self.cameras.iter().map(read).collect()
    }
}

impl ListedCamera<'_> {
    fn troubles(&self) -> Vec<CameraTrouble> {
        let grave = self.findings.iter().filter(|finding| finding.severity != "note");
        let read = |finding: &ListedFinding| CameraTrouble {
            words: printable(&finding.words),
            advice: printable(&finding.advice),
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

/// A text of the network, without what a terminal would obey; empty for anything else.
fn text(value: &Value) -> String {
    value.as_str().map(printable).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::limits::VERIFY_ANSWER_BYTES_MAX;

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
        let list = list.to_string();
        let list = CameraList::read(list.as_bytes()).expect("a list");
        let cameras = list.cameras();
        let playing: Vec<bool> = cameras.iter().map(CameraFacts::is_playing).collect();
        assert_eq!(playing, [true, false, false]);
        let [words, advice] = ["odd [2J", "look"].map(str::to_owned);
        assert_eq!(cameras[0].findings, [CameraTrouble { words, advice }], "a note is no trouble");
        assert!(cameras[1].findings.is_empty());
        assert_eq!(list.configuration(), None);
        assert!(CameraList::read(b"{}").is_none());
    }

    #[test]
    fn a_list_of_all_cameras_of_the_largest_profile_is_within_the_bound() {
        let finding =
            json!({"severity": "error", "words": "w".repeat(160), "advice": "a".repeat(160)});
        let camera = json!({
            "name": "n".repeat(64), "state": "playing", "reason": "r".repeat(160),
            "frames_per_s": 25.0, "of a later version": [1, {"2": null}],
            "findings": [finding, finding, finding],
        });
        let text = json!({
            "configuration": {"state": "good", "message": null},
            "cameras": vec![camera; VERIFY_CAMERAS_MAX],
        })
        .to_string();
        assert!(text.len() <= VERIFY_ANSWER_BYTES_MAX, "{} bytes", text.len());
        let list = CameraList::read(text.as_bytes()).expect("a list");
        assert_eq!(list.configuration(), Some(("good".to_owned(), String::new())));
        assert_eq!(list.cameras().len(), VERIFY_CAMERAS_MAX);
        let list = |cameras: usize, findings: usize| {
            let findings = vec![json!({}); findings];
            let camera = json!({ "findings": findings });
            json!({"cameras": vec![camera; cameras]}).to_string()
        };
        for (cameras, findings, is_read) in [
            (VERIFY_CAMERAS_MAX, VERIFY_FINDINGS_MAX, true),
            (VERIFY_CAMERAS_MAX + 1, 0, false),
            (1, VERIFY_FINDINGS_MAX + 1, false),
        ] {
            let text = list(cameras, findings);
            assert_eq!(
                CameraList::read(text.as_bytes()).is_some(),
                is_read,
                "{cameras}, {findings}"
            );
        }
    }
}
