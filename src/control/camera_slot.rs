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
use crate::diagnosis::{
    CameraFigures, CameraFinding, CameraFindings, CameraSamples, Diagnosis as _,
};
use crate::media::Lost;
use crate::rtsp::{CameraSound, Habits, Ready, SessionEnding, Transport};
use crate::sound::SoundCodec;
use crate::status::{self, CameraStats};

use super::bridge::Bridge;
use super::key_frame_ways::KeyFrameWays;
use super::link::CameraLink;
use super::{CameraStatus, KeyFrameStatus, OfferRefusal};

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
    /// What becomes of its sound, since the last connection.
    sound: RefCell<CameraSound>,
    /// What is found of a camera that cannot be dialled.
    undialled: Cell<Option<CameraFinding>>,
    /// Its counters as they were, since the media thread was last given a connection.
    samples: Cell<CameraSamples>,
    /// What its SDP says of the frames per second, times 100.
    says_frames_x100: Cell<Option<u32>>,
    /// Its password went over the network as it is, when the last connection was made.
    is_in_the_clear: Cell<bool>,
    /// How the connection that was made last brings RTP.
    transport: Cell<Transport>,
    /// How it is asked for key frames; forgotten with each change of its section.
    key_frames: RefCell<KeyFrameWays>,
    /// When the media thread last asked it for one, as far as that was heard.
    key_frame_asked_us: Cell<u64>,
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
            sound: RefCell::default(),
            undialled: Cell::new(None),
            samples: Cell::default(),
            says_frames_x100: Cell::new(None),
            is_in_the_clear: Cell::new(false),
            transport: Cell::new(Transport::Tcp),
            key_frames: RefCell::default(),
            key_frame_asked_us: Cell::new(0),
            turn: Cell::new(0),
            told: Notify::new(),
            lost: Notify::new(),
        }
    }

    /// The camera the slot is for from now on.
    pub(super) fn assign(&self, section: Option<config::Camera>) {
        self.habits.set(Habits::default());
        self.sound.replace(CameraSound::None);
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
        let section = self.section();
        let has_onvif = section.is_some_and(|section| section.onvif_url().is_some());
        self.key_frames.replace(KeyFrameWays::new(has_onvif));
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
                let missing = self.missing(slot);
                let not_yet = || "the camera has not shown its video yet".to_owned();
                (missing.map_or_else(not_yet, |missing| missing.sentence()), 1)
            }
            SlotState::Connecting => ("connecting to the camera".to_owned(), 1),
            SlotState::Waiting(reason) => (self.explained(reason), 2),
            SlotState::Failed(reason) => (self.explained(reason), 30),
            SlotState::Disabled(reason) => (reason.clone(), 30),
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

    /// How it is asked for key frames.
    pub(super) fn key_frames(&self) -> &RefCell<KeyFrameWays> {
        &self.key_frames
    }

    /// Hears of a key frame that the media thread asked for; whether there was one.
    pub(super) fn hears_request(&self, stats: &CameraStats) -> bool {
        let asked_us = stats.key_frame_asked_us.load(Relaxed);
        let is_new = self.key_frame_asked_us.replace(asked_us) != asked_us && asked_us > 0;
        if is_new {
            self.key_frames.borrow_mut().asked(asked_us);
        }
        is_new
    }

    /// What the slot was told so far: see [`CameraSlot::changed_since`].
    pub(super) fn turn(&self) -> u64 {
        self.turn.get()
    }

    /// The media thread is given a connection now. Why that has no sound although the camera has
    /// some is logged when it is news. Returns whether the codec is that of the connection before.
    pub(super) fn plays(&self, ready: &Ready, stats: &CameraStats) -> bool {
        let Ready { video, sound, .. } = ready;
        self.transport.set(ready.transport);
        self.key_frames.borrow_mut().plays();
        self.says_frames_x100.set(video.frames_per_s_x100);
        self.is_in_the_clear.set(ready.is_in_the_clear);
        self.samples.set(CameraSamples::begun(stats, clock::now_us()));
        let former = self.sound.replace(sound.clone());
        if let Some(problem) = sound.problem().filter(|_| former != *sound) {
            let section = self.section.borrow();
            let name = section.as_ref().map_or("", |section| &section.name);
            log::info!("camera {name}: {problem}");
        }
        self.codec.replace(Some(video.codec)) == Some(video.codec)
    }

    /// What is found of the camera by the end of a dial or of a connection, until the next.
    pub(super) fn ended(&self, undialled: Option<CameraFinding>) {
        self.undialled.set(undialled);
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

    /// Takes a sample of the camera's counters if one is due; called once a second.
    pub(super) fn sample(&self, slot: usize) {
        if self.is_playing_itself() {
            let mut samples = self.samples.get();
            samples.take(&status::CAMERAS[slot], clock::now_us());
            self.samples.set(samples);
        }
    }

    /// What a camera does not send whose video has come for some time without a picture.
    pub(super) fn missing(&self, slot: usize) -> Option<CameraFinding> {
        let found = self.of_figures(slot, |figures| figures.pictureless(clock::now_us()))?;
        found.filter(CameraFinding::is_pictureless)
    }

    /// Why it could not be dialled, and what to do where there is a finding.
    fn explained(&self, reason: &str) -> String {
        self.undialled.get().map_or(reason.to_owned(), |found| found.explained(reason))
    }

    /// Everything that is found of the camera now.
    pub(super) fn findings(&self, slot: usize) -> CameraFindings {
        match &*self.state.borrow() {
            SlotState::Waiting(_) | SlotState::Failed(_) => {
                self.undialled.get().into_iter().collect()
            }
            _ => {
                let found = self.of_figures(slot, |figures| figures.findings(clock::now_us()));
                found.unwrap_or_default()
            }
        }
    }

    /// What `read` makes of the camera's figures while it plays.
    fn of_figures<R>(&self, slot: usize, read: impl FnOnce(&CameraFigures) -> R) -> Option<R> {
        let has_foreign_sound = matches!(&*self.sound.borrow(), CameraSound::Unsupported(_));
        let figures = CameraFigures {
            stats: &status::CAMERAS[slot],
            samples: &self.samples.get(),
            says_frames_x100: self.says_frames_x100.get(),
            is_in_the_clear: self.is_in_the_clear.get(),
            has_foreign_sound,
        };
        self.is_playing_itself().then(|| read(&figures))
    }

    /// Whether the camera plays.
    pub(super) fn is_playing(&self) -> bool {
        *self.state.borrow() == SlotState::Playing
    }

    /// Whether it plays, and the slot's statistics are of it.
    fn is_playing_itself(&self) -> bool {
        self.is_playing() && self.stats_of.get() == StatsOf::This
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
            SlotState::Playing => {
                ("playing", self.missing(slot).map(|missing| missing.to_string()))
            }
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
            key_frame_requests: self.key_frame_status(stats),
            sound: SoundCodec::from_number(stats.sound.load(Relaxed)).map(SoundCodec::name),
            sound_problem: self.sound.borrow().problem().filter(|_| is_playing),
            sound_packets: stats.sound_packets.load(Relaxed),
            viewers,
            ready: is_playing && stats.ready.load(Relaxed),
            findings: self.findings(slot),
        })
    }

    fn key_frame_status(&self, stats: &CameraStats) -> KeyFrameStatus {
        let ways = self.key_frames.borrow();
        let (rtcp, onvif) = ways.names();
        let asked = stats.key_frames_asked.load(Relaxed);
        KeyFrameStatus { asked, rtcp, onvif, onvif_problem: ways.problem().map(str::to_owned) }
    }
}
