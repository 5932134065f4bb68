//! The consoles of a running weir: the serial line and the Unix socket.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use super::dispatcher::Dispatcher;
use super::local;
use super::session::run_session;
use super::terminal::{Terminal, Way};
use super::wire::ConsoleWire;
use crate::clock;
use crate::control::Control;
use crate::limits::CONSOLE_REOPEN_MS;
use crate::mem::accounts::{AccountKind, HeapAccount};
use crate::net::serial::{self, SerialDevice, SerialLine};
use crate::status::tasks::{self, TASKS};

/// A serial device and its speed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Path of the device, like `/dev/ttyS0`.
    pub path: PathBuf,
    /// Speed in bits per second.
    pub baud: u32,
}

/// A serial line, open or still to be opened.
#[derive(Debug)]
pub struct Cable {
    device: Device,
    opened: Option<SerialDevice>,
}

impl Cable {
    /// Opens the device, while weir may still be root. A failure is logged, and [`serve`] tries
    /// again.
    pub fn open(device: Device) -> Self {
        let opened = match serial::open(&device.path, device.baud) {
            Ok(opened) => Some(opened),
            Err(error) => {
                log::warn!("console: {}: {error}", device.path.display());
                None
            }
        };
        Self { device, opened }
    }
}

/// Starts the console tasks, which run as long as weir does.
pub fn serve(control: &Control, cable: Option<Cable>) {
    let dispatcher = Dispatcher::new(control.clone());
    let guard = control.guard();
    let folder = guard.folder();
    match (local::bind(folder), folder.path(local::SOCKET)) {
        (Ok(Some(listener)), Some(path)) => {
            tasks::spawn(&TASKS.console_socket, local::serve(listener, path, dispatcher.clone()));
        }
        (Err(error), _) => log::warn!("console: no socket for `weir console`: {error}"),
        _ => {}
    }
    if let Some(cable) = cable {
        log::info!("console: {} at {} baud", cable.device.path.display(), cable.device.baud);
        tasks::spawn(&TASKS.cable, run_cable(dispatcher, cable));
    }
}

/// Removes the socket at shutdown.
pub fn end(control: &Control) {
    local::unbind(control.guard().folder());
}

/// Opens an account for the serial console. Retries until there is memory for it: the console is
/// the way in when nothing else works.
async fn open_account() -> HeapAccount {
    loop {
        match HeapAccount::open(AccountKind::Console) {
            Ok(account) => return account,
            Err(_) => sleep(Duration::from_millis(CONSOLE_REOPEN_MS)).await,
        }
    }
}

async fn run_cable(dispatcher: Dispatcher, cable: Cable) {
    let Cable { device, opened: mut held } = cable;
    let way = Way::Cable { baud: device.baud };
    // One terminal for the whole run: pulling the cable does not give new password tries.
    let mut terminal = Box::new(Terminal::new(way, clock::now_us()));
    loop {
        let opened = held.take().map_or_else(|| serial::open(&device.path, device.baud), Ok);
        match opened.and_then(SerialLine::new) {
            Ok(line) => {
                let wire = ConsoleWire::Cable(line);
                let account = open_account().await;
                match account.charge(run_session(&dispatcher, way, &mut terminal, &wire)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => log::warn!("console: {}: {error}", device.path.display()),
                    Err(over) => over.tell(device.path.display()),
                }
                terminal.hang_up();
            }
            Err(error) => log::debug!("console: {}: {error}", device.path.display()),
        }
        sleep(Duration::from_millis(CONSOLE_REOPEN_MS)).await;
    }
}
