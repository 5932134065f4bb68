//! Dialling a camera: from its section of the configuration to a connection just before PLAY.
//!
//! Bounded by [`CAMERA_DIAL_MS_MAX`] in time and [`RTSP_EARLY_BYTES_MAX`] in what is read at once.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::config;
use crate::limits::{
    CAMERA_DIAL_MS_MAX, CAMERA_RECEIVE_BUFFER_BYTES, CAMERA_SEND_BUFFER_BYTES, RTSP_EARLY_BYTES_MAX,
};
use crate::net::names::{self, NameError};
use crate::rtsp::{CameraUrl, Credentials, Dialog, DialogError, Ready, Step};

/// Why a try came to nothing.
#[derive(Debug)]
pub(super) enum DialError {
    Camera(DialogError),
    Name(NameError),
    Network(io::Error),
    Timeout,
}

/// Connects to a camera and brings it to the point where PLAY is next.
pub(super) async fn dial(
    section: &config::Camera,
) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let url = CameraUrl::parse(&section.url).map_err(DialogError::Url)?;
    let credentials = section.user.as_ref().map(|user| Credentials {
        user: user.clone(),
        password: section.password.reveal().to_owned(),
    });
    let dialog = Dialog::new(url.clone(), credentials);
    let limit = Duration::from_millis(CAMERA_DIAL_MS_MAX);
    timeout(limit, converse(dialog, url)).await.map_err(|_| DialError::Timeout)?
}

async fn converse(
    mut dialog: Dialog,
    url: CameraUrl,
) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let mut socket = connect(&url).await?;
    let mut buffer = vec![0; RTSP_EARLY_BYTES_MAX];
    loop {
        match dialog.poll() {
            Step::Send(request) => socket.write_all(&request).await.map_err(DialError::Network)?,
            Step::Read => match socket.read(&mut buffer).await.map_err(DialError::Network)? {
                0 => dialog.closed()?,
                bytes => dialog.receive(&buffer[..bytes])?,
            },
            Step::Connect(url) => socket = connect(&url).await?,
            Step::Ready(ready) => {
                let socket = socket.into_std().map_err(DialError::Network)?;
                return Ok((socket, ready));
            }
        }
    }
}

async fn connect(url: &CameraUrl) -> Result<TcpStream, DialError> {
    let addresses = names::resolve(url.host()).await.map_err(DialError::Name)?;
    let mut refused = None;
    for address in addresses {
        match open(SocketAddr::new(address, url.port())).await {
            Ok(socket) => {
                socket.set_nodelay(true).map_err(DialError::Network)?;
                return Ok(socket);
            }
            // What the first says is told: it is the one that is meant.
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(DialError::Network(refused.expect("a name that was resolved has an address")))
}

/// Connects with buffers of our own size: what the kernel would grow to for 64 cameras is more than
/// the whole program takes.
async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_recv_buffer_size(CAMERA_RECEIVE_BUFFER_BYTES)?;
    socket.set_send_buffer_size(CAMERA_SEND_BUFFER_BYTES)?;
    socket.connect(address).await
}

impl DialError {
    /// Whether trying again will not help before somebody changes something.
    pub(super) fn needs_person(&self) -> bool {
        matches!(self, Self::Camera(error) if error.needs_person())
    }
}

impl From<DialogError> for DialError {
    fn from(error: DialogError) -> Self {
        Self::Camera(error)
    }
}

impl std::fmt::Display for DialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Camera(error) => write!(f, "{error}"),
            Self::Name(error) => write!(f, "the camera's name leads nowhere: {error}"),
            Self::Network(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(f, "the camera refuses the connection: is its RTSP port right?")
            }
            Self::Network(error) => write!(f, "cannot reach the camera: {error}"),
            Self::Timeout => {
                write!(f, "the camera does not answer within {} s", CAMERA_DIAL_MS_MAX / 1000)
            }
        }
    }
}
