//! Sets interfaces up, and their IPv4 addresses and the default route: rtnetlink (RFC 3549), one
//! request at a time, each with the kernel's answer. Only root may. The messages are made by hand,
//! as five of the several hundred that there are is all that a box needs.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with, sockopt,
};

use crate::limits::{NETLINK_BYTES_MAX, NETLINK_MS_MAX};

const HEADER_BYTES: usize = 16;
const ERROR: u16 = 2;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const REPLACE: u16 = 0x100;
const CREATE: u16 = 0x400;
const UP: u32 = 0x1;
const IPV4: u8 = 2;
/// Answers to earlier requests that are passed over.
const ANSWERS_MAX: usize = 16;

/// A socket to the kernel's networking.
#[derive(Debug)]
pub struct NetlinkSocket {
    socket: OwnedFd,
    sequence: u32,
}

/// A request that is put together.
struct Message(Vec<u8>);

impl NetlinkSocket {
    /// Opens one; that needs no rights.
    ///
    /// # Errors
    /// The kernel has no networking, or no socket is to be had.
    pub fn open() -> io::Result<Self> {
        let socket =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        let patience = Some(Duration::from_millis(NETLINK_MS_MAX));
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, patience)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sets an interface up.
    ///
    /// # Errors
    /// There is none of this index, or this process may not.
    pub fn set_up(&mut self, interface: u32) -> io::Result<()> {
        self.ask(Message::of_link(interface, UP), NEW_LINK, 0)
    }

    /// Adds an address with its network to an interface.
    ///
    /// # Errors
    /// The interface is not there, or this process may not.
    pub fn add_address(
        &mut self,
        interface: u32,
        address: Ipv4Addr,
        prefix_bits: u8,
    ) -> io::Result<()> {
        let message = Message::of_address(interface, address, prefix_bits);
        self.ask(message, NEW_ADDRESS, CREATE | REPLACE)
    }

    /// Removes an address from an interface, and with it the routes that need it.
    ///
    /// # Errors
    /// The interface does not have it, or this process may not.
    pub fn remove_address(
        &mut self,
        interface: u32,
        address: Ipv4Addr,
        prefix_bits: u8,
    ) -> io::Result<()> {
        self.ask(Message::of_address(interface, address, prefix_bits), DELETE_ADDRESS, 0)
    }

    /// Sets the default route, in place of the one that is there. The gateway need not be in the
    /// interface's network: some providers' is not.
    ///
    /// # Errors
    /// The interface is not there or not up, or this process may not.
    pub fn set_default_route(&mut self, interface: u32, gateway: Ipv4Addr) -> io::Result<()> {
        self.ask(Message::of_default_route(interface, gateway), NEW_ROUTE, CREATE | REPLACE)
    }

    /// Removes the default route by this gateway.
    ///
    /// # Errors
    /// There is none, or this process may not.
    pub fn remove_default_route(&mut self, interface: u32, gateway: Ipv4Addr) -> io::Result<()> {
        self.ask(Message::of_default_route(interface, gateway), DELETE_ROUTE, 0)
    }

    fn ask(&mut self, message: Message, kind: u16, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = message.finished(kind, flags | REQUEST | ACKNOWLEDGE, self.sequence);
        send(&self.socket, &bytes, SendFlags::empty())?;
        let mut answer = [0; NETLINK_BYTES_MAX];
        for _ in 0..ANSWERS_MAX {
            let (_, count) = recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
            let answer = answer.get(..count).unwrap_or(&answer);
            if let Some(result) = result_of(answer, self.sequence) {
                return result;
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// What the kernel says of the request with this number; `None` if it says something else.
fn result_of(answer: &[u8], sequence: u32) -> Option<io::Result<()>> {
    let four = |at: usize| answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes)?;
    if kind != ERROR || four(8).map(u32::from_ne_bytes)? != sequence {
        return None;
    }
    match four(HEADER_BYTES).map(i32::from_ne_bytes)? {
        0 => Some(Ok(())),
        error => Some(Err(io::Error::from_raw_os_error(error.wrapping_neg()))),
    }
}

impl Message {
    fn of_link(interface: u32, flags: u32) -> Self {
        let mut message = Self(vec![0; HEADER_BYTES]);
        // Family, padding and device type: any.
        message.0.extend([0; 4]);
        message.word(interface);
        message.word(flags);
        // Those of the flags that change.
        message.word(flags);
        message
    }

    fn of_address(interface: u32, address: Ipv4Addr, prefix_bits: u8) -> Self {
        const ADDRESS: u16 = 1;
        const LOCAL: u16 = 2;
        const BROADCAST: u16 = 4;
        let mut message = Self(vec![0; HEADER_BYTES]);
        // Family, prefix, flags, and the scope of the whole world.
        message.0.extend([IPV4, prefix_bits, 0, 0]);
        message.word(interface);
        message.attribute(LOCAL, address.octets());
        message.attribute(ADDRESS, address.octets());
        // Networks of two hosts or one have no broadcast address (RFC 3021).
        if prefix_bits < 31 {
            let hosts = u32::MAX.checked_shr(u32::from(prefix_bits)).unwrap_or(0);
            message.attribute(BROADCAST, (address.to_bits() | hosts).to_be_bytes());
        }
        message
    }

    fn of_default_route(interface: u32, gateway: Ipv4Addr) -> Self {
        const OUTPUT: u16 = 4;
        const GATEWAY: u16 = 5;
        const MAIN_TABLE: u8 = 254;
        const STATIC: u8 = 4;
        const UNICAST: u8 = 1;
        /// The gateway is on the link, whatever the interface's networks are.
        const ON_LINK: u32 = 4;
        let mut message = Self(vec![0; HEADER_BYTES]);
        // Family, bits of destination and source, type of service, table, protocol, scope, type.
        message.0.extend([IPV4, 0, 0, 0, MAIN_TABLE, STATIC, 0, UNICAST]);
        message.word(ON_LINK);
        message.attribute(OUTPUT, interface.to_ne_bytes());
        message.attribute(GATEWAY, gateway.octets());
        message
    }

    fn word(&mut self, word: u32) {
        self.0.extend(word.to_ne_bytes());
    }

    /// An attribute of four bytes, which needs no padding.
    fn attribute(&mut self, kind: u16, value: [u8; 4]) {
        self.0.extend(8_u16.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
    }

    fn finished(mut self, kind: u16, flags: u16, sequence: u32) -> Vec<u8> {
        let bytes = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&bytes.to_ne_bytes());
        self.0[4..6].copy_from_slice(&kind.to_ne_bytes());
        self.0[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As root or not: no interface has this index.
    #[test]
    fn the_kernel_answers_and_refuses_in_an_error() {
        const NOWHERE: u32 = 0x7fff_fff0;
        let mut socket = NetlinkSocket::open().expect("networking");
        let address = Ipv4Addr::new(192, 0, 2, 7);
        socket.set_up(NOWHERE).expect_err("no interface");
        socket.add_address(NOWHERE, address, 24).expect_err("no interface");
        socket.remove_address(NOWHERE, address, 24).expect_err("no interface");
        socket.set_default_route(NOWHERE, address).expect_err("no interface");
        let error = socket.remove_default_route(NOWHERE, address).expect_err("no interface");
        assert!(error.raw_os_error().is_some_and(|code| code > 0), "{error}");
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn an_address_is_asked_for_in_these_bytes() {
        let message = Message::of_address(3, Ipv4Addr::new(192, 0, 2, 7), 24);
        let bytes = message.finished(NEW_ADDRESS, CREATE | REPLACE | REQUEST | ACKNOWLEDGE, 9);
        let expected = [
            &[48, 0, 0, 0, 20, 0, 5, 5, 9, 0, 0, 0, 0, 0, 0, 0][..],
            &[2, 24, 0, 0, 3, 0, 0, 0],
            &[8, 0, 2, 0, 192, 0, 2, 7],
            &[8, 0, 1, 0, 192, 0, 2, 7],
            &[8, 0, 4, 0, 192, 0, 2, 255],
        ];
        assert_eq!(bytes, expected.concat());
        let pair = Message::of_address(3, Ipv4Addr::new(192, 0, 2, 7), 31).finished(20, 0, 1);
        assert_eq!(pair.len(), 40, "without a broadcast address");
    }

    #[test]
    fn answers_to_others_are_passed_over() {
        let answer = |kind: u16, sequence: u32, error: i32| {
            let mut bytes = vec![0; HEADER_BYTES];
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
            bytes.extend(error.to_ne_bytes());
            bytes
        };
        assert!(result_of(&answer(ERROR, 7, 0), 8).is_none());
        assert!(result_of(&answer(NEW_LINK, 8, 0), 8).is_none());
        assert!(result_of(&answer(ERROR, 8, 0), 8).is_some_and(|result| result.is_ok()));
        let refused = result_of(&answer(ERROR, 8, -libc::EPERM), 8).expect("ours");
        assert_eq!(refused.expect_err("refused").kind(), io::ErrorKind::PermissionDenied);
        for short in 0..HEADER_BYTES + 4 {
            assert!(result_of(&answer(ERROR, 8, 0)[..short], 8).is_none());
        }
    }
}
