//! The site as a client sees it, over a socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use std::sync::Arc;

use super::*;
use crate::access::Guard;
use crate::appliance::request::RequestError;
use crate::control::{
    Configuration, OfferAnswer, PatchRefusal, Patched, ReloadError, StatusReport,
};
use crate::limits::HTTP_BODY_BYTES_MAX;
use crate::limits::HTTP_EVICTABLE_US;
use crate::storage::StateFolder;
use crate::web::whole;

const SECRET: &str = "00112233445566778899aabbccddeeff";
const BOUNDS: Bounds = Bounds {
    connections: 3,
    per_address: 3,
    idle: Duration::from_millis(300),
    account: crate::mem::accounts::AccountKind::HttpConnection,
    usage: &crate::status::TABLES.http_connections,
};
/// Less than a connection may be idle, as it is when weir runs: a slow body gets its answer first.
const BODY_PATIENCE: Duration = Duration::from_millis(200);

/// What [`perform`] does, with canned answers for [`Control`]'s.
async fn perform_canned(action: Action) -> Reply {
    match action {
        Action::Done(reply) => reply,
        Action::Cameras => api::cameras(&Configuration::default(), Vec::new),
        Action::Sessions => api::sessions(Vec::new),
        Action::Reload => api::reloaded(Err(ReloadError::Unusable {
            detail: "line 2, column 3: no".to_owned(),
            place: Some((2, 3)),
        })),
        Action::Status => api::status(&StatusReport::now(Configuration::default(), 8118)),
        Action::Box | Action::AskBox(_) => {
            api::not_done(&RequestError::Refused("the other slot is empty".to_owned()))
        }
        Action::Update(upload) => upload.install().await,
        Action::Report => api::report(whole("report")),
        Action::Health => api::health(crate::control::CameraCount::default()),
        Action::Metrics => metrics::reply(std::iter::empty(), None),
        Action::CpuProfile { .. } | Action::HeapProfile | Action::Tasks { .. } => {
            unreachable!("on the diagnostics port alone")
        }
        Action::Player { camera, terms } => player(camera == "gate", &terms),
        Action::Offer(offer) if offer.camera == "gate" => {
            assert_eq!(offer.asked, offer.peer.ip(), "unmapped loopback");
            let answer =
                OfferAnswer { sdp: offer.sdp, secret: SECRET.to_owned(), etag: "tag".to_owned() };
            whep::created("gate", answer, &[])
        }
        Action::Offer(_) => whep::refused(&OfferRefusal::UnknownCamera),
        Action::LookForCamera { is_head, .. } => whep::present(is_head),
        Action::Options { is_endpoint } => whep::options(is_endpoint, &[]),
        Action::Look { secret, is_head } if secret == SECRET => whep::present(is_head),
        Action::Look { .. } => whep::no_session(),
        Action::Patch(patch) if patch.secret == SECRET => {
            let is_current = patch.if_match.admits("tag");
            let patched = is_current.then_some(Patched::Unchanged);
            whep::patched(patched.ok_or(PatchRefusal::Unmatched))
        }
        Action::Patch(_) => whep::patched(Err(PatchRefusal::NoSession)),
        Action::End { secret } => whep::ended(secret == SECRET),
        Action::EndById { id: 7 } => api::ended(Ok(())),
        Action::EndById { id } => api::ended(Err(format!("there is no session {id}"))),
    }
}

/// Runs `test` beside a site with [`BOUNDS`], one body buffer, and canned answers.
fn beside_site<F: Future<Output = ()>>(test: impl FnOnce(Site) -> F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = listener::bind("[::]:0".parse().expect("address")).expect("bound");
        let port = listener.local_addr().expect("address").port();
        let bodies = Rc::new(Bodies::with(1, BODY_PATIENCE));
        let guard = Guard::new(StateFolder::none());
        let handler = move |request: Request<Incoming>, client| {
            let guard = guard.clone();
            let authorizer = Authorizer { guard, policy: Arc::default() };
            respond(request, client, Rc::clone(&bodies), authorizer, perform_canned)
        };
        let server = tokio::task::spawn_local(listener::serve(
            Entrance { listener, tls: None },
            ConnectionTable::new(BOUNDS),
            handler,
        ));
        test(Site { port }).await;
        server.abort();
    });
}

#[derive(Clone, Copy)]
struct Site {
    port: u16,
}

impl Site {
    async fn connect(self) -> TcpStream {
        let connected = TcpStream::connect(("127.0.0.1", self.port)).await;
        connected.expect("accepted, over IPv4 too")
    }

    /// Sends `request` and reads until the server closes or its answer is whole.
    async fn ask(self, request: &str) -> String {
        let mut stream = self.connect().await;
        exchange(&mut stream, request).await
    }

    /// A request with a body and the right length.
    async fn send(self, line: &str, headers: &str, body: &str) -> String {
        let bytes = body.len();
        self.ask(&format!(
            "{line} HTTP/1.1\r\nHost: weir\r\n{headers}Content-Length: {bytes}\r\n\r\n{body}"
        ))
        .await
    }
}

async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    // The server may answer and close before it has read all of a request it refuses.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut answer).await {
        if is_whole(&String::from_utf8_lossy(&answer), request) {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_whole(answer: &str, request: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    });
    request.starts_with("HEAD") || body.len() >= length.unwrap_or(0)
}

fn assert_starts(answer: &str, status: u16, what: &str) {
    let expected = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&expected), "{what}: {answer}");
}

#[test]
fn each_request_has_its_status() {
    beside_site(|site| async move {
        let session = format!("/gate/whep/{SECRET}");
        let stale = format!("/gate/whep/{}", SECRET.replace('0', "9"));
        let sdp = "Content-Type: Application/SDP; charset=utf-8\r\n";
        let fragment = "Content-Type: application/trickle-ice-sdpfrag\r\n";
        let (own, evil) = ("Origin: http://weir\r\n", "Origin: http://evil.example\r\n");
        let from = |origin: &str| format!("{sdp}{origin}");
        for (line, headers, body, status, holds) in [
            ("POST /gate/whep", from(own).as_str(), "v=0", 201, "location"),
            ("POST /gate/whep", &from(evil), "v=0", 403, "a page of another site"),
            ("GET /", "", "", 200, "text/html"),
            ("GET /gate", "", "", 307, "location: /gate/\r\n"),
            ("GET /gate/", "", "", 200, "default-src 'self'"),
            ("GET /yard/", "", "", 404, "text/html"),
            ("GET /-/style.css", "", "", 200, "text/css"),
            ("GET /-/player.js", "", "", 200, "text/javascript"),
            ("GET /-/nothing.js", "", "", 404, "application/problem+json"),
            ("GET /a/b/c", "", "", 404, "\"status\":404"),
            ("POST /", "", "", 405, "allow: GET, HEAD\r\n"),
            ("DELETE /api/cameras", "", "", 405, "allow: GET, HEAD\r\n"),
            ("GET /api/cameras", "", "", 200, "\",\"cameras\":[]}"),
            ("POST /api/reload", "", "", 403, "this needs an operator, and no users"),
            ("GET /api/reload", "", "", 405, "allow: POST\r\n"),
            ("GET /api/sessions", "", "", 403, "`weir console` or SIGHUP"),
            ("GET /api/status", "", "", 403, "problem+json"),
            ("GET /", "Via: 1.1 front\r\n", "", 403, "No users are configured"),
            ("GET /-/login", "Via: 1.1 front\r\n", "", 403, "No users are configured"),
            ("GET /-/login", "", "", 303, "location: /\r\n"),
            ("GET /healthz", "", "", 200, "\"status\":\"ok\""),
            ("GET /metrics", "", "", 404, "problem+json"),
            ("POST /gate/whep", sdp, "v=0", 201, "location: /gate/whep/0011"),
            ("POST /gate/whep", sdp, "v=0", 201, "\r\n\r\nv=0"),
            ("POST /yard/whep", sdp, "v=0", 404, "no camera"),
            ("POST /gate/whep", "", "v=0", 415, "accept-post: application/sdp"),
            (
                "POST /gate/whep",
                fragment,
                "v=0",
                415,
                "an offer needs the content type application/sdp",
            ),
            ("POST /gate/whep", sdp, "", 400, "empty"),
            ("POST /gate/whep", sdp, &"v".repeat(HTTP_BODY_BYTES_MAX), 201, "vvv"),
            ("POST /gate/whep", sdp, &"v".repeat(HTTP_BODY_BYTES_MAX + 1), 413, "max 16384"),
            ("PUT /gate/whep", "", "", 405, "allow: GET, HEAD, OPTIONS, POST"),
            ("GET /gate/whep", "", "", 204, "access-control-allow-methods: GET, HEAD, OPTIONS"),
            ("HEAD /gate/whep", "", "", 200, "content-type: application/sdp"),
            ("OPTIONS /gate/whep", "", "", 200, "accept-post: application/sdp"),
            ("OPTIONS /gate/whep", "", "", 200, "-methods: GET, HEAD, OPTIONS, POST"),
            ("OPTIONS /yard/whep", "", "", 200, "expose-headers: Location, ETag"),
            ("OPTIONS /", "", "", 405, "allow"),
            (&format!("OPTIONS {session}"), "", "", 200, "DELETE, GET, HEAD, OPTIONS, PATCH"),
            (&format!("GET {session}"), own, "", 204, "vary: Origin"),
            (&format!("GET {session}"), evil, "", 204, "allow-origin: http://evil.example\r\n"),
            (&format!("HEAD {session}"), "", "", 200, "application/sdp"),
            (&format!("HEAD {stale}"), "", "", 404, "problem+json"),
            (&format!("PATCH {session}"), fragment, "a=candidate", 204, "allow-methods"),
            (&format!("PATCH {session}"), sdp, "a=candidate", 415, "sdpfrag"),
            (&format!("PATCH {stale}"), fragment, "a=candidate", 404, "no such session"),
            (&format!("DELETE {session}"), evil, "", 200, "allow-origin: http://evil.example\r\n"),
            (&format!("DELETE {stale}"), "", "", 404, "no such session"),
            ("DELETE /gate/whep/short", "", "", 404, "nothing at this address"),
        ] {
            let answer = site.send(line, headers, body).await;
            let what = format!("{line} {headers}");
            assert_starts(&answer, status, &what);
            assert!(answer.contains(holds), "{what}: no {holds:?} in {answer}");
        }
    });
}

#[test]
fn a_player_that_posts_to_the_page_is_told_where_offers_go() {
    beside_site(|site| async move {
        let sdp = "Content-Type: application/sdp\r\n";
        for path in ["/gate", "/gate/"] {
            let answer = site.send(&format!("POST {path}"), sdp, "v=0\r\n").await;
            assert_starts(&answer, 405, path);
            assert!(answer.contains("posted to /gate/whep"), "{answer}");
        }
        let answer = site.send("PUT /gate/", sdp, "v=0\r\n").await;
        assert!(answer.contains("takes GET, HEAD"), "{answer}");
        let answer = site.send("POST /gate/whep/", sdp, "v=0\r\n").await;
        assert_starts(&answer, 201, "with a slash at its end");
    });
}

#[test]
fn a_page_is_not_sent_twice() {
    beside_site(|site| async move {
        for path in ["/", "/gate/"] {
            let first = site.send(&format!("GET {path}"), "", "").await;
            let etag = first.lines().find_map(|line| line.strip_prefix("etag: "));
            let condition = format!("If-None-Match: {}\r\n", etag.expect("an etag"));
            let second = site.send(&format!("GET {path}"), &condition, "").await;
            assert_starts(&second, 304, path);
        }
    });
}

#[test]
fn a_body_without_a_length_is_bounded_too() {
    beside_site(|site| async move {
        let chunk = format!("2000\r\n{}\r\n", "v".repeat(0x2000));
        let answer = site
            .ask(&format!(
                "POST /gate/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n"
            ))
            .await;
        assert_starts(&answer, 413, "chunked");
    });
}

#[test]
fn a_long_head_is_refused_and_a_slow_one_closed() {
    beside_site(|site| async move {
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000));
        assert_starts(&site.ask(&long).await, 431, "long head");
        let began_us = crate::clock::now_us();
        assert_eq!(site.ask("GET / HTTP/1.1\r\nHost: ").await, "");
        let took = Duration::from_micros(crate::clock::now_us() - began_us);
        assert!(took >= BOUNDS.idle, "{took:?}");
        assert_eq!(site.ask("").await, "", "an idle connection is closed as well");
    });
}

#[test]
fn a_head_is_bounded_in_headers_and_bytes_and_the_answer_says_how() {
    beside_site(|site| async move {
        let many = |count: usize| "X: y\r\n".repeat(count);
        let head = |lines: &str| format!("GET / HTTP/1.1\r\nHost: weir\r\n{lines}\r\n");
        assert_starts(&site.ask(&head(&many(31))).await, 200, "32 headers");
        let answer = site.ask(&head(&many(32))).await;
        assert_starts(&answer, 431, "33 headers");
        assert!(answer.contains("33 request headers, max 32"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        let cookies = |bytes: usize| format!("Cookie: {}\r\n", "c".repeat(bytes));
        assert_starts(&site.ask(&head(&cookies(4000))).await, 200, "4 KiB");
        let answer = site.ask(&head(&cookies(4100))).await;
        assert_starts(&answer, 431, "more");
        assert!(answer.contains("max 4096, of which 4100 are cookies"), "{answer}");
    });
}

#[test]
fn a_body_that_could_end_in_two_places_is_refused_and_nothing_behind_one_in_chunks_is_read() {
    beside_site(|site| async move {
        let post = "POST /gate/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n";
        let chunked = "Transfer-Encoding: chunked\r\n";
        let behind = "GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\n";
        for (lines, body, status) in [
            (format!("Content-Length: 3\r\n{chunked}"), "3\r\nv=0\r\n0\r\n\r\n", 400),
            (format!("{chunked}Content-Length: 3\r\n"), "3\r\nv=0\r\n0\r\n\r\n", 400),
            ("Content-Length: 3\r\nContent-Length: 3\r\n".to_owned(), "v=0", 400),
            ("Content-Length: 3\r\nContent-Length: 4\r\n".to_owned(), "v=0", 400),
            ("Content-Length: 3, 3\r\n".to_owned(), "v=0", 400),
            ("Content-Length: +3\r\n".to_owned(), "v=0", 400),
            ("Content-Length : 3\r\n".to_owned(), "v=0", 400),
            (chunked.repeat(2), "3\r\nv=0\r\n0\r\n\r\n", 400),
            ("Transfer-Encoding: gzip\r\n".to_owned(), "v=0", 400),
            (chunked.to_owned(), "3\r\nv=0\r\n0\r\n\r\n", 201),
        ] {
            let mut stream = site.connect().await;
            let request = format!("{post}{lines}\r\n{body}{behind}");
            let _ = stream.write_all(request.as_bytes()).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer);
            assert_starts(&answer, status, &lines);
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{lines}: {answer}");
        }
    });
}

#[test]
fn a_request_that_comes_as_its_connection_is_told_to_leave_is_not_answered() {
    beside_site(|site| async move {
        for _ in 0..20 {
            let mut held = Vec::new();
            for _ in 0..BOUNDS.connections {
                held.push(site.connect().await);
            }
            tokio::time::sleep(Duration::from_micros(HTTP_EVICTABLE_US + 20_000)).await;
            // Both are there before the server's next turn: a newcomer, and the request.
            let newcomer =
                std::net::TcpStream::connect(("127.0.0.1", site.port)).expect("it listens");
            held[0].try_write(b"GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\n").expect("sent");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let used = BOUNDS.usage.used.load(std::sync::atomic::Ordering::Relaxed);
            assert!(used <= BOUNDS.connections as u64, "{used} connections");
            drop((held, newcomer));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn a_slow_body_is_given_up_and_a_second_one_waits_no_longer_than_it_should() {
    beside_site(|site| async move {
        let head = "POST /gate/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n\
                    Content-Length: 3\r\n\r\n";
        let first = tokio::task::spawn_local(async move { site.ask(head).await });
        let second = tokio::task::spawn_local(async move { site.ask(head).await });
        let answers = [first.await.expect("answered"), second.await.expect("answered")];
        let slow = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 408"));
        assert!(slow.count() >= 1, "{answers:?}");
        let whole = site.ask(&format!("{head}v=0")).await;
        assert_starts(&whole, 201, "the buffer came free");
    });
}

#[test]
fn at_the_bound_the_longest_idle_makes_room() {
    beside_site(|site| async move {
        let mut connections = Vec::new();
        for _ in 0..BOUNDS.connections {
            let mut stream = site.connect().await;
            let answer = exchange(&mut stream, "GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\n").await;
            assert_starts(&answer, 200, "kept alive");
            connections.push(stream);
        }
        assert_starts(&site.send("GET /healthz", "", "").await, 503, "all have only just come");
        tokio::time::sleep(Duration::from_micros(HTTP_EVICTABLE_US)).await;
        assert_starts(&site.send("GET /healthz", "", "").await, 200, "one more");
        let end = connections[0].read(&mut [0; 16]).await;
        assert_eq!(end.expect("closed"), 0, "the first was idle longest");
        let again = exchange(&mut connections[2], "GET /healthz HTTP/1.1\r\nHost: w\r\n\r\n").await;
        assert_starts(&again, 200, "the last is still there");
    });
}

#[test]
fn when_all_are_busy_the_next_is_told_so() {
    beside_site(|site| async move {
        let head = "POST /gate/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n\
                    Content-Length: 3\r\n\r\n";
        let mut busy = Vec::new();
        for _ in 0..BOUNDS.connections {
            let mut stream = site.connect().await;
            stream.write_all(head.as_bytes()).await.expect("sent");
            busy.push(stream);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut refused = site.connect().await;
        let mut answer = String::new();
        let _ = refused.read_to_string(&mut answer).await;
        assert_starts(&answer, 503, "full");
        assert!(answer.contains("Retry-After: "), "{answer}");
    });
}
