//! A camera's stream walked through, so that the floor knows what a viewer would get and when: the
//! payload bytes of what was read, and where a frame ends.

use weir::codec::Codec;

/// The interleaved header, and of RTP's the flags and the marker.
const HEAD_BYTES: usize = 6;
const RTP_BYTES: usize = 12;
/// The first of the two channels of each track: media. The others' reports are the camera's and
/// weir's own.
const PICTURE: u8 = 0;
const SOUND: u8 = 2;
/// Of a packet of sound.
const SOUND_BYTES: usize = 160;

/// Where in the stream the reads have come to.
pub(super) struct Walk {
    /// Of a fragment of the picture, before its payload.
    header_bytes: usize,
    head: [u8; HEAD_BYTES],
    had: usize,
    /// Of the packet: bytes that are not read yet, and those of them that are payload.
    left: usize,
    payload: usize,
    is_sound: bool,
    ends_frame: bool,
    is_answered: bool,
}

/// A step of the walk.
pub(super) enum Step {
    /// So many payload bytes more.
    Payload(usize),
    /// They were the last ones of a frame.
    FrameEnd,
    /// A packet of sound with so many payload bytes.
    Sound(usize),
}

impl Walk {
    /// The begin of a camera's stream.
    pub(super) fn new(codec: Codec) -> Self {
        let fragment_bytes = match codec {
            Codec::H264 => 2,
            Codec::H265 => 3,
        };
        Self {
            header_bytes: RTP_BYTES + fragment_bytes,
            head: [0; HEAD_BYTES],
            had: 0,
            left: 0,
            payload: 0,
            is_sound: false,
            ends_frame: false,
            is_answered: false,
        }
    }

    /// Goes through what was read.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut step: impl FnMut(Step)) {
        if !self.is_answered {
            // RTSP's answers come first, and have no `$`.
            let Some(at) = bytes.iter().position(|byte| *byte == b'$') else {
                return;
            };
            self.is_answered = true;
            bytes = &bytes[at..];
        }
        while !bytes.is_empty() {
            if self.left == 0 {
                let more = bytes.len().min(HEAD_BYTES - self.had);
                self.head[self.had..self.had + more].copy_from_slice(&bytes[..more]);
                self.had += more;
                bytes = &bytes[more..];
                if self.had == HEAD_BYTES {
                    self.begin();
                }
                continue;
            }
            let more = bytes.len().min(self.left);
            bytes = &bytes[more..];
            self.left -= more;
            // The payload is the packet's end.
            let payload = self.payload.saturating_sub(self.left);
            self.payload -= payload;
            match self.is_sound {
                true if self.left == 0 => step(Step::Sound(SOUND_BYTES)),
                false if payload > 0 => step(Step::Payload(payload)),
                _ => {}
            }
            if self.left == 0 && self.ends_frame {
                step(Step::FrameEnd);
            }
        }
    }

    fn begin(&mut self) {
        let [_, channel, high, low, _, marker] = self.head;
        let bytes = usize::from(u16::from_be_bytes([high, low]));
        self.had = 0;
        self.left = bytes - (HEAD_BYTES - 4);
        let is_picture = channel == PICTURE;
        self.payload = if is_picture { bytes.saturating_sub(self.header_bytes) } else { 0 };
        self.is_sound = channel == SOUND;
        self.ends_frame = is_picture && marker & 0x80 != 0;
    }
}
