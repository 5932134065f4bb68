//! Letting a connection in: nothing is spent on who says nothing, and a handshake is bounded in
//! time, in bytes, and in how many are under way.

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
use super::metered::{Metered, Places};
use super::turns::Turns;
use crate::limits::{PROFILE, TLS_HANDSHAKE_MS_MAX, TLS_SEALED_BYTES_MAX};
use crate::status::GAUGES;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Door {
    handshakes: Rc<Turns>,
    large_records: Rc<Turns>,
}

impl Door {
    pub(super) fn new() -> Self {
        Self {
            handshakes: Turns::new(PROFILE.tls_handshakes, &GAUGES.tls_handshakes),
            large_records: Turns::new(PROFILE.tls_large_records, &GAUGES.tls_large_records),
        }
    }
}

/// `config` is asked once the handshake's turn has come.
pub(super) async fn accept(
    stream: TcpStream,
    address: IpAddr,
    door: &Door,
    config: impl FnOnce() -> Arc<ServerConfig>,
) -> io::Result<Encrypted> {
    let handshake = async {
        stream.readable().await?;
        let turn = door.handshakes.take(address).await;
        let acceptor = TlsAcceptor::from(config());
        let places = Places { turns: Rc::clone(&door.large_records), address };
        let accepted = acceptor.accept_with(Metered::new(stream, places), |connection| {
            connection.set_buffer_limit(Some(TLS_SEALED_BYTES_MAX));
        });
        tokio::select! {
            accepted = accepted => accepted,
            () = turn.overdue() => Err(late("others wait for a handshake")),
        }
    };
    let patience = Duration::from_millis(TLS_HANDSHAKE_MS_MAX);
    let stream = timeout(patience, handshake).await.unwrap_or_else(|_| Err(late("too slow")))?;
    Ok(Encrypted::new(stream))
}

fn late(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}
