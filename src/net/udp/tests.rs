//! The media socket on loopback.

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
