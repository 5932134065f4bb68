//! Who is let in: users, tokens, logins and their bounds, and what other sites' pages get to see.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::agent::{self, NO_FINGERPRINT, offer};
use crate::common::camera::picture::Picture;
use crate::common::camera::{CameraFarm, Mount};
use crate::common::fixture::CAMERA;
use crate::common::process::Usage;
use crate::common::server::{Server, Setup, wait_for};
use crate::common::whep::{self, Response, request, request_from};

const PASSWORD: &str = "correct horse";
/// Of [`PASSWORD`], by Python's hashlib.
const HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";
const TOKEN: &str = "a-token-for-the-wall";
const ANOTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
const PATIENCE_US: u64 = 10_000_000;

/// anna the operator, bert the viewer, and a token for a wall.
fn accounts() -> String {
    let hash = weir::access::TokenHash::of(TOKEN);
    format!(
        "[https]\ntls = \"off\"\n\
         [[user]]\nname = \"anna\"\nrole = \"operator\"\npassword = \"{HASH}\"\n\
         [[user]]\nname = \"bert\"\nrole = \"viewer\"\npassword = \"{HASH}\"\n\
         [[token]]\nname = \"wall\"\nrole = \"viewer\"\nhash = \"{hash}\"\n"
    )
}

fn setup() -> Setup {
    let environment = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    Setup { accounts: accounts(), environment, ..Setup::default() }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Response {
    request(server.http, "GET", path, headers, "").expect("an answer")
}

fn log_in(server: &Server, from: Option<IpAddr>, user: &str, password: &str) -> Response {
    let form = format!("user={user}&password={}&next=/gate/", password.replace(' ', "+"));
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    request_from(from, server.http, "POST", "/-/login", &headers, &form).expect("an answer")
}

fn cookie_of(answer: &Response) -> String {
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    cookie.split(';').next().unwrap_or_default().to_owned()
}

/// The address of this machine that is not loopback.
fn own_address() -> Option<IpAddr> {
    weir::net::interfaces::addresses().into_iter().find(IpAddr::is_ipv4)
}

#[test]
fn without_users_only_this_machine_looks_unless_it_is_open() {
    let Some(ip) = own_address() else {
        println!("skipped: this machine has no address but loopback");
        return;
    };
    for (http, cameras) in [("", 403), ("open = true", 200)] {
        let setup = Setup { host: "[::]".to_owned(), http: http.to_owned(), ..Setup::default() };
        let server = Server::start(&setup);
        assert_eq!(get(&server, "/api/cameras", &[]).status, 200, "from this machine");
        assert_eq!(get(&server, "/api/sessions", &[]).status, 403, "which is no operator");
        let proxied = get(&server, "/api/cameras", &[("X-Forwarded-For", "192.0.2.9")]);
        assert_eq!(proxied.status, cameras, "a proxy on this machine asks for another");
        let elsewhere = SocketAddr::new(ip, server.http.port());
        let ask = |path: &str| whep::get(elsewhere, path).expect("an answer");
        assert_eq!(ask("/healthz").status, 200);
        assert_eq!(ask("/api/cameras").status, cameras);
        assert_eq!(ask("/api/sessions").status, 403, "nobody else is an operator");
        let page = ask("/");
        assert_eq!(page.status, cameras);
        if cameras == 403 {
            assert!(page.body.contains("No users are configured"), "{}", page.body);
            assert!(page.body.contains("weir password"), "{}", page.body);
            let refused = agent::post(ip, elsewhere, CAMERA, &offer(NO_FINGERPRINT));
            assert_eq!(refused.expect("an answer").status, 403);
        }
    }
}

#[test]
fn with_users_nobody_gets_anything_without_credentials() {
    let server = Server::start(&setup());
    for path in ["/api/cameras", "/api/sessions", "/api/identity", "/gate/whep"] {
        let refused = get(&server, path, &[]);
        assert_eq!(refused.status, 401, "{path}");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"weir\""));
    }
    let refused = agent::post(server.http.ip(), server.http, CAMERA, &offer(NO_FINGERPRINT));
    assert_eq!(refused.expect("an answer").status, 401);
    for (path, next) in [("/", "/"), ("/gate/", "/gate/"), ("/gate/?token=wrong", "/gate/")] {
        let led = get(&server, path, &[]);
        let location = format!("/-/login?next={next}");
        assert_eq!((led.status, led.header("location")), (303, Some(location.as_str())));
    }
    for path in ["/healthz", "/-/login", "/-/style.css", "/-/player.js"] {
        assert_eq!(get(&server, path, &[]).status, 200, "{path}");
    }
}

#[test]
fn each_way_to_say_who_one_is() {
    let server = Server::start(&setup());
    let bearer = format!("Bearer {TOKEN}");
    let query = format!("/api/identity?token={TOKEN}");
    let (anna, bert) = (basic("anna", PASSWORD), basic("bert", PASSWORD));
    for (path, header, expected) in [
        ("/api/identity", bearer.as_str(), ("wall", "viewer", "token")),
        (&query, "", ("wall", "viewer", "token")),
        ("/api/identity", &anna, ("anna", "operator", "password")),
        ("/api/identity", &bert, ("bert", "viewer", "password")),
    ] {
        let headers = [("Authorization", header)];
        let headers = if header.is_empty() { &[][..] } else { &headers };
        let found = get(&server, path, headers).json();
        let (name, role, means) = expected;
        let expected = serde_json::json!(
            {"schema": 1, "name": name, "role": role, "means": means}
        );
        assert_eq!(found, expected);
    }
    for (header, status) in [
        ("Bearer wrong", 401),
        (&basic("anna", "wrong"), 401),
        (&basic("nobody", PASSWORD), 401),
        ("Basic nonsense", 401),
        (&anna, 200),
    ] {
        let answer = get(&server, "/api/sessions", &[("Authorization", header)]);
        assert_eq!(answer.status, status, "{header}");
    }
    let as_anna = [("Authorization", anna.as_str())];
    let told = get(&server, "/api/status", &as_anna).json();
    assert_eq!(told["build_id"], server.tell("status")["build_id"]);
    let reloaded = request(server.http, "POST", "/api/reload", &as_anna, "").expect("an answer");
    assert_eq!((reloaded.status, &reloaded.json()["state"]), (200, &"good".into()));
    let viewer = get(&server, "/api/sessions", &[("Authorization", &bearer)]);
    assert_eq!(viewer.status, 403);
    assert!(viewer.body.contains("this needs the role operator"), "{}", viewer.body);
}

#[test]
fn a_login_is_a_cookie_until_it_is_logged_out() {
    let server = Server::start(&setup());
    let entered = log_in(&server, None, "anna", PASSWORD);
    let onward = "/-/login?entered=1&next=/gate/";
    assert_eq!((entered.status, entered.header("location")), (303, Some(onward)));
    let whole = entered.header("set-cookie").expect("a cookie").to_owned();
    for word in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"] {
        assert!(whole.contains(word), "{whole}");
    }
    let cookie = cookie_of(&entered);
    let with = [("Cookie", cookie.as_str())];
    let led = get(&server, onward, &with);
    assert_eq!((led.status, led.header("location")), (303, Some("/gate/")));
    for cookies in [&[][..], &[("Cookie", "weir-login=0f")]] {
        let lost = get(&server, onward, cookies);
        assert_eq!(lost.status, 200);
        assert!(lost.body.contains("did not keep the login&#39;s cookie"), "{}", lost.body);
        assert!(lost.body.contains("href=\"../gate/\""), "{}", lost.body);
    }
    let elsewhere = get(&server, "/-/login?entered=1&next=//evil.example/", &with);
    assert_eq!(elsewhere.header("location"), Some("/"));
    assert_eq!(get(&server, "/gate/", &with).status, 404, "the page of no camera, but the page");
    assert_eq!(get(&server, "/api/identity", &with).json()["means"], "login");
    assert_eq!(get(&server, "/api/sessions", &with).status, 200);

    let file = server.config().with_file_name("weir-logins");
    assert!(wait_for(PATIENCE_US, || file.exists()), "{}", server.log());
    let kept = std::fs::read_to_string(&file).expect("the file of the logins");
    let id = cookie.split('=').nth(1).expect("a value");
    assert_eq!(kept.lines().count(), 2, "{kept}");
    assert!(!kept.contains(id), "only its hash");

    let left = request(server.http, "POST", "/-/logout", &with, "").expect("an answer");
    assert_eq!((left.status, left.header("location")), (303, Some("/-/login")));
    assert!(left.header("set-cookie").expect("it is taken away").contains("Max-Age=0"));
    assert_eq!(get(&server, "/api/sessions", &with).status, 401, "the server forgot it too");
    let kept = std::fs::read_to_string(&file).expect("the file of the logins");
    assert_eq!(kept.lines().count(), 1, "{kept}");
}

#[test]
fn sixty_four_pages_of_one_wall_are_hashed_once() {
    let server = Server::start(&setup());
    let anna = basic("anna", PASSWORD);
    let ask = |from: Option<IpAddr>| {
        let headers = [("Authorization", anna.as_str())];
        request_from(from, server.http, "GET", "/api/cameras", &headers, "")
    };
    thread::scope(|scope| {
        // Of one address weir takes half as many connections as of all.
        let pages: Vec<_> = (0..64)
            .map(|page| scope.spawn(move || ask((page % 2 == 1).then_some(ANOTHER))))
            .collect();
        for page in pages {
            let answer = page.join().expect("no panic").expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    });
    assert_eq!(server.metric("weir_password_hashes_total"), Some(1.0));
}

#[test]
fn who_fails_too_often_waits_and_nobody_else() {
    let server = Server::start(&setup());
    for number in 0..5 {
        let wrong = log_in(&server, None, "anna", &format!("wrong {number}"));
        assert_eq!(wrong.status, 403);
        assert!(wrong.body.contains("User or password is wrong"), "{}", wrong.body);
    }
    let hashes = server.metric("weir_password_hashes_total");
    let locked = log_in(&server, None, "anna", PASSWORD);
    assert_eq!(locked.status, 429, "even with the right one");
    assert!(locked.body.contains("Too many failed logins from your address"), "{}", locked.body);
    let wait_s: u32 = locked.header("retry-after").expect("when").parse().expect("seconds");
    assert!((1..=10).contains(&wait_s), "{wait_s}");
    let anna = basic("anna", PASSWORD);
    let refused = get(&server, "/api/cameras", &[("Authorization", &anna)]);
    assert_eq!(refused.status, 429);
    assert_eq!(server.metric("weir_password_hashes_total"), hashes, "none of them was hashed");

    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(get(&server, "/api/cameras", &[("Authorization", &bearer)]).status, 200);
    assert_eq!(log_in(&server, Some(ANOTHER), "anna", PASSWORD).status, 303, "another address");
}

#[test]
fn a_name_that_a_stranger_can_have_is_not_ours() {
    let server =
        Server::start(&Setup { http: "names = [\"gate.example\"]".into(), ..Setup::default() });
    for (host, status) in [
        ("evil.example", 421),
        ("evil.example:8117", 421),
        ("gate.example", 200),
        ("weir.local:8117", 200),
        ("weir", 200),
    ] {
        let answer = raw(&server, &format!("GET /-/style.css HTTP/1.1\r\nHost: {host}\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
    }
    let twice = "GET /-/style.css HTTP/1.1\r\nHost: weir\r\nHost: weir\r\n";
    assert!(!raw(&server, twice).starts_with("HTTP/1.1 2"));
    assert!(raw(&server, "GET /-/style.css HTTP/1.1\r\n").starts_with("HTTP/1.1 421"), "no host");
}

/// Sends a head as it is, and reads to the end.
fn raw(server: &Server, head: &str) -> String {
    use std::io::Read as _;
    let mut stream = std::net::TcpStream::connect(server.http).expect("accepted");
    write!(stream, "{head}Connection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn pages_of_other_sites_get_what_they_have_a_right_to() {
    let listed = "https://portal.example";
    let setup = Setup { http: format!("origins = [\"{listed}\"]"), ..setup() };
    let server = Server::start(&setup);
    let own = format!("http://{}", server.http);
    let cookie = cookie_of(&log_in(&server, None, "anna", PASSWORD));
    let bearer = format!("Bearer {TOKEN}");
    let allowed =
        |answer: &Response| answer.header("access-control-allow-origin").map(str::to_owned);
    let post = |headers: &[(&str, &str)]| {
        let headers = [headers, &[("Content-Type", "application/sdp")]].concat();
        request(server.http, "POST", "/gate/whep", &headers, "v=0").expect("an answer")
    };
    // 404 is past the gate: there is no such camera.
    let evil = "https://evil.example";
    for (what, origin, credentials, status, reader) in [
        ("own page", own.as_str(), ("Cookie", cookie.as_str()), 404, None),
        ("listed page", listed, ("Cookie", &cookie), 404, Some(listed)),
        ("foreign page", evil, ("Cookie", &cookie), 403, None),
        ("no page at all", "null", ("Cookie", &cookie), 403, None),
        ("foreign page with a token", evil, ("Authorization", &bearer), 404, Some(evil)),
        ("foreign page with a wrong one", evil, ("Authorization", "Bearer x"), 401, Some(evil)),
    ] {
        let answer = post(&[("Origin", origin), credentials]);
        assert_eq!((answer.status, allowed(&answer).as_deref()), (status, reader), "{what}");
    }
    let across = post(&[("Sec-Fetch-Site", "cross-site"), ("Cookie", &cookie)]);
    assert_eq!(across.status, 403);
    let logout =
        request(server.http, "POST", "/-/logout", &[("Origin", evil), ("Cookie", &cookie)], "");
    assert_eq!(logout.expect("an answer").status, 403);
    assert_eq!(get(&server, "/api/identity", &[("Cookie", &cookie)]).status, 200, "still there");

    let preflight = |origin: &str, wanted: &str| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", wanted),
        ];
        let answer = request(server.http, "OPTIONS", "/gate/whep", &headers, "");
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200);
        allowed(&answer)
    };
    assert_eq!(preflight(evil, "content-type"), None);
    assert_eq!(preflight(evil, "authorization,content-type").as_deref(), Some(evil));
    assert_eq!(preflight(listed, "content-type").as_deref(), Some(listed));
}

#[test]
fn a_foreign_page_cannot_lock_out_its_visitor() {
    let server = Server::start(&setup());
    for number in 0..8 {
        let wrong = basic("anna", &format!("wrong {number}"));
        let headers = [
            ("Origin", "https://evil.example"),
            ("Authorization", &wrong),
            ("Content-Type", "application/sdp"),
        ];
        let answer = request(server.http, "POST", "/gate/whep", &headers, "v=0");
        assert_eq!(answer.expect("an answer").status, 401);
    }
    assert_eq!(server.metric("weir_password_hashes_total"), Some(0.0), "none was looked at");
    assert_eq!(log_in(&server, None, "anna", PASSWORD).status, 303, "the visitor may");
}

#[test]
fn a_page_on_this_machine_is_not_this_machine() {
    let server = Server::start(&Setup::default());
    let evil = ("Origin", "https://evil.example");
    for credentials in [("X-None", "x"), ("Authorization", "Bearer anything")] {
        let headers = [evil, credentials, ("Content-Type", "application/sdp")];
        let answer = request(server.http, "POST", "/gate/whep", &headers, "v=0");
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 403, "{credentials:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn a_session_is_its_makers_who_learns_why_it_ended() {
    let farm =
        CameraFarm::open(vec![Mount::new(CAMERA, Picture { gop: 10, ..Picture::default() })]);
    let cameras = Setup::of([(CAMERA.to_owned(), farm.url(CAMERA))]).cameras;
    let server = Server::start(&Setup { cameras, ..setup() });
    let bearer = format!("Bearer {TOKEN}");
    let with = [("Authorization", bearer.as_str())];
    assert!(wait_for(PATIENCE_US, || {
        get(&server, "/api/cameras", &with).json()["cameras"][0]["ready"] == true
    }));
    let headers = [with[0], ("Content-Type", "application/sdp")];
    let offer = offer(NO_FINGERPRINT);
    let created = request(server.http, "POST", "/gate/whep", &headers, &offer).expect("an answer");
    assert_eq!(created.status, 201, "{}", created.body);
    let location = created.header("location").expect("where it is").to_owned();
    assert_eq!(get(&server, &location, &[]).status, 204);
    let ended = request(server.http, "DELETE", &location, &[], "").expect("an answer");
    assert_eq!(ended.status, 200, "its address is its secret");
    let gone = get(&server, &location, &[]);
    assert_eq!(gone.status, 404);
    let anna = basic("anna", PASSWORD);
    let sessions = get(&server, "/api/sessions", &[("Authorization", &anna)]).json();
    let reason = &sessions["sessions"][0]["reason"];
    assert!(reason.is_string() && gone.json()["detail"] == *reason, "{reason} {}", gone.body);
}

#[test]
fn pages_may_do_only_what_they_need_and_secrets_stay_secret() {
    let server = Server::start(&setup());
    let page = get(&server, "/-/login", &[]);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    let content = page.header("content-security-policy").expect("a policy");
    assert!(content.contains("default-src 'self'") && content.contains("frame-ancestors 'self'"));
    let player = get(&server, &format!("/gate/?token={TOKEN}"), &[]);
    assert_eq!(player.header("referrer-policy"), Some("no-referrer"));

    let cookie = cookie_of(&log_in(&server, None, "anna", PASSWORD));
    let wrong = log_in(&server, None, "anna", "a-wrong-password");
    assert!(!wrong.body.contains("a-wrong-password"));
    get(&server, &format!("/api/cameras?token={TOKEN}x"), &[]);
    let id = cookie.split('=').nth(1).expect("a value");
    for text in [server.log(), server.metrics(), get(&server, "/healthz", &[]).body] {
        for secret in [TOKEN, PASSWORD, "correct+horse", "a-wrong-password", id, "token="] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

#[test]
fn the_thread_for_passwords_is_there_once_there_is_one() {
    let server = Server::start(&setup());
    let threads = || Usage::of(server.pid()).expect("it runs").threads;
    let before = threads();
    assert_eq!(log_in(&server, None, "anna", PASSWORD).status, 303);
    assert_eq!(threads(), before + 1);
}

#[test]
fn the_commands_print_lines_that_the_configuration_takes() {
    let run = |argument: &str, input: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the weir program runs");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, line, _) = run("password", "another password\n");
    assert_eq!(code, Some(0));
    let (_, token_lines, _) = run("token", "");
    let token = token_lines.lines().next().and_then(|line| line.rsplit(' ').next());
    let accounts = format!(
        "[https]\ntls = \"off\"\n[[user]]\nname = \"carl\"\nrole = \"viewer\"\n{line}\
         [[token]]\nname = \"wall\"\nrole = \"operator\"\n{token_lines}"
    );
    let server = Server::start(&Setup { accounts, ..Setup::default() });
    assert_eq!(log_in(&server, None, "carl", "another password").status, 303);
    let bearer = format!("Bearer {}", token.expect("a token"));
    assert_eq!(get(&server, "/api/sessions", &[("Authorization", &bearer)]).status, 200);

    let (code, _, why) = run("password", "short\n");
    assert_eq!((code, why.as_str()), (Some(2), "the password is 5 bytes long, not 8 to 256\n"));
}
