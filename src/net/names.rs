//! Names of cameras: their addresses, from `/etc/hosts` and the DNS servers of `/etc/resolv.conf`.
//!
//! Not by the C library, whose resolver takes a thread for as long as it waits, and is not there in
//! a static program. `.local` names are mDNS's, which weir does not speak. Nothing is kept: a camera
//! is dialled seldom, and its address may have changed since.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use domain::base::name::RelativeName;
use domain::resolv::StubResolver;
use domain::resolv::stub::conf::{ResolvConf, ResolvOptions, SearchList, ServerConf, Transport};
use heapless::Vec;

use crate::limits::{HOSTS_BYTES_MAX, NAME_ADDRESSES_MAX, NAME_DOMAINS_MAX, NAME_SERVERS_MAX};

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;

/// A host's addresses, in the order in which to try them.
pub type Addresses = Vec<IpAddr, NAME_ADDRESSES_MAX>;

/// Why a name has no address.
#[derive(Debug)]
pub enum NameError {
    /// It cannot be a name of the DNS (RFC 1035 section 2.3.4).
    NotAName,
    /// Nobody knows an address for it.
    Unknown,
    /// No server answers.
    Server(io::Error),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAName => f.write_str("it is no name of the DNS"),
            Self::Unknown => f.write_str("no DNS server knows an address for it"),
            Self::Server(error) => write!(f, "no DNS server answers: {error}"),
        }
    }
}

/// The addresses of `host`, a name or an address itself, at most [`NAME_ADDRESSES_MAX`] of them.
/// How long it may take is for who asks to say.
///
/// # Errors
/// See [`NameError`].
pub async fn resolve(host: &str) -> Result<Addresses, NameError> {
    if let Ok(address) = host.parse() {
        return Ok(Addresses::from_iter([address]));
    }
    let known = in_hosts(&read(Path::new(HOSTS)), host);
    if !known.is_empty() {
        return Ok(known);
    }
    ask(servers(&read(Path::new(RESOLV_CONF))), host).await
}

/// As much of a text file as there may be; nothing where it cannot be read.
fn read(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        // What is not UTF-8 names no host.
        let _ = file.take(HOSTS_BYTES_MAX).read_to_string(&mut text);
    }
    text
}

/// The addresses that a hosts file has for a name.
fn in_hosts(text: &str, host: &str) -> Addresses {
    let mut found = Addresses::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next().and_then(|word| word.parse().ok());
        if let Some(address) = address
            && words.any(|name| name.eq_ignore_ascii_case(host))
        {
            // Those beyond the bound are not tried.
            let _ = found.push(address);
        }
    }
    found
}

/// What a resolver file (resolv.conf(5)) says: servers by their addresses, domains to search, and
/// how long to ask. A line that makes no sense is passed over. The library has a reader of its own,
/// which takes a server's name to the C library's resolver.
fn servers(text: &str) -> ResolvConf {
    let mut conf = ResolvConf::new();
    for line in text.lines() {
        let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
        match words.next() {
            Some("nameserver") if conf.servers.len() < NAME_SERVERS_MAX => {
                if let Some(address) = words.next().and_then(|word| word.parse().ok()) {
                    let address = SocketAddr::new(address, DNS_PORT);
                    conf.servers.push(ServerConf::new(address, Transport::UdpTcp));
                }
            }
            // The last one counts.
            Some("search" | "domain") => conf.options.search = domains(words),
            Some("options") => words.for_each(|word| option(&mut conf.options, word)),
            _ => {}
        }
    }
    // Where none is named there may be one on this machine.
    conf.finalize();
    conf
}

fn domains<'a>(words: impl Iterator<Item = &'a str>) -> SearchList {
    let mut list = SearchList::new();
    words
        .take(NAME_DOMAINS_MAX)
        .filter_map(|word| word.parse().ok())
        .for_each(|name| list.push(name));
    list.push_root();
    list
}

fn option(options: &mut ResolvOptions, word: &str) {
    let Some((name, number)) = word.split_once(':') else { return };
    let Ok(number) = number.parse::<u8>() else { return };
    match name {
        "ndots" => options.ndots = usize::from(number),
        "timeout" => options.timeout = Duration::from_secs(u64::from(number)),
        "attempts" => options.attempts = usize::from(number),
        _ => {}
    }
}

async fn ask(servers: ResolvConf, host: &str) -> Result<Addresses, NameError> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let name: RelativeName<std::vec::Vec<u8>> = host.parse().map_err(|_| NameError::NotAName)?;
    let resolver = StubResolver::from_conf(servers);
    let found = resolver.search_host(name).await.map_err(NameError::Server)?;
    let addresses: Addresses = found.iter().take(NAME_ADDRESSES_MAX).collect();
    if addresses.is_empty() { Err(NameError::Unknown) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let conf = servers(text);
        let addresses: std::vec::Vec<String> =
            conf.servers.iter().map(|server| server.addr.to_string()).collect();
        assert_eq!(addresses, ["192.0.2.53:53", "[2001:db8::53]:53"]);
        assert!(conf.servers.iter().all(|s| s.request_timeout == Duration::from_secs(2)));
        let searched: std::vec::Vec<String> =
            conf.options.search.as_slice().iter().map(ToString::to_string).collect();
        assert_eq!(searched, ["lan", "example.net", "."]);
        assert_eq!((conf.options.ndots, conf.options.attempts), (1, 3));
        let many = "nameserver 192.0.2.53\n".repeat(NAME_SERVERS_MAX + 1);
        assert_eq!(servers(&many).servers.len(), NAME_SERVERS_MAX);
        assert_eq!(servers("").servers[0].addr.to_string(), "127.0.0.1:53");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_no_name_is_said_to_be_none() {
        for host in ["two..dots", &"x".repeat(64)] {
            let refused = ask(ResolvConf::new(), host).await;
            assert!(matches!(refused, Err(NameError::NotAName)), "{host}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_address_is_itself() {
        let found = resolve("2001:db8::7").await.expect("an address");
        assert_eq!(found.as_slice(), ["2001:db8::7".parse::<IpAddr>().expect("an address")]);
    }
}
