//! The interface as the kernel shows it in `/sys/class/net`, and the socket of its DHCP client.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};
use weir::appliance::dhcp::{DHCP_CLIENT_PORT, DHCP_SERVER_PORT};

const INTERFACES: &str = "/sys/class/net";
/// The hardware type of Ethernet.
const ETHERNET: &str = "1";

/// An Ethernet interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ethernet {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) hardware: [u8; 6],
}

impl Ethernet {
    /// The interface of this name, or else the first wired one that is a device.
    pub(crate) fn find(wanted: Option<&str>) -> Option<Self> {
        if let Some(name) = wanted {
            return Self::read(name);
        }
        let entries = fs::read_dir(INTERFACES).ok()?.flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| is_wired(name)).collect();
        names.sort_unstable();
        names.iter().find_map(|name| Self::read(name))
    }

    fn read(name: &str) -> Option<Self> {
        if file(name, "type")? != ETHERNET {
            return None;
        }
        let index = file(name, "ifindex")?.parse().ok()?;
        let address = file(name, "address")?;
        let bytes = address.split(':').map(|digits| u8::from_str_radix(digits, 16));
        let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().ok()?;
        Some(Self { name: name.to_owned(), index, hardware: bytes.try_into().ok()? })
    }

    /// Whether the interface is still the same one.
    pub(crate) fn is_there(&self) -> bool {
        file(&self.name, "ifindex").is_some_and(|index| index == self.index.to_string())
    }

    /// Whether there is a link. An interface that is down does not know.
    pub(crate) fn has_carrier(&self) -> bool {
        file(&self.name, "carrier").is_some_and(|carrier| carrier == "1")
    }
}

fn is_wired(name: &str) -> bool {
    let folder = Path::new(INTERFACES).join(name);
    folder.join("device").exists()
        && !folder.join("phy80211").exists()
        && !folder.join("wireless").exists()
}

fn file(name: &str, key: &str) -> Option<String> {
    let path: PathBuf = Path::new(INTERFACES).join(name).join(key);
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// A socket for DHCP on one interface, which need not have an address.
///
/// # Errors
/// The port is taken, or this process is not root.
pub(crate) fn dhcp_socket(interface: &str) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_broadcast(true)?;
    socket.set_reuse_address(true)?;
    let own = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, DHCP_CLIENT_PORT);
    socket.bind(&SocketAddr::V4(own).into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Sends a question of the DHCP client.
///
/// # Errors
/// The interface is down, or the server is not reached.
pub(crate) fn send_dhcp(socket: &UdpSocket, to: Ipv4Addr, bytes: &[u8]) -> io::Result<()> {
    socket.send_to(bytes, SocketAddrV4::new(to, DHCP_SERVER_PORT)).map(|_| ())
}
