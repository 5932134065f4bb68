//! The stream to a camera while it is dialled, whatever carries it: a TCP connection, or TLS within
//! it.
//!
//! A plain connection goes to the media thread as it is. An encrypted or tunnelled one stays here
//! ([`BridgedLink`]), with a heap account of its own that bounds what it holds and how many there
//! are, and [`super::bridge`] copies between it and the media thread.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::dial_error::DialError;
use crate::config::{self, CameraTrust, CertificateFingerprint};
use crate::mem::accounts::{AccountKind, HeapAccount};
use crate::rtsp::CameraUrl;
use crate::tls::CameraPins;
use crate::tls::camera::{self, CameraTls};

/// The stream to a camera.
pub(super) enum CameraLink {
    Direct(TcpStream),
    Bridged(BridgedLink),
}

/// What TLS and tunnels have in common.
pub(super) trait Carrier: AsyncBufRead + AsyncWrite {}

impl<T: AsyncBufRead + AsyncWrite> Carrier for T {}

/// A stream that only the control thread can read and write. What it allocates is charged to its
/// account, and with more than that allows each call is an error.
pub(super) struct BridgedLink {
    carrier: Pin<Box<dyn Carrier>>,
    certificate: Option<CertificateFingerprint>,
    // Behind what it pays for.
    account: HeapAccount,
}

impl CameraLink {
    /// Makes a new connection to the camera of `section`, whose URL leads to `url`, what it has to
    /// be for RTSP. A certificate that is the camera's first is pinned.
    pub(super) async fn open(
        socket: TcpStream,
        url: &CameraUrl,
        section: &config::Camera,
        pins: &CameraPins,
    ) -> Result<Self, DialError> {
        if !url.scheme().is_bridged() {
            return Ok(Self::Direct(socket));
        }
        let account = HeapAccount::open(AccountKind::BridgedCamera).map_err(DialError::Refused)?;
        let pinned = pins.of(url);
        let connecting = camera::connect(socket, url.host(), &section.trust, pinned);
        let connected = account.charge_part(connecting).await.map_err(DialError::OverBudget)?;
        let CameraTls { stream, certificate } = connected.map_err(DialError::Tls)?;
        if section.trust == CameraTrust::FirstUse {
            pins.pin(url, certificate);
        }
        let carrier = account.enter(|| Box::pin(stream));
        let certificate = Some(certificate);
        Ok(Self::Bridged(BridgedLink { carrier, certificate, account }))
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
        let Self { carrier, account, .. } = self;
        let polled = account.enter(|| poll(carrier.as_mut()));
        match account.over() {
            Some(over) => Poll::Ready(Err(io::Error::other(over))),
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
