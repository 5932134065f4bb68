//! `PUT /api/update`: an update of the box, passed on to weir-init piece by piece as it comes.
//! Nothing of it is kept here, and weir-init judges it before it changes anything.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use tokio::time::timeout;

use super::activity::Awaited;
use super::problem::problem;
use super::{Reply, api};
use crate::appliance::request::{BoxRequest, RequestError};
use crate::control::BoxConversation;
use crate::limits::{UPDATE_BYTES_MAX, UPDATE_DRAIN_MS_MAX, UPDATE_SILENCE_MS_MAX};

/// An update that a client sends.
#[derive(Debug)]
pub(super) struct Upload {
    bytes: u64,
    body: Incoming,
    awaited: Option<Awaited>,
}

impl Upload {
    /// Reads the head of a request; its body is read by [`Upload::install`].
    ///
    /// # Errors
    /// 411 without a length, 413 for one over [`UPDATE_BYTES_MAX`].
    pub(super) fn of(head: &Parts, body: Incoming) -> Result<Self, Reply> {
        let Some(bytes) = body.size_hint().exact() else {
            let detail = "an update needs a Content-Length: a part of one is not begun with";
            return Err(problem(StatusCode::LENGTH_REQUIRED, detail));
        };
        if bytes > UPDATE_BYTES_MAX {
            let detail = format!("update too long, {bytes} bytes, max {UPDATE_BYTES_MAX}");
            return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, &detail));
        }
        Ok(Self { bytes, body, awaited: head.extensions.get::<Awaited>().cloned() })
    }

    /// Has weir-init install it. The box restarts soon after the reply.
    pub(super) async fn install(self) -> Reply {
        // Whoever sends it is an operator, and it takes longer than a connection may be idle.
        let _busy = self.awaited.as_ref().map(Awaited::held_up);
        let Self { bytes, mut body, awaited: _ } = self;
        log::info!("an update of {bytes} bytes comes by HTTP");
        match pass_on(bytes, &mut body).await {
            Ok(done) => api::done(&done),
            Err(Failure::OfClient(detail)) => problem(StatusCode::BAD_REQUEST, &detail),
            Err(Failure::OfBox(error)) => {
                log::error!("the update was not installed: {error}");
                drain(&mut body).await;
                api::not_done(&error)
            }
        }
    }
}

/// Takes what is left of a refused update: most clients read no reply before they have sent it all.
async fn drain(body: &mut Incoming) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = timeout(Duration::from_millis(UPDATE_DRAIN_MS_MAX), rest).await;
}

enum Failure {
    OfClient(String),
    OfBox(RequestError),
}

async fn pass_on(bytes: u64, body: &mut Incoming) -> Result<serde_json::Value, Failure> {
    let opened = BoxConversation::open(&BoxRequest::Update { bytes }).await;
    let mut conversation = opened.map_err(Failure::OfBox)?;
    let mut left = bytes;
    while left > 0 {
        let next = timeout(Duration::from_millis(UPDATE_SILENCE_MS_MAX), body.frame()).await;
        let Ok(next) = next else {
            let detail = format!("nothing more of the update came for {UPDATE_SILENCE_MS_MAX} ms");
            return Err(Failure::OfClient(detail));
        };
        let Some(Ok(frame)) = next else {
            let detail = format!("the update ended {left} bytes early");
            return Err(Failure::OfClient(detail));
        };
        if let Some(piece) = frame.data_ref() {
            conversation.give(piece).await.map_err(Failure::OfBox)?;
            left = left.saturating_sub(piece.len() as u64);
        }
    }
    conversation.end().await.map_err(Failure::OfBox)
}
