//! One RTSP connection to the demo camera: requests in, answers and paced frames out.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::FRAMES_PER_S;
use super::clip::Clip;
use super::packetizer::Packetizer;
use crate::clock;
use crate::limits::RTSP_HEAD_BYTES_MAX;

const PAYLOAD_TYPE: u8 = 96;
const CLOCK_HZ: u32 = 90_000;
const FRAME_US: u64 = 1_000_000 / FRAMES_PER_S as u64;
const FRAME_TICKS: u32 = CLOCK_HZ / FRAMES_PER_S;
/// Limit for a viewer to accept bytes, or to send a request before it plays; then it is
/// disconnected.
const PATIENCE: Duration = Duration::from_secs(10);

/// The parts of a request that this server needs.
struct Request<'r> {
    method: &'r str,
    url: &'r str,
    head: &'r str,
    /// Head and body together, in bytes.
    bytes: usize,
}

struct Viewer<'c> {
    stream: TcpStream,
    clip: &'c Clip,
    packetizer: Packetizer,
    received: Vec<u8>,
    out: Vec<u8>,
    /// When frame 0 was due, in microseconds; `None` until PLAY.
    started_us: Option<u64>,
    frame: u64,
}

/// Serves a connection until it ends.
pub(super) async fn serve(stream: TcpStream, clip: &Clip) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let port = stream.peer_addr()?.port();
    let mut viewer = Viewer {
        stream,
        clip,
        packetizer: Packetizer {
            payload_type: PAYLOAD_TYPE,
            ssrc: 0x5745_0000 | u32::from(port),
            sequence: port,
        },
        received: Vec::with_capacity(RTSP_HEAD_BYTES_MAX),
        out: Vec::new(),
        started_us: None,
        frame: 0,
    };
    while viewer.turn().await? {}
    Ok(())
}

impl Viewer<'_> {
    /// Waits for bytes or for the next frame's time, and handles it; false when the connection is
    /// over.
    async fn turn(&mut self) -> io::Result<bool> {
        let wait = match self.started_us {
            None => PATIENCE,
            Some(started_us) => {
                let due_us = started_us + self.frame * FRAME_US;
                Duration::from_micros(due_us.saturating_sub(clock::now_us()))
            }
        };
        tokio::select! {
            read = self.stream.read_buf(&mut self.received) => {
                if read? == 0 || !self.take_requests()? {
                    self.flush().await?;
                    return Ok(false);
                }
            }
            () = sleep(wait) => {
                if self.started_us.is_none() {
                    return Ok(false);
                }
                self.next_frame();
            }
        }
        self.flush().await?;
        Ok(true)
    }

    async fn flush(&mut self) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(&self.out)).await??;
        self.out.clear();
        Ok(())
    }

    fn next_frame(&mut self) {
        let frames = self.clip.len() as u64;
        let index = usize::try_from(self.frame % frames).expect("less than the clip's frames");
        // RTP timestamps wrap (RFC 3550 section 5.1).
        let timestamp = (self.frame * u64::from(FRAME_TICKS)) & u64::from(u32::MAX);
        let timestamp = u32::try_from(timestamp).expect("masked");
        let nals = self.clip.access_unit(index);
        self.packetizer.access_unit(nals, timestamp, &mut self.out);
        self.frame += 1;
    }

    /// Answers the whole requests received so far; false after TEARDOWN.
    fn take_requests(&mut self) -> io::Result<bool> {
        loop {
            match self.received[..] {
                // An interleaved frame with the viewer's receiver reports, which are ignored.
                [b'$', _, high, low, ..] => {
                    let bytes = 4 + usize::from(u16::from_be_bytes([high, low]));
                    if self.received.len() < bytes {
                        return Ok(true);
                    }
                    self.received.drain(..bytes);
                }
                [] | [b'$', ..] => return Ok(true),
                _ => {
                    let received = std::mem::take(&mut self.received);
                    let Some(request) = parse(&received)? else {
                        self.received = received;
                        return Ok(true);
                    };
                    let goes_on = self.answer(&request);
                    self.received = received[request.bytes..].to_vec();
                    if !goes_on {
                        return Ok(false);
                    }
                }
            }
        }
    }

    fn answer(&mut self, request: &Request) -> bool {
        let cseq = request.header("CSeq").unwrap_or("0");
        let plain = "Session: demo;timeout=60\r\n".to_owned();
        let (status, headers, body) = match request.method {
            "OPTIONS" => {
                let methods = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN";
                ("200 OK", format!("Public: {methods}\r\n"), String::new())
            }
            "DESCRIBE" => {
                let body = self.description();
                let base = request.url.trim_end_matches('/');
                let headers = format!(
                    "Content-Base: {base}/\r\nContent-Type: application/sdp\r\n\
                     Content-Length: {}\r\n",
                    body.len()
                );
                ("200 OK", headers, body)
            }
            "SETUP" => match request.header("Transport") {
                Some(wanted) if wanted.contains("RTP/AVP/TCP") => {
                    let transport = format!(
                        "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc={:08X}\r\n",
                        self.packetizer.ssrc
                    );
                    ("200 OK", plain + &transport, String::new())
                }
                _ => ("461 Unsupported Transport", String::new(), String::new()),
            },
            "PLAY" => {
                self.started_us.get_or_insert_with(clock::now_us);
                ("200 OK", plain, String::new())
            }
            "GET_PARAMETER" | "TEARDOWN" => ("200 OK", plain, String::new()),
            _ => ("405 Method Not Allowed", String::new(), String::new()),
        };
        let answer = format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{headers}\r\n{body}");
        self.out.extend(answer.into_bytes());
        request.method != "TEARDOWN"
    }

    fn description(&self) -> String {
        let sps = self.clip.first(7).unwrap_or_default();
        let pps = self.clip.first(8).unwrap_or_default();
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
}

impl<'r> Request<'r> {
    fn header(&self, name: &str) -> Option<&'r str> {
        let lines = self.head.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// The first request of `received`; `None` until it is complete.
fn parse(received: &[u8]) -> io::Result<Option<Request<'_>>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let over = || {
        let bytes = received.len();
        bad(&format!("rtsp request of {bytes} bytes, max {RTSP_HEAD_BYTES_MAX}"))
    };
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if received.len() > RTSP_HEAD_BYTES_MAX { Err(over()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&received[..end]).map_err(|_| bad("rtsp head is not text"))?;
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (Some(method), Some(url), Some("RTSP/1.0")) = (words.next(), words.next(), words.next())
    else {
        return Err(bad("not an rtsp request"));
    };
    let mut request = Request { method, url, head, bytes: end + 4 };
    if let Some(length) = request.header("Content-Length") {
        let length: usize = length.parse().map_err(|_| bad("bad content length"))?;
        if length > RTSP_HEAD_BYTES_MAX {
            return Err(over());
        }
        request.bytes += length;
    }
    Ok((received.len() >= request.bytes).then_some(request))
}
