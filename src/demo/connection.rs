//! One RTSP connection to the demo camera: its socket, and paced frames.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::FRAMES_PER_S;
use super::packetizer::{FRAMED_BYTES_MAX, OpenUnit, Packetizer};
use super::requests::{CLOCK_HZ, DemoAnswers, DemoPhase, PAYLOAD_TYPE};
use super::stream::{DemoStream, FRAME_US};
use crate::clock;
use crate::limits::{DEMO_OUTPUT_BYTES, RTSP_HEAD_BYTES_MAX};

const FRAME_TICKS: u32 = CLOCK_HZ / FRAMES_PER_S;
/// Limit for a viewer to accept bytes, or to send a request before it plays; then it is
/// disconnected.
const PATIENCE: Duration = Duration::from_secs(10);

struct Viewer<'s> {
    socket: TcpStream,
    stream: &'s DemoStream,
    packetizer: Packetizer,
    answers: DemoAnswers,
    received: Vec<u8>,
    out: Vec<u8>,
    /// When the first frame was due, in microseconds; `None` until PLAY.
    started_us: Option<u64>,
    /// Frames that were sent.
    frame: u64,
}

/// Serves a connection until it ends.
pub(super) async fn serve(socket: TcpStream, stream: &DemoStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let port = socket.peer_addr()?.port();
    let ssrc = 0x5745_0000 | u32::from(port);
    let mut viewer = Viewer {
        socket,
        stream,
        packetizer: Packetizer { payload_type: PAYLOAD_TYPE, ssrc, sequence: port },
        answers: DemoAnswers::new(&stream.clip, ssrc),
        received: Vec::with_capacity(RTSP_HEAD_BYTES_MAX),
        out: Vec::with_capacity(DEMO_OUTPUT_BYTES),
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
            read = self.socket.read_buf(&mut self.received) => {
                let phase = match read? {
                    0 => DemoPhase::TornDown,
                    _ => self.answers.take(&mut self.received, &mut self.out)?,
                };
                match phase {
                    DemoPhase::Asking => {}
                    DemoPhase::Playing => {
                        let first_us = || clock::now_us() + self.stream.phase_us % FRAME_US;
                        self.started_us.get_or_insert_with(first_us);
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
                self.next_frame().await?;
            }
        }
        self.flush().await?;
        Ok(true)
    }

    async fn flush(&mut self) -> io::Result<()> {
        timeout(PATIENCE, self.socket.write_all(&self.out)).await??;
        self.out.clear();
        Ok(())
    }

    /// Sends the next frame, as much at a time as the buffer has room for; the end of it is left
    /// there.
    async fn next_frame(&mut self) -> io::Result<()> {
        let stream = self.stream;
        let (frames, first) = (stream.clip.len() as u64, stream.phase_us / FRAME_US);
        let index = (first + self.frame) % frames;
        let index = usize::try_from(index).expect("less than the clip's frames");
        if let Some(sent) = &stream.sent {
            sent.note(index, clock::now_us());
        }
        // RTP timestamps wrap (RFC 3550 section 5.1).
        let timestamp = (self.frame * u64::from(FRAME_TICKS)) & u64::from(u32::MAX);
        let timestamp = u32::try_from(timestamp).expect("masked");
        self.frame += 1;
        let mut unit = OpenUnit::new(stream.clip.access_unit(index), timestamp);
        while self.packetizer.next(&mut unit, &mut self.out) {
            if self.out.len() + FRAMED_BYTES_MAX > DEMO_OUTPUT_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }
}
