//! A camera's stream walked through, so that the floor knows what a viewer would get and when: the
//! payload bytes of what was read, and where a frame ends.

/// The interleaved header, and of RTP's the flags and the marker.
const HEAD_BYTES: usize = 6;
/// RTP's header and a fragment's two bytes.
const RTP_BYTES: usize = 14;
/// The first of the two channels: media. The other one's reports are the camera's and weir's own.
const MEDIA: u8 = 0;

/// Where in the stream the reads have come to.
#[derive(Default)]
pub(super) struct Walk {
    head: [u8; HEAD_BYTES],
    had: usize,
    /// Of the packet: bytes that are not read yet, and those of them that are payload.
    left: usize,
    payload: usize,
    ends_frame: bool,
    is_answered: bool,
}

/// A step of the walk.
pub(super) enum Step {
    /// So many payload bytes more.
    Payload(usize),
    /// They were the last ones of a frame.
    FrameEnd,
}

impl Walk {
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
            if payload > 0 {
                step(Step::Payload(payload));
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
        self.payload = if channel == MEDIA { bytes.saturating_sub(RTP_BYTES) } else { 0 };
        self.ends_frame = channel == MEDIA && marker & 0x80 != 0;
    }
}
