//! Parsing of one media section of an offer.

use super::{OfferError, Transport, sdp, token};
use crate::limits::OFFER_H264_FORMATS_MAX;

/// The number of payload types, which have 7 bits.
const PAYLOAD_TYPES: usize = 128;
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
/// The profile-level-id if there is none (RFC 6184 section 8.1): Baseline, level 1.
const PROFILE_LEVEL_ID_DEFAULT: &str = "42000a";

/// The parts of a section that the answer needs, be it served or declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaSection<'a> {
    /// The media type: `video`, `audio`, `application`.
    pub kind: &'a str,
    /// The transport protocol, for example `UDP/TLS/RTP/SAVPF`.
    pub protocol: &'a str,
    /// The first format, which a declined section must repeat.
    pub format: &'a str,
    /// The encoding of that format if the offer has it, such as `opus/48000/2`.
    pub encoding: Option<&'a str>,
    /// The section's name (RFC 5888), if it has one.
    pub mid: Option<&'a str>,
    /// Whether it may share the served section's transport: RTP, in the BUNDLE group, with
    /// rtcp-mux.
    pub is_bundled: bool,
}

/// Feedback that a browser may send for a format (RFC 4585 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RtcpFeedback {
    /// `nack`: reports of missing packets.
    pub nack: bool,
    /// `nack pli`: requests for a key frame.
    pub pli: bool,
    /// `ccm fir`: requests for a key frame in the older form.
    pub fir: bool,
}

/// An H.264 format with packetization-mode 1 as a browser offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format<'a> {
    /// The RTP payload type of the format.
    pub payload_type: u8,
    /// The profile-level-id as a number: profile_idc, constraint flags, level_idc.
    pub profile_level_id: u32,
    /// The profile-level-id as the browser's own six digits.
    pub profile_level_text: &'a str,
    /// The feedback offered for the format.
    pub feedback: RtcpFeedback,
}

impl<'a> Format<'a> {
    /// A format with `profile_level_text`, six hex digits; other text becomes the default of RFC
    /// 6184 section 8.1.
    pub fn new(payload_type: u8, profile_level_text: &'a str) -> Self {
        let hex = profile_level_text.len() == 6
            && profile_level_text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let text = if hex { profile_level_text } else { PROFILE_LEVEL_ID_DEFAULT };
        Self {
            payload_type,
            profile_level_id: u32::from_str_radix(text, 16).expect("six hex digits"),
            profile_level_text: text,
            feedback: RtcpFeedback::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct PayloadType<'a> {
    h264: bool,
    single_nal_units_only: bool,
    profile_level_id: &'a str,
    feedback: RtcpFeedback,
}

/// A section while its lines are parsed.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) section: MediaSection<'a>,
    pub(super) transport: Transport<'a>,
    pub(super) playout_delay_id: Option<u8>,
    /// The m-line's formats, in the browser's order.
    payload_types: &'a str,
    port: &'a str,
    bundle_only: bool,
    pub(super) has_rtcp_mux: bool,
    sends: bool,
    receives: bool,
    seen: [PayloadType<'a>; PAYLOAD_TYPES],
    feedback_for_all: RtcpFeedback,
}

impl<'a> Draft<'a> {
    /// Parses an m-line without its `m=`.
    pub(super) fn new(media: &'a str) -> Result<Self, OfferError> {
        let malformed = OfferError::Malformed("m-line");
        let mut words = media.splitn(4, ' ');
        let mut word = || words.next().ok_or(malformed);
        let (kind, port, protocol, payload_types) = (word()?, word()?, word()?, word()?);
        let section = MediaSection {
            kind: token("m-line", kind)?,
            protocol: token("m-line", protocol)?,
            format: token("m-line", payload_types.split(' ').next().ok_or(malformed)?)?,
            encoding: None,
            mid: None,
            is_bundled: false,
        };
        Ok(Self {
            section,
            transport: Transport::default(),
            playout_delay_id: None,
            payload_types,
            port,
            bundle_only: false,
            has_rtcp_mux: false,
            sends: true,
            receives: true,
            seen: [PayloadType {
                // The default of RFC 6184 section 8.1.
                single_nal_units_only: true,
                ..PayloadType::default()
            }; PAYLOAD_TYPES],
            feedback_for_all: RtcpFeedback::default(),
        })
    }

    /// Parses one attribute of the section.
    pub(super) fn read(&mut self, name: &str, value: &'a str) -> Result<(), OfferError> {
        match name {
            "mid" => self.section.mid = Some(token("a=mid", value)?),
            "bundle-only" => self.bundle_only = true,
            "rtcp-mux" => self.has_rtcp_mux = true,
            "sendrecv" => (self.sends, self.receives) = (true, true),
            "sendonly" => (self.sends, self.receives) = (true, false),
            "recvonly" => (self.sends, self.receives) = (false, true),
            "inactive" => (self.sends, self.receives) = (false, false),
            "rtpmap" => {
                let of_first = value.strip_prefix(self.section.format);
                if let Some(encoding) = of_first.and_then(|rest| rest.strip_prefix(' ')) {
                    self.section.encoding = sdp::token(encoding.trim()).ok();
                }
                if let Some((format, encoding)) = self.payload_type(value) {
                    format.h264 = encoding.eq_ignore_ascii_case("H264/90000");
                }
            }
            "fmtp" => {
                if let Some((format, parameters)) = self.payload_type(value) {
                    format.read_parameters(parameters);
                }
            }
            "rtcp-fb" => self.read_feedback(value),
            "extmap" => self.read_extension(value),
            _ => self.transport.read(name, value)?,
        }
        Ok(())
    }

    pub(super) fn is_video(&self) -> bool {
        self.section.kind == "video" && self.is_wanted()
    }

    /// Whether the section is not disabled by the offer itself.
    fn is_wanted(&self) -> bool {
        self.port != "0" || self.bundle_only
    }

    /// The section, with `is_bundled` set by the names in the BUNDLE group.
    pub(super) fn in_bundle(&self, bundle: &str) -> MediaSection<'a> {
        let is_named = |mid| bundle.split(' ').any(|name| name == mid);
        let is_rtp = self.section.protocol.contains("RTP/");
        let is_bundled = is_rtp
            && self.is_wanted()
            && self.has_rtcp_mux
            && self.section.mid.is_some_and(is_named);
        MediaSection { is_bundled, ..self.section }
    }

    /// Whether a format of the m-line is H.264 in any packetization.
    pub(super) fn has_h264(&self) -> bool {
        let types = self.payload_types.split(' ').filter_map(|number| number.parse().ok());
        types.filter_map(|number: usize| self.seen.get(number)).any(|seen| seen.h264)
    }

    pub(super) fn receives(&self) -> bool {
        self.receives
    }

    pub(super) fn direction(&self) -> &'static str {
        match (self.sends, self.receives) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    /// The H.264 formats with packetization-mode 1, in the m-line's order, each payload type once.
    pub(super) fn h264_formats(&self) -> heapless::Vec<Format<'a>, OFFER_H264_FORMATS_MAX> {
        let mut formats = heapless::Vec::<Format<'a>, OFFER_H264_FORMATS_MAX>::new();
        for number in self.payload_types.split(' ') {
            let Ok(payload_type) = number.parse::<u8>() else {
                continue;
            };
            let Some(seen) = self.seen.get(usize::from(payload_type)) else {
                continue;
            };
            let known = formats.iter().any(|format| format.payload_type == payload_type);
            if !seen.h264 || seen.single_nal_units_only || known {
                continue;
            }
            let all = self.feedback_for_all;
            let format = Format {
                feedback: RtcpFeedback {
                    nack: seen.feedback.nack || all.nack,
                    pli: seen.feedback.pli || all.pli,
                    fir: seen.feedback.fir || all.fir,
                },
                ..Format::new(payload_type, seen.profile_level_id)
            };
            if formats.push(format).is_err() {
                break;
            }
        }
        formats
    }

    /// The payload type that an attribute is for, and the rest of the attribute.
    fn payload_type(&mut self, value: &'a str) -> Option<(&mut PayloadType<'a>, &'a str)> {
        let (number, rest) = value.split_once(' ')?;
        let number: usize = number.parse().ok()?;
        Some((self.seen.get_mut(number)?, rest.trim()))
    }

    fn read_feedback(&mut self, value: &'a str) {
        let (feedback, kind) = match value.strip_prefix("* ") {
            Some(kind) => (&mut self.feedback_for_all, kind.trim()),
            None => match self.payload_type(value) {
                Some((format, kind)) => (&mut format.feedback, kind),
                None => return,
            },
        };
        match kind {
            "nack" => feedback.nack = true,
            "nack pli" => feedback.pli = true,
            "ccm fir" => feedback.fir = true,
            _ => {}
        }
    }

    fn read_extension(&mut self, value: &str) {
        let Some((id, uri)) = value.split_once(' ') else {
            return;
        };
        // `5` or `5/recvonly`; one-byte headers have ids 1 to 14 (RFC 8285 section 4.2).
        let id = id.split('/').next().and_then(|id| id.parse().ok());
        if uri.trim() == PLAYOUT_DELAY {
            self.playout_delay_id = id.filter(|id| (1..=14).contains(id));
        }
    }
}

impl<'a> PayloadType<'a> {
    fn read_parameters(&mut self, parameters: &'a str) {
        for parameter in parameters.split(';') {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            let name = name.trim();
            if name.eq_ignore_ascii_case("packetization-mode") {
                self.single_nal_units_only = value.trim() != "1";
            } else if name.eq_ignore_ascii_case("profile-level-id") {
                self.profile_level_id = value.trim();
            }
        }
    }
}
