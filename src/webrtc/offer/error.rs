//! Why an offer is not answered.

use crate::limits::{OFFER_BYTES_MAX, OFFER_MEDIA_MAX, OFFER_TOKEN_BYTES_MAX};

/// Why an offer is not answered, in words for the one who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferError {
    /// Over [`OFFER_BYTES_MAX`].
    TooLarge {
        /// The offer's size.
        bytes: usize,
    },
    /// Over [`OFFER_MEDIA_MAX`].
    TooManyMedia {
        /// The offer's media sections.
        count: usize,
    },
    /// A word over [`OFFER_TOKEN_BYTES_MAX`].
    TokenTooLong {
        /// Which.
        what: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// It does not begin with `v=0`.
    NoSdp,
    /// An attribute that must be understood is not.
    Malformed(&'static str),
    /// An attribute that must be there is not.
    Missing(&'static str),
    /// The offerer is ICE-lite as weir is: neither would send checks (RFC 8445 section 6.1.1).
    IceLite,
    /// The offerer wants to be the DTLS server, which weir is.
    SetupPassive,
    /// No video section, or only rejected ones.
    NoVideo,
    /// The video section does not receive: it is `sendonly` or `inactive`.
    NotReceiving(&'static str),
    /// No H.264.
    NoH264,
    /// H.264 in single NAL units alone: a key frame would be a datagram of many kilobytes.
    NoFragments,
    /// Media and reports on two ports, and weir has one (RFC 8834 section 4.5).
    NoRtcpMux,
    /// The certificate's fingerprint is there, but by another hash than SHA-256.
    OtherHash,
    /// weir has no address to be reached at: the fault is ours.
    NoCandidate,
}

impl OfferError {
    /// Whether the offer is well made and asks for something weir does not do.
    pub fn is_unsupported(self) -> bool {
        matches!(
            self,
            Self::IceLite
                | Self::SetupPassive
                | Self::NoVideo
                | Self::NotReceiving(_)
                | Self::NoH264
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
