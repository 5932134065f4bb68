//! The JSON answers. Each is an object with `schema`, so that fields can be added for ever.

use hyper::StatusCode;
use serde::Serialize;

use super::{Reply, reply};
use crate::control::{CameraStatus, Report, SessionStatus};

const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Cameras<'c> {
    schema: u32,
    cameras: &'c [CameraStatus],
}

#[derive(Serialize)]
struct Sessions<'s> {
    schema: u32,
    sessions: &'s [SessionStatus],
}

#[derive(Serialize)]
struct Status<'r> {
    schema: u32,
    #[serde(flatten)]
    report: &'r Report,
}

#[derive(Serialize)]
struct Health {
    schema: u32,
    status: &'static str,
    version: &'static str,
    cameras: usize,
    cameras_playing: usize,
}

/// `/api/cameras`
pub(super) fn cameras(cameras: &[CameraStatus]) -> Reply {
    json(&Cameras { schema: SCHEMA, cameras })
}

/// `/api/sessions`
pub(super) fn sessions(sessions: &[SessionStatus]) -> Reply {
    json(&Sessions { schema: SCHEMA, sessions })
}

/// `/api/status`
pub(super) fn status(report: &Report) -> Reply {
    json(&Status { schema: SCHEMA, report })
}

/// `/healthz`: that this was answered is the health; cameras come and go.
pub(super) fn health(cameras: &[CameraStatus]) -> Reply {
    let playing = cameras.iter().filter(|camera| camera.state == "playing");
    json(&Health {
        schema: SCHEMA,
        status: "ok",
        version: crate::VERSION,
        cameras: cameras.len(),
        cameras_playing: playing.count(),
    })
}

fn json(value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value).expect("these shapes are JSON");
    reply(StatusCode::OK, "application/json", body)
}
