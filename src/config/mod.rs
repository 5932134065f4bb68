//! `weir.toml`: the configuration file, its checks and its defaults.
//!
//! A file is read in full, and every mistake is reported with line and column: `weir check` refuses
//! a file with any mistake; `weir run` goes on where it safely can ([`Severity`]), and with the
//! last good file where it cannot ([`ConfigFile`]). A bad `[[camera]]` is kept in the list,
//! disabled, with its reason. [`diff`] compares a new file with the configuration in force; `edit`
//! makes the changes that a person asks for at the console. Bounded by
//! [`crate::limits::CONFIG_BYTES_MAX`], `CONFIG_TOKENS_MAX` and, in number of cameras,
//! [`crate::limits::CAMERAS_MAX`]. Does not resolve names or use the network.

mod account;
mod camera;
mod camera_trust;
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
pub use camera_trust::{CameraTrust, CertificateFingerprint};
pub use console::Console;
pub use edit::{Edit, EditError, NewCamera};
pub use https::{Https, TlsMode};
pub use place::{Problem, Severity};
pub use read::{Loaded, load, parse};
pub use source::{ConfigFile, ConfigOrigin, ConfigStatus, Started, Unusable, Usable};
#[cfg(any(test, fuzzing))]
pub(crate) use syntax::Extent;
pub(crate) use syntax::is_cheap;

use crate::access::{Policy, TokenHash};
use crate::limits::PAYLOAD_BYTES_DEFAULT;
use crate::rtsp::{CameraCredentials, CameraUrl, Transport};
use crate::storage::Secret;

/// The configuration; everything in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[http]`: where pages, API and WHEP are served.
    pub http: Http,
    /// `[https]`: TLS for the same, and its certificate.
    pub https: Https,
    /// `[webrtc]`: the media socket.
    pub webrtc: WebRtc,
    /// `[diagnostics]`: where health and metrics are served.
    pub diagnostics: Diagnostics,
    /// `[process]`: the user that weir runs as.
    pub process: Process,
    /// `[console]`: the serial console.
    pub console: Console,
    /// `[[user]]`, `[[token]]` and the access keys of `[http]`.
    pub access: Arc<Policy>,
    /// `[[camera]]`, in the file's order; at most [`crate::limits::CAMERAS_MAX`].
    pub cameras: Vec<Camera>,
}

/// Where pages, API and WHEP are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Address of the HTTP listener; `[::]` accepts IPv4 too.
    pub listen: SocketAddr,
    /// URIs of STUN servers, named to players; weir itself uses none.
    pub ice_servers: Vec<String>,
}

/// The media socket, and how packets are sent on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebRtc {
    /// UDP address of the media socket; `[::]` accepts IPv4 too.
    pub listen: SocketAddr,
    /// Addresses to offer as candidates instead of the box's own, behind NAT or port forwarding;
    /// empty for the box's own.
    pub announce: Vec<SocketAddr>,
    /// RTP payload bytes per packet, at most.
    pub payload_bytes: usize,
    /// Whether lost packets are sent again when a viewer sends a NACK.
    pub resend: bool,
}

/// Where health and metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// Address of the listener; loopback by default.
    pub listen: SocketAddr,
    /// Hash of the token that clients need, except on loopback; `None` refuses those clients.
    pub token_hash: Option<TokenHash>,
}

/// The user that weir runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// The user to become when started as root: a name, or `uid:gid`.
    pub user: Option<String>,
}

/// A camera to pull from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// The camera's name: unique and fit for a URL path, unless `problem` says otherwise.
    pub name: String,
    /// The camera's URL, without user and password; `None` only with a `problem`.
    pub url: Option<CameraUrl>,
    /// The user to log in as, from `user` or from the URL as written; `None` for no login.
    pub user: Option<String>,
    /// The user's password; empty for none.
    pub password: Secret,
    /// By what its certificate is judged, if the URL is an encrypted one.
    pub trust: CameraTrust,
    /// Whether its sound is passed on, if it has any that browsers take.
    pub sound: bool,
    /// How RTP is to come; `None` for what works.
    pub transport: Option<Transport>,
    /// The port of its ONVIF services, by which it is asked for key frames; `None` for not at all.
    pub onvif_port: Option<u16>,
    /// Why the camera is disabled; `None` when it is enabled.
    pub problem: Option<String>,
}

impl Camera {
    /// The login to use when the camera asks for one; `None` for none.
    pub fn credentials(&self) -> Option<CameraCredentials> {
        let password = self.password.reveal().to_owned();
        self.user.clone().map(|user| CameraCredentials { user, password })
    }

    /// Where its ONVIF services are: at the host of its URL, and encrypted if that is.
    pub fn onvif_url(&self) -> Option<CameraUrl> {
        Some(self.url.as_ref()?.at_port(self.onvif_port?))
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
                trust: CameraTrust::default(),
                sound: true,
                transport: None,
                onvif_port: None,
                problem: None,
            }],
            ..Self::default()
        }
    }
}
