//! Converts addresses and control messages to and from the kernel's structures.

// The C types of these constants and lengths differ between platforms; all of them are small.
#![allow(clippy::cast_possible_truncation)]

use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr;

use super::Message;

/// Room for the control messages of one message: PKTINFO (IPv6: 20 bytes) and UDP_SEGMENT (2), each
/// behind a header of 16 and padded to 8.
pub(super) const CONTROL_BYTES: usize = 80;

/// The control messages of one message, aligned as `cmsghdr` requires.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct ControlBuffer(pub(super) [u8; CONTROL_BYTES]);

impl ControlBuffer {
    pub(super) const fn new() -> Self {
        Self([0; CONTROL_BYTES])
    }

    /// Writes source address and segment size; returns the length written.
    pub(super) fn write(&mut self, message: &Message, is_ipv6: bool) -> usize {
        let mut length = 0;
        if !message.from.is_unspecified() {
            length += if is_ipv6 {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: mapped(message.from).octets() },
                    ipi6_ifindex: 0,
                };
                self.append(length, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            } else {
                let IpAddr::V4(source) = message.from else {
                    return length;
                };
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from(source).to_be() },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                self.append(length, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            };
        }
        if message.bytes > usize::from(message.segment_bytes) {
            length += self.append(length, libc::SOL_UDP, libc::UDP_SEGMENT, message.segment_bytes);
        }
        length
    }

    /// Appends one control message at `offset`; returns the bytes that it takes.
    fn append<T: Copy>(&mut self, offset: usize, level: i32, kind: i32, value: T) -> usize {
        // SAFETY: these macros only compute lengths.
        let (space, length) = unsafe {
            let bytes = size_of::<T>() as _;
            (libc::CMSG_SPACE(bytes) as usize, libc::CMSG_LEN(bytes))
        };
        assert!(offset + space <= CONTROL_BYTES, "control messages fit their room");
        // SAFETY: the room holds the header and the value (asserted above) and is aligned to 8, as
        // offsets of CMSG_SPACE keep it.
        unsafe {
            let header = self.0.as_mut_ptr().add(offset).cast::<libc::cmsghdr>();
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = length as _;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
        }
        space
    }
}

/// `ip` as IPv6; IPv4 is mapped.
fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// Writes `to` for the socket's family; returns the length of the name.
pub(super) fn write_name(
    name: &mut MaybeUninit<libc::sockaddr_in6>,
    to: SocketAddr,
    is_ipv6: bool,
) -> libc::socklen_t {
    if is_ipv6 {
        let scope = if let SocketAddr::V6(to) = to { to.scope_id() } else { 0 };
        name.write(libc::sockaddr_in6 {
            sin6_family: libc::AF_INET6 as _,
            sin6_port: to.port().to_be(),
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: mapped(to.ip()).octets() },
            sin6_scope_id: scope,
        });
        return socklen(size_of::<libc::sockaddr_in6>());
    }
    let ip = match to.ip() {
        IpAddr::V4(ip) => ip,
        // An IPv4 socket gets no datagrams over IPv6. The kernel refuses to send to 0.0.0.0.
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as _,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(ip).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: sockaddr_in is smaller than sockaddr_in6 and no stricter aligned.
    unsafe { name.as_mut_ptr().cast::<libc::sockaddr_in>().write(address) };
    socklen(size_of::<libc::sockaddr_in>())
}

/// # Safety
/// `storage` was filled by the kernel as its family says.
pub(super) unsafe fn address_of(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let start = ptr::from_ref(storage);
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says it is a sockaddr_in, and the storage is aligned for it.
            let address = unsafe { &*start.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(address.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says it is a sockaddr_in6, and the storage is aligned for it.
            let address = unsafe { &*start.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            if let Some(ip) = ip.to_ipv4_mapped() {
                return Some(SocketAddr::new(IpAddr::V4(ip), port));
            }
            let scope = address.sin6_scope_id;
            Some(SocketAddr::V6(std::net::SocketAddrV6::new(ip, port, 0, scope)))
        }
        _ => None,
    }
}

/// # Safety
/// `header` was filled by the kernel and its control buffer still lives.
pub(super) unsafe fn destination_of(header: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the header describes a control buffer that the kernel filled; CMSG_FIRSTHDR and
    // CMSG_NXTHDR stay within it, and each type says what its data is.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            let data = libc::CMSG_DATA(control);
            match ((*control).cmsg_level, (*control).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    return Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    return Some(IpAddr::V6(ip).to_canonical());
                }
                _ => control = libc::CMSG_NXTHDR(header, control),
            }
        }
    }
    None
}

pub(super) fn socklen(bytes: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(bytes).unwrap_or(0)
}
