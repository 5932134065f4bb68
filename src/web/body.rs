//! Request bodies: at most so many at once, so long, and so slow.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Reply;
use super::problem::{problem, retry};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_BODY_MS_MAX, PROFILE};
use crate::status::TABLES;

/// The body buffers of a site.
#[derive(Debug)]
pub(super) struct Bodies {
    slots: Semaphore,
    patience: Duration,
}

/// A body being read; also one whose client went away meanwhile.
struct Used;

impl Drop for Used {
    fn drop(&mut self) {
        TABLES.http_bodies.give();
    }
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self::with(PROFILE.http_bodies, Duration::from_millis(HTTP_BODY_MS_MAX))
    }

    /// `patience` is how long a request waits for a slot, and then how long its body may take.
    pub(super) fn with(slots: usize, patience: Duration) -> Self {
        Self { slots: Semaphore::new(slots), patience }
    }

    /// Reads a body whole.
    ///
    /// # Errors
    /// 503 when no buffer came free, 413 for a long body, 408 for a slow one.
    pub(super) async fn read(&self, body: Incoming) -> Result<Bytes, Reply> {
        let too_long = || {
            let detail = format!("request body too long, max {HTTP_BODY_BYTES_MAX} bytes");
            problem(StatusCode::PAYLOAD_TOO_LARGE, &detail)
        };
        if body.size_hint().lower() > HTTP_BODY_BYTES_MAX as u64 {
            return Err(too_long());
        }
        let slot = timeout(self.patience, self.slots.acquire()).await;
        let Ok(Ok(_slot)) = slot else {
            TABLES.http_bodies.was_full();
            let detail = format!("request bodies full, max {}", PROFILE.http_bodies);
            return Err(retry(StatusCode::SERVICE_UNAVAILABLE, &detail, 1));
        };
        TABLES.http_bodies.take();
        let _used = Used;
        let read = Limited::new(body, HTTP_BODY_BYTES_MAX).collect();
        match timeout(self.patience, read).await {
            Ok(Ok(read)) => Ok(read.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
            Ok(Err(_)) => Err(problem(StatusCode::BAD_REQUEST, "the request body broke off")),
            Err(_) => {
                let detail = format!("request body too slow, max {:?}", self.patience);
                Err(problem(StatusCode::REQUEST_TIMEOUT, &detail))
            }
        }
    }
}
