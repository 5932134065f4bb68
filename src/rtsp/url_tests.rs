//! URLs as people write them, and what is shown of them.

use super::*;

fn parts(text: &str) -> (String, u16, String, Option<(String, String)>) {
    let url = CameraUrl::parse(text).expect(text);
    let credentials = url.credentials.map(|c| (c.user, c.password));
    (url.host, url.port, url.text, credentials)
}

fn pair(user: &str, password: &str) -> Option<(String, String)> {
    Some((user.to_owned(), password.to_owned()))
}

#[test]
fn the_request_text_is_verbatim_and_without_userinfo() {
    let text = "rtsp://u:p@Cam.LAN:554/cam/realmonitor?channel=1&subtype=%200";
    let (host, port, text, credentials) = parts(text);
    assert_eq!((host.as_str(), port), ("Cam.LAN", 554));
    assert_eq!(text, "rtsp://Cam.LAN:554/cam/realmonitor?channel=1&subtype=%200");
    assert_eq!(credentials, pair("u", "p"));
}

#[test]
fn srtp_within_tls_is_not_asked_for() {
    let url = CameraUrl::parse("rtsps://192.0.2.7:7441/key?enableSrtp").expect("parses");
    assert_eq!(url.request(), "rtsps://192.0.2.7:7441/key");
    assert!(url.reveal().ends_with("?enableSrtp"), "as it was written");
}

#[test]
fn userinfo_may_hold_any_of_its_delimiters() {
    assert_eq!(parts("rtsp://a:p@ss:w/rd@h:8554/x").3, pair("a", "p@ss:w/rd"));
    assert_eq!(parts("rtsp://a:p/s?s@h/x").3, pair("a", "p/s?s"));
    assert_eq!(parts("rtsp://a:p%40s%2525@h/").3, pair("a", "p@s%25"));
    assert_eq!(parts("rtsp://a:50%zz@h/").3, pair("a", "50%zz"));
    assert_eq!(parts("rtsp://cam.lan:554/x@y").3, None);
    assert_eq!(parts("rtsp://h/x?token=a@b").3, None);
}

#[test]
fn odd_forms_are_understood() {
    assert_eq!(parts("RTSP://h").1, 554);
    assert_eq!(parts("rtsp://rtsp://cam.lan:554/stream1/").0, "cam.lan");
    assert_eq!(parts("rtsp://[fe80::1]:5540/x").0, "fe80::1");
    assert_eq!(parts("rtsp://::ffff:192.168.1.123/x").0, "::ffff:192.168.1.123");
    assert_eq!(parts("rtsp://h:/x").1, 554);
    assert_eq!(parts("rtsp://u:p@ss@h/").3, pair("u", "p@ss"));
    assert_eq!(parts("rtsp://u:a#b@h/").3, pair("u", "a#b"));
    assert_eq!(parts("rtsp://u:Dt4%0Xy@h/").3, pair("u", "Dt4%0Xy"));
}

#[test]
fn the_scheme_says_how_to_connect_and_to_which_port() {
    for (text, scheme, port, request) in [
        ("rtsp://h/x", UrlScheme::Rtsp, 554, "rtsp://h/x"),
        ("RTSPS://h:7441/x", UrlScheme::Rtsps, 7441, "rtsps://h:7441/x"),
        ("rtsp://rtsps://h/x", UrlScheme::Rtsps, 322, "rtsps://h/x"),
        ("rtsp+http://u:p@h/x?y", UrlScheme::RtspHttp, 80, "rtsp://h/x?y"),
        ("rtsps+http://h", UrlScheme::RtspsHttp, 443, "rtsp://h"),
    ] {
        let url = CameraUrl::parse(text).expect(text);
        assert_eq!((url.scheme(), url.port(), &*url.request()), (scheme, port, request));
        assert_eq!(CameraUrl::parse(url.reveal()).expect("its own text").port(), port);
    }
    let url = CameraUrl::parse("rtsps+http://h/sesame").expect("a url");
    assert_eq!(url.to_string(), "rtsps+http://h:443/(hidden)");
    assert_eq!(url.path(), "/sesame");
}

#[test]
fn a_zone_says_where_to_connect_and_is_not_sent() {
    for text in ["rtsp://[fe80::1%25eth0]:5540/x", "rtsp://[fe80::1%eth0]:5540/x"] {
        let (host, port, request, _) = parts(text);
        assert_eq!((host.as_str(), port), ("fe80::1%eth0", 5540));
        assert_eq!(request, "rtsp://[fe80::1]:5540/x");
    }
    assert_eq!(parts("rtsp://[fe80::1%25]/").0, "fe80::1%25", "an interface by its number");
    assert_eq!(CameraUrl::parse("rtsp://[fe80::1%]/"), Err(UrlError::Host));
    assert_eq!(CameraUrl::parse("rtsp://[fe80::1%a=b]/"), Err(UrlError::Host));
    assert_eq!(CameraUrl::parse("rtsp://[cam]/"), Err(UrlError::Host));
}

#[test]
fn half_a_password_is_never_a_host() {
    for text in [
        "admin:2024/x@192.0.2.7/s1",
        "admin:12?x@192.0.2.7",
        "admin:1/2@cam.lan:8554/",
        "u:p@ss/w?rd@192.0.2.7:554/1",
        "u:p@ss/w@gate/1",
        "u:p@s.s/w@192.0.2.7/1",
    ] {
        let error = CameraUrl::parse(&format!("rtsp://{text}")).expect_err(text);
        assert_eq!(error, UrlError::Ambiguous, "{text}");
        assert!(error.to_string().contains("`password`"), "{error}");
    }
    assert_eq!(parts("rtsp://admin:ab/cd@192.0.2.7/s1").3, pair("admin", "ab/cd"));
    assert_eq!(parts("rtsp://admin:why?@192.0.2.7:554/s1").3, pair("admin", "why?"));
    for text in ["192.0.2.7:554/x@192.0.2.8/", "cam.lan:554/u@cam.lan", "cam/x@192.0.2.8"] {
        assert_eq!(parts(&format!("rtsp://{text}")).3, None, "{text}");
    }
}

#[test]
fn what_cannot_be_asked_says_why() {
    let error = |text: &str| CameraUrl::parse(text).unwrap_err();
    assert_eq!(error("rtsp+ws://h/x"), UrlError::Scheme);
    assert_eq!(error("192.0.2.7/x"), UrlError::Scheme);
    assert_eq!(error("rtsp:///x"), UrlError::NoHost);
    assert_eq!(error("rtsp://user=admin_password=hunter2/x"), UrlError::Host);
    assert_eq!(error("rtsp://h:99999/x"), UrlError::Port);
    assert_eq!(error("rtsp://h/x\r\nEvil: 1"), UrlError::Character(b'\r'));
    let long = format!("rtsp://h/{}", "x".repeat(RTSP_URL_BYTES_MAX));
    assert_eq!(error(&long), UrlError::Length(long.len()));
    assert!(CameraUrl::parse(&long[..RTSP_URL_BYTES_MAX]).is_ok());
}

#[test]
fn a_login_has_its_bounds() {
    let of = |user: usize, password: usize| {
        let (user, password) = ("u".repeat(user), "p".repeat(password));
        CameraUrl::parse(&format!("rtsp://{user}:{password}@h/"))
    };
    assert!(of(RTSP_USER_BYTES_MAX, RTSP_PASSWORD_BYTES_MAX).is_ok());
    let long = of(RTSP_USER_BYTES_MAX + 1, 1).expect_err("a long user");
    assert_eq!(long.to_string(), "has a user of 65 bytes, max 64");
    let long = of(1, RTSP_PASSWORD_BYTES_MAX + 1).expect_err("a long password");
    assert_eq!(long.to_string(), "has a password of 257 bytes, max 256");
    let error = CameraUrl::parse("rtsp://u:%0d%0aX: y@h/".replace(' ', "").as_str());
    assert_eq!(error, Err(UrlError::CredentialCharacter));
}

#[test]
fn nothing_that_may_be_a_secret_is_shown() {
    for (text, shown) in [
        ("rtsp://viewer:sesame@h/x", "rtsp://(hidden)@h:554/(hidden)"),
        ("rtsp://h:8554/user=admin&password=sesame&stream=0.sdp", "rtsp://h:8554/(hidden)"),
        ("rtsp://h?token=sesame", "rtsp://h:554/(hidden)"),
        ("rtsp://[2001:db8::7]/sesame", "rtsp://[2001:db8::7]:554/(hidden)"),
        ("rtsp://h/", "rtsp://h:554/"),
    ] {
        let url = CameraUrl::parse(text).expect(text);
        assert_eq!(url.to_string(), shown);
        assert_eq!(format!("{url:?}"), format!("CameraUrl({shown})"));
    }
}

#[test]
fn no_error_repeats_what_was_written() {
    for text in [
        "sesame://h/x",
        "rtsp+ws://u:sesame@h/x",
        "u:sesame@h/x",
        "rtsp://u:sesame@/x",
        "rtsp://u:sesame@h=h/x",
        "rtsp://u:sesame@h:x/x",
        "rtsp://u:sesame @h/x",
        "rtsp://u:2/sesame@192.0.2.7/x",
        "rtsp://u:sesame%0a@h/x",
    ] {
        let error = CameraUrl::parse(text).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
    }
}
