//! One RTSP connection to the demo camera: its socket, and paced frames.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::FRAMES_PER_S;
use super::clip::Clip;
use super::packetizer::Packetizer;
use super::requests::{CLOCK_HZ, DemoAnswers, DemoPhase, PAYLOAD_TYPE};
use crate::clock;
use crate::limits::RTSP_HEAD_BYTES_MAX;

const FRAME_US: u64 = 1_000_000 / FRAMES_PER_S as u64;
const FRAME_TICKS: u32 = CLOCK_HZ / FRAMES_PER_S;
/// Limit for a viewer to accept bytes, or to send a request before it plays; then it is
/// disconnected.
const PATIENCE: Duration = Duration::from_secs(10);

struct Viewer<'c> {
    stream: TcpStream,
    clip: &'c Clip,
    packetizer: Packetizer,
    answers: DemoAnswers,
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
    let ssrc = 0x5745_0000 | u32::from(port);
    let mut viewer = Viewer {
        stream,
        clip,
        packetizer: Packetizer { payload_type: PAYLOAD_TYPE, ssrc, sequence: port },
        answers: DemoAnswers::new(clip, ssrc),
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
                let phase = match read? {
                    0 => DemoPhase::TornDown,
                    _ => self.answers.take(&mut self.received, &mut self.out)?,
                };
                match phase {
                    DemoPhase::Asking => {}
                    DemoPhase::Playing => {
                        self.started_us.get_or_insert_with(clock::now_us);
                    }
                    DemoPhase::TornDown => {
                        self.flush().await?;
                        return Ok(false);
                    }
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
}
