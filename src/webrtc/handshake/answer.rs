//! The SDP answer: one video section is served, and one with sound if the camera's is offered; all
//! others are declined.
//!
//! A declined section that shares the served one's transport (BUNDLE) is `inactive` and describes
//! that transport: GStreamer's webrtcbin and aiortc read the transport from the first section, and
//! refuse an answer whose first section is rejected by port zero. Any other declined section has
//! port zero.
//!
//! weir writes the answer itself, and str0m never sees the offer. All but a dozen values of it are
//! fixed. str0m's SDP session would take 30 KB and a parser for hostile text.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::codec::Codec;
use crate::limits::OFFER_MEDIA_MAX;
use crate::sound::SoundCodec;
use crate::webrtc::offer::{Decoder, Extension, Format, MediaSection, Offer, SoundFormat};
use crate::webrtc::sdp::write_ice;

/// The stream and track in the browser's `track` event. Picture and sound are of one stream, so
/// that the browser keeps them together.
const MSID: &str = "weir video";
const SOUND_MSID: &str = "weir audio";
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// The values of an answer.
#[derive(Debug)]
pub(super) struct AnswerText<'a> {
    pub(super) offer: &'a Offer<'a>,
    pub(super) format: &'a Format<'a>,
    pub(super) fingerprint: &'a str,
    pub(super) ufrag: &'a str,
    pub(super) password: &'a str,
    pub(super) candidates: &'a [SocketAddr],
    pub(super) ssrc: u32,
    pub(super) sound: Option<SoundAnswer>,
    pub(super) resend: bool,
}

/// The sound that is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoundAnswer {
    pub(super) format: SoundFormat,
    pub(super) codec: SoundCodec,
    pub(super) ssrc: u32,
}

impl AnswerText<'_> {
    /// Writes the answer as SDP.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(1024);
        self.write(&mut text).expect("writing into a string does not fail");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let served = &self.offer.sections[self.offer.video];
        write!(text, "v=0\r\no=- {} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", self.ssrc)?;
        if served.is_bundled {
            self.write_group(text)?;
        }
        write!(text, "a=msid-semantic: WMS weir\r\na=ice-lite\r\n")?;
        for (index, section) in self.offer.sections.iter().enumerate() {
            let sound = self.sound.filter(|sound| sound.format.section == index);
            if index == self.offer.video {
                self.write_served(text, section)?;
            } else if let Some(sound) = sound {
                self.write_sound(text, section, sound)?;
            } else if section.is_bundled && served.is_bundled {
                self.write_inactive(text, section)?;
            } else {
                write_rejected(text, section)?;
            }
        }
        Ok(())
    }

    /// Writes the BUNDLE group in the offer's order: the first of it is whose transport is used, as
    /// in the offer (RFC 9143 section 7.3.2).
    fn write_group(&self, text: &mut String) -> std::fmt::Result {
        write!(text, "a=group:BUNDLE")?;
        let mut left: heapless::Vec<&MediaSection<'_>, OFFER_MEDIA_MAX> =
            self.offer.sections.iter().filter(|section| section.is_bundled).collect();
        for mid in self.offer.bundle.split(' ') {
            // A group may name a section again and again.
            if let Some(at) = left.iter().position(|section| section.mid == Some(mid)) {
                left.swap_remove(at);
                write!(text, " {mid}")?;
            }
        }
        write!(text, "\r\n")
    }

    fn write_served(&self, text: &mut String, section: &MediaSection<'_>) -> std::fmt::Result {
        let payload_type = self.format.payload_type;
        write!(text, "m=video 9 {} {payload_type}\r\n", section.protocol)?;
        write!(text, "c=IN IP4 0.0.0.0\r\n")?;
        self.write_transport(text)?;
        write_mid(text, section)?;
        if let Some(Extension { id, is_received_only }) = self.offer.playout_delay {
            let direction = if is_received_only { "/sendonly" } else { "" };
            write!(text, "a=extmap:{id}{direction} {PLAYOUT_DELAY}\r\n")?;
        }
        write!(text, "a=sendonly\r\na=msid:{MSID}\r\na=rtcp-mux\r\n")?;
        let codec = match self.format.decoder {
            Decoder::H264 { .. } => Codec::H264,
            Decoder::H265 { .. } => Codec::H265,
        };
        write!(text, "a=rtpmap:{payload_type} {}/90000\r\n", codec.name())?;
        let feedback = self.format.feedback;
        for (kind, agreed) in [
            ("nack", feedback.nack && self.resend),
            ("nack pli", feedback.pli),
            ("ccm fir", feedback.fir),
        ] {
            if agreed {
                write!(text, "a=rtcp-fb:{payload_type} {kind}\r\n")?;
            }
        }
        match self.format.decoder {
            Decoder::H264 { profile_level_text, allows_asymmetry, .. } => {
                let asymmetry = if allows_asymmetry { "level-asymmetry-allowed=1;" } else { "" };
                write!(
                    text,
                    "a=fmtp:{payload_type} {asymmetry}packetization-mode=1;\
                     profile-level-id={profile_level_text}\r\n",
                )?;
            }
            Decoder::H265 { parameters: "", .. } => {}
            Decoder::H265 { parameters, .. } => {
                write!(text, "a=fmtp:{payload_type} {parameters}\r\n")?;
            }
        }
        let ssrc = self.ssrc;
        write!(text, "a=ssrc:{ssrc} cname:weir\r\na=ssrc:{ssrc} msid:{MSID}\r\n")
    }

    fn write_sound(
        &self,
        text: &mut String,
        section: &MediaSection<'_>,
        sound: SoundAnswer,
    ) -> std::fmt::Result {
        let SoundAnswer { format: SoundFormat { payload_type, .. }, codec, ssrc } = sound;
        write!(text, "m=audio 9 {} {payload_type}\r\nc=IN IP4 0.0.0.0\r\n", section.protocol)?;
        self.write_transport(text)?;
        write_mid(text, section)?;
        write!(text, "a=sendonly\r\na=msid:{SOUND_MSID}\r\na=rtcp-mux\r\n")?;
        write!(text, "a=rtpmap:{payload_type} {}\r\n", codec.encoding())?;
        write!(text, "a=ssrc:{ssrc} cname:weir\r\na=ssrc:{ssrc} msid:{SOUND_MSID}\r\n")
    }

    /// Writes a section without media on the served section's transport.
    fn write_inactive(&self, text: &mut String, section: &MediaSection<'_>) -> std::fmt::Result {
        let MediaSection { kind, protocol, format, .. } = section;
        write!(text, "m={kind} 9 {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\n")?;
        self.write_transport(text)?;
        write_mid(text, section)?;
        write!(text, "a=inactive\r\na=rtcp-mux\r\n")?;
        match section.encoding {
            Some(encoding) => write!(text, "a=rtpmap:{format} {encoding}\r\n"),
            None => Ok(()),
        }
    }

    fn write_transport(&self, text: &mut String) -> std::fmt::Result {
        write_ice(text, self.candidates, self.ufrag, self.password)?;
        // A browser may send candidates later; they are accepted and not used.
        write!(text, "a=ice-options:trickle\r\n")?;
        write!(text, "a=fingerprint:sha-256 {}\r\na=setup:passive\r\n", self.fingerprint)
    }
}

/// Writes a section without transport (RFC 3264 section 6): port zero, and not in the BUNDLE group.
fn write_rejected(text: &mut String, section: &MediaSection<'_>) -> std::fmt::Result {
    let MediaSection { kind, protocol, format, .. } = section;
    write!(text, "m={kind} 0 {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\n")?;
    write_mid(text, section)?;
    write!(text, "a=inactive\r\n")
}

fn write_mid(text: &mut String, section: &MediaSection<'_>) -> std::fmt::Result {
    match section.mid {
        Some(mid) => write!(text, "a=mid:{mid}\r\n"),
        None => Ok(()),
    }
}
