//! ICMP errors about sent datagrams. They are easily forged, so they are hints only, and must not
//! cost other viewers a datagram.
//!
//! With `IP_RECVERR` each error has two effects. It enters the socket's error queue, with the
//! address that the datagram was sent to. It also becomes the socket's pending error, which the
//! next call returns *instead of* doing its work, even if that call is for another viewer. So a
//! call that ends with such an error is repeated ([`past_errors`]): the pending error is cleared
//! then, and an error that comes again is the call's own.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::Socket;
use super::kernel::{address_of, socklen};
use crate::limits::{ICMP_RETRIES_MAX, ICMP_RETRIES_QUIET_MAX};

/// Room for `sock_extended_err` with the sender's address, after PKTINFO of both families.
const CONTROL_BYTES: usize = 256;
/// ICMP destination unreachable (RFC 792), and its code that concerns only the datagram's size.
const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
/// Its code for a host that cannot be reached in its network.
const HOST_UNREACHABLE: u8 = 1;
/// ICMPv6 destination unreachable (RFC 4443), and its code for an address that does not answer.
const UNREACHABLE_6: u8 = 1;
const ADDRESS_UNREACHABLE_6: u8 = 3;

/// An ICMP error about a datagram that was sent, or a forged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// The destination of the datagram.
    pub to: SocketAddr,
    /// Whether the peer is unreachable; false for errors about size, time to live or options.
    pub is_unreachable: bool,
    /// The sender of the error, if it says that the peer's host is unreachable.
    pub unreachable_by: Option<IpAddr>,
}

#[repr(align(8))]
struct Room([u8; CONTROL_BYTES]);

impl Socket {
    /// Takes the oldest error from the queue; `None` when the queue is empty.
    #[allow(clippy::cast_possible_truncation)] // the C types of lengths differ between platforms
    pub fn next_error(&self) -> Option<IcmpError> {
        let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
        let mut room = Room([0; CONTROL_BYTES]);
        // SAFETY: all zeros is a valid msghdr.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_namelen = socklen(size_of::<libc::sockaddr_storage>());
        header.msg_control = room.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_BYTES as _;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: the header points at buffers above, which outlive the call. What was quoted of
        // the datagram is not asked for.
        let result = unsafe { libc::recvmsg(self.as_raw_fd(), &raw mut header, flags) };
        if result < 0 {
            return None;
        }
        // SAFETY: zeros or what the kernel filled in; its family says which address it is.
        let to = unsafe { address_of(name.assume_init_ref()) };
        // An error without an address concerns no peer.
        let to = to.unwrap_or(super::Meta::EMPTY.from);
        // SAFETY: the kernel filled the control messages that the header describes.
        Some(unsafe { meaning(&header, to) })
    }

    /// Makes a call on this socket, and repeats it while it may have returned a pending ICMP error
    /// instead of its own result.
    ///
    /// # Errors
    /// Those of the call itself.
    pub(super) fn past_errors(&self, call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        past_errors(call, || has_errors(self.as_raw_fd()))
    }
}

/// The loop of [`Socket::past_errors`], without a socket for tests.
fn past_errors(
    mut call: impl FnMut() -> io::Result<usize>,
    has_errors: impl Fn() -> bool,
) -> io::Result<usize> {
    let mut retries = 0;
    loop {
        let result = call();
        match &result {
            Err(error) if may_be_icmp(error) => {}
            _ => return result,
        }
        if retries >= ICMP_RETRIES_MAX || retries >= ICMP_RETRIES_QUIET_MAX && !has_errors() {
            return result;
        }
        retries += 1;
    }
}

/// Whether the kernel may have made this error of an ICMP error of either family, forged or not.
fn may_be_icmp(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::EMSGSIZE
                | libc::EPROTO
                | libc::EACCES
        )
    )
}

/// Whether ICMP errors wait in the queue.
fn has_errors(fd: RawFd) -> bool {
    let mut watched = libc::pollfd { fd, events: 0, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut watched, 1, 0) };
    ready > 0 && watched.revents & libc::POLLERR != 0
}

/// The meaning of an error about a datagram to `to`.
///
/// # Safety
/// `header` was filled by the kernel and its control buffer still lives.
unsafe fn meaning(header: &libc::msghdr, to: SocketAddr) -> IcmpError {
    // SAFETY: the header describes a control buffer that the kernel filled; CMSG_FIRSTHDR and
    // CMSG_NXTHDR stay within it, and the type says what the data is.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            if let (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) =
                ((*control).cmsg_level, (*control).cmsg_type)
            {
                let data = libc::CMSG_DATA(control).cast::<libc::sock_extended_err>();
                let error = ptr::read_unaligned(data);
                let kind = (error.ee_origin, error.ee_type);
                let (is_unreachable, is_host) = match kind {
                    (libc::SO_EE_ORIGIN_ICMP, UNREACHABLE) => {
                        (error.ee_code != FRAGMENTATION_NEEDED, error.ee_code == HOST_UNREACHABLE)
                    }
                    (libc::SO_EE_ORIGIN_ICMP6, UNREACHABLE_6) => {
                        (true, error.ee_code == ADDRESS_UNREACHABLE_6)
                    }
                    _ => (false, false),
                };
                // The error is followed by the address of its sender (SO_EE_OFFENDER). For IPv4
                // that is shorter than the bytes read here, but the room extends beyond it.
                let by = ptr::read_unaligned(data.add(1).cast::<libc::sockaddr_in6>());
                let mut storage: libc::sockaddr_storage = std::mem::zeroed();
                ptr::write((&raw mut storage).cast(), by);
                let by = address_of(&storage).map(|by| by.ip().to_canonical());
                return IcmpError { to, is_unreachable, unreachable_by: by.filter(|_| is_host) };
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    IcmpError { to, is_unreachable: false, unreachable_by: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// How often a call is made that meets these errors and then succeeds, and its final result.
    fn calls(errors: &[i32], has_errors: bool) -> (usize, io::Result<usize>) {
        let made = Cell::new(0);
        let call = || {
            made.set(made.get() + 1);
            match errors.get(made.get() - 1) {
                Some(code) => Err(io::Error::from_raw_os_error(*code)),
                None => Ok(1),
            }
        };
        let result = past_errors(call, || has_errors);
        (made.get(), result)
    }

    #[test]
    fn what_was_pending_is_not_the_calls_own() {
        let pending = [libc::ECONNREFUSED, libc::EMSGSIZE];
        assert_eq!(calls(&pending, false).1.unwrap(), 1);
        let flood = [libc::EHOSTUNREACH; 50];
        let (made, result) = calls(&flood, true);
        assert_eq!((made, result.unwrap()), (51, 1));
    }

    #[test]
    fn what_comes_again_is_the_calls_own() {
        let unreachable = [libc::ENETUNREACH; 1000];
        let code = |result: io::Result<usize>| result.unwrap_err().raw_os_error();
        let (made, result) = calls(&unreachable, false);
        assert_eq!((made, code(result)), (3, Some(libc::ENETUNREACH)));
        let (made, result) = calls(&unreachable, true);
        assert_eq!((made, code(result)), (65, Some(libc::ENETUNREACH)));
    }

    #[test]
    fn other_errors_are_the_calls_own_at_once() {
        for code in [libc::EAGAIN, libc::EINTR, libc::EIO, libc::EINVAL, libc::ENOBUFS] {
            let (made, result) = calls(&[code; 9], true);
            assert_eq!((made, result.unwrap_err().raw_os_error()), (1, Some(code)));
        }
    }
}
