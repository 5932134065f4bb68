//! A connection that has a slot: its TLS handshake, its requests, and when it is closed.
//!
//! A connection that is idle for [`Bounds::idle`] is closed. A request head may take as long.
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

// One timer, [`ConnectionSlot::idle_left`], serves both.
const _: () = assert!(HTTP_HEAD_MS_MAX == HTTP_KEEP_ALIVE_MS);

/// The two ends of a connection; IPv4 addresses are never mapped into IPv6.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    /// The address that `peer` is counted by ([`crate::access::client::key`]); of a proxy of
    /// `proxies` its whole address.
    pub(super) key: IpAddr,
    pub(super) asked: IpAddr,
    /// The client speaks TLS, to weir or to a proxy in front of it.
    pub(super) is_tls: bool,
}

/// Serves one connection, from its first byte to its end.
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
            // Boxed, so that the future of the connection does not hold the handshake's state too.
            if let Some(stream) = Box::pin(encrypt(stream, client, slot, &tls)).await {
                converse(stream, client, slot, idle, handler).await;
            }
        }
    }
}

/// Does the TLS handshake; `None` when it failed, or the connection was evicted.
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

/// Answers a connection's requests until it ends, is idle for `idle`, or is evicted. Its memory is
/// free when this returns.
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
        // hyper reserves room for this future when the connection begins: boxed, an idle connection
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
                // The end of a body in chunks is the first thing that two readers disagree on:
                // nothing after it is read (RFC 9112 section 6.1).
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
            // First, so that nothing more is answered on an evicted connection.
            biased;
            () = slot.leave.notified() => {
                if slot.eviction() == Some(Eviction::Idle) {
                    // A request may have come that this task has not read yet.
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
