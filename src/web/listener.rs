//! Listening sockets: they accept connections, and give them slots or refuse them.
//!
//! Every connection is accepted at once, so that the kernel's queue stays short. It then waits in
//! [`PendingConnections`] for a slot of the [`ConnectionTable`]. A connection that gets none is
//! answered with 503 and what is full, and closed. On a TLS listener it is closed without an
//! answer, which would take a handshake first.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use log::{debug, warn};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Reply;
use super::connections::{ClientAddress, ConnectionSlot, ConnectionTable, NotAdmitted, Wait};
use super::pending::{PendingConnections, PendingVerdict};
use super::problem::{self, PROBLEM_JSON};
use super::server::{Client, attend};
use crate::clock;
use crate::limits::{
    HTTP_EVICTABLE_US, HTTP_KEEP_ALIVE_MS, HTTP_REFUSAL_MS_MAX, HTTP_REFUSALS_MAX,
    HTTP_UNSENT_MS_MAX, TCP_BUFFER_BYTES,
};
use crate::mem::Full;
use crate::mem::accounts::HeapAccount;
use crate::net::ending::{Ending, forget_unsent};
use crate::status::tasks::{self, TASKS};
use crate::tls::Tls;

const BACKLOG: i32 = 128;
/// `Retry-After` of that 503, in seconds: as long as an idle connection is kept.
const RETRY_FULL_S: u64 = HTTP_KEEP_ALIVE_MS / 1000;

/// A listening socket of a site.
pub(super) struct Entrance {
    pub(super) listener: TcpListener,
    /// `None` for plain HTTP.
    pub(super) tls: Option<Tls>,
}

/// Listens on `address`. `[::]` takes IPv4 too, and becomes `0.0.0.0` where the kernel has no IPv6.
/// The daemon calls it at start for each of its HTTP addresses.
///
/// # Errors
/// Those of `bind(2)` and `listen(2)`: the port is taken, or the address may not be used.
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
    // Accepted connections inherit both sizes.
    socket.set_recv_buffer_size(TCP_BUFFER_BYTES)?;
    socket.set_send_buffer_size(TCP_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// An accepted connection and its two ends.
type Accepted = (TcpStream, Client);

/// Accepts connections for ever and gives each of their requests to `handler`.
pub(super) async fn serve<H, F>(entrance: Entrance, table: Rc<ConnectionTable>, handler: H)
where
    H: Fn(Request<Incoming>, Client) -> F + Clone + 'static,
    F: Future<Output = Reply> + 'static,
{
    let Entrance { listener, tls } = entrance;
    let refusals = Refusals::new(tls.is_none());
    let mut pending = PendingConnections::new();
    loop {
        let next = admit(&table, &mut pending, &refusals, |connection, slot| {
            begin(connection, slot, &table, tls.clone(), &handler, &refusals);
        });
        let again_us = next.unwrap_or(u64::MAX).saturating_sub(clock::now_us());
        let accepted = tokio::select! {
            accepted = accept(&listener, &table, tls.is_some()) => accepted,
            () = table.released(), if !pending.is_empty() => continue,
            () = sleep(Duration::from_micros(again_us)), if !pending.is_empty() => continue,
        };
        match accepted {
            Ok((connection, address)) => {
                let connections_of = |address| table.count_of(address);
                let now_us = clock::now_us();
                let refused = pending.add(address, connection, now_us, connections_of);
                if let Some(refused) = refused {
                    refusals.refuse(refused, &"too many connections wait for a slot");
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: connections that end free some.
                warn!("http: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Gives waiting connections a slot as far as there are slots, and refuses those that may not wait
/// on. Returns the time in µs at which to look again, unless a connection ends before that.
fn admit(
    table: &ConnectionTable,
    pending: &mut PendingConnections<Accepted>,
    refusals: &Refusals,
    mut begin: impl FnMut(Accepted, Rc<ConnectionSlot>),
) -> Option<u64> {
    let now_us = clock::now_us();
    let mut again_us = None;
    loop {
        let mut decided = None;
        let leaving = pending.leaving(
            |address| table.count_of(address),
            |address| {
                let NotAdmitted { full, wait, is_of_address } = match table.admit(address, now_us) {
                    Ok(slot) => {
                        decided = Some(Ok(slot));
                        return PendingVerdict::Leaves;
                    }
                    Err(refused) => refused,
                };
                if let Some(Wait::Until(until_us)) = wait {
                    again_us = Some(until_us);
                }
                match (is_of_address, wait) {
                    (true, None) => {
                        decided = Some(Err(full));
                        PendingVerdict::Leaves
                    }
                    (true, Some(_)) => PendingVerdict::Waits,
                    (false, _) => PendingVerdict::AllWait,
                }
            },
        );
        match (leaving, decided) {
            (Some(connection), Some(Ok(slot))) => begin(connection, slot),
            (Some(connection), Some(Err(full))) => refusals.refuse(connection, &full),
            _ => break,
        }
    }
    while let Some(connection) = pending.expired(now_us) {
        let full = Full { what: "http connections", max: table.bounds.connections };
        refusals.refuse(connection, &full);
    }
    // Where only a release is waited for, this is how often the waiting time is checked.
    Some(again_us.unwrap_or(now_us + HTTP_EVICTABLE_US))
}

/// Starts the task of a connection that has a slot.
fn begin<H, F>(
    (stream, client): Accepted,
    slot: Rc<ConnectionSlot>,
    table: &Rc<ConnectionTable>,
    tls: Option<Tls>,
    handler: &H,
    refusals: &Refusals,
) where
    H: Fn(Request<Incoming>, Client) -> F + Clone + 'static,
    F: Future<Output = Reply> + 'static,
{
    let account = match HeapAccount::open(table.bounds.account) {
        Ok(account) => account,
        Err(refused) => {
            table.release(&slot);
            refusals.refuse((stream, client), &refused);
            return;
        }
    };
    let ending = match Ending::of(&stream) {
        Ok(ending) => ending,
        Err(error) => {
            table.release(&slot);
            warn!("http: {}: {error}", client.peer);
            return;
        }
    };
    let (table, handler) = (Rc::clone(table), handler.clone());
    tasks::spawn(&TASKS.connection, async move {
        let connection = attend(stream, client, &slot, table.bounds.idle, tls, handler);
        if let Err(over) = account.charge(connection).await {
            over.tell(client.peer);
        }
        // The slot accounts for the kernel's buffers of the last reply.
        sent(&ending, &slot).await;
        drop(ending);
        table.release(&slot);
    });
}

/// Waits until a connection's client has all that was written, the connection is evicted, or
/// [`HTTP_UNSENT_MS_MAX`] have passed.
async fn sent(ending: &Ending, slot: &ConnectionSlot) {
    const LOOK: Duration = Duration::from_millis(1);
    const LOOK_MAX: Duration = Duration::from_millis(50);
    if slot.eviction().is_some() {
        return;
    }
    slot.ends();
    ending.shut_down();
    let all = async {
        let mut pause = LOOK;
        while !ending.is_sent() {
            sleep(pause).await;
            pause = LOOK_MAX.min(2 * pause);
        }
    };
    tokio::select! {
        biased;
        () = slot.leave.notified() => {}
        _ = timeout(Duration::from_millis(HTTP_UNSENT_MS_MAX), all) => {}
    }
}

async fn accept(
    listener: &TcpListener,
    table: &ConnectionTable,
    is_tls: bool,
) -> io::Result<(Accepted, ClientAddress)> {
    let (stream, peer) = listener.accept().await?;
    let ip = peer.ip().to_canonical();
    let address = table.address_of(ip, clock::now_us());
    let client = Client {
        peer: SocketAddr::new(ip, peer.port()),
        key: address.key,
        asked: stream.local_addr()?.ip().to_canonical(),
        is_tls,
    };
    stream.set_nodelay(true)?;
    Ok(((stream, client), address))
}

/// Answers 503 and what is full, to at most [`HTTP_REFUSALS_MAX`] connections at once; further ones
/// are closed without an answer.
struct Refusals {
    permits: Arc<Semaphore>,
    is_plain: bool,
}

impl Refusals {
    fn new(is_plain: bool) -> Self {
        Self { permits: Arc::new(Semaphore::new(HTTP_REFUSALS_MAX)), is_plain }
    }

    fn refuse(&self, (mut stream, client): Accepted, why: &dyn fmt::Display) {
        debug!("http: {} refused, {why}", client.peer);
        if !self.is_plain {
            return;
        }
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { return };
        let why = why.to_string();
        tasks::spawn(&TASKS.refusal, async move {
            let patience = Duration::from_millis(HTTP_REFUSAL_MS_MAX);
            // A client that does not read the answer in time is closed without it.
            let _ = timeout(patience, tell(&mut stream, &why)).await;
            forget_unsent(&stream);
            drop(permit);
        });
    }
}

async fn tell(stream: &mut TcpStream, why: &str) -> io::Result<()> {
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
