//! The SDP fragments of a PATCH (RFC 8840 section 9): more candidates of a browser, or an ICE
//! restart; and our answer to a restart.
//!
//! A fragment is parsed like an offer: bounded in bytes and media sections, and only a few known
//! lines are read. Candidates are ignored in any number, as weir learns a browser's addresses from
//! its checks. Whether a session may restart now is not decided here.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::limits::{OFFER_BYTES_MAX, OFFER_MEDIA_MAX};

use super::credentials::IceCredentials;
use super::offer::IcePassword;
use super::sdp::{PASSWORD_CHARS_MIN, UFRAG_CHARS_MIN, WordError, credential, token, write_ice};

mod error;

pub use error::FragmentError;

/// An SDP fragment that was found valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fragment<'a> {
    /// The browser's ufrag, which names the ICE generation of the fragment; `None` is the current.
    pub ufrag: Option<&'a str>,
    /// The browser's password, which a restart needs.
    pub password: Option<IcePassword<'a>>,
    /// The section that the fragment is about.
    pub section: Option<Section<'a>>,
}

/// A media section of a fragment, for the answer to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    kind: &'a str,
    protocol: &'a str,
    format: &'a str,
    mid: Option<&'a str>,
}

/// ICE credentials at session level or in a media section.
#[derive(Debug, Clone, Copy, Default)]
struct Ice<'a> {
    ufrag: Option<&'a str>,
    password: Option<IcePassword<'a>>,
}

type Sections<'a> = heapless::Vec<(Section<'a>, Ice<'a>), OFFER_MEDIA_MAX>;

impl<'a> Fragment<'a> {
    /// Parses a fragment. `known` is the name of the section whose transport the session has.
    ///
    /// # Errors
    /// [`FragmentError`] names the fault and its line.
    pub fn read(text: &'a str, known: Option<&str>) -> Result<Self, FragmentError> {
        check_bounds(text)?;
        let mut session = Ice::default();
        let mut bundle = None;
        let mut sections = Sections::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim_end();
            if text.is_empty() {
                continue;
            }
            let (kind, value) = split(text).ok_or(FragmentError::NoSdp { line })?;
            match kind {
                "m" => {
                    let section = Section::read(value, line)?;
                    // Fits: `check_bounds` has counted the sections.
                    let _ = sections.push((section, Ice::default()));
                }
                "a" => {
                    let (name, value) = value.split_once(':').unwrap_or((value, ""));
                    match sections.last_mut() {
                        None if name == "group" => {
                            bundle = bundle.or(value.strip_prefix("BUNDLE "));
                        }
                        None => session.read(name, value, line)?,
                        Some((section, _)) if name == "mid" => {
                            section.mid = Some(token(value).map_err(at(line, "a=mid"))?);
                        }
                        Some((_, ice)) => ice.read(name, value, line)?,
                    }
                }
                _ => {}
            }
        }
        Ok(Self::of(session, &sections, bundle.unwrap_or_default(), known))
    }

    /// With BUNDLE all sections share one transport, which one of them describes: the `known` one,
    /// else the first that the fragment's own group names (RFC 9143 section 7.3.2), else a video
    /// section rather than another. The credentials are taken from it or the session level, else
    /// from any other section.
    fn of(session: Ice<'a>, sections: &Sections<'a>, bundle: &str, known: Option<&str>) -> Self {
        let named = |mid: &str| {
            sections.iter().find(|(section, _)| section.is_rtp() && section.mid == Some(mid))
        };
        let served = known.and_then(named).or_else(|| bundle.split(' ').find_map(named));
        let served = served.or(sections.iter().find(|(section, _)| section.kind == "video"));
        let served = served.or(sections.first());
        let own = served.map_or(session, |(_, ice)| ice.or(session));
        let others = sections.iter().map(|(_, ice)| ice.or(session));
        let mut all = std::iter::once(own).chain(others);
        let ice = all.find(|ice| ice.ufrag.is_some()).unwrap_or(own);
        Self {
            ufrag: ice.ufrag,
            password: ice.password,
            section: served.map(|(section, _)| *section),
        }
    }
}

impl<'a> Ice<'a> {
    /// Each of the two may be at the session level (RFC 8839 section 5.4).
    fn or(self, session: Self) -> Self {
        Self { ufrag: self.ufrag.or(session.ufrag), password: self.password.or(session.password) }
    }

    fn read(&mut self, name: &str, value: &'a str, line: usize) -> Result<(), FragmentError> {
        match name {
            "ice-ufrag" => {
                let ufrag = credential(value, UFRAG_CHARS_MIN);
                self.ufrag = Some(ufrag.map_err(at(line, "a=ice-ufrag"))?);
            }
            "ice-pwd" => {
                let password = credential(value, PASSWORD_CHARS_MIN);
                self.password = Some(IcePassword(password.map_err(at(line, "a=ice-pwd"))?));
            }
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Section<'a> {
    /// Data channels are not on the transport of weir's session.
    fn is_rtp(&self) -> bool {
        self.protocol.contains("RTP/")
    }

    /// Parses an m-line without its `m=`.
    fn read(media: &'a str, line: usize) -> Result<Self, FragmentError> {
        let malformed = FragmentError::Malformed { what: "m-line", line };
        let mut words = media.split(' ');
        let mut word = || {
            let word = words.next().ok_or(malformed)?;
            token(word).map_err(at(line, "m-line"))
        };
        let (kind, _port, protocol, format) = (word()?, word()?, word()?, word()?);
        Ok(Self { kind, protocol, format, mid: None })
    }
}

/// The answer to an ICE restart: our new credentials and all our candidates.
pub fn answer(
    section: Option<&Section<'_>>,
    credentials: &IceCredentials,
    candidates: &[SocketAddr],
) -> String {
    let mut text = String::with_capacity(512);
    write(&mut text, section, credentials, candidates)
        .expect("writing into a string does not fail");
    text
}

fn write(
    text: &mut String,
    section: Option<&Section<'_>>,
    credentials: &IceCredentials,
    candidates: &[SocketAddr],
) -> std::fmt::Result {
    write!(text, "a=ice-lite\r\na=ice-options:trickle\r\n")?;
    if let Some(Section { kind, protocol, format, mid }) = section {
        if let Some(mid) = mid {
            write!(text, "a=group:BUNDLE {mid}\r\n")?;
        }
        write!(text, "m={kind} 9 {protocol} {format}\r\n")?;
        if let Some(mid) = mid {
            write!(text, "a=mid:{mid}\r\n")?;
        }
    }
    write_ice(text, candidates, &credentials.ufrag, &credentials.password)
}

/// Checks the bounds before anything is allocated for the text.
fn check_bounds(text: &str) -> Result<(), FragmentError> {
    if text.trim().is_empty() {
        return Err(FragmentError::Empty);
    }
    if text.len() > OFFER_BYTES_MAX {
        return Err(FragmentError::TooLarge { bytes: text.len() });
    }
    let media = text.lines().filter(|line| line.starts_with("m=")).count();
    if media > OFFER_MEDIA_MAX {
        return Err(FragmentError::TooManyMedia { count: media });
    }
    Ok(())
}

/// Splits an SDP line into its type, one letter, and its value.
fn split(line: &str) -> Option<(&str, &str)> {
    let (kind, value) = line.split_once('=')?;
    let is_letter = kind.len() == 1 && kind.bytes().all(|byte| byte.is_ascii_lowercase());
    is_letter.then_some((kind, value))
}

fn at(line: usize, what: &'static str) -> impl Fn(WordError) -> FragmentError {
    move |error| match error {
        WordError::Malformed => FragmentError::Malformed { what, line },
        WordError::TooLong { bytes } => FragmentError::TokenTooLong { what, bytes, line },
    }
}

#[cfg(test)]
mod tests;
