//! The media socket: one UDP port for all viewers; IPv6 with mapped IPv4, if IPv6 is available.
//!
//! Each datagram shows which local address it was sent to (`IP_PKTINFO`), and its answer is sent
//! from that address. One call sends many messages, each a run of equal segments that the kernel
//! splits (UDP GSO, Linux 4.18). Nothing here allocates after `bind`.
//!
//! No path MTU is learned, because an ICMP error that asks for smaller datagrams is as easily
//! forged as any other. Datagrams are sent without DF, up to the interface's MTU, and larger ones
//! as fragments (`IP_PMTUDISC_OMIT`).

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use socket2::{Domain, Protocol, SockRef, Type};

use crate::clock;
use crate::limits::{APART_BUFFER_BYTES, DATAGRAM_BYTES_MAX, PROFILE};

mod apart;
pub mod camera;
mod errors;
mod kernel;

use apart::Apart;
pub use errors::IcmpError;
use kernel::{CONTROL_BYTES, ControlBuffer, address_of, destination_of, socklen, write_name};

/// The most messages that one `sendmmsg` takes; the rest of a longer slice is not sent.
pub const SEND_MESSAGES_MAX: usize = PROFILE.batch_messages;
/// The most datagrams that one `recvmmsg` returns.
pub const RECEIVE_DATAGRAMS_MAX: usize = PROFILE.udp_receive_datagrams;

/// Sealed packets for one peer: a run of segments of `segment_bytes`; the last one may be shorter.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// The offset of the run in the scratch buffer.
    pub offset: usize,
    /// The length of the whole run in bytes.
    pub bytes: usize,
    /// The length of each segment except the last.
    pub segment_bytes: u16,
    /// The peer's address and port.
    pub to: SocketAddr,
    /// The local address to send from; unspecified lets the kernel choose.
    pub from: IpAddr,
}

impl Message {
    /// The number of datagrams in the run.
    pub fn segments(&self) -> usize {
        self.bytes.div_ceil(usize::from(self.segment_bytes).max(1))
    }
}

/// Sends runs: implemented by the socket, and by tests that simulate failures.
pub trait Wire {
    /// Sends the messages in order; returns how many were sent, at least one.
    ///
    /// # Errors
    /// Those of `sendmmsg(2)` for the first message, of which nothing was sent.
    fn send(&self, scratch: &[u8], messages: &[Message]) -> io::Result<usize>;
}

/// The non-blocking UDP socket, and a second one for peers that are [`Apart`].
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    /// Sends from the same port. It receives nothing: datagrams to the port arrive at the first.
    second: UdpSocket,
    apart: Apart,
    is_ipv6: bool,
}

/// The buffers for one `recvmmsg` call.
pub struct Inbox {
    bytes: [[u8; DATAGRAM_BYTES_MAX]; RECEIVE_DATAGRAMS_MAX],
    meta: [Meta; RECEIVE_DATAGRAMS_MAX],
}

#[derive(Clone, Copy)]
struct Meta {
    length: usize,
    from: SocketAddr,
    to: IpAddr,
}

impl Meta {
    const EMPTY: Self = Self {
        length: 0,
        from: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        to: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
}

impl Inbox {
    /// Empty buffers; all zeros, so it can be a static.
    pub const fn new() -> Self {
        Self {
            bytes: [[0; DATAGRAM_BYTES_MAX]; RECEIVE_DATAGRAMS_MAX],
            meta: [Meta::EMPTY; RECEIVE_DATAGRAMS_MAX],
        }
    }

    /// The datagram at `index` of the last receive; `port` is the socket's own port.
    pub fn datagram(&mut self, index: usize, port: u16) -> Datagram<'_> {
        let meta = &self.meta[index];
        Datagram {
            from: meta.from,
            to: SocketAddr::new(meta.to, port),
            bytes: &mut self.bytes[index][..meta.length],
        }
    }
}

/// A received datagram; its bytes are mutable so that SRTCP can be decrypted in place.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// The sender's address and port.
    pub from: SocketAddr,
    /// The local address it was sent to, with the local port.
    pub to: SocketAddr,
    /// The UDP payload; empty if it was truncated.
    pub bytes: &'a mut [u8],
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Socket {
    /// Binds the port. `[::]` also receives IPv4; without IPv6 it falls back to `0.0.0.0`.
    ///
    /// # Errors
    /// Those of `socket(2)`, `setsockopt(2)` and `bind(2)`, for example when the port is in use.
    pub fn bind(listen: SocketAddr) -> io::Result<Self> {
        let (second, socket) = match bind_two(listen) {
            Err(error)
                if listen.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                    && error.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
            {
                bind_two((Ipv4Addr::UNSPECIFIED, listen.port()).into())?
            }
            bound => bound?,
        };
        let is_ipv6 = socket.local_addr()?.is_ipv6();
        let bytes = PROFILE.udp_socket_buffer_bytes;
        let this = Self { socket, second, apart: Apart::new(), is_ipv6 };
        this.configure(this.socket.as_raw_fd(), bytes, bytes)?;
        this.configure(this.second.as_raw_fd(), APART_BUFFER_BYTES, 0)?;
        Ok(this)
    }

    /// Sets the options that both sockets need, and the buffer sizes.
    fn configure(&self, fd: RawFd, send_bytes: usize, receive_bytes: usize) -> io::Result<()> {
        let is_ipv6 = self.is_ipv6;
        if is_ipv6 {
            set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?;
            let omit = libc::IPV6_PMTUDISC_OMIT;
            set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, omit)?;
        } else {
            set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        }
        // On an IPv6 socket these options apply to mapped IPv4.
        set_option(fd, libc::IPPROTO_IP, libc::IP_RECVERR, 1)?;
        set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)?;
        set_buffer(fd, (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF), send_bytes)?;
        set_buffer(fd, (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), receive_bytes)
    }

    /// Sends to `address` by the second socket for a while, if the ICMP error "host unreachable"
    /// came from `unreachable_by`, a local address: then this machine's kernel could not find the
    /// host.
    pub fn keep_apart(&self, address: IpAddr, unreachable_by: IpAddr, now_us: u64) {
        // Only a local address can be bound.
        if UdpSocket::bind((unreachable_by, 0)).is_ok() {
            self.apart.add(address, now_us);
        }
    }

    /// The local port, as the kernel assigned it.
    ///
    /// # Errors
    /// Those of `getsockname(2)`; not expected.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Whether the socket is an IPv6 socket, which also handles IPv4.
    pub fn is_ipv6(&self) -> bool {
        self.is_ipv6
    }

    /// The send and receive buffer sizes granted by the kernel, in bytes, as one would request
    /// them.
    pub fn buffer_bytes(&self) -> (usize, usize) {
        // The kernel doubles the requested size, for its own bookkeeping.
        let granted = |name| {
            let doubled = option(self.socket.as_raw_fd(), libc::SOL_SOCKET, name).unwrap_or(0);
            usize::try_from(doubled / 2).unwrap_or(0)
        };
        (granted(libc::SO_SNDBUF), granted(libc::SO_RCVBUF))
    }

    /// Whether the kernel supports UDP GSO.
    pub fn has_gso(&self) -> bool {
        option(self.socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT).is_ok()
    }

    /// Receives the waiting datagrams, up to [`RECEIVE_DATAGRAMS_MAX`], and returns how many. A
    /// truncated datagram has length 0.
    ///
    /// # Errors
    /// `WouldBlock` when no datagram waits; others as in `recvmmsg(2)`.
    #[allow(clippy::cast_possible_truncation)] // an inbox has few places
    pub fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        let mut names = [MaybeUninit::<libc::sockaddr_storage>::zeroed(); RECEIVE_DATAGRAMS_MAX];
        let mut controls = [ControlBuffer::new(); RECEIVE_DATAGRAMS_MAX];
        let mut slices =
            [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; RECEIVE_DATAGRAMS_MAX];
        // SAFETY: all zeros is a valid mmsghdr.
        let mut headers: [libc::mmsghdr; RECEIVE_DATAGRAMS_MAX] = unsafe { std::mem::zeroed() };
        for index in 0..RECEIVE_DATAGRAMS_MAX {
            slices[index].iov_base = inbox.bytes[index].as_mut_ptr().cast();
            slices[index].iov_len = DATAGRAM_BYTES_MAX;
            let header = &mut headers[index].msg_hdr;
            header.msg_name = names[index].as_mut_ptr().cast();
            header.msg_namelen = socklen(size_of::<libc::sockaddr_storage>());
            header.msg_iov = &raw mut slices[index];
            header.msg_iovlen = 1;
            header.msg_control = controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
        }
        let received = self.past_errors(|| {
            // SAFETY: every header points at buffers above or in `inbox`, which outlive the call.
            let received = unsafe {
                libc::recvmmsg(
                    self.socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    RECEIVE_DATAGRAMS_MAX as _,
                    libc::MSG_DONTWAIT as _,
                    ptr::null_mut(),
                )
            };
            usize::try_from(received).map_err(|_| io::Error::last_os_error())
        })?;
        for (index, header) in headers.iter().enumerate().take(received) {
            // SAFETY: the kernel filled the name; its family says which address it is.
            let from = unsafe { address_of(names[index].assume_init_ref()) };
            // SAFETY: the kernel filled the control messages that the header describes.
            let to = unsafe { destination_of(&header.msg_hdr) };
            let is_whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            inbox.meta[index] = Meta {
                length: if is_whole { header.msg_len as usize } else { 0 },
                from: from.unwrap_or(Meta::EMPTY.from),
                to: to.unwrap_or(Meta::EMPTY.to),
            };
        }
        Ok(received)
    }

    /// Sends one datagram from the local address `from`.
    ///
    /// # Errors
    /// Those of `sendmsg(2)`; `WouldBlock` when the socket is full.
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr, from: IpAddr) -> io::Result<()> {
        let segment_bytes = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let message = Message { offset: 0, bytes: bytes.len(), segment_bytes, to, from };
        self.send(bytes, &[message]).map(|_| ())
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Wire for Socket {
    fn send(&self, scratch: &[u8], messages: &[Message]) -> io::Result<usize> {
        if !self.apart.is_any(clock::now_us) {
            return self.send_by(&self.socket, scratch, messages);
        }
        let now_us = clock::now_us();
        let is_apart = |message: &Message| self.apart.has(message.to.ip(), now_us);
        let is_first_apart = messages.first().is_some_and(is_apart);
        let alike = messages.iter().take_while(|message| is_apart(message) == is_first_apart);
        let run = &messages[..alike.count()];
        if !is_first_apart {
            return self.send_by(&self.socket, scratch, run);
        }
        match self.send_by(&self.second, scratch, run) {
            // A full second socket loses the datagrams, as a network without a route to the peer
            // would.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(run.len()),
            sent => sent,
        }
    }
}

impl Socket {
    #[allow(clippy::cast_possible_truncation)] // a batch has few messages
    fn send_by(
        &self,
        socket: &UdpSocket,
        scratch: &[u8],
        messages: &[Message],
    ) -> io::Result<usize> {
        let count = messages.len().min(SEND_MESSAGES_MAX);
        // SAFETY: all zeros is a valid sockaddr_storage, iovec and mmsghdr.
        let mut names: [MaybeUninit<libc::sockaddr_in6>; SEND_MESSAGES_MAX] =
            [MaybeUninit::uninit(); SEND_MESSAGES_MAX];
        let mut controls = [MaybeUninit::<ControlBuffer>::uninit(); SEND_MESSAGES_MAX];
        let mut slices = [MaybeUninit::<libc::iovec>::uninit(); SEND_MESSAGES_MAX];
        let mut headers = [MaybeUninit::<libc::mmsghdr>::uninit(); SEND_MESSAGES_MAX];
        for (index, message) in messages.iter().take(count).enumerate() {
            let bytes = &scratch[message.offset..message.offset + message.bytes];
            // The kernel does not write to what it sends.
            let slice =
                libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            let slice = ptr::from_mut(slices[index].write(slice));
            // SAFETY: all zeros is a valid mmsghdr.
            let header = headers[index].write(unsafe { std::mem::zeroed() });
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = names[index].as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = write_name(&mut names[index], message.to, self.is_ipv6);
            let control = controls[index].write(ControlBuffer::new());
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = control.write(message, self.is_ipv6) as _;
            if header.msg_hdr.msg_controllen == 0 {
                header.msg_hdr.msg_control = ptr::null_mut();
            }
        }
        self.past_errors(|| {
            // SAFETY: the first `count` headers are initialised and point at what outlives the
            // call.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr().cast(),
                    count as _,
                    libc::MSG_DONTWAIT as _,
                )
            };
            usize::try_from(sent).map_err(|_| io::Error::last_os_error())
        })
    }
}

/// Two sockets with one port; the one bound last receives. No other process can bind the port as
/// well, for example a second weir.
fn bind_two(listen: SocketAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let bind = |listen: SocketAddr| {
        let domain = Domain::for_address(listen);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if listen.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&listen.into())?;
        Ok::<UdpSocket, io::Error>(socket.into())
    };
    let second = bind(listen)?;
    // For port 0 the kernel has chosen one by now.
    let first = bind(SocketAddr::new(listen.ip(), second.local_addr()?.port()))?;
    for socket in [&second, &first] {
        SockRef::from(socket).set_reuse_address(false)?;
    }
    Ok((second, first))
}

/// Sets a socket's buffer. The forced option needs `CAP_NET_ADMIN`; without it the plain one is
/// taken, whose limit is net.core.*mem_max.
fn set_buffer(fd: RawFd, (forced, plain): (i32, i32), bytes: usize) -> io::Result<()> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    set_option(fd, libc::SOL_SOCKET, forced, bytes)
        .or_else(|_| set_option(fd, libc::SOL_SOCKET, plain, bytes))
}

fn set_option(fd: RawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option's value is an int that outlives the call.
    let result = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(fd, level, name, value, socklen(size_of::<i32>()))
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn option(fd: RawFd, level: i32, name: i32) -> io::Result<i32> {
    let mut value = 0i32;
    let mut length = socklen(size_of::<i32>());
    // SAFETY: value and length outlive the call, and the length says how much may be written.
    let result =
        unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut length) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
