//! One connection to a camera with habits: what it is asked, what it answers, what it sends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use weir::clock;

use super::Camera;
use super::habits::{Cseq, KeepaliveAnswer, Login};
use super::login::is_signed;
use super::stream::Stream;
use crate::common::camera::rtsp::{Next, Request, next};

const SESSION: &str = "77DA;timeout=60";
/// The SSRC of the packets that were asked for, and of those of a stale session.
const SSRC: u32 = 0x5eed_fdf0;
const STALE_SSRC: u32 = 0x57a1_2000;
/// Frames before the answer to PLAY, of a camera that is early.
const EARLY_FRAMES: u32 = 3;
const ASKS_EVERY_FRAMES: u32 = 20;

/// One connection.
pub(super) struct Client {
    camera: Arc<Camera>,
    connection: TcpStream,
    dial: usize,
    inbox: Vec<u8>,
    nonces: u32,
    has_described: bool,
    setups: u32,
    channel: u8,
    sound_channel: Option<u8>,
    /// The URL of PLAY.
    base: String,
    stream: Option<Stream>,
    stale: Option<Stream>,
    keepalive_us: u64,
    report_us: u64,
    sound_report_us: u64,
}

/// Whether the connection goes on.
type Served = std::io::Result<bool>;

impl Client {
    pub(super) fn new(
        camera: &Arc<Camera>,
        connection: TcpStream,
        dial: usize,
    ) -> std::io::Result<Self> {
        connection.set_nonblocking(false)?;
        connection.set_read_timeout(Some(Duration::from_millis(2)))?;
        connection.set_nodelay(true)?;
        let framing = camera.habits.framing;
        let stale = framing.has_stale_session.then(|| Stream::new(STALE_SSRC, 0, None));
        Ok(Self {
            camera: camera.clone(),
            connection,
            dial,
            inbox: Vec::new(),
            nonces: 0,
            has_described: false,
            setups: 0,
            channel: 0,
            sound_channel: None,
            base: String::new(),
            stream: None,
            stale,
            keepalive_us: 0,
            report_us: 0,
            sound_report_us: 0,
        })
    }

    /// Serves it to its end.
    pub(super) fn serve(mut self) -> std::io::Result<()> {
        let ended = self.serve_on();
        if self.stream.is_some() {
            self.camera.seen.lost_us.store(clock::now_us(), Relaxed);
        }
        ended
    }

    fn serve_on(&mut self) -> std::io::Result<()> {
        while !self.camera.seen.stop.load(Relaxed) && self.send()? {
            let mut bytes = [0; 4096];
            match self.connection.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(count) => self.inbox.extend(&bytes[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
            if !self.take()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes what came.
    fn take(&mut self) -> Served {
        loop {
            if self.inbox.starts_with(b"RTSP/") {
                let end = self.inbox.windows(4).position(|four| four == b"\r\n\r\n");
                let Some(end) = end else { return Ok(true) };
                let answer: Vec<u8> = self.inbox.drain(..end + 4).collect();
                let answer = String::from_utf8_lossy(&answer).into_owned();
                self.camera.seen.answers.lock().expect("whole").push(answer);
                continue;
            }
            match next(&mut self.inbox) {
                Next::Unfinished => return Ok(true),
                Next::Garbage => return Ok(false),
                Next::Interleaved(channel) => {
                    let is_of_sound = self.sound_channel.map(|rtp| rtp + 1) == Some(channel);
                    let of =
                        if is_of_sound { &mut self.sound_report_us } else { &mut self.report_us };
                    *of = clock::now_us();
                    self.camera.seen.reports.fetch_add(1, Relaxed);
                }
                Next::Request(request) => {
                    self.camera.seen.requests.lock().expect("whole").push(request.clone());
                    if !self.answer(&request)? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Writes the frames that are due; whether the connection goes on.
    fn send(&mut self) -> Served {
        let camera = self.camera.clone();
        if let Some(stale) = self.stale.as_mut().filter(|stale| stale.is_due()) {
            let bytes = stale.next(&camera);
            self.connection.write_all(&bytes)?;
        }
        let Some(stream) = &mut self.stream else { return Ok(true) };
        let keepalives = camera.habits.keepalives;
        let is_over = |since_us: u64, every_ms: Option<u64>| {
            every_ms.is_some_and(|ms| clock::now_us() > since_us + ms * 1000)
        };
        if is_over(self.keepalive_us, keepalives.every_ms)
            || is_over(self.report_us, keepalives.reports_every_ms)
            || self.sound_channel.is_some()
                && is_over(self.sound_report_us, keepalives.reports_every_ms)
        {
            return Ok(false);
        }
        let ends = camera.habits.refusals.frames.filter(|_| camera.seen.plays.load(Relaxed) <= 2);
        while stream.is_due() {
            if ends.is_some_and(|frames| stream.frame >= frames) {
                return Ok(false);
            }
            let mut bytes = stream.next(&camera);
            if camera.habits.framing.asks && stream.frame.is_multiple_of(ASKS_EVERY_FRAMES) {
                let number = stream.frame / ASKS_EVERY_FRAMES;
                let methods = ["OPTIONS", "GET_PARAMETER", "ANNOUNCE"];
                let method = methods[number as usize % methods.len()];
                bytes.extend(format!("{method} * RTSP/1.0\r\nCSeq: {number}\r\n\r\n").as_bytes());
            }
            self.connection.write_all(&bytes)?;
        }
        Ok(true)
    }

    fn answer(&mut self, request: &Request) -> Served {
        let habits = self.camera.habits;
        let method = request.method.as_str();
        let own = |wanted: &&(&str, &str)| wanted.0 == method;
        let mut uris = habits.uris.iter().filter(own).map(|(_, uri)| self.filled(uri)).peekable();
        if uris.peek().is_some() && !uris.any(|uri| uri == request.uri) {
            return self.say(request, "404 Not Found", "", "");
        }
        drop(uris);
        if habits.refusals.needs_user_agent && request.header("user-agent").is_none() {
            return self.say(request, "401 Unauthorized", "", "");
        }
        let is_open = method == "OPTIONS" && self.stream.is_none();
        if let Some(login) = habits.login.filter(|_| !is_open) {
            let is_right = is_signed(&login, request, &self.nonce());
            let is_new = method == "OPTIONS" && self.wants_new_nonce();
            if !is_right || is_new {
                return self.challenge(request, &login);
            }
            self.nonces += u32::from(login.nonce_each);
        }
        if habits.refusals.methods.contains(&method) {
            return self.say(request, "551 Option Not Supported", "", "");
        }
        match method {
            "DESCRIBE" => self.describe(request),
            "SETUP" => self.set_up(request),
            "PLAY" => self.play(request),
            "TEARDOWN" => self.say(request, "200 OK", "", "").map(|_| false),
            _ if self.stream.is_some() => self.keepalive(request),
            _ => self.say(request, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n", ""),
        }
    }

    fn nonce(&self) -> String {
        format!("n{:04}", self.nonces)
    }

    /// Whether the nonce of this keepalive is too old: every second one's is.
    fn wants_new_nonce(&self) -> bool {
        let is_new = self.camera.habits.keepalives.answer == KeepaliveAnswer::NewNonce;
        is_new && self.nonces == 0
    }

    fn challenge(&mut self, request: &Request, login: &Login) -> Served {
        self.nonces += u32::from(login.nonce_each || self.stream.is_some());
        let nonce = self.nonce();
        let line =
            |value: &&str| format!("WWW-Authenticate: {}\r\n", value.replace("{nonce}", &nonce));
        let lines: String = login.challenges.iter().map(line).collect();
        self.say(request, "401 Unauthorized", &lines, "")
    }

    fn describe(&mut self, request: &Request) -> Served {
        let refusals = self.camera.habits.refusals;
        let lost_us = self.camera.seen.lost_us.load(Relaxed);
        let is_recent = lost_us > 0 && clock::now_us() < lost_us + refusals.busy_ms * 1000;
        if self.dial < refusals.busy_dials || is_recent {
            return self.say(request, "453 Not Enough Bandwidth", "", "");
        }
        let here = self.connection.local_addr()?;
        if refusals.redirects && here == self.camera.address {
            let to = format!("Location: rtsp://{}/moved\r\n", self.camera.other);
            return self.say(request, "302 Moved Temporarily", &to, "");
        }
        if refusals.hangs_up && self.dial == 0 && request.header("authorization").is_some() {
            return Ok(false);
        }
        self.has_described = true;
        let habits = self.camera.habits;
        let plain = "Content-Base: rtsp://{host}/stream1/\r\nContent-Type: application/sdp\r\n";
        let headers = self.filled(habits.describe.unwrap_or(plain));
        let sdp = self.filled(habits.sdp.unwrap_or(SDP));
        self.say(request, "200 OK", &headers, &sdp)
    }

    fn set_up(&mut self, request: &Request) -> Served {
        let habits = self.camera.habits;
        let asked = request.header("transport").unwrap_or_default().to_owned();
        if habits.refusals.is_strict && asked.contains("mode") {
            return self.say(request, "400 Bad Request", "", "");
        }
        if habits.refusals.needs_describe && !self.has_described {
            return self.say(request, "454 Session Not Found", "", "");
        }
        let Some(channel) = request.channel() else {
            return self.say(request, "461 Unsupported Transport", "", "");
        };
        self.setups += 1;
        let session = match habits.has_many_sessions {
            true => format!("77D{};timeout=60", self.setups),
            false => habits.session.unwrap_or(SESSION).to_owned(),
        };
        let mut transport = habits.transport.map_or(asked, |text| self.filled(text));
        if self.setups == 1 {
            self.channel = habits.channel.unwrap_or(channel);
        } else {
            self.sound_channel = Some(channel);
            transport = format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1);
        }
        let session = if session.is_empty() { session } else { format!("Session: {session}\r\n") };
        self.say(request, "200 OK", &format!("Transport: {transport}\r\n{session}"), "")
    }

    fn play(&mut self, request: &Request) -> Served {
        let camera = self.camera.clone();
        if camera.habits.refusals.is_strict && request.header("range").is_none() {
            return self.say(request, "400 Bad Request", "", "");
        }
        camera.seen.plays.fetch_add(1, Relaxed);
        self.base.clone_from(&request.uri);
        let sound = self.sound_channel.and_then(|channel| Some((channel, camera.habits.sound?)));
        let mut stream = Stream::new(SSRC, self.channel, sound);
        if camera.habits.framing.is_early {
            for _ in 0..EARLY_FRAMES {
                let frame = stream.next(&camera);
                self.connection.write_all(&frame)?;
            }
        }
        let headers = self.filled(camera.habits.play.unwrap_or("Session: 77DA\r\n"));
        self.say(request, "200 OK", &headers, "")?;
        self.stream = Some(stream);
        let now_us = clock::now_us();
        (self.keepalive_us, self.report_us, self.sound_report_us) = (now_us, now_us, now_us);
        Ok(true)
    }

    fn keepalive(&mut self, request: &Request) -> Served {
        let keepalives = self.camera.habits.keepalives;
        if keepalives.only_options && request.method != "OPTIONS" {
            return Ok(false);
        }
        let is_valid = request.header("session") == Some("77DA") && request.uri == self.base;
        if is_valid {
            self.keepalive_us = clock::now_us();
        }
        match keepalives.answer {
            KeepaliveAnswer::Ignored => Ok(true),
            KeepaliveAnswer::Refused => {
                let sequence: u32 =
                    request.header("cseq").and_then(|n| n.parse().ok()).unwrap_or(1);
                let text = format!("RTSP/1.0 400 Bad Request\r\nCSeq: {}\r\n\r\n", sequence - 1);
                self.connection.write_all(text.as_bytes()).map(|()| true)
            }
            KeepaliveAnswer::Taken | KeepaliveAnswer::NewNonce => {
                self.say(request, "200 OK", "", "")
            }
        }
    }

    fn filled(&self, text: &str) -> String {
        let camera = &self.camera;
        let sets = camera.units[0][..2].iter().map(|set| BASE64.encode(set));
        let sets = sets.collect::<Vec<_>>().join(",");
        let port = camera.address.port().to_string();
        let text = text.replace("{host}", &camera.address.to_string()).replace("{port}", &port);
        text.replace("{sets}", &sets)
    }

    fn say(&mut self, request: &Request, status: &str, headers: &str, body: &str) -> Served {
        let habits = self.camera.habits.answers;
        let sequence: u32 = request.header("cseq").and_then(|n| n.parse().ok()).unwrap_or(0);
        let sequence = match habits.cseq {
            Cseq::Same => format!("CSeq: {sequence}\r\n"),
            Cseq::Lower => format!("Cseq: {sequence}\r\n"),
            Cseq::Previous => format!("CSeq: {}\r\n", sequence.saturating_sub(1)),
            Cseq::Missing => String::new(),
        };
        let blank = if habits.has_blank_lines { "\r\n" } else { "" };
        let length = match body.len() {
            0 => String::new(),
            bytes => format!("Content-Length: {bytes}\r\n"),
        };
        let text = format!("{blank}RTSP/1.0 {status}\r\n{sequence}{headers}{length}\r\n{body}");
        self.connection.write_all(text.as_bytes()).map(|()| true)
    }
}

/// What a camera without habits describes.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:trackID=0\r\n";
