//! The clock: never before the build's time, and right as soon as a time server answers. A thread
//! of its own asks the servers, as looking up their names may wait.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use tokio::runtime::Builder;
use weir::appliance::sntp::{SNTP_PORT, SntpAnswer, SntpProblem, SntpQuestion, SntpSchedule};
use weir::clock;
use weir::limits::{CLOCK_STEP_US_MIN, INIT_STACK_BYTES, SNTP_DELAY_US_MAX};
use weir::net::names;

/// Asked when neither the settings nor DHCP name any.
const SERVER_DEFAULT: &str = "pool.ntp.org";
/// Datagrams that are looked at for one answer.
const DATAGRAMS_MAX: usize = 8;

/// Sets the clock if it is before `unix_s`.
pub(crate) fn set_at_least(unix_s: u64, what: &str) {
    if clock::unix_s() < unix_s {
        match set(unix_s.saturating_mul(1_000_000)) {
            Ok(()) => log::info!("the clock is set to {what}"),
            Err(error) => log::warn!("the clock cannot be set: {error}"),
        }
    }
}

fn set(unix_us: u64) -> rustix::io::Result<()> {
    let seconds = i64::try_from(unix_us / 1_000_000).unwrap_or(i64::MAX);
    let nanoseconds = i64::try_from(unix_us % 1_000_000 * 1000).unwrap_or(0);
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    clock_settime(ClockId::Realtime, time)
}

/// Microseconds since 1970 by the clock as it is.
fn now_unix_us() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0) / 1000)
}

/// The servers that the thread asks.
#[derive(Debug)]
struct Shared {
    servers: Mutex<ServerList>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct ServerList {
    names: Vec<String>,
    /// Counts the changes, so that none is missed.
    changes: u64,
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub(crate) struct Timekeeper(Arc<Shared>);

impl Timekeeper {
    /// Starts the thread; it asks nobody before it knows servers.
    pub(crate) fn start(built_s: u64) -> Self {
        let shared = Arc::new(Shared { servers: Mutex::default(), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("time".to_owned()).stack_size(INIT_STACK_BYTES);
        if let Err(error) = thread.spawn(move || keep(&own, built_s)) {
            log::error!("no time server is asked: {error}");
        }
        Self(shared)
    }

    /// Asks these servers from now on, in this order, or else the usual ones; also when they are
    /// the same as before, as the network is another one.
    pub(crate) fn ask(&self, mut names: Vec<String>) {
        names.push(SERVER_DEFAULT.to_owned());
        let mut list = self.0.list();
        list.names = names;
        list.changes += 1;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn list(&self) -> MutexGuard<'_, ServerList> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the list is another one than `seen`, or so long.
    fn wait(&self, seen: u64, pause: Duration) -> (Vec<String>, u64) {
        let list = self.list();
        let waited = self.changed.wait_timeout_while(list, pause, |list| list.changes == seen);
        let (list, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (list.names.clone(), list.changes)
    }
}

fn keep(shared: &Shared, built_s: u64) {
    const LONG: Duration = Duration::from_secs(3600);
    let (mut names, mut seen) = (Vec::new(), 0);
    let mut schedule = SntpSchedule::new(1);
    let mut pause = LONG;
    // Whether the last that was said of the time is that it is right.
    let mut is_right = None;
    loop {
        let (now_names, now_seen) = shared.wait(seen, pause);
        if now_seen != seen {
            (names, seen) = (now_names, now_seen);
            schedule = SntpSchedule::new(names.len());
        }
        let Some(name) = names.get(schedule.server()) else { continue };
        let pause_us = match ask(name, built_s) {
            Ok(answer) => {
                adjust(answer, name, is_right.replace(true) == Some(true));
                schedule.succeeded()
            }
            Err(why) => {
                if is_right.replace(false) != Some(false) {
                    log::warn!("time server {name}: {why}; it and others are asked again");
                }
                schedule.failed()
            }
        };
        pause = Duration::from_micros(pause_us);
    }
}

fn adjust(answer: SntpAnswer, name: &str, was_right: bool) {
    let own_us = now_unix_us();
    let off_us = answer.unix_us.abs_diff(own_us);
    if off_us > CLOCK_STEP_US_MIN {
        match set(answer.unix_us) {
            Ok(()) => log::info!("the clock was off by {} ms, and is set by {name}", off_us / 1000),
            Err(error) => log::warn!("the clock cannot be set: {error}"),
        }
    } else if !was_right {
        log::info!("the clock is right, by {name}");
    }
}

/// Asks the first address of a server that answers.
fn ask(name: &str, built_s: u64) -> Result<SntpAnswer, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let found =
        runtime.map_err(|error| error.to_string())?.block_on(names::resolve(name, SNTP_PORT));
    let addresses = found.map_err(|error| error.to_string())?;
    let mut why = "it has no address".to_owned();
    for address in &addresses {
        match ask_at(*address, built_s) {
            Ok(answer) => return Ok(answer),
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn ask_at(server: SocketAddr, built_s: u64) -> Result<SntpAnswer, String> {
    let own = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let said = |error: std::io::Error| error.to_string();
    let socket = UdpSocket::bind(own).map_err(said)?;
    socket.connect(server).map_err(said)?;
    socket.set_read_timeout(Some(Duration::from_micros(SNTP_DELAY_US_MAX))).map_err(said)?;
    let question = SntpQuestion::new();
    let began_us = clock::now_us();
    socket.send(&question.bytes()).map_err(said)?;
    let mut bytes = [0; 128];
    for _ in 0..DATAGRAMS_MAX {
        let count = socket.recv(&mut bytes).map_err(said)?;
        let took_us = clock::now_us() - began_us;
        match question.judge(&bytes[..count], took_us, built_s) {
            Err(SntpProblem::Other | SntpProblem::Short(_)) => {}
            judged => return judged.map_err(|problem| problem.to_string()),
        }
    }
    Err("it sends other things than answers".to_owned())
}
