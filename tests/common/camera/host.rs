//! The cameras' thread: one readiness loop over their connections, and the frames' times.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use weir::clock;

use super::Site;
use super::peer::{Flow, Peer};
use super::picture::Noise;

const LISTENER: Token = Token(0);
/// epoll counts in milliseconds; what is nearer than this is slept exactly.
const EXACT_US: u64 = 2_000;
const IDLE_US: u64 = 20_000;

/// What a peer does at its time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Frame,
    Sound,
    Piece,
}

pub(super) struct Host {
    poll: Poll,
    listener: TcpListener,
    sites: Arc<Vec<Site>>,
    peers: HashMap<usize, Peer>,
    /// When each playing peer's next frame and sound are due, and the next piece of one that is
    /// being sent.
    due: BinaryHeap<Reverse<(u64, usize, Work)>>,
    next_token: usize,
    noise: Noise,
    stop: Arc<AtomicBool>,
}

impl Host {
    pub(super) fn new(listener: StdListener, sites: Arc<Vec<Site>>, stop: Arc<AtomicBool>) -> Self {
        listener.set_nonblocking(true).expect("a socket");
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new().expect("an epoll descriptor");
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .expect("epoll takes a listener");
        Self {
            poll,
            listener,
            sites,
            peers: HashMap::new(),
            due: BinaryHeap::new(),
            next_token: 1,
            noise: Noise::new(7),
            stop,
        }
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        while !self.stop.load(Ordering::Relaxed) {
            self.wait(&mut events);
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    token => self.turn(token.0),
                }
            }
            self.work();
        }
    }

    fn wait(&mut self, events: &mut Events) {
        let next_us = self.due.peek().map_or(u64::MAX, |Reverse((at_us, ..))| *at_us);
        let wait_us = next_us.saturating_sub(clock::now_us()).min(IDLE_US);
        let exact = wait_us < EXACT_US;
        let poll_ms = if exact { 0 } else { (wait_us - EXACT_US / 2) / 1_000 };
        let polled = self.poll.poll(events, Some(Duration::from_millis(poll_ms)));
        if let Err(error) = polled {
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "epoll");
        }
        if exact && events.is_empty() {
            std::thread::sleep(Duration::from_micros(wait_us));
        }
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let token = self.next_token;
            self.next_token += 1;
            let both = Interest::READABLE | Interest::WRITABLE;
            let registered = self.poll.registry().register(&mut stream, Token(token), both);
            if registered.is_ok() && stream.set_nodelay(true).is_ok() {
                self.peers.insert(token, Peer::new(stream));
            }
        }
    }

    fn turn(&mut self, token: usize) {
        let Some(peer) = self.peers.get_mut(&token) else {
            return;
        };
        match peer.turn(&self.sites) {
            Flow::On => {}
            Flow::Starts(at_us) => {
                self.due.push(Reverse((at_us, token, Work::Frame)));
                let sound_us = peer.first_sound_us(&self.sites);
                self.due.extend(sound_us.map(|at_us| Reverse((at_us, token, Work::Sound))));
            }
            Flow::Ends => self.remove(token),
        }
    }

    fn remove(&mut self, token: usize) {
        if let Some(peer) = self.peers.remove(&token) {
            peer.leave(&self.sites);
        }
    }

    fn work(&mut self) {
        while let Some(&Reverse((at_us, token, work))) = self.due.peek() {
            if at_us > clock::now_us() {
                return;
            }
            self.due.pop();
            let Some(peer) = self.peers.get_mut(&token) else {
                continue;
            };
            match work {
                Work::Piece => peer.pieces(&self.sites),
                Work::Sound => {
                    let next_us = peer.sound(&self.sites, at_us);
                    self.due.extend(next_us.map(|at_us| Reverse((at_us, token, Work::Sound))));
                }
                Work::Frame => match peer.frame(&self.sites, &self.noise, at_us) {
                    Some(next_us) => self.due.push(Reverse((next_us, token, Work::Frame))),
                    None => {
                        self.remove(token);
                        continue;
                    }
                },
            }
            if let Some(piece_us) = peer.next_piece() {
                self.due.push(Reverse((piece_us, token, Work::Piece)));
            }
        }
    }
}
