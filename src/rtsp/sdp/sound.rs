//! The sound in a camera's SDP: the track to set up, or what to say to a person about it.

use super::Media;
use crate::limits::RTSP_REQUEST_URL_BYTES_MAX;
use crate::sound::SoundCodec;

/// The sound track that a session delivers besides the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundTrack {
    /// The payload type of its RTP packets.
    pub payload_type: u8,
    /// The codec of its payloads.
    pub codec: SoundCodec,
}

/// What becomes of a camera's sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CameraSound {
    /// The camera has none, or none is wanted of it.
    #[default]
    None,
    /// It is passed on.
    Track(SoundTrack),
    /// It has one in a codec that browsers do not take; the codec's name.
    Unsupported(String),
    /// It was not set up: the camera refused that, or did not answer.
    Refused,
}

impl CameraSound {
    /// The track, if there is sound.
    pub fn track(&self) -> Option<SoundTrack> {
        match self {
            Self::Track(track) => Some(*track),
            _ => None,
        }
    }

    /// Why the picture has no sound although the camera has, in words for a person.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::None | Self::Track(_) => None,
            Self::Unsupported(codec) => Some(format!(
                "its sound is {codec}, which browsers do not take here: set the camera to G.711"
            )),
            Self::Refused => Some("the camera does not let its sound be set up".to_owned()),
        }
    }
}

/// The sound among the media sections of an SDP, and its control. `is_way_back` tells that the
/// picture itself is marked as the way back to the camera, as where all are.
pub(super) fn find<'m, 'a>(
    media: &'m [Media<'a>],
    is_way_back: bool,
) -> (CameraSound, Option<&'m Media<'a>>) {
    let sections = || {
        let from_camera = move |media: &&Media| is_way_back || !media.is_way_back();
        media.iter().filter(|media| media.is("audio")).filter(from_camera)
    };
    let good = sections().find_map(|media| Some((media, track(media)?)));
    if let Some((media, track)) = good {
        return (CameraSound::Track(track), Some(media));
    }
    let other = sections().find_map(name);
    (other.map_or(CameraSound::None, CameraSound::Unsupported), None)
}

/// The first format of a section that browsers take, if the section can be set up.
fn track(media: &Media) -> Option<SoundTrack> {
    let control = media.attribute("control")?;
    let is_set_up = control.len() <= RTSP_REQUEST_URL_BYTES_MAX;
    media.formats().filter(|_| is_set_up).find_map(|number| {
        let payload_type = number.parse().ok().filter(|number| *number < 128)?;
        // The rtpmap line counts: there is A-law on the payload type of µ-law (GW Security), and
        // AAC on it as well (Anpviz).
        let codec = match media.attribute_of("rtpmap", number) {
            Some(encoding) => SoundCodec::of_encoding(encoding),
            None => SoundCodec::of_payload_type(payload_type),
        };
        codec.map(|codec| SoundTrack { payload_type, codec })
    })
}

/// The name of a section's codec, as people know it.
fn name(media: &Media) -> Option<String> {
    let number = media.formats().next()?;
    let encoding = media.attribute_of("rtpmap", number).unwrap_or("in an unnamed codec");
    let codec = encoding.split('/').next().unwrap_or(encoding).trim();
    let is = |prefix: &str| {
        codec.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let name = match codec {
        _ if is("MPEG4-GENERIC") || is("MP4A-LATM") || is("AAC") => "AAC",
        _ if is("G726") || is("AAL2-G726") => "G.726",
        // Of ours, but with another clock or more channels.
        _ if SoundCodec::ALL.iter().any(|ours| is(ours.name())) => encoding,
        _ => codec,
    };
    Some(name.chars().take(32).filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Described, describe};
    use super::*;

    const VIDEO: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:1\r\n";

    fn described(sound: &str) -> Described {
        describe(format!("v=0\r\n{VIDEO}{sound}").as_bytes()).expect("h264")
    }

    fn sound(sections: &str) -> CameraSound {
        described(sections).sound
    }

    fn track(payload_type: u8, codec: SoundCodec) -> CameraSound {
        CameraSound::Track(SoundTrack { payload_type, codec })
    }

    #[test]
    fn what_browsers_take_is_found_with_and_without_rtpmap() {
        for (section, expected) in [
            ("m=audio 0 RTP/AVP 0\r\na=control:2\r\n", track(0, SoundCodec::Pcmu)),
            ("m=audio 0 RTP/AVP 8\r\na=control:2\r\n", track(8, SoundCodec::Pcma)),
            ("m=audio 0 RTP/AVP 9\r\na=control:2\r\n", track(9, SoundCodec::G722)),
            (
                "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMU/8000\r\na=control:2\r\n",
                track(8, SoundCodec::Pcmu),
            ),
            (
                "m=audio 0 RTP/AVP 97\r\na=control:2\r\na=rtpmap:97 OPUS/48000\r\n",
                track(97, SoundCodec::Opus),
            ),
            (
                "m=audio 0 RTP/AVP 97 8\r\na=control:2\r\na=rtpmap:97 L16/8000\r\n",
                track(8, SoundCodec::Pcma),
            ),
            ("", CameraSound::None),
            ("m=audio 0 RTP/AVP 0\r\na=control:2\r\na=sendonly\r\n", CameraSound::None),
        ] {
            assert_eq!(sound(section), expected, "{section}");
        }
        let sections = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000\r\na=control:2\r\n\
            m=audio 0 RTP/AVP 98\r\na=rtpmap:98 opus/48000/2\r\na=control:3\r\n";
        let both = described(sections);
        assert_eq!(both.sound, track(98, SoundCodec::Opus), "the one that browsers take");
        assert_eq!(both.sound_control.as_deref(), Some("3"));
        assert_eq!(both.others, ["2"]);
        assert_eq!(both.sound_group, None);
        let group = "m=audio 7002 RTP/AVP 8\r\nc=IN IP4 239.1.2.4/16\r\na=control:2\r\n";
        assert_eq!(described(group).sound_group, Some(([239, 1, 2, 4].into(), 7002)));
    }

    #[test]
    fn what_they_do_not_take_is_named() {
        for (rtpmap, name) in [
            ("MPEG4-GENERIC/16000/1", "AAC"),
            ("mpeg4-generic/8000", "AAC"),
            ("MP4A-LATM/48000", "AAC"),
            ("G726-32/8000", "G.726"),
            ("AAL2-G726-16/8000", "G.726"),
            ("L16/16000", "L16"),
            ("PCMU/16000", "PCMU/16000"),
            ("PCMA/8000/2", "PCMA/8000/2"),
        ] {
            let section =
                format!("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 {rtpmap}\r\na=control:2\r\n");
            let found = described(&section);
            assert_eq!(found.sound, CameraSound::Unsupported(name.to_owned()));
            assert_eq!(found.sound_control, None);
            let problem = found.sound.problem().expect("it is said");
            assert!(problem.contains(name) && problem.contains("set the camera to G.711"));
        }
        let on_pcmu = "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 MPEG4-GENERIC/16000\r\na=control:2\r\n";
        assert_eq!(sound(on_pcmu), CameraSound::Unsupported("AAC".to_owned()));
        let unnamed = sound("m=audio 0 RTP/AVP 99\r\na=control:2\r\n");
        assert_eq!(unnamed.problem().map(|text| text.len() < 100), Some(true));
        let long = format!("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 {}/1\r\n", "\u{e9}\t".repeat(99));
        assert!(matches!(sound(&long), CameraSound::Unsupported(name) if name.len() <= 64));
    }
}
