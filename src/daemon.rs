//! `weir run`: starts everything in order, and stops it. This module is above all others: only it
//! knows the threads, the web and the console together.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::config::{Config, ConfigFile, Started};
use crate::console::{self, Cable, Device};
use crate::limits::PROFILE;
use crate::media::{Media, Settings};
use crate::mem::heap;
use crate::net::udp::Socket;
use crate::plan;
use crate::process::cpu;
use crate::process::memory_limit;
use crate::process::open_files;
use crate::process::privileges::{self, Successor};
use crate::process::sampling;
use crate::status::tasks::{self, TASKS};
use crate::storage::StateFolder;
use crate::tls::Tls;
use crate::webrtc::handshake::DtlsIdentity;
use crate::{demo, process, status, web};

use crate::control::{Control, Supervisor, warn_of_presets};

/// Why weir could not start.
#[derive(Debug)]
pub enum RunError {
    /// A listening address could not be bound.
    Listen {
        /// The service for that address: `http`, `https`, `diagnostics` or `webrtc`.
        what: &'static str,
        /// The address and port from the configuration.
        address: String,
        /// The error of the operating system.
        error: io::Error,
    },
    /// Something else failed; a text for the operator.
    Start(String),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen { what, address, error } => {
                write!(f, "cannot listen on {address} for {what}: {error}")
            }
            Self::Start(why) => write!(f, "cannot start: {why}"),
        }
    }
}

impl std::error::Error for RunError {}

/// The arguments of [`run`].
#[derive(Debug)]
pub struct Start {
    /// The configuration, and where it was read from.
    pub started: Started,
    /// The folder for what must survive a restart.
    pub state: StateFolder,
    /// Whether the only camera is weir's own demo camera.
    pub is_demo: bool,
    /// The serial line for the console, in place of the configured one.
    pub console: Option<Device>,
}

/// Runs weir until SIGTERM or SIGINT.
///
/// # Errors
/// [`RunError`]: an address could not be bound, or another part could not be started.
pub fn run(start: Start) -> Result<(), RunError> {
    let refused = |error: io::Error| RunError::Start(error.to_string());
    // One blocking thread, for file I/O such as keeping a copy of the configuration.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_stack_size(PROFILE.stack_bytes)
        .on_thread_start(sampling::enlist_this_thread)
        .build()
        .map_err(refused)?;
    sampling::enlist_this_thread();
    LocalSet::new().block_on(&runtime, serve(start))
}

async fn serve(start: Start) -> Result<(), RunError> {
    let Start { mut started, state, is_demo, console } = start;
    let refused = |error: io::Error| RunError::Start(error.to_string());
    let listen = |what, address: std::net::SocketAddr| {
        let named = move |error| RunError::Listen { what, address: address.to_string(), error };
        web::bind(address).map_err(named)
    };
    log::info!("weir {}", process::version());
    open_files::make_room();
    // Before weir can be seen to run: an unhandled SIGHUP would end the process.
    let hangup = signal(SignalKind::hangup()).map_err(refused)?;
    let successor = Successor::of(started.config.process.user.as_deref());
    let state = state.owned_by(successor.owner());
    let http = listen("http", started.config.http.listen)?;
    let tls = Tls::open(&started.config.https, &state);
    let tls = tls.map_err(|error| RunError::Start(error.to_string()))?;
    let https = match tls.clone() {
        Some(tls) => Some((listen("https", started.config.https.listen)?, tls)),
        None => None,
    };
    let diagnostics = listen("diagnostics", started.config.diagnostics.listen)?;
    if is_demo {
        let listener = demo::bind().await.map_err(refused)?;
        let port = listener.local_addr().map_err(refused)?.port();
        started = Started::without_file(Config::demo(port));
        tasks::spawn(&TASKS.demo, demo::serve(listener, demo::DemoStream::clip()));
    }
    let identity = DtlsIdentity::new().map_err(|error| RunError::Start(error.to_string()))?;
    let webrtc = &started.config.webrtc;
    let settings = Settings { listen: webrtc.listen, payload_bytes: webrtc.payload_bytes };
    let socket = Socket::bind(webrtc.listen).map_err(|error| RunError::Listen {
        what: "webrtc",
        address: webrtc.listen.to_string(),
        error,
    })?;
    let supervisor = Supervisor::of_environment();
    let cable = console.or_else(|| configured(&started.config)).map(Cable::open);
    // Everything that may need root is bound and read by now, and this is the only thread.
    successor.become_it().map_err(|error| RunError::Start(error.to_string()))?;
    privileges::warn_of_closed(started.source.as_ref().map(ConfigFile::path), &state);
    warn_of_presets(&state);
    let media = Media::start(socket, settings).map_err(refused)?;
    announce(&started.config, &media, &http, https.as_ref().map(|(listener, _)| listener));
    // Kept as the last good configuration now that weir runs with it.
    if let (Some(source), Some(text)) = (&started.source, started.text.take()) {
        source.keep(&text);
    }
    let control = Control::new(started, state, media, identity, tls.clone(), supervisor);
    control.start(hangup);
    if let Some(tls) = tls {
        tasks::spawn(&TASKS.tls_files, tls.watch());
    }
    tasks::spawn(&TASKS.site, web::serve(web::Listeners { http, https }, control.clone()));
    tasks::spawn(&TASKS.diagnostics, web::serve_diagnostics(diagnostics, control.clone()));
    console::serve(&control, cable);
    tasks::spawn(&TASKS.gauges, gauge());
    termination().await.map_err(refused)?;
    log::info!("stopping");
    console::end(&control);
    control.stop().await;
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
async fn termination() -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}

/// The serial line of the configuration.
fn configured(config: &Config) -> Option<Device> {
    let path = config.console.device.clone()?;
    Some(Device { path, baud: config.console.baud })
}

/// Logs what an installer wants to know first.
fn announce(config: &Config, media: &Media, http: &TcpListener, https: Option<&TcpListener>) {
    let (send, receive) = media.socket.buffer_bytes();
    let gso = if media.socket.has_gso() { "on" } else { "not in this kernel" };
    log::info!("cpu: {}", cpu());
    log::info!("udp {}: gso {gso}, buffers {send} and {receive} bytes", config.webrtc.listen);
    let wanted = PROFILE.udp_socket_buffer_bytes;
    if send.min(receive) < wanted {
        log::warn!("udp buffers below {wanted}: raise net.core.wmem_max and net.core.rmem_max");
    }
    let limit = memory_limit::of_this_process().map_or("no kernel limit".to_owned(), |limit| {
        format!("the kernel's limit with its buffers is {} KiB", limit / 1024)
    });
    log::info!("memory: at most {} KiB (see `weir memory`), {limit}", plan::TOTAL_BYTES / 1024);
    log::info!("cameras: {}, max {}", config.cameras.len(), PROFILE.cameras);
    let scheme = if https.is_some() { "https" } else { "http" };
    if let Ok(address) = https.unwrap_or(http).local_addr() {
        let ip = address.ip().to_canonical();
        let host = if ip.is_unspecified() { "127.0.0.1".to_owned() } else { ip.to_string() };
        log::info!("open {scheme}://{host}:{}/", address.port());
    }
}

/// The CPU's instructions for AES-GCM, as a text.
fn cpu() -> String {
    let words =
        cpu::features().map(|(name, has)| if has { name.to_owned() } else { format!("no {name}") });
    words.collect::<Vec<_>>().join(", ")
}

/// Copies the process's own counters to the gauges, twice a second.
async fn gauge() {
    let gauges = &status::GAUGES;
    loop {
        gauges.library_heap_used_bytes.store(heap::used_bytes() as u64, Relaxed);
        gauges.library_heap_high_water_bytes.store(heap::high_water_bytes() as u64, Relaxed);
        gauges.media_allocations.store(heap::counted_allocations(), Relaxed);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
