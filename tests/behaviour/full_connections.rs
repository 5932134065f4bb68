//! All HTTP connections taken by two addresses that ask again and again: another is answered.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use weir::clock;
use weir::limits::{HTTP_EVICTABLE_US, PROFILE};

use super::common::server::{Server, Setup, wait_for};
use super::common::whep;

const ANSWER_US_MAX: u64 = 2_000_000;
/// Twice in the time that a connection is left alone.
const ASK_EVERY: Duration = Duration::from_micros(HTTP_EVICTABLE_US / 2);
const PAGES: usize = 5;

/// Has `count` connections from `local` and asks on all of them until it `is_over`; one that weir
/// closes is opened again. `answered` counts.
fn ask_ever_again(
    http: SocketAddr,
    local: IpAddr,
    count: usize,
    is_over: &AtomicBool,
    answered: &AtomicUsize,
) {
    let mut open: Vec<Option<TcpStream>> = (0..count).map(|_| None).collect();
    while !is_over.load(Relaxed) {
        for place in &mut open {
            let stream = place.take().or_else(|| {
                let stream = whep::dial(Some(local), http).ok()?;
                stream.set_read_timeout(Some(ASK_EVERY)).ok()?;
                Some(stream)
            });
            *place = stream.filter(|mut stream| {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\n").is_ok()
            });
        }
        for place in &mut open {
            let mut answer = [0; 1024];
            let read = place.as_mut().map(|stream| stream.read(&mut answer));
            match read {
                Some(Ok(1..)) if answer.starts_with(b"HTTP/1.1 200 ") => {
                    answered.fetch_add(1, Relaxed);
                }
                // It waits for a place.
                Some(Err(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => *place = None,
            }
        }
        std::thread::sleep(ASK_EVERY / 2);
    }
}

#[test]
fn who_asks_again_and_again_keeps_nobody_out() {
    let server = Server::start(&Setup::default());
    let http = server.http;
    let each = PROFILE.http_connections_per_address;
    assert_eq!(2 * each, PROFILE.http_connections, "two addresses can have them all");
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for last in [100, 101] {
            let local = Ipv4Addr::new(127, 0, 0, last).into();
            let (is_over, answered) = (&is_over, &answered);
            scope.spawn(move || ask_ever_again(http, local, each, is_over, answered));
        }
        let looked = std::panic::catch_unwind(|| {
            let all = wait_for(ANSWER_US_MAX, || answered.load(Relaxed) > 4 * 2 * each);
            assert!(all, "{} answers", answered.load(Relaxed));
            for page in 0..PAGES {
                let began_us = clock::now_us();
                let local = Some(Ipv4Addr::LOCALHOST.into());
                let answer = whep::request_from(local, http, "GET", "/healthz", &[], "");
                let took_us = clock::now_us() - began_us;
                let status = answer.map_or_else(|error| error.status, |answer| answer.status);
                println!("page {page}: {status} after {} ms", took_us / 1000);
                assert_eq!(status, 200, "after {took_us} us");
                assert!(took_us < ANSWER_US_MAX, "{took_us}");
            }
        });
        is_over.store(true, Relaxed);
        looked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}
