//! Parsing of one media section of an offer.

use super::{OfferError, Transport, sdp, token};
use crate::codec::{Codec, HevcProfile};
use crate::limits::{OFFER_FORMATS_MAX, OFFER_TOKEN_BYTES_MAX};
use crate::sound::SoundCodec;

/// The number of payload types, which have 7 bits.
const PAYLOAD_TYPES: usize = 128;
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
/// Payload types of sound that are told apart: each codec, and each static payload type.
const SOUNDS_NAMED_MAX: usize = 2 * SoundCodec::ALL.len();
/// The profile-level-id if there is none (RFC 6184 section 8.1): Baseline, level 1.
const PROFILE_LEVEL_ID_DEFAULT: &str = "42000a";
/// The profile of H.265 if there is none (RFC 7798 section 7.1): Main, Main tier, level 3.1.
const HEVC_DEFAULT: HevcProfile = HevcProfile { profile_id: 1, is_high_tier: false, level_id: 93 };

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

/// A format as a browser offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format<'a> {
    /// The RTP payload type of the format.
    pub payload_type: u8,
    /// What the browser decodes.
    pub decoder: Decoder<'a>,
    /// The feedback offered for the format.
    pub feedback: RtcpFeedback,
}

/// A header extension (RFC 8285) that a browser takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Its number in the packets' headers.
    pub id: u8,
    /// The browser's own words say that it takes and does not send it; the answer says the reverse.
    pub is_received_only: bool,
}

/// What a browser decodes by the parameters of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder<'a> {
    /// H.264 with packetization-mode 1.
    H264 {
        /// The profile-level-id as a number: profile_idc, constraint flags, level_idc.
        profile_level_id: u32,
        /// The profile-level-id as the browser's own six digits.
        profile_level_text: &'a str,
        /// What is sent may have another level than what is received (`level-asymmetry-allowed`).
        allows_asymmetry: bool,
    },
    /// H.265 in one stream.
    H265 {
        /// The profile, tier and level, with the defaults of RFC 7798 section 7.1.
        profile: HevcProfile,
        /// The level is the browser's word, not a default.
        has_level: bool,
        /// The parameters in the browser's own words, which the answer repeats.
        parameters: &'a str,
    },
}

impl<'a> Decoder<'a> {
    /// H.264 with the profile-level-id `text`, six hex digits; other text becomes the default of
    /// RFC 6184 section 8.1.
    pub fn h264(text: &'a str, allows_asymmetry: bool) -> Self {
        let hex = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let text = if hex { text } else { PROFILE_LEVEL_ID_DEFAULT };
        let profile_level_id = u32::from_str_radix(text, 16).expect("six hex digits");
        Self::H264 { profile_level_id, profile_level_text: text, allows_asymmetry }
    }

    /// H.265 with these parameters of its fmtp; `None` for what weir cannot send or repeat.
    pub fn h265(parameters: &'a str) -> Option<Self> {
        let is_repeatable = parameters.len() <= OFFER_TOKEN_BYTES_MAX
            && parameters.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let number = |name, default: u8| match parameter(parameters, name) {
            Some(value) => value.parse().ok(),
            None => Some(default),
        };
        let is_single_stream =
            parameter(parameters, "tx-mode").is_none_or(|mode| mode.eq_ignore_ascii_case("SRST"));
        if !is_repeatable || !is_single_stream || number("profile-space", 0)? != 0 {
            return None;
        }
        let profile = HevcProfile {
            profile_id: number("profile-id", HEVC_DEFAULT.profile_id)?,
            is_high_tier: number("tier-flag", u8::from(HEVC_DEFAULT.is_high_tier))? > 0,
            level_id: number("level-id", HEVC_DEFAULT.level_id)?,
        };
        let has_level = parameter(parameters, "level-id").is_some();
        Some(Self::H265 { profile, has_level, parameters })
    }
}

/// Whether RTP of this payload type cannot be taken for RTCP on the same port (RFC 5761 section 4).
fn is_told_from_rtcp(payload_type: u8) -> bool {
    !(64..=95).contains(&payload_type)
}

/// The value of a parameter in an fmtp line.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (of, value) = parameter.split_once('=')?;
        of.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// What is known of a payload type.
#[derive(Debug, Clone, Copy, Default)]
struct PayloadType<'a> {
    codec: Option<Codec>,
    /// The text of its fmtp line.
    parameters: &'a str,
    feedback: RtcpFeedback,
}

impl<'a> PayloadType<'a> {
    /// What the browser decodes by it, if weir can send that.
    fn decoder(&self) -> Option<Decoder<'a>> {
        match self.codec? {
            Codec::H264 => {
                // The default of RFC 6184 section 8.1 is 0, single NAL units.
                let mode = parameter(self.parameters, "packetization-mode");
                let profile = parameter(self.parameters, "profile-level-id").unwrap_or_default();
                let asymmetry = parameter(self.parameters, "level-asymmetry-allowed");
                (mode == Some("1")).then(|| Decoder::h264(profile, asymmetry == Some("1")))
            }
            Codec::H265 => Decoder::h265(self.parameters),
        }
    }
}

/// A section while its lines are parsed.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) section: MediaSection<'a>,
    pub(super) transport: Transport<'a>,
    pub(super) playout_delay: Option<Extension>,
    /// The m-line's formats, in the browser's order.
    payload_types: &'a str,
    port: &'a str,
    bundle_only: bool,
    pub(super) has_rtcp_mux: bool,
    sends: bool,
    receives: bool,
    seen: [PayloadType<'a>; PAYLOAD_TYPES],
    feedback_for_all: RtcpFeedback,
    /// The payload types of sound that have a name: that of a codec that weir passes on, or another
    /// one where the number is a static payload type.
    sound: heapless::Vec<(u8, Option<SoundCodec>), SOUNDS_NAMED_MAX>,
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
            playout_delay: None,
            payload_types,
            port,
            bundle_only: false,
            has_rtcp_mux: false,
            sends: true,
            receives: true,
            seen: [PayloadType::default(); PAYLOAD_TYPES],
            feedback_for_all: RtcpFeedback::default(),
            sound: heapless::Vec::new(),
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
                self.read_sound(value);
                if let Some((format, encoding)) = self.payload_type(value) {
                    let codec = [Codec::H264, Codec::H265].into_iter().find(|codec| {
                        let name = encoding.strip_suffix("/90000");
                        name.is_some_and(|name| name.eq_ignore_ascii_case(codec.name()))
                    });
                    format.codec = codec;
                }
            }
            "fmtp" => {
                if let Some((format, parameters)) = self.payload_type(value) {
                    format.parameters = parameters;
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
        types
            .filter_map(|number: usize| self.seen.get(number))
            .any(|seen| seen.codec == Some(Codec::H264))
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

    /// The formats that weir can send, in the m-line's order, each payload type once.
    pub(super) fn formats(&self) -> heapless::Vec<Format<'a>, OFFER_FORMATS_MAX> {
        let mut formats = heapless::Vec::<Format<'a>, OFFER_FORMATS_MAX>::new();
        for number in self.payload_types.split(' ') {
            let Ok(payload_type) = number.parse::<u8>() else {
                continue;
            };
            if !is_told_from_rtcp(payload_type) {
                continue;
            }
            let Some(seen) = self.seen.get(usize::from(payload_type)) else {
                continue;
            };
            if formats.iter().any(|format| format.payload_type == payload_type) {
                continue;
            }
            let Some(decoder) = seen.decoder() else { continue };
            let all = self.feedback_for_all;
            let feedback = RtcpFeedback {
                nack: seen.feedback.nack || all.nack,
                pli: seen.feedback.pli || all.pli,
                fir: seen.feedback.fir || all.fir,
            };
            let format = Format { payload_type, decoder, feedback };
            if formats.push(format).is_err() {
                break;
            }
        }
        formats
    }

    /// The payload type of a codec of sound; `None` if the section is not one that receives it on
    /// the served section's transport, given the names in the BUNDLE group.
    pub(super) fn sound_format(&self, codec: SoundCodec, bundle: &str) -> Option<u8> {
        let is_wanted = self.section.kind == "audio" && self.is_wanted() && self.receives;
        if !is_wanted || !self.in_bundle(bundle).is_bundled {
            return None;
        }
        let named = |number: u8| self.sound.iter().find(|(known, _)| *known == number);
        let numbers = self.payload_types.split(' ').filter_map(|number| number.parse::<u8>().ok());
        numbers.filter(|number| *number < 128 && is_told_from_rtcp(*number)).find(|number| {
            match named(*number) {
                Some((_, known)) => *known == Some(codec),
                None => SoundCodec::of_payload_type(*number) == Some(codec),
            }
        })
    }

    fn read_sound(&mut self, value: &str) {
        let Some((number, encoding)) = value.split_once(' ') else { return };
        let Ok(number) = number.parse() else { return };
        let codec = SoundCodec::of_encoding(encoding);
        if codec.is_some() || SoundCodec::of_payload_type(number).is_some() {
            // Browsers offer each codec once; of more the first ones count.
            let _ = self.sound.push((number, codec));
        }
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
        if uri.trim() != PLAYOUT_DELAY {
            return;
        }
        let (id, direction) = id.split_once('/').unwrap_or((id, "sendrecv"));
        // One-byte headers have ids 1 to 14 (RFC 8285 section 4.2).
        let id = id.parse().ok().filter(|id| (1..=14).contains(id));
        let is_received_only = direction == "recvonly";
        let is_received = is_received_only || direction == "sendrecv";
        self.playout_delay =
            id.filter(|_| is_received).map(|id| Extension { id, is_received_only });
    }
}
