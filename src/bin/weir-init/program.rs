//! weir's process: started with a socket to tell its life by, its log taken from a pipe into
//! memory, its last lines kept, and its end seen at once.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStderr, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, wait};
use weir::appliance::request::{BOX_SOCKET, BOX_SOCKET_VARIABLE};
use weir::limits::{
    LAST_LINES_BYTES_MAX, LOG_PIPE_BYTES, NOTIFY_BYTES_MAX, NOTIFY_MESSAGES_MAX,
    WEIR_LOG_BYTES_MAX, WEIR_SIGN_US_MAX,
};

use super::data::DataFolder;

const WEIR: &str = "/usr/bin/weir";
const NOTIFY: &str = "/run/weir-notify";
const LOG: &str = "/run/weir.log";
const OLDER_LOG: &str = "/run/weir.log.1";
/// Ended processes that are taken notice of at once.
const ENDED_MAX: usize = 64;
/// Pieces of the log that are taken at once.
const PIECES_MAX: usize = 32;

/// weir, whether it runs or not.
#[derive(Debug)]
pub(crate) struct WeirProgram {
    console: Option<String>,
    notify: Option<UnixDatagram>,
    running: Option<Running>,
    log: WeirLog,
}

#[derive(Debug)]
struct Running {
    pid: Pid,
    /// Becomes readable when the process ends.
    handle: Option<OwnedFd>,
    stderr: Option<ChildStderr>,
}

/// The log in memory, and its last lines.
#[derive(Debug, Default)]
struct WeirLog {
    file: Option<File>,
    bytes: usize,
    last: VecDeque<u8>,
}

impl WeirProgram {
    /// weir with its console on this line, as `weir run --console` takes it.
    pub(crate) fn new(console: Option<String>) -> Self {
        let _ = fs::remove_file(NOTIFY);
        let notify = UnixDatagram::bind(NOTIFY).and_then(|socket| {
            // weir connects as root, and keeps the socket as another user.
            fs::set_permissions(NOTIFY, Permissions::from_mode(0o600))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let notify = notify.map_err(|error| log::error!("{NOTIFY}: {error}")).ok();
        Self { console, notify, running: None, log: WeirLog::default() }
    }

    /// Starts it.
    ///
    /// # Errors
    /// The program is not there, or memory is short.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        let mut command = Command::new(WEIR);
        command.args(["run", "--config"]).arg(DataFolder::config_path());
        command.arg("--state").arg(DataFolder::state_path());
        if let Some(console) = &self.console {
            command.args(["--console", console]);
        }
        command.env_clear().env("NOTIFY_SOCKET", NOTIFY).current_dir("/");
        command.env("WATCHDOG_USEC", WEIR_SIGN_US_MAX.to_string());
        // So weir knows that it is on a box, and whom to ask.
        command.env(BOX_SOCKET_VARIABLE, BOX_SOCKET);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A signal to its group does not come here, and one reaches what it started.
        command.process_group(0);
        let mut child = command.spawn()?;
        let stderr = child.stderr.take();
        if let Some(stderr) = &stderr {
            rustix::io::ioctl_fionbio(stderr, true)?;
        }
        let pid = Pid::from_child(&child);
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok();
        self.running = Some(Running { pid, handle, stderr });
        Ok(())
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The descriptors to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let running = self.running.as_ref();
        let handle = running.and_then(|running| running.handle.as_ref()).map(|fd| fd.as_fd());
        let stderr = running.and_then(|running| running.stderr.as_ref()).map(|fd| fd.as_fd());
        let notify = self.notify.as_ref().map(|fd| fd.as_fd());
        [handle, stderr, notify].into_iter().flatten()
    }

    /// Sends it a signal, and what it has started as well.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running
            && let Err(error) = rustix::process::kill_process_group(running.pid, signal)
        {
            log::warn!("weir cannot be sent a signal: {error}");
        }
    }

    /// Whether it gave a sign of life since the last call.
    pub(crate) fn gave_sign(&mut self) -> bool {
        let Some(notify) = &self.notify else { return false };
        let mut bytes = [0; NOTIFY_BYTES_MAX];
        let mut is_sign = false;
        for _ in 0..NOTIFY_MESSAGES_MAX {
            let Ok(count) = notify.recv(&mut bytes) else { break };
            let mut lines = bytes[..count].split(|byte| *byte == b'\n');
            is_sign |= lines.any(|line| line == b"READY=1" || line == b"WATCHDOG=1");
        }
        is_sign
    }

    /// Takes what it has logged.
    pub(crate) fn take_log(&mut self) {
        let Some(running) = &mut self.running else { return };
        let mut bytes = [0; LOG_PIPE_BYTES];
        for _ in 0..PIECES_MAX {
            let Some(stderr) = &mut running.stderr else { return };
            match stderr.read(&mut bytes) {
                // The other end is closed.
                Ok(0) => running.stderr = None,
                Ok(count) => self.log.add(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Takes notice of every process that has ended: as the first process, init gets those whose
    /// parents are gone. How weir itself ended, if it did.
    pub(crate) fn reap(&mut self) -> Option<String> {
        let mut ended = None;
        for _ in 0..ENDED_MAX {
            let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) else { break };
            if self.running.as_ref().is_some_and(|running| running.pid == pid) {
                ended = Some(end_of(status));
            }
        }
        if ended.is_some() {
            // What it said last is still in the pipe.
            self.take_log();
            // What it started does not outlive it.
            self.signal_leftovers();
            self.running = None;
        }
        ended
    }

    fn signal_leftovers(&self) {
        if let Some(running) = &self.running {
            // There is rarely anything left.
            let _ = rustix::process::kill_process_group(running.pid, Signal::KILL);
        }
    }

    /// Its last lines, from the first whole one on.
    pub(crate) fn last_lines(&mut self) -> &[u8] {
        let is_cut = self.log.last.len() == LAST_LINES_BYTES_MAX;
        let bytes: &[u8] = self.log.last.make_contiguous();
        let first = bytes.iter().position(|byte| *byte == b'\n').filter(|_| is_cut);
        bytes.get(first.map_or(0, |at| at + 1)..).unwrap_or(bytes)
    }
}

fn end_of(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "somehow".to_owned(),
    }
}

impl WeirLog {
    fn add(&mut self, bytes: &[u8]) {
        let over = (self.last.len() + bytes.len()).saturating_sub(LAST_LINES_BYTES_MAX);
        self.last.drain(..over.min(self.last.len()));
        self.last.extend(bytes);
        if self.bytes + bytes.len() > WEIR_LOG_BYTES_MAX / 2 {
            // Two files, of which the older one goes.
            let _ = fs::rename(LOG, OLDER_LOG);
            (self.file, self.bytes) = (None, 0);
        }
        if self.file.is_none() {
            let options = OpenOptions::new().create(true).append(true).open(LOG);
            self.file = options.map_err(|error| log::warn!("{LOG}: {error}")).ok();
        }
        if let Some(file) = &mut self.file {
            // Memory may be short; the last lines are kept all the same.
            let _ = file.write_all(bytes);
            self.bytes += bytes.len();
        }
    }
}
