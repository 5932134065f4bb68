//! `weir.toml`: what the operator asks for.
//!
//! Owns reading, checking and the defaults. A file is read in full and every mistake in it is
//! found, with its line and column: `weir check` refuses on any of them, `weir run` goes on
//! where it safely can ([`Severity`]), and with the last good file where it cannot ([`Source`]).
//! A bad `[[camera]]` is kept in the list, disabled, with its reason. What a new file changes is
//! in [`diff`]; what weir itself changes in a file, for a person at its console, in `edit`. Bounded by
//! [`crate::limits::CONFIG_BYTES_MAX`], `CONFIG_TOKENS_MAX` and, in number of cameras,
//! [`crate::limits::CAMERAS_MAX`]. Does not resolve names or reach for the network.

mod account;
mod camera;
mod console;
pub mod diff;
mod edit;
mod https;
mod ice_servers;
mod place;
mod read;
mod redacted;
mod section;
mod source;
mod syntax;

use std::net::SocketAddr;
use std::sync::Arc;

pub use camera::name_problem;
pub use console::Console;
pub use edit::{Edit, EditError, NewCamera};
pub use https::{Https, TlsMode};
pub use place::{Problem, Severity};
pub use read::{Loaded, load, parse};
pub use source::{ConfigStatus, Origin, Source, Started, Unusable, Usable};
#[cfg(any(test, fuzzing))]
pub(crate) use syntax::Extent;

use crate::access::{Policy, TokenHash};
use crate::limits::PAYLOAD_BYTES_DEFAULT;
use crate::rtsp::{CameraUrl, Credentials};
use crate::storage::Secret;

/// The configuration; everything in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[http]`
    pub http: Http,
    /// `[https]`
    pub https: Https,
    /// `[webrtc]`
    pub webrtc: WebRtc,
    /// `[diagnostics]`
    pub diagnostics: Diagnostics,
    /// `[process]`
    pub process: Process,
    /// `[console]`
    pub console: Console,
    /// `[[user]]`, `[[token]]`, and what `[http]` says about whom to answer.
    pub access: Arc<Policy>,
    /// `[[camera]]`, in the file's order; at most [`crate::limits::CAMERAS_MAX`].
    pub cameras: Vec<Camera>,
}

/// Where pages, API and WHEP are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// `[::]` takes IPv4 too.
    pub listen: SocketAddr,
    /// URIs of STUN servers that players are told of; weir asks none.
    pub ice_servers: Vec<String>,
}

/// The media socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebRtc {
    /// `[::]` takes IPv4 too.
    pub listen: SocketAddr,
    /// Addresses to offer instead of our own, behind NAT or port forwarding; empty for our own.
    pub announce: Vec<SocketAddr>,
    /// RTP payload bytes.
    pub payload_bytes: usize,
    /// Whether NACKs are answered.
    pub resend: bool,
}

/// Where health and metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// Loopback unless the operator says otherwise.
    pub listen: SocketAddr,
    /// What a token must hash to for anybody but loopback to be answered; `None` shuts them out.
    pub token_hash: Option<TokenHash>,
}

/// As whom weir runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Whom to become when started as root: a name, or `uid:gid`.
    pub user: Option<String>,
}

/// A camera to pull from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// Unique and fit for a path, unless `problem` says otherwise.
    pub name: String,
    /// Where it is, without user and password; there is one unless there is a `problem`.
    pub url: Option<CameraUrl>,
    /// The login, from `user` or from the URL as written.
    pub user: Option<String>,
    /// Its password; empty for none.
    pub password: Secret,
    /// Why the camera is disabled; `None` when it is not.
    pub problem: Option<String>,
}

impl Camera {
    /// What to tell it when it asks who we are.
    pub fn credentials(&self) -> Option<Credentials> {
        let password = self.password.reveal().to_owned();
        self.user.clone().map(|user| Credentials { user, password })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Http { listen: SocketAddr::from(([0; 8], 8117)), ice_servers: Vec::new() },
            https: Https::default_for(false),
            webrtc: WebRtc {
                listen: SocketAddr::from(([0; 8], 8118)),
                announce: Vec::new(),
                payload_bytes: PAYLOAD_BYTES_DEFAULT,
                resend: true,
            },
            diagnostics: Diagnostics {
                listen: SocketAddr::from(([127, 0, 0, 1], 9999)),
                token_hash: None,
            },
            process: Process::default(),
            console: Console::default(),
            access: Arc::default(),
            cameras: Vec::new(),
        }
    }
}

impl Config {
    /// The defaults with one camera, `demo`, served by [`crate::demo`] on loopback.
    pub fn demo(rtsp_port: u16) -> Self {
        Self {
            cameras: vec![Camera {
                name: "demo".to_owned(),
                url: CameraUrl::parse(&format!("rtsp://127.0.0.1:{rtsp_port}/demo")).ok(),
                user: None,
                password: Secret::default(),
                problem: None,
            }],
            ..Self::default()
        }
    }
}
