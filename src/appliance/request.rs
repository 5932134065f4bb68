//! What weir asks of weir-init, and what that answers, by a Unix stream socket.
//!
//! weir is a user without rights; weir-init, which is root, changes slots, the network and the
//! box's name for it. One request a connection: a line of JSON, for an update followed by its
//! bytes. The answers are lines of JSON: progress, then one last line. A line is at most
//! [`BOX_REQUEST_BYTES_MAX`] in both directions, and there are at most
//! [`BOX_PROGRESS_ANSWERS_MAX`] of progress ([`ProgressSteps`]), so that they fit into the socket
//! while the asking side still sends. weir-init may answer before it has read all of an update: it
//! refuses after the first KiB what it refuses.
//!
//! [`request_line`] and [`super::answers`] are for weir, [`read_request`] and [`write_answer`] for
//! weir-init.

use std::fmt;
use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::{BOX_PROGRESS_ANSWERS_MAX, BOX_REQUEST_BYTES_MAX};

use super::slot::SlotName;

/// The socket of weir-init on a box.
pub const BOX_SOCKET: &str = "/run/weir-init.sock";
/// The variable in which weir-init names its socket to the weir that it starts.
pub const BOX_SOCKET_VARIABLE: &str = "WEIR_INIT_SOCKET";

/// What weir-init can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BoxRequest {
    /// What the box is and which slots it has: answered by [`SlotsReport`].
    Slots,
    /// Installs the bundle that follows, and restarts the box.
    Update {
        /// Length of the bundle.
        bytes: u64,
    },
    /// Installs a bundle that lies on the partition for presets, and restarts the box.
    UpdateFrom {
        /// Name of its file there.
        name: String,
    },
    /// Starts the other slot from now on, and restarts the box.
    Rollback,
    /// Changes the network, for now and for later starts.
    Network {
        /// The settings, in the form of `box.toml`'s section `network`.
        settings: Value,
    },
    /// Changes the box's name, for now and for later starts.
    Hostname {
        /// The new name.
        name: String,
    },
    /// Forgets everything that was configured, and restarts the box.
    FactoryReset,
    /// Restarts the box.
    Reboot,
    /// Switches the box off.
    PowerOff,
}

/// A line of weir-init's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxAnswer {
    /// An update is under way; more lines follow.
    Progress(UpdateProgress),
    /// It is done; what there is to say of it depends on the request.
    Done(Value),
    /// It is not done, for this reason; nothing else follows.
    Refused(String),
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateProgress {
    /// Bytes written, and later also those that were read back.
    pub bytes: u64,
    /// What they will be at the end.
    pub of: u64,
}

/// The box as `slots` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotsReport {
    /// Name of the board.
    pub board: String,
    /// The slot that runs.
    pub running: SlotName,
    /// Both slots, the one that is started next in front.
    pub order: [SlotName; 2],
    /// What is known of each, `A` in front.
    pub slots: Vec<SlotReport>,
    /// The update that is not good yet.
    pub update: Option<UpdateReport>,
    /// Whether what runs has been made good.
    pub good: bool,
    /// The hardware watchdog, if the box has one.
    pub watchdog: Option<WatchdogReport>,
    /// Whether the last start was the watchdog's doing.
    pub reset_by_watchdog: bool,
    /// Bytes written to the disk since the start.
    pub bytes_written: u64,
    /// The network, in the form of `box.toml`'s section `network` and what came of it.
    #[serde(default)]
    pub network: Value,
}

/// One slot as `slots` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotReport {
    /// Which one it is.
    pub slot: SlotName,
    /// Version of the weir in it; `None` when it is empty.
    pub version: Option<String>,
    /// Commit that it was built from; `None` when it is empty.
    pub build: Option<String>,
    /// Starts that it has left.
    pub tries_left: u8,
    /// What it is to the box at present.
    pub state: BoxSlotState,
    /// Why it was given up, or why its update was rolled back.
    pub why: Option<String>,
}

/// What a slot is to the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxSlotState {
    /// The box was started from it.
    Running,
    /// The box can be started from it.
    Standby,
    /// The box is not started from it until it is updated.
    #[serde(rename = "given up")]
    GivenUp,
    /// It has no valid header.
    Empty,
}

impl BoxSlotState {
    /// The word for it, the same in the API, at the console and in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Standby => "standby",
            Self::GivenUp => "given up",
            Self::Empty => "empty",
        }
    }
}

/// An update under trial, as `slots` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateReport {
    /// The slot that it is in.
    pub slot: SlotName,
}

/// The hardware watchdog, as `slots` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogReport {
    /// Name that its driver gives it.
    pub identity: String,
    /// Seconds without a sign of life until it resets the box.
    pub timeout_s: u32,
}

/// Why a request came to nothing.
#[derive(Debug)]
pub enum RequestError {
    /// weir-init cannot be reached: this is no box, or weir may not ask.
    Connect(io::Error),
    /// The connection failed, or was silent for [`crate::limits::BOX_SILENCE_S_MAX`].
    Connection(io::Error),
    /// A line is longer than [`BOX_REQUEST_BYTES_MAX`].
    TooLong,
    /// A line is not what the protocol knows.
    Meaning(String),
    /// The connection ended before the last line.
    Ended,
    /// weir-init refused, for this reason.
    Refused(String),
}

/// A request as a line, with its end.
///
/// # Errors
/// It is too long.
pub fn request_line(request: &BoxRequest) -> Result<Vec<u8>, RequestError> {
    line_of(request)
}

/// Reads a request: for weir-init. The rest of an update is behind it in `source`.
///
/// # Errors
/// The connection ended or failed, or the line is too long or no request.
pub fn read_request(source: &mut impl BufRead) -> Result<BoxRequest, RequestError> {
    let mut line = Vec::new();
    let max = BOX_REQUEST_BYTES_MAX as u64;
    source.by_ref().take(max).read_until(b'\n', &mut line).map_err(RequestError::Connection)?;
    if line.pop_if(|end| *end == b'\n').is_some() {
        meaning(&line)
    } else if line.len() < BOX_REQUEST_BYTES_MAX {
        Err(RequestError::Ended)
    } else {
        Err(RequestError::TooLong)
    }
}

/// Writes an answer: for weir-init. One that is too long becomes a refusal that says so.
///
/// # Errors
/// The connection failed or is full.
pub fn write_answer(sink: &mut impl Write, answer: &BoxAnswer) -> io::Result<()> {
    let line = line_of(answer).unwrap_or_else(|error| {
        let refusal = serde_json::json!({ "refused": error.to_string() });
        format!("{refusal}\n").into_bytes()
    });
    sink.write_all(&line)
}

fn line_of(value: &impl Serialize) -> Result<Vec<u8>, RequestError> {
    let mut line =
        serde_json::to_vec(value).map_err(|error| RequestError::Meaning(error.to_string()))?;
    line.push(b'\n');
    if line.len() > BOX_REQUEST_BYTES_MAX { Err(RequestError::TooLong) } else { Ok(line) }
}

pub(super) fn meaning<T: for<'d> Deserialize<'d>>(line: &[u8]) -> Result<T, RequestError> {
    serde_json::from_slice(line).map_err(|error| RequestError::Meaning(error.to_string()))
}

/// Which progress is worth a line: at most [`BOX_PROGRESS_ANSWERS_MAX`] of an update.
#[derive(Debug, Default)]
pub struct ProgressSteps {
    said: u64,
}

impl ProgressSteps {
    /// Whether this progress is to be said, as it is a step further than what was said last.
    pub fn is_due(&mut self, progress: UpdateProgress) -> bool {
        let UpdateProgress { bytes, of } = progress;
        let step = bytes.saturating_mul(BOX_PROGRESS_ANSWERS_MAX) / of.max(1);
        let step = step.min(BOX_PROGRESS_ANSWERS_MAX);
        let is_due = step > self.said;
        self.said = self.said.max(step);
        is_due
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => {
                write!(f, "this is no box that changes itself, weir-init is not there: {error}")
            }
            Self::Connection(error) => write!(f, "the connection to weir-init: {error}"),
            Self::TooLong => {
                write!(f, "more than {BOX_REQUEST_BYTES_MAX} bytes in a line, which is the limit")
            }
            Self::Meaning(what) => write!(f, "a line that weir does not know: {what}"),
            Self::Ended => f.write_str("weir-init ended the connection before its answer"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(bytes: &[u8]) -> Result<BoxRequest, RequestError> {
        read_request(&mut &bytes[..])
    }

    #[test]
    fn requests_are_lines_of_these_words() {
        let requests = [
            (r#"{"do":"slots"}"#, BoxRequest::Slots),
            (r#"{"do":"update","bytes":123}"#, BoxRequest::Update { bytes: 123 }),
            (r#"{"do":"rollback"}"#, BoxRequest::Rollback),
            (
                r#"{"do":"network","settings":{"mode":"dhcp"}}"#,
                BoxRequest::Network { settings: json!({"mode": "dhcp"}) },
            ),
            (r#"{"do":"hostname","name":"gate"}"#, BoxRequest::Hostname { name: "gate".into() }),
            (r#"{"do":"factory-reset"}"#, BoxRequest::FactoryReset),
            (r#"{"do":"reboot"}"#, BoxRequest::Reboot),
            (r#"{"do":"power-off"}"#, BoxRequest::PowerOff),
        ];
        for (line, request) in requests {
            let written = request_line(&request).expect("short");
            assert_eq!(String::from_utf8_lossy(&written), format!("{line}\n"));
            assert_eq!(read(&written).expect("good"), request);
        }
    }

    #[test]
    fn answers_are_lines_of_these_words() {
        let answers = [
            (
                r#"{"progress":{"bytes":1,"of":2}}"#,
                BoxAnswer::Progress(UpdateProgress { bytes: 1, of: 2 }),
            ),
            (r#"{"done":{"slot":"B"}}"#, BoxAnswer::Done(json!({"slot": "B"}))),
            (r#"{"refused":"no"}"#, BoxAnswer::Refused("no".to_owned())),
        ];
        for (line, answer) in answers {
            let mut written = Vec::new();
            write_answer(&mut written, &answer).expect("memory");
            assert_eq!(String::from_utf8_lossy(&written), format!("{line}\n"));
            assert_eq!(meaning::<BoxAnswer>(line.as_bytes()).expect("good"), answer);
        }
    }

    #[test]
    fn what_follows_a_request_is_left_where_it_is() {
        let mut source = &b"{\"do\":\"update\",\"bytes\":3}\nabc"[..];
        let request = read_request(&mut source).expect("good");
        assert_eq!((request, source), (BoxRequest::Update { bytes: 3 }, &b"abc"[..]));
    }

    #[test]
    fn what_is_no_request_is_refused_in_words() {
        let said = |bytes: &[u8]| read(bytes).expect_err("refused").to_string();
        for unknown in [&b"\n"[..], b"{}\n", b"{\"do\":\"dance\"}\n", b"\xff\n"] {
            assert!(said(unknown).starts_with("a line that weir does not know: "));
        }
        let ended = "weir-init ended the connection before its answer";
        assert_eq!(said(b""), ended);
        assert_eq!(said(b"{\"do\":\"slots\"}"), ended);
    }

    #[test]
    fn lines_are_bounded_in_both_directions() {
        let named = |length: usize| BoxRequest::Hostname { name: "x".repeat(length) };
        let around = request_line(&named(0)).expect("short").len();
        let longest = named(BOX_REQUEST_BYTES_MAX - around);
        let line = request_line(&longest).expect("at the bound");
        assert_eq!(line.len(), BOX_REQUEST_BYTES_MAX);
        assert_eq!(read(&line).expect("at the bound"), longest);
        let longer = named(BOX_REQUEST_BYTES_MAX - around + 1);
        assert!(matches!(request_line(&longer), Err(RequestError::TooLong)));
        let endless = vec![b' '; 2 * BOX_REQUEST_BYTES_MAX];
        assert!(matches!(read(&endless), Err(RequestError::TooLong)));
        let mut written = Vec::new();
        let answer = BoxAnswer::Refused("x".repeat(BOX_REQUEST_BYTES_MAX));
        write_answer(&mut written, &answer).expect("memory");
        let said = "{\"refused\":\"more than 8192 bytes in a line, which is the limit\"}\n";
        assert_eq!(String::from_utf8_lossy(&written), said);
    }

    #[test]
    fn an_update_has_a_bounded_number_of_progress_answers() {
        for of in [0, 1, 63, 64, 65, 1000, 2 * crate::limits::SLOT_BYTES_MAX] {
            let mut steps = ProgressSteps::default();
            let piece = crate::limits::UPDATE_PIECE_BYTES;
            let all = (0..=of).step_by(if of > 1000 { piece } else { 1 });
            let said: Vec<u64> =
                all.filter(|bytes| steps.is_due(UpdateProgress { bytes: *bytes, of })).collect();
            assert!(said.len() as u64 <= BOX_PROGRESS_ANSWERS_MAX, "{of}: {}", said.len());
            assert_eq!(said.last().copied(), (of > 0).then_some(of), "the end is said");
        }
    }

    #[test]
    fn slots_are_shown_in_these_words() {
        let shown = json!({
            "board": "qemu-virt", "running": "A", "order": ["A", "B"],
            "slots": [
                {"slot": "A", "version": "0.2.0", "build": "0123456789ab", "tries_left": 3,
                 "state": "running", "why": null},
                {"slot": "B", "version": null, "build": null, "tries_left": 0,
                 "state": "given up", "why": "kernel-crc"},
            ],
            "update": {"slot": "B"}, "good": true,
            "watchdog": {"identity": "i6300ESB timer", "timeout_s": 30},
            "reset_by_watchdog": false, "bytes_written": 0, "network": {"mode": "dhcp"},
        });
        let report: SlotsReport = serde_json::from_value(shown.clone()).expect("good");
        assert_eq!(report.slots[1].state, BoxSlotState::GivenUp);
        assert_eq!(serde_json::to_value(report).expect("JSON"), shown);
    }
}
