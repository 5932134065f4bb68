//! The control thread: HTTP, handshakes, dialling cameras; everything that is not media.
//!
//! One tokio runtime on the main thread. [`Control`] is what the web sees of it. Each camera has a
//! task that dials it and hands the connection to the media thread ([`cameras`]); an offer becomes
//! a handshake in [`offers`], one task drives all of them ([`handshakes`]), and who has which
//! session's slot is in [`sessions`].

mod cameras;
mod handshakes;
mod offers;
mod run;
mod sessions;
mod shapes;
mod waiting;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;

use crate::access::{Guard, Policy};
use crate::config::{Config, StateFolder};
use crate::limits::CANDIDATES_MAX;
use crate::media::Media;
use crate::net;
use crate::webrtc::handshake::Identity;

pub use run::{RunError, Start, run};
pub use shapes::{Answer, CameraStatus, Offer, Refusal, SessionStatus};

use cameras::Camera;
use handshakes::{Handshakes, Permit};
use sessions::Sessions;
use waiting::Waiting;

/// Addresses offered to a browser, best first.
type Candidates = heapless::Vec<SocketAddr, CANDIDATES_MAX>;

/// The control thread's state, as the web sees it. Cheap to clone; one thread only.
#[derive(Clone)]
pub struct Control(Rc<State>);

/// What the control thread's tasks share.
struct State {
    config: Config,
    state: StateFolder,
    guard: Guard,
    media: RefCell<Media>,
    identity: Identity,
    random: SystemRandom,
    cameras: Vec<Camera>,
    sessions: RefCell<Sessions>,
    handshakes: RefCell<Handshakes>,
    waiting: RefCell<Waiting<Permit>>,
    /// Rings when a handshake was begun: the driver has a new deadline.
    begun: Notify,
}

impl Control {
    fn new(config: Config, state: StateFolder, media: Media, identity: Identity) -> Self {
        let cameras = config.cameras.iter().map(Camera::new).collect();
        Self(Rc::new(State {
            config,
            guard: Guard::new(state.clone()),
            state,
            media: RefCell::new(media),
            identity,
            random: SystemRandom::new(),
            cameras,
            sessions: RefCell::new(Sessions::new()),
            handshakes: RefCell::new(Handshakes::new()),
            waiting: RefCell::new(Waiting::new()),
            begun: Notify::new(),
        }))
    }

    /// The cameras in the configuration's order.
    pub fn cameras(&self) -> Vec<CameraStatus> {
        self.0.cameras.iter().enumerate().map(|(slot, camera)| camera.status(slot)).collect()
    }

    /// The sessions that live, then the last [`crate::limits::ENDED_SESSIONS_SHOWN`] ended.
    pub fn sessions(&self) -> Vec<SessionStatus> {
        self.0.sessions.borrow().status(&self.0.config)
    }

    /// Who is let in, with the tables for it.
    pub fn guard(&self) -> Guard {
        self.0.guard.clone()
    }

    /// Whom to let in, as the configuration has it now.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.config.access)
    }

    /// Why a session ended, by its secret; `None` when that is not known, or it has not.
    pub fn reason_of(&self, secret: &str) -> Option<String> {
        self.0.sessions.borrow().reason_of(secret)
    }

    /// The ETag of a session that lives, by its secret.
    pub fn etag(&self, secret: &str) -> Option<String> {
        self.0.sessions.borrow().etag(secret)
    }
}

impl State {
    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).expect("the kernel has random bytes once it has booted");
        bytes
    }

    /// `N` random characters of those that ICE allows.
    fn random_text<const N: usize>(&self) -> heapless::String<N> {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let random: [u8; N] = self.random();
        random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()
    }

    /// Where a browser that asked `asked` is told to send: there first, then our other addresses;
    /// or what the configuration announces instead.
    fn candidates(&self, asked: std::net::IpAddr) -> Candidates {
        let announced = &self.config.webrtc.announce;
        if !announced.is_empty() {
            return announced.iter().copied().take(CANDIDATES_MAX).collect();
        }
        let media = self.media.borrow();
        let port = media.port();
        let bound = media.bound();
        let is_usable = |ip: &std::net::IpAddr| {
            (bound.is_unspecified() || bound == *ip) && (ip.is_ipv4() || media.socket.is_ipv6())
        };
        let others = net::interfaces::addresses();
        let mut candidates = Candidates::new();
        for ip in std::iter::once(asked).chain(others).filter(is_usable) {
            let candidate = SocketAddr::new(ip, port);
            if !candidates.contains(&candidate) && candidates.push(candidate).is_err() {
                break;
            }
        }
        candidates
    }
}
