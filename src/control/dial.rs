//! Dialling a camera: from its section of the configuration to a connection just before PLAY.
//!
//! Bounded by [`CAMERA_DIAL_MS_MAX`] in time, with the name's lookup, all addresses and redirects in
//! it, and by [`RTSP_LEFTOVER_BYTES_MAX`] in what is read at once. A redirect leads to another port of
//! the address that was reached: no name is asked for again on a camera's word.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config;
use crate::limits::{CAMERA_DIAL_MS_MAX, RTSP_LEFTOVER_BYTES_MAX};
use crate::mem::accounts::{Account, Kind, OverBudget, Refused};
use crate::net::names::{self, NameError};
use crate::net::reach::connect_to_first;
use crate::rtsp::{CameraUrl, Credentials, Dialog, DialogError, Habits, Ready, Step};

/// Why a try came to nothing.
#[derive(Debug)]
pub(super) enum DialError {
    Camera(DialogError),
    Name(NameError),
    Network(io::Error),
    Timeout,
    /// The section has no URL; a disabled camera is not dialled.
    NoUrl,
    /// It does not begin now.
    Refused(Refused),
    /// What came of it took more memory than it may.
    OverBudget(OverBudget),
}

/// [`dial`] on an account of its own. What a dial needs is given back when it is over; what it
/// brings is everybody's.
pub(super) async fn dial_charged(
    section: &config::Camera,
    habits: &Cell<Habits>,
) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let account = Account::open(Kind::CameraDial).map_err(DialError::Refused)?;
    account.charge(dial(section, habits)).await.unwrap_or_else(|over| {
        over.tell(format_args!("of camera {}", section.name));
        Err(DialError::OverBudget(over))
    })
}

/// Connects to a camera and brings it to the point where PLAY is next. What is learnt of it on the
/// way, even if the way leads nowhere, goes into `habits`.
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
    credentials: Option<Credentials>,
    habits: &Cell<Habits>,
) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let addresses = names::resolve(url.host(), url.port()).await.map_err(DialError::Name)?;
    let mut socket = with_no_delay(connect_to_first(&addresses).await)?;
    let peer = socket.peer_addr().map_err(DialError::Network)?;
    let mut dialog = Dialog::new(url, peer.ip(), credentials, &habits.get());
    let mut buffer = vec![0; RTSP_LEFTOVER_BYTES_MAX];
    loop {
        match dialog.poll() {
            Step::Send(request) => socket.write_all(&request).await.map_err(DialError::Network)?,
            Step::Read => match socket.read(&mut buffer).await.map_err(DialError::Network)? {
                0 => dialog.closed()?,
                bytes => {
                    dialog.receive(&buffer[..bytes])?;
                    learn(&dialog, habits);
                }
            },
            Step::Connect(port) => {
                let mut address: SocketAddr = peer;
                address.set_port(port);
                socket = with_no_delay(TcpStream::connect(address).await)?;
            }
            Step::Ready(ready) => {
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
            Self::Name(error) => write!(f, "no address for the camera's name: {error}"),
            Self::Network(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(f, "the camera refuses the connection: is its RTSP port right?")
            }
            Self::Network(error) => write!(f, "cannot reach the camera: {error}"),
            Self::Refused(refused) => write!(f, "not dialled yet: {refused}"),
            Self::OverBudget(over) => write!(f, "what the camera sent took {over}"),
            Self::NoUrl => f.write_str("the camera has no url"),
            Self::Timeout => {
                write!(f, "the camera does not answer within {} s", CAMERA_DIAL_MS_MAX / 1000)
            }
        }
    }
}
