//! Clients that take up HTTP connections and give nothing for them.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, SockRef, Socket, Type};

use super::agent::{NO_FINGERPRINT, offer_of_bytes};

/// Connections from one address; weir takes twice as many.
const CONNECTIONS_AN_ADDRESS: usize = 16;
/// No viewer of ours lives here, and no flood.
const FIRST_HOST: u8 = 100;
/// As little as the kernel grants: what is not read stays in the server.
const RECEIVE_BYTES: usize = 2048;

/// As on Ethernet: on loopback the kernel would take a whole answer off the server's hands.
const SEGMENT_BYTES: u32 = 1460;

/// What each of them does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Posts an offer of so many bytes, whole.
    Offers(usize),
    /// Asks for the longest answer there is, and does not read it.
    NeverReads,
}

/// Opens `count` connections, each with the habit's request written.
pub fn gather(http: SocketAddr, camera: &str, count: usize, habit: Habit) -> Vec<TcpStream> {
    let request = request(camera, habit);
    let connect = |number: usize| {
        let host = u8::try_from(number / CONNECTIONS_AN_ADDRESS).expect("few connections");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if habit == Habit::NeverReads {
            SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BYTES)?;
            socket.set_tcp_mss(SEGMENT_BYTES)?;
        }
        let local = Ipv4Addr::new(127, 0, 0, FIRST_HOST + host);
        socket.bind(&SocketAddr::from((local, 0)).into())?;
        socket.connect(&http.into())?;
        let mut stream = TcpStream::from(socket);
        stream.write_all(&request)?;
        Ok::<_, std::io::Error>(stream)
    };
    (0..count).map(|number| connect(number).expect("weir listens")).collect()
}

fn request(camera: &str, habit: Habit) -> Vec<u8> {
    match habit {
        Habit::Offers(bytes) => {
            let offer = offer_of_bytes(NO_FINGERPRINT, bytes);
            let head = format!(
                "POST /{camera}/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {bytes}\r\n\r\n"
            );
            (head + &offer).into_bytes()
        }
        Habit::NeverReads => b"GET /api/cameras HTTP/1.1\r\nHost: weir\r\n\r\n".repeat(4),
    }
}
