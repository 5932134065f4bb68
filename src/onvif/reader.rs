//! Reads XML as cameras write it: elements by their local names, as prefixes differ from make to
//! make, with their text and their `token`.
//!
//! Bounded by [`ONVIF_DEPTH_MAX`] elements within one another and [`ONVIF_TEXT_BYTES_MAX`] of the
//! text of each. A document type is refused, and no entity but XML's own five and characters by
//! number is known, so that nothing is expanded.

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};

use super::error::AnswerError;
use crate::limits::{ONVIF_DEPTH_MAX, ONVIF_TEXT_BYTES_MAX};

macro_rules! elements {
    ($($name:ident)*) => {
        /// The elements that mean something here, by their local names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(clippy::upper_case_acronyms, non_camel_case_types)] // as ONVIF and SOAP have them
        pub(super) enum Element {
            $($name,)*
            Other,
        }

        impl Element {
            fn of(name: &str) -> Self {
                match name {
                    $(stringify!($name) => Self::$name,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

elements! {
    Envelope Body Fault Code Subcode Value faultcode
    UTCDateTime Time Hour Minute Second Date Year Month Day
    Capabilities Media XAddr GetServicesResponse Service Namespace
    GetProfilesResponse Profiles MediaUri GetStreamUriResponse Uri
}

/// What was met in a document.
pub(super) enum Met<'a> {
    /// An element begins, the last of the path; its `token` if it has one.
    Begin { token: Option<&'a str> },
    /// It ends, and this is its text; empty where that was too long or other elements are in it.
    End { text: &'a str },
}

/// Goes through a document, and tells `visit` of each element with the path to it.
pub(super) fn read(
    document: &str,
    mut visit: impl FnMut(&[Element], Met<'_>),
) -> Result<(), AnswerError> {
    let mut reader = Reader::from_str(document);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = false; // names are known by their kind here, and kept nowhere else
    let mut path = heapless::Vec::<Element, ONVIF_DEPTH_MAX>::new();
    let mut text = LeafText::default();
    loop {
        let event = reader.read_event().map_err(|_| AnswerError::NotXml)?;
        match event {
            Event::Start(start) => {
                let element = Element::of(start.local_name().as_ref());
                path.push(element).map_err(|_| AnswerError::TooDeep)?;
                text = LeafText::default();
                let token = token(&start);
                visit(&path, Met::Begin { token: token.as_deref() });
            }
            Event::End(_) => {
                if path.is_empty() {
                    return Err(AnswerError::NotXml);
                }
                visit(&path, Met::End { text: text.trimmed() });
                text = LeafText::default();
                path.pop();
            }
            Event::Text(part) => text.push(&part),
            Event::CData(part) => text.push(&part),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(character)) => text.push(character.encode_utf8(&mut [0; 4])),
                Ok(None) => {
                    text.push(resolve_predefined_entity(&name).ok_or(AnswerError::NotXml)?);
                }
                Err(_) => return Err(AnswerError::NotXml),
            },
            Event::DocType(_) => return Err(AnswerError::NotXml),
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err(AnswerError::NotXml),
            _ => {}
        }
    }
}

/// The `token` of an element.
fn token(start: &BytesStart<'_>) -> Option<String> {
    let mut attributes = start.attributes();
    let mut found = attributes.with_checks(false).flatten();
    let value = found.find(|one| one.key.local_name().as_ref() == "token")?.value;
    let raw = Some(&*value).filter(|raw| raw.len() <= ONVIF_TEXT_BYTES_MAX)?;
    unescape(raw).ok().map(|text| text.into_owned())
}

/// The text of the element that began last.
#[derive(Default)]
struct LeafText {
    text: String,
    is_too_long: bool,
}

impl LeafText {
    fn push(&mut self, part: &str) {
        self.is_too_long |= self.text.len() + part.len() > ONVIF_TEXT_BYTES_MAX;
        if !self.is_too_long {
            self.text.push_str(part);
        }
    }

    fn trimmed(&self) -> &str {
        if self.is_too_long { "" } else { self.text.trim() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> Result<Vec<(Element, String)>, AnswerError> {
        let mut found = Vec::new();
        read(document, |path, met| {
            if let (Some(last), Met::End { text }) = (path.last(), met) {
                found.push((*last, text.to_owned()));
            }
        })
        .map(|()| found)
    }

    #[test]
    fn text_is_whole_whatever_it_is_written_with() {
        let document = "<a:Uri xmlns:a='x'> rtsp://h/?a=1&amp;b=&#50;<![CDATA[&c=3]]> </a:Uri>";
        let expected = vec![(Element::Uri, "rtsp://h/?a=1&b=2&c=3".to_owned())];
        assert_eq!(texts(document), Ok(expected));
    }

    #[test]
    fn nothing_is_expanded_and_depth_is_bounded() {
        let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><Uri>&a;</Uri>";
        assert_eq!(texts(bomb), Err(AnswerError::NotXml));
        assert_eq!(texts("<Uri>&a;</Uri>"), Err(AnswerError::NotXml));
        let deep = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(texts(&deep(ONVIF_DEPTH_MAX)).is_ok());
        assert_eq!(texts(&deep(ONVIF_DEPTH_MAX + 1)), Err(AnswerError::TooDeep));
        for broken in ["<a>", "</a>", "<a></a></a>", "<"] {
            assert_eq!(texts(broken), Err(AnswerError::NotXml), "{broken}");
        }
    }

    #[test]
    fn the_text_of_an_element_is_bounded() {
        let of = |bytes: usize| texts(&format!("<Uri>{}</Uri>", "x".repeat(bytes)));
        assert_eq!(of(ONVIF_TEXT_BYTES_MAX).expect("read")[0].1.len(), ONVIF_TEXT_BYTES_MAX);
        assert_eq!(of(ONVIF_TEXT_BYTES_MAX + 1).expect("read")[0].1, "");
    }
}
