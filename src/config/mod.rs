//! `weir.toml`: what the operator asks for.
//!
//! Owns reading, checking and the defaults. A file is read in full and every mistake in it is
//! found, with its line and column: `weir check` refuses on any of them, `weir run` goes on
//! where it safely can ([`Severity`]). A bad `[[camera]]` is kept in the list, disabled, with its
//! reason. Bounded by [`crate::limits::CONFIG_BYTES_MAX`] and, in number of cameras,
//! [`crate::limits::CAMERAS_MAX`]. Does not resolve names or reach for the network.

mod account;
mod camera;
mod place;
mod read;
mod secret;
mod section;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;

pub use camera::name_problem;
pub use place::{Problem, Severity};
pub use read::{Loaded, load, parse};
pub use secret::Secret;
pub use state::StateFolder;

use crate::access::Policy;
use crate::limits::PAYLOAD_BYTES_DEFAULT;

/// The configuration; everything in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[http]`
    pub http: Http,
    /// `[webrtc]`
    pub webrtc: WebRtc,
    /// `[diagnostics]`
    pub diagnostics: Diagnostics,
    /// `[[user]]`, `[[token]]`, and what [http] says about whom to answer.
    pub access: Arc<Policy>,
    /// `[[camera]]`, in the file's order; at most [`crate::limits::CAMERAS_MAX`].
    pub cameras: Vec<Camera>,
}

/// Where pages, API and WHEP are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// `[::]` takes IPv4 too.
    pub listen: SocketAddr,
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
}

/// A camera to pull from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// Unique and fit for a path, unless `problem` says otherwise.
    pub name: String,
    /// `rtsp://host[:port]/path`, without user and password.
    pub url: String,
    /// The login, from `user` or from the URL as written.
    pub user: Option<String>,
    /// Its password; empty for none.
    pub password: Secret,
    /// Why the camera is disabled; `None` when it is not.
    pub problem: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Http { listen: SocketAddr::from(([0; 8], 8117)) },
            webrtc: WebRtc {
                listen: SocketAddr::from(([0; 8], 8118)),
                announce: Vec::new(),
                payload_bytes: PAYLOAD_BYTES_DEFAULT,
                resend: true,
            },
            diagnostics: Diagnostics { listen: SocketAddr::from(([127, 0, 0, 1], 9999)) },
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
                url: format!("rtsp://127.0.0.1:{rtsp_port}/demo"),
                user: None,
                password: Secret::default(),
                problem: None,
            }],
            ..Self::default()
        }
    }
}
