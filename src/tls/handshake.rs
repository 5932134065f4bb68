//! Accepts TLS connections. A client that sends nothing costs nothing, and a handshake is bounded
//! in time, in bytes, and in how many run at once.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::encrypted::Encrypted;
use super::fair_semaphore::FairSemaphore;
use super::limited_stream::{LargeRecordSlots, LimitedStream};
use crate::limits::{PROFILE, TLS_HANDSHAKE_MS_MAX, TLS_SEALED_BYTES_MAX};
use crate::status::GAUGES;

/// The semaphores that all connections share.
#[derive(Debug)]
pub(super) struct HandshakeLimits {
    handshakes: Rc<FairSemaphore>,
    large_records: Rc<FairSemaphore>,
}

impl HandshakeLimits {
    pub(super) fn new() -> Self {
        Self {
            handshakes: FairSemaphore::new(PROFILE.tls_handshakes, &GAUGES.tls_handshakes),
            large_records: FairSemaphore::new(PROFILE.tls_large_records, &GAUGES.tls_large_records),
        }
    }
}

/// Does the handshake with a client of `address`. `config` is called when it has its permit. The
/// error is an I/O or TLS error, or a time-out: too slow, or evicted while others wait.
pub(super) async fn accept(
    stream: TcpStream,
    address: IpAddr,
    limits: &HandshakeLimits,
    config: impl FnOnce() -> Arc<ServerConfig>,
) -> io::Result<Encrypted> {
    let handshake = async {
        stream.readable().await?;
        let permit = limits.handshakes.take(address).await;
        let acceptor = TlsAcceptor::from(config());
        let slots = LargeRecordSlots { semaphore: Rc::clone(&limits.large_records), address };
        let accepted = acceptor.accept_with(LimitedStream::new(stream, slots), |connection| {
            connection.set_buffer_limit(Some(TLS_SEALED_BYTES_MAX));
        });
        tokio::select! {
            accepted = accepted => accepted,
            () = permit.overdue() => Err(late("TLS handshake evicted: others wait")),
        }
    };
    let patience = Duration::from_millis(TLS_HANDSHAKE_MS_MAX);
    let stream = timeout(patience, handshake).await.unwrap_or_else(|_| Err(late("too slow")))?;
    Ok(Encrypted::new(stream))
}

fn late(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}
