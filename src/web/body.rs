//! Request bodies: at most so many at once, so long, and so slow.
//!
//! Each is copied into a buffer of its own as it comes: hyper's pieces, kept, would each keep the
//! 8 KiB that they were read into, even those of one byte. While others wait for a buffer, a body
//! that has taken [`HTTP_BODY_QUIET_MS`] makes room: one that comes at once needs milliseconds.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};

use super::Reply;
use super::problem::{problem, retry};
use super::seats::Awaited;
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_BODY_MS_MAX, HTTP_BODY_QUIET_MS, PROFILE};
use crate::mem::accounts::{self, Demand};
use crate::status::TABLES;

/// The body buffers of a site.
#[derive(Debug)]
pub(super) struct Bodies {
    slots: Semaphore,
    patience: Duration,
    /// Requests that wait for a slot.
    waiting: Cell<usize>,
}

/// One of those that wait, for as long as it does.
struct Waiter<'b>(&'b Cell<usize>);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
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
        Self { slots: Semaphore::new(slots), patience, waiting: Cell::new(0) }
    }

    /// Reads the body of a request whole, and lets its connection know.
    ///
    /// # Errors
    /// 503 when no buffer came free, 413 for a long body, 408 for a slow one.
    pub(super) async fn read(&self, head: &Parts, body: Incoming) -> Result<Bytes, Reply> {
        if body.size_hint().lower() > HTTP_BODY_BYTES_MAX as u64 {
            return Err(too_long());
        }
        if let Err(refused) = accounts::admit(Demand::RequestBody) {
            return Err(retry(StatusCode::SERVICE_UNAVAILABLE, &refused.to_string(), 1));
        }
        self.waiting.set(self.waiting.get() + 1);
        let waiter = Waiter(&self.waiting);
        let slot = timeout(self.patience, self.slots.acquire()).await;
        drop(waiter);
        let Ok(Ok(_slot)) = slot else {
            TABLES.http_bodies.was_full();
            let detail = format!("request bodies full, max {}", PROFILE.http_bodies);
            return Err(retry(StatusCode::SERVICE_UNAVAILABLE, &detail, 1));
        };
        TABLES.http_bodies.take();
        let _used = Used;
        let _raised = accounts::raise(PROFILE.http_body_heap_bytes);
        let mut reading = pin!(whole(body));
        let begun = Instant::now();
        let mut until = begun + self.patience.min(Duration::from_millis(HTTP_BODY_QUIET_MS));
        loop {
            tokio::select! {
                read = reading.as_mut() => {
                    if let (Ok(_), Some(awaited)) = (&read, head.extensions.get::<Awaited>()) {
                        awaited.came();
                    }
                    return read;
                }
                () = sleep_until(until) => {}
            }
            if self.waiting.get() > 0 || begun.elapsed() >= self.patience {
                let detail = format!("request body too slow, max {:?}", self.patience);
                return Err(problem(StatusCode::REQUEST_TIMEOUT, &detail));
            }
            until = (until + QUIET_STEP).min(begun + self.patience);
        }
    }
}

/// How often a slow body looks whether others wait.
const QUIET_STEP: Duration = Duration::from_millis(50);

async fn whole(mut body: Incoming) -> Result<Bytes, Reply> {
    // What is declared at once, so that it is not copied while it grows; read has checked it.
    let declared = body.size_hint().exact().unwrap_or(0).min(HTTP_BODY_BYTES_MAX as u64);
    let mut read = Vec::with_capacity(usize::try_from(declared).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(problem(StatusCode::BAD_REQUEST, "the request body broke off"));
        };
        let piece = frame.data_ref().map_or(&[][..], |piece| piece);
        if read.len() + piece.len() > HTTP_BODY_BYTES_MAX {
            return Err(too_long());
        }
        read.extend_from_slice(piece);
    }
    Ok(read.into())
}

fn too_long() -> Reply {
    let detail = format!("request body too long, max {HTTP_BODY_BYTES_MAX} bytes");
    problem(StatusCode::PAYLOAD_TOO_LARGE, &detail)
}
