//! The demo camera as an RTSP client sees it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// Runs `test` beside a demo camera, on one thread as weir does.
fn beside_camera<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr) -> F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = bind().await.expect("loopback");
        let address = listener.local_addr().expect("address");
        let camera = tokio::task::spawn_local(serve(listener, DemoStream::clip()));
        test(address).await;
        camera.abort();
    });
}

struct Viewer {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Viewer {
    async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("accepted"), received: Vec::new() }
    }

    async fn read(&mut self) {
        let bytes = self.stream.read_buf(&mut self.received).await.expect("read");
        assert!(bytes > 0, "closed early");
    }

    /// Sends a request and returns the head of its answer, skipping interleaved frames.
    async fn ask(&mut self, request: &str) -> String {
        self.stream.write_all(request.as_bytes()).await.expect("sent");
        loop {
            let start = self.received.windows(5).position(|five| five == b"RTSP/");
            let end = self.received.windows(4).position(|four| four == b"\r\n\r\n");
            if let (Some(start), Some(end)) = (start, end) {
                let head = String::from_utf8_lossy(&self.received[start..end]).into_owned();
                self.received.drain(..end + 4);
                return head;
            }
            self.read().await;
        }
    }

    /// The next RTP packet.
    async fn packet(&mut self) -> Vec<u8> {
        loop {
            if let [b'$', 0, high, low, ..] = self.received[..] {
                let end = 4 + usize::from(u16::from_be_bytes([high, low]));
                if self.received.len() >= end {
                    return self.received.drain(..end).skip(4).collect();
                }
            }
            self.read().await;
        }
    }
}

#[test]
fn it_speaks_rtsp_and_plays_in_order() {
    beside_camera(|address| async move {
        let url = format!("rtsp://{address}/demo");
        let mut viewer = Viewer::connect(address).await;
        let options = viewer.ask(&format!("OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n")).await;
        assert!(options.contains("CSeq: 1") && options.contains("DESCRIBE"), "{options}");
        let described = viewer.ask(&format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 2\r\n\r\n")).await;
        assert!(described.contains("application/sdp"), "{described}");
        let length: usize = described
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .and_then(|length| length.parse().ok())
            .expect("length");
        while viewer.received.len() < length {
            viewer.read().await;
        }
        let body: Vec<u8> = viewer.received.drain(..length).collect();
        let body = String::from_utf8(body).expect("text");
        assert!(body.contains("profile-level-id=42C01F;sprop-parameter-sets=Z0L"), "{body}");

        let setup = format!("SETUP {url}/video RTSP/1.0\r\nCSeq: 3\r\nTransport: ");
        let refused = viewer.ask(&format!("{setup}RTP/AVP;unicast\r\n\r\n")).await;
        assert!(refused.starts_with("RTSP/1.0 461"), "{refused}");
        let quoted = viewer.ask(&format!("{setup}RTP/AVP/TCP;mode=\"\r\n\r\n")).await;
        assert!(quoted.starts_with("RTSP/1.0 200"), "{quoted}");
        let set_up = viewer.ask(&format!("{setup}RTP/AVP/TCP;interleaved=0-1\r\n\r\n")).await;
        assert!(set_up.contains("interleaved=0-1"), "{set_up}");
        let play = format!("PLAY {url} RTSP/1.0\r\nCSeq: 5\r\nSession: demo\r\n\r\n");
        assert!(viewer.ask(&play).await.starts_with("RTSP/1.0 200"));

        let first = viewer.packet().await;
        assert_eq!(first[12] & 0x1f, 7, "the SPS comes first");
        let mut sequence = u16::from_be_bytes([first[2], first[3]]);
        let mut frames = 0;
        while frames < 3 {
            let packet = viewer.packet().await;
            let next = u16::from_be_bytes([packet[2], packet[3]]);
            assert_eq!(next, sequence.wrapping_add(1));
            sequence = next;
            let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
            assert_eq!(timestamp, frames * 3600);
            frames += u32::from(packet[1] >> 7);
        }
        viewer.stream.write_all(b"$\x01\x00\x04abcd").await.expect("a receiver report");
        let down = viewer.ask("TEARDOWN * RTSP/1.0\r\nCSeq: 6\r\n\r\n").await;
        assert!(down.contains("CSeq: 6"), "{down}");
        while viewer.stream.read_buf(&mut viewer.received).await.expect("read") > 0 {}
    });
}

#[test]
fn one_connection_too_many_is_closed_and_a_place_comes_free() {
    beside_camera(|address| async move {
        let mut viewers = Vec::new();
        for _ in 0..DEMO_CONNECTIONS_MAX {
            let mut viewer = Viewer::connect(address).await;
            viewer.ask("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n").await;
            viewers.push(viewer);
        }
        let mut refused = Viewer::connect(address).await;
        assert_eq!(refused.stream.read(&mut [0]).await.expect("closed"), 0);
        viewers.pop();
        loop {
            let mut viewer = Viewer::connect(address).await;
            let options = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
            if viewer.stream.write_all(options).await.is_ok()
                && viewer.stream.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0)
            {
                break;
            }
        }
    });
}

#[test]
fn what_is_not_rtsp_ends_the_connection() {
    beside_camera(|address| async move {
        for bad in ["GET / HTTP/1.1\r\n\r\n".to_owned(), "x".repeat(9000)] {
            let mut viewer = Viewer::connect(address).await;
            viewer.stream.write_all(bad.as_bytes()).await.expect("sent");
            let end = viewer.stream.read(&mut [0; 64]).await;
            assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        }
    });
}
