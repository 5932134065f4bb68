//! Determines the request URLs: the aggregate's and a track's.
//!
//! A camera's base URL may contain a query (Dahua), so a track's control is first appended as text,
//! which most servers expect; the RFC 3986 reference is the second attempt. A URL that a camera
//! announces is used byte for byte, except that userinfo (Samsung) and a doubled scheme are removed
//! and missing parts are added.

use super::url::{authority, is_absolute, request_scheme, without_userinfo};

/// The aggregate URL: the first usable one of an absolute session-level control, `Content-Base`,
/// `Content-Location`, and the URL of the request.
pub(super) fn base(
    session_control: Option<&str>,
    content_base: Option<&str>,
    content_location: Option<&str>,
    request: &str,
) -> String {
    let control = session_control.filter(|control| is_absolute(control));
    [control, content_base, content_location]
        .into_iter()
        .flatten()
        .find_map(|url| completed(url, request))
        .unwrap_or_else(|| request.to_owned())
}

/// The track's URL, made by appending its control to `base`.
pub(super) fn append(base: &str, control: Option<&str>) -> String {
    let Some(control) = own_control(control) else {
        return base.to_owned();
    };
    if is_absolute(control) {
        return completed(control, base).unwrap_or_else(|| base.to_owned());
    }
    match (base.ends_with('/'), control.as_bytes().first()) {
        (true, Some(b'/')) => format!("{base}{}", &control[1..]),
        (true, _) | (false, Some(b'/' | b'?')) => format!("{base}{control}"),
        (false, _) => format!("{base}/{control}"),
    }
}

/// The track's URL, made by resolving its control against `base` (RFC 3986 section 5.2).
pub(super) fn join(base: &str, control: Option<&str>) -> String {
    let Some(control) = own_control(control) else {
        return base.to_owned();
    };
    if is_absolute(control) {
        return append(base, Some(control));
    }
    let root_len = base.len() - after_authority(base).len();
    let (root, path) = base.split_at(root_len);
    let path = path.split('?').next().unwrap_or_default();
    if let Some(rest) = control.strip_prefix("//") {
        return format!("{}{rest}", scheme(base));
    }
    if control.starts_with('?') {
        return format!("{root}{path}{control}");
    }
    let (relative, query) = match control.find('?') {
        Some(at) => control.split_at(at),
        None => (control, ""),
    };
    let merged = match (relative.starts_with('/'), path.rfind('/')) {
        (true, _) => relative.to_owned(),
        (false, Some(slash)) => format!("{}{relative}", &path[..=slash]),
        (false, None) => format!("/{relative}"),
    };
    format!("{root}{}{query}", without_dots(&merged))
}

/// The path and query of a URL: the last attempt when DESCRIBE of the whole URL got 404.
pub(super) fn path_only(url: &str) -> Option<&str> {
    Some(after_authority(url)).filter(|path| path.starts_with('/'))
}

/// The control, unless it is absent, empty or `*`.
fn own_control(control: Option<&str>) -> Option<&str> {
    control.filter(|control| !control.is_empty() && *control != "*")
}

/// The part of a URL after `scheme://authority`.
fn after_authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    &rest[authority(url).len()..]
}

/// A URL that a camera announced, with missing parts taken from `request`; `None` when it cannot be
/// used in a request line.
fn completed(url: &str, request: &str) -> Option<String> {
    let mut url = url.trim();
    while let Some(scheme) = request_scheme(url)
        && is_absolute(&url[scheme.len()..])
    {
        url = &url[scheme.len()..];
    }
    if url.is_empty() || url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return None;
    }
    let root = format!("{}{}", scheme(request), authority(request));
    if let Some((_, rest)) = url.split_once("://") {
        // Without brackets, the port cannot be told from the IPv6 address.
        let bare = without_userinfo(url);
        let host = authority(&bare);
        if !host.starts_with('[') && host.matches(':').count() > 1 {
            return Some(format!("{root}{}", after_authority(url)));
        }
        return (!rest.is_empty()).then_some(bare);
    }
    if url.starts_with('/') {
        return Some(format!("{root}{url}"));
    }
    let first = authority(url);
    let is_host = first == authority(request) || first.contains('.') || first.contains(':');
    is_host.then(|| without_userinfo(&format!("{}{url}", scheme(request))))
}

/// The scheme of a URL with its `://`.
fn scheme(url: &str) -> &str {
    request_scheme(url).unwrap_or("rtsp://")
}

/// Removes dot segments (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            ".." => {
                kept.pop();
            }
            "." => {}
            other => kept.push(other),
        }
        if is_last && matches!(*segment, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "rtsp://192.0.2.7:554/live";

    fn based(content_base: &str) -> String {
        base(None, Some(content_base), None, REQUEST)
    }

    #[test]
    fn a_control_is_appended_as_text() {
        let dahua = "rtsp://h/cam/realmonitor?channel=1&subtype=1&proto=Onvif/";
        assert_eq!(append(dahua, Some("trackID=0")), format!("{dahua}trackID=0"));
        assert_eq!(append("rtsp://h/H264?ch=1", Some("video")), "rtsp://h/H264?ch=1/video");
        assert_eq!(append("rtsp://h/x/", Some("/track1")), "rtsp://h/x/track1");
        assert_eq!(append("rtsp://h/x", Some("?track=1")), "rtsp://h/x?track=1");
        assert_eq!(append("rtsp://h/x", Some("*")), "rtsp://h/x");
        assert_eq!(append("rtsp://h/x", None), "rtsp://h/x");
    }

    #[test]
    fn an_absolute_control_is_used_to_the_byte() {
        let control = "rtsp://192.168.5.106:554/trackID=1?transportmode=unicast&profile=Profile_1";
        assert_eq!(append(REQUEST, Some(control)), control);
        assert_eq!(join(REQUEST, Some(control)), control);
        assert_eq!(append(REQUEST, Some("rtsp://a:b@h/t")), "rtsp://h/t");
    }

    #[test]
    fn the_join_is_that_of_the_rfc() {
        for (control, expected) in [
            ("g", "rtsp://a/b/c/g"),
            ("./g", "rtsp://a/b/c/g"),
            ("g/", "rtsp://a/b/c/g/"),
            ("/g", "rtsp://a/g"),
            ("//g", "rtsp://g"),
            ("?y", "rtsp://a/b/c/d?y"),
            ("g?y", "rtsp://a/b/c/g?y"),
            (".", "rtsp://a/b/c/"),
            ("..", "rtsp://a/b/"),
            ("../g", "rtsp://a/b/g"),
            ("../../../g", "rtsp://a/g"),
        ] {
            assert_eq!(join("rtsp://a/b/c/d?q", Some(control)), expected, "{control}");
        }
        assert_eq!(join("rtsp://a", Some("g")), "rtsp://a/g");
        let dahua = "rtsp://h/cam/realmonitor?channel=1/";
        assert_eq!(join(dahua, Some("trackID=0")), "rtsp://h/cam/trackID=0");
    }

    #[test]
    fn a_base_is_completed_from_the_request() {
        assert_eq!(based("rtsp://h/x/"), "rtsp://h/x/");
        assert_eq!(based("192.168.1.10:554/stream0/"), "rtsp://192.168.1.10:554/stream0/");
        assert_eq!(based("rtsp://rtsp://cam.lan:554/s/"), "rtsp://cam.lan:554/s/");
        assert_eq!(based("rtsp://::ffff:192.168.1.123/onvif/"), "rtsp://192.0.2.7:554/onvif/");
        assert_eq!(based("rtsp://[::1]:554/onvif/"), "rtsp://[::1]:554/onvif/");
        assert_eq!(based("rtsp://127.0.0.1:554/camera"), "rtsp://127.0.0.1:554/camera");
        assert_eq!(based("rtsp://admin:pw@192.0.2.7/x"), "rtsp://192.0.2.7/x");
        assert_eq!(based("/path/"), "rtsp://192.0.2.7:554/path/");
        assert_eq!(based("path/"), REQUEST);
        assert_eq!(based(""), REQUEST);
        assert_eq!(based("rtsp://h/a b"), REQUEST);
    }

    #[test]
    fn within_tls_the_scheme_stays() {
        let request = "rtsps://192.0.2.7:322/live";
        let based = |content_base| base(None, Some(content_base), None, request);
        assert_eq!(based("rtsps://192.0.2.7/live/"), "rtsps://192.0.2.7/live/");
        assert_eq!(based("rtsps://rtsp://h/live/"), "rtsp://h/live/");
        assert_eq!(based("/path/"), "rtsps://192.0.2.7:322/path/");
        assert_eq!(based("192.0.2.7:322/path/"), "rtsps://192.0.2.7:322/path/");
        assert_eq!(join(request, Some("//g")), "rtsps://g");
        assert_eq!(append(request, Some("rtsps://u:p@h/t")), "rtsps://h/t");
    }

    #[test]
    fn the_order_of_bases_is_kept() {
        let some = |text| Some(text);
        let (s, b, l) = (some("rtsp://s/"), some("rtsp://b/"), some("rtsp://l/"));
        assert_eq!(base(s, b, l, REQUEST), "rtsp://s/");
        assert_eq!(base(some("*"), b, l, REQUEST), "rtsp://b/");
        assert_eq!(base(some("track"), None, l, REQUEST), "rtsp://l/");
        assert_eq!(base(None, None, None, REQUEST), REQUEST);
    }

    #[test]
    fn a_path_alone_is_what_follows_the_host() {
        assert_eq!(path_only("rtsp://h:554/a?b"), Some("/a?b"));
        assert_eq!(path_only("rtsp://h"), None);
    }
}
