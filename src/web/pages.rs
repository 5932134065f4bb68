//! The viewer's files, embedded in the program both as they are and as gzip. Browsers ask each time
//! whether a file has changed, so that an update shows at once; an ETag tells them that it has not.

use std::sync::LazyLock;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Uri};

use super::{Content, Reply, accept_encoding, reply};

/// Version of the viewer's files, made when weir is built. It changes when any file changes, and is
/// the ETag of each.
pub(super) const VERSION: &str = env!("WEIR_PAGES");

/// A file of the viewer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    gzip: &'static [u8],
}

/// How a request takes a file: the ETag of the copy that it has, and whether it unpacks gzip.
#[derive(Debug, Default)]
pub(super) struct Terms {
    if_none_match: Option<HeaderValue>,
    takes_gzip: bool,
}

impl Terms {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            if_none_match: headers.get(header::IF_NONE_MATCH).cloned(),
            takes_gzip: accept_encoding::takes_gzip(headers),
        }
    }
}

const HTML: &str = "text/html; charset=utf-8";

/// The source that a Content-Security-Policy names for the script within the wall and the player:
/// its hash (CSP level 3, section 2.3.1). Both have the same one.
pub(super) static INLINE_SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let text = inline_script(include_str!("pages/index.html"));
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("'sha256-{}'", BASE64_STANDARD.encode(hash))
});

/// What stands between the tags of a page's first script without a file.
fn inline_script(page: &str) -> &str {
    let text = page.split_once("<script>").and_then(|(_, rest)| rest.split_once("</script>"));
    text.expect("pages have it").0
}

macro_rules! page {
    ($path:literal, $file:literal, $content_type:literal) => {
        Page {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("pages/", $file)),
            gzip: include_bytes!(concat!(env!("OUT_DIR"), "/pages/", $file, ".gz")),
        }
    };
}

static PAGES: [Page; 27] = [
    page!("/", "index.html", "text/html; charset=utf-8"),
    page!("/-/style.css", "style.css", "text/css; charset=utf-8"),
    page!("/-/icon.svg", "icon.svg", "image/svg+xml"),
    page!("/-/account.js", "account.js", "text/javascript; charset=utf-8"),
    page!("/-/box", "box.html", "text/html; charset=utf-8"),
    page!("/-/box.js", "box.js", "text/javascript; charset=utf-8"),
    page!("/-/cameras.js", "cameras.js", "text/javascript; charset=utf-8"),
    page!("/-/details.js", "details.js", "text/javascript; charset=utf-8"),
    page!("/-/frames.js", "frames.js", "text/javascript; charset=utf-8"),
    page!("/-/grid.js", "grid.js", "text/javascript; charset=utf-8"),
    page!("/-/index.js", "index.js", "text/javascript; charset=utf-8"),
    page!("/-/keys.js", "keys.js", "text/javascript; charset=utf-8"),
    page!("/-/kiosk.js", "kiosk.js", "text/javascript; charset=utf-8"),
    page!("/-/permits.js", "permits.js", "text/javascript; charset=utf-8"),
    page!("/-/place.js", "place.js", "text/javascript; charset=utf-8"),
    page!("/-/player.js", "player.js", "text/javascript; charset=utf-8"),
    page!("/-/poll.js", "poll.js", "text/javascript; charset=utf-8"),
    page!("/-/sessions.js", "sessions.js", "text/javascript; charset=utf-8"),
    page!("/-/sound.js", "sound.js", "text/javascript; charset=utf-8"),
    page!("/-/summary.js", "summary.js", "text/javascript; charset=utf-8"),
    page!("/-/table.js", "table.js", "text/javascript; charset=utf-8"),
    page!("/-/ticks.js", "ticks.js", "text/javascript; charset=utf-8"),
    page!("/-/tile.js", "tile.js", "text/javascript; charset=utf-8"),
    page!("/-/trouble.js", "trouble.js", "text/javascript; charset=utf-8"),
    page!("/-/viewer.js", "viewer.js", "text/javascript; charset=utf-8"),
    page!("/-/wall.js", "wall.js", "text/javascript; charset=utf-8"),
    page!("/-/whep.js", "whep.js", "text/javascript; charset=utf-8"),
];

/// The page of any camera; its address tells the page which.
pub(super) static PLAYER: Page = page!("", "player.html", "text/html; charset=utf-8");

/// The file at `path`; `None` where there is none.
pub(super) fn find(path: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.path == path)
}

/// The login page. `problem` says what was wrong with the last try, and is empty before the first;
/// `next` is where the login leads.
pub(super) fn login(status: StatusCode, problem: &str, user: &str, next: &str) -> Reply {
    login_page(status, problem, user, next, "")
}

/// The login page after a right password whose cookie did not come back, with a link that leaves
/// the frame in which the cookie was refused.
pub(super) fn login_lost(next: &str) -> Reply {
    let problem = "the password was right, but this browser did not keep the login's cookie: it \
                   is set to refuse it, or this page is in a frame of another site. Allow cookies \
                   here, or open the page in a tab of its own. For a frame that stays, its site \
                   gives the address a token: ?token=…";
    // Relative, since weir may be served below a path.
    login_page(StatusCode::OK, problem, "", next, &format!("..{next}"))
}

fn login_page(status: StatusCode, problem: &str, user: &str, next: &str, tab: &str) -> Reply {
    let values = [
        ("notice", sentence(problem)),
        ("user", user.into()),
        ("next", next.into()),
        ("tab", tab.into()),
    ];
    reply(status, HTML, filled(include_str!("pages/login.html"), &values))
}

/// A page that says why another is not shown.
///
/// It may be served at any address, and finds its files by `prefix`, which is `[http] prefix`.
pub(super) fn notice(status: StatusCode, headline: &str, detail: &str, prefix: &str) -> Reply {
    let values = [
        ("headline", headline.to_owned()),
        ("detail", sentence(detail)),
        ("prefix", prefix.to_owned()),
    ];
    reply(status, HTML, filled(include_str!("pages/notice.html"), &values))
}

/// Puts a value in the place of each `{{name}}` of a page, escaped for HTML.
fn filled(page: &str, values: &[(&str, String)]) -> String {
    let mut parts = page.split("{{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        for letter in value.map_or("", String::as_str).chars() {
            match letter {
                '&' => text.push_str("&amp;"),
                '<' => text.push_str("&lt;"),
                '>' => text.push_str("&gt;"),
                '"' => text.push_str("&quot;"),
                '\'' => text.push_str("&#39;"),
                _ => text.push(letter),
            }
        }
        text.push_str(rest);
    }
    text
}

/// An error text with a capital first letter: weir's texts begin with a small one.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Page {
    /// Whether it needs no login: the program's own files, which show nothing of a camera.
    pub(super) fn is_public(&self) -> bool {
        self.path.starts_with("/-/")
    }

    /// The file in the form that the request takes, or 304 when the browser has that form already.
    pub(super) fn reply(&self, status: StatusCode, terms: &Terms) -> Reply {
        let (bytes, etag) = match terms.takes_gzip {
            true => (self.gzip, concat!("\"", env!("WEIR_PAGES"), "-gzip\"")),
            false => (self.bytes, concat!("\"", env!("WEIR_PAGES"), "\"")),
        };
        let etag = HeaderValue::from_static(etag);
        let known = terms.if_none_match.as_ref() == Some(&etag);
        let mut reply = Response::new(Content::Whole(Bytes::from_static(bytes)));
        *reply.status_mut() = status;
        if known && status == StatusCode::OK {
            *reply.status_mut() = StatusCode::NOT_MODIFIED;
            *reply.body_mut() = Content::default();
        }
        let headers = reply.headers_mut();
        headers.insert(header::ETAG, etag);
        if terms.takes_gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        for (name, value) in [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "Accept-Encoding"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        reply
    }
}

/// The addresses of the first page's other views; docs/api.md describes them.
pub(super) const VIEWS: [&str; 2] = ["/?kiosk", "/?table"];

/// The address of the page of the box itself.
pub(super) const BOX: &str = "/-/box";

/// The view that an address of the first page asks for, without the rest of its query.
pub(super) fn view(uri: &Uri) -> Option<&'static str> {
    let query = uri.query().filter(|_| uri.path() == "/")?;
    let names = || query.split('&').filter_map(|part| part.split('=').next());
    VIEWS.into_iter().find(|view| names().any(|name| name == &view[2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_viewer_knows_the_reason_that_it_stays_for() {
        let reason = crate::webrtc::ended::Ended::Operator.reason();
        let viewer = include_str!("pages/viewer.js");
        assert!(viewer.contains(&format!("BY_OPERATOR = \"{reason}\";")), "{reason}");
    }

    // The profile of the tests that fill tables has fewer handshakes.
    #[cfg(not(weir_profile = "test"))]
    #[test]
    fn the_wall_connects_as_many_at_once_as_there_are_handshakes() {
        let permits = include_str!("pages/permits.js");
        let expected = format!("CONNECTING_MAX = {};", crate::limits::PROFILE.handshakes);
        assert!(permits.contains(&expected), "{expected}");
    }

    fn terms(headers: &[(header::HeaderName, &str)]) -> Terms {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("ASCII")));
        Terms::of(&headers.collect())
    }

    fn header(reply: &Reply, name: header::HeaderName) -> Option<&str> {
        reply.headers().get(name).map(|value| value.to_str().expect("ASCII"))
    }

    #[test]
    fn the_script_within_is_the_same_in_both_pages() {
        let [wall, player] = [include_str!("pages/index.html"), include_str!("pages/player.html")];
        assert_eq!(inline_script(wall), inline_script(player));
        assert_eq!(wall.matches("<script>").count() + player.matches("<script>").count(), 2);
    }

    #[test]
    fn each_file_is_there_in_both_forms() {
        for page in PAGES.iter().chain([&PLAYER]) {
            // RFC 1952: the magic, and the length of what was packed at the end.
            assert!(page.gzip.starts_with(&[0x1f, 0x8b, 8]), "{}", page.path);
            let (_, length) = page.gzip.split_last_chunk::<4>().expect("a trailer");
            assert_eq!(u32::from_le_bytes(*length) as usize, page.bytes.len(), "{}", page.path);
        }
    }

    #[test]
    fn the_form_is_as_the_request_takes_it_and_each_has_its_own_etag() {
        let page = find("/-/style.css").expect("a page");
        let plain = page.reply(StatusCode::OK, &terms(&[]));
        let packed = page.reply(StatusCode::OK, &terms(&[(header::ACCEPT_ENCODING, "br, gzip")]));
        assert_eq!(header(&plain, header::CONTENT_ENCODING), None);
        assert_eq!(header(&packed, header::CONTENT_ENCODING), Some("gzip"));
        let etags = [&plain, &packed].map(|reply| header(reply, header::ETAG).expect("an ETag"));
        assert_ne!(etags[0], etags[1]);
        for reply in [&plain, &packed] {
            assert_eq!(header(reply, header::VARY), Some("Accept-Encoding"));
        }
        let again = |etag, coding| {
            let terms = terms(&[(header::IF_NONE_MATCH, etag), (header::ACCEPT_ENCODING, coding)]);
            page.reply(StatusCode::OK, &terms).status()
        };
        assert_eq!(again(etags[0], "identity"), StatusCode::NOT_MODIFIED);
        assert_eq!(again(etags[1], "gzip"), StatusCode::NOT_MODIFIED);
        assert_eq!(again(etags[0], "gzip"), StatusCode::OK);
        assert_eq!(again(etags[1], "gzip;q=0"), StatusCode::OK);
    }

    #[test]
    fn what_stands_in_a_page_cannot_be_markup() {
        let values = [("user", "\"><script>&'".to_owned()), ("next", "{{user}}".to_owned())];
        let text = filled("a {{user}} b {{next}} c {{other}} d", &values);
        assert_eq!(text, "a &quot;&gt;&lt;script&gt;&amp;&#39; b {{user}} c  d");
    }
}
