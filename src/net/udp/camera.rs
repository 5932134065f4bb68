//! Two UDP sockets of a camera, for the RTP and RTCP of its picture or its sound: unicast to a pair
//! of ports of weir's own, or a multicast group.
//!
//! They are bound to the address that the RTSP connection has, or to the group, and every datagram
//! is checked for its sender. They are not connected: cameras send from other ports than they name.
//! Nothing here allocates after the sockets are open.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use socket2::{Domain, Protocol, SockRef, Type};

use super::kernel::{address_of, socklen};
use super::set_buffer;
use crate::limits::{CAMERA_DATAGRAMS_MAX, CAMERA_RTCP_BUFFER_BYTES};

/// Pairs of ports that are tried until one has two free ones.
const PAIRS_TRIED_MAX: usize = 32;

/// The sockets of a camera that sends datagrams.
#[derive(Debug)]
pub struct DatagramSockets {
    /// Those of its picture.
    pub picture: CameraSockets,
    /// Those of its sound, if that does not come to the same ones.
    pub sound: Option<CameraSockets>,
}

/// The sockets of one track of a camera.
#[derive(Debug)]
pub struct CameraSockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    senders: Senders,
    /// Where the camera receives RTP and RTCP, if it said so.
    server: Option<(SocketAddr, SocketAddr)>,
}

/// The addresses that datagrams are taken from.
#[derive(Debug, Clone, Copy)]
pub struct Senders {
    /// The camera's address, as its RTSP connection has it.
    pub peer: IpAddr,
    /// Another one, which the camera named.
    pub source: Option<IpAddr>,
}

/// What one call received: the lengths of the datagrams, which lie one in each part of the scratch
/// buffer.
#[derive(Debug)]
pub struct CameraDatagrams {
    lengths: heapless::Vec<Option<usize>, CAMERA_DATAGRAMS_MAX>,
    /// Those that there was room for.
    max: usize,
}

impl Senders {
    fn has(&self, from: IpAddr) -> bool {
        from == self.peer || Some(from) == self.source
    }
}

impl CameraDatagrams {
    /// Whether there may be more in the socket.
    pub fn is_full(&self) -> bool {
        self.lengths.len() == self.max
    }

    /// The length of each datagram; `None` for one from a stranger. A length beyond the room for a
    /// datagram means that its end was cut off.
    pub fn lengths(&self) -> impl Iterator<Item = Option<usize>> + use<'_> {
        self.lengths.iter().copied()
    }
}

/// Two neighbouring ports on the address `local`: an even one for RTP, the odd one above for RTCP
/// (RFC 3550 section 11).
///
/// # Errors
/// Those of `socket(2)` and `bind(2)`; `AddrInUse` if no pair was found.
pub fn open_pair(local: SocketAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let at = |port| {
        let mut address = local;
        address.set_port(port);
        UdpSocket::bind(address)
    };
    for _ in 0..PAIRS_TRIED_MAX {
        let first = at(0)?;
        let port = first.local_addr()?.port();
        let Ok(second) = at(port ^ 1) else { continue };
        return Ok(if port % 2 == 0 { (first, second) } else { (second, first) });
    }
    Err(io::ErrorKind::AddrInUse.into())
}

impl CameraSockets {
    /// The sockets of [`open_pair`], for a camera that sends to them. `server` are the ports that
    /// the camera receives on, `buffer_bytes` is the `SO_RCVBUF` of that for RTP.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`; not expected.
    pub fn unicast(
        (rtp, rtcp): (UdpSocket, UdpSocket),
        senders: Senders,
        peer: SocketAddr,
        server: Option<(u16, u16)>,
        buffer_bytes: usize,
    ) -> io::Result<Self> {
        let at = |port| {
            let mut address = peer;
            address.set_port(port);
            address
        };
        let server = server.map(|(rtp, rtcp)| (at(rtp), at(rtcp)));
        Self { rtp, rtcp, senders, server }.prepared(buffer_bytes)
    }

    /// Joins a multicast group on the interface that has the address `local`. It is left when the
    /// sockets are closed. `buffer_bytes` as for [`CameraSockets::unicast`].
    ///
    /// # Errors
    /// Those of `socket(2)`, `bind(2)` and `setsockopt(2)`, for example without a route.
    pub fn multicast(
        group: Ipv4Addr,
        (rtp, rtcp): (u16, u16),
        local: Ipv4Addr,
        senders: Senders,
        buffer_bytes: usize,
    ) -> io::Result<Self> {
        let join = |port| {
            let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            // The ports are the camera's choice: other programs and cameras may have them too.
            socket.set_reuse_address(true)?;
            // Bound to the group, it gets nothing that was sent to another address.
            socket.bind(&SocketAddrV4::new(group, port).into())?;
            socket.join_multicast_v4(&group, &local)?;
            Ok::<UdpSocket, io::Error>(socket.into())
        };
        let (rtp, rtcp) = (join(rtp)?, join(rtcp)?);
        Self { rtp, rtcp, senders, server: None }.prepared(buffer_bytes)
    }

    fn prepared(self, buffer_bytes: usize) -> io::Result<Self> {
        let sizes = [buffer_bytes, CAMERA_RTCP_BUFFER_BYTES];
        for (socket, bytes) in [&self.rtp, &self.rtcp].into_iter().zip(sizes) {
            socket.set_nonblocking(true)?;
            let receive = (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF);
            set_buffer(socket.as_raw_fd(), receive, bytes)?;
            SockRef::from(socket).set_send_buffer_size(CAMERA_RTCP_BUFFER_BYTES)?;
        }
        Ok(self)
    }

    /// The descriptor of the socket for RTP.
    pub fn rtp_fd(&self) -> RawFd {
        self.rtp.as_raw_fd()
    }

    /// The descriptor of the socket for RTCP.
    pub fn rtcp_fd(&self) -> RawFd {
        self.rtcp.as_raw_fd()
    }

    /// Sends `bytes` to the port that the camera sends RTP from, so that a firewall on the way lets
    /// its packets in. It is no matter if that is lost.
    pub fn punch(&self, bytes: &[u8]) {
        if let Some((rtp, _)) = self.server {
            let _ = self.rtp.send_to(bytes, rtp);
        }
    }

    /// Sends a compound RTCP packet to the camera. The next one follows if this is lost.
    pub fn send_rtcp(&self, bytes: &[u8]) {
        if let Some((_, rtcp)) = self.server {
            let _ = self.rtcp.send_to(bytes, rtcp);
        }
    }

    /// Receives one RTCP datagram; the outer `None` when none waits, the inner for a stranger's.
    pub fn receive_rtcp<'b>(&self, buffer: &'b mut [u8]) -> Option<Option<&'b [u8]>> {
        let (bytes, from) = self.rtcp.recv_from(buffer).ok()?;
        Some(self.senders.has(from.ip().to_canonical()).then(|| &buffer[..bytes]))
    }

    /// Receives the waiting RTP datagrams into parts of `scratch` with `room` bytes each, as many
    /// as it has and at most [`CAMERA_DATAGRAMS_MAX`].
    ///
    /// # Errors
    /// `WouldBlock` when no datagram waits; others as in `recvmmsg(2)`.
    #[allow(clippy::cast_possible_truncation)] // a batch has few messages
    pub fn receive(&self, scratch: &mut [u8], room: usize) -> io::Result<CameraDatagrams> {
        const MAX: usize = CAMERA_DATAGRAMS_MAX;
        let mut names = [const { MaybeUninit::<libc::sockaddr_storage>::uninit() }; MAX];
        let mut slices = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MAX];
        // SAFETY: all zeros is a valid mmsghdr.
        let mut headers: [libc::mmsghdr; MAX] = unsafe { std::mem::zeroed() };
        let mut count = 0;
        for (part, index) in scratch.chunks_exact_mut(room).zip(0..MAX) {
            slices[index] =
                libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() as _ };
            let header = &mut headers[index].msg_hdr;
            header.msg_name = names[index].as_mut_ptr().cast();
            header.msg_namelen = socklen(size_of::<libc::sockaddr_storage>());
            header.msg_iov = &raw mut slices[index];
            header.msg_iovlen = 1;
            count += 1;
        }
        // With MSG_TRUNC the length of a datagram that was cut off is told whole.
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: each of the first `count` headers points at a name and a slice above and at a
        // part of `scratch`, which outlive the call.
        let received = unsafe {
            let fd = self.rtp.as_raw_fd();
            libc::recvmmsg(fd, headers.as_mut_ptr(), count as _, flags as _, ptr::null_mut())
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        let headers = headers.iter().zip(&names).take(received);
        let lengths = headers.map(|(header, name)| {
            // SAFETY: the kernel filled the name; its family says which address it is.
            let from = unsafe { address_of(name.assume_init_ref()) };
            from.is_some_and(|from| self.senders.has(from.ip())).then_some(header.msg_len as usize)
        });
        Ok(CameraDatagrams { lengths: lengths.collect(), max: count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
    const BUFFER: usize = 64 << 10;

    fn open(senders: Senders) -> (CameraSockets, SocketAddr) {
        let pair = open_pair((HERE, 0).into()).expect("two ports");
        let (rtp, rtcp) = (pair.0.local_addr().unwrap(), pair.1.local_addr().unwrap());
        assert_eq!((rtp.port() % 2, rtcp.port()), (0, rtp.port() + 1));
        (CameraSockets::unicast(pair, senders, (HERE, 554).into(), None, BUFFER).unwrap(), rtp)
    }

    fn received(sockets: &CameraSockets, scratch: &mut [u8], room: usize) -> Vec<Option<usize>> {
        match sockets.receive(scratch, room) {
            Ok(datagrams) => datagrams.lengths().collect(),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                Vec::new()
            }
        }
    }

    #[test]
    fn datagrams_of_the_camera_and_its_source_are_told_from_a_strangers() {
        let [peer, source, stranger] = [1, 2, 3].map(|last| Ipv4Addr::new(127, 0, 0, last));
        let (sockets, to) = open(Senders { peer: peer.into(), source: Some(source.into()) });
        for (from, bytes) in [(peer, 10), (stranger, 11), (source, 12)] {
            let sender = UdpSocket::bind((from, 0)).unwrap();
            sender.send_to(&[7; 12][..bytes], to).unwrap();
        }
        let mut scratch = [0; 64];
        let expected = [Some(10), None, Some(12)];
        assert_eq!(received(&sockets, &mut scratch, 16), expected);
        assert_eq!(scratch[32..44], [7; 12]);
        assert_eq!(received(&sockets, &mut scratch, 16), []);
    }

    #[test]
    fn a_batch_is_bounded_by_the_scratch_and_a_long_datagram_tells_its_length() {
        let (sockets, to) = open(Senders { peer: HERE.into(), source: None });
        let sender = UdpSocket::bind((HERE, 0)).unwrap();
        for bytes in [5, 40, 6] {
            sender.send_to(&vec![1; bytes], to).unwrap();
        }
        let mut scratch = [0; 32];
        assert_eq!(received(&sockets, &mut scratch, 16), [Some(5), Some(40)]);
        assert_eq!(received(&sockets, &mut scratch, 16), [Some(6)]);
        let mut scratch = vec![0; 16 * (CAMERA_DATAGRAMS_MAX + 4)];
        for _ in 0..CAMERA_DATAGRAMS_MAX + 2 {
            sender.send_to(&[2; 16], to).unwrap();
        }
        assert_eq!(received(&sockets, &mut scratch, 16).len(), CAMERA_DATAGRAMS_MAX);
        assert_eq!(received(&sockets, &mut scratch, 16).len(), 2);
    }

    #[test]
    fn reports_and_punches_reach_the_ports_that_the_camera_named() {
        let camera = open_pair((HERE, 0).into()).unwrap();
        let port = camera.0.local_addr().unwrap().port();
        let pair = open_pair((HERE, 0).into()).unwrap();
        let to = pair.1.local_addr().unwrap();
        let senders = Senders { peer: HERE.into(), source: None };
        let server = Some((port, port + 1));
        let peer = (HERE, 554).into();
        let sockets = CameraSockets::unicast(pair, senders, peer, server, BUFFER).unwrap();
        sockets.punch(b"rtp");
        sockets.send_rtcp(b"rtcp");
        let mut buffer = [0; 16];
        assert_eq!(camera.0.recv(&mut buffer).unwrap(), 3);
        assert_eq!(camera.1.recv(&mut buffer).unwrap(), 4);
        assert_eq!(sockets.receive_rtcp(&mut buffer), None);
        camera.1.send_to(b"answer", to).unwrap();
        assert_eq!(sockets.receive_rtcp(&mut buffer), Some(Some(&b"answer"[..])));
        UdpSocket::bind(("127.0.0.9", 0)).unwrap().send_to(b"forged", to).unwrap();
        assert_eq!(sockets.receive_rtcp(&mut buffer), Some(None));
    }

    #[test]
    fn a_group_is_joined_on_the_interface_and_shared() {
        let group = Ipv4Addr::new(239, 81, 17, 1);
        let port = open_pair((HERE, 0).into()).unwrap().0.local_addr().unwrap().port();
        let senders = Senders { peer: HERE.into(), source: None };
        let ports = (port, port + 1);
        let join = || CameraSockets::multicast(group, ports, HERE, senders, BUFFER).unwrap();
        let (first, second) = (join(), join());
        let sender = UdpSocket::bind((HERE, 0)).unwrap();
        SockRef::from(&sender).set_multicast_if_v4(&HERE).unwrap();
        sender.send_to(b"all", (group, port)).unwrap();
        let mut scratch = [0; 32];
        for sockets in [first, second] {
            assert_eq!(received(&sockets, &mut scratch, 16), [Some(3)]);
        }
        assert!(CameraSockets::multicast(HERE, ports, HERE, senders, BUFFER).is_err());
    }
}
