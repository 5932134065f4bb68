//! Many viewers in one thread.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use weir::clock;

use super::{Options, Viewer};
use crate::common::whep::HttpError;

const DATAGRAM_BYTES: usize = 2048;

/// Runs the viewers until `until` says so, or at most for `timeout_us`; whether it did.
pub fn run(
    viewers: &mut [Viewer],
    timeout_us: u64,
    mut until: impl FnMut(&[Viewer]) -> bool,
) -> bool {
    let deadline_us = clock::now_us() + timeout_us;
    let mut buffer = [0; DATAGRAM_BYTES];
    let mut poll = Poll::new().expect("an epoll descriptor");
    let mut watched = Vec::new();
    for (at, viewer) in viewers.iter_mut().enumerate() {
        let clone = viewer.socket.try_clone().expect("a descriptor");
        let mut socket = mio::net::UdpSocket::from_std(clone);
        let registered = poll.registry().register(&mut socket, Token(at), Interest::READABLE);
        registered.expect("epoll takes a socket");
        watched.push(socket);
        viewer.read(&mut buffer);
    }
    let mut events = Events::with_capacity(256);
    let mut next_us = 0;
    loop {
        let now_us = clock::now_us();
        if now_us >= next_us {
            let turns = viewers.iter_mut().map(|viewer| viewer.turn(now_us));
            next_us = turns.min().unwrap_or(u64::MAX);
        }
        if until(viewers) {
            return true;
        }
        if now_us >= deadline_us {
            return false;
        }
        let wait_us = next_us.min(deadline_us).saturating_sub(now_us);
        if let Err(error) = poll.poll(&mut events, Some(Duration::from_micros(wait_us))) {
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "epoll");
            continue;
        }
        for event in &events {
            let viewer = &mut viewers[event.token().0];
            viewer.read(&mut buffer);
            next_us = next_us.min(viewer.next_us());
        }
    }
}

/// The same for one viewer.
pub fn run_one(
    viewer: &mut Viewer,
    timeout_us: u64,
    mut until: impl FnMut(&Viewer) -> bool,
) -> bool {
    run(std::slice::from_mut(viewer), timeout_us, |viewers| until(&viewers[0]))
}

/// Viewers that share a loopback address: a wall is many machines.
const VIEWERS_AN_ADDRESS: usize = 16;

/// The options of viewer `number`: on loopback each 16 have an address.
pub fn own_address(options: &Options, number: usize) -> Options {
    let mut options = options.clone();
    if options.local == Ipv4Addr::LOCALHOST {
        let host = u8::try_from(1 + number / VIEWERS_AN_ADDRESS).unwrap_or(1);
        options.local = Ipv4Addr::new(127, 0, 0, host).into();
    }
    options
}

/// Connects one viewer for each of `cameras`, all offers at once, and runs them until their
/// handshakes are done. The order is that of `cameras`; on loopback each 16 have an address.
pub fn connect_all(
    http: SocketAddr,
    cameras: &[String],
    options: &Options,
    timeout_us: u64,
) -> Vec<Result<Viewer, HttpError>> {
    std::thread::scope(|scope| {
        let offers = cameras.iter().enumerate().map(|(number, camera)| {
            scope.spawn(move || {
                let options = own_address(options, number);
                let mut viewer = Viewer::connect_with(http, camera, &options)?;
                run(std::slice::from_mut(&mut viewer), timeout_us, |viewers| {
                    viewers[0].is_connected() || viewers[0].ended.is_some()
                });
                Ok(viewer)
            })
        });
        let offers: Vec<_> = offers.collect();
        let joined = offers.into_iter().map(|offer| offer.join());
        joined.map(|viewer| viewer.expect("a viewer's thread did not panic")).collect()
    })
}
