//! What weir-init itself owns of a box: its host name and its network. [`super::box_file`] keeps
//! them, a preset gives them, and the console changes them.
//!
//! Settings are judged as a whole before any of them is used: [`NetworkSettings`] that exist can be
//! applied. IPv4 is static or by DHCP; IPv6 configures itself (RFC 4862), and has no settings. No
//! name is looked up here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{
    HOST_NAME_BYTES_MAX, INTERFACE_NAME_BYTES_MAX, NAME_SERVERS_MAX, TIME_SERVER_BYTES_MAX,
    TIME_SERVERS_MAX,
};

/// An IPv4 address of an interface with the length of its network's prefix: `192.0.2.7/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address itself, a host's.
    pub address: Ipv4Addr,
    /// Bits of the network's prefix, from 1 to 32.
    pub prefix_bits: u8,
}

/// How the interface gets its address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddressMode {
    /// From a DHCP server.
    #[default]
    Dhcp,
    /// From the settings.
    Static {
        /// The interface's address.
        address: InterfaceAddress,
        /// The way to other networks; `None` for none.
        gateway: Option<Ipv4Addr>,
    },
}

/// The settings of the network; the default is DHCP for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unjudged", into = "Unjudged")]
pub struct NetworkSettings {
    /// How the interface gets its address.
    pub mode: AddressMode,
    /// DNS servers, in place of those that DHCP names; at most [`NAME_SERVERS_MAX`].
    pub dns: Vec<IpAddr>,
    /// Time servers by name or address, before those that DHCP names; at most
    /// [`TIME_SERVERS_MAX`].
    pub ntp: Vec<String>,
    /// The interface; `None` for the first one that there is.
    pub interface: Option<String>,
}

/// The settings as they are written, in TOML and in JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unjudged {
    pub(super) mode: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gateway: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) dns: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ntp: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) interface: Option<String>,
}

impl FromStr for InterfaceAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            || format!("{} is not an address with its prefix, like 192.0.2.7/24", shown(text));
        let (address, bits) = text.split_once('/').ok_or_else(form)?;
        let address: Ipv4Addr = address.parse().map_err(|_| form())?;
        // Digits only: `parse` would take a sign too.
        let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
        let prefix_bits: u8 = bits.parse().ok().filter(|_| is_number).ok_or_else(form)?;
        Self::of(address, prefix_bits).ok_or_else(|| {
            format!("{address}/{prefix_bits} is no address that a host can have in its network")
        })
    }
}

impl InterfaceAddress {
    /// Puts the two together; `None` where a host cannot have this address in this network.
    pub fn of(address: Ipv4Addr, prefix_bits: u8) -> Option<Self> {
        let is_special = address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || address.is_broadcast()
            || address.octets()[0] == 0;
        if is_special || !(1..=32).contains(&prefix_bits) {
            return None;
        }
        let whole = Self { address, prefix_bits };
        // Networks of two hosts or one have no address of their own (RFC 3021).
        let host = address.to_bits() & !whole.mask();
        let is_a_hosts = prefix_bits >= 31 || (host != 0 && host != !whole.mask());
        is_a_hosts.then_some(whole)
    }

    /// Whether `other` is in the same network.
    pub fn has_neighbour(&self, other: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ other.to_bits()) & self.mask() == 0
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix_bits)).unwrap_or(0)
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl TryFrom<Unjudged> for NetworkSettings {
    type Error = String;

    fn try_from(given: Unjudged) -> Result<Self, String> {
        let mode = given.judged_mode()?;
        let dns = given.dns.iter().map(|text| {
            let ip = text.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified());
            let ip = ip.filter(|ip| !ip.is_multicast());
            ip.ok_or_else(|| format!("`dns`: {} is no address of a server", shown(text)))
        });
        let dns: Vec<IpAddr> = dns.collect::<Result<_, _>>()?;
        if dns.len() > NAME_SERVERS_MAX {
            return Err(format!("`dns`: {} servers, max {NAME_SERVERS_MAX}", dns.len()));
        }
        if given.ntp.len() > TIME_SERVERS_MAX {
            return Err(format!("`ntp`: {} servers, max {TIME_SERVERS_MAX}", given.ntp.len()));
        }
        if let Some(wrong) = given.ntp.iter().find(|server| !is_server(server)) {
            return Err(format!("`ntp`: {} is no name and no address of a server", shown(wrong)));
        }
        if let Some(name) = given.interface.as_deref().filter(|name| !is_interface(name)) {
            let name = shown(name);
            return Err(format!("`interface`: {name} is no name of an interface, like eth0"));
        }
        Ok(Self { mode, dns, ntp: given.ntp, interface: given.interface })
    }
}

impl Unjudged {
    fn judged_mode(&self) -> Result<AddressMode, String> {
        match &*self.mode {
            "dhcp" => {
                let given = [("address", &self.address), ("gateway", &self.gateway)];
                match given.iter().find(|(_, value)| value.is_some()) {
                    Some((key, _)) => Err(format!("`{key}` needs mode = \"static\"")),
                    None => Ok(AddressMode::Dhcp),
                }
            }
            "static" => {
                let address = self.address.as_ref().ok_or("mode = \"static\" needs `address`")?;
                let address: InterfaceAddress =
                    address.parse().map_err(|why| format!("`address`: {why}"))?;
                let gateway = self.gateway.as_ref().map(|text| {
                    let ip = text
                        .parse()
                        .ok()
                        .filter(|ip| *ip != address.address && address.has_neighbour(*ip));
                    ip.ok_or_else(|| {
                        format!("`gateway`: {} is no neighbour of {address}", shown(text))
                    })
                });
                Ok(AddressMode::Static { address, gateway: gateway.transpose()? })
            }
            other => Err(format!("`mode` is {}, not dhcp or static", shown(other))),
        }
    }
}

impl From<NetworkSettings> for Unjudged {
    fn from(settings: NetworkSettings) -> Self {
        let (mode, address, gateway) = match settings.mode {
            AddressMode::Dhcp => ("dhcp", None, None),
            AddressMode::Static { address, gateway } => {
                let gateway = gateway.map(|ip| ip.to_string());
                ("static", Some(address.to_string()), gateway)
            }
        };
        Self {
            mode: mode.to_owned(),
            address,
            gateway,
            dns: settings.dns.iter().map(ToString::to_string).collect(),
            ntp: settings.ntp,
            interface: settings.interface,
        }
    }
}

/// Why a text is not a host name; `None` for one that is (RFC 1123 section 2.1, one label).
pub fn host_name_problem(name: &str) -> Option<String> {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_name = !name.is_empty() && name.bytes().all(is_sign);
    if name.len() > HOST_NAME_BYTES_MAX {
        return Some(format!("a host name of {} bytes, max {HOST_NAME_BYTES_MAX}", name.len()));
    }
    if !is_name || name.starts_with('-') || name.ends_with('-') {
        let rule = "letters and digits, with hyphens between them";
        return Some(format!("{name:?} is no host name: {rule}"));
    }
    None
}

/// The beginning of a text that somebody wrote, without control characters.
fn shown(text: &str) -> String {
    const CHARS_SHOWN: usize = 64;
    text.chars().take(CHARS_SHOWN).flat_map(char::escape_debug).collect()
}

/// Whether a text can be a server's name or its address.
fn is_server(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    (1..=TIME_SERVER_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_sign)
}

/// Whether the kernel could have an interface of this name.
fn is_interface(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=INTERFACE_NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(is_sign)
        && !text.bytes().all(|byte| byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_judged() {
        let json = "{\"mode\":\"static\",\"address\":\"192.0.2.7/24\",\
                    \"gateway\":\"192.0.2.1\",\"dns\":[\"192.0.2.53\",\"2001:db8::53\"],\
                    \"ntp\":[\"time.example\"],\"interface\":\"eth0\"}";
        let settings: NetworkSettings = serde_json::from_str(json).expect("good");
        assert_eq!(serde_json::to_string(&settings).expect("texts and lists"), json);
        let plain = serde_json::to_string(&NetworkSettings::default()).expect("a text");
        assert_eq!(plain, "{\"mode\":\"dhcp\"}");
        for wrong in [
            "{}",
            "{\"mode\":\"dhcp\",\"address\":\"192.0.2.7/24\"}",
            "{\"mode\":\"static\"}",
            "{\"mode\":\"dhcp\",\"wifi\":\"x\"}",
        ] {
            serde_json::from_str::<NetworkSettings>(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn an_address_is_one_that_a_host_can_have() {
        let address = |text: &str| text.parse::<InterfaceAddress>();
        for good in ["192.0.2.7/24", "10.0.0.1/8", "192.0.2.0/31", "192.0.2.1/31", "192.0.2.9/32"] {
            assert_eq!(address(good).expect(good).to_string(), good);
        }
        for wrong in [
            "192.0.2.0/24",
            "192.0.2.255/24",
            "127.0.0.1/8",
            "224.0.0.1/24",
            "0.0.0.0/1",
            "0.1.2.3/8",
            "255.255.255.255/32",
            "192.0.2.7/0",
            "192.0.2.7/33",
            "192.0.2.7/+24",
            "192.0.2.7",
            "192.0.2.7/",
            "2001:db8::7/64",
            "gate/24",
            "",
        ] {
            address(wrong).expect_err(wrong);
        }
        let home = address("192.0.2.7/24").expect("good");
        assert!(home.has_neighbour(Ipv4Addr::new(192, 0, 2, 200)));
        assert!(!home.has_neighbour(Ipv4Addr::new(192, 0, 3, 1)));
    }

    #[test]
    fn host_names_are_labels() {
        for good in ["gate", "Gate-2", "7", "a-b-c", &"x".repeat(HOST_NAME_BYTES_MAX)] {
            assert_eq!(host_name_problem(good), None, "{good}");
        }
        for wrong in ["", "-", "gate-", "gate.lan", "ga te", "gäte", "gate\n"] {
            assert!(host_name_problem(wrong).is_some(), "{wrong}");
        }
        let long = host_name_problem(&"x".repeat(HOST_NAME_BYTES_MAX + 1)).expect("too long");
        assert_eq!(long, "a host name of 64 bytes, max 63");
    }
}
