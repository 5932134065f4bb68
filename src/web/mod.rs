//! HTTP: WHEP for players, pages for people, JSON for programs, and the diagnostics port.
//!
//! [`listener`] accepts connections, which wait in [`pending`] for a slot of [`connections`].
//! [`server`] serves those that have one. [`activity`] records what they are doing, [`body`] has
//! the buffers of request bodies, and [`content`] bounds what replies keep in memory. [`caller`]
//! finds the client behind a request, with a proxy in between or not. [`authorizer`] asks
//! [`crate::access`] whether the request is let in, and [`login`] has the login page. [`route`]
//! reads a request into a [`route::Action`], which says what it asks of weir without touching weir;
//! [`site`] does that and nothing else.
//!
//! Everything runs on the control thread, in a [`tokio::task::LocalSet`]. With TLS, everything but
//! health is served encrypted, and the plain port redirects there ([`https_redirect`]).

mod accept_encoding;
mod activity;
mod api;
mod authorizer;
mod body;
mod caller;
mod connections;
mod content;
mod cookie;
mod denial;
mod form;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod head;
mod https_redirect;
#[cfg(weir_profile = "test")]
mod leak;
mod listener;
mod login;
mod metrics;
mod pages;
mod pending;
mod pprof;
mod problem;
mod report;
mod request_credentials;
mod route;
mod server;
mod site;
mod update;
mod whep;

use bytes::Bytes;
use hyper::Response;

pub(crate) use api::{
    Pieces, cameras_text, one_after_another, reloaded_text, sessions_text, status_text, whole,
};
use content::Content;
pub(crate) use content::PIECE_ITEMS;
pub use listener::bind;
pub(crate) use report::report;
pub use site::{Listeners, serve, serve_diagnostics};

/// An HTTP reply, with its body as [`Content`].
pub(crate) type Reply = Response<Content>;

/// A reply with a body of this content type, which no cache may keep.
fn reply(status: hyper::StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    use hyper::header::{self, HeaderValue};
    let mut reply = Response::new(Content::Whole(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// A reply without a body.
fn empty(status: hyper::StatusCode) -> Reply {
    let mut reply = Response::new(Content::default());
    *reply.status_mut() = status;
    reply
}
