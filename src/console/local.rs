//! The Unix socket in the state folder, which `weir console` connects to. Its permissions are the
//! login: it is for weir's own user and root only, and the kernel tells the user of each peer.
//!
//! A client first sends a line: `terminal` for a terminal, or the words of one command as a JSON
//! list. The answer to a command ends with a zero byte and a sign: `0` for success, `1` for
//! failure, or `?` and a line, which is a question for the person. A question begins with `*` if
//! the typed answer must not be shown. The client sends that answer as a line.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::command::ConsoleCommand;
use super::dispatcher::Dispatcher;
use super::response::{Response, Then};
use super::session::run_session;
use super::terminal::{Terminal, Way};
use super::wire::ConsoleWire;
use crate::clock;
use crate::journal::lines;
use crate::limits::{
    CONSOLE_FOLLOW_MS, CONSOLE_REQUEST_BYTES_MAX, CONSOLE_REQUEST_MS_MAX, CONSOLES_MAX,
};
use crate::mem::accounts::{AccountKind, HeapAccount};
use crate::status::TABLES;
use crate::status::tasks::{self, TASKS};
use crate::storage::{Secret, StateFolder};

/// Name of the socket in the state folder.
pub const SOCKET: &str = "weir-console";
/// First line of a client that wants a terminal.
pub const TERMINAL: &str = "terminal";
const MODE: u32 = 0o600;
const ROOT: u32 = 0;
/// Pause after an error of `accept`, which may come again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Creates the socket, in place of one left over from before; `None` without a state folder.
///
/// # Errors
/// The folder is not writable, or its path is too long for a socket's address.
pub(super) fn bind(folder: &StateFolder) -> io::Result<Option<UnixListener>> {
    let (Some(path), Some(unfinished)) =
        (folder.path(SOCKET), folder.path(&format!(".{SOCKET}.new")))
    else {
        return Ok(None);
    };
    remove(&unfinished)?;
    let listener = UnixListener::bind(&unfinished)?;
    // Renamed only once it is closed to others; `serve` also checks a peer that connected before.
    std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(MODE))?;
    std::fs::rename(&unfinished, path)?;
    Ok(Some(listener))
}

/// Removes the socket at shutdown.
pub(super) fn unbind(folder: &StateFolder) {
    if let Some(path) = folder.path(SOCKET) {
        // May fail: the socket may be another weir's by now, or gone.
        let _ = std::fs::remove_file(path);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Accepts clients without end.
pub(super) async fn serve(listener: UnixListener, path: PathBuf, dispatcher: Dispatcher) {
    let own = std::fs::metadata(path).map_or(ROOT, |socket| socket.uid());
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                log::warn!("console: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let is_known = socket.peer_cred().is_ok_and(|peer| [own, ROOT].contains(&peer.uid()));
        if !is_known {
            log::warn!("console: refused a client that is neither weir's user nor root");
            continue;
        }
        if TABLES.consoles.used() >= CONSOLES_MAX as u64 - 1 {
            TABLES.consoles.was_full();
            let _ = socket.try_write(b"there are too many consoles already\n\x001");
            continue;
        }
        let account = match HeapAccount::open(AccountKind::Console) {
            Ok(account) => account,
            Err(refused) => {
                let _ = socket.try_write(format!("{refused}\n\x001").as_bytes());
                continue;
            }
        };
        TABLES.consoles.take();
        let dispatcher = dispatcher.clone();
        tasks::spawn(&TASKS.console, async move {
            // A client that disconnects halfway is no error to report.
            if let Err(over) = account.charge(visit(&dispatcher, socket)).await {
                over.tell("by the socket");
            }
            TABLES.consoles.give();
        });
    }
}

async fn visit(dispatcher: &Dispatcher, socket: UnixStream) -> io::Result<()> {
    let wire = ConsoleWire::Local(socket);
    let mut first = Lines::default();
    let wanted = within(first.next(&wire)).await?;
    if wanted == TERMINAL {
        let mut terminal = Terminal::new(Way::Local, clock::now_us());
        terminal.receive(&first.rest(), clock::now_us());
        return run_session(dispatcher, Way::Local, &mut terminal, &wire).await;
    }
    let words: Vec<String> = serde_json::from_str(&wanted).unwrap_or_default();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut answer = match ConsoleCommand::of(&words) {
        Ok(command) => dispatcher.answer(command).await,
        Err(why) => Response::failure(&why),
    };
    loop {
        while let Some(piece) = (answer.pieces)() {
            send(&wire, &shown(&piece)).await?;
        }
        match answer.then {
            Then::Ask(question) => {
                let (prompt, is_shown) = question.prompt();
                let hide = if is_shown { "" } else { "*" };
                send(&wire, &format!("\0?{hide}{prompt}\n")).await?;
                // No time limit: a person may think about it.
                let said = first.next(&wire).await?;
                answer = dispatcher.answer_prompt(question, Secret::new(said)).await;
            }
            Then::Follow(next) => return follow(&wire, next).await,
            Then::Next | Then::Leave => {
                return send(&wire, if answer.is_failure { "\x001" } else { "\x000" }).await;
            }
        }
    }
}

/// Sends log lines as they are written, until the client disconnects.
async fn follow(wire: &ConsoleWire, mut next: u64) -> io::Result<()> {
    let mut bytes = [0; 16];
    loop {
        let since = lines::since(next);
        next = since.next;
        if since.missed > 0 {
            send(wire, &format!("({} lines missed)\n", since.missed)).await?;
        }
        for line in &since.lines {
            send(wire, &shown(&format!("{line}\n"))).await?;
        }
        tokio::select! {
            read = wire.read(&mut bytes) => if read? == 0 { return Ok(()) },
            () = sleep(Duration::from_millis(CONSOLE_FOLLOW_MS)) => {}
        }
    }
}

/// Replaces control characters, so that no text moves a cursor or looks like the answer's end.
fn shown(text: &str) -> String {
    let is_other = |character: char| character.is_control() && character != '\n';
    text.replace(is_other, "?")
}

async fn send(wire: &ConsoleWire, text: &str) -> io::Result<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let sent = within(wire.write(rest)).await?;
        rest = &rest[sent..];
    }
    Ok(())
}

async fn within<T>(what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let limit = Duration::from_millis(CONSOLE_REQUEST_MS_MAX);
    timeout(limit, what).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Splits received bytes into lines, of at most [`CONSOLE_REQUEST_BYTES_MAX`] bytes each.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    async fn next(&mut self, wire: &ConsoleWire) -> io::Result<String> {
        let mut bytes = [0; 256];
        loop {
            if let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.0[..end]).into_owned();
                self.0.drain(..=end);
                return Ok(line);
            }
            if self.0.len() > CONSOLE_REQUEST_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            match wire.read(&mut bytes).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.0.extend(&bytes[..count]),
            }
        }
    }

    /// Bytes received after the last line.
    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}
