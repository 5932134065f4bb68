//! The viewer's files, embedded in the program. Browsers ask each time whether one changed, so
//! that an update shows at once, and are told with an ETag that it did not.

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use super::{Content, Reply};

/// A file of the viewer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// Only our own files, whatever a camera's name or a reason may hold.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'";

macro_rules! page {
    ($path:literal, $file:literal, $content_type:literal) => {
        Page {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("pages/", $file)),
        }
    };
}

static PAGES: [Page; 9] = [
    page!("/", "index.html", "text/html; charset=utf-8"),
    page!("/-/style.css", "style.css", "text/css; charset=utf-8"),
    page!("/-/icon.svg", "icon.svg", "image/svg+xml"),
    page!("/-/index.js", "index.js", "text/javascript; charset=utf-8"),
    page!("/-/cameras.js", "cameras.js", "text/javascript; charset=utf-8"),
    page!("/-/player.js", "player.js", "text/javascript; charset=utf-8"),
    page!("/-/viewer.js", "viewer.js", "text/javascript; charset=utf-8"),
    page!("/-/details.js", "details.js", "text/javascript; charset=utf-8"),
    page!("/-/whep.js", "whep.js", "text/javascript; charset=utf-8"),
];

/// A camera's page; its address tells it which.
pub(super) static PLAYER: Page = page!("", "player.html", "text/html; charset=utf-8");

/// The file at `path`.
pub(super) fn find(path: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.path == path)
}

impl Page {
    /// The file, or 304 when the browser has it.
    pub(super) fn reply(&self, status: StatusCode, if_none_match: Option<&HeaderValue>) -> Reply {
        let etag = format!("\"{:016x}\"", fnv1a(self.bytes));
        let etag = HeaderValue::try_from(etag).expect("hex digits are visible ASCII");
        let known = if_none_match == Some(&etag);
        let mut reply = Response::new(Content::Whole(Bytes::from_static(self.bytes)));
        *reply.status_mut() = status;
        if known && status == StatusCode::OK {
            *reply.status_mut() = StatusCode::NOT_MODIFIED;
            *reply.body_mut() = Content::default();
        }
        let headers = reply.headers_mut();
        headers.insert(header::ETAG, etag);
        for (name, value) in [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        reply
    }
}

/// FNV-1a: tells one version of a file from the next; guards nothing.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
