//! Tests of the media socket on loopback.

use super::*;

fn receive_all(
    socket: &Socket,
    inbox: &mut Inbox,
    want: usize,
) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
    let mut all = Vec::new();
    for _ in 0..1000 {
        if let Ok(count) = socket.receive(inbox) {
            for index in 0..count {
                let datagram = inbox.datagram(index, 9);
                all.push((datagram.from, datagram.to, datagram.bytes.to_vec()));
            }
        }
        if all.len() >= want {
            break;
        }
        std::thread::yield_now();
    }
    all
}

#[test]
fn a_run_arrives_as_its_segments_from_the_address_that_was_asked() {
    let server = Socket::bind("[::]:0".parse().unwrap()).unwrap();
    let client = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), client.port().unwrap());
    let scratch: Vec<u8> = (0..2500u32).map(|value| value.to_le_bytes()[0]).collect();
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));
    let run = Message { offset: 100, bytes: 2400, segment_bytes: 1000, to, from };
    let single = Message { offset: 0, bytes: 50, segment_bytes: 50, to, from };
    assert_eq!(server.send(&scratch, &[run, single]).unwrap(), 2);
    let mut inbox = Box::new(Inbox::new());
    let got = receive_all(&client, &mut inbox, 4);
    let sizes: Vec<usize> = got.iter().map(|(_, _, bytes)| bytes.len()).collect();
    assert_eq!(sizes, [1000, 1000, 400, 50]);
    assert_eq!(got[1].2, scratch[1100..2100]);
    assert!(got.iter().all(|(source, ..)| source.ip() == from));
}

#[test]
fn a_datagram_tells_where_it_was_sent_to_and_ipv4_is_unmapped() {
    let server = Socket::bind("[::]:0".parse().unwrap()).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"hello", ("127.0.0.7", server.port().unwrap())).unwrap();
    let mut inbox = Box::new(Inbox::new());
    let got = receive_all(&server, &mut inbox, 1);
    assert_eq!(got[0].0, client.local_addr().unwrap());
    assert_eq!(got[0].1, "127.0.0.7:9".parse().unwrap());
    assert_eq!(got[0].2, b"hello");
}

#[test]
fn a_datagram_longer_than_the_room_is_dropped() {
    let server = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = ("127.0.0.1", server.port().unwrap());
    client.send_to(&[1; DATAGRAM_BYTES_MAX + 1], to).unwrap();
    client.send_to(&[2; DATAGRAM_BYTES_MAX], to).unwrap();
    let mut inbox = Box::new(Inbox::new());
    let got = receive_all(&server, &mut inbox, 2);
    assert_eq!(got[0].2.len(), 0);
    assert_eq!(got[1].2.len(), DATAGRAM_BYTES_MAX);
}

#[test]
fn the_socket_has_large_buffers_and_tells_of_gso() {
    let socket = Socket::bind("[::]:0".parse().unwrap()).unwrap();
    let (send, receive) = socket.buffer_bytes();
    assert!(send > 0 && receive > 0);
    assert!(socket.has_gso(), "every kernel since 4.18");
}

/// A port on which no socket listens any more.
fn closed(ip: &str) -> SocketAddr {
    UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap()
}

fn errors(socket: &Socket) -> Vec<IcmpError> {
    std::iter::from_fn(|| socket.next_error()).collect()
}

#[test]
fn an_icmp_error_names_the_address_and_is_nobody_elses_failure() {
    for (bound, ip) in [("[::]:0", "127.0.0.1"), ("[::]:0", "::1"), ("0.0.0.0:0", "127.0.0.1")] {
        let socket = Socket::bind(bound.parse().unwrap()).unwrap();
        let innocent = Socket::bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        let to = SocketAddr::new(ip.parse().unwrap(), innocent.port().unwrap());
        let (gone, any) = (closed(ip), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        for _ in 0..10 {
            socket.send_to(b"lost", gone, any).unwrap();
            // On loopback the error is there by now, and pending.
            socket.send_to(b"kept", to, any).unwrap();
        }
        let got = receive_all(&innocent, &mut Box::new(Inbox::new()), 10);
        assert_eq!(got.len(), 10, "{bound} {ip}");
        let told = errors(&socket);
        assert_eq!(
            told,
            [IcmpError { to: gone, is_unreachable: true, unreachable_by: None }; 10],
            "{bound} {ip}"
        );
        assert!(errors(&socket).is_empty());
    }
}

#[test]
fn a_batch_that_meets_icmp_errors_loses_none_of_the_innocents_runs() {
    let socket = Socket::bind("[::]:0".parse().unwrap()).unwrap();
    let innocent = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), innocent.port().unwrap());
    let (gone, from) = (closed("127.0.0.1"), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let scratch: Vec<u8> = (0..6000u32).map(|value| value.to_le_bytes()[1]).collect();
    let run = |to| Message { offset: 0, bytes: 6000, segment_bytes: 1000, to, from };
    let mut inbox = Box::new(Inbox::new());
    for round in 0..50 {
        let messages: Vec<Message> = [gone, to, gone, gone, to, gone].map(run).to_vec();
        let mut at = 0;
        while at < messages.len() {
            at += socket.send(&scratch, &messages[at..]).expect("no error is its own");
        }
        let got = receive_all(&innocent, &mut inbox, 12);
        assert_eq!(got.len(), 12, "round {round}");
        assert!(got.iter().all(|(_, _, bytes)| bytes.len() == 1000));
        assert!(errors(&socket).iter().all(|error| error.to == gone));
    }
}

#[test]
fn a_pending_icmp_error_does_not_hide_what_came() {
    let socket = Socket::bind("[::]:0".parse().unwrap()).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"hello", ("127.0.0.1", socket.port().unwrap())).unwrap();
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    socket.send_to(b"lost", closed("127.0.0.1"), any).unwrap();
    let mut inbox = Box::new(Inbox::new());
    assert_eq!(socket.receive(&mut inbox).unwrap(), 1);
    assert_eq!(inbox.datagram(0, 9).bytes, b"hello");
}

#[test]
fn another_threads_flood_of_icmp_errors_costs_no_datagram() {
    const DATAGRAMS: usize = 2000;
    let socket = Socket::bind("[::]:0".parse().unwrap()).unwrap();
    let innocent = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), innocent.port().unwrap());
    let (gone, any) = (closed("127.0.0.1"), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let (mut sent, mut got, mut told, mut refused) = (0, 0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = socket.send_to(b"lost", gone, any);
            }
        });
        let mut inbox = Box::new(Inbox::new());
        // On a busy machine the other thread may get no CPU for longer than all of this takes.
        while sent < DATAGRAMS || told <= DATAGRAMS / 20 && sent < 1000 * DATAGRAMS {
            sent += 1;
            refused += usize::from(socket.send_to(b"kept", to, any).is_err());
            got += receive_all(&innocent, &mut inbox, 1).len();
            // One at a time: while the queue holds more errors, the next one is pending.
            told += usize::from(socket.next_error().is_some());
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!((got, refused), (sent, 0));
    assert!(told > DATAGRAMS / 20, "{told} errors meanwhile");
}

#[test]
fn what_no_route_takes_is_refused() {
    let socket = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    // Nothing can be sent from an address that is not local.
    let from = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));
    assert!(socket.send_to(b"x", closed("127.0.0.1"), from).is_err());
    // Larger than any datagram: the call's own error, however often it is sent.
    let bytes = vec![0; 66_000];
    let message = Message {
        offset: 0,
        bytes: 65_600,
        segment_bytes: u16::MAX,
        to: closed("127.0.0.1"),
        from: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let error = socket.send(&bytes, &[message]).unwrap_err();
    assert!(matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::EINVAL)), "{error}");
}

#[test]
fn what_comes_to_the_port_comes_to_the_first_socket_by_both_families() {
    let server = Socket::bind("[::]:0".parse().unwrap()).unwrap();
    let port = server.port().unwrap();
    let mut inbox = Box::new(Inbox::new());
    for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
        for _ in 0..20 {
            let client = UdpSocket::bind(from).unwrap();
            client.send_to(b"hello", (to, port)).unwrap();
        }
        assert_eq!(receive_all(&server, &mut inbox, 20).len(), 20, "{from}");
    }
    assert!(UdpSocket::bind(("127.0.0.1", port)).is_err(), "the port is taken");
    assert!(Socket::bind(("0.0.0.0:".to_owned() + &port.to_string()).parse().unwrap()).is_err());
}

#[test]
fn who_is_apart_is_sent_to_from_the_same_port_and_loses_what_does_not_fit() {
    let server = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let [near, apart] = [1, 2].map(|last| {
        let client = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
        client
    });
    let stranger = IpAddr::from([192, 0, 2, 1]);
    let [apart_ip, own] = [2, 1].map(|last| IpAddr::from([127, 0, 0, last]));
    server.keep_apart(apart_ip, stranger, clock::now_us());
    assert!(!server.apart.has(apart_ip, clock::now_us()), "not the kernel's own word");
    server.keep_apart(apart_ip, own, clock::now_us());
    assert!(server.apart.has(apart_ip, clock::now_us()));
    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let message = |client: &UdpSocket| {
        let to = client.local_addr().unwrap();
        Message { offset: 0, bytes: 4, segment_bytes: 4, to, from }
    };
    let messages = [message(&near), message(&apart), message(&apart), message(&near)];
    let mut sent = 0;
    while sent < messages.len() {
        sent += server.send(b"abcd", &messages[sent..]).unwrap();
    }
    let mut bytes = [0; 8];
    for client in [&near, &near, &apart, &apart] {
        let (count, source) = client.recv_from(&mut bytes).expect("it came");
        assert_eq!((count, source.port()), (4, server.port().unwrap()));
    }
}
