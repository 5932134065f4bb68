//! Many TLS clients at once, honest and not: what they cost, and that they keep nobody out.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustls::StreamOwned;
use weir::clock;
use weir::limits::{
    HTTP_EVICTABLE_US, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, OFFER_BYTES_MAX, PROFILE,
};

use super::common::server::{CameraEntry, Server, Setup, wait_for};
use super::common::tls::{Crowd, Encrypted, ask};
use super::common::whep;

/// Connections that one address may have, with some to spare.
const PER_ADDRESS: usize = 16;
const CONNECTIONS: usize = 64;
/// What a TLS connection at rest may take of the library heap, HTTP's 22 KiB included, each block
/// rounded up to its size class.
const CONNECTION_BYTES_MAX: f64 = 34.0 * 1024.0;
/// What those may take together that are all in the middle of a record of 16 KiB.
const RECORDS_BYTES_MAX: f64 = 64.0 * 36.0 * 1024.0 + 8.0 * 48.0 * 1024.0;

fn setup() -> Setup {
    Setup {
        https: "tls = \"self-signed\"".to_owned(),
        host: "0.0.0.0".to_owned(),
        ..Setup::default()
    }
}

fn server() -> Server {
    Server::start(&setup())
}

/// The address of the `index`th of a crowd: every [`PER_ADDRESS`] share one.
fn local(index: usize) -> IpAddr {
    let last = u8::try_from(10 + index / PER_ADDRESS).expect("a small crowd");
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn reach(mut address: SocketAddr) -> SocketAddr {
    address.set_ip(Ipv4Addr::LOCALHOST.into());
    address
}

fn heap(server: &Server, what: &str) -> f64 {
    server.metric(&format!("weir_library_heap_{what}_bytes")).expect("a gauge")
}

/// The gauge is written twice a second.
fn settle() {
    std::thread::sleep(Duration::from_millis(700));
}

#[test]
fn sixty_four_connections_have_their_memory() {
    let mut server = server();
    server.http = reach(server.http);
    let https = reach(server.https);
    let crowd = Crowd::new();
    drop(crowd.get(local(0), https, "/healthz").expect("an answer"));
    settle();
    let before = heap(&server, "used");
    let mut open: Vec<Encrypted> = Vec::new();
    for index in 0..CONNECTIONS {
        open.push(crowd.get(local(index), https, "/").expect("an answer"));
    }
    settle();
    let each = (heap(&server, "used") - before) / 64.0;
    println!("{each:.0} bytes for each of {CONNECTIONS} TLS connections that had a page");
    assert!(each < CONNECTION_BYTES_MAX, "{each}");
    drop(open);

    // All at once: the handshakes come together.
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|index| {
            let crowd = crowd.clone();
            std::thread::spawn(move || crowd.get(local(index), https, "/healthz"))
        })
        .collect();
    let open: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    assert!(open.iter().all(Result::is_ok), "all were let in");
    settle();
    let high = heap(&server, "high_water");
    println!("{high:.0} bytes of the library heap at most, {before:.0} before");
    drop(open);
    assert!(wait_for(2_000_000, || heap(&server, "used") < before + 65_536.0), "given back");
}

#[test]
fn unfinished_records_have_their_memory_too_and_keep_no_offer_waiting() {
    let mut server = server();
    server.http = reach(server.http);
    let https = reach(server.https);
    let crowd = Crowd::new();
    settle();
    let before = heap(&server, "used");
    let mut open: Vec<Encrypted> = Vec::new();
    for index in 0..CONNECTIONS - 1 {
        let mut stream = crowd.get(local(index), https, "/healthz").expect("an answer");
        let record = [&[23, 3, 3, 0x41, 0][..], &[7; 0x4000]].concat();
        stream.sock.write_all(&record).expect("sent");
        open.push(stream);
    }
    settle();
    let taken = heap(&server, "used") - before;
    let places = server.metric("weir_tls_large_records").expect("a gauge");
    println!("{taken:.0} bytes for {} unfinished records, {places} of them large", open.len());
    assert!(taken < RECORDS_BYTES_MAX, "{taken}");
    assert!((1.0..=8.0).contains(&places), "{places}");
    assert_offer_is_answered(&crowd, https);
}

/// An offer as long as they may be, in one record.
fn assert_offer_is_answered(crowd: &Crowd, https: SocketAddr) {
    let mut honest = crowd.get(Ipv4Addr::LOCALHOST.into(), https, "/healthz").expect("an answer");
    let began_us = clock::now_us();
    let body = "v".repeat(15_000);
    write!(
        honest,
        "POST /none/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = [0; 64];
    let bytes = honest.read(&mut answer).expect("an answer");
    let took_us = clock::now_us() - began_us;
    println!("the offer was answered after {} ms", took_us / 1000);
    let text = String::from_utf8_lossy(&answer[..bytes]);
    assert!(text.starts_with("HTTP/1.1 404 "), "{text} after {took_us} us");
    assert!(took_us < 2_000_000);
}

/// What rustls puts into one record.
const RECORD_BYTES: usize = 16_384;

/// Takes all places for large records, with a record of requests on each connection; no answer is
/// read.
fn assert_pipelined_keep_no_offer_waiting(server: &Server, crowd: &Crowd, request: &str) {
    let https = reach(server.https);
    let mut open: Vec<Encrypted> = Vec::new();
    for _ in 0..PROFILE.tls_large_records {
        let mut stream = crowd.get(local(0), https, "/healthz").expect("an answer");
        let requests = request.repeat(RECORD_BYTES / request.len());
        stream.write_all(requests.as_bytes()).expect("sent");
        open.push(stream);
    }
    let taken = || server.metric("weir_tls_large_records");
    let all = PROFILE.tls_large_records as f64;
    assert!(wait_for(2_000_000, || taken() == Some(all)), "{:?} of {all}", taken());
    assert_offer_is_answered(crowd, https);
}

#[test]
fn answers_that_nobody_reads_keep_no_offer_waiting() {
    let mut server = server();
    server.http = reach(server.http);
    let request = "GET /-/style.css HTTP/1.1\r\nHost: weir\r\n\r\n";
    assert_pipelined_keep_no_offer_waiting(&server, &Crowd::new(), request);
}

#[test]
fn requests_that_wait_keep_no_offer_waiting() {
    // A camera that says nothing: offers for it wait for 2 s each.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("rtsp://{}/gate", silent.local_addr().expect("bound"));
    let mut server = Server::start(&Setup {
        cameras: vec![CameraEntry { name: "gate".to_owned(), url, login: None }],
        ..setup()
    });
    server.http = reach(server.http);
    let request = "POST /gate/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n\
                   Content-Length: 3\r\n\r\nv=0";
    assert_pipelined_keep_no_offer_waiting(&server, &Crowd::new(), request);
}

/// The end of the handshake and `request` as one write, but for its last `held` bytes.
fn send_with_the_end_of_the_handshake(stream: &mut Encrypted, request: &[u8], held: usize) {
    let StreamOwned { conn, sock } = stream;
    while conn.is_handshaking() {
        while conn.wants_write() {
            conn.write_tls(sock).expect("sent");
        }
        conn.read_tls(sock).expect("a flight");
        conn.process_new_packets().expect("a server that can be trusted");
    }
    let mut bytes = Vec::new();
    conn.writer().write_all(request).expect("room for it");
    while conn.wants_write() {
        conn.write_tls(&mut bytes).expect("memory");
    }
    let (now, later) = bytes.split_at(bytes.len() - held);
    sock.write_all(now).expect("sent");
    if held > 0 {
        std::thread::sleep(Duration::from_millis(50));
        sock.write_all(later).expect("sent");
    }
}

#[test]
fn the_longest_offer_may_come_with_the_end_of_the_handshake() {
    let server = server();
    let crowd = Crowd::new();
    let mut head = format!(
        "POST /none/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n\
         Content-Length: {OFFER_BYTES_MAX}\r\n"
    );
    for number in 3..HTTP_HEADERS_MAX {
        head += &format!("X-{number}: {}\r\n", "x".repeat(118));
    }
    let request = format!("{head}\r\n{}", "v".repeat(OFFER_BYTES_MAX));
    assert!((head.len() + 200..head.len() + 600).contains(&HTTP_HEAD_BYTES_MAX));
    for held in [0, 1, 400, 2000, 6000, 12_000] {
        let mut stream = crowd.connect(local(0), reach(server.https)).expect("a place");
        send_with_the_end_of_the_handshake(&mut stream, request.as_bytes(), held);
        let mut answer = [0; 64];
        let bytes = stream.read(&mut answer).unwrap_or_else(|error| panic!("{held}: {error}"));
        assert!(answer[..bytes].starts_with(b"HTTP/1.1 404 "), "{held}: {answer:?}");
    }
}

#[test]
fn two_hundred_half_open_handshakes_keep_nobody_out() {
    let mut server = server();
    server.http = reach(server.http);
    let https = reach(server.https);
    let crowd = Crowd::new();
    let mut half_open: Vec<TcpStream> = Vec::new();
    for index in 0..200 {
        let local = Ipv4Addr::new(127, 0, 1, 1 + u8::try_from(index % 40).expect("small"));
        let mut stream = whep::dial(Some(local.into()), https).expect("the kernel accepts");
        // Some say nothing, some begin a record, some a hello that never ends.
        match index % 3 {
            0 => {}
            1 => stream.write_all(&[22, 3, 1]).expect("sent"),
            _ => {
                let hello = [&[22, 3, 1, 16, 0, 1, 0, 0xff, 0xf0][..], &[3; 1000]].concat();
                stream.write_all(&hello).expect("sent");
            }
        }
        half_open.push(stream);
    }
    for turn in 0..5 {
        // Who has only just come is not asked to make room.
        std::thread::sleep(Duration::from_micros(HTTP_EVICTABLE_US));
        let began_us = clock::now_us();
        let honest = crowd.get(Ipv4Addr::LOCALHOST.into(), https, "/healthz");
        let took_us = clock::now_us() - began_us;
        println!("turn {turn}: let in after {} ms", took_us / 1000);
        // By turns of 0.25 s it is up to 1.8 s; a busy machine adds to that.
        assert!(honest.is_ok() && took_us < 3_000_000, "{honest:?} after {took_us} us");
    }
    assert!(
        server.metric("weir_tls_handshakes").expect("a gauge") <= PROFILE.tls_handshakes as f64
    );
    // Each is ended, without having cost more than its place.
    assert!(wait_for(10_000_000, || server.metric("weir_tls_handshakes") == Some(0.0)));
    for stream in &mut half_open {
        stream.set_read_timeout(Some(Duration::from_secs(6))).expect("a socket");
        let ended = stream.read(&mut [0; 64]);
        assert!(matches!(ended, Ok(0) | Ok(7)) || ended.is_err(), "{ended:?}");
    }
}

#[test]
fn who_sends_much_and_says_nothing_is_ended() {
    let mut server = server();
    server.http = reach(server.http);
    let https = reach(server.https);
    // A ClientHello of 64 KiB in records of 16: rustls would wait for all of it.
    let mut stream = whep::dial(None, https).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    let mut sent = 0;
    let hello = [&[22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xf0][..], &[3; 0x4000 - 4]].concat();
    let record = [&[22, 3, 1, 0x40, 0][..], &[3; 0x4000]].concat();
    for bytes in [&hello, &record, &record] {
        if stream.write_all(bytes).is_err() {
            break;
        }
        sent += bytes.len();
        std::thread::sleep(Duration::from_millis(30));
    }
    let ended = stream.read(&mut [0; 64]);
    assert!(matches!(ended, Ok(0)) || ended.is_err(), "{ended:?} after {sent} bytes");
    assert!(server.metric("weir_tls_failed_total") >= Some(1.0));
    let mut honest = Crowd::new().get(local(0), https, "/healthz").expect("an answer");
    ask(&mut honest, "/healthz").expect("and another");
}
