//! Answers that nobody reads: what the kernel holds for them is bounded by the connections that
//! have a place, also when these are closed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::common::server::{Server, Setup, wait_for};

/// The largest page that is always there, 9 KB.
const PAGE: &str = "/-/style.css";
const CONNECTIONS: usize = 300;
/// Those with a place, and as many that wait for one or are told that there is none.
const HOLDING_MAX: usize = 150;
const PATIENCE_US: u64 = 20_000_000;

/// Asks for the page by a connection that ends with it, and reads nothing yet.
fn asks(server: SocketAddr, number: usize) -> TcpStream {
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    client.set_recv_buffer_size(2048).expect("ours");
    let last = u8::try_from(1 + number % 200).expect("below 256");
    client.bind(&SocketAddr::from(([127, 0, 1, last], 0)).into()).expect("loopback");
    client.connect(&server.into()).expect("it listens");
    let mut client = TcpStream::from(client);
    let request = format!("GET {PAGE} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).expect("room");
    client
}

/// Sockets of the server's port that hold bytes to be sent.
fn holding(server: SocketAddr) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc");
    let port = format!(":{:04X}", server.port());
    let holds = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&port) && !fields[4].starts_with("00000000:")
    };
    table.lines().skip(1).filter(|line| holds(line)).count()
}

#[test]
fn closed_connections_hold_nothing_for_clients_that_do_not_read() {
    let server = Server::start(&Setup { http: "open = true".to_owned(), ..Setup::default() });
    let mut most = 0;
    let clients: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|number| {
            let client = asks(server.http, number);
            most = most.max(holding(server.http));
            client
        })
        .collect();
    assert!(most > 0, "what is not read is held");
    assert!(most <= HOLDING_MAX, "{most} sockets hold answers that nobody reads");
    let is_over = wait_for(PATIENCE_US, || holding(server.http) == 0);
    assert!(is_over, "{} sockets still hold answers", holding(server.http));
    drop(clients);
}

#[test]
fn a_client_that_reads_a_second_later_has_the_whole_page() {
    let server = Server::start(&Setup { http: "open = true".to_owned(), ..Setup::default() });
    let whole = server.get(PAGE).body;
    let mut client = asks(server.http, 0);
    // The client's own pause: what is tried is that weir outlasts it.
    std::thread::sleep(Duration::from_secs(1));
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an end and no reset");
    assert!(answer.ends_with(&whole), "{} of {} bytes", answer.len(), whole.len());
}
