//! What a proxy is believed, and what gives one away.

use super::*;
use crate::access::Network;

const NAMES: Names = Names { own: "gate-house", further: &[], domains: &[] };

fn request(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

fn client(ip: &str) -> Client {
    let ip: IpAddr = ip.parse().expect("an address");
    Client { peer: (ip, 7).into(), key: ip, asked: ip, is_tls: false }
}

fn policy() -> Policy {
    let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|text| Network::parse(text).expect("a network"));
    Policy { proxies: proxies.to_vec(), ..Policy::default() }
}

/// Whom a request from `peer` with this X-Forwarded-For is of.
fn client_of(peer: &str, forwarded_for: &[&str]) -> String {
    let headers: Vec<(&str, &str)> = forwarded_for.iter().map(|value| (FOR, *value)).collect();
    let caller = Caller::of(&request(&headers), client(peer), &NAMES, &policy());
    caller.client.peer.ip().to_string()
}

#[test]
fn the_last_address_that_is_no_proxy_is_the_clients() {
    for (forwarded_for, expected) in [
        (&["198.51.100.1"][..], "198.51.100.1"),
        (&["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        (&["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        (&["198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        (&["198.51.100.1:4711"], "198.51.100.1"),
        (&["[2001:db8::7]:4711"], "2001:db8::7"),
        (&["2001:db8::7"], "2001:db8::7"),
        (&["::ffff:198.51.100.1"], "198.51.100.1"),
        (&["10.9.9.9, 127.0.0.1"], "10.9.9.9"),
        (&["198.51.100.1, unknown"], "127.0.0.1"),
        (&["198.51.100.1, unknown, 10.0.0.1"], "10.0.0.1"),
        (&[""], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ] {
        assert_eq!(client_of("127.0.0.1", forwarded_for), expected, "{forwarded_for:?}");
    }
    let long = format!("198.51.100.1{}", ", 10.0.0.1".repeat(FORWARDED_ADDRESSES_MAX));
    assert_eq!(client_of("127.0.0.1", &[&long]), "10.0.0.1", "further ones are not looked at");
}

#[test]
fn others_are_not_believed() {
    assert_eq!(client_of("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
    assert_eq!(client_of("::1", &["198.51.100.1"]), "::1", "what is not an account's is its own");
    let claimed = |ip| {
        let caller = Caller::of(&request(&[(FOR, ip)]), client("::1"), &NAMES, &policy());
        caller.stand_in.expect("it says for whom it asks")
    };
    let stand_in = claimed("192.0.2.1");
    assert!(stand_in.is_loopback(), "nobody's address but a stand-in: {stand_in}");
    assert_eq!(claimed("192.0.2.1"), stand_in);
    assert_ne!(claimed("192.0.2.2"), stand_in);
    assert_eq!(claimed("2001:db8::1"), claimed("2001:db8::2"), "a strange host has a whole /64");
    assert_ne!(claimed("fe80::1"), claimed("fe80::2"), "and a host of the LAN has not");
    let said = [(HOST, "evil.example"), (PROTO, "https"), ("host", "weir")];
    for (peer, host, is_tls) in [("10.0.0.1", "evil.example", true), ("10.0.0.1", "weir", false)] {
        let (headers, peer) = if is_tls { (&said[..], peer) } else { (&said[2..], peer) };
        let request = request(headers);
        let caller = Caller::of(&request, client(peer), &NAMES, &policy());
        assert_eq!(caller.host(request.uri(), request.headers()), Some(host));
        assert_eq!(caller.client.is_tls, is_tls);
    }
    let request = request(&said);
    let caller = Caller::of(&request, client("192.0.2.1"), &NAMES, &policy());
    assert_eq!(caller.host(request.uri(), request.headers()), Some("weir"));
    assert!(!caller.client.is_tls);
}

#[test]
fn on_this_machine_is_what_nothing_speaks_against() {
    let is_local = |peer, headers: &[(&str, &str)]| {
        Caller::of(&request(headers), client(peer), &NAMES, &Policy::default()).is_local
    };
    for host in ["localhost:8117", "127.0.0.1", "[::1]:8117", "gate-house", "gate-house.local"] {
        assert!(is_local("127.0.0.1", &[("host", host)]), "{host}");
        assert!(is_local("::1", &[("host", host)]), "{host}");
        assert!(!is_local("192.0.2.1", &[("host", host)]), "{host}");
        let caller =
            Caller::of(&request(&[("host", host)]), client("127.0.0.1"), &NAMES, &policy());
        assert!(!caller.is_local, "a proxy's address is not the box itself");
    }
    for host in ["192.0.2.7", "cams.example", "evil.example", ""] {
        assert!(!is_local("127.0.0.1", &[("host", host)]), "{host}");
    }
    assert!(!is_local("127.0.0.1", &[]));
    for trace in [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-server",
        "x-forwarded-port",
        "x-real-ip",
        "cf-connecting-ip",
        "true-client-ip",
        "x-original-forwarded-for",
        "x-envoy-external-address",
    ] {
        assert!(!is_local("127.0.0.1", &[("host", "localhost"), (trace, "127.0.0.1")]), "{trace}");
    }
    let mut old = request(&[("host", "127.0.0.1:8117")]);
    *old.version_mut() = Version::HTTP_10;
    assert!(!is_on_this_machine(&old, client("127.0.0.1"), &NAMES), "nginx as it comes");
}

#[test]
fn a_request_names_one_host() {
    let two = request(&[("host", "weir"), ("host", "evil.example")]);
    assert_eq!(host(two.uri(), two.headers()), None);
    let whole = Request::builder().uri("http://a.example/").body(()).expect("a request");
    assert_eq!(host(whole.uri(), whole.headers()), Some("a.example"));
}

#[test]
fn the_scheme_is_what_the_proxy_next_to_the_browser_says() {
    for (value, expected) in [
        ("https", Some(true)),
        ("HTTPS", Some(true)),
        ("http", Some(false)),
        ("https, http", Some(true)),
        ("ftp", None),
        ("", None),
    ] {
        assert_eq!(is_https(request(&[(PROTO, value)]).headers()), expected, "{value}");
    }
    assert_eq!(is_https(&HeaderMap::new()), None);
}
