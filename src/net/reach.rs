//! Connects to the first of a host's addresses that answers.
//!
//! An address that does not answer delays the next one only briefly (RFC 8305 section 5). At most
//! [`NAME_ADDRESSES_MAX`] connections are attempted at once; the slower ones are closed. The caller
//! must set a time-out for the whole.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use heapless::Vec;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::limits::{
    CAMERA_RECEIVE_BUFFER_BYTES, CAMERA_SEND_BUFFER_BYTES, NAME_ADDRESSES_MAX, NAME_NEXT_ADDRESS_MS,
};

/// A connection attempt, and the position of its address in the list.
type Try = (usize, Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>);

/// Connects to one of `addresses`; earlier ones are started earlier.
///
/// # Errors
/// No connection succeeded. The error is that of the earliest address, since that is the preferred
/// one; `NotFound` if `addresses` is empty.
pub async fn connect_to_first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut left = addresses.iter().copied().enumerate().take(NAME_ADDRESSES_MAX);
    let mut tries = Vec::<Try, NAME_ADDRESSES_MAX>::new();
    let mut refused: Option<(usize, io::Error)> = None;
    loop {
        let next = left.next();
        let is_last = next.is_none();
        if let Some((place, address)) = next {
            let trying: Try = (place, Box::pin(open(address)));
            // It has room for every address tried.
            let _ = tries.push(trying);
        }
        if tries.is_empty() {
            let none = || io::Error::new(io::ErrorKind::NotFound, "no address");
            return Err(refused.map_or_else(none, |(_, error)| error));
        }
        let ended = match is_last {
            true => Some(first_ended(&mut tries).await),
            false => {
                let patience = Duration::from_millis(NAME_NEXT_ADDRESS_MS);
                timeout(patience, first_ended(&mut tries)).await.ok()
            }
        };
        match ended {
            Some((_, Ok(socket))) => return Ok(socket),
            Some((place, Err(error)))
                if refused.as_ref().is_none_or(|(first, _)| place < *first) =>
            {
                refused = Some((place, error));
            }
            Some(_) | None => {}
        }
    }
}

/// Connects, with socket buffers of a fixed size: for 64 cameras, the kernel would let them grow
/// beyond the size of the whole program.
async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_recv_buffer_size(CAMERA_RECEIVE_BUFFER_BYTES)?;
    socket.set_send_buffer_size(CAMERA_SEND_BUFFER_BYTES)?;
    socket.connect(address).await
}

/// Waits until one of the attempts ends, and removes it.
async fn first_ended(tries: &mut Vec<Try, NAME_ADDRESSES_MAX>) -> (usize, io::Result<TcpStream>) {
    poll_fn(|context| {
        for index in 0..tries.len() {
            if let Poll::Ready(ended) = tries[index].1.as_mut().poll(context) {
                let (place, _) = tries.remove(index);
                return Poll::Ready((place, ended));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// A listener that answers no SYN because its queue is full, and the sockets that fill it.
    fn silent() -> (SocketAddr, std::vec::Vec<Socket>) {
        let new = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let listener = new();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        listener.listen(0).expect("listens");
        let address = listener.local_addr().expect("bound").as_socket().expect("of IP");
        let mut kept = vec![listener];
        for _ in 0..4 {
            let client = new();
            client.set_nonblocking(true).expect("set");
            let _ = client.connect(&address.into());
            kept.push(client);
        }
        (address, kept)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_address_that_says_nothing_keeps_the_next_waiting_for_a_moment() {
        let (silent, _kept) = silent();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let good = listener.local_addr().expect("bound");
        let began_us = crate::clock::now_us();
        let socket = connect_to_first(&[silent, good]).await.expect("the second");
        assert_eq!(socket.peer_addr().expect("connected"), good);
        let took_us = crate::clock::now_us() - began_us;
        assert!((NAME_NEXT_ADDRESS_MS * 1_000..1_000_000).contains(&took_us), "{took_us} us");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_the_first_says_is_told() {
        let refusing = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let unreachable = SocketAddr::from(([255, 255, 255, 255], 1));
        let error = connect_to_first(&[refusing(1), unreachable]).await.expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect_to_first(&[]).await.is_err());
    }
}
