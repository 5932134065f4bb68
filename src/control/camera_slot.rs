//! One camera slot: which camera it is for, how far its connection is, and what is known of it.
//!
//! The slots are there from the start, as many as the profile has cameras. Which camera a slot is
//! for is told by [`CameraSlot::assign`], at a reload too. Its task ([`super::cameras`]) then has
//! the media thread end the old connection and forget its pictures, waits for its word, and goes on
//! with the new one. A slot knows nothing of the file's order.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use socket2::Socket;
use tokio::sync::Notify;

use crate::clock;
use crate::codec::{Codec, CodecProfile};
use crate::config;
use crate::limits::{CAMERA_PICTURELESS_US, MARKER_PROBE_ACCESS_UNITS};
use crate::media::Lost;
use crate::rtsp::{Habits, Ready, SessionEnding, Transport};
use crate::sound::SoundCodec;
use crate::status::{self, CameraStats};

use super::bridge::Bridge;
use super::link::CameraLink;
use super::{CameraStatus, OfferRefusal};

/// What is shown of a camera while its slot's statistics are still those of another.
static BLANK: CameraStats = CameraStats::new();

/// One camera slot: its section of the configuration, and how far its connection is.
pub(super) struct CameraSlot {
    /// The camera it is for.
    section: RefCell<Option<Rc<config::Camera>>>,
    /// What is known of it; forgotten when its URL or login changes.
    habits: Cell<Habits>,
    state: RefCell<SlotState>,
    stats_of: Cell<StatsOf>,
    /// The codec of the connection that the media thread was last given.
    codec: Cell<Option<Codec>>,
    /// Between the media thread and an encrypted or tunnelled camera.
    bridge: RefCell<Option<Bridge>>,
    /// Why there is no sound although the camera has some.
    sound_problem: RefCell<Option<String>>,
    /// When the media thread was last given a connection, in [`clock::now_us`] microseconds.
    played_us: Cell<u64>,
    /// How the connection that was made last brings RTP.
    transport: Cell<Transport>,
    /// Counts what the slot was told: see [`CameraSlot::changed_since`].
    turn: Cell<u64>,
    told: Notify,
    /// Rings when the media thread gave the connection up.
    lost: Notify,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SlotState {
    /// No camera has this slot.
    Free,
    Connecting,
    Playing,
    /// Between two tries.
    Waiting(String),
    /// A person has to change something.
    Failed(String),
    /// Its section of the configuration is bad.
    Disabled(String),
}

/// Which camera the slot's statistics are of, until the media thread has reset them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StatsOf {
    This,
    /// This camera, as it was before a change: its viewers are still there.
    Former,
    Another,
}

impl CameraSlot {
    /// A slot without a camera.
    pub(super) fn new() -> Self {
        Self {
            section: RefCell::new(None),
            habits: Cell::new(Habits::default()),
            state: RefCell::new(SlotState::Free),
            stats_of: Cell::new(StatsOf::This),
            codec: Cell::new(None),
            bridge: RefCell::default(),
            sound_problem: RefCell::new(None),
            played_us: Cell::new(0),
            transport: Cell::new(Transport::Tcp),
            turn: Cell::new(0),
            told: Notify::new(),
            lost: Notify::new(),
        }
    }

    /// The camera the slot is for from now on.
    pub(super) fn assign(&self, section: Option<config::Camera>) {
        self.habits.set(Habits::default());
        self.sound_problem.replace(None);
        let section = section.map(Rc::new);
        let former = self.section.replace(section.clone());
        let name = |section: &Option<Rc<config::Camera>>| {
            section.as_ref().map(|section| section.name.clone())
        };
        if name(&former) != name(&section) {
            self.stats_of.set(StatsOf::Another);
        } else if self.stats_of.get() == StatsOf::This {
            self.stats_of.set(StatsOf::Former);
        }
        self.enter(match section.as_deref() {
            None => SlotState::Free,
            Some(config::Camera { problem: Some(problem), .. }) => {
                SlotState::Disabled(problem.clone())
            }
            Some(_) => SlotState::Connecting,
        });
        self.begin_again();
    }

    /// Has the task end its connection and dial at once.
    pub(super) fn begin_again(&self) {
        self.turn.set(self.turn.get() + 1);
        self.told.notify_one();
    }

    /// The same camera, as a new configuration has it: only its mistake may be elsewhere.
    pub(super) fn renew(&self, section: config::Camera) {
        if let Some(problem) = &section.problem {
            self.enter(SlotState::Disabled(problem.clone()));
        }
        self.section.replace(Some(Rc::new(section)));
    }

    /// The camera the slot is for.
    pub(super) fn section(&self) -> Option<Rc<config::Camera>> {
        self.section.borrow().clone()
    }

    /// What is known of `camera`, if that is the one the slot is for, with the same login.
    pub(super) fn habits_of(&self, camera: &config::Camera) -> Option<Habits> {
        let section = self.section.borrow();
        let section = section.as_ref().filter(|section| section.url == camera.url)?;
        (section.credentials() == camera.credentials()).then(|| self.habits.get())
    }

    /// Whether the slot is for the camera of this name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.section.borrow().as_ref().is_some_and(|section| section.name == name)
    }

    /// What the camera sends, if a viewer may join now.
    pub(super) fn admits(&self, slot: usize) -> Result<CodecProfile, OfferRefusal> {
        let state = self.state.borrow();
        let stats = &status::CAMERAS[slot];
        let (reason, retry_after_s) = match &*state {
            SlotState::Playing => {
                // Until the media thread plays another codec its figures are those of the former.
                let profile = CodecProfile::from_number(stats.profile.load(Relaxed));
                let profile = profile.filter(|profile| Some(profile.codec()) == self.codec.get());
                if let Some(profile) = profile.filter(|_| stats.ready.load(Relaxed)) {
                    return Ok(profile);
                }
                let missing =
                    self.missing(slot).unwrap_or("the camera has not shown its video yet");
                (missing.to_owned(), 1)
            }
            SlotState::Connecting => ("connecting to the camera".to_owned(), 1),
            SlotState::Waiting(reason) => (reason.clone(), 2),
            SlotState::Failed(reason) | SlotState::Disabled(reason) => (reason.clone(), 30),
            SlotState::Free => return Err(OfferRefusal::UnknownCamera),
        };
        Err(OfferRefusal::NotReady { reason, retry_after_s })
    }

    /// Whether it is on its way: being dialled, or its first frames are coming.
    pub(super) fn is_starting(&self, slot: usize) -> bool {
        match &*self.state.borrow() {
            SlotState::Connecting => true,
            SlotState::Playing => {
                !status::CAMERAS[slot].ready.load(Relaxed) && self.missing(slot).is_none()
            }
            _ => false,
        }
    }

    /// What was learnt of the camera, for a dial to read and to add to.
    pub(super) fn habits(&self) -> &Cell<Habits> {
        &self.habits
    }

    /// What the slot was told so far: see [`CameraSlot::changed_since`].
    pub(super) fn turn(&self) -> u64 {
        self.turn.get()
    }

    /// The media thread is given a connection now. Why that has no sound although the camera has
    /// some is logged when it is news. Returns whether the codec is that of the connection before.
    pub(super) fn plays(&self, ready: &Ready) -> bool {
        let (codec, sound_problem) = (ready.video.codec, ready.sound.problem());
        self.transport.set(ready.transport);
        self.played_us.set(clock::now_us());
        let former = self.sound_problem.replace(sound_problem.clone());
        if let Some(problem) = sound_problem.filter(|problem| former.as_ref() != Some(problem)) {
            let section = self.section.borrow();
            let name = section.as_ref().map_or("", |section| &section.name);
            log::info!("camera {name}: {problem}");
        }
        self.codec.replace(Some(codec)) == Some(codec)
    }

    /// The media thread has forgotten the slot's former camera: the statistics are of this one.
    pub(super) fn is_cleared(&self) {
        self.stats_of.set(StatsOf::This);
    }

    /// The media thread may have given the connection up: the task looks.
    pub(super) fn look(&self) {
        self.lost.notify_one();
    }

    pub(super) fn enter(&self, state: SlotState) {
        let mut current = self.state.borrow_mut();
        if *current != state {
            let section = self.section.borrow();
            let name = section.as_ref().map_or("", |section| &section.name);
            match &state {
                SlotState::Waiting(reason) => log::warn!("camera {name}: {reason}"),
                SlotState::Failed(reason) => log::error!("camera {name}: {reason}"),
                SlotState::Playing => log::info!("camera {name}: playing"),
                SlotState::Free | SlotState::Connecting | SlotState::Disabled(_) => {}
            }
            *current = state;
        }
    }

    /// Learns from how its connection ended.
    pub(super) fn learn(&self, lost: Lost, after_us: u64, timeout_s: Option<u32>) {
        let is_silent = match lost {
            Lost::Silent | Lost::NoDatagrams => true,
            Lost::Closed | Lost::Broken => false,
            Lost::Refused | Lost::Stopped | Lost::Unanswered => return,
        };
        let (mut habits, transport) = (self.habits.get(), self.transport.get());
        habits.learn(SessionEnding { after_us, is_silent, transport, timeout_s });
        self.habits.set(habits);
    }

    /// Learns how long the camera could not be dialled after its connection was lost, if it was.
    pub(super) fn returned(&self, lost_us: Option<u64>, was_busy: bool) {
        let Some(lost_us) = lost_us else { return };
        let mut habits = self.habits.get();
        habits.returned(clock::now_us().saturating_sub(lost_us) / 1000, was_busy);
        self.habits.set(habits);
    }

    /// Waits until the slot is told something after its turn `turn`.
    pub(super) async fn changed_since(&self, turn: u64) {
        while self.turn.get() == turn {
            self.told.notified().await;
        }
    }

    /// Waits until the media thread has answered for the connection.
    pub(super) async fn answered(
        &self,
        stats: &CameraStats,
        is_answer: impl Fn(Lost) -> bool,
    ) -> Lost {
        loop {
            self.lost.notified().await;
            let lost = Lost::from_number(stats.lost.load(Acquire));
            if let Some(lost) = lost.filter(|lost| is_answer(*lost)) {
                return lost;
            }
        }
    }

    /// The stream as the media thread takes it, over a bridge if it needs one.
    pub(super) fn socket(&self, link: CameraLink) -> io::Result<Socket> {
        match link {
            CameraLink::Direct(socket) => Ok(socket.into_std()?.into()),
            CameraLink::Bridged(link) => {
                let (socket, bridge) = Bridge::start(link)?;
                self.bridge.replace(Some(bridge));
                Ok(socket)
            }
        }
    }

    /// Waits for the end of the bridge, if there is one; what broke the camera's connection.
    pub(super) async fn bridge_ended(&self) -> Option<String> {
        let bridge = self.bridge.take()?;
        bridge.end().await
    }

    /// What a camera does not send whose video has come for some time without a picture.
    pub(super) fn missing(&self, slot: usize) -> Option<&'static str> {
        let is_playing = *self.state.borrow() == SlotState::Playing;
        let is_own = is_playing && self.stats_of.get() == StatsOf::This;
        let played_us = self.played_us.get();
        let lasted_us = clock::now_us().saturating_sub(played_us);
        (is_own && lasted_us > CAMERA_PICTURELESS_US)
            .then(|| missing(&status::CAMERAS[slot], played_us))
            .flatten()
    }

    /// As `/api/cameras` shows it; `None` without a camera.
    pub(super) fn status(&self, slot: usize) -> Option<CameraStatus> {
        let name = self.section.borrow().as_ref()?.name.clone();
        let own = &status::CAMERAS[slot];
        let (stats, viewers) = match self.stats_of.get() {
            StatsOf::This => (own, own.viewers.load(Relaxed)),
            StatsOf::Former => (&BLANK, own.viewers.load(Relaxed)),
            StatsOf::Another => (&BLANK, 0),
        };
        let (state, reason) = match &*self.state.borrow() {
            SlotState::Free | SlotState::Connecting => ("connecting", None),
            SlotState::Playing => ("playing", self.missing(slot).map(str::to_owned)),
            SlotState::Waiting(reason) => ("waiting", Some(reason.clone())),
            SlotState::Failed(reason) => ("failed", Some(reason.clone())),
            SlotState::Disabled(reason) => ("disabled", Some(reason.clone())),
        };
        let is_playing = state == "playing";
        let transport = is_playing.then(|| self.transport.get().name());
        let known = |value: u32| (value > 0).then_some(value);
        let frames_per_s_x100 = known(stats.frames_per_s_x100.load(Relaxed));
        let last_idr_us = stats.last_idr_us.load(Relaxed);
        Some(CameraStatus {
            slot,
            name,
            state,
            reason,
            transport,
            codec: CodecProfile::from_number(stats.profile.load(Relaxed))
                .map(|profile| profile.codec().name()),
            width: known(stats.width.load(Relaxed)),
            height: known(stats.height.load(Relaxed)),
            frames_per_s: frames_per_s_x100
                .filter(|_| is_playing)
                .map(|hundredths| f64::from(hundredths) / 100.0),
            bits_per_s: is_playing.then(|| stats.bits_per_s.load(Relaxed)),
            gop_ms: known(stats.gop_ms.load(Relaxed)),
            key_frame_age_ms: (last_idr_us > 0)
                .then(|| clock::now_us().saturating_sub(last_idr_us) / 1000),
            sound: SoundCodec::from_number(stats.sound.load(Relaxed)).map(SoundCodec::name),
            sound_problem: self.sound_problem.borrow().clone().filter(|_| is_playing),
            sound_packets: stats.sound_packets.load(Relaxed),
            viewers,
            ready: is_playing && stats.ready.load(Relaxed),
        })
    }
}

/// What no picture can be made without, and has not come in a connection that began at `played_us`.
fn missing(stats: &CameraStats, played_us: u64) -> Option<&'static str> {
    // While fewer have come the stream may only be waiting to know its markers.
    let is_watched = stats.frames.load(Relaxed) > 2 * u64::from(MARKER_PROBE_ACCESS_UNITS);
    if !is_watched || stats.last_rtp_us.load(Relaxed) < played_us {
        None
    } else if stats.profile.load(Relaxed) == 0 {
        Some("no picture: the camera sends video without an SPS (sequence parameter set)")
    } else if !stats.ready.load(Relaxed) {
        Some("no picture: the camera sends video without a PPS or VPS (parameter sets)")
    } else if stats.last_idr_us.load(Relaxed) < played_us {
        Some("no picture yet: the camera has sent no key frame (IDR)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_of_a_picture_is_named() {
        let stats = CameraStats::new();
        let said = || missing(&stats, 100).unwrap_or_default();
        assert_eq!(said(), "", "nothing came yet");
        stats.frames.store(100, Relaxed);
        stats.last_rtp_us.store(99, Relaxed);
        assert_eq!(said(), "", "nothing of this connection");
        stats.last_rtp_us.store(200, Relaxed);
        assert!(said().contains("SPS"));
        stats.profile.store(CodecProfile::H264(0x42_e01f).to_number(), Relaxed);
        assert!(said().contains("PPS"));
        stats.ready.store(true, Relaxed);
        stats.last_idr_us.store(99, Relaxed);
        assert!(said().contains("key frame"));
        stats.last_idr_us.store(150, Relaxed);
        assert_eq!(said(), "");
    }
}
