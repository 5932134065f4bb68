//! A browser's SDP offer (RFC 8866, RFC 8829), parsed only for what weir answers.
//!
//! The text is treated as hostile. It is bounded in bytes and media sections. The result borrows
//! from it. Words that are echoed into the answer (the names of sections, a declined section's
//! first words) must be visible ASCII. Everything else is ignored: other codecs, rtx, red and fec
//! with their feedback, header extensions, and the candidates in any number. weir is ICE-lite and
//! learns a browser's addresses from its checks, so a `.local` candidate costs nothing and is never
//! looked up.

use crate::limits::{OFFER_BYTES_MAX, OFFER_FORMATS_MAX, OFFER_MEDIA_MAX};
use crate::sound::SoundCodec;

use super::sdp::{self, PASSWORD_CHARS_MIN, UFRAG_CHARS_MIN, WordError};

mod error;
mod section;

pub use error::OfferError;
use section::Draft;
pub use section::{Decoder, Extension, Format, MediaSection, RtcpFeedback};

/// An offer that can be answered.
#[derive(Debug)]
pub struct Offer<'a> {
    /// The browser's ICE ufrag (RFC 8839 section 5.4).
    pub ufrag: &'a str,
    /// The browser's ICE password (RFC 8839 section 5.4). A secret: no message contains it.
    pub password: IcePassword<'a>,
    /// SHA-256 of the browser's certificate (RFC 8122).
    pub fingerprint: [u8; 32],
    /// The name of the section whose transport is used, if it has one.
    pub transport_section: Option<&'a str>,
    /// The ufrags of all sections and the session level, some of them twice.
    pub ufrags: heapless::Vec<&'a str, { OFFER_MEDIA_MAX + 1 }>,
    /// The media sections in order; the answer has one for each.
    pub sections: heapless::Vec<MediaSection<'a>, OFFER_MEDIA_MAX>,
    /// The names of the sections in its BUNDLE group, in that group's order.
    pub bundle: &'a str,
    /// Index of the video section to serve.
    pub video: usize,
    /// The formats of that section that weir can send, H.264 with packetization-mode 1 and H.265,
    /// in the browser's order.
    pub formats: heapless::Vec<Format<'a>, OFFER_FORMATS_MAX>,
    /// Whether that section has H.264, also without packetization-mode 1.
    pub has_h264: bool,
    /// The playout-delay extension in that section, if the browser takes it.
    pub playout_delay: Option<Extension>,
    /// Per codec of [`SoundCodec::ALL`]: the section to serve it in and its payload type there.
    pub sounds: [Option<SoundFormat>; SoundCodec::ALL.len()],
}

/// Where sound of one codec may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundFormat {
    /// Index of the audio section.
    pub section: usize,
    /// The RTP payload type of the codec in it.
    pub payload_type: u8,
}

/// An ICE password, kept out of debug output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IcePassword<'a>(pub &'a str);

impl std::fmt::Debug for IcePassword<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Password")
    }
}

/// Transport attributes, which may be at session level or in a media section.
#[derive(Debug, Default)]
struct Transport<'a> {
    ufrag: Option<&'a str>,
    password: Option<IcePassword<'a>>,
    fingerprint: Option<[u8; 32]>,
    /// Whether there was a fingerprint by another hash than SHA-256.
    has_other_hash: bool,
    setup: Option<&'a str>,
}

impl<'a> Transport<'a> {
    /// The attributes of the section `own`, else of the session level, else of any other section:
    /// with BUNDLE all share one transport, and one section may be alone in describing it.
    fn chosen(own: &Self, session: &Self, drafts: &[Draft<'a>]) -> Self {
        let all = || [own, session].into_iter().chain(drafts.iter().map(|draft| &draft.transport));
        let credentials = all().find(|t| t.ufrag.is_some() && t.password.is_some());
        Self {
            ufrag: credentials.and_then(|t| t.ufrag),
            password: credentials.and_then(|t| t.password),
            fingerprint: all().find_map(|t| t.fingerprint),
            has_other_hash: all().any(|t| t.has_other_hash),
            setup: all().find_map(|t| t.setup),
        }
    }

    fn read(&mut self, name: &str, value: &'a str) -> Result<(), OfferError> {
        match name {
            "ice-ufrag" => self.ufrag = Some(credential("ice-ufrag", value, UFRAG_CHARS_MIN)?),
            "ice-pwd" => {
                self.password = Some(IcePassword(credential("ice-pwd", value, PASSWORD_CHARS_MIN)?))
            }
            "setup" => self.setup = Some(value),
            "fingerprint" => match sha256(value)? {
                Some(digest) => self.fingerprint = Some(digest),
                None => self.has_other_hash = true,
            },
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Offer<'a> {
    /// Parses an offer.
    ///
    /// # Errors
    /// [`OfferError`]: the offer exceeds a bound, is malformed, or has nothing that weir can serve.
    pub fn read(text: &'a str) -> Result<Self, OfferError> {
        if text.len() > OFFER_BYTES_MAX {
            return Err(OfferError::TooLarge { bytes: text.len() });
        }
        if text.lines().next().map(str::trim_end) != Some("v=0") {
            return Err(OfferError::NoSdp);
        }
        check_counts(text)?;
        let mut session = Transport::default();
        let mut session_ice_lite = false;
        let mut bundle = None;
        let mut drafts = heapless::Vec::<Draft<'a>, OFFER_MEDIA_MAX>::new();
        for line in text.lines() {
            let line = line.trim_end();
            if let Some(media) = line.strip_prefix("m=") {
                let draft = Draft::new(media)?;
                drafts
                    .push(draft)
                    .map_err(|_| OfferError::TooManyMedia { count: OFFER_MEDIA_MAX + 1 })?;
            } else if let Some(attribute) = line.strip_prefix("a=") {
                let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
                session_ice_lite |= name == "ice-lite";
                match drafts.last_mut() {
                    Some(draft) => draft.read(name, value)?,
                    None if name == "group" => bundle = bundle.or(value.strip_prefix("BUNDLE ")),
                    None => session.read(name, value)?,
                }
            }
        }
        if session_ice_lite {
            return Err(OfferError::IceLite);
        }
        Self::serve(&session, bundle.unwrap_or_default(), &drafts)
    }

    /// Chooses the section to serve. `bundle` has the names of the sections in the BUNDLE group
    /// (RFC 9143).
    fn serve(
        session: &Transport<'a>,
        bundle: &'a str,
        drafts: &[Draft<'a>],
    ) -> Result<Self, OfferError> {
        let videos = || drafts.iter().enumerate().filter(|(_, draft)| draft.is_video());
        let (video, draft) = videos()
            .find(|(_, draft)| draft.receives())
            .or_else(|| videos().next())
            .ok_or(OfferError::NoVideo)?;
        if !draft.receives() {
            return Err(OfferError::NotReceiving(draft.direction()));
        }
        if !draft.has_rtcp_mux {
            return Err(OfferError::NoRtcpMux);
        }
        let is_bundled = draft.in_bundle(bundle).is_bundled;
        let own = tagged(bundle, drafts).filter(|_| is_bundled).unwrap_or(draft);
        let transport = Transport::chosen(&own.transport, session, drafts);
        if transport.setup == Some("passive") {
            return Err(OfferError::SetupPassive);
        }
        Ok(Self {
            ufrag: transport.ufrag.ok_or(OfferError::Missing("a=ice-ufrag"))?,
            password: transport.password.ok_or(OfferError::Missing("a=ice-pwd"))?,
            fingerprint: transport.fingerprint.ok_or(if transport.has_other_hash {
                OfferError::OtherHash
            } else {
                OfferError::Missing("a=fingerprint")
            })?,
            transport_section: own.section.mid,
            ufrags: all_ufrags(session, drafts),
            sections: drafts.iter().map(|draft| draft.in_bundle(bundle)).collect(),
            bundle,
            video,
            formats: draft.formats(),
            has_h264: draft.has_h264(),
            playout_delay: draft.playout_delay,
            sounds: SoundCodec::ALL.map(|codec| {
                // Without BUNDLE sound would need a transport of its own.
                let mut drafts = drafts.iter().enumerate().filter(|_| is_bundled);
                drafts.find_map(|(section, draft)| {
                    let payload_type = draft.sound_format(codec, bundle)?;
                    Some(SoundFormat { section, payload_type })
                })
            }),
        })
    }

    /// Where sound of this codec may be served; `None` if the browser does not take it.
    pub fn sound(&self, codec: SoundCodec) -> Option<SoundFormat> {
        let at = SoundCodec::ALL.iter().position(|known| *known == codec)?;
        self.sounds[at]
    }
}

/// The section whose transport those in the BUNDLE group share: the first in the group that weir
/// takes (RFC 9143 section 7.3.2). Sections may have ICE credentials each of their own, as aiortc
/// 1.4 writes them.
fn tagged<'d, 'a>(bundle: &str, drafts: &'d [Draft<'a>]) -> Option<&'d Draft<'a>> {
    bundle.split(' ').find_map(|mid| {
        drafts.iter().find(|draft| {
            let section = draft.in_bundle(bundle);
            section.is_bundled && section.mid == Some(mid)
        })
    })
}

fn all_ufrags<'a>(
    session: &Transport<'a>,
    drafts: &[Draft<'a>],
) -> heapless::Vec<&'a str, { OFFER_MEDIA_MAX + 1 }> {
    let transports = drafts.iter().map(|draft| &draft.transport).chain([session]);
    transports.filter_map(|transport| transport.ufrag).collect()
}

/// Checks the count that costs memory before anything is allocated for the text.
fn check_counts(text: &str) -> Result<(), OfferError> {
    let media = text.lines().filter(|line| line.starts_with("m=")).count();
    if media > OFFER_MEDIA_MAX {
        return Err(OfferError::TooManyMedia { count: media });
    }
    Ok(())
}

/// Checks a word that may be echoed into the answer.
fn token<'a>(what: &'static str, value: &'a str) -> Result<&'a str, OfferError> {
    sdp::token(value).map_err(|error| word(what, error))
}

fn credential<'a>(
    what: &'static str,
    value: &'a str,
    chars_min: usize,
) -> Result<&'a str, OfferError> {
    sdp::credential(value, chars_min).map_err(|error| word(what, error))
}

fn word(what: &'static str, error: WordError) -> OfferError {
    match error {
        WordError::Malformed => OfferError::Malformed(what),
        WordError::TooLong { bytes } => OfferError::TokenTooLong { what, bytes },
    }
}

/// The digest of a fingerprint attribute; `None` if the hash is not SHA-256.
fn sha256(value: &str) -> Result<Option<[u8; 32]>, OfferError> {
    let malformed = OfferError::Malformed("fingerprint");
    let (hash, digits) = value.split_once(' ').ok_or(malformed)?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return Ok(None);
    }
    let mut digest = [0; 32];
    let mut pairs = digits.trim().split(':');
    for byte in &mut digest {
        let pair = pairs.next().filter(|pair| pair.len() == 2);
        *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(malformed)?;
    }
    if pairs.next().is_some() {
        return Err(malformed);
    }
    Ok(Some(digest))
}

#[cfg(test)]
mod tests;
