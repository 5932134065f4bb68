//! More HTTP connections than there are places, whose requests come at the moment they are evicted
//! and then wait: weir goes on, holds no more connections than it has places, and answers others.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use socket2::{Domain, Socket, Type};
use weir::clock;
use weir::limits::{
    HTTP_EVICTABLE_US, HTTP_PENDING_MAX, HTTP_REFUSALS_MAX, PASSWORDS_WAITING_MAX, PROFILE,
};

use super::common::camera::picture::Picture;
use super::common::camera::{CameraFarm, Mount};
use super::common::server::{Server, Setup, wait_for};
use super::common::tls::{Crowd, Encrypted};
use super::common::viewer::{Options, Viewer, wall};
use super::common::whep;

/// How long the attack goes on; `WEIR_ATTACK_S=60` for the long one.
const ATTACK_S: u64 = 6;
const PAGE_US_MAX: u64 = 2_000_000;
const CONNECT_US_MAX: u64 = 1_000_000;
const RETRIES_MAX: usize = 3;
/// Addresses of the attack begin here; nobody else of ours lives here.
const FIRST_HOST: u8 = 100;
const PATIENCE_US: u64 = 10_000_000;
/// What weir has open besides connections with a place: those that wait for one, refusals, files.
const OTHER_DESCRIPTORS: usize = HTTP_PENDING_MAX + HTTP_REFUSALS_MAX + 32;
const TOKEN: &str = "a-token-for-the-wall";
/// Of some password, by Python's hashlib: a guess takes as long as it does on a box.
const HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";

fn accounts() -> String {
    let hash = weir::access::TokenHash::of(TOKEN);
    format!(
        "[[user]]\nname = \"anna\"\nrole = \"operator\"\npassword = \"{HASH}\"\n\
         [[token]]\nname = \"wall\"\nrole = \"viewer\"\nhash = \"{hash}\"\n"
    )
}

/// What an attacker's connection asks once it is to be evicted: for a password to be hashed, behind
/// others, with a head as long as it may be.
fn request(number: usize) -> String {
    let headers: String = (0..24).map(|at| format!("X-{at}: {}\r\n", "x".repeat(100))).collect();
    let login = STANDARD.encode(format!("anna:wrong {}", number % PASSWORDS_WAITING_MAX));
    format!(
        "GET /api/sessions HTTP/1.1\r\nHost: weir\r\nAuthorization: Basic {login}\r\n{headers}\r\n"
    )
}

/// One end of a connection of the attack.
enum Attacker {
    Plain(TcpStream),
    Tls(Box<Encrypted>),
}

impl Attacker {
    fn open(site: &Site, local: Ipv4Addr) -> Option<Self> {
        if let Some((crowd, https)) = &site.tls {
            return Some(Self::Tls(Box::new(crowd.get(local.into(), *https, "/healthz").ok()?)));
        }
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
        socket.bind(&SocketAddr::from((local, 0)).into()).ok()?;
        // At once, or the kernel's queue is full: weir is not to stand still for long.
        socket.connect_timeout(&site.http.into(), Duration::from_millis(1)).ok()?;
        Some(Self::Plain(socket.into()))
    }

    fn ask(&mut self, number: usize) {
        let text = request(number);
        // weir may have closed it.
        let _ = match self {
            Self::Plain(stream) => stream.write_all(text.as_bytes()),
            Self::Tls(stream) => stream.write_all(text.as_bytes()),
        };
    }

    /// Whether weir has not closed it.
    fn is_open(&mut self) -> bool {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &mut stream.sock,
        };
        let _ = stream.set_nonblocking(true);
        let mut bytes = [0; 4096];
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}

/// Where the attack goes.
struct Site {
    http: SocketAddr,
    tls: Option<(Crowd, SocketAddr)>,
    addresses: u8,
}

/// A wave of connections that are idle long enough to be evicted, then ask all at once, while the
/// next wave takes their places. weir stands still for that moment, as on a busy box, and finds
/// all of it in one turn.
fn attack(site: &Site, pid: u32, is_over: &AtomicBool, waves: &AtomicU64) {
    let mut waiting: Vec<Attacker> = Vec::new();
    while !is_over.load(Relaxed) {
        let stopped = site.tls.is_none().then(|| Stopped::stop(pid));
        let mut wave: Vec<Attacker> = Vec::new();
        for number in 0..PROFILE.http_connections {
            let host = u8::try_from(number % usize::from(site.addresses)).expect("few");
            wave.extend(Attacker::open(site, Ipv4Addr::new(127, 0, 0, FIRST_HOST + host)));
            if let Some(older) = waiting.get_mut(number) {
                older.ask(number);
            }
        }
        drop(stopped);
        std::thread::sleep(Duration::from_micros(HTTP_EVICTABLE_US + 10_000));
        waiting.retain_mut(Attacker::is_open);
        // The attacker's own sockets are bounded too.
        waiting.truncate(16 * PROFILE.http_connections);
        waiting.splice(..0, wave);
        waves.fetch_add(1, Relaxed);
    }
}

/// A process that stands still as long as this lives.
struct Stopped(u32);

impl Stopped {
    fn stop(pid: u32) -> Self {
        signal(pid, "-STOP");
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, "-CONT");
    }
}

fn signal(pid: u32, name: &str) {
    // It may have ended, which others notice.
    let _ = std::process::Command::new("kill").args([name, &pid.to_string()]).status();
}

/// What honest clients saw meanwhile.
#[derive(Debug, Default)]
struct Seen {
    pages: usize,
    retries: usize,
    page_us_max: u64,
    connect_us_max: u64,
    descriptors_max: usize,
}

impl Seen {
    /// Tries again at once, as a browser does where a connection was closed without an answer;
    /// the time goes on.
    fn patiently<T, E>(&mut self, mut ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        for _ in 0..RETRIES_MAX {
            if let Ok(answer) = ask() {
                return Ok(answer);
            }
            self.retries += 1;
        }
        ask()
    }

    fn look(&mut self, server: &Server, site: &Site) {
        let began_us = clock::now_us();
        match &site.tls {
            None => {
                let page = self.patiently(|| whep::get(site.http, "/healthz")?.expect(200));
                page.expect("a page is answered");
            }
            Some((crowd, https)) => {
                let local = Ipv4Addr::LOCALHOST.into();
                let page = self.patiently(|| crowd.get(local, *https, "/healthz"));
                drop(page.expect("a page is answered"));
            }
        }
        self.page_us_max = self.page_us_max.max(clock::now_us() - began_us);
        self.pages += 1;
        if site.tls.is_none() {
            let began_us = clock::now_us();
            let options = Options {
                token: Some(TOKEN.to_owned()),
                // Nobody had its address and port a moment ago, as on different machines.
                local: Ipv4Addr::new(127, 0, 1, u8::try_from(self.pages % 250).expect("few"))
                    .into(),
                ..Options::default()
            };
            let offer = || Viewer::connect_with(site.http, "gate", &options);
            let mut viewer = self.patiently(offer).expect("a viewer's offer is answered");
            assert!(wall::run_one(&mut viewer, PATIENCE_US, Viewer::is_connected), "no picture");
            viewer.close();
            self.connect_us_max = self.connect_us_max.max(clock::now_us() - began_us);
        }
        let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("weir lives");
        self.descriptors_max = self.descriptors_max.max(open.count());
    }
}

/// Attacks from so many addresses, by TLS or without, and looks on; weir's heap at most.
fn attacked(addresses: u8, has_tls: bool) {
    let farm = CameraFarm::open(vec![Mount::new("gate", Picture::default())]);
    let https = if has_tls { "tls = \"self-signed\"" } else { "tls = \"off\"" };
    let server = Server::start(&Setup {
        accounts: accounts(),
        https: https.to_owned(),
        ..Setup::of([("gate".to_owned(), farm.url("gate"))])
    });
    let tls = has_tls.then(|| (Crowd::new(), server.https));
    let site = Site { http: server.http, tls, addresses };
    let ready = || server.metric("weir_camera_frames_total").is_some_and(|frames| frames > 20.0);
    assert!(wait_for(PATIENCE_US, ready));
    let seconds = std::env::var("WEIR_ATTACK_S").ok().and_then(|text| text.parse().ok());
    let until_us = clock::now_us() + 1_000_000 * seconds.unwrap_or(ATTACK_S);
    let (is_over, waves) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        scope.spawn(|| attack(&site, server.pid(), &is_over, &waves));
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while clock::now_us() < until_us {
                seen.look(&server, &site);
                std::thread::sleep(Duration::from_millis(50));
            }
        }));
        is_over.store(true, Relaxed);
        looked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let waves = waves.load(Relaxed);
    let heap = server.metric("weir_library_heap_high_water_bytes").expect("weir lives");
    println!("{addresses} addresses, tls {has_tls}: {waves} waves, {seen:?}, library heap {heap}");
    assert!(waves >= 3 && seen.pages >= 3, "an attack, and somebody who looked on");
    assert!(seen.page_us_max < PAGE_US_MAX, "{seen:?}");
    assert!(seen.connect_us_max < CONNECT_US_MAX, "{seen:?}");
    // Two for each connection.
    let descriptors_max = 2 * PROFILE.http_connections + OTHER_DESCRIPTORS;
    assert!(seen.descriptors_max <= descriptors_max, "{seen:?}");
    assert!(heap < 0.85 * PROFILE.library_heap_bytes as f64, "{heap}");
    assert_eq!(server.metric("weir_camera_breaks_total"), Some(0.0));
}

#[test]
fn evicted_connections_of_two_addresses_are_gone() {
    attacked(2, false);
}

#[test]
fn evicted_connections_of_sixty_four_addresses_are_gone() {
    attacked(64, false);
}

#[test]
fn evicted_tls_connections_are_gone() {
    attacked(64, true);
}
