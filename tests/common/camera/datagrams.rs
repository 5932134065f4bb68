//! The way of a camera's packets when they are sent as datagrams.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// A camera's socket, and where it sends to.
pub(super) struct Datagrams {
    socket: UdpSocket,
    to: SocketAddr,
    /// The begin of an interleaved packet whose end has not left the port yet.
    begun: Vec<u8>,
}

impl Datagrams {
    /// Opens a socket for a client that wants its RTP at `ports`, like `5000-5001`.
    pub(super) fn open(client: IpAddr, ports: &str) -> Option<Self> {
        let port = ports.split('-').next()?.parse().ok()?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, to: SocketAddr::new(client, port), begun: Vec::new() })
    }

    /// The port that it sends from.
    pub(super) fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Sends the whole packets among interleaved bytes; those of RTCP are left out. Returns how
    /// many the kernel had no room for.
    pub(super) fn send(&mut self, bytes: &[u8]) -> u64 {
        self.begun.extend_from_slice(bytes);
        let (mut at, mut refused) = (0, 0);
        while let [_, channel, high, low, rest @ ..] = &self.begun[at..] {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(packet) = rest.get(..length) else { break };
            if channel % 2 == 0 && self.socket.send_to(packet, self.to).is_err() {
                refused += 1;
            }
            at += 4 + length;
        }
        self.begun.drain(..at);
        refused
    }
}
