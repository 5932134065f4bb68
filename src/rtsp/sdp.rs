//! Finds the video track in a camera's SDP, H.264 or else H.265, and its sound.
//!
//! The SDP is parsed in place, and only its `m=` and `a=` lines, and `c=` for a multicast group:
//! errors elsewhere (no `o=`, two `s=`, a broken `c=`) do not matter. A media section that cannot
//! be parsed is skipped, and so is a line that is not UTF-8. Kept are the track's control, the
//! controls of the other tracks, and
//! the valid parameter sets; missing ones are expected in the stream. The body's size is bounded
//! before; here [`RTSP_SDP_MEDIA_MAX`] and [`RTSP_SDP_FORMATS_MAX`] bound the time that parsing
//! takes.

use std::net::Ipv4Addr;

use heapless::Vec as Bounded;

use super::error::DialogError;
use super::sprop;
use crate::codec::Codec;
use crate::limits::{
    RTSP_OTHER_TRACKS_MAX, RTSP_REQUEST_URL_BYTES_MAX, RTSP_SDP_FORMATS_MAX,
    RTSP_SDP_FRAMES_PER_S_MAX, RTSP_SDP_MEDIA_MAX,
};

mod sound;

pub use sound::{CameraSound, SoundTrack};

/// The video track that a session delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    /// The codec of its pictures.
    pub codec: Codec,
    /// The payload type of its RTP packets.
    pub payload_type: u8,
    /// The parameter sets that the SDP has: whole NAL units.
    pub parameter_sets: Vec<Vec<u8>>,
    /// The frames per second, times 100, that the SDP says (RFC 8866 section 6.13).
    pub frames_per_s_x100: Option<u32>,
}

/// The parts of an SDP that a dialog uses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub video: VideoTrack,
    /// The video track's control.
    pub control: Option<String>,
    /// The multicast group that the video track is sent to, and its RTP port, which may be 0.
    pub group: Option<(Ipv4Addr, u16)>,
    /// The control attribute of the session level.
    pub session_control: Option<String>,
    /// The sound that the camera sends.
    pub sound: CameraSound,
    /// The control of the sound that can be passed on.
    pub sound_control: Option<String>,
    /// The multicast group of that, as `group`.
    pub sound_group: Option<(Ipv4Addr, u16)>,
    /// Controls of the other tracks that the camera sends: metadata, further sound.
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

/// Finds the video track in the body of a DESCRIBE answer. Where there are tracks or formats of
/// both codecs it is that of H.264, which every browser decodes.
///
/// # Errors
/// [`DialogError::Codec`] or [`DialogError::NoVideo`] for an SDP without H.264 and H.265;
/// [`DialogError::OutOfOrder`] for H.265 that needs sorting; [`DialogError::Protocol`] when no
/// media section can be parsed.
pub(super) fn describe(body: &[u8]) -> Result<Described, DialogError> {
    let (session, media, found) = sections(body);
    if media.is_empty() && found > 0 {
        return Err(DialogError::Protocol("no media section of the sdp can be parsed"));
    }
    let video = || media.iter().filter(|media| media.is("video"));
    let of = |codec: Codec, is_way_back: bool| {
        video()
            .filter(move |media| media.is_way_back() == is_way_back)
            .find_map(move |media| Some((media, codec, payload_type(media, codec)?)))
    };
    // A track marked sendonly is the backchannel to the camera, unless all are marked.
    let chosen = of(Codec::H264, false)
        .or_else(|| of(Codec::H265, false))
        .or_else(|| of(Codec::H264, true))
        .or_else(|| of(Codec::H265, true));
    let Some((track, codec, payload_type)) = chosen else {
        return Err(nothing_to_serve(&media));
    };
    let number = payload_type.to_string();
    // The fmtp line may be in another media section.
    let all = std::iter::once(track).chain(&media);
    let fmtp = all.filter_map(|media| media.attribute_of("fmtp", &number));
    if codec == Codec::H265 {
        check_order(fmtp.clone())?;
    }
    let parameter_sets = sprop::parameter_sets(codec, fmtp);
    let (sound, sound_section) = sound::find(&media, track.is_way_back());
    let is_sound = |other: &Media| sound_section.is_some_and(|sound| std::ptr::eq(sound, other));
    let others = media
        .iter()
        .filter(|other| !std::ptr::eq(*other, track) && !other.is_way_back() && !is_sound(other))
        .filter_map(|other| other.attribute("control"))
        .filter(|control| control.len() <= RTSP_REQUEST_URL_BYTES_MAX)
        .take(RTSP_OTHER_TRACKS_MAX)
        .map(str::to_owned)
        .collect();
    Ok(Described {
        video: VideoTrack {
            codec,
            payload_type,
            parameter_sets,
            frames_per_s_x100: frame_rate(track),
        },
        control: track.attribute("control").map(str::to_owned),
        group: group(session, track),
        session_control: values(session, "control").next().map(str::to_owned),
        sound_group: sound_section.and_then(|sound| group(session, sound)),
        sound_control: sound_section
            .and_then(|sound| sound.attribute("control"))
            .map(str::to_owned),
        sound,
        others,
    })
}

/// The frames per second, times 100, that a section says. What no camera has is not believed.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within its bounds
fn frame_rate(track: &Media) -> Option<u32> {
    let rate: f64 = track.attribute("framerate")?.parse().ok()?;
    (1.0..=RTSP_SDP_FRAMES_PER_S_MAX).contains(&rate).then_some((rate * 100.0).round() as u32)
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

/// The group in the connection line of the track, else of the session: `IN IP4 239.1.2.3/16`.
fn group(session: &[u8], track: &Media) -> Option<(Ipv4Addr, u16)> {
    let port = track.line.split_whitespace().nth(1)?.split('/').next()?.parse().ok()?;
    let mut lines = [track.lines, session].into_iter().filter_map(|lines| {
        let (_, value) = lines.split(is_line_end).filter_map(pair).find(|(key, _)| *key == "c")?;
        let address = value.split_whitespace().nth(2)?;
        address.split('/').next()?.parse::<Ipv4Addr>().ok()
    });
    lines.next().filter(Ipv4Addr::is_multicast).map(|group| (group, port))
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

/// The codec's name for a payload type: from rtpmap, else from the static table, else from
/// parameters in fmtp that only one codec has.
fn codec_name<'a>(media: &Media<'a>, payload_type: &str) -> Option<&'a str> {
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
        _ if parameters.contains("sprop-vps") => Some("H265"),
        _ => None,
    }
}

fn payload_type(media: &Media, codec: Codec) -> Option<u8> {
    let is_it = |number: &&str| codec_name(media, number).and_then(Codec::from_name) == Some(codec);
    let number = media.formats().find(is_it)?;
    number.parse().ok().filter(|number| *number < 128)
}

/// Refuses H.265 whose packets carry decoding order numbers (RFC 7798 section 4.4.1), as its NAL
/// units would have to be sorted. No camera is known to send any.
fn check_order<'a>(fmtp: impl Iterator<Item = &'a str>) -> Result<(), DialogError> {
    let distance = sprop::parameter(fmtp, "sprop-max-don-diff");
    match distance.and_then(|distance| distance.trim().parse().ok()).unwrap_or(0) {
        0 => Ok(()),
        max_don_diff => Err(DialogError::OutOfOrder { max_don_diff }),
    }
}

fn nothing_to_serve(media: &[Media]) -> DialogError {
    let mut codecs = media
        .iter()
        .filter(|media| media.is("video"))
        .flat_map(|media| media.formats().map(move |number| codec_name(media, number)));
    let Some(first) = codecs.next() else {
        let audio = media.iter().any(|media| media.is("audio"));
        return DialogError::NoVideo { audio };
    };
    let name = first.unwrap_or("an unnamed codec");
    DialogError::Codec(name.chars().take(32).filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(described.sound_control.as_deref(), Some("2"));
        assert_eq!(described.others, ["4"]);
    }

    #[test]
    fn a_multicast_group_is_that_of_the_track_or_else_of_the_session() {
        let group = |session: &str, port: &str, track: &str| {
            let sdp = format!(
                "v=0\r\n{session}m=video {port} RTP/AVP 96\r\n{track}a=rtpmap:96 H264/90000\r\n"
            );
            describe(sdp.as_bytes()).expect("h264").group
        };
        let (first, second) = (Ipv4Addr::new(239, 1, 2, 3), Ipv4Addr::new(239, 4, 5, 6));
        let connection = |ip: Ipv4Addr| format!("c=IN IP4 {ip}/16\r\n");
        assert_eq!(group(&connection(first), "5000", ""), Some((first, 5000)));
        assert_eq!(group("", "0", &connection(second)), Some((second, 0)));
        assert_eq!(group(&connection(first), "5000/2", &connection(second)), Some((second, 5000)));
        assert_eq!(group("c=IN IP4 0.0.0.0\r\n", "0", ""), None);
        assert_eq!(group("c=IN IP6 ff15::1\r\n", "5000", "c=\r\n"), None);
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
        assert_eq!(describe(sdp.as_bytes()).expect("h264").video.parameter_sets.len(), 2);
    }

    #[test]
    fn h265_is_taken_and_h264_preferred() {
        let found = |sdp: &str| describe(sdp.as_bytes()).expect(sdp).video;
        for name in ["H265", "h265", "HEVC"] {
            let sdp = format!(
                "m=video 0 RTP/AVP 98\r\na=rtpmap:98 {name}/90000\r\n\
                 a=fmtp:98 sprop-vps=QAEM;sprop-sps=QgEBAQ==;sprop-pps=RAHB;sprop-max-don-diff=0\r\n"
            );
            let video = found(&sdp);
            assert_eq!((video.codec, video.payload_type), (Codec::H265, 98));
            assert_eq!(
                video.parameter_sets.iter().map(|nal| nal[0]).collect::<Vec<_>>(),
                [0x40, 0x42, 0x44]
            );
        }
        let bare = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n";
        assert!(found(bare).parameter_sets.is_empty(), "they come in the stream");
        let unnamed = "m=video 0 RTP/AVP 96\r\na=fmtp:96 sprop-vps=QAEM\r\n";
        assert_eq!(found(unnamed).codec, Codec::H265);
        let both = "m=video 0 RTP/AVP 98 96\r\na=rtpmap:98 H265/90000\r\n\
            a=rtpmap:96 H264/90000\r\n";
        assert_eq!((found(both).codec, found(both).payload_type), (Codec::H264, 96));
        let apart = format!("{bare}m=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n");
        assert_eq!(found(&apart).payload_type, 97);
        let back = format!("{apart}a=sendonly\r\n");
        assert_eq!(found(&back).codec, Codec::H265, "the other goes to the camera");
    }

    #[test]
    fn h265_out_of_order_is_refused() {
        let sdp = "m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\n\
            a=fmtp:98 sprop-max-don-diff= 3 ;tx-mode=SRST\r\n";
        let error = describe(sdp.as_bytes()).expect_err("it needs sorting");
        assert_eq!(error, DialogError::OutOfOrder { max_don_diff: 3 });
        assert!(error.needs_person());
    }

    #[test]
    fn the_frame_rate_is_the_tracks_own_where_a_camera_may_have_it() {
        let rate = |text: &str| {
            let sdp = format!("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n{text}\r\n");
            describe(sdp.as_bytes()).expect("h264").video.frames_per_s_x100
        };
        assert_eq!(rate("a=framerate:25"), Some(2500));
        assert_eq!(rate("a=framerate: 29.970000"), Some(2997));
        for nothing in ["", "a=framerate:0", "a=framerate:90000", "a=framerate:0-30", "a=x:25"] {
            assert_eq!(rate(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_there_is_instead_is_said() {
        let error = |sdp: &str| describe(sdp.as_bytes()).expect_err(sdp);
        let video = |map: &str| format!("m=video 0 RTP/AVP 96\r\na=rtpmap:96 {map}\r\n");
        let codec = DialogError::Codec("MP4V-ES".to_owned());
        assert_eq!(error(&video("MP4V-ES/90000")), codec);
        assert_eq!(error("m=video 0 RTP/AVP 26\r\n"), DialogError::Codec("JPEG".to_owned()));
        let audio = error("m=audio 0 RTP/AVP 0\r\n");
        assert_eq!(audio, DialogError::NoVideo { audio: true });
        assert_eq!(error(""), DialogError::NoVideo { audio: false });
        assert!(describe(b"m=video 0 RTP/AVP 96\r\na=fmtp:96 packetization-mode=1\r\n").is_ok());
    }
}
