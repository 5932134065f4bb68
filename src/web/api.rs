//! The JSON answers. Each is an object with `schema`, so that fields can be added for ever.

use hyper::StatusCode;
use serde::Serialize;

use super::problem::{self, problem};
use super::{Reply, reply};
use crate::control::{CameraStatus, Configuration, ReloadError, Reloaded, SessionStatus};

const SCHEMA: u32 = 1;
/// When the heap may have room again: as long as a handshake may take.
const RETRY_NO_ROOM_S: u32 = 10;

#[derive(Serialize)]
struct Cameras<'c> {
    schema: u32,
    configuration: Standing,
    cameras: &'c [CameraStatus],
}

/// As much of [`Configuration`] as a viewer may know.
#[derive(Serialize)]
struct Standing {
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
struct Sessions<'s> {
    schema: u32,
    sessions: &'s [SessionStatus],
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
pub(super) fn cameras(cameras: &[CameraStatus], configuration: &Configuration) -> Reply {
    let configuration = Standing { state: configuration.state, message: configuration.sentence };
    json(&Cameras { schema: SCHEMA, configuration, cameras })
}

/// `/api/sessions`
pub(super) fn sessions(sessions: &[SessionStatus]) -> Reply {
    json(&Sessions { schema: SCHEMA, sessions })
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

/// `/api/reload`
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

fn json(value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value).expect("these shapes are JSON");
    reply(StatusCode::OK, "application/json", body)
}
