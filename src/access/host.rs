//! Whether a request was meant for this box. A page elsewhere can have its own name lead to our
//! address (DNS rebinding), and then has the browser's word for being us; but the browser still
//! says that name. So only names are answered that no stranger can have.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What only a local network's names end in: multicast DNS (RFC 6762), home networks (RFC 8375),
/// private use (ICANN), this machine (RFC 6761), and what many routers use.
const LOCAL_ENDS: [&str; 5] = [".local", ".home.arpa", ".internal", ".localhost", ".lan"];

/// Whether `host`, the Host header or a URL's authority, is ours: an address, a name without dots,
/// a local one, the box's `own_name`, or one of `names`.
pub fn host_is_ours(host: &str, own_name: &str, names: &[String]) -> bool {
    let Some(name) = host_without_port(host) else { return false };
    if let Some(inner) = name.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || !name.bytes().all(fits) {
        return false;
    }
    let name = name.to_ascii_lowercase();
    name.parse::<Ipv4Addr>().is_ok()
        || !name.contains('.')
        || LOCAL_ENDS.iter().any(|end| name.ends_with(end))
        || name == own_name.to_ascii_lowercase()
        || names.contains(&name)
}

/// The host without `:port`; `None` when what follows the colon is none.
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

    #[test]
    fn only_names_that_no_stranger_can_have() {
        let names = ["gate.example".to_owned()];
        for host in [
            "192.0.2.7",
            "192.0.2.7:8117",
            "[2001:db8::7]",
            "[::1]:8117",
            "localhost",
            "LocalHost:8117",
            "a.localhost",
            "weir",
            "weir:80",
            "Weir-Box_2",
            "weir.local",
            "weir.lan.",
            "a.b.home.arpa",
            "x.internal:1",
            "cam.office.example.org",
            "gate.example",
            "GATE.example.:8117",
        ] {
            assert!(host_is_ours(host, "cam.office.example.org", &names), "{host}");
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
        ] {
            assert!(!host_is_ours(host, "cam.office.example.org", &names), "{host}");
        }
    }
}
