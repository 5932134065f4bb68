//! A request with a body whose password waits for the hashes of others' is answered, though that
//! takes longer than a connection may be idle.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weir::clock;
use weir::limits::{HTTP_KEEP_ALIVE_MS, PASSWORD_WAIT_MS_MAX, PASSWORDS_WAITING_MAX};

use crate::common::server::{Server, Setup};
use crate::common::whep::{HttpError, Response, request_from};

/// Of no password that is asked with, and eight times as slow as a usual one.
const HASH: &str =
    "pbkdf2-sha256$4800000$MDEyMzQ1Njc4OWFiY2RlZg$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";
/// How long the hash of the request and those in front of it are to take on an unchanged machine:
/// more than a connection may be idle, and less than the client waits.
const HASHES_US: u64 = 6_500_000;

/// Posts an offer with a password and from an address that no other has.
fn offer(server: &Server, number: usize) -> Result<Response, HttpError> {
    let last = u8::try_from(50 + number).expect("few");
    let local: IpAddr = Ipv4Addr::new(127, 0, 0, last).into();
    let login = format!("Basic {}", STANDARD.encode(format!("anna:wrong {number}")));
    let headers = [("Authorization", login.as_str()), ("Content-Type", "application/sdp")];
    request_from(Some(local), server.http, "POST", "/gate/whep", &headers, "v=0")
}

#[test]
fn an_offer_behind_slow_hashes_is_answered() {
    let accounts = format!(
        "[https]\ntls = \"off\"\n[[user]]\nname = \"anna\"\nrole = \"operator\"\npassword = \"{HASH}\"\n"
    );
    let server = Server::start(&Setup { accounts, ..Setup::default() });
    let began_us = clock::now_us();
    assert_eq!(offer(&server, 0).expect("an answer").status, 401);
    let hash_us = clock::now_us() - began_us;
    let count = usize::try_from(HASHES_US.div_ceil(hash_us)).expect("few").max(2) - 1;
    let count = count.min(PASSWORDS_WAITING_MAX - 1);
    println!("a hash takes {} ms: {count} in front", hash_us / 1000);
    std::thread::scope(|scope| {
        for number in 1..=count {
            let server = &server;
            scope.spawn(move || offer(server, number));
        }
        std::thread::sleep(Duration::from_millis(200));
        let began_us = clock::now_us();
        let answer = offer(&server, count + 1);
        let took_ms = (clock::now_us() - began_us) / 1000;
        println!("the last was answered after {took_ms} ms: {answer:?}");
        let status = answer.expect("an answer").status;
        assert!(took_ms > HTTP_KEEP_ALIVE_MS, "{took_ms} ms are no test");
        // On a machine that became busy meanwhile it may have waited for too long.
        let expected = if took_ms < PASSWORD_WAIT_MS_MAX { 401 } else { 503 };
        assert_eq!(status, expected, "after {took_ms} ms");
    });
}
