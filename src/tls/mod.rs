//! TLS by rustls with ring: 1.2 and 1.3, AEAD suites with forward secrecy. For HTTPS as a server,
//! and for encrypted cameras as a client ([`camera`], whose certificates [`camera_verifier`] judges
//! and [`pins`] remembers).
//!
//! [`Tls`] holds the certificate for new connections: weir's own ([`self_signed`]) or the
//! operator's files, which are read again when they change. [`pair`] reads certificate and key and
//! checks that they belong together. [`certificate_info`] describes a certificate for a person.
//! [`handshake`] accepts connections, bounded in time and, by [`fair_semaphore`], in number.
//! [`limited_stream`] bounds the unread bytes of handshakes and of the connections after them
//! ([`encrypted`]).
//!
//! Sessions are resumed by tickets whose keys live in the process, so a client costs no memory once
//! it is gone. Client certificates are never asked for. Everything but the results of handshakes
//! belongs to one thread.

pub(crate) mod camera;
mod camera_verifier;
mod certificate_info;
mod encrypted;
mod error;
mod fair_semaphore;
mod handshake;
mod limited_stream;
mod pair;
mod pins;
mod self_signed;

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use tokio::net::TcpStream;
use tokio::time::sleep;

pub use certificate_info::CertificateInfo;
pub(crate) use encrypted::Encrypted;
pub use error::TlsError;
pub(crate) use fair_semaphore::FairSemaphore;
pub(crate) use pins::CameraPins;

use crate::config::{Https, TlsMode};
use crate::limits::TLS_FILES_LOOK_MS;
use crate::status::GAUGES;
use crate::storage::StateFolder;
use handshake::HandshakeLimits;
use pair::Pair;

/// The TLS side of the HTTPS listener. Cheap to clone; for one thread only.
#[derive(Clone)]
pub struct Tls(Rc<Shared>);

struct Shared {
    provider: Arc<CryptoProvider>,
    state: StateFolder,
    mode: RefCell<TlsMode>,
    /// For new connections; existing ones keep theirs.
    config: RefCell<Arc<ServerConfig>>,
    /// Times and sizes of the operator's files when they were last read.
    read: Cell<Option<Stamp>>,
    limits: HandshakeLimits,
}

/// Times and sizes of certificate and key file, which tell one version from the next.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// Loads the certificate that `https` configures; `None` for plain HTTP. If the operator's
    /// files cannot be read or do not fit, weir's own certificate is used until they do, so that
    /// the box is reachable, and not without encryption.
    ///
    /// # Errors
    /// [`TlsError`]: not even weir's own certificate could be made.
    pub fn open(https: &Https, state: &StateFolder) -> Result<Option<Self>, TlsError> {
        if https.tls == TlsMode::Off {
            return Ok(None);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let read = file_times(&https.tls);
        let pair = match load_files(&https.tls, &provider) {
            Some(Ok(pair)) => {
                announce(&pair, "of the configured files");
                pair
            }
            Some(Err(error)) => {
                log::error!("https: {error}; weir's own certificate is used until that is fixed");
                GAUGES.tls_files_refused.store(1, Relaxed);
                own(state, &provider)?
            }
            None => own(state, &provider)?,
        };
        Ok(Some(Self(Rc::new(Shared {
            provider,
            state: state.clone(),
            mode: RefCell::new(https.tls.clone()),
            config: RefCell::new(pair.config),
            read: Cell::new(read),
            limits: HandshakeLimits::new(),
        }))))
    }

    /// Applies the configuration `https`, and reads the operator's files again. An error is logged,
    /// and the certificate in use stays. Switching TLS on or off needs a restart.
    pub fn reload(&self, https: &Https) {
        if https.tls == TlsMode::Off {
            return;
        }
        let before = self.0.mode.replace(https.tls.clone());
        self.0.read.set(file_times(&https.tls));
        let is_own = https.tls == TlsMode::SelfSigned;
        if is_own && before == https.tls {
            return;
        }
        let loaded = load_files(&https.tls, &self.0.provider)
            .unwrap_or_else(|| own(&self.0.state, &self.0.provider));
        match loaded {
            Ok(pair) => {
                if !is_own {
                    announce(&pair, "of the configured files, for new connections");
                }
                GAUGES.tls_files_refused.store(0, Relaxed);
                self.0.config.replace(pair.config);
            }
            Err(error) => {
                log::error!("https: {error}; the certificate in use stays");
                GAUGES.tls_files_refused.store(1, Relaxed);
            }
        }
    }

    /// Looks every [`TLS_FILES_LOOK_MS`] whether the operator's files have changed, and does not
    /// return. A change is applied when it is the same at the next look: certificate and key are
    /// rarely written at the same moment.
    pub async fn watch(self) {
        let mut seen = self.0.read.get();
        loop {
            sleep(Duration::from_millis(TLS_FILES_LOOK_MS)).await;
            let mode = self.0.mode.borrow().clone();
            let now = file_times(&mode);
            if now != self.0.read.get() && now == seen {
                let listen = std::net::SocketAddr::from(([0; 8], 0));
                self.reload(&Https { listen, tls: mode });
            }
            seen = now;
        }
    }

    /// Does the TLS handshake with a client that is counted under `address`.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        address: IpAddr,
    ) -> std::io::Result<Encrypted> {
        let config = || Arc::clone(&self.0.config.borrow());
        let accepted = handshake::accept(stream, address, &self.0.limits, config).await;
        let counter = if accepted.is_ok() { &GAUGES.tls_accepted } else { &GAUGES.tls_failed };
        counter.fetch_add(1, Relaxed);
        accepted
    }
}

/// The certificate that `https` configures, without making one. Used by `weir tls` and the console.
///
/// # Errors
/// [`TlsError`]: the files do not fit, or weir's own certificate is not made yet.
pub fn look(https: &Https, state: &StateFolder) -> Result<Option<CertificateInfo>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    match &https.tls {
        TlsMode::Off => Ok(None),
        TlsMode::SelfSigned => self_signed::kept(state, &provider).map(|pair| Some(pair.info)),
        mode => load_files(mode, &provider).transpose().map(|pair| pair.map(|pair| pair.info)),
    }
}

fn load_files(mode: &TlsMode, provider: &Arc<CryptoProvider>) -> Option<Result<Pair, TlsError>> {
    match mode {
        TlsMode::Files { certificate, key } => Some(Pair::load(certificate, key, provider)),
        TlsMode::Off | TlsMode::SelfSigned => None,
    }
}

/// weir's own certificate: the stored one, or a new one.
fn own(state: &StateFolder, provider: &Arc<CryptoProvider>) -> Result<Pair, TlsError> {
    let pair = self_signed::open(state, provider)?;
    announce(&pair, "of weir's own");
    Ok(pair)
}

fn announce(pair: &Pair, whose: &str) {
    let CertificateInfo { fingerprint, not_after, .. } = &pair.info;
    log::info!("https: certificate {whose}, valid until {not_after}");
    log::info!("https: fingerprint (SHA-256) {fingerprint}");
}

fn file_times(mode: &TlsMode) -> Option<Stamp> {
    let of = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    match mode {
        TlsMode::Files { certificate, key } => Some([of(certificate), of(key)]),
        TlsMode::Off | TlsMode::SelfSigned => None,
    }
}
