//! What a viewer asks of the demo camera, and the answers: bytes in, bytes out, without a socket or
//! a clock.
//!
//! `rtsp-types` reads and writes them. A message that is not whole within [`RTSP_HEAD_BYTES_MAX`]
//! ends the connection.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rtsp_types::headers::{
    CONTENT_BASE, CSeq, ContentType, MediaType, Public, RtpLowerTransport, RtpProfile,
    RtpTransport, RtpTransportParameters, Session, TRANSPORT, Transport, Transports,
};
use rtsp_types::{Message, Method, ParseError, Request, Response, StatusCode, Version};

use super::FRAMES_PER_S;
use super::clip::Clip;
use crate::limits::RTSP_HEAD_BYTES_MAX;

pub(super) const PAYLOAD_TYPE: u8 = 96;
pub(super) const CLOCK_HZ: u32 = 90_000;

/// How far a viewer has come with its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DemoPhase {
    Asking,
    Playing,
    TornDown,
}

/// The answers to one viewer's requests.
#[derive(Debug)]
pub(super) struct DemoAnswers {
    ssrc: u32,
    /// The SDP of the clip.
    description: String,
    phase: DemoPhase,
}

impl DemoAnswers {
    /// Answers for a stream of `clip` with this SSRC.
    pub(super) fn new(clip: &Clip, ssrc: u32) -> Self {
        Self { ssrc, description: describe(clip), phase: DemoPhase::Asking }
    }

    /// Takes the whole messages that `received` begins with, and appends the answers to `out`. The
    /// viewer's receiver reports are ignored.
    ///
    /// # Errors
    /// What was received is not RTSP, or a message is too long.
    pub(super) fn take(
        &mut self,
        received: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> io::Result<DemoPhase> {
        let bad = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut taken = 0;
        while taken < received.len() && self.phase != DemoPhase::TornDown {
            let rest = &received[taken..];
            match Message::<&[u8]>::parse(rest) {
                Ok((message, bytes)) => {
                    if let Message::Request(request) = message {
                        self.answer(request, out);
                    }
                    taken += bytes;
                }
                Err(ParseError::Incomplete(_)) if rest.len() <= RTSP_HEAD_BYTES_MAX => break,
                Err(ParseError::Incomplete(_)) => {
                    let bytes = rest.len();
                    return Err(bad(format!(
                        "rtsp message of {bytes} bytes, max {RTSP_HEAD_BYTES_MAX}"
                    )));
                }
                Err(ParseError::Error) => return Err(bad("not rtsp".to_owned())),
            }
        }
        received.drain(..taken);
        Ok(self.phase)
    }

    fn answer(&mut self, mut request: Request<&[u8]>, out: &mut Vec<u8>) {
        let cseq = request.typed_header::<CSeq>().ok().flatten().unwrap_or_else(|| CSeq::from(0));
        let with = |status| Response::builder(Version::V1_0, status).typed_header(&cseq);
        let in_session =
            || with(StatusCode::Ok).typed_header(&Session::with_timeout("demo".to_owned(), 60));
        let method = match request.version() {
            Version::V1_0 => Some(request.method().clone()),
            Version::V2_0 => None,
        };
        let mut body: &[u8] = &[];
        let head = match method {
            None => with(StatusCode::RTSPVersionNotSupported),
            Some(Method::Options) => with(StatusCode::Ok).typed_header(&methods()),
            Some(Method::Describe) => {
                body = self.description.as_bytes();
                let url = request.request_uri().map_or("*", |url| url.as_str());
                with(StatusCode::Ok)
                    .header(CONTENT_BASE, format!("{}/", url.trim_end_matches('/')))
                    .typed_header(&ContentType {
                        media_type: MediaType::Application,
                        media_subtype: "sdp".to_owned(),
                        params: Vec::new(),
                    })
            }
            Some(Method::Setup) if wants_tcp(&mut request) => {
                in_session().typed_header(&Transports::from(vec![Transport::Rtp(self.transport())]))
            }
            Some(Method::Setup) => with(StatusCode::UnsupportedTransport),
            Some(Method::Play) => {
                self.phase = DemoPhase::Playing;
                in_session()
            }
            Some(Method::GetParameter) => in_session(),
            Some(Method::Teardown) => {
                self.phase = DemoPhase::TornDown;
                in_session()
            }
            Some(_) => with(StatusCode::MethodNotAllowed),
        };
        head.build(body).write(out).expect("memory takes it");
    }

    fn transport(&self) -> RtpTransport {
        RtpTransport {
            profile: RtpProfile::Avp,
            lower_transport: Some(RtpLowerTransport::Tcp),
            params: RtpTransportParameters {
                unicast: true,
                interleaved: Some((0, Some(1))),
                ssrc: vec![self.ssrc],
                ..RtpTransportParameters::default()
            },
        }
    }
}

fn methods() -> Public {
    Public::from(vec![
        Method::Options,
        Method::Describe,
        Method::Setup,
        Method::Play,
        Method::GetParameter,
        Method::Teardown,
    ])
}

/// Whether a SETUP would take RTP over its connection.
fn wants_tcp(request: &mut Request<&[u8]>) -> bool {
    // A lone quotation mark as a parameter makes rtsp-types 0.1.3 panic, and we need none of those
    // that have any.
    if let Some(value) = request.header_mut(&TRANSPORT) {
        *value = value.as_str().replace('"', "").into();
    }
    let wanted = request.typed_header::<Transports>().ok().flatten();
    wanted.is_some_and(|wanted| {
        wanted.iter().any(|transport| {
            matches!(
                transport,
                Transport::Rtp(RtpTransport {
                    profile: RtpProfile::Avp,
                    lower_transport: Some(RtpLowerTransport::Tcp),
                    ..
                })
            )
        })
    })
}

fn describe(clip: &Clip) -> String {
    let sps = clip.first(7).unwrap_or_default();
    let pps = clip.first(8).unwrap_or_default();
    let profile: String = sps.iter().skip(1).take(3).map(|b| format!("{b:02X}")).collect();
    format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=weir demo camera\r\nc=IN IP4 0.0.0.0\r\n\
         t=0 0\r\na=control:*\r\nm=video 0 RTP/AVP {PAYLOAD_TYPE}\r\n\
         a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}\r\na=framerate:{FRAMES_PER_S}\r\n\
         a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={profile};\
         sprop-parameter-sets={},{}\r\na=control:video\r\n",
        BASE64.encode(sps),
        BASE64.encode(pps)
    )
}

/// For fuzzing: what a viewer sends has the same answers however it is cut, and they are RTSP.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(data: &[u8]) {
    let answers = |step: usize| {
        let mut answers =
            DemoAnswers { ssrc: 1, description: String::new(), phase: DemoPhase::Asking };
        let (mut received, mut out) = (Vec::new(), Vec::new());
        let mut phase = Ok(DemoPhase::Asking);
        for piece in data.chunks(step) {
            received.extend_from_slice(piece);
            phase = answers.take(&mut received, &mut out).map_err(|error| error.kind());
            if phase.is_err() || phase == Ok(DemoPhase::TornDown) {
                break;
            }
        }
        (phase, out)
    };
    let (phase, out) = answers(data.len().max(1));
    let mut rest = &out[..];
    while !rest.is_empty() {
        let (message, bytes) = Message::<&[u8]>::parse(rest).expect("an answer is rtsp");
        assert!(matches!(message, Message::Response(_)));
        rest = &rest[bytes..];
    }
    if data.len() <= RTSP_HEAD_BYTES_MAX {
        assert_eq!(answers(data.len().div_ceil(3).max(1)), (phase, out));
    }
}
