//! An outage of all cameras at the same instant: how long after it the last of them plays again.
//!
//! Each camera has a host of its own, as 127.0.0.0/8 has enough of them, or all are of one, as those
//! of a recorder.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use weir::clock;

use crate::READY_US;
use crate::common::camera::CameraFarm;
use crate::common::server::{Server, Setup, wait_for};
use crate::load::Load;

/// Longer than any wait of weir's.
const BACK_US: u64 = 180_000_000;

/// What came of the outage.
pub(crate) struct Outage {
    cameras: u32,
    outage_s: u64,
    /// After so long half of the cameras were ready, and all of them; from their return on.
    half_us: u64,
    all_us: u64,
    /// The most sessions that one camera had at once.
    sessions_max: u64,
    plays: u64,
    dials: u64,
}

/// Has the cameras go away for `outage_s` and come back.
pub(crate) fn measure(load: &Load, outage_s: u64) -> Outage {
    let farm = CameraFarm::open_at((Ipv4Addr::UNSPECIFIED, 0).into(), load.mounts());
    let at = farm.address();
    let server = Server::start(&Setup::of(load.names().zip(0..).map(|(name, number)| {
        let host = if load.one_host { Ipv4Addr::LOCALHOST } else { host(number) };
        let url = format!("rtsp://{host}:{}/{name}", at.port());
        (name, url)
    })));
    let all = load.cameras as usize;
    assert!(server.wait_until_ready(all, READY_US), "not every camera became ready");
    drop(farm);
    let silence = load.silent.then(|| Silence::begin(at));
    std::thread::sleep(Duration::from_secs(outage_s));
    drop(silence);
    let farm = CameraFarm::open_at(at, load.mounts());
    let began_us = clock::now_us();
    let ready = || ready_of(&server);
    assert!(wait_for(BACK_US, || ready() >= all / 2), "half of them never come back");
    let half_us = clock::now_us() - began_us;
    assert!(wait_for(BACK_US, || ready() >= all), "{} of {all} came back", ready());
    let all_us = clock::now_us() - began_us;
    let sessions = load.names().map(|name| farm.counts(&name).sessions_max.load(Relaxed));
    Outage {
        cameras: load.cameras,
        outage_s,
        half_us,
        all_us,
        sessions_max: sessions.max().unwrap_or_default(),
        plays: farm.total(|counts| &counts.plays),
        dials: farm.total(|counts| &counts.describes),
    }
}

/// How many cameras are ready for viewers.
fn ready_of(server: &Server) -> usize {
    let listed = server.get("/api/cameras").json();
    let cameras = listed["cameras"].as_array().expect("a list of cameras");
    cameras.iter().filter(|camera| camera["ready"] == true).count()
}

fn host(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + number)
}

/// A port that answers nothing: its queue of connections is full, and Linux drops what comes.
struct Silence {
    _listener: Socket,
    _queued: Vec<TcpStream>,
}

impl Silence {
    fn begin(at: SocketAddr) -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.set_reuse_address(true).expect("a socket");
        listener.bind(&at.into()).expect("the cameras' port is free");
        listener.listen(0).expect("a socket");
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, at.port()));
        let wait = Duration::from_millis(200);
        let queued = (0..4).filter_map(|_| TcpStream::connect_timeout(&own, wait).ok());
        Self { _queued: queued.collect(), _listener: listener }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cameras, outage_s, half_us, all_us, sessions_max, plays, dials } = self;
        let (half_s, all_s) = (*half_us as f64 / 1e6, *all_us as f64 / 1e6);
        writeln!(
            f,
            "{cameras} cameras back after {outage_s} s: half of them ready after {half_s:.1} s, all \
             after {all_s:.1} s; {dials} dials, {plays} sessions, at most {sessions_max} of a camera"
        )
    }
}
