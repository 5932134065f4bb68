//! A stream's source, as both programs write it: an RTSP URL, taken apart, or something else, with
//! the reason why weir cannot use it. Reasons never repeat the text.

use std::borrow::Cow;

use crate::config::CertificateFingerprint;
use crate::rtsp::{CameraUrl, UrlScheme};

/// A camera's address and login.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImportedSource {
    /// The camera's URL without a login.
    pub(super) url: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// The fingerprint of an encrypted camera's certificate.
    pub(super) fingerprint: Option<CertificateFingerprint>,
    /// Names of variables in the login; the part of the login that contains them is left out.
    pub(super) variables: Vec<String>,
}

const WEBSOCKET: &str = "is RTSP within a WebSocket, by which weir does not ask";
const RTMP: &str = "is RTMP, and weir takes RTSP alone; most cameras have both";
const HTTP: &str = "is HTTP (HLS, FLV or MJPEG), and weir takes RTSP alone";
const ONVIF: &str = "is ONVIF, by which weir does not ask; the camera's own page or an ONVIF tool \
                     tells its `rtsp://` address";
const PROGRAM: &str = "is a program's output, and weir runs no programs";
const FFMPEG: &str = "is ffmpeg's output, and weir runs no programs; set the camera to H.264 and \
                      give its own `rtsp://` address";
const OTHER: &str = "is of a kind that weir has no part in: it takes RTSP alone";

/// Schemes of both programs, and the reason to give for each.
const REFUSED: [(&[&str], &str); 7] = [
    (&["rtsp+ws", "rtsps+ws"], WEBSOCKET),
    (&["rtmp", "rtmps", "rtmpx"], RTMP),
    (&["http", "https", "httpx"], HTTP),
    (&["onvif"], ONVIF),
    (&["exec", "echo", "expr"], PROGRAM),
    (&["ffmpeg"], FFMPEG),
    (
        &[
            "srt",
            "whep",
            "wheps",
            "moq",
            "udp",
            "udp+mpegts",
            "unix+mpegts",
            "udp+rtp",
            "unix+rtp",
            "tcp",
            "alsa",
            "bubble",
            "doorbird",
            "dvrip",
            "eseecloud",
            "flussonic",
            "gopro",
            "hass",
            "homekit",
            "isapi",
            "ivideon",
            "kasa",
            "multitrans",
            "nest",
            "ring",
            "roborock",
            "tapo",
            "tuya",
            "v4l2",
            "webrtc",
            "webtorrent",
            "wyze",
            "xiaomi",
            "yandex",
        ],
        OTHER,
    ),
];

/// go2rtc's scheme of a camera within TLS whose certificate is not looked at. weir takes the first
/// one that it sees for the camera's.
const UNVERIFIED: &str = "rtspx://";

/// Whether `text` is the URL of a camera.
pub(super) fn is_rtsp(text: &str) -> bool {
    UrlScheme::strip(text).is_some() || is_unverified(text)
}

fn is_unverified(text: &str) -> bool {
    let start = text.get(..UNVERIFIED.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(UNVERIFIED))
}

/// Why a source that is not plain RTSP is left out.
pub(super) fn refusal(text: &str) -> String {
    if text.starts_with(['$', '{']) && !variables(text).is_empty() {
        return unknown_address(&variables(text));
    }
    let scheme = text.split(':').next().unwrap_or_default();
    let known = REFUSED.iter().find_map(|(schemes, words)| {
        let scheme = schemes.iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
        Some(format!("its source (`{scheme}:`) {words}"))
    });
    known.unwrap_or_else(|| "weir does not know its kind of source".to_owned())
}

/// Takes an RTSP URL apart.
///
/// # Errors
/// The URL is not valid, or has a variable outside its login; a sentence without the URL.
pub(super) fn rtsp(text: &str) -> Result<ImportedSource, String> {
    let text = match is_unverified(text) {
        true => Cow::from(format!("{}{}", UrlScheme::Rtsps.prefix(), &text[UNVERIFIED.len()..])),
        false => Cow::from(text),
    };
    let text = &*text;
    let url = CameraUrl::parse(text).map_err(|error| match variables(text) {
        names if names.is_empty() => format!("its URL {error}"),
        // A variable stands for any text, so the URL's error tells nothing.
        names => unknown_address(&names),
    })?;
    let mut variables = variables(url.reveal());
    if !variables.is_empty() {
        return Err(unknown_address(&variables));
    }
    let mut user = None;
    let mut password = None;
    if let Some(credentials) = url.credentials() {
        let of_user = self::variables(&credentials.user);
        let of_password = self::variables(&credentials.password);
        if of_user.is_empty() {
            user = Some(credentials.user.clone());
            if of_password.is_empty() && !credentials.password.is_empty() {
                password = Some(credentials.password.clone());
            }
        }
        variables = of_user;
        variables.extend(of_password);
    }
    let url = url.reveal().to_owned();
    Ok(ImportedSource { url, user, password, fingerprint: None, variables })
}

/// Why a source that a YAML tag (`!secret`) takes from another file is left out.
pub(super) fn elsewhere(tag: &str) -> String {
    format!("its source is `!{tag}`, which stands in another file: put in what it stands for")
}

fn unknown_address(variables: &[String]) -> String {
    let names = variables.join(", ");
    format!(
        "its address has a variable in it ({names}), and weir.toml has none: put in what it \
             stands for"
    )
}

/// Names of the variables in a text: `${NAME}`, or `${NAME:default}` of which only the name may be
/// shown, mediamtx's `$G1` and `$MTX_QUERY`, and Frigate's `{FRIGATE_NAME}`.
fn variables(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, sign) in text.match_indices(['$', '{']) {
        let piece = &text[at + 1..];
        let is_dollar = sign == "$";
        // `${` is handled at its dollar.
        if !is_dollar {
            if !text[..at].ends_with('$') {
                names.extend(in_braces(piece, piece.len() + 1 == text.len()));
            }
            continue;
        }
        let braced = piece.strip_prefix('{');
        let name: String = braced
            .unwrap_or(piece)
            .chars()
            .take_while(|char| char.is_ascii_alphanumeric() || *char == '_')
            .collect();
        let is_group = name.strip_prefix('G').is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        match braced {
            Some(rest) if rest.contains('}') => names.push(format!("${{{name}}}")),
            None if is_group || name == "MTX_QUERY" => names.push(format!("${name}")),
            _ => {}
        }
    }
    names
}

/// A variable in braces without a dollar: in capitals, and with an underscore unless it is the
/// whole text. Anything else in braces may be part of a password, and is not shown.
fn in_braces(piece: &str, is_first: bool) -> Option<String> {
    let (name, behind) = piece.split_once('}')?;
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_name =
        name.starts_with(|char: char| char.is_ascii_uppercase()) && name.bytes().all(fits);
    let is_whole = is_first && behind.is_empty();
    (is_name && (is_whole || name.contains('_'))).then(|| format!("{{{name}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_leaves_the_url() {
        let source = rtsp("rtsp://anna:p%40ss:w@192.0.2.7:554/a?b=c").expect("good");
        assert_eq!(source.url, "rtsp://192.0.2.7:554/a?b=c");
        assert_eq!(source.user.as_deref(), Some("anna"));
        assert_eq!(source.password.as_deref(), Some("p@ss:w"));
        let source = rtsp("rtsp://anna@192.0.2.7/").expect("good");
        assert_eq!((source.user.as_deref(), source.password), (Some("anna"), None));
    }

    #[test]
    fn variables_are_named_without_what_stands_in_for_them() {
        let source = rtsp("rtsp://rtsp:${CAM_PASS:hunter2}@192.0.2.7/a").expect("good");
        assert_eq!((source.user.as_deref(), source.password), (Some("rtsp"), None));
        assert_eq!(source.variables, ["${CAM_PASS}"]);
        let source = rtsp("rtsp://${U}:${P}@192.0.2.7/a").expect("good");
        assert_eq!((source.user, source.password), (None, None));
        assert_eq!(source.variables, ["${U}", "${P}"]);
        let error = rtsp("rtsp://u:hunter2@${HOST}/a").expect_err("an address unknown");
        assert!(error.contains("${HOST}") && !error.contains("hunter2"), "{error}");
        let error = rtsp("rtsp://u:hunter2@${HOST:192.0.2.7}/a").expect_err("an address unknown");
        assert!(error.contains("${HOST}") && !error.contains("hunter2"), "{error}");
        assert!(refusal("${CAMERA}").contains("${CAMERA}"));
        assert!(rtsp("rtsp://192.0.2.7/$G1").expect_err("a group").contains("$G1"));
        let source = rtsp("rtsp://u:pa$word$5@192.0.2.7/").expect("good");
        assert_eq!(source.password.as_deref(), Some("pa$word$5"), "a dollar is no variable");
    }

    #[test]
    fn variables_in_braces_are_named_and_a_passwords_braces_are_not() {
        let source = rtsp("rtsp://viewer:{FRIGATE_RTSP_PASSWORD}@192.0.2.31/s").expect("good");
        assert_eq!((source.user.as_deref(), source.password), (Some("viewer"), None));
        assert_eq!(source.variables, ["{FRIGATE_RTSP_PASSWORD}"]);
        let source = rtsp("rtsp://{USER}:x{CAM_PASS}y@192.0.2.31/s").expect("good");
        assert_eq!((source.user, source.password), (None, None));
        assert_eq!(source.variables, ["{USER}", "{CAM_PASS}"]);
        for address in ["rtsp://v:x@{FRIGATE_CAM}:554/sub", "rtsp://192.0.2.31:554/{FRIGATE_PATH}"]
        {
            assert!(rtsp(address).expect_err("unknown").contains("{FRIGATE_"), "{address}");
        }
        assert!(refusal("{FRIGATE_URL}").contains("{FRIGATE_URL}"));
        for password in ["pa{ss}w", "pa{SS}w", "{", "{}", "a{B", "{FRIGATE_"] {
            let source = rtsp(&format!("rtsp://u:{password}@192.0.2.31/s")).expect(password);
            assert_eq!(source.password.as_deref(), Some(password));
        }
    }

    #[test]
    fn within_tls_and_http_a_camera_is_a_camera() {
        for (text, url) in [
            ("rtsps://u:p@h:7441/x", "rtsps://h:7441/x"),
            ("RTSPX://h:7441/x", "rtsps://h:7441/x"),
            ("rtsp+http://u:p@h/x", "rtsp+http://h/x"),
            ("rtsps+http://h/x", "rtsps+http://h/x"),
        ] {
            assert!(is_rtsp(text));
            assert_eq!(rtsp(text).expect(text).url, url);
        }
        assert!(!is_rtsp("rtsp+ws://h/x") && !is_rtsp("rtsp") && !is_rtsp("rtspx:/"));
    }

    #[test]
    fn every_other_kind_has_its_words() {
        for (schemes, words) in REFUSED {
            for scheme in schemes {
                let said = refusal(&format!("{scheme}://u:hunter2@h/x"));
                assert!(said.contains(words) && said.contains(scheme), "{said}");
                assert!(!said.contains("hunter2"), "{said}");
            }
        }
        let said = refusal("hunter2:hunter3@192.0.2.7");
        assert!(!said.contains("hunter"), "{said}");
    }
}
