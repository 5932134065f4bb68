//! The network as it is configured: one interface with a static address or a DHCP lease, the
//! resolver's file, the host name, and which time servers are asked.
//!
//! The interface is looked for again and again: one on USB comes late, and a cable may be plugged
//! in at any time. IPv6 is the kernel's own work. What fails is tried again.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd};

use serde_json::{Value, json};
use weir::appliance::box_file::BoxSettings;
use weir::appliance::dhcp::{DhcpClient, DhcpReceived, DhcpStep, Lease};
use weir::appliance::network::{AddressMode, InterfaceAddress, NetworkSettings};
use weir::limits::{DHCP_DATAGRAM_BYTES_MAX, DHCP_DATAGRAMS_MAX, INIT_ROUND_US_MAX};
use weir::net::netlink::NetlinkSocket;

use super::interface::{Ethernet, dhcp_socket, send_dhcp};
use super::timekeeper::Timekeeper;

const RESOLVER: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
const HOST_NAME_DEFAULT: &str = "weir";
/// The index of the loopback interface on every Linux.
const LOOPBACK: u32 = 1;

/// The network's state.
#[derive(Debug)]
pub(crate) struct Network {
    settings: BoxSettings,
    netlink: Option<NetlinkSocket>,
    timekeeper: Timekeeper,
    link: Option<Link>,
    look_us: u64,
}

/// The interface that is in use.
#[derive(Debug)]
struct Link {
    ethernet: Ethernet,
    has_carrier: bool,
    dhcp: Option<(DhcpClient, UdpSocket)>,
    address: Option<(InterfaceAddress, Option<Ipv4Addr>)>,
}

impl Network {
    /// Sets the loopback up and the host name; the interface is found by the first turns.
    pub(crate) fn start(settings: BoxSettings, timekeeper: Timekeeper) -> Self {
        let netlink = NetlinkSocket::open().map_err(|error| log::error!("netlink: {error}")).ok();
        let mut network = Self { settings, netlink, timekeeper, link: None, look_us: 0 };
        network.with_netlink("lo", |netlink| netlink.set_up(LOOPBACK));
        network.set_host_name();
        network
    }

    /// Name and network as they are set.
    pub(crate) fn settings(&self) -> &BoxSettings {
        &self.settings
    }

    /// Uses other settings from now on.
    pub(crate) fn change(&mut self, settings: BoxSettings) {
        let is_other_network = settings.network != self.settings.network;
        let is_other_name = settings.hostname != self.settings.hostname;
        self.settings = settings;
        if is_other_name {
            self.set_host_name();
        }
        // A DHCP server is told the name.
        if is_other_network || is_other_name {
            self.let_go();
            self.link = None;
            self.look_us = 0;
        }
    }

    /// The descriptor to wait for, if there is one.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        let (_, socket) = self.link.as_ref()?.dhcp.as_ref()?;
        Some(socket.as_fd())
    }

    /// When there is something to do at the latest.
    pub(crate) fn deadline_us(&self) -> u64 {
        let dhcp = self.link.as_ref().and_then(|link| link.dhcp.as_ref());
        let own = dhcp.map_or(u64::MAX, |(client, _)| client.deadline_us());
        own.min(self.look_us)
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self, now_us: u64) {
        if now_us >= self.look_us {
            self.look_us = now_us + INIT_ROUND_US_MAX;
            self.look(now_us);
        }
        self.receive(now_us);
        self.step(now_us);
    }

    /// What `slots` shows of the network: the settings, and what came of them.
    pub(crate) fn report(&self) -> Value {
        let mut shown = serde_json::to_value(&self.settings.network).unwrap_or_else(|_| json!({}));
        if let Value::Object(shown) = &mut shown {
            let link = self.link.as_ref();
            let address = link.and_then(|link| link.address);
            let now = json!({
                "hostname": self.host_name(),
                "interface": link.map(|link| link.ethernet.name.clone()),
                "link": link.is_some_and(|link| link.has_carrier),
                "address": address.map(|(address, _)| address.to_string()),
                "gateway": address.and_then(|(_, gateway)| gateway).map(|ip| ip.to_string()),
            });
            shown.insert("now".to_owned(), now);
        }
        shown
    }

    /// Looks for the interface, and at its link.
    fn look(&mut self, now_us: u64) {
        if self.link.as_ref().is_some_and(|link| !link.ethernet.is_there()) {
            log::warn!("the interface is gone");
            // The kernel has removed its address.
            self.link = None;
        }
        let Some(link) = &mut self.link else { return self.take_interface(now_us) };
        let had_carrier = std::mem::replace(&mut link.has_carrier, link.ethernet.has_carrier());
        if link.has_carrier != had_carrier {
            let name = &link.ethernet.name;
            log::info!("{name} has {} link", if link.has_carrier { "a" } else { "no" });
            if let Some((client, _)) = link.dhcp.as_mut().filter(|_| link.has_carrier) {
                client.link_is_back(now_us);
            }
        }
    }

    fn take_interface(&mut self, now_us: u64) {
        let Some(ethernet) = Ethernet::find(self.settings.network.interface.as_deref()) else {
            return;
        };
        let Ethernet { name, index, hardware } = ethernet.clone();
        if !self.with_netlink(&name, |netlink| netlink.set_up(index)) {
            return;
        }
        log::info!("the network is on {name}");
        let has_carrier = ethernet.has_carrier();
        let mut link = Link { ethernet, has_carrier, dhcp: None, address: None };
        match self.settings.network.mode {
            AddressMode::Static { address, gateway } => {
                self.link = Some(link);
                self.set_address(address, gateway);
                let NetworkSettings { dns, ntp, .. } = self.settings.network.clone();
                self.tell(&dns, ntp, None);
            }
            AddressMode::Dhcp => match dhcp_socket(&name) {
                Ok(socket) => {
                    let client = DhcpClient::new(hardware, Some(self.host_name()), now_us);
                    link.dhcp = Some((client, socket));
                    self.link = Some(link);
                }
                Err(error) => log::error!("{name}: no socket for DHCP: {error}"),
            },
        }
    }

    fn receive(&mut self, now_us: u64) {
        let mut bytes = [0; DHCP_DATAGRAM_BYTES_MAX];
        for _ in 0..DHCP_DATAGRAMS_MAX {
            let Some((client, socket)) = self.link.as_mut().and_then(|link| link.dhcp.as_mut())
            else {
                return;
            };
            let Ok(count) = socket.recv(&mut bytes) else { return };
            match client.receive(&bytes[..count], now_us) {
                DhcpReceived::Nothing => {}
                DhcpReceived::Lost => self.lose(),
                DhcpReceived::Bound | DhcpReceived::Renewed => {
                    if let Some(lease) = client.lease().cloned() {
                        self.use_lease(lease);
                    }
                }
            }
        }
    }

    fn step(&mut self, now_us: u64) {
        while let Some(link) = &mut self.link
            && let Some((client, socket)) = &mut link.dhcp
        {
            match client.step(now_us) {
                None => return,
                Some(DhcpStep::Send { to, bytes }) => {
                    // Without a link it cannot be sent; it is tried again.
                    if let Err(error) = send_dhcp(socket, to, &bytes)
                        && link.has_carrier
                    {
                        log::warn!("{}: DHCP: {error}", link.ethernet.name);
                    }
                }
                Some(DhcpStep::Lost) => self.lose(),
            }
        }
    }

    fn use_lease(&mut self, lease: Lease) {
        let held = self.link.as_ref().and_then(|link| link.address);
        if held != Some((lease.address, lease.gateway)) {
            self.let_go();
            self.set_address(lease.address, lease.gateway);
            log::info!("{} by DHCP from {}", lease.address, lease.server);
        }
        let own = &self.settings.network;
        let dns: Vec<IpAddr> = match own.dns.is_empty() {
            true => lease.dns.iter().map(|ip| IpAddr::V4(*ip)).collect(),
            false => own.dns.clone(),
        };
        let given = lease.ntp.iter().map(ToString::to_string);
        let ntp = own.ntp.iter().cloned().chain(given).collect();
        self.tell(&dns, ntp, lease.domain.as_deref());
    }

    fn lose(&mut self) {
        log::warn!("the lease of the address is over; DHCP is asked again");
        self.let_go();
    }

    /// Sets the address and the default route, and remembers them.
    fn set_address(&mut self, address: InterfaceAddress, gateway: Option<Ipv4Addr>) {
        let Some(link) = &mut self.link else { return };
        link.address = Some((address, gateway));
        let Ethernet { name, index, .. } = link.ethernet.clone();
        let InterfaceAddress { address, prefix_bits } = address;
        self.with_netlink(&name, |netlink| netlink.add_address(index, address, prefix_bits));
        if let Some(gateway) = gateway {
            self.with_netlink(&name, |netlink| netlink.set_default_route(index, gateway));
        }
    }

    /// Removes the address that was set, and with it what needs it.
    fn let_go(&mut self) {
        let Some(link) = &mut self.link else { return };
        let Some((address, gateway)) = link.address.take() else { return };
        let Ethernet { name, index, .. } = link.ethernet.clone();
        let InterfaceAddress { address, prefix_bits } = address;
        if let Some(gateway) = gateway {
            self.with_netlink(&name, |netlink| netlink.remove_default_route(index, gateway));
        }
        self.with_netlink(&name, |netlink| netlink.remove_address(index, address, prefix_bits));
    }

    /// Writes the resolver's file, and asks the time servers.
    fn tell(&self, dns: &[IpAddr], ntp: Vec<String>, domain: Option<&str>) {
        let mut text: String = dns.iter().map(|ip| format!("nameserver {ip}\n")).collect();
        if let Some(domain) = domain {
            text += &format!("search {domain}\n");
        }
        replace(RESOLVER, &text);
        self.timekeeper.ask(ntp);
    }

    fn host_name(&self) -> String {
        self.settings.hostname.clone().unwrap_or_else(|| HOST_NAME_DEFAULT.to_owned())
    }

    fn set_host_name(&self) {
        let name = self.host_name();
        if let Err(error) = rustix::system::sethostname(name.as_bytes()) {
            log::error!("host name {name}: {error}");
        }
        replace(HOSTS, &format!("127.0.0.1 localhost {name}\n::1 localhost {name}\n"));
    }

    /// Asks the kernel; what it refuses is said, and returned as false.
    fn with_netlink(
        &mut self,
        name: &str,
        ask: impl FnOnce(&mut NetlinkSocket) -> std::io::Result<()>,
    ) -> bool {
        let Some(netlink) = &mut self.netlink else { return false };
        match ask(netlink) {
            Ok(()) => true,
            Err(error) => {
                log::warn!("{name}: {error}");
                false
            }
        }
    }
}

/// Replaces a file in memory, whole for whoever reads it at this moment.
fn replace(path: &str, text: &str) {
    let unfinished = format!("{path}.new");
    let replaced = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, path));
    if let Err(error) = replaced {
        log::warn!("{path}: {error}");
    }
}
