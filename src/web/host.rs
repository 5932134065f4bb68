//! The host a client asked for, before anything is told about it or sent there.

use std::net::IpAddr;

use hyper::Request;
use hyper::header;
use hyper::http::uri::Authority;

use crate::net;

/// The names this box answers to; its addresses are always right.
#[derive(Debug, Clone)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// `localhost` and what the box is called.
    pub(super) fn of_this_box() -> Self {
        Self(net::host_names())
    }

    /// The host that a request is for, without its port, IPv6 in brackets: an address or one of
    /// our names. `None` for what somebody else's name server may have sent here.
    pub(super) fn asked_for<B>(&self, request: &Request<B>) -> Option<String> {
        let named = || request.headers().get(header::HOST)?.to_str().ok()?.parse().ok();
        let authority: Authority = request.uri().authority().cloned().or_else(named)?;
        let host = authority.host();
        if authority.as_str().contains('@') {
            return None;
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_ours = bare.parse::<IpAddr>().is_ok()
            || self.0.iter().any(|name| name.eq_ignore_ascii_case(host));
        is_ours.then(|| host.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_our_names_are_ours_and_nothing_else_is() {
        let names = Names(vec!["localhost".to_owned(), "gate.local".to_owned()]);
        let asked = |host: &str| {
            let request = Request::builder().header(header::HOST, host).body(()).ok()?;
            names.asked_for(&request)
        };
        for (host, expected) in [
            ("192.0.2.7:8117", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:db8::7]:8117", "[2001:db8::7]"),
            ("GATE.local:8117", "GATE.local"),
        ] {
            assert_eq!(asked(host).as_deref(), Some(expected), "{host}");
        }
        for host in
            ["", "evil.example", "gate.local.evil.example", "a@192.0.2.7", "192.0.2.7/x", "[::1"]
        {
            assert_eq!(asked(host), None, "{host}");
        }
        assert_eq!(names.asked_for(&Request::new(())), None);
    }
}
