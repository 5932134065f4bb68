//! Whether a request was meant for this box, by its host name. A page elsewhere can have its own
//! name lead to weir's address (DNS rebinding), and the browser then takes the page for weir's own.
//! But the browser still sends that name. So weir answers only to names that no stranger can have.

use std::net::IpAddr;

/// Endings that only names of a local network have: multicast DNS (RFC 6762), home networks (RFC
/// 8375), private use (ICANN), and what many routers use.
const LOCAL_ENDS: [&str; 4] = [".local", ".home.arpa", ".internal", ".lan"];
/// The ending of names that mean this machine itself (RFC 6761).
const LOCALHOST_END: &str = ".localhost";

/// The names that this box answers to.
#[derive(Debug, Clone, Copy)]
pub struct Names<'n> {
    /// The box's host name, as the kernel has it.
    pub own: &'n str,
    /// `[http] names`, in lower case.
    pub further: &'n [String],
    /// The domains that its network gave it: [`super::domains::Domains`].
    pub domains: &'n [String],
}

/// The kind of host name by which a request asks for this box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// `localhost`, or a loopback address.
    Loopback,
    /// Another IP address.
    Address,
    /// A name that means something only on the box or in its network.
    Local,
    /// A name that may be known worldwide: one of `names`, or the box's own with a domain.
    Public,
}

impl HostKind {
    /// Whether a client on the box itself would ask by such a name.
    pub fn is_for_the_box_itself(self) -> bool {
        matches!(self, Self::Loopback | Self::Local)
    }
}

impl Names<'_> {
    /// The kind of `host`, the Host header or a URL's authority: an address, a name without dots, a
    /// local one, the box's own, or one of `names`. `None` when it is none of them.
    pub fn kind(&self, host: &str) -> Option<HostKind> {
        let name = host_without_port(host)?;
        let of_address = |ip: IpAddr| {
            let ip = ip.to_canonical();
            // The unspecified address leads to this machine.
            if ip.is_loopback() || ip.is_unspecified() {
                HostKind::Loopback
            } else {
                HostKind::Address
            }
        };
        if let Some(inner) = name.strip_prefix('[') {
            let ip: std::net::Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(of_address(ip.into()));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if name.is_empty() || !name.bytes().all(fits) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Some(of_address(ip));
        }
        if name == "localhost" || name.ends_with(LOCALHOST_END) {
            return Some(HostKind::Loopback);
        }
        // A name in the configuration counts as public, whatever it looks like.
        if self.further.contains(&name) {
            return Some(HostKind::Public);
        }
        let is_local = !name.contains('.')
            || LOCAL_ENDS.iter().any(|end| name.ends_with(end))
            || self.is_of_our_network(&name);
        if is_local {
            return Some(HostKind::Local);
        }
        (name == self.own.to_ascii_lowercase()).then_some(HostKind::Public)
    }

    /// Whether `name` is one label under a domain that the box's network gave it.
    fn is_of_our_network(&self, name: &str) -> bool {
        let Some((label, domain)) = name.split_once('.') else { return false };
        !label.is_empty() && self.domains.iter().any(|known| known == domain)
    }
}

/// The host without `:port`; `None` when the text after the colon is not a port.
pub fn host_without_port(host: &str) -> Option<&str> {
    let colon = match host.rfind(']') {
        Some(bracket) => host[bracket..].find(':').map(|at| bracket + at),
        None => host.find(':'),
    };
    let Some(colon) = colon else { return Some(host) };
    host[colon + 1..].parse::<u16>().ok()?;
    Some(&host[..colon])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(host: &str) -> Option<HostKind> {
        let further = ["gate.example".to_owned()];
        let domains = ["fritz.box".to_owned(), "tail1234.ts.net".to_owned()];
        let own = "cam.office.example.org";
        Names { own, further: &further, domains: &domains }.kind(host)
    }

    #[test]
    fn only_names_that_no_stranger_can_have() {
        use HostKind::{Address, Local, Loopback, Public};
        for (host, expected) in [
            ("192.0.2.7", Address),
            ("192.0.2.7:8117", Address),
            ("[2001:db8::7]", Address),
            ("[::1]:8117", Loopback),
            ("127.0.0.1:8117", Loopback),
            ("[::ffff:127.0.0.1]", Loopback),
            ("0.0.0.0:8117", Loopback),
            ("localhost", Loopback),
            ("LocalHost:8117", Loopback),
            ("a.localhost", Loopback),
            ("weir", Local),
            ("weir:80", Local),
            ("Weir-Box_2", Local),
            ("weir.local", Local),
            ("weir.lan.", Local),
            ("a.b.home.arpa", Local),
            ("x.internal:1", Local),
            ("Weir.Fritz.Box:8117", Local),
            ("weir.tail1234.ts.net", Local),
            ("cam.office.example.org", Public),
            ("gate.example", Public),
            ("GATE.example.:8117", Public),
        ] {
            assert_eq!(kind(host), Some(expected), "{host}");
        }
        for host in [
            "",
            ".",
            "evil.example",
            "192.0.2.7.evil.example",
            "gate.example.evil",
            "evil-gate.example",
            "local.evil",
            "evil.example:8117",
            "weir:99999",
            "weir:x",
            "[::1",
            "[::1]x",
            "[::ffff",
            "[evil.example]",
            "evil.example\u{e9}",
            "user@weir.local",
            "weir.local/..",
            "::1",
            "fritz.box",
            "a.weir.fritz.box",
            ".fritz.box",
            "weir.box",
            "weir.fritz.box.evil.example",
            "weir.tail99.ts.net",
        ] {
            assert_eq!(kind(host), None, "{host}");
        }
    }
}
