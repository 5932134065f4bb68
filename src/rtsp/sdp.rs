//! Finds the H.264 video track in a camera's SDP.
//!
//! The SDP is parsed in place, and only its `m=` and `a=` lines: errors elsewhere (no `o=`, two
//! `s=`, a broken `c=`) do not matter. A media section that cannot be parsed is skipped, and so is
//! a line that is not UTF-8. Kept are the track's control, the controls of the other tracks, and
//! the valid parameter sets; missing ones are expected in the stream. The body's size is bounded
//! before; here [`RTSP_SDP_MEDIA_MAX`] and [`RTSP_SDP_FORMATS_MAX`] bound the time that parsing
//! takes.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use heapless::Vec as Bounded;

use super::error::DialogError;
use crate::limits::{
    PARAMETER_SET_BYTES_MAX, RTSP_OTHER_TRACKS_MAX, RTSP_REQUEST_URL_BYTES_MAX,
    RTSP_SDP_FORMATS_MAX, RTSP_SDP_MEDIA_MAX, RTSP_SDP_PPS_MAX,
};

const SPS: u8 = 7;
const PPS: u8 = 8;

/// Base64 as cameras write it: with or without padding, and with trailing bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The video track that a session delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    /// The payload type of its RTP packets.
    pub payload_type: u8,
    /// The sequence parameter set, if the SDP has one: a whole NAL unit.
    pub sps: Option<Vec<u8>>,
    /// The picture parameter sets: whole NAL units.
    pub pps: Vec<Vec<u8>>,
}

/// The parts of an SDP that a dialog uses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub video: VideoTrack,
    /// The video track's control.
    pub control: Option<String>,
    /// The control attribute of the session level.
    pub session_control: Option<String>,
    /// Controls of the other tracks that the camera sends: sound, metadata.
    pub others: Bounded<String, RTSP_OTHER_TRACKS_MAX>,
}

/// A media section of the SDP.
#[derive(Clone, Copy)]
struct Media<'a> {
    kind: &'a str,
    /// The text after `m=`.
    line: &'a str,
    /// The lines of the section after the first.
    lines: &'a [u8],
}

/// Finds the H.264 track in the body of a DESCRIBE answer.
///
/// # Errors
/// [`DialogError::HevcOnly`], [`DialogError::Codec`] or [`DialogError::NoVideo`] for an SDP without
/// H.264; [`DialogError::Protocol`] when no media section can be parsed.
pub(super) fn describe(body: &[u8]) -> Result<Described, DialogError> {
    let (session, media, found) = sections(body);
    if media.is_empty() && found > 0 {
        return Err(DialogError::Protocol("no media section of the sdp can be parsed"));
    }
    let video = || media.iter().filter(|media| media.is("video"));
    let h264 = |media: &&Media| h264_payload_type(media).is_some();
    // A track marked sendonly is the backchannel to the camera, unless all are marked.
    let chosen =
        video().find(|media| h264(media) && !media.is_way_back()).or_else(|| video().find(h264));
    let Some((track, payload_type)) =
        chosen.and_then(|media| Some((media, h264_payload_type(media)?)))
    else {
        return Err(nothing_to_serve(&media));
    };
    let (sps, pps) = parameter_sets(track, &media, payload_type);
    let others = media
        .iter()
        .filter(|other| !std::ptr::eq(*other, track) && !other.is_way_back())
        .filter_map(|other| other.attribute("control"))
        .filter(|control| control.len() <= RTSP_REQUEST_URL_BYTES_MAX)
        .take(RTSP_OTHER_TRACKS_MAX)
        .map(str::to_owned)
        .collect();
    Ok(Described {
        video: VideoTrack { payload_type, sps, pps },
        control: track.attribute("control").map(str::to_owned),
        session_control: values(session, "control").next().map(str::to_owned),
        others,
    })
}

/// The session-level lines, the media sections that can be parsed, and the number of sections seen.
fn sections(body: &[u8]) -> (&[u8], Bounded<Media<'_>, RTSP_SDP_MEDIA_MAX>, usize) {
    /// Where a section's first line begins and ends.
    type Place = (usize, usize);
    let mut places = Bounded::<Place, RTSP_SDP_MEDIA_MAX>::new();
    let mut begin = 0;
    let mut end_of_last = body.len();
    for line in body.split(is_line_end) {
        let end = begin + line.len();
        if pair(line).is_some_and(|(key, _)| key == "m") && places.push((begin, end)).is_err() {
            end_of_last = begin;
            break;
        }
        begin = end + 1;
    }
    let session = &body[..places.first().map_or(body.len(), |place| place.0)];
    let mut media = Bounded::new();
    for (index, (begin, end)) in places.iter().enumerate() {
        let next = places.get(index + 1).map_or(end_of_last, |place| place.0);
        let read =
            pair(&body[*begin..*end]).and_then(|(_, line)| Media::of(line, &body[*end..next]));
        // It has room: its capacity is that of `places`.
        media.extend(read);
    }
    (session, media, places.len())
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Key and value of a line, without surrounding blanks.
fn pair(line: &[u8]) -> Option<(&str, &str)> {
    let (key, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
    Some((key.trim(), value.trim()))
}

/// The values of the `a=<name>:value` lines.
fn values<'a>(lines: &'a [u8], name: &str) -> impl Iterator<Item = &'a str> {
    lines.split(is_line_end).filter_map(pair).filter(|(key, _)| *key == "a").filter_map(
        move |(_, attribute)| {
            let (of, value) = attribute.split_once(':')?;
            (of.trim() == name).then(|| value.trim())
        },
    )
}

impl<'a> Media<'a> {
    /// The section; `None` when its first line lacks kind, port or protocol.
    fn of(line: &'a str, lines: &'a [u8]) -> Option<Self> {
        let mut words = line.split_whitespace();
        let kind = words.next()?;
        let port = words.next()?.split('/').next()?;
        port.parse::<u32>().ok()?;
        words.next()?;
        Some(Self { kind, line, lines })
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    fn formats(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.line.split_whitespace().skip(3).take(RTSP_SDP_FORMATS_MAX)
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        values(self.lines, name).next()
    }

    /// The value of the `a=<name>:<payload type> value` line.
    fn attribute_of(&self, name: &str, payload_type: &str) -> Option<&'a str> {
        values(self.lines, name).find_map(|value| {
            let (number, rest) = value.split_once([' ', '\t'])?;
            (number == payload_type).then_some(rest.trim())
        })
    }

    fn is_way_back(&self) -> bool {
        let mut pairs = self.lines.split(is_line_end).filter_map(pair);
        pairs.any(|line| line == ("a", "sendonly"))
    }
}

/// The codec's name for a payload type: from rtpmap, else from the static table, else H264 if fmtp
/// has parameters that only H.264 has.
fn codec<'a>(media: &Media<'a>, payload_type: &str) -> Option<&'a str> {
    if let Some(map) = media.attribute_of("rtpmap", payload_type) {
        return map.split('/').next().map(str::trim);
    }
    let parameters = media.attribute_of("fmtp", payload_type).unwrap_or_default();
    match payload_type {
        "26" => Some("JPEG"),
        "31" => Some("H261"),
        "32" => Some("MPV"),
        "34" => Some("H263"),
        _ if parameters.contains("packetization-mode") => Some("H264"),
        _ if parameters.contains("sprop-parameter-sets") => Some("H264"),
        _ => None,
    }
}

fn h264_payload_type(media: &Media) -> Option<u8> {
    let is_h264 = |number: &&str| {
        codec(media, number).is_some_and(|codec| codec.eq_ignore_ascii_case("H264"))
    };
    let number = media.formats().find(is_h264)?;
    number.parse().ok().filter(|number| *number < 128)
}

fn nothing_to_serve(media: &[Media]) -> DialogError {
    let mut codecs = media
        .iter()
        .filter(|media| media.is("video"))
        .flat_map(|media| media.formats().map(move |number| codec(media, number)));
    let Some(first) = codecs.next() else {
        let audio = media.iter().any(|media| media.is("audio"));
        return DialogError::NoVideo { audio };
    };
    let is_hevc = |codec: Option<&str>| {
        codec.is_some_and(|codec| {
            codec.eq_ignore_ascii_case("H265") || codec.eq_ignore_ascii_case("HEVC")
        })
    };
    if is_hevc(first) || codecs.any(is_hevc) {
        return DialogError::HevcOnly;
    }
    let name = first.unwrap_or("an unnamed codec");
    DialogError::Codec(name.chars().take(32).filter(|c| !c.is_control()).collect())
}

/// SPS and PPS from `sprop-parameter-sets`. The fmtp line may be in another media section.
fn parameter_sets(
    track: &Media,
    media: &[Media],
    payload_type: u8,
) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
    let number = payload_type.to_string();
    let sets = std::iter::once(track)
        .chain(media)
        .filter_map(|media| media.attribute_of("fmtp", &number))
        .flat_map(|parameters| parameters.split(';'))
        .find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("sprop-parameter-sets").then_some(value)
        });
    let mut sps = None;
    let mut pps: Vec<Vec<u8>> = Vec::new();
    for encoded in sets.unwrap_or_default().split(',') {
        let Ok(bytes) = LENIENT.decode(encoded.trim()) else {
            continue;
        };
        for nal in nal_units(&bytes) {
            match nal[0] & 0x1f {
                SPS if sps.is_none() && nal.len() >= 4 => sps = Some(nal.to_vec()),
                PPS if pps.len() < RTSP_SDP_PPS_MAX && nal.len() >= 2 => pps.push(nal.to_vec()),
                _ => {}
            }
        }
    }
    (sps, pps)
}

/// NAL units between start codes, without trailing zeros; empty and too long ones are left out.
fn nal_units(bytes: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.windows(3).position(|window| window == [0, 0, 1]);
        let mut unit = &rest[..end.unwrap_or(rest.len())];
        while let [start @ .., 0] = unit {
            unit = start;
        }
        if (1..=PARAMETER_SET_BYTES_MAX).contains(&unit.len()) {
            units.push(unit);
        }
        match end {
            Some(end) => rest = &rest[end + 3..],
            None => return units,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(fmtp: &str) -> VideoTrack {
        let sdp = format!("v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n{fmtp}\r\n");
        describe(sdp.as_bytes()).expect("h264").video
    }

    fn sprop(sets: &str) -> (Option<Vec<u8>>, usize) {
        let track = h264(&format!("a=fmtp:96 packetization-mode=1; sprop-parameter-sets={sets}"));
        (track.sps, track.pps.len())
    }

    #[test]
    fn parameter_sets_are_cleaned() {
        let sps = Some(vec![0x67, 0x4d, 0x00, 0x29, 0x96]);
        assert_eq!(sprop("Z00AKZY=,aO48gA==;"), (sps.clone(), 1));
        assert_eq!(sprop("Z00AKZY,aO48gA"), (sps.clone(), 1), "no padding");
        assert_eq!(sprop("Z00AKZYAAAAB,aO48gAAA"), (sps.clone(), 1), "start code and zeros behind");
        assert_eq!(sprop("AAAAAWdNACmWAAAAAWjuPIA="), (sps.clone(), 1), "Annex B in one");
        assert_eq!(sprop("Z00AKZY="), (sps, 0), "one alone");
        assert_eq!(sprop("Z00="), (None, 0), "too short to be one");
        assert_eq!(sprop("QUJD,*,"), (None, 0), "nonsense");
        assert_eq!(h264("a=fmtp:96").sps, None);
        let long = LENIENT.encode([&[0x67; 1][..], &[1; PARAMETER_SET_BYTES_MAX]].concat());
        assert_eq!(sprop(&long), (None, 0), "over the limit");
    }

    #[test]
    fn broken_session_lines_and_odd_blanks_do_not_matter() {
        let sdp = "s=a\ns=b\nc=nonsense\nm=video\t0  RTP/AVP 96 \na=rtpmap:96 H264/90000 \n\
            a=control: trackID=1 ";
        let described = describe(sdp.as_bytes()).expect("h264");
        assert_eq!(described.control.as_deref(), Some("trackID=1"));
    }

    #[test]
    fn a_section_that_cannot_be_read_is_passed_over() {
        let sdp = "v=0\r\nm=application/TP-LINK x RTP/AVP smart/1/90000\r\na=control:2\r\n\
            m=video 0 RTP/AVP 96\r\na=control:1\r\na=rtpmap:96 h264/90000\r\n";
        assert_eq!(describe(sdp.as_bytes()).expect("h264").control.as_deref(), Some("1"));
        let broken = describe(b"v=0\r\nm=video\r\n");
        assert!(matches!(broken, Err(DialogError::Protocol(_))));
    }

    #[test]
    fn a_track_back_to_the_camera_is_not_taken() {
        let media = |control: &str, direction: &str| {
            format!(
                "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:{control}\r\n\
                 a={direction}\r\n"
            )
        };
        let control = |sdp: &str| describe(sdp.as_bytes()).expect("h264").control;
        let back = media("back", "sendonly");
        assert_eq!(control(&(back.clone() + &media("out", "recvonly"))).as_deref(), Some("out"));
        assert_eq!(control(&back).as_deref(), Some("back"), "everything is marked so");
    }

    #[test]
    fn further_tracks_are_those_that_come_from_the_camera() {
        let sdp = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:1\r\n\
            m=audio 0 RTP/AVP 0\r\na=control:2\r\nm=audio 0 RTP/AVP 0\r\na=control:3\r\n\
            a=sendonly\r\nm=application 0 RTP/AVP 107\r\na=control:4\r\nm=audio 0 RTP/AVP 0\r\n";
        let described = describe(sdp.as_bytes()).expect("h264");
        assert_eq!(described.others, ["2", "4"]);
    }

    #[test]
    fn sections_and_formats_beyond_the_bound_are_passed_over() {
        let video = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
        let after = |sections: usize| {
            describe(("m=audio 0 RTP/AVP 0\r\n".repeat(sections) + video).as_bytes())
        };
        assert!(after(RTSP_SDP_MEDIA_MAX - 1).is_ok());
        assert_eq!(after(RTSP_SDP_MEDIA_MAX), Err(DialogError::NoVideo { audio: true }));
        let last =
            "m=audio 0 RTP/AVP 0\r\n".repeat(RTSP_SDP_MEDIA_MAX) + "a=control:of the next\r\n";
        let sdp = format!("{video}{}m=audio 0 RTP/AVP 0\r\n{last}", "a=control:1\r\n");
        assert_eq!(describe(sdp.as_bytes()).expect("h264").control.as_deref(), Some("1"));
        let formats = |before: usize| {
            let sdp = format!(
                "m=video 0 RTP/AVP {}96\r\na=rtpmap:96 H264/90000\r\n",
                "0 ".repeat(before)
            );
            describe(sdp.as_bytes())
        };
        assert!(formats(RTSP_SDP_FORMATS_MAX - 1).is_ok());
        assert!(formats(RTSP_SDP_FORMATS_MAX).is_err());
    }

    #[test]
    fn a_line_in_another_encoding_is_passed_over() {
        let sdp = b"v=0\r\ns=C\xe2mera\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
            a=title:\xe2\r\na=control:1\r\n";
        assert_eq!(describe(sdp).expect("h264").control.as_deref(), Some("1"));
    }

    #[test]
    fn parameters_under_another_medium_are_found() {
        let sdp = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
            m=audio 0 RTP/AVP 0\r\na=fmtp:96 sprop-parameter-sets=Z00AKZY=,aO48gA==\r\n";
        assert!(describe(sdp.as_bytes()).expect("h264").video.sps.is_some());
    }

    #[test]
    fn what_there_is_instead_is_said() {
        let error = |sdp: &str| describe(sdp.as_bytes()).expect_err(sdp);
        let video = |map: &str| format!("m=video 0 RTP/AVP 96\r\na=rtpmap:96 {map}\r\n");
        assert_eq!(error(&video("H265/90000")), DialogError::HevcOnly);
        let codec = DialogError::Codec("MP4V-ES".to_owned());
        assert_eq!(error(&video("MP4V-ES/90000")), codec);
        assert_eq!(error("m=video 0 RTP/AVP 26\r\n"), DialogError::Codec("JPEG".to_owned()));
        let audio = error("m=audio 0 RTP/AVP 0\r\n");
        assert_eq!(audio, DialogError::NoVideo { audio: true });
        assert_eq!(error(""), DialogError::NoVideo { audio: false });
        assert!(describe(b"m=video 0 RTP/AVP 96\r\na=fmtp:96 packetization-mode=1\r\n").is_ok());
    }
}
