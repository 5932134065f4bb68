//! The JSON replies. Each is an object with `schema`, so that fields can be added for ever.

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde::Serialize;

use super::content::Content;
use super::problem::{self, problem};
use super::{Reply, empty, pages, reply};
use crate::appliance::request::{RequestError, SlotsReport};
use crate::control::{
    CameraCount, CameraStatus, Configuration, ReloadError, Reloaded, SessionStatus, StatusReport,
};

const SCHEMA: u32 = 1;
const JSON: &str = "application/json";
/// `Retry-After` where the heap has no room, in seconds: as long as a handshake may take.
const RETRY_NO_ROOM_S: u32 = 10;

/// The fields of an object before its list.
#[derive(Serialize)]
struct ListHead {
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<ConfigurationStatus>,
    /// The version of the pages: a page that stays open for weeks sees by it that it is old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<&'static str>,
}

/// The part of [`Configuration`] that a viewer may know.
#[derive(Serialize)]
struct ConfigurationStatus {
    state: &'static str,
    message: Option<&'static str>,
}

#[derive(Serialize)]
struct Changes<'r> {
    schema: u32,
    #[serde(flatten)]
    reloaded: &'r Reloaded,
}

#[derive(Serialize)]
struct Status<'r> {
    schema: u32,
    #[serde(flatten)]
    report: &'r StatusReport,
}

#[derive(Serialize)]
struct Health {
    schema: u32,
    status: &'static str,
    version: &'static str,
    cameras: usize,
    cameras_playing: usize,
}

/// A JSON text that is made as it is read: each call gives the next piece, `None` after the last.
pub(crate) type Pieces = Box<dyn FnMut() -> Option<String>>;

/// A text in one piece.
pub(crate) fn whole(text: impl Into<String>) -> Pieces {
    let mut text = Some(text.into());
    Box::new(move || text.take())
}

/// Several texts as one.
pub(crate) fn one_after_another(parts: Vec<Pieces>) -> Pieces {
    let mut parts = parts.into_iter();
    let mut current = parts.next();
    Box::new(move || {
        while let Some(pieces) = &mut current {
            if let Some(piece) = pieces() {
                return Some(piece);
            }
            current = parts.next();
        }
        None
    })
}

/// The reply to `/api/report`: a file to keep.
pub(super) fn report(pieces: Pieces) -> Reply {
    let mut reply = of_pieces("text/plain; charset=utf-8", pieces);
    let disposition = HeaderValue::from_static("attachment; filename=\"weir-report.txt\"");
    reply.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    reply
}

/// The reply to `/api/cameras`; `more` gives the next cameras, and none after the last.
pub(super) fn cameras(
    configuration: &Configuration,
    more: impl FnMut() -> Vec<CameraStatus> + 'static,
) -> Reply {
    in_pieces(cameras_text(configuration, more))
}

/// The JSON of `/api/cameras`, also for the console.
pub(crate) fn cameras_text(
    configuration: &Configuration,
    more: impl FnMut() -> Vec<CameraStatus> + 'static,
) -> Pieces {
    let status =
        ConfigurationStatus { state: configuration.state, message: configuration.sentence };
    let pages = Some(pages::VERSION);
    list(&ListHead { schema: SCHEMA, configuration: Some(status), pages }, "cameras", more)
}

/// The reply to `/api/sessions`; `more` gives the next sessions, and none after the last.
pub(super) fn sessions(more: impl FnMut() -> Vec<SessionStatus> + 'static) -> Reply {
    in_pieces(sessions_text(more))
}

/// The JSON of `/api/sessions`, also for the console.
pub(crate) fn sessions_text(more: impl FnMut() -> Vec<SessionStatus> + 'static) -> Pieces {
    list(&ListHead { schema: SCHEMA, configuration: None, pages: None }, "sessions", more)
}

/// The reply to a DELETE of `/api/sessions/{id}`: 204, or 404 with the reason.
pub(super) fn ended(done: Result<(), String>) -> Reply {
    match done {
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(why) => problem(StatusCode::NOT_FOUND, &why),
    }
}

/// An object with the fields of `head` and then the list `name`, made as it is read.
fn list<T: Serialize>(
    head: &ListHead,
    name: &str,
    mut more: impl FnMut() -> Vec<T> + 'static,
) -> Pieces {
    let head = text(head);
    let open = head.strip_suffix('}').unwrap_or(&head);
    let mut head = format!("{open},\"{name}\":[");
    let mut between = "";
    let mut is_over = false;
    Box::new(move || {
        if is_over {
            return None;
        }
        let mut piece = std::mem::take(&mut head);
        let items = more();
        for item in &items {
            piece += std::mem::replace(&mut between, ",");
            piece += &text(item);
        }
        is_over = items.is_empty();
        if is_over {
            piece += "]}";
        }
        Some(piece)
    })
}

fn in_pieces(pieces: Pieces) -> Reply {
    of_pieces(JSON, pieces)
}

fn of_pieces(content_type: &'static str, mut pieces: Pieces) -> Reply {
    let mut reply = reply(StatusCode::OK, content_type, "");
    *reply.body_mut() = Content::Pieces(Box::new(move || pieces().map(Into::into)));
    reply
}

/// The reply to `/api/status`.
pub(super) fn status(report: &StatusReport) -> Reply {
    reply(StatusCode::OK, JSON, status_text(report))
}

/// The JSON of `/api/status`, also for the console.
pub(crate) fn status_text(report: &StatusReport) -> String {
    text(&Status { schema: SCHEMA, report })
}

#[derive(Serialize)]
struct BoxStatus<'r> {
    schema: u32,
    #[serde(flatten)]
    report: &'r SlotsReport,
}

/// The reply to `/api/box`.
pub(super) fn slots(report: Result<SlotsReport, RequestError>) -> Reply {
    match report {
        Ok(report) => json(&BoxStatus { schema: SCHEMA, report: &report }),
        Err(error) => not_done(&error),
    }
}

/// The reply to what was asked of weir-init, which has done it.
pub(super) fn done(answer: &serde_json::Value) -> Reply {
    json(&serde_json::json!({ "schema": SCHEMA, "done": answer }))
}

/// The reply to what was asked of weir-init.
pub(super) fn asked(answer: Result<serde_json::Value, RequestError>) -> Reply {
    match answer {
        Ok(answer) => done(&answer),
        Err(error) => not_done(&error),
    }
}

/// The reply to what weir-init did not do: 404 where there is none, 422 for what it refused, 502
/// for what came in between.
pub(super) fn not_done(error: &RequestError) -> Reply {
    let status = match error {
        RequestError::Connect(_) => StatusCode::NOT_FOUND,
        RequestError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_GATEWAY,
    };
    problem(status, &error.to_string())
}

/// The reply to `/healthz`. That it is answered at all is the health; cameras come and go.
pub(super) fn health(cameras: CameraCount) -> Reply {
    json(&Health {
        schema: SCHEMA,
        status: "ok",
        version: crate::VERSION,
        cameras: cameras.all,
        cameras_playing: cameras.playing,
    })
}

/// The reply to `/api/reload`: 200 with the changes; 409 in the demo, which has no file; 422 for a
/// file that cannot be used; 503 when memory is short.
pub(super) fn reloaded(done: Result<Reloaded, ReloadError>) -> Reply {
    match done {
        Ok(reloaded) => json(&Changes { schema: SCHEMA, reloaded: &reloaded }),
        Err(ReloadError::NoFile) => {
            problem(StatusCode::CONFLICT, "the demo has no configuration file")
        }
        Err(ReloadError::Unusable { detail, place }) => problem::placed(&detail, place),
        Err(ReloadError::NoRoom(detail)) => {
            problem::retry(StatusCode::SERVICE_UNAVAILABLE, &detail, RETRY_NO_ROOM_S)
        }
    }
}

/// The body of that reply as text, for the console.
pub(crate) fn reloaded_text(done: Result<Reloaded, ReloadError>) -> String {
    match reloaded(done).into_body() {
        Content::Whole(text) => String::from_utf8_lossy(&text).into_owned(),
        Content::Pieces(_) => String::new(),
    }
}

fn json(value: &impl Serialize) -> Reply {
    reply(StatusCode::OK, JSON, text(value))
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these values are JSON")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::super::content::PIECE_ITEMS;
    use super::*;
    use crate::control::KeyFrameStatus;
    use crate::diagnosis::CameraFinding;
    use crate::limits::VERIFY_ANSWER_BYTES_MAX;

    fn whole(mut pieces: Vec<Vec<u32>>) -> serde_json::Value {
        pieces.reverse();
        let head = ListHead { schema: SCHEMA, configuration: None, pages: None };
        let reply = in_pieces(list(&head, "numbers", move || pieces.pop().unwrap_or_default()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let body = runtime.block_on(reply.into_body().collect()).expect("no error").to_bytes();
        serde_json::from_slice(&body).expect("JSON")
    }

    /// A camera of which as much is said as can be.
    fn talkative() -> CameraStatus {
        let why = "camera redirects to another host, rtsp://".to_owned() + &"h".repeat(255);
        CameraStatus {
            slot: 0,
            name: "n".repeat(64),
            state: "waiting",
            reason: Some(why),
            transport: Some("multicast"),
            codec: Some("H265"),
            width: Some(3840),
            height: Some(2160),
            frames_per_s: Some(25.25),
            bits_per_s: Some(16_013_984),
            gop_ms: Some(20_000),
            key_frame_age_ms: Some(20_000),
            sound: Some("PCMA"),
            key_frame_requests: KeyFrameStatus {
                asked: 0,
                rtcp: "untried",
                onvif: None,
                onvif_problem: None,
            },
            sound_problem: Some("s".repeat(100)),
            sound_packets: u64::from(u32::MAX),
            viewers: 512,
            ready: false,
            findings: [
                CameraFinding::NoKeyFrame { for_s: 999, had_one: true },
                CameraFinding::NoRoom { unread_percent: 100, dropped: u16::MAX },
                CameraFinding::ClockSlow { per_mille: 999 },
                CameraFinding::SlowerThanItSays { comes: 100, says: 120 },
            ]
            .into_iter()
            .collect(),
        }
    }

    #[test]
    fn with_all_that_is_found_a_piece_is_small_and_the_list_is_one_that_verify_reads() {
        let bytes = text(&talkative()).len();
        assert!(bytes * PIECE_ITEMS <= 4 << 10, "{bytes}");
        assert!(bytes * 512 <= VERIFY_ANSWER_BYTES_MAX, "{bytes}");
        let shown: serde_json::Value = serde_json::from_str(&text(&talkative())).expect("JSON");
        let first = &shown["findings"][0];
        assert_eq!(
            (&first["code"], &first["severity"]),
            (&"no_key_frame".into(), &"warning".into())
        );
        assert_eq!(first["words"], "no key frame (IDR) for 999 s");
        assert!(first["advice"].as_str().is_some_and(|advice| advice.contains("1 or 2 s")));
    }

    #[test]
    fn a_list_is_one_list_in_however_many_pieces_it_is_made() {
        for (pieces, expected) in [
            (vec![], vec![]),
            (vec![vec![1]], vec![1]),
            (vec![vec![1, 2], vec![3], vec![4, 5]], vec![1, 2, 3, 4, 5]),
        ] {
            assert_eq!(whole(pieces), serde_json::json!({ "schema": 1, "numbers": expected }));
        }
    }
}
