//! Dialling a camera: from its section of the configuration to a connection just before PLAY.
//!
//! The time is bounded by [`CAMERA_DIAL_MS_MAX`], which includes the lookup of the name, all
//! addresses and all redirects. One read is bounded by [`RTSP_LEFTOVER_BYTES_MAX`]. A redirect is
//! followed only to another port of the address that was reached: a camera cannot make weir look
//! up a name.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config;
use crate::limits::{CAMERA_DIAL_MS_MAX, RTSP_LEFTOVER_BYTES_MAX};
use crate::mem::accounts::{AccountKind, HeapAccount, OverBudget, Refused};
use crate::net::names::{self, NameError};
use crate::net::reach::connect_to_first;
use crate::rtsp::{CameraCredentials, CameraUrl, Dialog, DialogError, DialogStep, Habits, Ready};

/// Why dialling a camera failed.
#[derive(Debug)]
pub(super) enum DialError {
    Camera(DialogError),
    Name(NameError),
    Network(io::Error),
    Timeout,
    /// The section has no URL; a disabled camera is not dialled.
    NoUrl,
    /// Not begun: the number of dials or the heap is at its bound.
    Refused(Refused),
    /// It took more memory than its account allows.
    OverBudget(OverBudget),
}

/// [`dial`] with a heap account of its own. The account covers the dial only: the result is
/// shared.
pub(super) async fn dial_charged(
    section: &config::Camera,
    habits: &Cell<Habits>,
) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let account = HeapAccount::open(AccountKind::CameraDial).map_err(DialError::Refused)?;
    account.charge(dial(section, habits)).await.unwrap_or_else(|over| {
        over.tell(format_args!("of camera {}", section.name));
        Err(DialError::OverBudget(over))
    })
}

/// Connects to a camera up to the point where PLAY is next. What is learnt of the camera goes into
/// `habits`, even if the dial fails.
async fn dial(
    section: &config::Camera,
    habits: &Cell<Habits>,
) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let url = section.url.clone().ok_or(DialError::NoUrl)?;
    let limit = Duration::from_millis(CAMERA_DIAL_MS_MAX);
    let conversation = converse(url, section.credentials(), habits);
    timeout(limit, conversation).await.map_err(|_| DialError::Timeout)?
}

async fn converse(
    url: CameraUrl,
    credentials: Option<CameraCredentials>,
    habits: &Cell<Habits>,
) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let addresses = names::resolve(url.host(), url.port()).await.map_err(DialError::Name)?;
    let mut socket = with_no_delay(connect_to_first(&addresses).await)?;
    let peer = socket.peer_addr().map_err(DialError::Network)?;
    let mut dialog = Dialog::new(url, peer.ip(), credentials, &habits.get());
    let mut buffer = vec![0; RTSP_LEFTOVER_BYTES_MAX];
    loop {
        match dialog.poll() {
            DialogStep::Send(request) => {
                socket.write_all(&request).await.map_err(DialError::Network)?
            }
            DialogStep::Read => match socket.read(&mut buffer).await.map_err(DialError::Network)? {
                0 => dialog.closed()?,
                bytes => {
                    dialog.receive(&buffer[..bytes])?;
                    learn(&dialog, habits);
                }
            },
            DialogStep::Connect(port) => {
                let mut address: SocketAddr = peer;
                address.set_port(port);
                socket = with_no_delay(TcpStream::connect(address).await)?;
            }
            DialogStep::Ready(ready) => {
                let socket = socket.into_std().map_err(DialError::Network)?;
                return Ok((socket, ready));
            }
        }
    }
}

fn learn(dialog: &Dialog, habits: &Cell<Habits>) {
    if dialog.takes_digest() {
        let mut known = habits.get();
        known.took_digest();
        habits.set(known);
    }
}

fn with_no_delay(connected: io::Result<TcpStream>) -> Result<TcpStream, DialError> {
    let connected = connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket));
    connected.map_err(DialError::Network)
}

impl DialError {
    /// Whether a retry cannot help before a person changes something.
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
            Self::Name(error) => write!(f, "no address for the camera's name: {error}"),
            Self::Network(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(f, "the camera refuses the connection: is its RTSP port right?")
            }
            Self::Network(error) => write!(f, "cannot reach the camera: {error}"),
            Self::Refused(refused) => write!(f, "not dialled now, will retry: {refused}"),
            Self::OverBudget(over) => write!(f, "the dial used {over}"),
            Self::NoUrl => f.write_str("the camera has no url"),
            Self::Timeout => {
                write!(f, "the camera does not answer within {} s", CAMERA_DIAL_MS_MAX / 1000)
            }
        }
    }
}
