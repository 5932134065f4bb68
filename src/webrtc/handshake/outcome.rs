//! The results of polling a handshake.

use std::net::SocketAddr;

use str0m::RtcError;

use crate::limits::{CLOSE_NOTIFY_BYTES_MAX, FLIGHT_BYTES_MAX, HANDSHAKE_US_MAX};
use crate::mem::accounts::OverBudget;
use crate::webrtc::provider::{MediaKeys, SrtpRefusal};

/// What the caller of [`super::Handshake::poll`] has to do.
#[derive(Debug)]
pub enum Progress {
    /// Send the datagram, then poll again.
    Transmit {
        /// Where the browser's media goes.
        to: SocketAddr,
        /// Our candidate to send from.
        from: SocketAddr,
        /// A STUN or DTLS datagram.
        datagram: Vec<u8>,
    },
    /// Wait for a datagram or for the deadline.
    Wait {
        /// Microseconds as of [`crate::clock::now_us`].
        deadline_us: u64,
    },
    /// The handshake is done; returned once. Drop the handshake.
    Connected(Box<Connected>),
    /// The handshake failed; returned once. Drop the handshake.
    Failed(Failure),
}

/// Everything that a session keeps of its handshake.
#[derive(Debug)]
pub struct Connected {
    /// Master keys and salts of the media.
    pub keys: MediaKeys,
    /// Where the browser's media goes.
    pub remote: SocketAddr,
    /// Our candidate that the browser chose.
    pub local: SocketAddr,
    /// Our last DTLS flight as one datagram, to send again while the browser repeats its own.
    pub flight: heapless::Vec<u8, FLIGHT_BYTES_MAX>,
    /// The sealed datagram that tells the browser that the session ends.
    pub close_notify: heapless::Vec<u8, CLOSE_NOTIFY_BYTES_MAX>,
}

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The browser has no AES-GCM for its media; a DTLS alert was sent to it.
    Refused(SrtpRefusal),
    /// The browser's certificate does not match the fingerprint in its offer.
    Fingerprint,
    /// DTLS failed; the text is the library's.
    Dtls(String),
    /// The browser closed the connection.
    Closed,
    /// The handshake took longer than [`HANDSHAKE_US_MAX`].
    TimedOut,
    /// The handshake exceeded its memory budget.
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
            // str0m's only error about a remote description that it has got.
            RtcError::RemoteSdp(_) => Self::Fingerprint,
            other => Self::Dtls(other.to_string()),
        }
    }
}
