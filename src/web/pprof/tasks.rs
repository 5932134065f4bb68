//! `/debug/pprof/goroutine`: what runs or waits in weir. It has no goroutines: these are its
//! threads, the tasks of its control thread, and its sessions.

use hyper::StatusCode;

use super::named::{self, Row};
use crate::control::{CameraStatus, SessionStatus};
use crate::process::usage;
use crate::status::TABLES;
use crate::status::tasks::TASKS;
use crate::web::Reply;
use crate::web::content::Content;

/// Hands out the cameras or sessions that come next, a few at a time; empty at the end.
pub(in crate::web) struct Lists<C, S> {
    pub(in crate::web) cameras: C,
    pub(in crate::web) sessions: S,
}

/// So many that do and wait for the same.
struct Line {
    count: u64,
    what: String,
    waits_for: String,
}

/// Threads and tasks. A camera slot that has a camera stands for it.
fn lines() -> Vec<Line> {
    let threads = usage::threads().into_iter().map(|thread| Line {
        count: 1,
        what: format!("thread {}", thread.name),
        waits_for: thread.waits_for,
    });
    let tasks = TASKS.all().filter(|task| task.running() > 0).map(|task| Line {
        count: task.running(),
        what: format!("task {}", task.what),
        waits_for: task.waits_for.to_owned(),
    });
    threads.chain(tasks).collect()
}

fn of_session(session: &SessionStatus) -> Option<&'static str> {
    match session.state {
        "handshake" => Some("its browser's handshake"),
        "live" => Some("packets of its camera, reports of its browser"),
        _ => None,
    }
}

/// The text that Go's tools know by its first line, then a line each, which they take for comments.
pub(in crate::web) fn text<C, S>(lists: Lists<C, S>) -> Reply
where
    C: FnMut() -> Vec<CameraStatus> + 'static,
    S: FnMut() -> Vec<SessionStatus> + 'static,
{
    let Lists { mut cameras, mut sessions } = lists;
    let lines = lines();
    let total = lines.iter().map(|line| line.count).sum::<u64>() + TABLES.sessions.used();
    let mut first = Some(format!("goroutine profile: total {total}\n"));
    let mut lines = lines.into_iter();
    let mut reply = crate::web::reply(StatusCode::OK, "text/plain; charset=utf-8", "");
    *reply.body_mut() = Content::Pieces(Box::new(move || {
        let mut text = first.take().unwrap_or_default();
        for Line { count, what, waits_for } in lines.by_ref() {
            text += &format!("#\t{count}\t{what}: {waits_for}\n");
        }
        if text.is_empty() {
            for camera in cameras() {
                let reason = camera.reason.map(|reason| format!(", {reason}"));
                let (name, reason) = (camera.name, reason.unwrap_or_default());
                text += &format!("#\t-\tcamera {name}: {}{reason}\n", camera.state);
            }
        }
        while text.is_empty() {
            let some = sessions();
            if some.is_empty() {
                return None;
            }
            for session in some {
                let Some(waits_for) = of_session(&session) else { continue };
                let SessionStatus { id, camera, age_ms, .. } = session;
                text += &format!("#\t1\tsession {id} of {camera}, {age_ms} ms: {waits_for}\n");
            }
        }
        Some(text.into())
    }));
    reply
}

/// The same as a profile.
pub(in crate::web) fn reply() -> Reply {
    let mut rows: Vec<Row<1>> = lines().into_iter().map(row).collect();
    rows.push(row(Line {
        count: TABLES.sessions.used(),
        what: "session".to_owned(),
        waits_for: "packets of its camera, reports of its browser".to_owned(),
    }));
    named::reply(&[("goroutine", "count")], "goroutine", rows)
}

fn row(Line { count, what, waits_for }: Line) -> Row<1> {
    Row { names: [format!("waits for: {waits_for}"), what], values: [count] }
}
