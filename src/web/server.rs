//! Listeners and their connections: how long each may take, and what it speaks.
//!
//! [`Seats`] says who is let in; who is not is told 503 with what is full, and closed (without a
//! word where that would take a handshake first). A connection idle for [`Bounds::idle`] is
//! closed, which is also the time a request head may take.
//!
//! [`Bounds::idle`]: super::seats::Bounds::idle

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use log::{debug, warn};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Reply;
use super::framing::Watched;
use super::head;
use super::problem::{self, PROBLEM_JSON};
use super::seats::{Awaited, NoSeat, Seat, Seats};
use crate::clock;
use crate::limits::{
    HTTP_EVICTABLE_US, HTTP_HEAD_MS_MAX, HTTP_KEEP_ALIVE_MS, HTTP_READ_BUFFER_BYTES,
    HTTP_REFUSAL_MS_MAX, HTTP_REFUSALS_MAX, TCP_BUFFER_BYTES,
};
use crate::mem::Full;
use crate::tls::{Encrypted, Tls};

const BACKLOG: i32 = 128;
/// When to try again after all connections were taken: as long as an idle one is kept.
const RETRY_FULL_S: u64 = HTTP_KEEP_ALIVE_MS / 1000;

// One timer serves both.
const _: () = assert!(HTTP_HEAD_MS_MAX == HTTP_KEEP_ALIVE_MS);

/// Where connections come in.
pub(super) struct Entrance {
    pub(super) listener: TcpListener,
    /// `None` for plain HTTP.
    pub(super) tls: Option<Tls>,
}

/// The two ends of a connection, IPv4 as IPv4.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) asked: IpAddr,
    /// What is said on it is encrypted.
    pub(super) is_tls: bool,
}

/// Listens on `address`; `[::]` takes IPv4 too, and is `0.0.0.0` where there is no IPv6.
///
/// # Errors
/// What the kernel says.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match listen(address) {
        Err(error) if address.ip() == IpAddr::from([0; 16]) && has_no_ipv6(&error) => {
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        result => result,
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    // What it accepts has the same.
    socket.set_recv_buffer_size(TCP_BUFFER_BYTES)?;
    socket.set_send_buffer_size(TCP_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts for ever, giving each request to `handler`.
pub(super) async fn serve<H, F>(entrance: Entrance, seats: Rc<Seats>, handler: H)
where
    H: Fn(Request<Incoming>, Client) -> F + Clone + 'static,
    F: Future<Output = Reply> + 'static,
{
    let Entrance { listener, tls } = entrance;
    let refusals = Arc::new(Semaphore::new(HTTP_REFUSALS_MAX));
    loop {
        let (stream, client) = match accept(&listener, tls.is_some()).await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: connections that end free some.
                warn!("http: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let seat = match admit(&seats, client.peer.ip()).await {
            Ok(seat) => seat,
            Err(full) => {
                debug!("http: {} refused, {full}", client.peer);
                if tls.is_none() {
                    refuse(stream, full, &refusals);
                }
                continue;
            }
        };
        let (seats, tls, handler) = (Rc::clone(&seats), tls.clone(), handler.clone());
        tokio::task::spawn_local(async move {
            let idle = seats.bounds.idle;
            match tls {
                None => converse(stream, client, &seat, idle, handler).await,
                Some(tls) => {
                    // Boxed, so that the connection that follows does not pay for its handshake.
                    if let Some(stream) = Box::pin(encrypt(stream, client, &seat, &tls)).await {
                        converse(stream, client, &seat, idle, handler).await;
                    }
                }
            }
            seats.release(&seat);
        });
    }
}

/// A seat, for which a newcomer waits until those who have only just come had their time: a crowd
/// that comes at once is let in one by one, and keeps nobody out.
async fn admit(seats: &Seats, address: IpAddr) -> Result<Rc<Seat>, Full> {
    let begun_us = clock::now_us();
    let deadline_us = begun_us + HTTP_EVICTABLE_US;
    loop {
        let now_us = clock::now_us();
        match seats.admit(address, now_us) {
            Ok(seat) => return Ok(seat),
            Err(NoSeat { again_us: Some(again_us), .. }) if now_us < deadline_us => {
                sleep(Duration::from_micros(again_us.min(deadline_us) - now_us)).await;
            }
            // The one told to leave goes as soon as its task runs; another's newcomer may take the
            // place, then one more has to leave.
            Err(NoSeat { is_leaving: true, .. }) if now_us < 2 * deadline_us - begun_us => {
                let patience = Duration::from_micros(HTTP_EVICTABLE_US);
                let _ = timeout(patience, seats.freed()).await;
            }
            Err(NoSeat { full, .. }) => return Err(full),
        }
    }
}

/// The TLS handshake; `None` when there was none, or somebody else needs the place.
async fn encrypt(stream: TcpStream, client: Client, seat: &Seat, tls: &Tls) -> Option<Encrypted> {
    let accepted = tokio::select! {
        biased;
        () = seat.leave.notified() => return None,
        accepted = tls.accept(stream, client.peer.ip()) => accepted,
    };
    match accepted {
        Ok(stream) => {
            seat.idle_since_us.set(clock::now_us());
            Some(stream)
        }
        Err(error) => {
            debug!("https: {}: {error}", client.peer);
            None
        }
    }
}

async fn accept(listener: &TcpListener, is_tls: bool) -> io::Result<(TcpStream, Client)> {
    let (stream, peer) = listener.accept().await?;
    let client = Client {
        peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
        asked: stream.local_addr()?.ip().to_canonical(),
        is_tls,
    };
    stream.set_nodelay(true)?;
    Ok((stream, client))
}

/// Says 503 and what is full, unless [`HTTP_REFUSALS_MAX`] others are being told.
fn refuse(stream: TcpStream, full: Full, refusals: &Arc<Semaphore>) {
    let Ok(permit) = Arc::clone(refusals).try_acquire_owned() else { return };
    tokio::task::spawn_local(async move {
        let patience = Duration::from_millis(HTTP_REFUSAL_MS_MAX);
        // Who does not hear it in time is closed without it.
        let _ = timeout(patience, tell(stream, full)).await;
        drop(permit);
    });
}

async fn tell(mut stream: TcpStream, full: Full) -> io::Result<()> {
    let body = problem::body(StatusCode::SERVICE_UNAVAILABLE, &full.to_string());
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_FULL_S}\r\n\
         Content-Type: {PROBLEM_JSON}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    // A close before the request has come would be a reset, and take the answer with it.
    let mut unread = [0; 256];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Answers a connection's requests until it ends. Its memory is free when this returns.
pub(super) async fn converse<S, H, F>(
    stream: S,
    client: Client,
    seat: &Seat,
    idle: Duration,
    handler: H,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>, Client) -> F + 'static,
    F: Future<Output = Reply> + 'static,
{
    let stream = Watched::new(stream);
    let fault = stream.fault();
    let service = service_fn(|mut request: Request<Incoming>| {
        seat.idle_since_us.set(clock::now_us());
        let is_whole = request.body().is_end_stream();
        seat.is_busy.store(is_whole, Relaxed);
        if !is_whole {
            request.extensions_mut().insert(Awaited::of(seat));
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
            seat.idle_since_us.set(clock::now_us());
            seat.is_busy.store(false, Relaxed);
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
            // First of all: its place is another's as soon as it is free, and a request that has
            // come meanwhile would take memory that nothing counts.
            biased;
            () = seat.leave.notified() => return,
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!("http: {}: {error}", client.peer);
                }
                return;
            }
            () = sleep(seat.idle_left(idle)) => {
                if seat.idle_left(idle).is_zero() {
                    return;
                }
            }
        }
    }
}
