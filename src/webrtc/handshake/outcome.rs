//! What comes of a handshake.

use std::net::SocketAddr;

use str0m::RtcError;

use crate::limits::{CLOSE_NOTIFY_BYTES_MAX, FLIGHT_BYTES_MAX, HANDSHAKE_US_MAX};
use crate::mem::accounts::OverBudget;
use crate::webrtc::provider::{MediaKeys, Refusal};

/// What [`super::Handshake::poll`] wants done.
#[derive(Debug)]
pub enum Progress {
    /// Send this, then poll again.
    Transmit {
        /// The browser's address.
        to: SocketAddr,
        /// The one of our candidates to send from.
        from: SocketAddr,
        /// STUN or DTLS.
        datagram: Vec<u8>,
    },
    /// Nothing until a datagram comes or this moment does.
    Wait {
        /// In [`crate::clock::now_us`] microseconds.
        deadline_us: u64,
    },
    /// Done, and said once. Drop the handshake.
    Connected(Box<Connected>),
    /// Over, and said once. Drop the handshake.
    Failed(Failure),
}

/// All that a session keeps of its handshake.
#[derive(Debug)]
pub struct Connected {
    /// The media keys.
    pub keys: MediaKeys,
    /// Where the browser is.
    pub remote: SocketAddr,
    /// The candidate of ours that it chose.
    pub local: SocketAddr,
    /// Our last DTLS flight as one datagram, to send again while the browser repeats its own.
    pub flight: heapless::Vec<u8, FLIGHT_BYTES_MAX>,
    /// The datagram that tells the browser of the session's end.
    pub close_notify: heapless::Vec<u8, CLOSE_NOTIFY_BYTES_MAX>,
}

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// weir will not serve it without AES-GCM; it was told by an alert.
    Refused(Refusal),
    /// Its certificate is not the one its offer announced.
    Fingerprint,
    /// DTLS broke down, in the library's words.
    Dtls(String),
    /// The browser closed it.
    Closed,
    /// [`HANDSHAKE_US_MAX`] is over.
    TimedOut,
    /// It holds more memory than it may.
    OverBudget(OverBudget),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Fingerprint => write!(f, "certificate does not match the offer's fingerprint"),
            Self::Dtls(reason) => write!(f, "DTLS failed: {reason}"),
            Self::OverBudget(over) => write!(f, "it took {over}"),
            Self::Closed => write!(f, "closed by the browser during the handshake"),
            Self::TimedOut => {
                write!(f, "no connection within {} s", HANDSHAKE_US_MAX / 1_000_000)
            }
        }
    }
}

impl Failure {
    pub(super) fn of(error: &RtcError) -> Self {
        match error {
            // str0m's only complaint about a description, once it has got one.
            RtcError::RemoteSdp(_) => Self::Fingerprint,
            other => Self::Dtls(other.to_string()),
        }
    }
}
