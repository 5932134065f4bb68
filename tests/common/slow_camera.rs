//! Cameras that make a dial hold as much as it may: an answer to DESCRIBE as large as is taken,
//! whose last byte does not come.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use weir::limits::{RTSP_BODY_BYTES_MAX, RTSP_HEAD_BYTES_MAX};

/// Longer than a dial may take.
const SILENCE: Duration = Duration::from_secs(12);

/// Listens from now on, for any number of dials; where.
pub fn open() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    thread::spawn(move || {
        for dial in listener.incoming().flatten() {
            thread::spawn(move || serve(dial));
        }
    });
    address
}

fn serve(mut dial: TcpStream) {
    let mut request = [0; 4096];
    while let Ok(count @ 1..) = dial.read(&mut request) {
        let text = String::from_utf8_lossy(&request[..count]);
        let sequence = text.lines().find(|line| line.starts_with("CSeq")).unwrap_or("CSeq: 1");
        if !text.starts_with("DESCRIBE") {
            // The dial may be over.
            let _ = dial.write_all(format!("RTSP/1.0 200 OK\r\n{sequence}\r\n\r\n").as_bytes());
            continue;
        }
        let _ = dial.write_all(&description(sequence));
        thread::sleep(SILENCE);
        return;
    }
}

/// All but the last byte of it.
fn description(sequence: &str) -> Vec<u8> {
    let mut text = format!(
        "RTSP/1.0 200 OK\r\n{sequence}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {RTSP_BODY_BYTES_MAX}\r\n"
    );
    while text.len() < RTSP_HEAD_BYTES_MAX - 128 {
        text += &format!("X-Padding: {}\r\n", "x".repeat(64));
    }
    text += "\r\n";
    let head_bytes = text.len();
    text += "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    while text.len() - head_bytes < RTSP_BODY_BYTES_MAX {
        text += "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n";
    }
    text.truncate(head_bytes + RTSP_BODY_BYTES_MAX - 1);
    text.into_bytes()
}
