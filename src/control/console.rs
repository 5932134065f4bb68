//! What the console needs of the control thread beyond what the web uses: editing the
//! configuration's file, trying a camera once, and weir's own addresses and certificate.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::rc::Rc;

use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_blocking;

use crate::codec::Codec;
use crate::config::{self, Camera, CameraTrust, CertificateFingerprint, Config, Edit, TlsMode};
use crate::diagnosis::{CameraFinding, CameraFindings, Diagnosis as _};
use crate::net::interfaces;
use crate::rtp::picture::Picture;
use crate::rtsp::{CameraSound, VideoTrack};
use crate::tls::{self, CertificateInfo};
use crate::{clock, net};

use super::dial::{Dialled, dial_charged};
use super::{Control, ReloadError, Reloaded};

/// The result of trying a camera once ([`Control::try_camera`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Milliseconds from the first packet to just before PLAY.
    pub took_ms: u64,
    /// How its video would come: `tcp`, `udp` or `multicast`.
    pub transport: &'static str,
    /// The codec that it would send.
    pub codec: Codec,
    /// Its pictures, if the SDP has an SPS that can be parsed.
    pub picture: Option<Picture>,
    /// The certificate of an encrypted camera.
    pub certificate: Option<CertificateFingerprint>,
    /// What can be found before it plays.
    pub findings: CameraFindings,
}

impl Control {
    /// The section `[console]` of the configuration in force.
    pub fn console(&self) -> config::Console {
        self.0.config.now().console.clone()
    }

    /// The section of the camera of this name in the configuration in force.
    pub fn camera(&self, name: &str) -> Option<Rc<Camera>> {
        self.0.cameras.slot(self.0.cameras.slot_of(name)?).section()
    }

    /// Edits the configuration's file and reloads it.
    ///
    /// # Errors
    /// A text for the operator. Either the file is unchanged, or it was changed but not applied.
    pub async fn edit(&self, edit: Edit) -> Result<Reloaded, String> {
        let source = self.0.config.source().cloned().ok_or("the demo has no configuration file")?;
        // One edit at a time, as there is one blocking thread; and a disk takes its time.
        let edited = spawn_blocking(move || source.edit(&edit)).await;
        edited.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.reload().await.map_err(|error| error.to_string())
    }

    /// The text of the configuration's file with its secrets removed.
    ///
    /// # Errors
    /// A text for the operator: there is no file, or it cannot be read.
    pub async fn configuration_text(&self) -> Result<String, String> {
        let source = self.0.config.source().cloned().ok_or("the demo has no configuration file")?;
        let read = spawn_blocking(move || source.read_redacted()).await;
        read.map_err(|error| error.to_string())?
    }

    /// The path of the configuration's file; `None` in the demo.
    pub fn configuration_path(&self) -> Option<&Path> {
        self.0.config.source().map(config::ConfigFile::path)
    }

    /// Connects to a camera once, as far as just before PLAY, and sends TEARDOWN. Waits while
    /// another camera is tried.
    ///
    /// # Errors
    /// A text for the operator, the same as in `/api/cameras`.
    pub async fn try_camera(&self, camera: &Camera) -> Result<Found, String> {
        if let Some(problem) = &camera.problem {
            return Err(problem.clone());
        }
        let one = self.0.trying.acquire().await;
        let began_us = clock::now_us();
        // Keeps a camera that took Digest from being sent the password itself by this dial.
        let known = self.0.cameras.slots().iter().find_map(|slot| slot.habits_of(camera));
        let habits = Cell::new(known.unwrap_or_default());
        let dialled = dial_charged(camera, &habits, self.0.cameras.pins()).await;
        let took_ms = (clock::now_us() - began_us) / 1000;
        let Dialled { mut link, mut ready, .. } = dialled.map_err(|error| {
            let reason = error.to_string();
            error.finding().map_or(reason.clone(), |found| found.explained(&reason))
        })?;
        ready.session.teardown();
        // If the camera misses the TEARDOWN, it notices the closed connection.
        let _ = link.write_all(ready.session.transmit()).await;
        let _ = link.shutdown().await;
        let certificate = link.certificate();
        drop((link, one));
        let VideoTrack { codec, parameter_sets, .. } = &ready.video;
        let picture = parameter_sets.iter().find_map(|nal| Picture::read(*codec, nal));
        let transport = ready.transport.name();
        let found = [
            ready.is_in_the_clear.then_some(CameraFinding::PasswordInTheClear),
            (*codec == Codec::H265).then_some(CameraFinding::H265),
            matches!(ready.sound, CameraSound::Unsupported(_))
                .then_some(CameraFinding::SoundNotTaken),
        ];
        let findings = found.into_iter().flatten().collect();
        Ok(Found { took_ms, transport, codec: *codec, picture, certificate, findings })
    }

    /// Forgets the certificate that a camera showed first, and dials it at once: the next one
    /// counts as its first. Returns the forgotten one.
    ///
    /// # Errors
    /// A text for the operator: there is nothing to forget.
    pub fn trust_camera(&self, name: &str) -> Result<CertificateFingerprint, String> {
        let section = self.camera(name).ok_or("there is no camera of this name")?;
        let url = section.url.as_ref().filter(|_| section.trust == CameraTrust::FirstUse);
        let pins = self.0.cameras.pins();
        let of_onvif = section.onvif_url().filter(|_| url.is_some());
        let of_onvif = of_onvif.and_then(|url| pins.forget(&url));
        let forgotten = url.and_then(|url| pins.forget(url)).or(of_onvif);
        let forgotten = forgotten.ok_or("no certificate of this camera is kept")?;
        if let Some(slot) = self.0.cameras.slot_of(name) {
            self.0.cameras.slot(slot).begin_again();
        }
        log::warn!(
            "camera {name}: its next certificate counts as its first, as was asked for at the console"
        );
        Ok(forgotten)
    }

    /// The certificate that HTTPS is served with; `None` for plain HTTP.
    ///
    /// # Errors
    /// A text for the operator: why the certificate cannot be read.
    pub fn certificate(&self) -> Result<Option<CertificateInfo>, String> {
        tls::look(&self.0.config.now().https, self.guard().folder())
            .map_err(|error| error.to_string())
    }

    /// The URLs to open in a browser, one per address of this host.
    pub fn urls(&self) -> Vec<String> {
        let config = self.0.config.now();
        let (scheme, listen) = listens(&config);
        let hosts = match listen.ip() {
            ip if ip.is_unspecified() => interfaces::addresses().to_vec(),
            ip => vec![ip],
        };
        let url = |ip: IpAddr| format!("{scheme}://{}/", SocketAddr::new(ip, listen.port()));
        hosts.into_iter().map(url).collect()
    }

    /// The host name of this machine.
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
