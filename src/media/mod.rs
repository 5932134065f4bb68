//! The media thread: everything that moves a packet, and nothing else.
//!
//! One loop over one readiness queue. An iteration takes what is ready: it reads cameras, cuts what
//! came into their history rings, seals it at once for each subscription, takes in what browsers sent,
//! and flushes when the read side runs dry. It allocates nothing for a packet, a resend or a
//! report, takes no lock, and does nothing that costs a public-key operation.
//!
//! The control thread speaks to it by [`Command`]s through a queue that is never full; it is
//! answered through the statistics of [`crate::status`], a bounded queue of handshake datagrams, and a
//! wake-up.

mod budget;
mod cameras;
mod event_loop;
mod memory;
mod pending;
mod serving;
mod sessions;
mod subscribers;
mod viewers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::Notify;

use crate::egress::subscription::RtpParams;
use crate::limits::{COMMANDS_BEHIND, DATAGRAM_BYTES_MAX, PROFILE};
use crate::net::udp::Socket;
use crate::rtsp;
use crate::status::TABLES;
use crate::webrtc::credentials::Credentials;
use crate::webrtc::ended::Ended;
use crate::webrtc::session::Start;

pub use memory::{Memory, sizes};

/// What control tells media. Large contents are boxed: the queue stays small.
pub enum Command {
    /// A camera's connection is set up: PLAY it.
    Play(Box<Play>),
    /// Say goodbye to the camera in a slot and forget its pictures: another takes its place, or
    /// the same from another address. Always answered by [`Lost::Stopped`] in its statistics.
    Stop {
        /// The slot.
        camera: u16,
    },
    /// A session is in handshake: its checks and DTLS go to control.
    Expect(Box<Expect>),
    /// A session's handshake is over.
    Live(Box<Promote>),
    /// A live session has further ICE credentials, which its browser asked for.
    Restart(Box<Expect>),
    /// End a session.
    End {
        /// Which.
        session: SessionId,
        /// Why.
        ended: Ended,
    },
    /// End all sessions and cameras, then the thread.
    Shutdown,
}

/// A camera that is ready to play.
pub struct Play {
    /// The camera's slot.
    pub camera: u16,
    /// The connection, non-blocking.
    pub socket: std::net::TcpStream,
    /// The RTSP session, just before PLAY.
    pub ready: Box<rtsp::Ready>,
}

/// A session and what its checks may be made with.
pub struct Expect {
    /// Which.
    pub session: SessionId,
    /// Its ICE credentials.
    pub credentials: Credentials,
}

/// A session that leaves its handshake.
pub struct Promote {
    /// Which.
    pub session: SessionId,
    /// Keys and addresses.
    pub start: Start,
    /// The camera's slot.
    pub stream: u16,
    /// How its packets look.
    pub rtp_params: RtpParams,
    /// Random, for the first sequence number.
    pub random: u16,
}

/// One use of a session's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId {
    /// The slot.
    pub slot: u16,
    /// Which use of it.
    pub generation: u32,
}

/// A datagram for a handshake: STUN whose integrity is verified, or DTLS from an address that a
/// verified check came from.
pub struct HandshakeDatagram {
    /// Whose handshake.
    pub session: SessionId,
    /// Who sent it.
    pub from: SocketAddr,
    /// Which of our addresses it was sent to.
    pub to: SocketAddr,
    /// Its bytes.
    pub bytes: heapless::Vec<u8, DATAGRAM_BYTES_MAX>,
}

/// Why the media thread gave a camera's connection up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Lost {
    /// The camera closed it.
    Closed = 1,
    /// No RTP for too long.
    Silent = 2,
    /// PLAY was refused.
    Refused = 3,
    /// The connection broke.
    Broken = 4,
    /// weir stops.
    Stopped = 5,
    /// PLAY was not answered.
    Unanswered = 6,
}

impl Lost {
    /// The reason by its number in the statistics.
    pub fn from_number(number: u8) -> Option<Self> {
        const ALL: [Lost; 6] = [
            Lost::Closed,
            Lost::Silent,
            Lost::Refused,
            Lost::Broken,
            Lost::Stopped,
            Lost::Unanswered,
        ];
        ALL.into_iter().find(|lost| *lost as u8 == number)
    }

    /// In words, as `/api/cameras` shows it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Closed => "the camera closed the connection",
            Self::Silent => "no video from the camera for 10 s",
            Self::Refused => "the camera refused to play",
            Self::Broken => "the connection broke",
            Self::Stopped => "stopped",
            Self::Unanswered => "the camera does not answer PLAY",
        }
    }
}

/// What the media thread is started with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Where the media socket listens.
    pub listen: SocketAddr,
    /// RTP payload bytes.
    pub payload_bytes: usize,
}

/// Control's side of the media thread.
pub struct Media {
    /// The media socket, for control's answers in a handshake.
    pub socket: Arc<Socket>,
    /// Wakes control when something ended or a datagram waits.
    pub wakeup: Arc<Notify>,
    /// As it was bound, with the port that the kernel gave.
    listen: SocketAddr,
    datagrams: Receiver<HandshakeDatagram>,
    commands: SyncSender<Command>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Media {
    /// Starts the thread on a socket that is bound to `settings.listen`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(socket: Socket, settings: Settings) -> io::Result<Self> {
        let memory = memory::take().ok_or_else(|| io::Error::other("media memory is taken"))?;
        let socket = Arc::new(socket);
        let wakeup = Arc::new(Notify::new());
        let (command_sender, commands) = sync_channel(PROFILE.commands);
        let (datagram_sender, datagrams) = sync_channel(PROFILE.handshake_datagrams);
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), event_loop::WAKER)?);
        let control = event_loop::ControlLink {
            commands,
            datagrams: datagram_sender,
            wakeup: wakeup.clone(),
        };
        let mut event_loop =
            event_loop::EventLoop::new(memory, poll, socket.clone(), control, settings)?;
        let thread = std::thread::Builder::new()
            .name("media".into())
            .stack_size(PROFILE.stack_bytes)
            .spawn(move || event_loop.run())?;
        let listen = SocketAddr::new(settings.listen.ip(), socket.port()?);
        let thread = Some(thread);
        Ok(Self { socket, wakeup, listen, datagrams, commands: command_sender, waker, thread })
    }

    /// Sends the thread a command.
    ///
    /// # Panics
    /// When the queue is full, which its size and [`Media::is_behind`] rule out, or the thread is
    /// gone, which it never is before [`Media::shutdown`].
    pub fn send(&self, command: Command) {
        // Counted before it is there: the media thread may have handled it before we are back.
        TABLES.commands.take();
        match self.commands.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => panic!("the command queue is sized never to be full"),
            Err(TrySendError::Disconnected(_)) => panic!("the media thread outlives control"),
        }
        self.waker.wake().expect("an eventfd takes a wake-up");
    }

    /// Where the media socket was asked to listen.
    pub fn bound(&self) -> std::net::IpAddr {
        self.listen.ip()
    }

    /// The media socket's port.
    pub fn port(&self) -> u16 {
        self.listen.port()
    }

    /// The next datagram for a handshake.
    pub fn handshake_datagram(&self) -> Option<HandshakeDatagram> {
        let datagram = self.datagrams.try_recv().ok()?;
        TABLES.handshake_datagrams.give();
        Some(datagram)
    }

    /// Whether the thread is so far behind with its commands that no session may be added or
    /// restart its ICE: what is left of the queue is for those there are.
    pub fn is_behind(&self) -> bool {
        TABLES.commands.used() >= COMMANDS_BEHIND as u64
    }

    /// Ends all sessions and cameras, and waits for the thread: at most half a second.
    pub fn shutdown(&mut self) {
        self.send(Command::Shutdown);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread would have ended the process.
            let _ = thread.join();
        }
    }
}
