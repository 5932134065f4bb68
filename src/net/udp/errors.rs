//! ICMP errors about what we sent. Anybody can forge them: they are hints, and cost nobody else a
//! datagram.
//!
//! With `IP_RECVERR` each error does two things. It is put into the socket's error queue together
//! with the address that the datagram went to. And it is left as the socket's pending error, which
//! the next call returns *instead of* doing its work, whoever that call is for. So a call that ends
//! with what may be such an error is made again ([`past_errors`]): what was pending is then gone,
//! and what comes again is the call's own.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::Socket;
use super::kernel::{address_of, socklen};
use crate::limits::{ICMP_RETRIES_MAX, ICMP_RETRIES_QUIET_MAX};

/// `sock_extended_err` with the sender's address, behind PKTINFO of both families.
const CONTROL_BYTES: usize = 256;
/// Destination unreachable (RFC 792), of which one code speaks of the datagram's size alone.
const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
/// Another: there is no such host in its network.
const HOST_UNREACHABLE: u8 = 1;
/// Destination unreachable (RFC 4443), and its code for an address that does not answer.
const UNREACHABLE_6: u8 = 1;
const ADDRESS_UNREACHABLE_6: u8 = 3;

/// An ICMP error about a datagram of ours, or about one that somebody made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// Where the datagram went.
    pub to: SocketAddr,
    /// Nobody is there: not one of the errors about size, time to live or options.
    pub is_unreachable: bool,
    /// Who says that the peer's host cannot be reached, if that is what the error says.
    pub unreachable_by: Option<IpAddr>,
}

#[repr(align(8))]
struct Room([u8; CONTROL_BYTES]);

impl Socket {
    /// Takes the oldest error out of the queue; `None` when it is empty.
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
        // One without an address is about nobody.
        let to = to.unwrap_or(super::Meta::EMPTY.from);
        // SAFETY: the kernel filled the control messages that the header describes.
        Some(unsafe { meaning(&header, to) })
    }

    /// Makes a call of this socket, and again where it may have met an ICMP error in place of its
    /// own result.
    ///
    /// # Errors
    /// Those of the call itself.
    pub(super) fn past_errors(&self, call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        past_errors(call, || has_errors(self.as_raw_fd()))
    }
}

/// See [`Socket::past_errors`].
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

/// What the kernel makes of ICMP errors of both families, forged or not.
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

/// Whether errors wait in the queue.
fn has_errors(fd: RawFd) -> bool {
    let mut watched = libc::pollfd { fd, events: 0, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut watched, 1, 0) };
    ready > 0 && watched.revents & libc::POLLERR != 0
}

/// What an error about a datagram to `to` says.
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
                // Behind the error lies the address of who made it (SO_EE_OFFENDER); of IPv4 it is
                // shorter than what is read, and the room goes on.
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

    /// How often a call was made that meets these errors and then succeeds, and how it ended.
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
