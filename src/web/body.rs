//! Request bodies, bounded in number, size and time.
//!
//! Each body is copied into a buffer of its own as it comes: hyper's pieces, if kept, would each
//! keep the 8 KiB that they were read into, even those of one byte. A body takes a buffer once its
//! first bytes have come. Buffers go to the address that has the fewest first. While other requests
//! wait for a buffer, a body that has taken [`HTTP_BODY_QUIET_MS`] is timed out: one that comes at
//! once needs milliseconds.

use std::cell::Cell;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::http::request::Parts;
use tokio::time::{Instant, sleep_until, timeout};

use super::Reply;
use super::activity::Awaited;
use super::problem::{problem, retry};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_BODY_MS_MAX, HTTP_BODY_QUIET_MS, PROFILE};
use crate::mem::accounts::{self, Demand};
use crate::status::TABLES;
use crate::tls::FairSemaphore;

/// The body buffers of a site.
#[derive(Debug)]
pub(super) struct Bodies {
    slots: Rc<FairSemaphore>,
    patience: Duration,
    /// How many requests wait for a slot.
    waiting: Cell<usize>,
}

/// A request that waits for a slot; it is counted while this lives.
struct Waiter<'b>(&'b Cell<usize>);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A body in the statistics while it is read; dropped also when its client goes away meanwhile.
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
        // The statistics are counted by `Used` instead.
        static TAKEN: AtomicU64 = AtomicU64::new(0);
        Self { slots: FairSemaphore::new(slots, &TAKEN), patience, waiting: Cell::new(0) }
    }

    /// Reads the whole body of a request, and tells its connection when it has come. `client` is
    /// the address that the request is counted by.
    ///
    /// # Errors
    /// 503 when memory is short or no buffer came free, 413 for a body over
    /// [`HTTP_BODY_BYTES_MAX`], 408 for a slow one, 400 for one that broke off.
    pub(super) async fn read(
        &self,
        head: &Parts,
        mut body: Incoming,
        client: IpAddr,
    ) -> Result<Bytes, Reply> {
        if body.size_hint().lower() > HTTP_BODY_BYTES_MAX as u64 {
            return Err(too_long());
        }
        if let Err(refused) = accounts::admit(Demand::RequestBody) {
            return Err(retry(StatusCode::SERVICE_UNAVAILABLE, &refused.to_string(), 1));
        }
        let declared = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        // hyper has room for the first piece in any case: a client that sends nothing takes no
        // buffer.
        let Ok(first) = timeout(self.patience, body.frame()).await else {
            return Err(too_slow(self.patience));
        };
        self.waiting.set(self.waiting.get() + 1);
        let waiter = Waiter(&self.waiting);
        let slot = timeout(self.patience, self.slots.take(client)).await;
        drop(waiter);
        let Ok(_slot) = slot else {
            TABLES.http_bodies.was_full();
            let detail = format!("request bodies full, max {}", PROFILE.http_bodies);
            return Err(retry(StatusCode::SERVICE_UNAVAILABLE, &detail, 1));
        };
        TABLES.http_bodies.take();
        let _used = Used;
        let _raised = accounts::raise(PROFILE.http_body_heap_bytes);
        let mut reading = pin!(whole(declared.unwrap_or(0), first, body));
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
                return Err(too_slow(self.patience));
            }
            until = (until + QUIET_STEP).min(begun + self.patience);
        }
    }
}

/// How often a slow body checks whether other requests wait.
const QUIET_STEP: Duration = Duration::from_millis(25);

type Piece = Option<hyper::Result<Frame<Bytes>>>;

async fn whole(declared: usize, mut next: Piece, mut body: Incoming) -> Result<Bytes, Reply> {
    // Room for the declared size at once, so that growing copies nothing; `read` has checked it.
    let mut read = Vec::with_capacity(declared);
    while let Some(frame) = next {
        let Ok(frame) = frame else {
            return Err(problem(StatusCode::BAD_REQUEST, "the request body ended early"));
        };
        let piece = frame.data_ref().map_or(&[][..], |piece| piece);
        if read.len() + piece.len() > HTTP_BODY_BYTES_MAX {
            return Err(too_long());
        }
        read.extend_from_slice(piece);
        next = body.frame().await;
    }
    Ok(read.into())
}

fn too_slow(patience: Duration) -> Reply {
    let detail = format!("request body too slow, max {patience:?}");
    problem(StatusCode::REQUEST_TIMEOUT, &detail)
}

fn too_long() -> Reply {
    let detail = format!("request body too long, max {HTTP_BODY_BYTES_MAX} bytes");
    problem(StatusCode::PAYLOAD_TOO_LARGE, &detail)
}
