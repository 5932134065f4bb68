//! Errors of offers.

use crate::codec::HevcProfile;
use crate::limits::{OFFER_BYTES_MAX, OFFER_MEDIA_MAX, OFFER_TOKEN_BYTES_MAX};

/// Why an offer is refused, with a text for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferError {
    /// The offer has more than [`OFFER_BYTES_MAX`] bytes.
    TooLarge {
        /// The offer's size in bytes.
        bytes: usize,
    },
    /// The offer has more than [`OFFER_MEDIA_MAX`] media sections.
    TooManyMedia {
        /// The number of media sections.
        count: usize,
    },
    /// A word is longer than [`OFFER_TOKEN_BYTES_MAX`].
    TokenTooLong {
        /// The kind of word, such as `a=mid`.
        what: &'static str,
        /// The word's size in bytes.
        bytes: usize,
    },
    /// The text does not begin with `v=0`.
    NoSdp,
    /// An attribute or line that weir needs cannot be parsed; its name.
    Malformed(&'static str),
    /// A required attribute is missing; its name.
    Missing(&'static str),
    /// The offerer is ICE-lite as weir is: neither would send checks (RFC 8445 section 6.1.1).
    IceLite,
    /// The offerer wants to be the DTLS server, but weir is that.
    SetupPassive,
    /// No video section, or only rejected ones.
    NoVideo,
    /// The video section does not receive: it is `sendonly` or `inactive`.
    NotReceiving(&'static str),
    /// The camera sends H.264, and no section for video has it.
    NoH264,
    /// The camera sends H.265, and no section for video has it.
    NoH265,
    /// The camera sends H.265 of this profile and level, and what is offered does not suffice.
    HevcProfile(HevcProfile),
    /// H.264 only as single NAL units: a key frame would be a datagram of many kilobytes.
    NoFragments,
    /// Media and reports on two ports; weir has one (RFC 8834 section 4.5).
    NoRtcpMux,
    /// The certificate's fingerprint is by another hash than SHA-256.
    OtherHash,
    /// weir has no address to offer. The fault is not the client's.
    NoCandidate,
}

impl OfferError {
    /// Whether the offer is well-formed but asks for something that weir does not do.
    pub fn is_unsupported(self) -> bool {
        matches!(
            self,
            Self::IceLite
                | Self::SetupPassive
                | Self::NoVideo
                | Self::NotReceiving(_)
                | Self::NoH264
                | Self::NoH265
                | Self::HevcProfile(_)
                | Self::NoFragments
                | Self::NoRtcpMux
                | Self::OtherHash
        )
    }
}

impl std::fmt::Display for OfferError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "offer of {bytes} bytes, max {OFFER_BYTES_MAX}")
            }
            Self::TooManyMedia { count } => {
                write!(f, "offer of {count} media sections, max {OFFER_MEDIA_MAX}")
            }
            Self::TokenTooLong { what, bytes } => {
                write!(f, "{what} of {bytes} bytes in offer, max {OFFER_TOKEN_BYTES_MAX}")
            }
            Self::NoSdp => write!(f, "the offer is not SDP: it does not begin with v=0"),
            Self::Malformed(what) => write!(f, "malformed {what} in offer"),
            Self::Missing(what) => write!(f, "no {what} in offer"),
            Self::IceLite => write!(f, "the offerer is ice-lite, and so is weir"),
            Self::SetupPassive => write!(f, "setup:passive in offer, it must be actpass or active"),
            Self::NoVideo => write!(f, "no video in offer"),
            Self::NotReceiving(direction) => {
                write!(f, "video is {direction} in offer, it must be recvonly or sendrecv")
            }
            Self::NoH264 => write!(f, "this browser offers no H.264"),
            Self::NoH265 => write!(
                f,
                "this browser offers no H.265: set the camera's sub stream to H.264, or use Safari \
                 or a Chrome with hardware decoding"
            ),
            Self::HevcProfile(profile) => write!(
                f,
                "this browser's H.265 does not reach what the camera sends ({profile}): set the \
                 camera's stream to less, or to H.264"
            ),
            Self::NoFragments => {
                write!(f, "h.264 in offer lacks packetization-mode=1 in its a=fmtp")
            }
            Self::NoRtcpMux => {
                write!(f, "no a=rtcp-mux in offer, and weir has one port for media and reports")
            }
            Self::OtherHash => write!(f, "a=fingerprint in offer is not by sha-256"),
            Self::NoCandidate => write!(f, "weir has no address to offer"),
        }
    }
}

impl std::error::Error for OfferError {}
