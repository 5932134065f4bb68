//! What the service manager hears: ready, alive while everything turns, silence when a thread is
//! stuck, stopping.

use std::net::Ipv4Addr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use weir::clock;
use weir::limits::{COMMANDS_BEHIND, PROFILE};

use crate::common::agent::{self, NO_FINGERPRINT, offer};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::ptrace::Stopped;
use crate::common::server::{Server, Setup, wait_for};
use crate::common::whep;

const SECOND_US: u64 = 1_000_000;
const RESTART: &str = "a=ice-ufrag:other\r\na=ice-pwd:another-password-of-ice\r\n";
/// A sign of life is due in this time, and given in half of it.
const WATCHDOG_US: u64 = SECOND_US;

/// The manager's end of the protocol.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl Manager {
    fn open(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a writable temporary directory");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("ours");
        Self { socket, path }
    }

    fn environment(&self) -> Vec<(String, String)> {
        let path = self.path.to_str().expect("a plain name").to_owned();
        let watchdog = WATCHDOG_US.to_string();
        vec![("NOTIFY_SOCKET".to_owned(), path), ("WATCHDOG_USEC".to_owned(), watchdog)]
    }

    /// Everything that comes within a time.
    fn hear(&self, us: u64) -> Vec<String> {
        let mut heard = Vec::new();
        let deadline_us = clock::now_us() + us;
        let mut bytes = [0; 1024];
        while clock::now_us() < deadline_us {
            if let Ok(count) = self.socket.recv(&mut bytes) {
                heard.push(String::from_utf8_lossy(&bytes[..count]).into_owned());
            }
        }
        heard
    }

    /// Signs of life within a time.
    fn signs(&self, us: u64) -> usize {
        self.hear(us).iter().filter(|message| *message == "WATCHDOG=1").count()
    }

    /// Hears nothing of life while a thread is stopped, and hears of it again afterwards.
    fn assert_silent_without(&self, server: &Server, thread: &str, check: impl FnOnce()) {
        assert!(self.signs(2 * WATCHDOG_US) >= 3, "alive before {thread} stops");
        let stopped = Stopped::thread(server.pid(), thread);
        // What was seen to go on just before it stopped may still be said.
        assert!(self.signs(WATCHDOG_US) <= 2);
        assert_eq!(self.signs(2 * WATCHDOG_US), 0, "{thread} is stuck");
        check();
        drop(stopped);
        assert!(self.signs(2 * WATCHDOG_US) >= 2, "{thread} goes on:\n{}", server.log());
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn the_manager_hears_of_start_life_and_end() {
    let manager = Manager::open("life");
    let server = Server::start(&Setup { environment: manager.environment(), ..Setup::default() });
    let heard = manager.hear(2 * SECOND_US);
    assert_eq!(heard.first().map(String::as_str), Some("READY=1"), "{heard:?}");
    assert_eq!(heard.iter().filter(|message| *message == "READY=1").count(), 1);
    assert!(heard.contains(&"STATUS=0 of 0 cameras playing, 0 sessions".to_owned()), "{heard:?}");
    assert!(heard.iter().filter(|message| *message == "WATCHDOG=1").count() >= 2, "{heard:?}");
    assert!(server.stop().success());
    let heard = manager.hear(SECOND_US / 10);
    assert!(heard.contains(&"STOPPING=1".to_owned()), "{heard:?}");
}

#[test]
fn a_stuck_media_thread_ends_the_signs_of_life() {
    let manager = Manager::open("media");
    let server = Server::start(&Setup { environment: manager.environment(), ..Setup::default() });
    manager.assert_silent_without(&server, "media", || {
        assert_eq!(server.get("/healthz").status, 200, "the control thread is well");
        let status = server.tell("status");
        let errors = status["errors"].as_array().expect("a list").clone();
        assert!(errors.iter().any(|error| error["text"] == "the media thread is stuck"));
    });
}

#[test]
fn a_stuck_control_thread_ends_the_signs_of_life() {
    let manager = Manager::open("control");
    let server = Server::start(&Setup { environment: manager.environment(), ..Setup::default() });
    manager.assert_silent_without(&server, "weir", || {});
}

#[test]
fn sessions_that_come_and_go_while_media_is_stuck_are_refused_before_the_queue_is_full() {
    let fixture = Fixture::open();
    let viewer = fixture.viewer();
    let stopped = Stopped::thread(fixture.server.pid(), "media");
    let text = offer(NO_FINGERPRINT);
    let mut made = 0;
    let refused = loop {
        let answer = agent::post(Ipv4Addr::LOCALHOST.into(), fixture.server.http, CAMERA, &text);
        let answer = answer.unwrap_or_else(|error| panic!("{error}"));
        if answer.status != 201 {
            break answer;
        }
        made += 1;
        assert!(made < PROFILE.commands, "every session is two commands");
        let location = answer.header("location").expect("a Location");
        let ended = whep::request(fixture.server.http, "DELETE", location, &[], "");
        assert_eq!(ended.expect("weir answers").status, 200);
    };
    assert_eq!(refused.status, 503, "{}", refused.body);
    let detail = "the media thread is behind with its commands";
    assert_eq!(refused.json()["detail"], detail);
    let status = fixture.server.tell("status");
    let tables = status["tables"].as_array().expect("a list");
    let commands = tables.iter().find(|table| table["what"] == "commands").expect("it is listed");
    assert_eq!((&commands["used"], &commands["full"]), (&COMMANDS_BEHIND.into(), &1.into()));
    // A restart of a session that lives is one more command, and may come each second.
    for _ in 0..3 {
        let restart = viewer.patch(Some("*"), RESTART).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((restart.status, &restart.json()["detail"]), (503, &detail.into()));
        assert_eq!(restart.header("retry-after"), Some("1"));
    }
    drop(stopped);
    let restarts = || viewer.patch(Some("*"), RESTART).is_ok_and(|answer| answer.status == 200);
    assert!(wait_for(SECOND_US, restarts), "what was refused may be asked again at once");
    assert!(fixture.viewer().is_connected(), "afterwards all is as before");
}
