//! The file of the logins: how rarely it is written, and what it keeps over a restart.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weir::clock::now_us;

use crate::common::server::{Server, Setup, wait_for};
use crate::common::whep::request;

const PASSWORD: &str = "correct horse";
/// Of [`PASSWORD`], by Python's hashlib.
const HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";
const PATIENCE_US: u64 = 10_000_000;
const HASH_US: u64 = 60_000_000;
/// As long as a login may wait for its write, and some.
const WRITE_US: u64 = weir::limits::LOGINS_WRITE_MS * 1000 + PATIENCE_US;
/// What a user may have.
const LOGINS_OF_USER_MAX: usize = 8;

fn start() -> Server {
    let user =
        |name| format!("[[user]]\nname = \"{name}\"\nrole = \"viewer\"\npassword = \"{HASH}\"\n");
    let accounts = format!("[https]\ntls = \"off\"\n{}{}", user("anna"), user("bert"));
    let server = Server::start(&Setup { accounts, ..Setup::default() });
    hash(&server);
    server
}

/// Has both passwords hashed, and remembered: a login is quick then, however slow the machine.
fn hash(server: &Server) {
    for user in ["anna", "bert"] {
        let header = format!("Basic {}", STANDARD.encode(format!("{user}:{PASSWORD}")));
        let headers = [("Authorization", header.as_str())];
        let ask = || request(server.http, "GET", "/api/identity", &headers, "");
        let is_known = || ask().is_ok_and(|answer| answer.status == 200);
        assert!(wait_for(HASH_US, is_known), "{}", server.log());
    }
}

/// Logs in; the cookie.
fn log_in(server: &Server, user: &str) -> String {
    let form = format!("user={user}&password={}&next=/", PASSWORD.replace(' ', "+"));
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = request(server.http, "POST", "/-/login", &headers, &form).expect("an answer");
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    cookie.split(';').next().unwrap_or_default().to_owned()
}

fn status(server: &Server, cookie: &str) -> u16 {
    let headers = [("Cookie", cookie)];
    request(server.http, "GET", "/api/identity", &headers, "").expect("an answer").status
}

/// The logins in the file.
fn kept(server: &Server) -> usize {
    let text = fs::read_to_string(server.config().with_file_name("weir-logins"));
    text.map_or(0, |text| text.lines().skip(1).count())
}

fn writes(server: &Server) -> f64 {
    server.metric("weir_login_writes_total").expect("a counter")
}

/// Logs out; whether it was answered.
fn log_out(server: &Server, cookie: &str) -> bool {
    let left = request(server.http, "POST", "/-/logout", &[("Cookie", cookie)], "");
    left.is_ok_and(|answer| answer.status == 303)
}

#[test]
fn sixty_five_logins_of_one_user_are_few_writes_and_leave_the_others_alone() {
    let server = start();
    let bert = log_in(&server, "bert");
    let cookies: Vec<String> = (0..65).map(|_| log_in(&server, "anna")).collect();
    assert_eq!(status(&server, &bert), 200);
    assert_eq!(status(&server, &cookies[64]), 200);
    let all = 1 + LOGINS_OF_USER_MAX;
    assert!(wait_for(WRITE_US, || kept(&server) == all), "{} in the file", kept(&server));
    let count = writes(&server);
    assert!((1.0..=3.0).contains(&count), "{count} writes");
    assert_eq!(status(&server, &bert), 200);
}

#[test]
fn a_login_outlives_a_stop_at_once_and_a_kill_after_its_write() {
    let mut server = start();
    let bert = log_in(&server, "bert");
    assert!(wait_for(PATIENCE_US, || kept(&server) == 1), "the first is written at once");
    let anna = log_in(&server, "anna");
    assert_eq!(kept(&server), 1, "the second waits");
    assert!(server.terminate().success());
    assert_eq!(kept(&server), 2, "but not over the end");
    server.start_again();
    assert_eq!((status(&server, &anna), status(&server, &bert)), (200, 200));

    hash(&server);
    log_in(&server, "bert");
    assert!(wait_for(PATIENCE_US, || kept(&server) == 3));
    let last = log_in(&server, "anna");
    assert!(wait_for(WRITE_US, || kept(&server) == 4));
    server.kill();
    server.start_again();
    assert_eq!((status(&server, &last), status(&server, &anna)), (200, 200));
}

#[test]
fn a_logout_that_was_answered_outlives_a_kill() {
    let mut server = start();
    let bert = log_in(&server, "bert");
    let anna = log_in(&server, "anna");
    assert!(wait_for(WRITE_US, || kept(&server) == 2));
    assert!(log_out(&server, &anna));
    server.kill();
    server.start_again();
    assert_eq!((status(&server, &anna), status(&server, &bert)), (401, 200));
}

/// Turns of "log in again, log out the older one", and users of it at a time, who have two logins
/// each meanwhile.
const TURNS: usize = 100;
const TURNING: usize = 8;

#[test]
fn logins_and_logouts_without_end_are_one_write_a_second_and_a_logout_outlives_a_kill() {
    let mut server = start();
    let first: Vec<String> = (0..TURNING)
        .map(|number| log_in(&server, if number % 2 == 0 { "anna" } else { "bert" }))
        .collect();
    assert!(wait_for(WRITE_US, || kept(&server) == TURNING), "{} in the file", kept(&server));
    let (before, begun, next) = (writes(&server), now_us(), AtomicUsize::new(0));
    let ended = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (number, first) in first.into_iter().enumerate() {
            let user = if number % 2 == 0 { "anna" } else { "bert" };
            let (server, next, ended) = (&server, &next, &ended);
            scope.spawn(move || {
                let mut older = first;
                while next.fetch_add(1, Relaxed) < TURNS {
                    let newer = log_in(server, user);
                    assert!(log_out(server, &older), "{}", server.log());
                    ended.lock().expect("no other failed").push(older);
                    older = newer;
                }
            });
        }
    });
    let (took_us, count) = (now_us() - begun, writes(&server) - before);
    assert!(count <= took_us as f64 / 1e6 + 2.0, "{count} writes in {took_us} us");
    server.kill();
    server.start_again();
    let ended = ended.into_inner().expect("nobody failed");
    assert_eq!(ended.len(), TURNS);
    assert!(ended.iter().rev().take(2 * TURNING).all(|cookie| status(&server, cookie) == 401));
    assert_eq!(kept(&server), TURNING, "those who are still logged in");
}

#[test]
fn a_logout_of_a_login_that_is_not_in_the_file_writes_nothing() {
    let server = start();
    log_in(&server, "bert");
    assert!(wait_for(PATIENCE_US, || kept(&server) == 1), "the first is written at once");
    let (before, begun) = (writes(&server), now_us());
    for _ in 0..20 {
        let anna = log_in(&server, "anna");
        assert!(log_out(&server, &anna));
        assert_eq!(status(&server, &anna), 401);
    }
    assert!(writes(&server) <= before + 1.0, "{} writes", writes(&server) - before);
    assert_eq!(kept(&server), 1);
    let took_us = now_us() - begun;
    assert!(took_us < PATIENCE_US, "no logout waits for a write: {took_us} us");
}
