//! The control thread: HTTP, handshakes and dialling cameras; everything that is not media.
//!
//! It is one tokio runtime on the main thread. The web and console code use it through [`Control`].
//! Each camera slot has a task that dials the camera ([`dial`]) and hands the connection to the
//! media thread ([`cameras`]). [`offers`] answers an offer, and one task drives all handshakes
//! ([`handshakes`]). [`sessions`] is the session table, and [`ice_restarts`] handles a PATCH of a
//! session. [`reload`] applies a new configuration. [`report`] and [`supervisor`] report weir's own
//! status. [`console`] is the part that only [`crate::console`] needs.

mod api;
mod cameras;
mod console;
mod dial;
mod handshakes;
mod ice_restarts;
mod offer_queue;
mod offers;
mod reload;
mod report;
mod room;
mod sessions;
mod sharing;
mod supervisor;
mod warnings;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_local;

use crate::access::{Guard, Policy, TokenHash};
use crate::config::{Config, ConfigFile, Started};
use crate::limits::{CAMERAS_MAX, CANDIDATES_MAX};
use crate::media::Media;
use crate::net;
use crate::random::random;
use crate::storage::StateFolder;
use crate::tls::Tls;
use crate::webrtc::handshake::DtlsIdentity;

pub use api::{
    CameraStatus, Configuration, IfMatch, OfferAnswer, OfferRefusal, OfferRequest, Patch,
    PatchRefusal, Patched, ReloadError, Reloaded, SessionStatus,
};
pub use console::Found;
pub use report::StatusReport;

use cameras::CameraSlot;
use handshakes::{Handshakes, Permit};
use offer_queue::OfferQueue;
pub use sessions::ListPosition;
use sessions::Sessions;
pub(crate) use supervisor::Supervisor;

/// The addresses offered to a browser, best first.
type Candidates = heapless::Vec<SocketAddr, CANDIDATES_MAX>;

/// The control thread's state, as the web sees it. Cheap to clone; for one thread only.
#[derive(Clone)]
pub struct Control(Rc<State>);

/// The state that the control thread's tasks share.
struct State {
    /// The configuration in force without its cameras: those are in `cameras`.
    config: RefCell<Rc<Config>>,
    /// The configuration's file; the demo has none.
    source: Option<ConfigFile>,
    config_status: RefCell<Configuration>,
    /// Held during a reload: one at a time.
    reloading: Arc<Semaphore>,
    /// Held while a console tries a camera: one at a time.
    trying: Semaphore,
    tls: Option<Tls>,
    guard: Guard,
    media: RefCell<Media>,
    identity: DtlsIdentity,
    /// All camera slots, used or not, by slot.
    cameras: Vec<CameraSlot>,
    /// The slots that have a camera, in the configuration's order.
    order: RefCell<Vec<u16>>,
    sessions: RefCell<Sessions>,
    handshakes: RefCell<Handshakes>,
    offers: RefCell<OfferQueue<Permit>>,
    /// Wakes the handshake driver for a round, as when a handshake or a waiting offer is new.
    begun: Notify,
    supervisor: Supervisor,
}

impl Control {
    pub(crate) fn new(
        started: Started,
        state: StateFolder,
        media: Media,
        identity: DtlsIdentity,
        tls: Option<Tls>,
        supervisor: Supervisor,
    ) -> Self {
        let Started { mut config, status, source, text: _ } = started;
        let cameras: Vec<CameraSlot> = (0..CAMERAS_MAX).map(|_| CameraSlot::new()).collect();
        let sections = std::mem::take(&mut config.cameras);
        let order = (0..sections.len()).map(cameras::number).collect();
        for (camera, section) in cameras.iter().zip(sections) {
            camera.assign(Some(section));
        }
        let control = Self(Rc::new(State {
            config: RefCell::new(Rc::new(config)),
            source,
            config_status: RefCell::default(),
            reloading: Arc::new(Semaphore::new(1)),
            trying: Semaphore::new(1),
            tls,
            guard: Guard::new(state),
            media: RefCell::new(media),
            identity,
            cameras,
            order: RefCell::new(order),
            sessions: RefCell::new(Sessions::new()),
            handshakes: RefCell::new(Handshakes::new()),
            offers: RefCell::new(OfferQueue::new()),
            begun: Notify::new(),
            supervisor,
        }));
        control.0.set_config_status(status);
        let state = Rc::downgrade(&control.0);
        control.0.guard.on_log_out(move |login| {
            if let Some(state) = state.upgrade() {
                state.end_login(login);
            }
        });
        control
    }

    /// Starts the tasks of the control thread: one per camera slot, and one each to drive
    /// handshakes, log warnings, notify the service manager and reload at a `hangup`.
    pub(crate) fn start(&self, hangup: Signal) {
        let dials = cameras::dials();
        for slot in 0..self.0.cameras.len() {
            spawn_local(self.clone().keep(slot, dials.clone()));
        }
        spawn_local(self.clone().drive());
        spawn_local(self.clone().log_warnings());
        spawn_local(self.clone().supervise());
        spawn_local(self.clone().reload_at(hangup));
    }

    /// Ends all sessions and cameras, and writes the logins that are not in their file yet.
    pub(crate) async fn stop(&self) {
        self.0.supervisor.stopping();
        self.guard().finish().await;
        self.0.media.borrow_mut().shutdown();
    }

    /// The status of the cameras in the configuration's order.
    pub fn cameras(&self) -> Vec<CameraStatus> {
        let order = self.0.order.borrow();
        let status = |slot: &u16| self.0.cameras[usize::from(*slot)].status(usize::from(*slot));
        order.iter().filter_map(status).collect()
    }

    /// At most `max` cameras from index `next` on, and moves `next` behind them. Empty at the end.
    pub fn cameras_from(&self, next: &mut usize, max: usize) -> Vec<CameraStatus> {
        let order = self.0.order.borrow();
        let slots = order.iter().skip(*next).take(max).map(|slot| usize::from(*slot));
        *next += slots.len();
        slots.filter_map(|slot| self.0.cameras[slot].status(slot)).collect()
    }

    /// The access control: logins, tokens and their tables.
    pub fn guard(&self) -> Guard {
        self.0.guard.clone()
    }

    /// The access rules of the configuration in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.config().access)
    }

    /// Why a session ended, by its secret; `None` if it has not ended or is no longer remembered.
    pub fn reason_of(&self, secret: &str) -> Option<String> {
        self.0.sessions.borrow().reason_of(secret)
    }

    /// At most `max` sessions from `next` on, and moves `next` behind them: the live ones, then the
    /// last [`crate::limits::ENDED_SESSIONS_SHOWN`] that ended, newest last.
    pub fn sessions_from(&self, next: &mut ListPosition, max: usize) -> Vec<SessionStatus> {
        self.0.sessions.borrow().status(next, max)
    }

    /// The hash of the token for the diagnostics port; `None` where none is configured.
    pub fn diagnostics_token(&self) -> Option<TokenHash> {
        self.0.config().diagnostics.token_hash.clone()
    }

    /// Whether a camera of this name is configured.
    pub fn has_camera(&self, name: &str) -> bool {
        self.0.cameras.iter().any(|camera| camera.is(name))
    }

    /// The STUN servers to tell players.
    pub fn ice_servers(&self) -> Vec<String> {
        self.0.config().http.ice_servers.clone()
    }

    /// Whether a session of this secret has not ended.
    pub fn has_session(&self, secret: &str) -> bool {
        self.0.sessions.borrow().find(secret).is_some()
    }
}

impl State {
    /// The configuration in force.
    fn config(&self) -> Rc<Config> {
        self.config.borrow().clone()
    }

    /// `N` random characters that ICE allows (`ice-char` of RFC 8839).
    fn random_text<const N: usize>(&self) -> heapless::String<N, u8> {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let random: [u8; N] = random();
        random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()
    }

    /// The candidates for a browser that reached weir at `asked`: that address first, then the
    /// others of this host; or the addresses that the configuration announces, and only those.
    fn candidates(&self, asked: std::net::IpAddr) -> Candidates {
        let config = self.config();
        let announced = &config.webrtc.announce;
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
