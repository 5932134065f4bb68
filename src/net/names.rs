//! Resolves camera names, with `/etc/hosts` and the DNS servers of `/etc/resolv.conf`.
//!
//! The C library's resolver is not used: it blocks a thread while it waits, and a static program
//! does not have it. `.local` names need mDNS, which weir does not support. Nothing is cached,
//! because cameras are connected to seldom, and an address may change. `dns` talks to the servers.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

use heapless::Vec;

pub use super::dns::Addresses;
use super::dns::{self, Servers};
use super::interfaces;
use crate::limits::{HOSTS_BYTES_MAX, NAME_ADDRESSES_MAX, NAME_DOMAINS_MAX};

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;
/// The bounds and defaults of resolv.conf(5) for its options.
const NDOTS_MAX: usize = 15;
const TIMEOUT_S_MAX: u64 = 30;
const TIMEOUT_S_DEFAULT: u64 = 5;
const ATTEMPTS_MAX: usize = 5;
const ATTEMPTS_DEFAULT: usize = 2;

/// Why a name gave no address.
#[derive(Debug)]
pub enum NameError {
    /// It is not a valid DNS name (RFC 1035 section 2.3.4), or not a valid address before a `%`.
    NotAName,
    /// The DNS servers know no address for it.
    Unknown,
    /// No DNS server has an address for it, and it ends in `.local`, which only mDNS can resolve.
    Local,
    /// No DNS server gave an answer; the error is the last server's.
    Server(io::Error),
    /// A link-local address names an interface that does not exist.
    Zone,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAName => f.write_str("it is not a valid DNS name"),
            Self::Unknown => f.write_str("the DNS servers have no address for it"),
            Self::Local => f.write_str(
                "no DNS server knows it, and weir does not support mDNS (.local): configure the camera's \
                 IP address",
            ),
            Self::Server(error) => write!(f, "no DNS server answered: {error}"),
            Self::Zone => f.write_str("the network interface named after the % does not exist"),
        }
    }
}

/// The contents of `/etc/resolv.conf`.
struct Resolver {
    servers: Servers,
    /// Domains to append to a name.
    domains: Vec<String, NAME_DOMAINS_MAX>,
    /// A name with at least this many dots is asked for as it is before `domains` are tried.
    ndots: usize,
}

/// The addresses to connect to for `host`, a name or an IP address; at most [`NAME_ADDRESSES_MAX`].
/// The caller must set a time-out.
///
/// # Errors
/// See [`NameError`]; each case says which step failed.
pub async fn resolve(
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr, NAME_ADDRESSES_MAX>, NameError> {
    if let Some((address, zone)) = host.split_once('%') {
        let address: Ipv6Addr = address.parse().map_err(|_| NameError::NotAName)?;
        let scope = zone.parse().ok().or_else(|| interfaces::index(zone)).ok_or(NameError::Zone)?;
        return Ok(Vec::from_iter([SocketAddrV6::new(address, port, 0, scope).into()]));
    }
    let at = |address: &IpAddr| SocketAddr::new(*address, port);
    if let Ok(address) = host.parse() {
        return Ok(Vec::from_iter([at(&address)]));
    }
    let known = in_hosts(&read(Path::new(HOSTS)), host);
    if !known.is_empty() {
        return Ok(known.iter().map(at).collect());
    }
    let found = resolver(&read(Path::new(RESOLV_CONF))).find(host).await?;
    Ok(found.iter().map(at).collect())
}

/// A text file, up to [`HOSTS_BYTES_MAX`] bytes; empty if it cannot be read.
fn read(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        // A file that is not UTF-8 counts as empty.
        let _ = file.take(HOSTS_BYTES_MAX).read_to_string(&mut text);
    }
    text
}

/// The addresses that a hosts file has for a name, up to the bound.
fn in_hosts(text: &str, host: &str) -> Addresses {
    let mut found = Addresses::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next().and_then(|word| word.parse().ok());
        if let Some(address) = address
            && words.any(|name| name.eq_ignore_ascii_case(host))
        {
            // Addresses beyond the bound are not tried.
            let _ = found.push(address);
        }
    }
    found
}

/// Parses a resolver file (resolv.conf(5)): server addresses, search domains and options. An
/// invalid line is skipped.
fn resolver(text: &str) -> Resolver {
    let mut resolver = Resolver {
        servers: Servers {
            addresses: Vec::new(),
            timeout: Duration::from_secs(TIMEOUT_S_DEFAULT),
            attempts: ATTEMPTS_DEFAULT,
        },
        domains: Vec::new(),
        ndots: 1,
    };
    for line in text.lines() {
        let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
        match words.next() {
            Some("nameserver") => {
                if let Some(address) = words.next().and_then(|word| word.parse().ok()) {
                    // Servers beyond the bound are not asked.
                    let _ = resolver.servers.addresses.push(SocketAddr::new(address, DNS_PORT));
                }
            }
            // The last such line counts.
            Some("search" | "domain") => {
                let domains = words.map(|word| word.trim_end_matches('.'));
                let is_name = |domain: &&str| !domain.is_empty() && dns::is_name(domain);
                resolver.domains =
                    domains.filter(is_name).take(NAME_DOMAINS_MAX).map(str::to_owned).collect();
            }
            Some("options") => words.for_each(|word| resolver.option(word)),
            _ => {}
        }
    }
    if resolver.servers.addresses.is_empty() {
        // By default the server is on this machine.
        let _ = resolver.servers.addresses.push(SocketAddr::from(([127, 0, 0, 1], DNS_PORT)));
    }
    resolver
}

impl Resolver {
    fn option(&mut self, word: &str) {
        let Some((name, number)) = word.split_once(':') else { return };
        let Ok(number) = number.parse::<usize>() else { return };
        match name {
            "ndots" => self.ndots = number.min(NDOTS_MAX),
            "timeout" => {
                let seconds = u64::try_from(number).unwrap_or(u64::MAX);
                self.servers.timeout = Duration::from_secs(seconds.clamp(1, TIMEOUT_S_MAX));
            }
            "attempts" => self.servers.attempts = number.clamp(1, ATTEMPTS_MAX),
            _ => {}
        }
    }

    /// The names to ask for, in order, for the name that a person configured.
    fn names(&self, host: &str) -> std::vec::Vec<String> {
        if let Some(absolute) = host.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let searched = self.domains.iter().map(|domain| format!("{host}.{domain}"));
        let mut names: std::vec::Vec<String> = searched.filter(|name| dns::is_name(name)).collect();
        let is_first = host.matches('.').count() >= self.ndots;
        names.insert(if is_first { 0 } else { names.len() }, host.to_owned());
        names
    }

    async fn find(&self, host: &str) -> Result<Addresses, NameError> {
        if !dns::is_name(host.strip_suffix('.').unwrap_or(host)) {
            return Err(NameError::NotAName);
        }
        let mut silent = None;
        for name in self.names(host) {
            match dns::addresses(&self.servers, &name).await {
                Ok(found) if !found.is_empty() => return Ok(found),
                Ok(_) => {}
                Err(error) => silent = Some(error),
            }
        }
        let is_local = host.trim_end_matches('.').to_ascii_lowercase().ends_with(".local");
        Err(match silent {
            _ if is_local => NameError::Local,
            Some(error) => NameError::Server(error),
            None => NameError::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::NAME_SERVERS_MAX;

    #[test]
    fn a_hosts_file_is_read_leniently_and_to_a_bound() {
        let text = "# comment\n127.0.0.1 localhost\n192.0.2.7\tGate gate.lan # at the gate\n\
                    nonsense gate\n2001:db8::7 gate.lan\n";
        let addresses = |host| in_hosts(text, host).iter().map(ToString::to_string).collect();
        let gate: std::vec::Vec<String> = addresses("gate.lan");
        assert_eq!(gate, ["192.0.2.7", "2001:db8::7"]);
        let by_case: std::vec::Vec<String> = addresses("GATE");
        assert_eq!(by_case, ["192.0.2.7"]);
        assert!(in_hosts(text, "at").is_empty());
        let many = "192.0.2.1 wall\n".repeat(NAME_ADDRESSES_MAX + 1);
        assert_eq!(in_hosts(&many, "wall").len(), NAME_ADDRESSES_MAX);
    }

    #[test]
    fn a_resolver_file_is_read_leniently_and_to_a_bound() {
        let text = "; by hand\nnameserver 192.0.2.53 # the router\nnameserver dns.lan\nnameserver\n\
                    domain old.lan\nsearch lan x..y example.net\noptions timeout:2 ndots:x rotate \
                    attempts:3\nnameserver 2001:db8::53\nnonsense\n";
        let resolver = resolver(text);
        let servers = &resolver.servers;
        let addresses: std::vec::Vec<String> =
            servers.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["192.0.2.53:53", "[2001:db8::53]:53"]);
        assert_eq!((servers.timeout, servers.attempts), (Duration::from_secs(2), 3));
        assert_eq!(resolver.domains, ["lan", "example.net"]);
        assert_eq!(resolver.ndots, 1);
        let many = "nameserver 192.0.2.53\n".repeat(NAME_SERVERS_MAX + 1);
        assert_eq!(self::resolver(&many).servers.addresses.len(), NAME_SERVERS_MAX);
        let many = format!("search {}\n", "lan ".repeat(NAME_DOMAINS_MAX + 1));
        assert_eq!(self::resolver(&many).domains.len(), NAME_DOMAINS_MAX);
        let most = self::resolver("options timeout:9999 attempts:9999 ndots:9999\n");
        assert_eq!(most.servers.timeout, Duration::from_secs(TIMEOUT_S_MAX));
        assert_eq!((most.servers.attempts, most.ndots), (ATTEMPTS_MAX, NDOTS_MAX));
        let none = self::resolver("options timeout:0 attempts:0\n");
        assert_eq!((none.servers.timeout, none.servers.attempts), (Duration::from_secs(1), 1));
        assert_eq!(none.servers.addresses[0].to_string(), "127.0.0.1:53");
    }

    #[test]
    fn a_name_with_a_dot_is_asked_for_before_it_is_searched() {
        let resolver = resolver("search lan wild.example\n");
        assert_eq!(resolver.names("gate"), ["gate.lan", "gate.wild.example", "gate"]);
        let names = resolver.names("gate.lan");
        assert_eq!(names, ["gate.lan", "gate.lan.lan", "gate.lan.wild.example"]);
        assert_eq!(resolver.names("gate."), ["gate"]);
        let long = "x.".repeat(125) + "x";
        assert_eq!(resolver.names(&long), [long.as_str()], "there is no longer one");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_no_name_is_said_to_be_none() {
        for host in ["two..dots", &"x".repeat(64)] {
            let refused = resolver("").find(host).await;
            assert!(matches!(refused, Err(NameError::NotAName)), "{host}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_address_is_itself() {
        let found = resolve("2001:db8::7", 554).await.expect("an address");
        assert_eq!(found.as_slice(), ["[2001:db8::7]:554".parse::<SocketAddr>().expect("one")]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_zone_is_an_interface_by_name_or_number() {
        for host in ["fe80::7%lo", "fe80::7%1"] {
            let found = resolve(host, 554).await.expect(host);
            let [SocketAddr::V6(address)] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((address.scope_id(), address.port()), (1, 554), "{host}");
        }
        assert!(matches!(resolve("fe80::7%nowhere0", 554).await, Err(NameError::Zone)));
    }
}
