//! What a player asks of signalling, and what it is told.

use std::net::{IpAddr, SocketAddr};

use crate::access::Owner;
use crate::diagnosis::SessionFindings;
use crate::status::SkipReason;

/// What a browser's POST asks for.
#[derive(Debug)]
pub struct OfferRequest {
    /// Whose the session is going to be.
    pub owner: Owner,
    /// The camera's name, from the path.
    pub camera: String,
    /// The SDP offer, already bounded by [`crate::limits::OFFER_BYTES_MAX`].
    pub sdp: String,
    /// Where the HTTP request came from.
    pub peer: SocketAddr,
    /// Whom it counts as ([`crate::access::client`]).
    pub client: IpAddr,
    /// The address it asked: the first candidate of the answer.
    pub asked: IpAddr,
}

/// A session was made.
#[derive(Debug)]
pub struct OfferAnswer {
    /// The SDP answer, as text.
    pub sdp: String,
    /// The secret part of the session's URL: 32 hex digits.
    pub secret: String,
    /// The strong ETag of its ICE credentials, without quotes.
    pub etag: String,
}

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferRefusal {
    /// The user, token or login is over, and why: 401.
    NotLetIn(&'static str),
    /// No camera of that name: 404.
    UnknownCamera,
    /// The camera is down or has shown no parameter sets yet: 409 with Retry-After.
    NotReady {
        /// In words.
        reason: String,
        /// When to ask again.
        retry_after_s: u32,
    },
    /// The offer is malformed or over a limit: 400 with what is wrong.
    BadOffer(String),
    /// The offer has nothing we can serve (no H.264): 422 with what is missing.
    Unsupported(String),
    /// A table is full or the queue too slow: 503 with Retry-After.
    Full {
        /// What is full, and its bound.
        reason: String,
        /// When to ask again.
        retry_after_s: u32,
    },
}

/// What a player's PATCH asks for.
#[derive(Debug)]
pub struct Patch {
    /// The secret part of the session's URL.
    pub secret: String,
    /// Which ICE credentials it is about.
    pub if_match: IfMatch,
    /// The SDP fragment, already bounded by [`crate::limits::OFFER_BYTES_MAX`].
    pub fragment: String,
    /// The address it asked: the first candidate of the answer.
    pub asked: IpAddr,
}

/// The condition of a request (RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// There is none.
    Absent,
    /// `*`: whatever the session's ETag is.
    Any,
    /// One of these strong ETags, without quotes.
    Tags(Vec<String>),
}

impl IfMatch {
    /// Whether a session with this ETag is meant.
    pub fn admits(&self, etag: &str) -> bool {
        match self {
            Self::Absent | Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}

/// What came of a PATCH.
#[derive(Debug, PartialEq, Eq)]
pub enum Patched {
    /// Candidates were taken note of: nothing changed.
    Unchanged,
    /// The session has new ICE credentials.
    Restarted {
        /// The answer's SDP fragment.
        fragment: String,
        /// The strong ETag of the new credentials, without quotes.
        etag: String,
    },
}

/// Why a PATCH changed nothing. The session lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatchRefusal {
    /// No such session: 404.
    NoSession,
    /// The fragment is malformed or over a limit: 400 with what is wrong.
    BadFragment(String),
    /// The session has another ETag: 412.
    Unmatched,
    /// A restart must say which credentials it replaces: 428.
    Unconditional,
    /// The handshake of the session is not over: 409 with Retry-After.
    Handshake,
    /// The last restart was a moment ago: 429 with Retry-After.
    TooSoon,
    /// The media thread is behind with its commands: 503 with Retry-After.
    Behind,
}

/// A session as `/api/sessions` shows it; its URL stays a secret.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SessionStatus {
    /// A public number, unique since the start.
    pub id: u64,
    /// The name of its camera.
    pub camera: String,
    /// `handshake`, `live` or `ended`.
    pub state: &'static str,
    /// Why it ended; absent while it has not.
    pub reason: Option<String>,
    /// The browser's media address, once known.
    pub address: Option<String>,
    /// `AEAD_AES_256_GCM` or `AEAD_AES_128_GCM`, once known.
    pub cipher: Option<&'static str>,
    /// Time since the POST, in milliseconds.
    pub age_ms: u64,
    /// RTP packets sent, resends not counted.
    pub packets: u64,
    /// Payload bytes of these packets.
    pub bytes: u64,
    /// RTP packets of sound sent.
    pub sound_packets: u64,
    /// Payload bytes of these packets.
    pub sound_bytes: u64,
    /// Packets sent again after a NACK.
    pub resends: u64,
    /// NACKed packets that could not be sent again.
    pub resends_refused: u64,
    /// PLI and FIR received.
    pub key_frame_requests: u64,
    /// Skips to a key frame.
    pub skips: u64,
    /// The same by their [`SkipReason`].
    pub skips_by_reason: SkipsByReason,
    /// Loss by the last receiver report, percent.
    pub loss_percent: f64,
    /// Round-trip time by the last receiver report.
    pub round_trip_ms: Option<f64>,
    /// What is wrong with it.
    pub findings: SessionFindings,
}

/// How often a viewer skipped to a later key frame, for each reason that there is.
#[derive(Debug, Clone, Copy, Default)]
pub struct SkipsByReason(pub [u32; SkipReason::NAMES.len()]);

impl SkipsByReason {
    /// Skips for whatever reason.
    pub fn sum(self) -> u64 {
        self.0.into_iter().map(u64::from).sum()
    }
}

impl serde::Serialize for SkipsByReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(SkipReason::NAMES.iter().zip(self.0))
    }
}
