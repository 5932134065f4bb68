//! The control thread: HTTP, handshakes and dialling cameras; everything that is not media.
//!
//! It is one tokio runtime on the main thread. The web and console code use it through [`Control`].
//! It has three owners: [`active_config`] of the configuration, [`cameras`] of the camera slots,
//! and [`crate::signalling`] of sessions and handshakes. Each camera slot ([`camera_slot`]) has a
//! task that dials the camera ([`dial`]) and hands the connection to the media thread. A connection
//! that is encrypted or tunnelled ([`link`]) stays here, with a [`bridge`] to the media thread.
//! [`key_frames`] asks cameras for key frames by ONVIF ([`onvif`]).
//! [`offers`] passes on what players ask for, [`media_events`] what the media thread tells.
//! [`reload`] applies a new configuration. [`report`] and [`supervisor`] report weir's own status.
//! [`console`] is the part that only [`crate::console`] needs, and [`appliance`] what weir asks of
//! weir-init on a box of its own image.

mod active_config;
mod api;
mod appliance;
mod bridge;
mod camera_slot;
mod cameras;
mod carrier;
mod console;
mod dial;
mod dial_error;
mod dial_schedule;
mod key_frame_ways;
mod key_frames;
mod link;
mod media_events;
mod offers;
mod onvif;
mod reload;
mod report;
mod supervisor;
mod warnings;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use crate::access::{Guard, Policy, TokenHash};
use crate::clock;
use crate::config::Started;
use crate::limits::CANDIDATES_MAX;
use crate::media::{Command, Media};
use crate::net;
use crate::signalling::Signalling;
use crate::status;
use crate::status::tasks::{self, TASKS};
use crate::storage::StateFolder;
use crate::tls::Tls;
use crate::webrtc::handshake::DtlsIdentity;

pub use crate::signalling::{
    IfMatch, ListPosition, OfferAnswer, OfferRefusal, OfferRequest, Patch, PatchRefusal, Patched,
    SessionStatus,
};
pub use api::{CameraCount, CameraStatus, Configuration, KeyFrameStatus, ReloadError, Reloaded};
pub use appliance::{BoxConversation, warn_of_presets};
pub use console::Found;
pub use report::StatusReport;

use active_config::ActiveConfig;
use cameras::CameraSlots;
use key_frames::KeyFrames;
pub(crate) use supervisor::Supervisor;

/// The addresses offered to a browser, best first.
type Candidates = heapless::Vec<SocketAddr, CANDIDATES_MAX>;

/// Milliseconds between two looks whether the media thread has ended.
const STOP_LOOK_MS: u64 = 5;

/// The control thread's state, as the web sees it. Cheap to clone; for one thread only.
#[derive(Clone)]
pub struct Control(Rc<State>);

/// What the control thread's tasks share.
struct State {
    config: ActiveConfig,
    cameras: CameraSlots,
    signalling: RefCell<Signalling>,
    /// Wakes the handshake driver for a round, as when a handshake or a waiting offer is new.
    signalled: Notify,
    media: RefCell<Media>,
    guard: Guard,
    tls: Option<Tls>,
    supervisor: Supervisor,
    key_frames: KeyFrames,
    /// Held while a console tries a camera: one at a time.
    trying: Semaphore,
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
        let cameras = CameraSlots::new(std::mem::take(&mut config.cameras), state.clone());
        let control = Self(Rc::new(State {
            config: ActiveConfig::new(config, source, status),
            cameras,
            signalling: RefCell::new(Signalling::new(identity, &status::SESSIONS)),
            signalled: Notify::new(),
            media: RefCell::new(media),
            guard: Guard::new(state),
            tls,
            supervisor,
            key_frames: KeyFrames::new(),
            trying: Semaphore::new(1),
        }));
        let state = Rc::downgrade(&control.0);
        control.0.guard.on_log_out(move |login| {
            if let Some(state) = state.upgrade() {
                state.end_login(login);
            }
        });
        control
    }

    /// Starts the tasks of the control thread: one per camera slot, and one each to route what the
    /// media thread tells, drive handshakes, ask for key frames by ONVIF, log warnings, notify the
    /// service manager and reload at a `hangup`.
    pub(crate) fn start(&self, hangup: Signal) {
        for slot in 0..self.0.cameras.slots().len() {
            tasks::spawn(&TASKS.camera, self.clone().keep(slot));
        }
        tasks::spawn(&TASKS.media_events, self.clone().route_media_events());
        tasks::spawn(&TASKS.handshakes, self.clone().drive_handshakes());
        tasks::spawn(&TASKS.key_frames, self.clone().ask_for_key_frames());
        tasks::spawn(&TASKS.warnings, self.clone().log_warnings());
        tasks::spawn(&TASKS.supervisor, self.clone().supervise());
        tasks::spawn(&TASKS.reload, self.clone().reload_at(hangup));
    }

    /// Ends all sessions and cameras, and writes the logins that are not in their file yet.
    pub(crate) async fn stop(&self) {
        self.0.supervisor.stopping();
        self.guard().finish().await;
        self.0.media.borrow().send(Command::Shutdown);
        // Bridges are run meanwhile: cameras behind them get their TEARDOWN too.
        while !self.0.media.borrow().has_ended() {
            sleep(Duration::from_millis(STOP_LOOK_MS)).await;
        }
        self.0.media.borrow_mut().join();
    }

    /// The status of the cameras in the configuration's order, each made as it is asked for:
    /// together they take more than a connection may hold.
    pub fn cameras(&self) -> impl Iterator<Item = CameraStatus> + use<> {
        let (control, mut next) = (self.clone(), 0);
        std::iter::from_fn(move || control.cameras_from(&mut next, 1).pop())
    }

    /// How many cameras there are, and how many of them play.
    pub fn camera_count(&self) -> CameraCount {
        self.0.cameras.count()
    }

    /// At most `max` cameras from index `next` on, and moves `next` behind them. Empty at the end.
    pub fn cameras_from(&self, next: &mut usize, max: usize) -> Vec<CameraStatus> {
        self.0.cameras.status_from(next, max)
    }

    /// The access control: logins, tokens and their tables.
    pub fn guard(&self) -> Guard {
        self.0.guard.clone()
    }

    /// The access rules of the configuration in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.config.now().access)
    }

    /// Why a session ended, by its secret; `None` if it has not ended or is no longer remembered.
    pub fn reason_of(&self, secret: &str) -> Option<String> {
        self.0.signalling.borrow().sessions().reason_of(secret)
    }

    /// At most `max` sessions from `next` on, and moves `next` behind them: the live ones, then the
    /// last [`crate::limits::ENDED_SESSIONS_SHOWN`] that ended, newest last.
    pub fn sessions_from(&self, next: &mut ListPosition, max: usize) -> Vec<SessionStatus> {
        self.0.signalling.borrow().sessions().status(next, max, clock::now_us())
    }

    /// The hash of the token for the diagnostics port; `None` where none is configured.
    pub fn diagnostics_token(&self) -> Option<TokenHash> {
        self.0.config.now().diagnostics.token_hash.clone()
    }

    /// Whether a camera of this name is configured.
    pub fn has_camera(&self, name: &str) -> bool {
        self.0.cameras.slot_of(name).is_some()
    }

    /// The STUN servers to tell players.
    pub fn ice_servers(&self) -> Vec<String> {
        self.0.config.now().http.ice_servers.clone()
    }

    /// Whether a session of this secret has not ended.
    pub fn has_session(&self, secret: &str) -> bool {
        self.0.signalling.borrow().sessions().find(secret).is_some()
    }
}

impl State {
    /// The candidates for a browser that reached weir at `asked`: that address first, then the
    /// others of this host; or the addresses that the configuration announces, and only those.
    fn candidates(&self, asked: std::net::IpAddr) -> Candidates {
        let config = self.config.now();
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
