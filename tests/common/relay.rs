//! A UDP relay between viewers and weir's media port (`announce` names the relay): it loses and
//! delays by rule and counts what it did. Each client gets a socket of its own towards weir, so
//! that weir sees them under different addresses.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use weir::clock;

use super::rtp::{Header, Kind};

const FRONT: Token = Token(0);
const DATAGRAM_BYTES: usize = 2048;
const TURN_MS: u64 = 20;

/// A datagram on its way.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Whether it goes to the client.
    pub to_client: bool,
    /// The client.
    pub client: SocketAddr,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It is lost.
    Drop,
    /// It goes on later.
    Delay {
        /// By how much.
        us: u64,
    },
}

/// Decides of each datagram. The first rule that does not pass it has its way.
pub type Rule = Box<dyn FnMut(Passing<'_>) -> Verdict + Send>;

/// What a relay did.
#[derive(Debug, Default)]
pub struct Counts {
    /// Datagrams that reached weir's side.
    pub to_server: AtomicU64,
    /// Datagrams that went to clients.
    pub to_client: AtomicU64,
    /// Datagrams lost by rule.
    pub dropped: AtomicU64,
    /// Datagrams delayed by rule.
    pub delayed: AtomicU64,
}

/// A relay at work; it stops when it is dropped.
pub struct Relay {
    /// Where clients send to: what `announce` must say.
    pub address: SocketAddr,
    /// What it did.
    pub counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Relays to `server` by these rules.
    pub fn start(server: SocketAddr, rules: Vec<Rule>) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut front = UdpSocket::bind(any).expect("a free port");
        let address = front.local_addr().expect("a bound socket");
        let poll = Poll::new().expect("an epoll descriptor");
        poll.registry()
            .register(&mut front, FRONT, Interest::READABLE)
            .expect("epoll takes a socket");
        let counts = Arc::new(Counts::default());
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            poll,
            front,
            server,
            rules,
            clients: Vec::new(),
            known: HashMap::new(),
            later: BinaryHeap::new(),
            counts: counts.clone(),
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || worker.run())
            .expect("a thread");
        Self { address, counts, stop, thread: Some(thread) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the relay's thread did not panic");
            }
        }
    }
}

/// Loses every `n`th media packet to clients, first transmissions only.
pub fn drop_every_nth_packet(n: u64) -> Rule {
    let mut seen = HashSet::new();
    let mut count = 0;
    Box::new(move |passing| {
        let header = Header::parse(passing.bytes);
        match header {
            Some(header) if passing.to_client && Kind::of(passing.bytes) == Kind::Rtp => {
                if !seen.insert((header.ssrc, header.timestamp, header.sequence)) {
                    return Verdict::Pass;
                }
                count += 1;
                if count % n == 0 { Verdict::Drop } else { Verdict::Pass }
            }
            _ => Verdict::Pass,
        }
    })
}

/// Loses weir's last DTLS flight (it begins with a ChangeCipherSpec) `times` times.
pub fn drop_last_flight(mut times: u32) -> Rule {
    Box::new(move |passing| {
        let is_last = passing.to_client && passing.bytes.first() == Some(&20);
        if !is_last || times == 0 {
            return Verdict::Pass;
        }
        times -= 1;
        Verdict::Drop
    })
}

/// Loses so many percent of everything, both ways, the same ones for the same seed.
pub fn drop_percent(percent: u64, seed: u64) -> Rule {
    let mut state = seed | 1;
    Box::new(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if (state >> 16) % 100 < percent { Verdict::Drop } else { Verdict::Pass }
    })
}

/// Delays everything, both ways.
pub fn delay(us: u64) -> Rule {
    Box::new(move |_| Verdict::Delay { us })
}

/// A delayed datagram: due time, order, whether to the client, which one, bytes.
type Later = (u64, u64, bool, usize, Vec<u8>);

struct Worker {
    poll: Poll,
    front: UdpSocket,
    server: SocketAddr,
    rules: Vec<Rule>,
    /// A client and our socket towards weir for it; its token is its place + 1.
    clients: Vec<(SocketAddr, UdpSocket)>,
    known: HashMap<SocketAddr, usize>,
    later: BinaryHeap<Reverse<Later>>,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::with_capacity(64);
        let mut buffer = [0; DATAGRAM_BYTES];
        while !self.stop.load(Relaxed) {
            let next_us = self.later.peek().map_or(u64::MAX, |Reverse(entry)| entry.0);
            let wait_us = next_us.saturating_sub(clock::now_us()).min(TURN_MS * 1_000);
            let _ = self.poll.poll(&mut events, Some(Duration::from_micros(wait_us)));
            for event in &events {
                match event.token() {
                    FRONT => self.read_clients(&mut buffer),
                    Token(token) => self.read_server(token - 1, &mut buffer),
                }
            }
            self.send_delayed();
        }
    }

    fn read_clients(&mut self, buffer: &mut [u8]) {
        while let Ok((bytes, from)) = self.front.recv_from(buffer) {
            let client = self.client(from);
            self.judge(false, client, &buffer[..bytes]);
        }
    }

    fn read_server(&mut self, client: usize, buffer: &mut [u8]) {
        // An error here is weir's closed port: nothing to relay.
        while let Ok(bytes) = self.clients[client].1.recv(buffer) {
            self.judge(true, client, &buffer[..bytes]);
        }
    }

    fn client(&mut self, address: SocketAddr) -> usize {
        if let Some(&client) = self.known.get(&address) {
            return client;
        }
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut socket = UdpSocket::bind(any).expect("a free port");
        socket.connect(self.server).expect("a UDP address");
        let client = self.clients.len();
        self.poll
            .registry()
            .register(&mut socket, Token(client + 1), Interest::READABLE)
            .expect("epoll takes a socket");
        self.clients.push((address, socket));
        self.known.insert(address, client);
        client
    }

    fn judge(&mut self, to_client: bool, client: usize, bytes: &[u8]) {
        let passing = Passing { to_client, client: self.clients[client].0, bytes };
        let mut verdicts = self.rules.iter_mut().map(|rule| rule(passing));
        let verdict = verdicts.find(|verdict| *verdict != Verdict::Pass);
        match verdict.unwrap_or(Verdict::Pass) {
            Verdict::Pass => self.pass(to_client, client, bytes),
            Verdict::Drop => drop(self.counts.dropped.fetch_add(1, Relaxed)),
            Verdict::Delay { us } => {
                let order = self.counts.delayed.fetch_add(1, Relaxed);
                let due_us = clock::now_us() + us;
                let entry = (due_us, order, to_client, client, bytes.to_vec());
                self.later.push(Reverse(entry));
            }
        }
    }

    fn send_delayed(&mut self) {
        while let Some(Reverse(entry)) = self.later.peek()
            && entry.0 <= clock::now_us()
        {
            if let Some(Reverse((_, _, to_client, client, bytes))) = self.later.pop() {
                self.pass(to_client, client, &bytes);
            }
        }
    }

    fn pass(&self, to_client: bool, client: usize, bytes: &[u8]) {
        let (address, socket) = &self.clients[client];
        // A datagram that the network does not take is lost, which is the relay's trade.
        if to_client {
            self.counts.to_client.fetch_add(1, Relaxed);
            let _ = self.front.send_to(bytes, *address);
        } else {
            self.counts.to_server.fetch_add(1, Relaxed);
            let _ = socket.send(bytes);
        }
    }
}
