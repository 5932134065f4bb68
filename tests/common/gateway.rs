//! A gateway from HTTP to HTTPS, so that clients that speak no TLS reach a weir that does: one
//! request a connection, from the address that the client has.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::tls::Crowd;

/// Listens from now on; where.
pub fn open(https: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let crowd = Crowd::new();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let crowd = crowd.clone();
            // A client that is cut off sees its connection closed, as without a gateway.
            thread::spawn(move || pass_on(client, &crowd, https));
        }
    });
    address
}

fn pass_on(mut client: TcpStream, crowd: &Crowd, https: SocketAddr) -> io::Result<()> {
    let request = whole_request(&mut client)?;
    let mut server = crowd.connect(client.peer_addr()?.ip(), https)?;
    server.write_all(&request)?;
    server.flush()?;
    let mut bytes = [0; 16 * 1024];
    loop {
        match server.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => client.write_all(&bytes[..count])?,
            // weir closes without TLS's own goodbye where it is in a hurry.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn whole_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut request, mut bytes) = (Vec::new(), [0; 16 * 1024]);
    loop {
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if request.len() >= end + 4 + length {
                return Ok(request);
            }
        }
        let count = client.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&bytes[..count]);
    }
}
