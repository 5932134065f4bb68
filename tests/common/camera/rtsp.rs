//! The RTSP a simulated camera speaks: requests read from a stream that also carries the
//! client's interleaved reports, answers, and logins.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use weir::codec::Codec;

use super::Microphone;
use super::picture::parameter_sets;

const REALM: &str = "IP Camera(weir)";

/// How a camera lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Anybody.
    #[default]
    None,
    /// RFC 7617.
    Basic,
    /// RFC 7616 with MD5, with or without `qop="auth"`.
    Digest {
        /// Whether the challenge offers `qop`.
        qop: bool,
    },
}

/// A login a camera asks for.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// How.
    pub scheme: Scheme,
    /// Who.
    pub user: String,
    /// The password.
    pub password: String,
}

/// A request's head.
#[derive(Debug, Clone)]
pub struct Request {
    /// `DESCRIBE` and so on.
    pub method: String,
    /// As it came.
    pub uri: String,
    headers: Vec<(String, String)>,
}

/// What stands next in what the client sent.
#[derive(Debug)]
pub enum Next {
    /// Not all there yet.
    Unfinished,
    /// An interleaved packet of this channel.
    Interleaved(u8),
    /// A request.
    Request(Request),
    /// Neither.
    Garbage,
}

/// Takes the next message off the front of `inbox`.
pub fn next(inbox: &mut Vec<u8>) -> Next {
    match **inbox {
        [] => Next::Unfinished,
        [b'$', channel, high, low, ..] => {
            let bytes = 4 + usize::from(u16::from_be_bytes([high, low]));
            if inbox.len() < bytes {
                return Next::Unfinished;
            }
            inbox.drain(..bytes);
            Next::Interleaved(channel)
        }
        [b'$', ..] => Next::Unfinished,
        _ => {
            let Some(end) = inbox.windows(4).position(|window| window == b"\r\n\r\n") else {
                return Next::Unfinished;
            };
            let head: Vec<u8> = inbox.drain(..end + 4).collect();
            parse(&head).map_or(Next::Garbage, Next::Request)
        }
    }
}

fn parse(head: &[u8]) -> Option<Request> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, uri, version) = (first.next()?, first.next()?, first.next()?);
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    (version == "RTSP/1.0").then(|| Request {
        method: method.to_owned(),
        uri: uri.to_owned(),
        headers,
    })
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// An answer with the request's CSeq.
    pub fn answer(&self, status: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
        let sequence = self.header("cseq").unwrap_or("0");
        let mut text = format!("RTSP/1.0 {status}\r\nCSeq: {sequence}\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        (text + "\r\n" + body).into_bytes()
    }

    /// The first of the two interleaved channels that SETUP asks for.
    pub fn channel(&self) -> Option<u8> {
        let transport = self.header("transport")?;
        let (_, channels) = transport.split_once("interleaved=")?;
        let digits = channels.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    }

    /// The two ports that SETUP asks for, like `5000-5001`.
    pub fn client_ports(&self) -> Option<&str> {
        let (_, ports) = self.header("transport")?.split_once("client_port=")?;
        ports.split(';').next()
    }

    /// Whether the request carries `login`.
    pub fn allowed(&self, login: &Login, nonce: &str) -> bool {
        let authorization = self.header("authorization").unwrap_or_default();
        match login.scheme {
            Scheme::None => true,
            Scheme::Basic => {
                let token = BASE64.encode(format!("{}:{}", login.user, login.password));
                authorization == format!("Basic {token}")
            }
            Scheme::Digest { qop } => self.digest(authorization, login, nonce, qop),
        }
    }

    fn digest(&self, authorization: &str, login: &Login, nonce: &str, qop: bool) -> bool {
        let Some(fields) = authorization.strip_prefix("Digest ") else {
            return false;
        };
        let field = |name: &str| {
            fields.split(',').find_map(|field| {
                let (key, value) = field.trim().split_once('=')?;
                (key == name).then(|| value.trim_matches('"'))
            })
        };
        let secret = md5_hex(&format!("{}:{REALM}:{}", login.user, login.password));
        let request = md5_hex(&format!("{}:{}", self.method, field("uri").unwrap_or("")));
        let expected = if qop {
            let (Some(count), Some(client)) = (field("nc"), field("cnonce")) else {
                return false;
            };
            md5_hex(&format!("{secret}:{nonce}:{count}:{client}:auth:{request}"))
        } else {
            md5_hex(&format!("{secret}:{nonce}:{request}"))
        };
        field("username") == Some(&login.user)
            && field("realm") == Some(REALM)
            && field("nonce") == Some(nonce)
            && field("response") == Some(&expected)
    }
}

impl Login {
    /// The challenge of a 401.
    pub fn challenge(&self, nonce: &str) -> String {
        match self.scheme {
            Scheme::None => String::new(),
            Scheme::Basic => format!("Basic realm=\"{REALM}\""),
            Scheme::Digest { qop } => {
                let qop = if qop { ", qop=\"auth\"" } else { "" };
                format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\"{qop}")
            }
        }
    }
}

/// The track of the sound, as the description names it.
pub const SOUND_TRACK: &str = "trackID=1";

/// The description of a synthetic camera of H.264.
pub fn description(sound: Option<&Microphone>) -> String {
    description_of(Codec::H264, sound)
}

/// The same of either codec.
pub fn description_of(codec: Codec, sound: Option<&Microphone>) -> String {
    let sound = sound.map_or(String::new(), |Microphone { payload_type, encoding, .. }| {
        let map = encoding.map(|encoding| format!("a=rtpmap:{payload_type} {encoding}\r\n"));
        let map = map.unwrap_or_default();
        format!("m=audio 0 RTP/AVP {payload_type}\r\n{map}a=control:{SOUND_TRACK}\r\n")
    });
    let sets: Vec<String> = parameter_sets(codec).iter().map(|set| BASE64.encode(set)).collect();
    let parameters = match &sets[..] {
        [vps, sps, pps] => format!("sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}"),
        sets => format!(
            "packetization-mode=1;profile-level-id=42e01f;sprop-parameter-sets={}",
            sets.join(",")
        ),
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 {}/90000\r\na=fmtp:96 {parameters}\r\n\
         a=control:trackID=0\r\n{sound}",
        codec.name()
    )
}

fn md5_hex(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
