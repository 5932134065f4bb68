//! The stream to a camera while it is dialled, whatever carries it: a TCP connection, TLS within
//! it, or a tunnel through HTTP.
//!
//! A plain connection goes to the media thread as it is. An encrypted or tunnelled one stays here
//! ([`BridgedLink`]), with a heap account of its own that bounds what it holds and how many there
//! are, and [`super::bridge`] copies between it and the media thread.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, ReadBuf,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::carrier::{Carrier, TunnelStream};
use super::dial_error::DialError;
use crate::config::{self, CameraTrust, CertificateFingerprint};
use crate::limits::{CAMERA_CONNECT_MS_MAX, TUNNEL_READ_BYTES};
use crate::mem::accounts::{AccountKind, HeapAccount};
use crate::net::reach::connect_to_first;
use crate::rtsp::{CameraUrl, DialogError, Habits, Tunnel, TunnelStep};
use crate::tls::CameraPins;
use crate::tls::camera::{self, CameraTls};

/// The stream to a camera.
pub(super) enum CameraLink {
    Direct(TcpStream),
    Bridged(BridgedLink),
}

/// A stream that only the control thread can read and write. What it allocates is charged to its
/// account, and with more than that allows each call is an error.
pub(super) struct BridgedLink {
    carrier: Pin<Box<dyn Carrier>>,
    certificate: Option<CertificateFingerprint>,
    /// The camera's name, for the log.
    name: String,
    /// The password itself went with the requests of a tunnel.
    is_in_the_clear: bool,
    // Behind what it pays for.
    account: HeapAccount,
}

/// A connection to a camera, before it has an account of its own to go with.
struct Carried {
    carrier: Pin<Box<dyn Carrier>>,
    certificate: Option<CertificateFingerprint>,
}

/// A camera that is being dialled, and the address at which it was reached.
pub(super) struct LinkTarget<'d> {
    pub(super) url: CameraUrl,
    pub(super) section: &'d config::Camera,
    pub(super) pins: &'d CameraPins,
    pub(super) habits: &'d Cell<Habits>,
    pub(super) address: SocketAddr,
}

impl LinkTarget<'_> {
    /// Makes a new connection to the camera what it has to be for RTSP.
    pub(super) async fn link(&self, socket: TcpStream) -> Result<CameraLink, DialError> {
        let scheme = self.url.scheme();
        if !scheme.is_bridged() {
            return Ok(CameraLink::Direct(socket));
        }
        let account = HeapAccount::open(AccountKind::BridgedCamera).map_err(DialError::Refused)?;
        let opening = async {
            let carried = self.carried(socket, None).await?;
            if scheme.is_tunnelled() { self.tunnel(carried).await } else { Ok((carried, false)) }
        };
        let name = &self.section.name;
        let opened = account.charge_part(opening).await.map_err(|over| {
            over.tell(name);
            DialError::OverBudget(over)
        })?;
        let (Carried { carrier, certificate }, sends_password) = opened?;
        let is_in_the_clear = sends_password && !scheme.is_encrypted();
        let name = account.enter(|| name.clone());
        Ok(CameraLink::Bridged(BridgedLink {
            carrier,
            certificate,
            name,
            is_in_the_clear,
            account,
        }))
    }

    /// A connection as it is, or TLS within it. `certificate` is the one of a connection to the
    /// same camera before it. A certificate that is the camera's first is pinned.
    async fn carried(
        &self,
        socket: TcpStream,
        certificate: Option<CertificateFingerprint>,
    ) -> Result<Carried, DialError> {
        let Self { url, section, pins, .. } = self;
        if !url.scheme().is_encrypted() {
            let carrier = Box::pin(BufReader::with_capacity(TUNNEL_READ_BYTES, socket));
            return Ok(Carried { carrier, certificate: None });
        }
        let pinned = certificate.or_else(|| pins.of(url));
        let connected = camera::connect(socket, url.host(), &section.trust, pinned).await;
        let CameraTls { stream, certificate } = connected.map_err(DialError::Tls)?;
        if section.trust == CameraTrust::FirstUse {
            pins.pin(url, certificate);
        }
        Ok(Carried { carrier: Box::pin(stream), certificate: Some(certificate) })
    }

    /// Opens a tunnel, whose GET goes over `get`; and whether its login sends the password itself.
    async fn tunnel(&self, mut get: Carried) -> Result<(Carried, bool), DialError> {
        let mut habits = self.habits.get();
        let credentials = self.section.credentials();
        let mut tunnel = Tunnel::new(self.url.clone(), credentials, habits.takes_digest());
        loop {
            send(&mut get.carrier, &tunnel.get()?).await?;
            match answered(&mut get.carrier, &mut tunnel).await? {
                TunnelStep::Open => break,
                TunnelStep::Read | TunnelStep::Again => {
                    let certificate = get.certificate;
                    drop(get);
                    get = self.carried(self.connect().await?, certificate).await?;
                }
            }
        }
        if tunnel.takes_digest() {
            habits.took_digest();
            self.habits.set(habits);
        }
        let mut post = self.carried(self.connect().await?, get.certificate).await?;
        send(&mut post.carrier, &tunnel.post()?).await?;
        let carrier = Box::pin(TunnelStream::new(get.carrier, post.carrier));
        let certificate = get.certificate;
        Ok((Carried { carrier, certificate }, tunnel.is_in_the_clear()))
    }

    /// One more connection to the same address.
    pub(super) async fn connect(&self) -> Result<TcpStream, DialError> {
        connect(&[self.address]).await
    }
}

/// Connects to the first of these addresses that answers, within [`CAMERA_CONNECT_MS_MAX`]; without
/// Nagle's delay.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, DialError> {
    let limit = Duration::from_millis(CAMERA_CONNECT_MS_MAX);
    let connected = timeout(limit, connect_to_first(addresses)).await;
    let connected = connected.map_err(|_| DialError::NoConnection)?;
    let connected = connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket));
    connected.map_err(DialError::Network)
}

async fn send(carrier: &mut Pin<Box<dyn Carrier>>, bytes: &[u8]) -> Result<(), DialError> {
    carrier.write_all(bytes).await.map_err(DialError::Network)?;
    carrier.flush().await.map_err(DialError::Network)
}

/// Reads the head of the answer to a tunnel's GET, and nothing behind it.
async fn answered(
    carrier: &mut Pin<Box<dyn Carrier>>,
    tunnel: &mut Tunnel,
) -> Result<TunnelStep, DialError> {
    loop {
        let came = carrier.fill_buf().await.map_err(DialError::Network)?;
        if came.is_empty() {
            return Err(DialogError::Closed { method: "GET" }.into());
        }
        let (bytes, step) = tunnel.receive(came)?;
        carrier.consume(bytes);
        if step != TunnelStep::Read {
            return Ok(step);
        }
    }
}

impl CameraLink {
    /// Whether the camera's password was sent in plaintext, for a session where it was or was not.
    pub(super) fn shows_password(&self, by_session: bool) -> bool {
        match self {
            Self::Direct(_) => by_session,
            Self::Bridged(link) if link.certificate.is_some() => false,
            Self::Bridged(link) => by_session || link.is_in_the_clear,
        }
    }

    /// The certificate that the camera showed.
    pub(super) fn certificate(&self) -> Option<CertificateFingerprint> {
        match self {
            Self::Direct(_) => None,
            Self::Bridged(link) => link.certificate,
        }
    }
}

impl BridgedLink {
    /// The account that pays for it.
    pub(super) fn account(&self) -> &HeapAccount {
        &self.account
    }

    /// What `poll` of the carrier says, or that its account is over budget.
    fn charged<R>(
        &mut self,
        poll: impl FnOnce(Pin<&mut dyn Carrier>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let Self { carrier, account, name, .. } = self;
        let polled = account.enter(|| poll(carrier.as_mut()));
        match account.over() {
            Some(over) => {
                over.tell(name);
                Poll::Ready(Err(io::Error::other(over)))
            }
            None => polled,
        }
    }

    /// Bytes that came from the camera; empty at the end of the stream.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        ready!(self.charged(|carrier| carrier.poll_fill_buf(context).map_ok(|_| ())))?;
        // They are there by now.
        self.carrier.as_mut().poll_fill_buf(context)
    }

    /// Counts `bytes` of them as read.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.carrier.as_mut().consume(bytes);
    }
}

impl AsyncRead for CameraLink {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Direct(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Bridged(link) => {
                let came = ready!(link.poll_fill(context))?;
                let bytes = came.len().min(buffer.remaining());
                buffer.put_slice(&came[..bytes]);
                link.consume(bytes);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for CameraLink {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Direct(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Bridged(link) => Pin::new(link).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Direct(socket) => Pin::new(socket).poll_flush(context),
            Self::Bridged(link) => Pin::new(link).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Direct(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Bridged(link) => Pin::new(link).poll_shutdown(context),
        }
    }
}

impl AsyncWrite for BridgedLink {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().charged(|carrier| carrier.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().charged(|carrier| carrier.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().charged(|carrier| carrier.poll_shutdown(context))
    }
}
