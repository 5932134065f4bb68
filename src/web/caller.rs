//! The client behind a request, with a proxy in between or not.
//!
//! A proxy of `[http] proxies` is believed for the client's address (the last of `X-Forwarded-For`
//! that is not a proxy's itself), the scheme (`X-Forwarded-Proto`) and the Host
//! (`X-Forwarded-Host`). From any other peer these headers are only a sign that it asks for another
//! client, which is then not on this machine. `Forwarded` (RFC 7239) is never read for more than
//! that.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use hyper::header::{self, HeaderMap};
use hyper::http::uri::Uri;
use hyper::{Request, Version};

use super::server::Client;
use crate::access::client::key;
use crate::access::{HostKind, Names, Policy, Sender};
use crate::clock;
use crate::limits::FORWARDED_ADDRESSES_MAX;

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
/// Headers that only a proxy adds; [`TRACES_BEGIN`] has the beginnings of further ones.
const TRACES: [&str; 10] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "cdn-loop",
    "x-proxyuser-ip",
];
const TRACES_BEGIN: [&str; 3] = ["x-forwarded", "x-original-", "x-envoy-"];

/// The client of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Its address and whether it speaks TLS: as a proxy of `proxies` says, else as the connection
    /// shows.
    pub(super) client: Client,
    /// It is on this machine, as far as [`is_on_this_machine`] can tell.
    pub(super) is_local: bool,
    /// The peer is a proxy of `proxies`.
    is_by_proxy: bool,
    /// That proxy names the client's address.
    is_forwarded: bool,
    /// The client of a proxy on this machine that is not in `proxies`; see [`stand_in`].
    stand_in: Option<IpAddr>,
}

impl Caller {
    /// The caller of a request that came on a connection of `client`.
    pub(super) fn of<B>(
        request: &Request<B>,
        client: Client,
        names: &Names,
        policy: &Policy,
    ) -> Self {
        let (headers, ip) = (request.headers(), client.peer.ip());
        let is_by_proxy = policy.is_proxy(ip);
        let is_local = !is_by_proxy && is_on_this_machine(request, client, names);
        let (mut address, mut stand_in) = (ip, None);
        if is_by_proxy {
            address = forwarded_for(headers, |ip| policy.is_proxy(ip)).unwrap_or(ip);
        } else if ip.is_loopback() && headers.contains_key(FOR) {
            log::warn!(
                "http: a proxy on this machine forwards other clients' requests but is not in `proxies` in [http]"
            );
            stand_in = forwarded_for(headers, |_| false).map(self::stand_in);
        }
        let is_tls = is_by_proxy.then(|| is_https(headers)).flatten().unwrap_or(client.is_tls);
        let peer = SocketAddr::new(address, client.peer.port());
        let key = if address == ip { client.key } else { key(address, clock::now_us()) };
        let is_forwarded = is_by_proxy && address != ip;
        let client = Client { peer, key, is_tls, ..client };
        Self { client, is_local, is_by_proxy, is_forwarded, stand_in }
    }

    /// The address that the client is counted by; `None` unless a proxy of `proxies` names one.
    pub(super) fn forwarded(&self) -> Option<IpAddr> {
        self.is_forwarded.then_some(self.client.key)
    }

    /// The sender that its tries at passwords and tokens are counted by.
    pub(super) fn sender(&self) -> Sender {
        Sender::new(self.client.peer.ip(), self.client.key).forwarded(self.stand_in)
    }

    /// The host name by which the browser asked; `None` when there is none, or more than one.
    pub(super) fn host<'r>(&self, uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
        let forwarded = self.is_by_proxy.then(|| first(headers, HOST)).flatten();
        forwarded.or_else(|| host(uri, headers))
    }
}

/// Whether the client itself is on this machine. Without accounts, and on the diagnostics port,
/// this alone lets it in.
///
/// A proxy on this machine shows itself by its headers; by HTTP/1.0, which nginx speaks unless it
/// is configured otherwise and no browser does; or by a Host that means something elsewhere. A
/// relay that passes bytes on unchanged cannot be detected.
pub(super) fn is_on_this_machine<B>(request: &Request<B>, client: Client, names: &Names) -> bool {
    let host = host(request.uri(), request.headers()).and_then(|host| names.kind(host));
    client.peer.ip().is_loopback()
        && request.version() == Version::HTTP_11
        && host.is_some_and(HostKind::is_for_the_box_itself)
        && !has_trace(request.headers())
}

/// Whether a header shows that a proxy passed the request on.
fn has_trace(headers: &HeaderMap) -> bool {
    headers.keys().map(header::HeaderName::as_str).any(|name| {
        TRACES.contains(&name) || TRACES_BEGIN.iter().any(|begin| name.starts_with(begin))
    })
}

/// The host name by which a request asks for weir; `None` when it has none, or more than one.
pub(super) fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    // A whole URL in the request line takes precedence over Host (RFC 9112 section 3.2.2).
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Whether `X-Forwarded-Proto` is `https`; `None` where it is absent or says neither. A page can
/// send it to another site only after a preflight that the site allows.
pub(super) fn is_https(headers: &HeaderMap) -> Option<bool> {
    match first(headers, PROTO)?.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// The first entry of a list: what the proxy next to the browser said.
fn first<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// The client that a proxy asks for: the last address that is not a proxy's. The entries before it
/// may have been written by the client itself. `None` where the last entry is absent or cannot be
/// read.
fn forwarded_for(headers: &HeaderMap, is_proxy: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let lines = headers.get_all(FOR).iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    let mut nearest = None;
    for entry in entries.take(FORWARDED_ADDRESSES_MAX) {
        let Some(ip) = address(entry.trim()) else { break };
        nearest = Some(ip);
        if !is_proxy(ip) {
            break;
        }
    }
    nearest
}

/// Parses an address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|ip: IpAddr| ip.to_canonical())
}

/// The address that tries at passwords are counted by where a proxy on this machine names a client
/// without being in `proxies`: a loopback address that no client has. So a client of such a proxy
/// locks out only itself, and cannot lock out another client by naming its address. Everything else
/// is counted by the proxy's own address: where the proxy passes on what a client wrote, a client
/// can have as many of these as it likes.
fn stand_in(ip: IpAddr) -> IpAddr {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let [a, b, c, ..] = SEED.hash_one(key(ip, clock::now_us())).to_le_bytes();
    Ipv4Addr::new(127, a | 1, b, c).into()
}

#[cfg(test)]
mod tests;
