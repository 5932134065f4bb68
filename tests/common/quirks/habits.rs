//! What a camera does otherwise than others. Texts may have `{host}`, the camera's address and
//! port, `{sets}`, its parameter sets as `sprop-parameter-sets` has them, and `{nonce}`.

/// The habits of a camera; the default is a camera without any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// The path of its URL; `stream1` when empty.
    pub path: &'static str,
    /// User and password as they stand in the URL, with an `@` behind.
    pub userinfo: &'static str,
    /// Header lines of the answer to DESCRIBE, in place of `Content-Base` and `Content-Type`.
    pub describe: Option<&'static str>,
    /// The body of that answer.
    pub sdp: Option<&'static str>,
    /// URLs that get 404 for any request that has not exactly this one: by method.
    pub uris: &'static [(&'static str, &'static str)],
    /// The `Transport` header of the answer to SETUP.
    pub transport: Option<&'static str>,
    /// The channel that RTP is sent on, where that is not the one asked for.
    pub channel: Option<u8>,
    /// The `Session` header of the answers to SETUP; `77DA;timeout=60` without.
    pub session: Option<&'static str>,
    /// Each SETUP is answered with another session.
    pub has_many_sessions: bool,
    /// Header lines of the answer to PLAY, in place of `Session`.
    pub play: Option<&'static str>,
    /// The login that it asks for.
    pub login: Option<Login>,
    /// How answers are written.
    pub answers: Answers,
    /// What refuses a request.
    pub refusals: Refusals,
    /// How keepalives are taken.
    pub keepalives: Keepalives,
    /// What comes on the connection besides.
    pub framing: Framing,
    /// The RTP.
    pub rtp: Rtp,
    /// The sound beside the picture; its section must be in the `sdp`.
    pub sound: Option<Sound>,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// What becomes of the CSeq.
    pub cseq: Cseq,
    /// Line ends before each answer and each interleaved frame.
    pub has_blank_lines: bool,
}

/// The CSeq of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cseq {
    /// That of the request.
    #[default]
    Same,
    /// The same, as `Cseq`.
    Lower,
    /// The one before.
    Previous,
    /// None.
    Missing,
}

/// What is refused, each by its own status.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refusals {
    /// Methods that get 551.
    pub methods: &'static [&'static str],
    /// A request without a `User-Agent` gets 401.
    pub needs_user_agent: bool,
    /// `mode` in the transport gets 400, and so does PLAY without `Range`.
    pub is_strict: bool,
    /// SETUP on a connection without DESCRIBE gets 454.
    pub needs_describe: bool,
    /// The first dials get 453 for DESCRIBE, this many.
    pub busy_dials: usize,
    /// After a session is lost DESCRIBE gets 453 for this long.
    pub busy_ms: u64,
    /// The first dial is sent to another port by 302.
    pub redirects: bool,
    /// The first connection is closed after a DESCRIBE with a login.
    pub hangs_up: bool,
    /// The connection is closed by the camera after so many frames, on each of the first two dials.
    pub frames: Option<u32>,
}

/// How keepalives are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keepalives {
    /// How they are answered.
    pub answer: KeepaliveAnswer,
    /// The connection is closed unless a valid one came within this time, again and again: with the
    /// session, the base as its URL and the login.
    pub every_ms: Option<u64>,
    /// The same for receiver reports, those on the sound too if that is set up.
    pub reports_every_ms: Option<u64>,
    /// It closes the connection at a method other than OPTIONS while it plays.
    pub only_options: bool,
}

/// The answer to a keepalive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeepaliveAnswer {
    /// 200.
    #[default]
    Taken,
    /// None.
    Ignored,
    /// 400, with the CSeq before.
    Refused,
    /// 401 with another nonce; the request that has that is valid.
    NewNonce,
}

/// What comes on the connection besides what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Framing {
    /// RTP begins before the answer to PLAY.
    pub is_early: bool,
    /// Another session's packets come on the same channel, from the connection's begin on.
    pub has_stale_session: bool,
    /// Tracks come that nobody set up.
    pub has_other_channels: bool,
    /// RTCP comes on the RTP channel and RTP on the other.
    pub swaps_channels: bool,
    /// Every 40 frames a part of one is repeated, or left out.
    pub garbles: bool,
    /// It asks for something itself, every 20 frames.
    pub asks: bool,
}

/// A login as a camera asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    /// The values of its `WWW-Authenticate` headers.
    pub challenges: &'static [&'static str],
    /// The realm that is hashed.
    pub realm: &'static str,
    /// What it accepts; whatever else it offers it refuses.
    pub takes: Scheme,
    /// User and password that it knows.
    pub user: (&'static str, &'static str),
    /// Each nonce is good for one request.
    pub nonce_each: bool,
}

/// A scheme that a camera accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// MD5 as in RFC 2069.
    Md5,
    /// MD5 with `qop=auth`.
    Md5Qop,
    /// SHA-256 without qop, named in the answer.
    Sha256,
}

/// The RTP of the picture.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rtp {
    /// Payload bytes a packet, at most; 0 for 1400.
    pub payload_bytes: usize,
    /// Slices of a picture; with more than one it shows noise.
    pub slices: u32,
    /// How NAL units are packed.
    pub packing: Packing,
    /// Where its parameter sets are.
    pub sets: Sets,
    /// Which packets have the marker.
    pub marker: Marker,
    /// The timestamps.
    pub stamps: Stamps,
    /// The sequence numbers.
    pub numbers: Numbers,
    /// The SSRC.
    pub source: Source,
    /// Packets have a CSRC, an extension and padding.
    pub is_dressed: bool,
    /// Packets of payload type 50 come between, with the number of the one before.
    pub has_type_50: bool,
    /// The sender reports.
    pub reports: Reports,
}

/// How NAL units are packed into payloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Packing {
    /// Single NAL units and FU-A.
    #[default]
    Plain,
    /// All of a key frame with start codes, as if it were an SPS.
    AnnexB,
    /// The same within FU-A.
    AnnexBFragments,
    /// A start code before each NAL unit, zeros behind it.
    StartCodes,
    /// Small NAL units in a STAP-A that is filled with zeros.
    PaddedStapA,
    /// FU-A with the reserved bit, other types in the middle, empty ones between, S and E in one.
    OddFragments,
}

/// Where the parameter sets are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sets {
    /// Before each key frame.
    #[default]
    InBand,
    /// Nowhere in the stream.
    SdpOnly,
    /// Before each key frame, with the timestamp of the frame before and the marker.
    OfFrameBefore,
    /// Before each key frame, and an SEI with the marker behind each.
    WithSei,
}

/// Which packets have the marker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Marker {
    /// The last of a frame.
    #[default]
    Last,
    /// None.
    Never,
    /// The last of each slice.
    EachSlice,
}

/// The timestamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stamps {
    /// Steady.
    #[default]
    Steady,
    /// Every 15th frame is hours away, forwards or backwards.
    FarAway,
    /// The clock is set back by 8 s at the 40th frame.
    SetBack,
    /// Two frames have one timestamp.
    Shared,
    /// They begin at 0 with each connection.
    FromZero,
    /// Of three frames the first is shown last: the two behind it are B-frames.
    BFrames,
}

/// The sequence numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbers {
    /// Each is one more.
    #[default]
    Count,
    /// All are the same.
    Fixed,
    /// They begin again with each key frame.
    OfKeyFrame,
}

/// The SSRC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// One.
    #[default]
    One,
    /// Another one with each key frame, with other numbers.
    OfKeyFrame,
    /// 0 in every 20th frame.
    ZeroAtTimes,
}

/// The sender reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reports {
    /// None.
    #[default]
    None,
    /// Of another SSRC, of 1970.
    Strange,
}

/// The sound.
#[derive(Debug, Clone, Copy)]
pub struct Sound {
    /// The payload type.
    pub payload_type: u8,
    /// Ticks from one packet's timestamp to the next, in turn.
    pub ticks: [u32; 2],
}
