//! More connections than there are places, whose requests become readable as they are told to
//! leave, and which then wait for as long as a request can: for a password's hash, for a body that
//! does not come. From two addresses and from 64, plain and encrypted. weir keeps to its table and
//! to its memory, and honest clients are served meanwhile.
//!
//! `WEIR_ATTACK_S=60 cargo test --test behaviour evicted_connections` does it for a minute each.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weir::clock;
use weir::limits::PROFILE;

use crate::common::server::{Server, Setup};
use crate::common::tls::Crowd;
use crate::common::whep;

/// Of "correct horse".
const HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";
const ATTACKERS: usize = 8;
/// Connections of an attacker at once: with all of them, twice the table.
const BATCH: usize = PROFILE.http_connections.div_ceil(4);
/// When a connection at rest may be told to leave, less what a request needs to get there.
const NEARLY_EVICTABLE: Duration = Duration::from_millis(95);
const PAGE_US_MAX: u64 = 2_000_000;

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn seconds() -> u64 {
    std::env::var("WEIR_ATTACK_S").map_or(3, |seconds| seconds.parse().expect("a number"))
}

fn server(tls: bool) -> Server {
    let mode = if tls { "self-signed" } else { "off" };
    let mut server = Server::start(&Setup {
        host: "0.0.0.0".to_owned(),
        https: format!("tls = \"{mode}\""),
        accounts: format!(
            "[[user]]\nname = \"anna\"\nrole = \"operator\"\npassword = \"{HASH}\"\n"
        ),
        ..Setup::default()
    });
    server.http.set_ip(Ipv4Addr::LOCALHOST.into());
    server.https.set_ip(Ipv4Addr::LOCALHOST.into());
    server
}

/// Of the largest head that is taken: a password to be hashed, or a body that does not come.
fn request(number: usize) -> String {
    let padding = "X-Padding: 0123456789012345678901234567890123456789\r\n".repeat(24);
    if number.is_multiple_of(2) {
        let basic = STANDARD.encode(format!("anna:guess {}", number / 64));
        format!(
            "GET /api/cameras HTTP/1.1\r\nHost: weir\r\nAuthorization: Basic {basic}\r\n{padding}\r\n"
        )
    } else {
        format!(
            "POST /-/login HTTP/1.1\r\nHost: weir\r\nContent-Length: 100\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n{padding}\r\nuser="
        )
    }
}

struct Attack<'a> {
    target: SocketAddr,
    crowd: Option<&'a Crowd>,
    addresses: usize,
    is_over: &'a AtomicBool,
    sent: &'a AtomicUsize,
}

impl Attack<'_> {
    fn connect(&self, from: IpAddr) -> io::Result<Box<dyn Stream>> {
        match self.crowd {
            Some(crowd) => Ok(Box::new(crowd.get(from, self.target, "/healthz")?)),
            None => {
                let stream = whep::dial(Some(from), self.target)?;
                stream.set_write_timeout(Some(Duration::from_secs(1)))?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            }
        }
    }

    /// Connects, waits until the connections may be told to leave, and has all ask at once.
    fn run(&self, attacker: usize) {
        let mut before: Vec<Box<dyn Stream>> = Vec::new();
        let mut number = attacker;
        while !self.is_over.load(Ordering::Relaxed) {
            let mut batch = Vec::new();
            for _ in 0..BATCH {
                number += ATTACKERS;
                let last = u8::try_from(10 + number % self.addresses).expect("at most 64");
                if let Ok(mut stream) = self.connect(Ipv4Addr::new(127, 0, 0, last).into()) {
                    let text = request(number);
                    let (most, last) = text.split_at(text.len() - 8);
                    if stream.write_all(most.as_bytes()).is_ok() {
                        batch.push((stream, last.to_owned()));
                    }
                }
            }
            std::thread::sleep(NEARLY_EVICTABLE);
            for (stream, last) in &mut batch {
                if stream.write_all(last.as_bytes()).and_then(|()| stream.flush()).is_ok() {
                    self.sent.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Those of the round before wait all the while.
            before = batch.into_iter().map(|(stream, _)| stream).collect();
        }
        drop(before);
    }
}

/// The sockets that the process has open: its own word is not taken for it.
fn sockets(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.pid());
    let entries = std::fs::read_dir(folder).expect("weir lives");
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// A page from an address of its own, over what the attack is over; how long it took.
fn page(server: &Server, crowd: Option<&Crowd>) -> u64 {
    let begun_us = clock::now_us();
    let from = IpAddr::from([127, 0, 0, 200]);
    while clock::now_us() < begun_us + 10 * PAGE_US_MAX {
        let got = match crowd {
            Some(crowd) => crowd.get(from, server.https, "/-/style.css").is_ok(),
            None => {
                let got =
                    whep::request_from(Some(from), server.http, "GET", "/-/style.css", &[], "");
                got.is_ok_and(|answer| answer.status == 200)
            }
        };
        // A browser asks again after a 503 too.
        if got {
            break;
        }
    }
    clock::now_us() - begun_us
}

fn attack(tls: bool, addresses: usize) {
    let server = server(tls);
    let crowd = tls.then(Crowd::new);
    let at_rest = sockets(&server);
    let (is_over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut most, mut slowest_us, mut pages) = (0, 0, 0);
    std::thread::scope(|scope| {
        for attacker in 0..ATTACKERS {
            let target = if tls { server.https } else { server.http };
            let (crowd, is_over, sent) = (crowd.as_ref(), &is_over, &sent);
            let attack = Attack { target, crowd, addresses, is_over, sent };
            scope.spawn(move || attack.run(attacker));
        }
        let until_us = clock::now_us() + seconds() * 1_000_000;
        while clock::now_us() < until_us {
            for _ in 0..10 {
                most = most.max(sockets(&server));
                std::thread::sleep(Duration::from_millis(5));
            }
            slowest_us = slowest_us.max(page(&server, crowd.as_ref()));
            pages += 1;
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let high = server.metric("weir_library_heap_high_water_bytes").expect("weir lives");
    let sent = sent.load(Ordering::Relaxed);
    println!(
        "{addresses} addresses, tls {tls}: {sent} requests, {most} sockets at most ({at_rest} at \
         rest), heap {high:.0}, slowest of {pages} pages {slowest_us} us"
    );
    assert!(sent > BATCH, "{sent} requests");
    // Refusals and the diagnostics port have a few of their own; so has one being accepted.
    let spare = weir::limits::HTTP_REFUSALS_MAX + weir::limits::DIAGNOSTICS_CONNECTIONS_MAX + 2;
    assert!(most <= at_rest + PROFILE.http_connections + spare, "{most} sockets");
    let region = PROFILE.library_heap_bytes;
    assert!(high < 0.85 * f64::from(u32::try_from(region).expect("a small heap")), "{high}");
    assert!(slowest_us < PAGE_US_MAX, "a page took {slowest_us} us");
    let healthy = TcpStream::connect(server.http).is_ok();
    assert!(healthy && !server.log().contains("exhausted"), "{}", server.log());
}

#[test]
fn from_two_addresses_they_keep_to_the_table() {
    attack(false, 2);
}

#[test]
fn from_sixty_four_addresses_they_keep_to_the_table() {
    attack(false, 64);
}

#[test]
fn encrypted_they_keep_to_the_table() {
    attack(true, 2);
    attack(true, 64);
}
