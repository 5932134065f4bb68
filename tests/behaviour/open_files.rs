//! The files that weir may have open: it asks for as many as all its cameras and clients need.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use weir::limits::OPEN_FILES_MAX;

use crate::common::server::{Server, Setup, wait_for};

const PATIENCE_US: u64 = 10_000_000;

/// weir started with these limits of open files (`ulimit` of sh), the soft one first.
struct Limited {
    server: Server,
    child: Child,
}

impl Limited {
    fn start(limits: &str) -> Self {
        let mut server = Server::start(&Setup::of([]));
        server.terminate();
        let child = Command::new("sh")
            .args(["-c", &format!("{limits}; exec \"$0\" run --config \"$1\"")])
            .arg(env!("CARGO_BIN_EXE_weir"))
            .arg(server.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        Self { server, child }
    }

    /// What weir says that it may have open.
    fn most(&self) -> u64 {
        let is_up = || TcpStream::connect(self.server.diagnostics).is_ok();
        assert!(wait_for(PATIENCE_US, is_up), "it answers");
        let most = self.server.metric("process_max_fds").expect("a Linux with /proc");
        format!("{most}").parse().expect("a whole number")
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_asks_for_as_many_as_it_needs() {
    assert_eq!(Limited::start("ulimit -S -n 64").most(), OPEN_FILES_MAX);
}

#[test]
fn it_has_what_it_may_have_at_most() {
    assert_eq!(Limited::start("ulimit -n 128").most(), 128);
}
