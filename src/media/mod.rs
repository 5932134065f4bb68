//! The media thread: it moves every packet between cameras and browsers, and does nothing else.
//!
//! One event loop over one readiness queue. An iteration reads the cameras that are ready, cuts
//! their packets into the history rings, seals them at once for each subscription, handles the
//! datagrams that browsers sent, and flushes the send batch. The thread allocates nothing for a
//! packet, a resend or a report, takes no lock, and performs no public-key operation.
//!
//! The control thread sends it [`Command`]s through a queue that is sized never to be full. The
//! media thread answers through the statistics of [`crate::status`], a bounded queue of handshake
//! datagrams, and a wake-up.

mod budget;
mod cameras;
mod event_loop;
mod memory;
mod pending;
mod serving;
mod sessions;
mod slot_set;
mod subscribers;
mod viewers;
mod wakeups;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::Notify;

use crate::egress::sound::SoundParams;
use crate::egress::subscription::RtpParams;
use crate::limits::{COMMANDS_BEHIND, DATAGRAM_BYTES_MAX, PROFILE};
use crate::net::udp::Socket;
use crate::net::udp::camera::DatagramSockets;
use crate::process::sampling;
use crate::rtsp;
use crate::status::TABLES;
use crate::webrtc::credentials::IceCredentials;
use crate::webrtc::ended::Ended;
use crate::webrtc::session::SessionStart;

pub use memory::{Memory, sizes};

/// A command from the control thread. Large contents are boxed to keep the queue small.
pub enum Command {
    /// A camera's connection is set up: send PLAY.
    Play(Box<Play>),
    /// Send TEARDOWN to the camera in a slot and forget its pictures, because another camera takes
    /// the slot or the same camera has another address. The media thread always answers with
    /// [`Lost::Stopped`] in the slot's statistics.
    Stop {
        /// The slot of the camera to stop.
        camera: u16,
    },
    /// A session begins its handshake: hand its verified checks and its DTLS datagrams to control.
    Expect(Box<Expect>),
    /// A session's handshake is complete: send it media.
    Live(Box<Promote>),
    /// The browser of a live session restarted ICE: accept checks with these credentials as well.
    Restart(Box<Expect>),
    /// End a session, live or in handshake, for this reason.
    End {
        /// The session to end; ignored when its slot has a newer use.
        session: SessionId,
        /// The reason that the statistics show.
        ended: Ended,
    },
    /// End all sessions, send TEARDOWN to all cameras, then end the thread.
    Shutdown,
}

/// A camera that is ready to play: the contents of [`Command::Play`].
pub struct Play {
    /// The slot that the camera plays into.
    pub camera: u16,
    /// The stream that the camera's RTSP is on, in non-blocking mode: the connection itself or, for
    /// a bridged camera, the end of a socket pair.
    pub socket: socket2::Socket,
    /// Where its RTP comes as datagrams; `None` if it comes on the connection.
    pub datagrams: Option<DatagramSockets>,
    /// The RTSP session after SETUP, before PLAY.
    pub ready: Box<rtsp::Ready>,
}

/// A session and the ICE credentials with which its checks are verified.
pub struct Expect {
    /// The session in handshake, or the live one for [`Command::Restart`].
    pub session: SessionId,
    /// Its ICE user fragments and passwords.
    pub credentials: IceCredentials,
}

/// A session whose handshake is complete: the contents of [`Command::Live`].
pub struct Promote {
    /// The session that becomes live.
    pub session: SessionId,
    /// Its SRTP keys and addresses.
    pub start: SessionStart,
    /// The slot of the camera that it watches.
    pub stream: u16,
    /// SSRC, payload type and header extension of its RTP packets.
    pub rtp_params: RtpParams,
    /// The same of the sound's, if it was agreed on.
    pub sound: Option<SoundParams>,
    /// Random numbers, from which the first sequence numbers of picture and sound are made.
    pub random: [u16; 2],
}

/// One use of a session slot. A slot is used again, with another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId {
    /// The number of the session slot.
    pub slot: u16,
    /// The number of this use of the slot.
    pub generation: u32,
}

/// A datagram for a handshake: a STUN check with verified integrity, or DTLS from an address that
/// sent a verified check.
pub struct HandshakeDatagram {
    /// The session in handshake that it belongs to.
    pub session: SessionId,
    /// The sender's address and port.
    pub from: SocketAddr,
    /// The local address that it was sent to.
    pub to: SocketAddr,
    /// The UDP payload, complete.
    pub bytes: heapless::Vec<u8, DATAGRAM_BYTES_MAX>,
}

/// Why the media thread gave up a camera's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Lost {
    /// The camera closed the connection.
    Closed = 1,
    /// No RTP came for too long.
    Silent = 2,
    /// The camera refused PLAY.
    Refused = 3,
    /// A read or write failed.
    Broken = 4,
    /// weir stopped the camera: on shutdown, or because its slot gets another camera.
    Stopped = 5,
    /// The camera did not answer PLAY.
    Unanswered = 6,
    /// The camera accepted PLAY, and no datagram came.
    NoDatagrams = 7,
}

impl Lost {
    /// The reason with this number in the statistics; `None` for 0 and unknown numbers.
    pub fn from_number(number: u8) -> Option<Self> {
        const ALL: [Lost; 7] = [
            Lost::Closed,
            Lost::Silent,
            Lost::Refused,
            Lost::Broken,
            Lost::Stopped,
            Lost::Unanswered,
            Lost::NoDatagrams,
        ];
        ALL.into_iter().find(|lost| *lost as u8 == number)
    }

    /// The reason as text, shown by `/api/cameras`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Closed => "the camera closed the connection",
            Self::Silent => "no video from the camera for 10 s",
            Self::Refused => "the camera refused to play",
            Self::Broken => "the connection broke",
            Self::Stopped => "stopped",
            Self::Unanswered => "the camera does not answer PLAY",
            Self::NoDatagrams => "no video over UDP: is there a firewall before the camera?",
        }
    }
}

/// The settings that the media thread starts with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The address that the media socket is bound to.
    pub listen: SocketAddr,
    /// The most RTP payload bytes in a packet to a browser.
    pub payload_bytes: usize,
}

/// The control thread's handle on the media thread.
pub struct Media {
    /// The media socket, on which control sends its handshake answers.
    pub socket: Arc<Socket>,
    /// Wakes control when a session or camera ended or a handshake datagram waits.
    pub wakeup: Arc<Notify>,
    /// The bound address, with the port that the kernel gave.
    listen: SocketAddr,
    datagrams: Receiver<HandshakeDatagram>,
    commands: SyncSender<Command>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Media {
    /// Starts the thread on a socket that is bound to `settings.listen`. Called once per process.
    ///
    /// # Errors
    /// The media memory is already in use (a second call), or the kernel refused the readiness
    /// queue, its waker, the registration of the socket, or the thread.
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
            .spawn(move || {
                sampling::enlist_this_thread();
                event_loop.run();
            })?;
        let listen = SocketAddr::new(settings.listen.ip(), socket.port()?);
        let thread = Some(thread);
        Ok(Self { socket, wakeup, listen, datagrams, commands: command_sender, waker, thread })
    }

    /// Sends the thread a command and wakes it.
    ///
    /// # Panics
    /// The queue is full, which its size and [`Media::is_behind`] rule out; or the thread has
    /// ended, which it does only after [`Command::Shutdown`].
    pub fn send(&self, command: Command) {
        // Counted before it is sent: the media thread may handle it before `try_send` returns.
        TABLES.commands.take();
        match self.commands.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => panic!("the command queue is sized never to be full"),
            Err(TrySendError::Disconnected(_)) => panic!("the media thread outlives control"),
        }
        self.waker.wake().expect("an eventfd takes a wake-up");
    }

    /// The IP address that the media socket is bound to; may be unspecified.
    pub fn bound(&self) -> std::net::IpAddr {
        self.listen.ip()
    }

    /// The media socket's UDP port.
    pub fn port(&self) -> u16 {
        self.listen.port()
    }

    /// The next datagram for a handshake; `None` when the queue is empty.
    pub fn handshake_datagram(&self) -> Option<HandshakeDatagram> {
        let datagram = self.datagrams.try_recv().ok()?;
        TABLES.handshake_datagrams.give();
        Some(datagram)
    }

    /// Whether so many commands wait that control must refuse new sessions and ICE restarts. The
    /// rest of the queue is reserved for the sessions and cameras that exist.
    pub fn is_behind(&self) -> bool {
        TABLES.commands.used() >= COMMANDS_BEHIND as u64
    }

    /// Whether the thread has ended after a [`Command::Shutdown`]: half a second at most.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end of the thread after a [`Command::Shutdown`].
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread would already have ended the process.
            let _ = thread.join();
        }
    }
}
