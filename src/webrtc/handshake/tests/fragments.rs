//! A ClientHello in two datagrams, as browsers send one with a post-quantum key share: in either
//! order, and with either half lost.

use super::*;

const RECORD_HEADER_BYTES: usize = 13;
const MESSAGE_HEADER_BYTES: usize = 12;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Gives each record of epoch 0 twice its number, so that there is room for halves between them.
fn renumber(datagram: &mut [u8]) {
    let mut rest = datagram;
    while rest.len() >= RECORD_HEADER_BYTES && (20..64).contains(&rest[0]) {
        let body = usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        if rest[3..5] == [0, 0] {
            let number = u16::from_be_bytes([rest[9], rest[10]]);
            rest[9..11].copy_from_slice(&(2 * number).to_be_bytes());
        }
        rest = &mut rest[RECORD_HEADER_BYTES + body..];
    }
}

/// The two fragments (RFC 6347 section 4.2.3) of a ClientHello that is a datagram of its own;
/// `None` of any other datagram.
fn halves(datagram: &[u8]) -> Option<[Vec<u8>; 2]> {
    let (record, message) = datagram.split_at_checked(RECORD_HEADER_BYTES)?;
    let (header, body) = message.split_at_checked(MESSAGE_HEADER_BYTES)?;
    if record[0] != HANDSHAKE || header[0] != CLIENT_HELLO {
        return None;
    }
    let middle = body.len() / 2;
    let part = |at: usize, bytes: &[u8]| {
        let length = |bytes: usize| u16::try_from(bytes).expect("short").to_be_bytes();
        let mut part = record.to_vec();
        part[10] += u8::from(at > 0);
        part[11..13].copy_from_slice(&length(MESSAGE_HEADER_BYTES + bytes.len()));
        part.extend(&header[..6]);
        for figure in [at, bytes.len()] {
            part.push(0);
            part.extend(length(figure));
        }
        part.extend(bytes);
        part
    };
    Some([part(0, &body[..middle]), part(middle, &body[middle..])])
}

/// Connects with a client of whose ClientHellos that arrives which `arrange` makes of their halves.
fn connect(mut arrange: impl FnMut([Vec<u8>; 2]) -> Vec<Vec<u8>>) {
    let mut link = Link::new(Client::new());
    let mut hellos = 0;
    let end = link.run_from(
        5_000_000,
        |mut datagram| {
            renumber(&mut datagram);
            match halves(&datagram) {
                Some(halves) => {
                    hellos += 1;
                    arrange(halves)
                }
                None => vec![datagram],
            }
        },
        |_| true,
    );
    connected(end);
    assert!(hellos > 0);
}

#[test]
fn a_client_hello_in_two_datagrams_connects_in_either_order() {
    connect(|halves| halves.into());
    connect(|[first, second]| vec![second, first]);
}

#[test]
fn half_a_client_hello_that_was_lost_comes_again() {
    for lost in 0..2 {
        let mut losses = 0;
        connect(|halves| {
            losses += 1;
            let mut halves = Vec::from(halves);
            if losses == 1 {
                halves.remove(lost);
            }
            halves
        });
        assert!(losses > 1, "the client sent it again");
    }
}
