//! The encrypted connection to a camera: TLS 1.2 and 1.3 as a client.
//!
//! A camera is judged by its certificate before a byte of RTSP goes to it ([`camera_verifier`]), so
//! that a password goes only to what is trusted. Sessions are not resumed: cameras are connected to
//! seldom, and a ticket would have to be kept. What a camera may have weir keep is bounded by the
//! heap account of its connection.
//!
//! [`camera_verifier`]: super::camera_verifier

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::camera_verifier::{CameraVerifier, Distrust};
use crate::config::{CameraTrust, CertificateFingerprint};
use crate::limits::CAMERA_SEALED_BYTES_MAX;

/// Why there is no encrypted connection to a camera.
#[derive(Debug)]
pub(crate) enum CameraTlsError {
    /// Its certificate is not the one expected, or not valid.
    Distrusted(Distrust),
    /// What came is not TLS.
    NotTls,
    /// It closed the connection during the handshake.
    Closed,
    /// It has no version or cipher suite of TLS that weir has.
    NothingInCommon,
    /// Anything else, as rustls has it.
    Protocol(Error),
    /// The connection broke.
    Network(io::Error),
}

/// An encrypted connection to a camera, with the fingerprint of the certificate that it showed.
#[derive(Debug)]
pub(crate) struct CameraTls {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) certificate: CertificateFingerprint,
}

/// Does the handshake on a new connection to `host`. `pinned` is the certificate that the camera
/// showed first, where that counts.
///
/// # Errors
/// [`CameraTlsError`]: nothing of RTSP was sent.
pub(crate) async fn connect(
    socket: TcpStream,
    host: &str,
    trust: &CameraTrust,
    pinned: Option<CertificateFingerprint>,
) -> Result<CameraTls, CameraTlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = CameraVerifier::new(trust, pinned, &provider);
    let verifier = Arc::new(verifier.map_err(CameraTlsError::Distrusted)?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(CameraTlsError::Protocol)?;
    let mut config = builder
        .dangerous() // that is what rustls calls any verifier but its own
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let connector = TlsConnector::from(Arc::new(config));
    let connecting = connector.connect_with(server_name(host), socket, |connection| {
        connection.set_buffer_limit(Some(CAMERA_SEALED_BYTES_MAX));
    });
    let stream = connecting.await.map_err(CameraTlsError::of)?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let shown = chain.first().ok_or(CameraTlsError::Protocol(Error::NoCertificatesPresented))?;
    let certificate = CertificateFingerprint::of(shown);
    Ok(CameraTls { stream, certificate })
}

/// The name to ask for and to find in the certificate. A host that is neither address nor name by
/// rustls' rules (`front_door`) is asked for without one, and no certificate has it.
fn server_name(host: &str) -> ServerName<'static> {
    let without_zone = host.split('%').next().unwrap_or_default();
    let none = || ServerName::from(IpAddr::from([0; 4]));
    ServerName::try_from(without_zone.to_owned()).unwrap_or_else(|_| none())
}

impl CameraTlsError {
    fn of(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Closed;
        }
        let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            return Self::Network(error);
        };
        match error {
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                match other.0.downcast_ref::<Distrust>() {
                    Some(distrust) => Self::Distrusted(distrust.clone()),
                    None => Self::Protocol(error.clone()),
                }
            }
            Error::InvalidMessage(_) => Self::NotTls,
            Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity,
            ) => Self::NothingInCommon,
            error => Self::Protocol(error.clone()),
        }
    }

    /// The same of a server that is no camera: whether its certificate is the reason, and words.
    pub(crate) fn of_server(&self) -> (bool, String) {
        let words = match self {
            Self::Distrusted(
                Distrust::Configured { shown, .. } | Distrust::Changed { shown, .. },
            ) => {
                format!("it shows another certificate, SHA-256 {shown}")
            }
            Self::Distrusted(Distrust::AuthorityFile(why)) => {
                format!("the authorities' file {why}")
            }
            Self::Distrusted(Distrust::UnknownIssuer) => {
                "no authority of the file vouches".to_owned()
            }
            Self::Distrusted(Distrust::Name { names }) => {
                format!("its certificate is for other names: {}", names.join(", "))
            }
            Self::Distrusted(Distrust::Dates { not_before, not_after }) => {
                format!("its certificate is valid from {not_before} to {not_after}")
            }
            Self::Distrusted(Distrust::Unusable(why)) => {
                format!("its certificate is unusable: {why}")
            }
            Self::NotTls => "no TLS is spoken there".to_owned(),
            Self::Closed => "the connection ended in the TLS handshake".to_owned(),
            Self::NothingInCommon => "it has no TLS 1.2 or 1.3 with AES-GCM or ChaCha20".to_owned(),
            Self::Protocol(error) => format!("TLS: {error}"),
            Self::Network(error) => format!("TLS: {error}"),
        };
        (matches!(self, Self::Distrusted(_)), words)
    }

    /// Whether a retry cannot help before a person changes something.
    pub(crate) fn needs_person(&self) -> bool {
        match self {
            Self::Distrusted(distrust) => distrust.needs_person(),
            Self::NotTls | Self::NothingInCommon => true,
            Self::Closed | Self::Protocol(_) | Self::Network(_) => false,
        }
    }
}

impl fmt::Display for CameraTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distrusted(distrust) => write!(f, "{distrust}"),
            Self::NotTls => f.write_str(
                "the camera does not speak TLS on this port: is it plain RTSP? Then its url begins \
                 with rtsp://",
            ),
            Self::Closed => f.write_str(
                "the camera closed the connection during the TLS handshake: does it speak TLS on \
                 this port?",
            ),
            Self::NothingInCommon => f.write_str(
                "the camera and weir have no TLS in common: weir has TLS 1.2 and 1.3 with forward \
                 secrecy (ECDHE) and AES-GCM or ChaCha20",
            ),
            Self::Protocol(error) => write!(f, "TLS with the camera failed: {error}"),
            Self::Network(error) => write!(f, "the connection broke in the TLS handshake: {error}"),
        }
    }
}

impl std::error::Error for CameraTlsError {}
