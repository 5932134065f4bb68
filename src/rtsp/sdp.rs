//! Which track of a camera's SDP is served, and what the SDP says of it.
//!
//! The SDP is read a media section at a time, and of each only `m=` and `a=`: whatever a camera
//! gets wrong elsewhere (no `o=`, two `s=`, a broken `c=`) is never seen, and a section that cannot
//! be read is passed over. Parameter sets are cleaned here; what is left over is waited for in the
//! stream. The body is bounded before it gets here.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sdp_types::Media;

use super::error::DialogError;
use crate::limits::{PARAMETER_SET_BYTES_MAX, RTSP_SDP_PPS_MAX};

const SPS: u8 = 7;
const PPS: u8 = 8;

/// Base64 as cameras write it: padded or not, and with bits left over.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The video track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    /// Of its RTP packets.
    pub payload_type: u8,
    /// The sequence parameter set, when the SDP has one: a whole NAL unit.
    pub sps: Option<Vec<u8>>,
    /// The picture parameter sets: whole NAL units.
    pub pps: Vec<Vec<u8>>,
}

/// What a dialog needs of an SDP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub video: VideoTrack,
    /// The track's control.
    pub control: Option<String>,
    /// The session-level control.
    pub session_control: Option<String>,
}

/// Finds the H.264 track in a DESCRIBE answer's body.
///
/// # Errors
/// What there is instead.
pub(super) fn describe(body: &[u8]) -> Result<Described, DialogError> {
    let text = String::from_utf8_lossy(body);
    let mut sections = sections(&text);
    let session = parse_section(&sections.remove(0));
    let session_control = session
        .as_ref()
        .and_then(|session| session.get_first_attribute_value("control").ok().flatten())
        .map(|control| control.trim().to_owned());
    let media: Vec<Media> = sections
        .iter()
        .filter_map(|section| parse_section(section)?.medias.into_iter().next())
        .collect();
    if media.is_empty() && !sections.is_empty() {
        return Err(DialogError::Protocol("no media section of the sdp can be read"));
    }
    let video = || media.iter().filter(|media| media.media.eq_ignore_ascii_case("video"));
    let h264 = |media: &&Media| h264_payload_type(media).is_some();
    // What is marked sendonly is the way back to the camera, unless everything is.
    let track = video()
        .find(|media| h264(media) && !media.has_attribute("sendonly"))
        .or_else(|| video().find(h264));
    let Some((track, payload_type)) =
        track.and_then(|media| Some((media, h264_payload_type(media)?)))
    else {
        return Err(nothing_to_serve(&media));
    };
    let (sps, pps) = parameter_sets(track, &media, payload_type);
    Ok(Described {
        video: VideoTrack { payload_type, sps, pps },
        control: attribute(track, "control").map(str::to_owned),
        session_control,
    })
}

/// The session part and each media section, with the lines that matter and in order.
fn sections(text: &str) -> Vec<String> {
    const VERSION: &str = "v=0\r\n";
    let mut sections = vec![VERSION.to_owned()];
    for line in text.split(['\n', '\r']).map(str::trim) {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "m" => {
                let words: Vec<&str> = value.split_whitespace().collect();
                sections.push(format!("{VERSION}m={}\r\n", words.join(" ")));
            }
            "a" if !value.is_empty() => {
                let section = sections.last_mut().into_iter();
                section.for_each(|section| *section += &format!("a={value}\r\n"));
            }
            _ => {}
        }
    }
    sections
}

fn parse_section(section: &str) -> Option<sdp_types::Session> {
    sdp_types::Session::parse(section.as_bytes()).ok()
}

fn attribute<'a>(media: &'a Media, name: &str) -> Option<&'a str> {
    media.get_first_attribute_value(name).ok().flatten().map(str::trim)
}

/// The value of `a=<name>:<payload type> value`.
fn attribute_of<'a>(media: &'a Media, name: &'a str, payload_type: &str) -> Option<&'a str> {
    media.get_attribute_values(name).ok()?.flatten().find_map(|value| {
        let (number, rest) = value.trim().split_once([' ', '\t'])?;
        (number == payload_type).then_some(rest.trim())
    })
}

/// The codec's name for a payload type: by rtpmap, or else by the static table; without either by
/// what only H.264 has parameters for.
fn codec<'a>(media: &'a Media, payload_type: &str) -> Option<&'a str> {
    if let Some(map) = attribute_of(media, "rtpmap", payload_type) {
        return map.split('/').next().map(str::trim);
    }
    let parameters = attribute_of(media, "fmtp", payload_type).unwrap_or_default();
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
    let number = media.fmt.split_whitespace().find(is_h264)?;
    number.parse().ok().filter(|number| *number < 128)
}

fn nothing_to_serve(media: &[Media]) -> DialogError {
    let is = |media: &Media, kind: &str| media.media.eq_ignore_ascii_case(kind);
    let mut codecs = media
        .iter()
        .filter(|media| is(media, "video"))
        .flat_map(|media| media.fmt.split_whitespace().map(move |number| codec(media, number)));
    let Some(first) = codecs.next() else {
        let audio = media.iter().any(|media| is(media, "audio"));
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

/// SPS and PPS of `sprop-parameter-sets`. The fmtp line may stand under another medium.
fn parameter_sets(
    track: &Media,
    media: &[Media],
    payload_type: u8,
) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
    let number = payload_type.to_string();
    let sets = std::iter::once(track)
        .chain(media)
        .filter_map(|media| attribute_of(media, "fmtp", &number))
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

/// NAL units between start codes, without trailing zeros, of a size that may be.
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
