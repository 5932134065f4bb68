//! Requests as reverse proxies pass them on: with headers that say for whom, and without.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weir::clock::now_us;
use weir::limits::{FAILURE_FORWARDED_WAIT_US, FAILURES_FREE_FORWARDED, PROFILE};

use crate::common::fixture::Fixture;
use crate::common::server::{CameraEntry, Server, Setup, wait_for};
use crate::common::viewer::{Options, Viewer, wall};
use crate::common::whep::{Response, request};

const PASSWORD: &str = "correct horse";
/// Of [`PASSWORD`], by Python's hashlib.
const HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";
const SAME_ORIGIN: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

/// A weir with anna the operator and these lines in `[http]`.
fn with_anna(http: &str) -> Server {
    let accounts = format!(
        "[https]\ntls = \"off\"\n\
         [[user]]\nname = \"anna\"\nrole = \"operator\"\npassword = \"{HASH}\"\n"
    );
    Server::start(&Setup { accounts, http: http.to_owned(), ..Setup::default() })
}

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Response {
    request(server.http, "GET", path, headers, "").expect("an answer")
}

fn log_in(server: &Server, password: &str, headers: &[(&str, &str)]) -> Response {
    let form = format!("user=anna&password={}&next=/gate/", password.replace(' ', "+"));
    let headers = [headers, &[("Content-Type", "application/x-www-form-urlencoded")]].concat();
    request(server.http, "POST", "/-/login", &headers, &form).expect("an answer")
}

fn cookie_of(answer: &Response) -> String {
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    cookie.split(';').next().unwrap_or_default().to_owned()
}

/// The status of a request as it stands in `head`.
fn status_of(server: std::net::SocketAddr, head: &str) -> u16 {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(server).expect("accepted");
    write!(stream, "{head}\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[test]
fn a_stranger_through_a_proxy_is_not_this_machine() {
    let server =
        Server::start(&Setup { http: "names = [\"cams.example\"]".into(), ..Setup::default() });
    let at = server.http;
    assert_eq!(get(&server, "/api/cameras", &[]).status, 200, "this machine views");
    for path in ["/api/sessions", "/api/status"] {
        assert_eq!(get(&server, path, &[]).status, 403, "and is no operator: {path}");
    }
    for trace in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "localhost"),
        ("Forwarded", "for=127.0.0.1"),
        ("Via", "1.1 front"),
        ("X-Real-IP", "127.0.0.1"),
        ("CF-Connecting-IP", "192.0.2.9"),
        ("Host", "cams.example"),
        ("Host", "192.0.2.7"),
    ] {
        assert_eq!(get(&server, "/api/cameras", &[trace]).status, 403, "{trace:?}");
        assert_eq!(get(&server, "/", &[trace]).status, 403, "{trace:?}");
    }
    // As nginx comes: HTTP/1.0, the Host of what it passes on to, and nothing of the client.
    let nginx = |path| format!("GET {path} HTTP/1.0\r\nHost: {at}\r\nConnection: close");
    assert_eq!(status_of(at, &nginx("/api/cameras")), 403);
    assert_eq!(status_of(at, &nginx("/api/sessions")), 403);
    assert_eq!(status_of(at, &nginx("/healthz")), 200);
}

#[test]
fn the_address_of_a_proxy_is_not_this_machine() {
    let server =
        Server::start(&Setup { http: "proxies = [\"127.0.0.1\"]".into(), ..Setup::default() });
    assert_eq!(get(&server, "/api/cameras", &[]).status, 403);
}

#[test]
fn who_fails_behind_a_proxy_locks_out_itself_alone() {
    for (http, chain) in [("proxies = [\"127.0.0.1\"]", ", 127.0.0.1"), ("", "")] {
        let server = with_anna(http);
        let of = |client: &str| format!("{client}{chain}");
        for number in 0..5 {
            let client = of("198.51.100.1");
            let wrong =
                log_in(&server, &format!("wrong {number}"), &[("X-Forwarded-For", &client)]);
            assert_eq!(wrong.status, 403);
        }
        let log_in =
            |client: &str| log_in(&server, PASSWORD, &[("X-Forwarded-For", &of(client))]).status;
        assert_eq!(log_in("198.51.100.2"), 303, "another client of the proxy");
        assert_eq!(log_in("198.51.100.1"), 429);
        assert_eq!(log_in("198.51.100.2, 198.51.100.1"), 429, "whatever it writes before itself");
        assert_eq!(self::log_in(&server, PASSWORD, &[]).status, 303, "nor the proxy's own address");
        assert_eq!(server.log().contains("is not in `proxies`"), http.is_empty());
    }
}

#[test]
fn nobody_else_may_say_for_whom_it_asks() {
    let server = with_anna("proxies = [\"192.0.2.1\"]\nnames = [\"cams.example\"]");
    let another = Some("127.0.0.2".parse().expect("an address"));
    let form = "user=anna&password=wrong&next=/";
    let mut last = 0;
    for number in 0..6 {
        // From loopback it is a hint; that it cannot lock out another is a unit test's.
        let client = format!("127.0.0.{}", 100 + number);
        let headers = [
            ("X-Forwarded-For", client.as_str()),
            ("X-Forwarded-Host", "evil.example"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let http = server.http;
        let answer =
            crate::common::whep::request_from(another, http, "POST", "/-/login", &headers, form);
        last = answer.expect("an answer").status;
    }
    assert_eq!(last, 403, "each has its own count, and the Host is the one of the request");
    let trusting = with_anna("proxies = [\"127.0.0.0/8\"]");
    let by_host = get(&trusting, "/-/style.css", &[("X-Forwarded-Host", "evil.example")]);
    assert_eq!(by_host.status, 421, "a proxy's Host is looked at as any");
}

#[test]
fn a_login_through_a_proxy_that_ends_tls_or_writes_another_host() {
    let server = with_anna("names = [\"cams.example\"]");
    let (kept, page) = (("Host", "cams.example"), ("Origin", "https://cams.example"));
    let proto = ("X-Forwarded-Proto", "https");
    for (what, headers) in [
        ("Caddy and Traefik", &[kept, page, proto, SAME_ORIGIN][..]),
        ("the same from a browser without Sec-Fetch-Site", &[kept, page, proto]),
        ("nginx, Host kept", &[kept, page, SAME_ORIGIN]),
        ("nginx as it comes", &[page, SAME_ORIGIN]),
    ] {
        let entered = log_in(&server, PASSWORD, headers);
        assert_eq!(entered.status, 303, "{what}");
        let cookie = entered.header("set-cookie").expect("a cookie");
        assert!(cookie.starts_with("__Host-weir-login-"), "{what}: {cookie}");
        assert!(cookie.contains("; Path=/;") && cookie.ends_with("; Secure"), "{what}: {cookie}");
        let cookie = ("Cookie", cookie.split(';').next().expect("a pair"));
        let sdp = ("Content-Type", "application/sdp");
        let headers = [headers, &[cookie, sdp]].concat();
        let offer = request(server.http, "POST", "/gate/whep", &headers, "v=0");
        assert_eq!(offer.expect("an answer").status, 404, "{what}: past the gate");
        let left = request(server.http, "POST", "/-/logout", &headers, "").expect("an answer");
        let gone = left.header("set-cookie").expect("it is taken away");
        assert!(gone.starts_with("__Host-weir-login-") && gone.contains("Max-Age=0"), "{gone}");
        assert_eq!(get(&server, "/api/identity", &[cookie]).status, 401, "{what}");
    }
    let evil = ("Origin", "https://evil.example");
    let blog = ("Origin", "https://blog.cams.example");
    for (what, headers) in [
        ("another site", &[kept, evil, ("Sec-Fetch-Site", "cross-site"), proto][..]),
        ("the same without Sec-Fetch-Site", &[kept, evil, proto]),
        ("the same, Host written again", &[evil, proto]),
        ("another name of the same site", &[kept, blog, ("Sec-Fetch-Site", "same-site"), proto]),
    ] {
        assert_eq!(log_in(&server, PASSWORD, headers).status, 403, "{what}");
    }
}

#[test]
fn a_proxys_own_login_beside_ours_is_nobodys_failure() {
    let server = with_anna("");
    let cookie = cookie_of(&log_in(&server, PASSWORD, &[]));
    assert!(cookie.starts_with("weir-login-"), "{cookie}");
    let basic = format!("Basic {}", STANDARD.encode("proxy:of the proxy"));
    let headers = [("Authorization", basic.as_str()), ("Cookie", &cookie)];
    let hashes = server.metric("weir_password_hashes_total");
    for _ in 0..8 {
        assert_eq!(get(&server, "/api/cameras", &headers).status, 200);
    }
    let bearer = [("Authorization", "Bearer of.another.kind"), ("Cookie", cookie.as_str())];
    assert_eq!(get(&server, "/api/identity", &bearer).json()["means"], "login");
    assert_eq!(server.metric("weir_password_hashes_total"), hashes, "it was not tried");
    assert_eq!(log_in(&server, PASSWORD, &[]).status, 303, "nobody is locked out");
    assert_eq!(get(&server, "/api/cameras", &headers[..1]).status, 401, "alone it is nobody");
}

#[test]
fn two_boxes_behind_one_name_leave_each_others_logins_alone() {
    let (one, other) = (with_anna(""), with_anna(""));
    let cookies = [&one, &other].map(|server| cookie_of(&log_in(server, PASSWORD, &[])));
    let name = |cookie: &str| cookie.split('=').next().expect("a name").to_owned();
    assert_ne!(name(&cookies[0]), name(&cookies[1]));
    let both = format!("{}; {}", cookies[1], cookies[0]);
    let with = [("Cookie", both.as_str())];
    for server in [&one, &other] {
        assert_eq!(get(server, "/api/identity", &with).status, 200);
    }
    let left = request(one.http, "POST", "/-/logout", &with, "").expect("an answer");
    assert_eq!(name(left.header("set-cookie").expect("a cookie")), name(&cookies[0]));
    assert_eq!(get(&one, "/api/identity", &with).status, 401);
    assert_eq!(get(&other, "/api/identity", &with).status, 200);
}

#[test]
fn below_a_path_everything_leads_there() {
    let server = with_anna("prefix = \"/weir\"");
    // Some proxies take the path off, others do not.
    for at in ["", "/weir"] {
        let location = |path: &str, headers: &[(&str, &str)]| {
            get(&server, &format!("{at}{path}"), headers).header("location").map(str::to_owned)
        };
        assert_eq!(location("/gate/", &[]).as_deref(), Some("/weir/-/login?next=/gate/"));
        let form = format!("user=anna&password={}&next=/gate/", PASSWORD.replace(' ', "+"));
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let path = format!("{at}/-/login");
        let entered = request(server.http, "POST", &path, &headers, &form).expect("an answer");
        let onward = "/weir/-/login?entered=1&next=/gate/";
        assert_eq!(entered.header("location"), Some(onward));
        let cookie = entered.header("set-cookie").expect("a cookie");
        assert!(cookie.contains("; Path=/weir; "), "{cookie}");
        let with = [("Cookie", cookie.split(';').next().expect("a pair"))];
        let entered = location("/-/login?entered=1&next=/gate/", &with);
        assert_eq!(entered.as_deref(), Some("/weir/gate/"));
        assert_eq!(location("/gate?a=b", &with).as_deref(), Some("/weir/gate/?a=b"));
        assert_eq!(get(&server, &format!("{at}/"), &with).status, 200);
        for path in ["/-/player.js", "/healthz"] {
            assert_eq!(get(&server, &format!("{at}{path}"), &[]).status, 200, "{at}{path}");
        }
        let left = request(server.http, "POST", &format!("{at}/-/logout"), &with, "");
        let left = left.expect("an answer");
        assert_eq!(left.header("location"), Some("/weir/-/login"));
        assert!(left.header("set-cookie").expect("a cookie").contains("; Path=/weir; "));
    }
    let bare = get(&server, "/weir", &[]);
    assert_eq!((bare.status, bare.header("location")), (307, Some("/weir/")));
    assert_eq!(get(&server, "/weirdo/x/y", &[]).status, 404);
}

#[test]
fn the_figures_are_for_this_machine_by_its_own_names() {
    let server = Server::start(&Setup::default());
    let at = server.diagnostics;
    let port = at.port();
    let status =
        |path: &str, head: &str| status_of(at, &format!("GET {path} {head}\r\nConnection: close"));
    assert_eq!(status("/metrics", &format!("HTTP/1.1\r\nHost: 127.0.0.1:{port}")), 200);
    assert_eq!(status("/metrics", &format!("HTTP/1.1\r\nHost: localhost:{port}")), 200);
    for head in [
        "HTTP/1.1\r\nHost: evil.example",
        "HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 front",
        "HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 127.0.0.1",
        "HTTP/1.0\r\nHost: localhost",
        "HTTP/1.1",
    ] {
        assert_eq!(status("/metrics", head), 403, "{head}");
        assert_eq!(status("/healthz", head), 200, "{head}");
    }
}

#[test]
fn a_proxy_may_have_more_connections_than_one_client() {
    let max = PROFILE.http_connections_per_address;
    for (http, expected) in [("proxies = [\"127.0.0.1\"]", max + 4), ("", max)] {
        let server = with_anna(http);
        let connections: Vec<TcpStream> =
            (0..max + 4).map(|_| TcpStream::connect(server.http).expect("accepted")).collect();
        let of_table = |text: &str| {
            let line =
                text.lines().find(|line| line.starts_with("weir_table_used{table=\"http conn"));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
        };
        let reached = wait_for(2_000_000, || {
            of_table(&server.metrics()).is_some_and(|used| used == expected)
        });
        assert!(reached, "{http}: {:?} of {expected}", of_table(&server.metrics()));
        drop(connections);
    }
}

#[test]
fn one_client_of_a_proxy_leaves_connections_to_its_other_clients() {
    // A camera that says nothing: offers for it wait for 2 s.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("rtsp://{}/gate", silent.local_addr().expect("bound"));
    let server = Server::start(&Setup {
        cameras: vec![CameraEntry { name: "gate".to_owned(), url, login: None }],
        http: "open = true\nproxies = [\"127.0.0.1\"]".to_owned(),
        ..Setup::default()
    });
    let offer = format!(
        "POST /gate/whep HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: 198.51.100.1\r\n\
         Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0",
        server.http
    );
    let waiting: Vec<TcpStream> = (0..PROFILE.http_connections)
        .map(|_| {
            let mut stream = TcpStream::connect(server.http).expect("accepted");
            stream.write_all(offer.as_bytes()).expect("sent");
            stream
        })
        .collect();
    let began_us = now_us();
    let answer = get(&server, "/healthz", &[("X-Forwarded-For", "198.51.100.2")]);
    let took_us = now_us() - began_us;
    println!("{} after {} ms", answer.status, took_us / 1000);
    assert_eq!(answer.status, 200);
    assert!(took_us < 2_000_000, "{took_us}");
    drop(waiting);
}

/// As many as an attacker tries, each with another X-Forwarded-For.
const GUESSES: usize = 200;
const GUESSERS: usize = 12;

/// Tries wrong passwords as clients of ever new addresses; how many were told each status in the
/// end. A full queue (503) is asked again.
fn guess_with_forged_addresses(server: &Server) -> (usize, usize) {
    let (next, wrong, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let guess = || {
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= GUESSES {
                return;
            }
            let forged = format!("203.0.113.{number}");
            let (password, headers) = (format!("guess {number}"), [("X-Forwarded-For", &*forged)]);
            let mut status = 503;
            while status == 503 {
                status = log_in(server, &password, &headers).status;
                std::thread::sleep(Duration::from_millis(20));
            }
            match status {
                403 => wrong.fetch_add(1, Relaxed),
                429 => refused.fetch_add(1, Relaxed),
                other => panic!("{other} to a wrong password"),
            };
        }
    };
    std::thread::scope(|scope| (0..GUESSERS).for_each(|_| drop(scope.spawn(guess))));
    (wrong.into_inner(), refused.into_inner())
}

#[test]
fn forged_addresses_are_no_way_around_the_lock_out_and_keep_nobody_else_out() {
    let server = with_anna("");
    let hashed = || server.metric("weir_password_hashes_total").unwrap_or(0.0);
    let begun = now_us();
    std::thread::scope(|scope| {
        let attack = scope.spawn(|| guess_with_forged_addresses(&server));
        assert!(wait_for(10_000_000, || hashed() >= 3.0), "the queue is full by now");
        let (at, before) = (now_us(), hashed());
        let honest = log_in(&server, PASSWORD, &[]);
        assert_eq!(honest.status, 303, "after {} hashes: {}", hashed() - before, honest.body);
        assert!(now_us() - at < 12_000_000, "{} us", now_us() - at);
        let (wrong, refused) = attack.join().expect("all were answered");
        assert_eq!(wrong + refused, GUESSES);
        let later =
            usize::try_from((now_us() - begun) / FAILURE_FORWARDED_WAIT_US).expect("a short time");
        let max = usize::try_from(FAILURES_FREE_FORWARDED).expect("few") + 1 + later;
        assert!(wrong <= max, "{wrong} were hashed, max {max}");
    });
    assert_eq!(log_in(&server, PASSWORD, &[]).status, 303, "nobody else is locked out");
    let forged = [("X-Forwarded-For", "203.0.113.250")];
    let through = || matches!(log_in(&server, PASSWORD, &forged).status, 303);
    assert!(wait_for(10_000_000, through), "a client of the proxy waits 2 s, no more");
}

#[test]
fn a_session_through_a_proxy_is_no_session_of_this_machine() {
    let fixture = Fixture::open_with(|setup| {
        "tls = \"off\"".clone_into(&mut setup.https);
        "open = true".clone_into(&mut setup.http);
    });
    let headers = vec![("X-Forwarded-For".to_owned(), "198.51.100.1".to_owned())];
    let mut stranger = fixture.viewer_with(&Options { headers, ..Options::default() });
    let mut own = fixture.viewer();
    let text = std::fs::read_to_string(fixture.server.config()).expect("the file");
    fixture.server.write(&text.replace("open = true", "open = false"));
    fixture.server.hang_up();
    assert!(wall::run_one(&mut stranger, 1_000_000, |viewer| viewer.ended.is_some()), "it goes on");
    let told = fixture.server.get(&stranger.location).json();
    assert_eq!(told["detail"], "the cameras are no longer shown to everybody");
    let had = own.reception.counts.packets;
    let goes_on = |viewer: &Viewer| viewer.reception.counts.packets > had + 50;
    assert!(wall::run_one(&mut own, 10_000_000, goes_on) && own.ended.is_none());
}
