//! Listeners and their connections: how long each may take, and what it speaks.
//!
//! [`Seats`] says who is let in; who is not is told 503 with what is full, and closed (without a
//! word where that would take a handshake first). A connection idle for [`Bounds::idle`] is
//! closed, which is also the time a request head may take.
//!
//! [`Bounds::idle`]: super::seats::Bounds::idle

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use log::{debug, warn};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::Reply;
use super::problem::{self, PROBLEM_JSON};
use super::seats::{Awaited, NoSeat, Seat, Seats};
use crate::clock;
use crate::limits::{
    HTTP_EVICTABLE_US, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_MS_MAX, HTTP_KEEP_ALIVE_MS,
    HTTP_REFUSAL_MS_MAX, HTTP_REFUSALS_MAX,
};
use crate::mem::Full;
use crate::mem::accounts::{Account, Kind, Refused};
use crate::tls::{Encrypted, Tls};

const BACKLOG: i32 = 128;
/// Turns of all tasks that an evicted connection has to be gone.
const TURNS_TO_LEAVE: usize = 4;
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
                    refuse(stream, &full, &refusals);
                }
                continue;
            }
        };
        let account = match open_account(seats.bounds.account).await {
            Ok(account) => account,
            Err(refused) => {
                seats.release(&seat);
                debug!("http: {} refused, {refused}", client.peer);
                if tls.is_none() {
                    refuse(stream, &refused, &refusals);
                }
                continue;
            }
        };
        let (seats, tls, handler) = (Rc::clone(&seats), tls.clone(), handler.clone());
        tokio::task::spawn_local(async move {
            let visit = attend(stream, client, &seat, seats.bounds.idle, tls, handler);
            if let Err(over) = account.charge(visit).await {
                over.tell(client.peer);
            }
            seats.release(&seat);
        });
    }
}

/// An account for a connection that has a seat. One that was evicted for it may not have heard of
/// it yet, and holds its own until then.
async fn open_account(kind: Kind) -> Result<Account, Refused> {
    for _ in 0..TURNS_TO_LEAVE {
        match Account::open(kind) {
            Err(Refused::Full(_)) => yield_now().await,
            result => return result,
        }
    }
    Account::open(kind)
}

/// One connection, from its first byte to its end.
async fn attend<H, F>(
    stream: TcpStream,
    client: Client,
    seat: &Seat,
    idle: Duration,
    tls: Option<Tls>,
    handler: H,
) where
    H: Fn(Request<Incoming>, Client) -> F + 'static,
    F: Future<Output = Reply> + 'static,
{
    match tls {
        None => converse(stream, client, seat, idle, handler).await,
        Some(tls) => {
            // Boxed, so that the connection that follows does not pay for its handshake.
            if let Some(stream) = Box::pin(encrypt(stream, client, seat, &tls)).await {
                converse(stream, client, seat, idle, handler).await;
            }
        }
    }
}

/// A seat, for which a newcomer waits until those who have only just come had their time: a crowd
/// that comes at once is let in one by one, and keeps nobody out.
async fn admit(seats: &Seats, address: IpAddr) -> Result<Rc<Seat>, Full> {
    let deadline_us = clock::now_us() + HTTP_EVICTABLE_US;
    loop {
        let now_us = clock::now_us();
        match seats.admit(address, now_us) {
            Ok(seat) => return Ok(seat),
            Err(NoSeat { again_us: Some(again_us), .. }) if now_us < deadline_us => {
                sleep(Duration::from_micros(again_us.min(deadline_us) - now_us)).await;
            }
            Err(NoSeat { full, .. }) => return Err(full),
        }
    }
}

/// The TLS handshake; `None` when there was none, or somebody else needs the place.
async fn encrypt(stream: TcpStream, client: Client, seat: &Seat, tls: &Tls) -> Option<Encrypted> {
    let accepted = tokio::select! {
        accepted = tls.accept(stream, client.peer.ip()) => accepted,
        () = seat.leave.notified() => return None,
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
fn refuse(stream: TcpStream, why: &dyn fmt::Display, refusals: &Arc<Semaphore>) {
    let Ok(permit) = Arc::clone(refusals).try_acquire_owned() else { return };
    let why = why.to_string();
    tokio::task::spawn_local(async move {
        let patience = Duration::from_millis(HTTP_REFUSAL_MS_MAX);
        // Who does not hear it in time is closed without it.
        let _ = timeout(patience, tell(stream, &why)).await;
        drop(permit);
    });
}

async fn tell(mut stream: TcpStream, why: &str) -> io::Result<()> {
    let body = problem::body(StatusCode::SERVICE_UNAVAILABLE, why);
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

async fn converse<S, H, F>(stream: S, client: Client, seat: &Seat, mut idle: Duration, handler: H)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>, Client) -> F + 'static,
    F: Future<Output = Reply> + 'static,
{
    #[cfg(weir_profile = "test")]
    let leak = super::leak::Leak::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        #[cfg(weir_profile = "test")]
        leak.request(request.uri().path());
        seat.idle_since_us.set(clock::now_us());
        let is_whole = request.body().is_end_stream();
        seat.is_busy.store(is_whole, Relaxed);
        if !is_whole {
            request.extensions_mut().insert(Awaited::of(seat));
        }
        // hyper has room for this future from the connection's begin: boxed, an idle connection
        // does not pay for an answer.
        let answer = Box::pin(handler(request, client));
        async move {
            let reply = answer.await;
            seat.idle_since_us.set(clock::now_us());
            seat.is_busy.store(false, Relaxed);
            Ok::<_, Infallible>(reply)
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!("http: {}: {error}", client.peer);
                }
                return;
            }
            () = seat.leave.notified() => {
                // Its seat is another's by now. hyper alone would wait for the rest of a request
                // head, or for somebody to read an answer.
                if seat.is_idle() {
                    return;
                }
                // A request that has come meanwhile is answered first.
                connection.as_mut().graceful_shutdown();
                idle = Duration::from_micros(HTTP_EVICTABLE_US);
            }
            () = sleep(seat.idle_left(idle)) => {
                if seat.idle_left(idle).is_zero() {
                    return;
                }
            }
        }
    }
}
