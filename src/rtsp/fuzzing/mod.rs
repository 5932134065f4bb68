//! Fuzzing of the RTSP client, see [`crate::fuzzing`]: any bytes from a camera, cut into reads in
//! any way.

mod conversation;
mod datagrams;
mod heads;
mod texts;

pub use conversation::{dialog, framing};
pub use datagrams::datagrams;
pub use heads::head;
pub use texts::{challenge, sdp, url};

use super::examine::{Channels, SoundChannels};
use super::sdp::SoundTrack;
use super::url::CameraCredentials;
use crate::fuzzing::SECRET;
use crate::sound::SoundCodec;

/// The channels and payload type that every target's camera was set up with.
const CHANNELS: Channels = Channels {
    rtp: 0,
    rtcp: 1,
    payload_type: 96,
    sound: Some(SoundChannels {
        rtp: 2,
        rtcp: 3,
        track: SoundTrack { payload_type: 8, codec: SoundCodec::Pcma },
    }),
};

fn credentials() -> CameraCredentials {
    CameraCredentials { user: "viewer".to_owned(), password: SECRET.to_owned() }
}

/// Checks that the bytes sent to a camera are unambiguous: a start line of three words, then
/// headers and their continuations, then an empty line. `bytes` may be several messages.
fn check_requests(bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("an empty line");
        let (head, after) = rest.split_at(end + 4);
        rest = after;
        let mut lines = head[..end].split(|byte| *byte == b'\n');
        let start = lines.next().unwrap_or_default();
        let is_ours = start.starts_with(b"RTSP/1.0 ") || start.ends_with(b" RTSP/1.0\r");
        assert!(is_ours || start.ends_with(b" RTSP/1.0"), "{:?}", start.escape_ascii());
        for line in lines {
            let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
            assert!(is_folded || line.contains(&b':'), "{:?}", line.escape_ascii());
        }
    }
}
