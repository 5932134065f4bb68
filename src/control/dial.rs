//! Dialling a camera: from its section of the configuration to a connection just before PLAY, which
//! may be encrypted or within HTTP ([`super::link`]).
//!
//! The time is bounded by [`CAMERA_DIAL_MS_MAX`], which includes the lookup of the name, all
//! addresses and all redirects. One read is bounded by [`RTSP_LEFTOVER_BYTES_MAX`]. A redirect is
//! followed only to another port of the address that was reached: a camera cannot make weir look
//! up a name. Datagrams are sent to that address alone as well.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dial_error::DialError;
use super::link::{CameraLink, LinkTarget, connect};
use crate::config;
use crate::limits::{
    CAMERA_DIAL_MS_MAX, CAMERA_SOUND_BUFFER_BYTES, PROFILE, RTSP_LEFTOVER_BYTES_MAX,
};
use crate::mem::accounts::{AccountKind, HeapAccount};
use crate::net::names;
use crate::net::udp::camera::{self, CameraSockets, DatagramSockets, Senders};
use crate::rtsp::{
    CameraSound, CameraUrl, Delivery, Dialog, DialogStep, Forms, Habits, Ready, Transport,
};
use crate::tls::CameraPins;

/// A camera that was dialled: PLAY is next.
pub(super) struct Dialled {
    pub(super) link: CameraLink,
    pub(super) ready: Box<Ready>,
    /// Where its RTP comes, unless that is the connection.
    pub(super) datagrams: Option<DatagramSockets>,
}

/// [`dial`] with a heap account of its own. The account covers the dial only: the result is
/// shared.
pub(super) async fn dial_charged(
    section: &config::Camera,
    habits: &Cell<Habits>,
    pins: &CameraPins,
) -> Result<Dialled, DialError> {
    let account = HeapAccount::open(AccountKind::CameraDial).map_err(DialError::Refused)?;
    account.charge(dial(section, habits, pins)).await.unwrap_or_else(|over| {
        over.tell(format_args!("of camera {}", section.name));
        Err(DialError::OverBudget(over))
    })
}

/// Connects to a camera up to the point where PLAY is next. What is learnt of the camera goes into
/// `habits`, even if the dial fails.
async fn dial(
    section: &config::Camera,
    habits: &Cell<Habits>,
    pins: &CameraPins,
) -> Result<Dialled, DialError> {
    let url = section.url.clone().ok_or(DialError::NoUrl)?;
    let limit = Duration::from_millis(CAMERA_DIAL_MS_MAX);
    let conversation = converse(url, section, habits, pins);
    let dialled = timeout(limit, conversation).await.map_err(|_| DialError::Timeout)?;
    let forms = match &dialled {
        Ok(dialled) => dialled.ready.forms,
        // The camera may have been changed: it is asked as if for the first time.
        Err(DialError::Camera(_)) => Forms::default(),
        Err(_) => return dialled,
    };
    let mut known = habits.get();
    known.asked_as(forms);
    habits.set(known);
    dialled
}

async fn converse(
    url: CameraUrl,
    section: &config::Camera,
    habits: &Cell<Habits>,
    pins: &CameraPins,
) -> Result<Dialled, DialError> {
    let addresses = names::resolve(url.host(), url.port()).await.map_err(DialError::Name)?;
    let socket = connect(&addresses).await?;
    let address = socket.peer_addr().map_err(DialError::Network)?;
    let credentials = section.credentials();
    let mut target = LinkTarget { url, section, pins, habits, address };
    let mut link = target.link(socket).await?;
    let known = habits.get();
    let wants_sound = section.sound && !known.is_mute();
    let url = target.url.clone();
    let is_bridged = url.scheme().is_bridged();
    let mut dialog = Dialog::new(url, address.ip(), credentials, &known, wants_sound);
    if let Some(transport) = if is_bridged { Some(Transport::Tcp) } else { section.transport } {
        dialog.fix_transport(transport);
    }
    let mut ports = TrackPorts::default();
    let mut buffer = vec![0; RTSP_LEFTOVER_BYTES_MAX];
    loop {
        match dialog.poll() {
            DialogStep::Send(request) => {
                link.write_all(&request).await.map_err(DialError::of)?;
                link.flush().await.map_err(DialError::of)?;
            }
            DialogStep::Read => match link.read(&mut buffer).await.map_err(DialError::of)? {
                0 => dialog.closed()?,
                bytes => {
                    dialog.receive(&buffer[..bytes])?;
                    learn(&dialog, wants_sound, habits);
                }
            },
            DialogStep::OpenPorts => {
                let (pair, port) = open_ports(&link).map_err(DialError::Datagrams)?;
                match dialog.awaits_sound() {
                    true => ports.sound = Some(pair),
                    false => ports.picture = Some(pair),
                }
                dialog.ports_opened(port)?;
            }
            DialogStep::Connect(port) => {
                // The account of a bridged one is free for the next.
                drop(link);
                target.address.set_port(port);
                link = target.link(target.connect().await?).await?;
            }
            DialogStep::Ready(mut ready) => {
                if section.sound && !wants_sound {
                    ready.sound = CameraSound::Refused;
                }
                ready.is_in_the_clear = link.shows_password(ready.is_in_the_clear);
                let mut known = habits.get();
                known.granted(ready.transport);
                habits.set(known);
                let datagrams = open_datagrams(&ready, &link, ports);
                let datagrams = datagrams.map_err(DialError::Datagrams)?;
                return Ok(Dialled { link, ready, datagrams });
            }
        }
    }
}

/// Pairs of ports that were opened for a camera's datagrams.
#[derive(Default)]
struct TrackPorts {
    picture: Option<(UdpSocket, UdpSocket)>,
    sound: Option<(UdpSocket, UdpSocket)>,
}

/// Two UDP ports for a camera, and the number of the even one.
fn open_ports(link: &CameraLink) -> io::Result<((UdpSocket, UdpSocket), u16)> {
    let pair = camera::open_pair(connection(link)?.local_addr()?)?;
    let port = pair.0.local_addr()?.port();
    Ok((pair, port))
}

/// The sockets that a camera's datagrams come to, as it has granted them on `link`; `None` if its
/// RTP comes on the connection.
fn open_datagrams(
    ready: &Ready,
    link: &CameraLink,
    ports: TrackPorts,
) -> io::Result<Option<DatagramSockets>> {
    let Some(delivery) = ready.delivery else { return Ok(None) };
    let buffer_bytes = PROFILE.camera_datagram_buffer_bytes;
    let picture = open_track(delivery, link, ports.picture, buffer_bytes)?;
    let sound = ready
        .sound_delivery
        .map(|delivery| open_track(delivery, link, ports.sound, CAMERA_SOUND_BUFFER_BYTES));
    Ok(Some(DatagramSockets { picture, sound: sound.transpose()? }))
}

/// The sockets for one track.
fn open_track(
    delivery: Delivery,
    link: &CameraLink,
    ports: Option<(UdpSocket, UdpSocket)>,
    buffer_bytes: usize,
) -> io::Result<CameraSockets> {
    let connection = connection(link)?;
    let (peer, local) = (connection.peer_addr()?, connection.local_addr()?);
    let senders = Senders { peer: peer.ip().to_canonical(), source: delivery.source };
    match (delivery.group, local.ip().to_canonical()) {
        (Some((group, rtp, rtcp)), IpAddr::V4(local)) => {
            CameraSockets::multicast(group, (rtp, rtcp), local, senders, buffer_bytes)
        }
        (Some(_), IpAddr::V6(_)) => Err(io::ErrorKind::Unsupported.into()),
        (None, _) => {
            let ports = ports.ok_or(io::ErrorKind::NotConnected)?;
            CameraSockets::unicast(ports, senders, peer, delivery.server, buffer_bytes)
        }
    }
}

/// The connection of a camera that sends datagrams; a bridged one is never asked for them.
fn connection(link: &CameraLink) -> io::Result<&TcpStream> {
    match link {
        CameraLink::Direct(connection) => Ok(connection),
        CameraLink::Bridged(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn learn(dialog: &Dialog, wants_sound: bool, habits: &Cell<Habits>) {
    let mut known = habits.get();
    if dialog.takes_digest() {
        known.took_digest();
    }
    if wants_sound {
        known.awaits_sound(dialog.awaits_sound());
    }
    habits.set(known);
}
