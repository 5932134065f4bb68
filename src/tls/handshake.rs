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

use super::encrypted::{Encrypted, Metered};
use super::turns::Turns;
use crate::limits::{TLS_HANDSHAKE_MS_MAX, TLS_SEALED_BYTES_MAX};

/// `config` is asked once the handshake's turn has come.
pub(super) async fn accept(
    stream: TcpStream,
    address: IpAddr,
    turns: &Rc<Turns>,
    config: impl FnOnce() -> Arc<ServerConfig>,
) -> io::Result<Encrypted> {
    let handshake = async {
        stream.readable().await?;
        let turn = turns.take(address).await;
        let acceptor = TlsAcceptor::from(config());
        let accepted = acceptor.accept_with(Metered::new(stream), |connection| {
            connection.set_buffer_limit(Some(TLS_SEALED_BYTES_MAX));
        });
        tokio::select! {
            accepted = accepted => accepted.map(Encrypted::new),
            () = turn.overdue() => Err(late("others wait for a handshake")),
        }
    };
    let patience = Duration::from_millis(TLS_HANDSHAKE_MS_MAX);
    timeout(patience, handshake).await.unwrap_or_else(|_| Err(late("no handshake in time")))
}

fn late(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}
