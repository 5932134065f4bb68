//! What plain HTTP answers beside HTTPS: health, and a redirect for everything else.

use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::problem::problem;
use super::route::Action;
use super::{Reply, caller, empty};
use crate::access::{Names, host_without_port};

/// Redirects requests of the plain port to HTTPS.
#[derive(Debug)]
pub(super) struct HttpsRedirect<'n> {
    /// The names that this box answers by.
    pub(super) names: Names<'n>,
    /// The peer is a proxy of `[http] proxies`.
    pub(super) is_by_proxy: bool,
    /// The port that HTTPS is served on.
    pub(super) port: u16,
}

impl HttpsRedirect<'_> {
    /// Reads a request of the plain port.
    ///
    /// # Errors
    /// The reply to everything but health: 308 to the same path by HTTPS; 421 to a proxy, and for a
    /// host that is not this box. There is no HSTS header beside it: HSTS holds for all ports of
    /// the host and keeps the port (RFC 6797 section 8.3), so that `http://box:8117/` would become
    /// TLS to this very port.
    pub(super) fn read<B>(&self, request: &Request<B>) -> Result<Action, Reply> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if request.uri().path() == "/healthz" && is_read {
            return Ok(Action::Health);
        }
        if self.is_by_proxy {
            let detail = format!(
                "this is served by https on port {} only: point the proxy there, or set `tls = \"off\"` \
                 in [https] where it ends TLS itself",
                self.port
            );
            return Err(problem(StatusCode::MISDIRECTED_REQUEST, &detail));
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let host = caller::host(request.uri(), request.headers())
            .filter(|host| path.starts_with('/') && self.names.kind(host).is_some())
            .and_then(host_without_port);
        let Some(host) = host else {
            let detail = format!("this is served by https on port {} only", self.port);
            return Err(problem(StatusCode::MISDIRECTED_REQUEST, &detail));
        };
        let mut reply = empty(StatusCode::PERMANENT_REDIRECT);
        let location = HeaderValue::try_from(format!("https://{host}:{}{path}", self.port));
        let location = location.expect("parts of a URI are visible ASCII");
        reply.headers_mut().insert(header::LOCATION, location);
        // TLS may be switched off again, or move to another port.
        reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Err(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address that a request for `host` is redirected to.
    fn sent(host: &str) -> Option<String> {
        let further = ["gate.example".to_owned()];
        let names = Names { own: "weir", further: &further, domains: &[] };
        let redirect = HttpsRedirect { names, is_by_proxy: false, port: 8443 };
        let request = Request::builder().uri("/gate/?a=b").header(header::HOST, host).body(());
        let reply = redirect.read(&request.expect("a request")).expect_err("not health");
        let location = reply.headers().get(header::LOCATION)?;
        assert_eq!(reply.status(), StatusCode::PERMANENT_REDIRECT);
        Some(location.to_str().expect("text").to_owned())
    }

    #[test]
    fn the_way_leads_to_the_same_host_if_that_is_ours() {
        for (host, expected) in [
            ("192.0.2.7:8117", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:db8::7]:8117", "[2001:db8::7]"),
            ("gate.example:8117", "gate.example"),
            ("weir", "weir"),
        ] {
            assert_eq!(sent(host), Some(format!("https://{expected}:8443/gate/?a=b")));
        }
        for host in ["", "evil.example", "gate.example.evil.example", "a@192.0.2.7", "[::1"] {
            assert_eq!(sent(host), None, "{host}");
        }
    }

    #[test]
    fn health_needs_no_host() {
        let names = Names { own: "weir", further: &[], domains: &[] };
        for is_by_proxy in [false, true] {
            let redirect = HttpsRedirect { names, is_by_proxy, port: 8443 };
            let request = Request::builder().uri("/healthz").body(()).expect("a request");
            assert!(matches!(redirect.read(&request), Ok(Action::Health)));
        }
    }

    #[test]
    fn a_proxy_is_told_where_to_ask_and_led_nowhere() {
        let names = Names { own: "weir", further: &[], domains: &[] };
        let redirect = HttpsRedirect { names, is_by_proxy: true, port: 8443 };
        let request = Request::builder().uri("/gate/").header(header::HOST, "weir").body(());
        let reply = redirect.read(&request.expect("a request")).expect_err("not health");
        assert_eq!(reply.status(), StatusCode::MISDIRECTED_REQUEST);
        assert!(!reply.headers().contains_key(header::LOCATION));
    }
}
