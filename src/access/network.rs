//! An address or network of `[http] proxies`.

use std::net::IpAddr;

/// An address, or a network of them: `192.0.2.7`, `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Parses an address, with or without `/bits`; `None` where it is neither. `/0` would be every
    /// address, and is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            // Digits only: `parse` would take a sign too.
            Some(bits) => {
                bits.bytes().all(|byte| byte.is_ascii_digit()).then(|| bits.parse())?.ok()?
            }
            None => most,
        };
        (1..=most).contains(&bits).then_some(Self { address, bits })
    }

    /// Whether an address is in it. An IPv4 address must not be mapped into IPv6.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (own.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (own.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_its_addresses_and_no_others() {
        for (network, ip, is_in) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::1", false),
            ("192.0.2.4/31", "192.0.2.5", true),
            ("192.0.2.4/31", "192.0.2.6", false),
            ("::1", "::1", true),
            ("fd00::/8", "fd12::7", true),
            ("fd00::/8", "fe80::7", false),
            ("::1", "127.0.0.1", false),
        ] {
            let read = Network::parse(network).expect("a network");
            assert_eq!(read.contains(ip.parse().expect("an address")), is_in, "{network} {ip}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "localhost",
            "127.0.0.1:80",
            "[::1]",
            "10.0.0.0/0",
            "::/0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0/8",
            "*",
            "10.0.0.0/8/8",
            "10.0.0.0/256",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
