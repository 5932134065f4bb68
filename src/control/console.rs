//! What a console asks of control beyond what the web does: to change the configuration's file, to
//! try a camera once, and where weir is to be found.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::rc::Rc;

use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_blocking;

use crate::config::{self, Camera, Config, Edit, TlsMode};
use crate::net::interfaces;
use crate::rtp::sps;
use crate::tls::{self, CertificateInfo};
use crate::{clock, net};

use super::dial::dial_charged;
use super::{Control, ReloadError, Reloaded};

/// What a try at a camera found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// From the first packet to the moment before PLAY.
    pub took_ms: u64,
    /// Picture size, where the camera says it beforehand.
    pub size: Option<(u32, u32)>,
    /// Profile and level, as in SDP.
    pub profile_level_id: Option<u32>,
}

impl Control {
    /// What `[console]` says now.
    pub fn console(&self) -> config::Console {
        self.0.config().console.clone()
    }

    /// A camera as the configuration has it.
    pub fn camera(&self, name: &str) -> Option<Rc<Camera>> {
        self.0
            .cameras
            .iter()
            .filter_map(super::cameras::Camera::section)
            .find(|camera| camera.name == name)
    }

    /// Changes the configuration's file, and puts it into force.
    ///
    /// # Errors
    /// In words; the file is as it was, or is not put into force.
    pub async fn edit(&self, edit: Edit) -> Result<Reloaded, String> {
        let source = self.0.source.clone().ok_or("the demo has no configuration file")?;
        // One at a time, as there is one thread for it; and a disk takes its time.
        let edited = spawn_blocking(move || source.edit(&edit)).await;
        edited.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.reload().await.map_err(|error| error.to_string())
    }

    /// The configuration's file without what is secret.
    ///
    /// # Errors
    /// In words.
    pub async fn configuration_text(&self) -> Result<String, String> {
        let source = self.0.source.clone().ok_or("the demo has no configuration file")?;
        let read = spawn_blocking(move || source.read_redacted()).await;
        read.map_err(|error| error.to_string())?
    }

    /// The configuration's file.
    pub fn configuration_path(&self) -> Option<&Path> {
        self.0.source.as_ref().map(config::Source::path)
    }

    /// Connects to a camera once, as far as the moment before PLAY, and says goodbye.
    ///
    /// # Errors
    /// In words, as `/api/cameras` has them.
    pub async fn try_camera(&self, camera: &Camera) -> Result<Found, String> {
        if let Some(problem) = &camera.problem {
            return Err(problem.clone());
        }
        let one = self.0.trying.acquire().await;
        let began_us = clock::now_us();
        // A camera that took Digest is not told the password itself for being tried by hand.
        let known = self.0.cameras.iter().find_map(|slot| slot.habits_of(camera));
        let habits = Cell::new(known.unwrap_or_default());
        let dialled = dial_charged(camera, &habits).await;
        let took_ms = (clock::now_us() - began_us) / 1000;
        let (socket, mut ready) = dialled.map_err(|error| error.to_string())?;
        ready.session.teardown();
        if let Ok(mut socket) = tokio::net::TcpStream::from_std(socket) {
            // A camera that does not hear it finds out by itself.
            let _ = socket.write_all(ready.session.transmit()).await;
        }
        drop(one);
        let sps = ready.video.sps.as_deref();
        let size = sps.and_then(sps::parse).map(|sps| (sps.width, sps.height));
        Ok(Found { took_ms, size, profile_level_id: sps.and_then(sps::profile_level_id) })
    }

    /// What HTTPS is served with; `None` for plain HTTP.
    ///
    /// # Errors
    /// In words.
    pub fn certificate(&self) -> Result<Option<CertificateInfo>, String> {
        tls::look(&self.0.config().https, self.guard().folder()).map_err(|error| error.to_string())
    }

    /// The addresses to open in a browser.
    pub fn urls(&self) -> Vec<String> {
        let config = self.0.config();
        let (scheme, listen) = listens(&config);
        let hosts = match listen.ip() {
            ip if ip.is_unspecified() => interfaces::addresses().to_vec(),
            ip => vec![ip],
        };
        let url = |ip: IpAddr| format!("{scheme}://{}/", SocketAddr::new(ip, listen.port()));
        hosts.into_iter().map(url).collect()
    }

    /// What the box is called.
    pub fn host_name(&self) -> String {
        net::host_names().swap_remove(0)
    }
}

fn listens(config: &Config) -> (&'static str, SocketAddr) {
    match config.https.tls {
        TlsMode::Off => ("http", config.http.listen),
        TlsMode::SelfSigned | TlsMode::Files { .. } => ("https", config.https.listen),
    }
}

impl std::fmt::Display for ReloadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoFile => write!(f, "the demo has no configuration file"),
            Self::Unusable { detail, .. } => write!(f, "nothing has changed: {detail}"),
            Self::NoRoom(detail) => write!(f, "nothing has changed, try again: {detail}"),
        }
    }
}
