//! weir on a box of its own image: what an operator asks for by HTTP or at the console reaches
//! weir-init word for word, and what that answers reaches the operator. A thread stands in for
//! weir-init here; the emulated box has the real one (`tests/image`).

use std::io::{BufReader, Read as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use serde_json::json;
use weir::access::TokenHash;
use weir::appliance::request::{BoxAnswer, BoxRequest, read_request, write_answer};

use crate::common::server::{Server, Setup};
use crate::common::whep::{self, Response};

/// What weir-init was asked, and how many bytes of an update came with it.
type Asked = Receiver<(BoxRequest, usize)>;

/// A server whose weir-init is a thread: it refuses to go back, and takes updates of fewer than
/// 100 000 bytes.
fn box_with(name: &str) -> (Server, String, Asked) {
    let path: PathBuf = std::env::temp_dir().join(format!("weir-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket");
    let (tell, asked) = sync_channel(16);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut source = BufReader::new(&stream);
            let Ok(request) = read_request(&mut source) else { continue };
            let (answer, bytes) = match request {
                BoxRequest::Update { bytes } if bytes >= 100_000 => {
                    (BoxAnswer::Refused("it is for another board".to_owned()), 0)
                }
                BoxRequest::Update { bytes } => {
                    let mut update = Vec::new();
                    let read = source.by_ref().take(bytes).read_to_end(&mut update);
                    (BoxAnswer::Done(json!({ "version": "0.2.0" })), read.unwrap_or(0))
                }
                BoxRequest::Rollback => (BoxAnswer::Refused("slot B is empty".to_owned()), 0),
                _ => (BoxAnswer::Done(json!({})), 0),
            };
            let _ = tell.send((request, bytes));
            let _ = write_answer(&mut &stream, &answer);
        }
    });
    let (token, hash) = TokenHash::generate();
    let accounts = format!("[[token]]\nname = \"fleet\"\nrole = \"operator\"\nhash = \"{hash}\"\n");
    let environment = vec![("WEIR_INIT_SOCKET".to_owned(), path.display().to_string())];
    let server = Server::start(&Setup {
        accounts,
        environment,
        https: "tls = \"off\"".to_owned(),
        ..Setup::default()
    });
    (server, token, asked)
}

fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Response {
    let bearer = format!("Bearer {token}");
    whep::request(server.http, method, path, &[("Authorization", &bearer)], body)
        .expect("an answer")
}

#[test]
fn an_update_goes_through_and_a_refused_one_says_why() {
    let (server, token, asked) = box_with("update");
    let update = "u".repeat(99_999);
    let answer = ask(&server, &token, "PUT", "/api/update", &update);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("0.2.0"), "{}", answer.body);
    assert_eq!(asked.recv().expect("it was asked"), (BoxRequest::Update { bytes: 99_999 }, 99_999));
    let answer = ask(&server, &token, "PUT", "/api/update", &"u".repeat(900_000));
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(answer.body.contains("another board"), "{}", answer.body);
    assert_eq!(asked.recv().expect("it was asked"), (BoxRequest::Update { bytes: 900_000 }, 0));
    // Whoever is no operator changes nothing.
    let stranger = whep::request(server.http, "PUT", "/api/update", &[], "u").expect("an answer");
    assert_eq!(stranger.status, 401, "{}", stranger.body);
    assert!(asked.try_recv().is_err());
}

#[test]
fn what_the_box_refuses_is_said_and_the_rest_is_done() {
    let (server, token, asked) = box_with("changes");
    let answer = ask(&server, &token, "POST", "/api/rollback", "");
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("slot B is empty"), "{}", answer.body);
    assert_eq!(ask(&server, &token, "POST", "/api/reboot", "").status, 200);
    let report = ask(&server, &token, "GET", "/api/report", "");
    assert!(report.body.contains("--- box") && report.body.contains("--- end"), "{}", report.body);
    let requests: Vec<BoxRequest> = asked.try_iter().map(|(request, _)| request).collect();
    assert_eq!(requests, [BoxRequest::Rollback, BoxRequest::Reboot, BoxRequest::Slots]);
}

#[test]
fn a_weir_that_is_no_box_says_so() {
    let (token, hash) = TokenHash::generate();
    let accounts = format!("[[token]]\nname = \"fleet\"\nrole = \"operator\"\nhash = \"{hash}\"\n");
    let server =
        Server::start(&Setup { accounts, https: "tls = \"off\"".to_owned(), ..Setup::default() });
    for (method, path) in [("GET", "/api/box"), ("POST", "/api/reboot"), ("PUT", "/api/update")] {
        let answer = ask(&server, &token, method, path, "x");
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
        assert!(answer.body.contains("WEIR_INIT_SOCKET"), "{}", answer.body);
    }
}
