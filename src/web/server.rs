//! A connection that was let in: how long it may take, and what it speaks.
//!
//! One idle for [`Bounds::idle`] is closed, which is also the time a request head may take.
//!
//! [`Bounds::idle`]: super::connections::Bounds::idle

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use log::debug;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::Reply;
use super::activity::{Awaited, Proxied};
use super::connections::{ConnectionSlot, Eviction};
use super::framing::Watched;
use super::head;
use crate::clock;
use crate::limits::{HTTP_HEAD_MS_MAX, HTTP_KEEP_ALIVE_MS, HTTP_READ_BUFFER_BYTES};
use crate::tls::{Encrypted, Tls};

// One timer serves both.
const _: () = assert!(HTTP_HEAD_MS_MAX == HTTP_KEEP_ALIVE_MS);

/// The two ends of a connection, IPv4 as IPv4.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    /// What `peer` counts as ([`crate::access::client`]).
    pub(super) key: IpAddr,
    pub(super) asked: IpAddr,
    /// What is said on it is encrypted.
    pub(super) is_tls: bool,
}

/// One connection, from its first byte to its end.
pub(super) async fn attend<H, F>(
    stream: TcpStream,
    client: Client,
    slot: &ConnectionSlot,
    idle: Duration,
    tls: Option<Tls>,
    handler: H,
) where
    H: Fn(Request<Incoming>, Client) -> F + 'static,
    F: Future<Output = Reply> + 'static,
{
    match tls {
        None => converse(stream, client, slot, idle, handler).await,
        Some(tls) => {
            // Boxed, so that the connection that follows does not pay for its handshake.
            if let Some(stream) = Box::pin(encrypt(stream, client, slot, &tls)).await {
                converse(stream, client, slot, idle, handler).await;
            }
        }
    }
}

/// The TLS handshake; `None` when there was none, or the connection was evicted.
async fn encrypt(
    stream: TcpStream,
    client: Client,
    slot: &ConnectionSlot,
    tls: &Tls,
) -> Option<Encrypted> {
    let accepted = tokio::select! {
        biased;
        () = slot.leave.notified() => return None,
        accepted = tls.accept(stream, client.key) => accepted,
    };
    match accepted {
        Ok(stream) => {
            slot.activity.set_since_us(clock::now_us());
            Some(stream)
        }
        Err(error) => {
            debug!("https: {}: {error}", client.peer);
            None
        }
    }
}

/// Answers a connection's requests until it ends. Its memory is free when this returns.
pub(super) async fn converse<S, H, F>(
    stream: S,
    client: Client,
    slot: &ConnectionSlot,
    idle: Duration,
    handler: H,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>, Client) -> F + 'static,
    F: Future<Output = Reply> + 'static,
{
    let stream = Watched::new(stream);
    let fault = stream.fault();
    #[cfg(weir_profile = "test")]
    let leak = super::leak::Leak::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        #[cfg(weir_profile = "test")]
        leak.request(request.uri().path());
        slot.activity.set_since_us(clock::now_us());
        let is_whole = request.body().is_end_stream();
        slot.activity.set_busy(is_whole);
        if !is_whole {
            request.extensions_mut().insert(Awaited(Arc::clone(&slot.activity)));
        }
        if slot.is_proxys() {
            request.extensions_mut().insert(Proxied(Arc::clone(&slot.activity)));
        }
        // hyper has room for this future from the connection's begin: boxed, an idle connection
        // does not pay for an answer.
        let closes = request.headers().contains_key(header::TRANSFER_ENCODING);
        let refusal = head::refusal(&request, &fault);
        let answer = refusal.is_none().then(|| Box::pin(handler(request, client)));
        async move {
            let mut reply = match answer {
                Some(answer) => answer.await,
                None => refusal.expect("a request is refused or answered"),
            };
            if closes {
                // Where such a body ends is what two readers disagree on first: nothing behind it
                // is read (RFC 9112 section 6.1).
                reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            slot.activity.set_since_us(clock::now_us());
            slot.activity.set_busy(false);
            Ok::<_, Infallible>(reply)
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HTTP_READ_BUFFER_BYTES)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            // First, so that nothing more is answered on a connection without a place.
            biased;
            () = slot.leave.notified() => {
                if slot.eviction() == Some(Eviction::Idle) {
                    // A request may have come that it did not have its turn to read.
                    let polled = poll_fn(|context| Poll::Ready(connection.as_mut().poll(context)));
                    if polled.await.is_pending() && !slot.is_idle() {
                        slot.stay();
                        continue;
                    }
                }
                return;
            }
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!("http: {}: {error}", client.peer);
                }
                return;
            }
            () = sleep(slot.idle_left(idle)) => {
                if slot.idle_left(idle).is_zero() {
                    return;
                }
            }
        }
    }
}
