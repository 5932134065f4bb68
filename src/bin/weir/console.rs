//! `weir console`: the client of the socket in the state folder.

use std::io::{self, BufRead as _, ErrorKind, Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use weir::console::{SOCKET, TERMINAL};
use weir::storage::StateFolder;

use crate::arguments::Console;
use crate::typing::Mode;
use crate::{CONFIGURATION, ENVIRONMENT};

/// State folder of a weir that a package installed.
const STATE: &str = "/var/lib/weir";

/// Runs `weir console`, as a terminal or for one command; the error is the exit code.
pub(crate) fn run(Console { config, state, words }: Console) -> Result<(), u8> {
    let folder = match config {
        Some(config) => StateFolder::beside(&config, state),
        // As if a configuration were in that folder.
        None => StateFolder::beside(&Path::new(STATE).join("weir.toml"), state),
    };
    let path = folder.path(SOCKET).unwrap_or_else(|| PathBuf::from(SOCKET));
    let socket = UnixStream::connect(&path).map_err(|error| {
        eprintln!("{}: {}", path.display(), why(&error));
        ENVIRONMENT
    })?;
    let done = if words.is_empty() { terminal(&socket) } else { ask(&socket, &words) };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        Err(ENVIRONMENT)
    })
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            "no weir runs here (--state names its folder)".to_owned()
        }
        ErrorKind::PermissionDenied => "this is for root and weir's own user".to_owned(),
        _ => error.to_string(),
    }
}

/// Sends the first line. A refused client may find the socket closed, and then reads the reason.
fn begin(mut socket: &UnixStream, wanted: &str) -> io::Result<()> {
    match socket.write_all(format!("{wanted}\n").as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Runs a terminal until either end closes.
fn terminal(mut socket: &UnixStream) -> io::Result<Result<(), u8>> {
    begin(socket, TERMINAL)?;
    let before = Mode::raw();
    let mut typed = socket.try_clone()?;
    // Ends with the process: nothing interrupts a read of a terminal.
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut typed);
        let _ = typed.shutdown(Shutdown::Write);
    });
    let mut shown = io::stdout();
    let mut bytes = [0; 1024];
    loop {
        let count = match socket.read(&mut bytes) {
            // The other end closed with typed bytes unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            read => read?,
        };
        if count == 0 {
            break;
        }
        shown.write_all(&bytes[..count])?;
        shown.flush()?;
    }
    drop(before);
    Ok(Ok(()))
}

/// Runs one command; the inner error is the exit code.
fn ask(mut socket: &UnixStream, words: &[String]) -> io::Result<Result<(), u8>> {
    let words = serde_json::to_string(words)?;
    begin(socket, &words)?;
    let mut answer = io::BufReader::new(socket);
    loop {
        copy_until_zero(&mut answer)?;
        let mut sign = [0];
        answer.read_exact(&mut sign)?;
        match sign[0] {
            b'0' => return Ok(Ok(())),
            b'?' => {
                let mut prompt = String::new();
                answer.read_line(&mut prompt)?;
                let said = said(prompt.trim_end_matches('\n'))?;
                socket.write_all(format!("{said}\n").as_bytes())?;
            }
            _ => return Ok(Err(CONFIGURATION)),
        }
    }
}

fn copy_until_zero(answer: &mut impl io::BufRead) -> io::Result<()> {
    let mut shown = io::stdout();
    loop {
        let bytes = answer.fill_buf()?;
        if bytes.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let end = bytes.iter().position(|byte| *byte == 0);
        let text = &bytes[..end.unwrap_or(bytes.len())];
        shown.write_all(text)?;
        shown.flush()?;
        let taken = end.map_or(bytes.len(), |end| end + 1);
        answer.consume(taken);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// Asks the person, or reads the answer that is piped in.
fn said(prompt: &str) -> io::Result<String> {
    let (prompt, is_hidden) = match prompt.strip_prefix('*') {
        Some(prompt) => (prompt, true),
        None => (prompt, false),
    };
    let before = is_hidden.then(Mode::hidden);
    eprint!("{prompt}");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if before.is_some() {
        eprintln!();
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
