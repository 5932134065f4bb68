//! Names of cameras: their addresses, from `/etc/hosts` and the DNS servers of `/etc/resolv.conf`.
//!
//! Not by the C library, whose resolver takes a thread for as long as it waits, and is not there in
//! a static program. `.local` names are mDNS's, which weir does not speak. Nothing is kept: a camera
//! is dialled seldom, and its address may have changed since.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;

use domain::base::name::RelativeName;
use domain::resolv::StubResolver;
use domain::resolv::stub::conf::ResolvConf;
use heapless::Vec;

use crate::limits::{HOSTS_BYTES_MAX, NAME_ADDRESSES_MAX};

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";

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
    let mut servers = ResolvConf::new();
    // Without the file, or with a line in it that makes no sense, what was read of it counts.
    let _ = servers.parse(&mut read(Path::new(RESOLV_CONF)).as_bytes());
    servers.finalize();
    ask(servers, host).await
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
