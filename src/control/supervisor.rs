//! Notifications to the service manager (`sd_notify`): that weir is ready, reloads or stops, a
//! status line, and, if the manager asks for it, that weir is alive.
//!
//! Weir is alive if, since the last such notification, the media thread has made a review, the
//! handshake driver has made a round, and this task, one of many on the control thread, has run.
//! The service manager restarts a stuck process, which no thread of weir could do.
//!
//! The socket is non-blocking, so a manager that does not read does not hold up the media.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::status::{GAUGES, TABLES};

use super::{CameraCount, Control};

/// How often to check the status line, and liveness if there is no watchdog.
const EVERY: Duration = Duration::from_secs(5);
/// The media thread reviews every 100 ms; an interval below twice that could judge it too soon.
const EVERY_MIN: Duration = Duration::from_millis(250);
/// How often to look at start whether the media thread and the driver run.
const START: Duration = Duration::from_millis(10);

/// The connection to the service manager, if there is one.
#[derive(Debug)]
pub(crate) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How often to notify that weir is alive; `None` if the manager has no watchdog for it.
    alive_every: Option<Duration>,
}

impl Supervisor {
    /// The service manager that the environment names. Call it before privileges are dropped, as
    /// the socket may be accessible to root only.
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
            // The manager restarts, or is too busy to read: it gets the next one.
            log::debug!("the service manager was not told: {error}");
        }
    }

    /// Notifies that a reload begins, and that it is done when the result is dropped. That happens
    /// also when the client that asked for it leaves before the answer.
    pub(super) fn reload(&self) -> Reload<'_> {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now]);
        }
        Reload(self)
    }

    /// Notifies that the start or a reload is done.
    fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// Notifies that weir stops.
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

/// A reload that is under way; dropping it notifies the end.
pub(super) struct Reload<'s>(&'s Supervisor);

impl Drop for Reload<'_> {
    fn drop(&mut self) {
        self.0.ready();
    }
}

/// A thread's counter, with the value that it had at the last look.
struct Pulse {
    counter: &'static AtomicU64,
    seen: u64,
}

impl Pulse {
    fn of(counter: &'static AtomicU64) -> Self {
        Self { counter, seen: counter.load(Relaxed) }
    }

    /// Whether the counter has changed since the last call.
    fn went_on(&mut self) -> bool {
        let before = self.seen;
        self.seen = self.counter.load(Relaxed);
        self.seen != before
    }
}

impl Control {
    /// Notifies that weir is ready once both threads run, and then its status and that it is alive,
    /// without end.
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
            // The driver sleeps up to a second if there is nothing to do: wake it for a round.
            self.0.signalled.notify_one();
            tokio::time::sleep(supervisor.alive_every.unwrap_or(EVERY)).await;
            // Both are asked every time, so that a stuck media thread does not hide the driver.
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
        let CameraCount { all, playing } = self.camera_count();
        let sessions = TABLES.sessions.used();
        format!("{playing} of {all} cameras playing, {sessions} sessions")
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
        // The drop is what happens when the client leaves.
        drop(reload);
        let count = manager.recv(&mut bytes).expect("it is told of the end too");
        assert_eq!(&bytes[..count], b"READY=1");
    }
}
