//! A camera that speaks RTSP until it was asked to play; what it writes from then on is the test's.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::camera::packets::{PAYLOAD_TYPE, interleaved};
use super::camera::rtsp::{Next, description, next};
use super::rtp::Header;

/// The listening end: when it is dropped, further dials are refused.
pub struct RawCamera {
    /// Its URL.
    pub url: String,
    listener: TcpListener,
    sdp: Option<String>,
    channel: u8,
}

impl RawCamera {
    /// Listens from now on.
    pub fn open() -> Self {
        Self::with(None, 0)
    }

    /// The same with this SDP, and with the pictures on this channel.
    pub fn describing(sdp: &str, channel: u8) -> Self {
        Self::with(Some(sdp.to_owned()), channel)
    }

    fn with(sdp: Option<String>, channel: u8) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        Self { url: format!("rtsp://{address}/raw"), listener, sdp, channel }
    }

    /// Answers the dials to come with this SDP.
    pub fn describe(&mut self, sdp: &str) {
        self.sdp = Some(sdp.to_owned());
    }

    /// The next connection that asks to play, and was told that it does.
    pub fn playing(&self) -> TcpStream {
        let mut dials = self.listener.incoming().flatten();
        dials.find_map(|dial| play(dial, self)).expect("it listens")
    }
}

/// Answers what a dial asks, up to PLAY; `None` when it goes away before.
fn play(mut dial: TcpStream, camera: &RawCamera) -> Option<TcpStream> {
    dial.set_nodelay(true).ok()?;
    let (mut inbox, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        while let Next::Request(request) = next(&mut inbox) {
            let (rtp, rtcp) = (camera.channel, camera.channel + 1);
            let transport = format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}");
            let transport = [("Transport", transport.as_str())];
            let (headers, body) = match request.method.as_str() {
                "DESCRIBE" => (&[][..], description_of(camera)),
                "SETUP" => (&transport[..], String::new()),
                _ => (&[][..], String::new()),
            };
            dial.write_all(&request.answer("200 OK", headers, &body)).ok()?;
            if request.method == "PLAY" {
                return Some(dial);
            }
        }
        match dial.read(&mut bytes) {
            Ok(count @ 1..) => inbox.extend(&bytes[..count]),
            _ => return None,
        }
    }
}

fn description_of(camera: &RawCamera) -> String {
    camera.sdp.clone().unwrap_or_else(|| description(None))
}

/// RTP packets of one source, one after the other, each behind its interleaved header.
#[derive(Debug)]
pub struct RawStream {
    sequence: u16,
    /// The timestamp of the packets that come next.
    pub timestamp: u32,
    /// Their source.
    pub ssrc: u32,
}

impl Default for RawStream {
    fn default() -> Self {
        Self { sequence: 0, timestamp: 0, ssrc: 0x5eed }
    }
}

impl RawStream {
    /// Appends a packet with this payload.
    pub fn packet(&mut self, payload: &[u8], marker: bool, out: &mut Vec<u8>) {
        let header = Header::write(marker, PAYLOAD_TYPE, self.sequence, self.timestamp, self.ssrc);
        self.sequence = self.sequence.wrapping_add(1);
        interleaved(0, header.len() + payload.len(), out);
        out.extend_from_slice(&header);
        out.extend_from_slice(payload);
    }
}
