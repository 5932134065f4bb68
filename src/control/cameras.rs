//! Cameras as control has them: dialled, set up, handed to the media thread, dialled again.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::config;
use crate::limits::{
    CAMERA_DIAL_MS_MAX, CAMERA_RETRY_MS_MAX, CAMERA_RETRY_MS_MIN, CAMERA_SETTLED_US,
    CAMERAS_DIALLED_MAX, RTSP_EARLY_BYTES_MAX,
};
use crate::media::{Command, Lost, Play};
use crate::rtsp::{CameraUrl, Credentials, Dialog, DialogError, Ready, Step};
use crate::status::{self, CameraCard};

use super::{CameraStatus, Control, Refusal};

/// One camera of the configuration.
pub(super) struct Camera {
    name: String,
    state: RefCell<State>,
    /// Rings when the media thread gave the connection up.
    lost: Notify,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Connecting,
    Playing,
    /// Between two tries.
    Waiting(String),
    /// A person has to change something.
    Failed(String),
    /// Its section of the configuration is bad.
    Disabled(String),
}

/// Why a try came to nothing.
#[derive(Debug)]
enum DialError {
    Camera(DialogError),
    Address(io::Error),
    Network(io::Error),
    Timeout,
}

impl Camera {
    pub(super) fn new(camera: &config::Camera) -> Self {
        let state = match &camera.problem {
            Some(problem) => State::Disabled(problem.clone()),
            None => State::Connecting,
        };
        let name = camera.name.clone();
        Self { name, state: RefCell::new(state), lost: Notify::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a viewer may join now.
    pub(super) fn admits(&self, slot: usize) -> Result<(), Refusal> {
        let state = self.state.borrow();
        let (reason, retry_after_s) = match &*state {
            State::Playing if status::CAMERAS[slot].ready.load(Relaxed) => return Ok(()),
            State::Playing => ("the camera has not shown its video yet".to_owned(), 1),
            State::Connecting => ("connecting to the camera".to_owned(), 1),
            State::Waiting(reason) => (reason.clone(), 2),
            State::Failed(reason) | State::Disabled(reason) => (reason.clone(), 30),
        };
        Err(Refusal::NotReady { reason, retry_after_s })
    }

    /// The media thread may have given the connection up: the task looks.
    pub(super) fn look(&self) {
        self.lost.notify_one();
    }

    fn enter(&self, state: State) {
        let mut current = self.state.borrow_mut();
        if *current != state {
            match &state {
                State::Waiting(reason) => log::warn!("camera {}: {reason}", self.name),
                State::Failed(reason) => log::error!("camera {}: {reason}", self.name),
                State::Playing => log::info!("camera {}: playing", self.name),
                State::Connecting | State::Disabled(_) => {}
            }
            *current = state;
        }
    }

    /// As `/api/cameras` shows it.
    pub(super) fn status(&self, slot: usize) -> CameraStatus {
        let card = &status::CAMERAS[slot];
        let (state, reason) = match &*self.state.borrow() {
            State::Connecting => ("connecting", None),
            State::Playing => ("playing", None),
            State::Waiting(reason) => ("waiting", Some(reason.clone())),
            State::Failed(reason) => ("failed", Some(reason.clone())),
            State::Disabled(reason) => ("disabled", Some(reason.clone())),
        };
        let is_playing = state == "playing";
        let known = |value: u32| (value > 0).then_some(value);
        let frames_per_s_x100 = known(card.frames_per_s_x100.load(Relaxed));
        let last_idr_us = card.last_idr_us.load(Relaxed);
        CameraStatus {
            name: self.name.clone(),
            state,
            reason,
            codec: known(card.profile_level_id.load(Relaxed)).map(|_| "H264"),
            width: known(card.width.load(Relaxed)),
            height: known(card.height.load(Relaxed)),
            frames_per_s: frames_per_s_x100
                .filter(|_| is_playing)
                .map(|hundredths| f64::from(hundredths) / 100.0),
            bits_per_s: is_playing.then(|| card.bits_per_s.load(Relaxed)),
            gop_ms: known(card.gop_ms.load(Relaxed)),
            key_frame_age_ms: (last_idr_us > 0)
                .then(|| clock::now_us().saturating_sub(last_idr_us) / 1000),
            viewers: card.viewers.load(Relaxed),
            ready: is_playing && card.ready.load(Relaxed),
        }
    }
}

impl Control {
    /// Keeps one camera playing, for ever.
    pub(super) async fn keep(self, slot: usize, dials: std::rc::Rc<Semaphore>) {
        let camera = &self.0.cameras[slot];
        let section = &self.0.config.cameras[slot];
        if section.problem.is_some() {
            return;
        }
        let mut retry_ms = CAMERA_RETRY_MS_MIN;
        loop {
            camera.enter(State::Connecting);
            let permit = dials.acquire().await;
            // Boxed: what a dial needs is given back when it is over.
            let dialled = Box::pin(dial(section)).await;
            drop(permit);
            match dialled {
                Ok((socket, ready)) => {
                    let began_us = clock::now_us();
                    let reason = self.play(slot, socket, ready).await;
                    if clock::now_us() - began_us > CAMERA_SETTLED_US {
                        retry_ms = CAMERA_RETRY_MS_MIN;
                    }
                    camera.enter(State::Waiting(reason.reason().to_owned()));
                }
                Err(error) if error.needs_person() => {
                    retry_ms = CAMERA_RETRY_MS_MAX;
                    camera.enter(State::Failed(error.to_string()));
                }
                Err(error) => camera.enter(State::Waiting(error.to_string())),
            }
            sleep(self.0.jittered(retry_ms)).await;
            retry_ms = (retry_ms * 2).min(CAMERA_RETRY_MS_MAX);
        }
    }

    /// Has the media thread play it, until it gives up.
    async fn play(&self, slot: usize, socket: std::net::TcpStream, ready: Box<Ready>) -> Lost {
        let camera = &self.0.cameras[slot];
        let card: &CameraCard = &status::CAMERAS[slot];
        card.lost.store(0, Relaxed);
        let number = u16::try_from(slot).unwrap_or(u16::MAX);
        let play = Play { camera: number, socket, ready };
        self.0.media.borrow().tell(Command::Play(Box::new(play)));
        camera.enter(State::Playing);
        loop {
            camera.lost.notified().await;
            if let Some(lost) = Lost::from_number(card.lost.load(Acquire)) {
                return lost;
            }
        }
    }
}

impl super::State {
    /// `ms` give or take a fifth, so that cameras that fell together do not return together.
    fn jittered(&self, ms: u64) -> Duration {
        let random = u64::from(u16::from_be_bytes(self.random()));
        Duration::from_millis(ms * 4 / 5 + ms * 2 / 5 * random / u64::from(u16::MAX))
    }
}

/// Connects to a camera and brings it to the point where PLAY is next.
async fn dial(section: &config::Camera) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let url = CameraUrl::parse(&section.url).map_err(DialogError::Url)?;
    let credentials = section.user.as_ref().map(|user| Credentials {
        user: user.clone(),
        password: section.password.reveal().to_owned(),
    });
    let dialog = Dialog::new(url.clone(), credentials);
    let limit = Duration::from_millis(CAMERA_DIAL_MS_MAX);
    timeout(limit, converse(dialog, url)).await.map_err(|_| DialError::Timeout)?
}

async fn converse(
    mut dialog: Dialog,
    url: CameraUrl,
) -> Result<(std::net::TcpStream, Box<Ready>), DialError> {
    let mut socket = connect(&url).await?;
    let mut buffer = vec![0; RTSP_EARLY_BYTES_MAX];
    loop {
        match dialog.poll() {
            Step::Send(request) => socket.write_all(&request).await.map_err(DialError::Network)?,
            Step::Read => match socket.read(&mut buffer).await.map_err(DialError::Network)? {
                0 => dialog.closed()?,
                bytes => dialog.receive(&buffer[..bytes])?,
            },
            Step::Connect(url) => socket = connect(&url).await?,
            Step::Ready(ready) => {
                let socket = socket.into_std().map_err(DialError::Network)?;
                return Ok((socket, ready));
            }
        }
    }
}

async fn connect(url: &CameraUrl) -> Result<TcpStream, DialError> {
    let address = (url.host(), url.port());
    let mut addresses = tokio::net::lookup_host(address).await.map_err(DialError::Address)?;
    let no_address = || DialError::Address(io::ErrorKind::NotFound.into());
    let socket = TcpStream::connect(addresses.next().ok_or_else(no_address)?).await;
    let socket = socket.map_err(DialError::Network)?;
    socket.set_nodelay(true).map_err(DialError::Network)?;
    Ok(socket)
}

/// How many cameras are dialled at once: a whole site that comes back is dialled in rows.
pub(super) fn dials() -> std::rc::Rc<Semaphore> {
    std::rc::Rc::new(Semaphore::new(CAMERAS_DIALLED_MAX))
}

impl DialError {
    fn needs_person(&self) -> bool {
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
            Self::Address(error) => write!(f, "the camera's name leads nowhere: {error}"),
            Self::Network(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(f, "the camera refuses the connection: is its RTSP port right?")
            }
            Self::Network(error) => write!(f, "cannot reach the camera: {error}"),
            Self::Timeout => {
                write!(f, "the camera does not answer within {} s", CAMERA_DIAL_MS_MAX / 1000)
            }
        }
    }
}
