//! What the service manager is told (`sd_notify`): that weir is ready, reloads and stops, a line
//! about how it is, and, where it asks for it, that weir is alive.
//!
//! Alive means that the media thread made a review, the handshake driver made a round, and this
//! task, which runs among all others of the control thread, came to be run: all since it was last
//! said. Who is stuck is restarted by the service manager, which no thread of weir can prevent.
//!
//! The socket is non-blocking: a manager that does not read keeps nobody from the pictures.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::status::{GAUGES, TABLES};

use super::Control;

/// How often the line is looked at, and liveness without a watchdog.
const EVERY: Duration = Duration::from_secs(5);
/// The media thread reviews every 100 ms; below twice that it could be judged too soon.
const EVERY_MIN: Duration = Duration::from_millis(250);
/// How often it is asked at start whether the media thread turns.
const START: Duration = Duration::from_millis(10);

/// The service manager, if there is one.
#[derive(Debug)]
pub(crate) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How often to say that weir is alive.
    alive_every: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names. Before privileges are given up: its socket may be
    /// root's.
    pub(crate) fn of_environment() -> Self {
        let socket = match connect() {
            Ok(socket) => socket,
            Err(error) => {
                log::warn!("$NOTIFY_SOCKET: {error}; the service manager is not told anything");
                None
            }
        };
        let watchdog = sd_notify::watchdog_enabled().filter(|_| socket.is_some());
        Self { socket, alive_every: watchdog.map(|limit| (limit / 2).max(EVERY_MIN)) }
    }

    fn tell(&self, states: &[NotifyState]) {
        let Some(socket) = &self.socket else { return };
        let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
        if let Err(error) = socket.send(lines.join("\n").as_bytes()) {
            // The manager is being restarted, or too busy to read: it hears the next one.
            log::debug!("the service manager was not told: {error}");
        }
    }

    /// A reload begins, and is done when what this returns is dropped: also when the client that
    /// asked for it leaves before it is answered.
    pub(super) fn reload(&self) -> Reload<'_> {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now]);
        }
        Reload(self)
    }

    /// Start or reload is done.
    fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The end begins.
    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }
}

fn connect() -> io::Result<Option<UnixDatagram>> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(None) };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(Some(socket))
}

/// A reload that is under way.
pub(super) struct Reload<'s>(&'s Supervisor);

impl Drop for Reload<'_> {
    fn drop(&mut self) {
        self.0.ready();
    }
}

/// Where a thread's counter was when it was last looked at.
struct Pulse {
    counter: &'static AtomicU64,
    seen: u64,
}

impl Pulse {
    fn of(counter: &'static AtomicU64) -> Self {
        Self { counter, seen: counter.load(Relaxed) }
    }

    /// Whether it went on since the last time.
    fn went_on(&mut self) -> bool {
        let before = self.seen;
        self.seen = self.counter.load(Relaxed);
        self.seen != before
    }
}

impl Control {
    /// Says that weir is ready once all of it turns, and then how it is, for ever.
    pub(super) async fn supervise(self) {
        let supervisor = &self.0.supervisor;
        if supervisor.socket.is_none() {
            return;
        }
        let mut media = Pulse::of(&GAUGES.media_reviews);
        let mut driver = Pulse::of(&GAUGES.driver_rounds);
        while media.counter.load(Relaxed) == 0 || driver.counter.load(Relaxed) == 0 {
            tokio::time::sleep(START).await;
        }
        supervisor.ready();
        let mut said = String::new();
        loop {
            let line = self.line();
            if line != said {
                supervisor.tell(&[NotifyState::Status(&line)]);
                said = line;
            }
            // The driver sleeps up to a second where there is nothing to do.
            self.0.begun.notify_one();
            tokio::time::sleep(supervisor.alive_every.unwrap_or(EVERY)).await;
            // Both are asked: one that is stuck is not hidden behind the other.
            let (media_went_on, driver_went_on) = (media.went_on(), driver.went_on());
            match (media_went_on, driver_went_on) {
                (true, true) => {
                    if supervisor.alive_every.is_some() {
                        supervisor.tell(&[NotifyState::Watchdog]);
                    }
                }
                (false, _) => log::error!("the media thread is stuck"),
                (true, false) => log::error!("the handshake driver is stuck"),
            }
        }
    }

    fn line(&self) -> String {
        let cameras = self.cameras();
        let playing = cameras.iter().filter(|camera| camera.state == "playing").count();
        let sessions = TABLES.sessions.used();
        format!("{playing} of {} cameras playing, {sessions} sessions", cameras.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_a_change_since_the_last_look() {
        static COUNTER: AtomicU64 = AtomicU64::new(7);
        let mut pulse = Pulse::of(&COUNTER);
        assert!(!pulse.went_on());
        COUNTER.store(9, Relaxed);
        assert!(pulse.went_on());
        assert!(!pulse.went_on());
    }

    #[test]
    fn a_manager_that_does_not_read_keeps_nobody_waiting() {
        let name = format!("weir-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let manager = UnixDatagram::bind_addr(&address).expect("a socket");
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.connect_addr(&address).expect("it is there");
        socket.set_nonblocking(true).expect("ours");
        let supervisor = Supervisor { socket: Some(socket), alive_every: None };
        for _ in 0..10_000 {
            supervisor.ready();
        }
        let mut bytes = [0; 64];
        let count = manager.recv(&mut bytes).expect("the first one");
        assert_eq!(&bytes[..count], b"READY=1");
        while manager.set_nonblocking(true).is_ok() && manager.recv(&mut bytes).is_ok() {}
        let reload = supervisor.reload();
        let count = manager.recv(&mut bytes).expect("there is room again");
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        let (first, second) = text.split_once('\n').expect("two lines");
        assert_eq!(first, "RELOADING=1");
        let us = second.strip_prefix("MONOTONIC_USEC=").expect("systemd 253 asks for it");
        assert!(us.parse::<u64>().is_ok(), "{us}");
        // As when its client leaves.
        drop(reload);
        let count = manager.recv(&mut bytes).expect("it is told of the end too");
        assert_eq!(&bytes[..count], b"READY=1");
    }
}
