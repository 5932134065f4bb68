//! Connections: who is let in, how long each may take, and who makes room.
//!
//! At most [`Bounds::connections`], of which one address has at most [`Bounds::per_address`]. When
//! either is reached the connection idle longest makes room (of that address, or of all); when
//! none is idle the new one is told 503 with what is full, and closed. Idle is: no request being
//! answered. A connection idle for [`Bounds::idle`] is closed, which is also the time a request
//! head may take.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use log::{debug, warn};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use super::Reply;
use super::problem::{self, PROBLEM_JSON};
use crate::clock;
use crate::limits::{
    HTTP_EVICTABLE_US, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_MS_MAX, HTTP_KEEP_ALIVE_MS,
    HTTP_REFUSAL_MS_MAX, HTTP_REFUSALS_MAX,
};
use crate::mem::Full;

const BACKLOG: i32 = 128;
/// When to try again after all connections were taken: as long as an idle one is kept.
const RETRY_FULL_S: u64 = HTTP_KEEP_ALIVE_MS / 1000;

// One timer serves both.
const _: () = assert!(HTTP_HEAD_MS_MAX == HTTP_KEEP_ALIVE_MS);

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) per_address: usize,
    pub(super) idle: Duration,
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
pub(super) async fn serve<H, F>(listener: TcpListener, bounds: Bounds, handler: H)
where
    H: Fn(Request<Incoming>, Client) -> F + Clone + 'static,
    F: Future<Output = Reply> + 'static,
{
    let seats = Rc::new(Seats::new(bounds));
    let refusals = Arc::new(Semaphore::new(HTTP_REFUSALS_MAX));
    loop {
        let (stream, client) = match accept(&listener).await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: connections that end free some.
                warn!("http: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let seat = match seats.admit(client.peer.ip(), clock::now_us()) {
            Ok(seat) => seat,
            Err(full) => {
                debug!("http: {} refused, {full}", client.peer);
                refuse(stream, full, &refusals);
                continue;
            }
        };
        let (seats, handler) = (Rc::clone(&seats), handler.clone());
        tokio::task::spawn_local(async move {
            converse(stream, client, &seat, bounds.idle, handler).await;
            seats.release(&seat);
        });
    }
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, Client)> {
    let (stream, peer) = listener.accept().await?;
    let client = Client {
        peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
        asked: stream.local_addr()?.ip().to_canonical(),
        is_tls: false,
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

async fn converse<H, F>(
    stream: TcpStream,
    client: Client,
    seat: &Rc<Seat>,
    idle: Duration,
    handler: H,
) where
    H: Fn(Request<Incoming>, Client) -> F + 'static,
    F: Future<Output = Reply> + 'static,
{
    let service = service_fn(|request| {
        seat.idle_since_us.set(None);
        // hyper has room for this future from the connection's begin: boxed, an idle connection
        // does not pay for an answer.
        let answer = Box::pin(handler(request, client));
        async move {
            let reply = answer.await;
            seat.idle_since_us.set(Some(clock::now_us()));
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
            // An answer under way is finished first.
            () = seat.leave.notified() => connection.as_mut().graceful_shutdown(),
            () = sleep(seat.idle_left(idle)) => {
                if seat.idle_left(idle).is_zero() {
                    return;
                }
            }
        }
    }
}

/// One connection, as the table sees it.
#[derive(Debug)]
struct Seat {
    address: IpAddr,
    /// Since when no request is being answered; `None` while one is.
    idle_since_us: Cell<Option<u64>>,
    leave: Notify,
}

impl Seat {
    /// How long it may still be idle; all of `idle` while it is not.
    fn idle_left(&self, idle: Duration) -> Duration {
        let Some(since_us) = self.idle_since_us.get() else {
            return idle;
        };
        let been = Duration::from_micros(clock::now_us().saturating_sub(since_us));
        idle.saturating_sub(been)
    }
}

/// The connections that are let in.
#[derive(Debug)]
struct Seats {
    bounds: Bounds,
    taken: RefCell<Vec<Rc<Seat>>>,
}

impl Seats {
    fn new(bounds: Bounds) -> Self {
        Self { bounds, taken: RefCell::new(Vec::with_capacity(bounds.connections)) }
    }

    /// A seat for a connection from `address`, or why there is none to be had.
    fn admit(&self, address: IpAddr, now_us: u64) -> Result<Rc<Seat>, Full> {
        let mut taken = self.taken.borrow_mut();
        let Bounds { connections, per_address, .. } = self.bounds;
        let of_address = taken.iter().filter(|seat| seat.address == address);
        if of_address.count() >= per_address {
            let full = Full { what: "http connections of one address", max: per_address };
            evict(&mut taken, now_us, |seat| seat.address == address).ok_or(full)?;
        } else if taken.len() >= connections {
            let full = Full { what: "http connections", max: connections };
            evict(&mut taken, now_us, |_| true).ok_or(full)?;
        }
        let seat =
            Rc::new(Seat { address, idle_since_us: Cell::new(Some(now_us)), leave: Notify::new() });
        taken.push(Rc::clone(&seat));
        Ok(seat)
    }

    /// Gives a seat back; one that was evicted is gone already.
    fn release(&self, seat: &Rc<Seat>) {
        self.taken.borrow_mut().retain(|taken| !Rc::ptr_eq(taken, seat));
    }
}

/// Closes the connection idle longest among those that `matches`; `None` when none was idle for
/// [`HTTP_EVICTABLE_US`]: one that has only just come is about to ask.
fn evict(taken: &mut Vec<Rc<Seat>>, now_us: u64, matches: impl Fn(&Seat) -> bool) -> Option<()> {
    let idle = taken
        .iter()
        .enumerate()
        .filter(|(_, seat)| matches(seat))
        .filter_map(|(index, seat)| Some((seat.idle_since_us.get()?, index)));
    let (since_us, index) = idle.min()?;
    if now_us < since_us + HTTP_EVICTABLE_US {
        return None;
    }
    taken.swap_remove(index).leave.notify_one();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(connections: usize, per_address: usize) -> Seats {
        Seats::new(Bounds { connections, per_address, idle: Duration::from_secs(5) })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// When what was idle near 0 makes room.
    const LATER_US: u64 = HTTP_EVICTABLE_US + 100;

    #[test]
    fn a_full_table_evicts_the_longest_idle_and_refuses_when_all_are_busy() {
        let seats = seats(2, 2);
        let first = seats.admit(address(1), 0).expect("room");
        let second = seats.admit(address(2), 0).expect("room");
        first.idle_since_us.set(Some(20));
        second.idle_since_us.set(Some(10));
        let third = seats.admit(address(3), LATER_US).expect("the second makes room");
        assert!(!seats.taken.borrow().iter().any(|seat| Rc::ptr_eq(seat, &second)));
        first.idle_since_us.set(None);
        third.idle_since_us.set(None);
        assert!(seats.admit(address(4), LATER_US).is_err());
        seats.release(&second);
        assert!(seats.admit(address(4), LATER_US).is_err(), "an evicted seat frees nothing twice");
        seats.release(&third);
        assert!(seats.admit(address(4), LATER_US).is_ok());
        first.idle_since_us.set(Some(LATER_US));
        assert!(seats.admit(address(5), LATER_US).is_err(), "all have only just come");
    }

    #[test]
    fn an_address_at_its_bound_makes_room_only_for_itself() {
        let seats = seats(8, 2);
        let other = seats.admit(address(9), 0).expect("room");
        other.idle_since_us.set(Some(1));
        let first = seats.admit(address(1), 0).expect("room");
        let second = seats.admit(address(1), 0).expect("room");
        first.idle_since_us.set(None);
        second.idle_since_us.set(None);
        assert!(seats.admit(address(1), LATER_US).is_err());
        second.idle_since_us.set(Some(2));
        assert!(seats.admit(address(1), LATER_US).is_ok());
        assert!(seats.taken.borrow().iter().any(|seat| Rc::ptr_eq(seat, &other)));
    }
}
