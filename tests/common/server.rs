//! The weir program as a process of its own: a configuration in a directory of its own, free
//! ports, its log in a file that is shown when a test fails.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use weir::clock;

use super::whep::{self, Response};

const START_US: u64 = 10_000_000;
const STOP_US: u64 = 5_000_000;
const LOG_LINES_SHOWN: usize = 80;

/// A camera of the configuration.
#[derive(Debug, Clone)]
pub struct CameraEntry {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// User and password.
    pub login: Option<(String, String)>,
}

/// What a server is started with.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The cameras.
    pub cameras: Vec<CameraEntry>,
    /// Lines for the `[webrtc]` table: `announce`, `resend`, `payload_bytes`.
    pub webrtc: String,
    /// The media port, where it must be known before the start (for `announce`).
    pub media_port: Option<u16>,
    /// Lines for an `[https]` table, which gets a free port; none when empty.
    pub https: String,
    /// The host part of the HTTP and media addresses; `127.0.0.1` when empty.
    pub host: String,
    /// Lines for the `[http]` table: `open`, `names`, `origins`, `ice_servers`.
    pub http: String,
    /// `[[user]]` and `[[token]]` sections.
    pub accounts: String,
    /// Lines for every `[[camera]]`.
    pub of_cameras: String,
    /// Cameras with further keys: `[[camera]]` sections as they stand in the file.
    pub sections: String,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
}

/// A running server.
pub struct Server {
    /// WHEP, pages, API.
    pub http: SocketAddr,
    /// The same encrypted, when it was asked for.
    pub https: SocketAddr,
    /// The media port.
    pub media: SocketAddr,
    /// Metrics.
    pub diagnostics: SocketAddr,
    child: Child,
    directory: PathBuf,
    environment: Vec<(String, String)>,
}

/// Where a server is told to listen.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub media: SocketAddr,
    pub diagnostics: SocketAddr,
}

impl Setup {
    /// A server for these cameras of a farm.
    pub fn of(cameras: impl IntoIterator<Item = (String, String)>) -> Self {
        let entries = cameras.into_iter().map(|(name, url)| CameraEntry { name, url, login: None });
        Self { cameras: entries.collect(), ..Self::default() }
    }

    fn toml(&self, at: &Addresses) -> String {
        let Addresses { http, https, media, diagnostics } = at;
        let mut text = format!(
            "config_version = 1\n[http]\nlisten = \"{http}\"\n{}\n[webrtc]\n\
             listen = \"{media}\"\n{}\n[diagnostics]\nlisten = \"{diagnostics}\"\n",
            self.http, self.webrtc
        );
        if !self.https.is_empty() {
            text += &format!("[https]\nlisten = \"{https}\"\n{}\n", self.https);
        }
        text += &self.accounts;
        for camera in &self.cameras {
            text += &format!("[[camera]]\nname = \"{}\"\nurl = \"{}\"\n", camera.name, camera.url);
            if let Some((user, password)) = &camera.login {
                text += &format!("user = \"{user}\"\npassword = \"{password}\"\n");
            }
            text += &self.of_cameras;
        }
        text + &self.sections
    }
}

impl Server {
    /// Starts the program and waits until it answers.
    pub fn start(setup: &Setup) -> Self {
        let host = if setup.host.is_empty() { "127.0.0.1" } else { &setup.host };
        let http = free_tcp(host);
        let diagnostics = free_tcp("127.0.0.1");
        let media = match setup.media_port {
            Some(port) => SocketAddr::new(http.ip(), port),
            None => free_udp(host),
        };
        let https = free_tcp(host);
        Self::start_at(setup, Addresses { http, https, media, diagnostics })
    }

    /// The same at these addresses, whatever the setup says of them.
    pub fn start_at(setup: &Setup, at: Addresses) -> Self {
        let directory = fresh_directory();
        let config = directory.join("weir.toml");
        fs::write(&config, setup.toml(&at)).expect("a writable directory");
        let environment = setup.environment.clone();
        let child = spawn(&directory, &environment);
        let Addresses { http, https, media, diagnostics } = at;
        let mut server = Self { http, https, media, diagnostics, child, directory, environment };
        server.wait_until_up();
        server
    }

    /// Kills it, as the kernel does when memory is short.
    pub fn kill(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
    }

    /// Starts it again after a [`Self::kill`] or [`Self::terminate`], with the file as it is, and
    /// waits until it answers.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.directory, &self.environment);
        self.wait_until_up();
    }

    /// Replaces the configuration's file by one with these cameras on the same ports.
    pub fn configure(&self, setup: &Setup) {
        self.write(&self.text(setup));
    }

    /// The text of a configuration with these cameras on the same ports.
    pub fn text(&self, setup: &Setup) -> String {
        let Self { http, https, media, diagnostics, .. } = *self;
        setup.toml(&Addresses { http, https, media, diagnostics })
    }

    /// Replaces the configuration's file, in one go.
    pub fn write(&self, text: &str) {
        let unfinished = self.directory.join("weir.toml.next");
        fs::write(&unfinished, text).expect("a writable directory");
        fs::rename(unfinished, self.config()).expect("a writable directory");
    }

    /// Has it read its configuration again, by its console; what a POST to `/api/reload` answers.
    pub fn reload(&self) -> Response {
        let (is_done, body) = self.console(&["config", "reload", "--json"]);
        let answer = Response { status: 200, headers: Vec::new(), body };
        let status = if is_done { 200 } else { answer.json()["status"].as_u64().unwrap_or(0) };
        Response { status: u16::try_from(status).expect("a status"), ..answer }
    }

    /// What only an operator is told over HTTP, by the console: `sessions` or `status`.
    pub fn tell(&self, what: &str) -> serde_json::Value {
        let (is_done, body) = self.console(&[what, "--json"]);
        assert!(is_done, "{what}: {body}");
        Response { status: 200, headers: Vec::new(), body }.json()
    }

    /// Asks the console for one thing; whether it was done, and what it says.
    pub fn console(&self, words: &[&str]) -> (bool, String) {
        let socket = self.directory.join(weir::console::SOCKET);
        let mut socket = UnixStream::connect(socket).expect("a console");
        let line = serde_json::to_string(words).expect("words are JSON") + "\n";
        // Who is refused may find it closed already, with the reason to be read.
        let asked = socket.write_all(line.as_bytes());
        let mut said = String::new();
        let read = socket.read_to_string(&mut said);
        assert!(said.contains('\0'), "{asked:?} {read:?} {said}");
        let (text, sign) = said.split_once('\0').expect("a sign at the end");
        (sign == "0", text.to_owned())
    }

    /// The same by SIGHUP.
    pub fn hang_up(&self) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    fn wait_until_up(&mut self) {
        let up = wait_for(START_US, || {
            if let Some(status) = self.child.try_wait().expect("our child") {
                panic!("weir ended at once ({status}):\n{}", self.log());
            }
            whep::get(self.http, "/healthz").is_ok_and(|answer| answer.status == 200)
        });
        assert!(up, "weir does not answer /healthz:\n{}", self.log());
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// GET on the web's port.
    pub fn get(&self, path: &str) -> Response {
        whep::get(self.http, path).expect("weir answers")
    }

    /// The text of `/metrics`.
    pub fn metrics(&self) -> String {
        whep::get(self.diagnostics, "/metrics").expect("weir answers").body
    }

    /// The sum of a metric over its labels; `None` when there is no such metric.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let values: Vec<f64> = self
            .metrics()
            .lines()
            .filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Waits until so many cameras are ready for viewers.
    pub fn wait_until_ready(&self, cameras: usize, timeout_us: u64) -> bool {
        wait_for(timeout_us, || {
            let listed = self.get("/api/cameras").json();
            let cameras_listed = listed["cameras"].as_array().expect("a list of cameras");
            let ready = cameras_listed.iter().filter(|camera| camera["ready"] == true);
            ready.count() >= cameras
        })
    }

    /// Its configuration's file.
    pub fn config(&self) -> PathBuf {
        self.directory.join("weir.toml")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("weir.log")).unwrap_or_default()
    }

    /// Asks it to end and waits for that; killed when it takes too long.
    pub fn stop(mut self) -> ExitStatus {
        self.terminate()
    }

    /// The same, and it may be started again.
    pub fn terminate(&mut self) -> ExitStatus {
        if let Some(status) = self.child.try_wait().expect("our child") {
            return status;
        }
        let pid = self.pid().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let mut ended = None;
        wait_for(STOP_US, || {
            ended = self.child.try_wait().expect("our child");
            ended.is_some()
        });
        ended.unwrap_or_else(|| {
            let _ = self.child.kill();
            self.child.wait().expect("our child")
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.terminate();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("--- the end of weir's log\n{}\n---", lines[from..].join("\n"));
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Starts the program; its log is added to what is there.
fn spawn(directory: &Path, environment: &[(String, String)]) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(directory.join("weir.log"));
    let log = log.expect("a writable directory");
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "--config"])
        .arg(directory.join("weir.toml"))
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a descriptor"))
        .stderr(log)
        .spawn()
        .expect("the weir program runs")
}

/// Asks every 5 ms whether `done`; whether it became so in time.
pub fn wait_for(timeout_us: u64, mut done: impl FnMut() -> bool) -> bool {
    let deadline_us = clock::now_us() + timeout_us;
    while clock::now_us() < deadline_us {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A TCP address that nobody listens on.
pub fn free_tcp(host: &str) -> SocketAddr {
    let listener = ports().find_map(|port| TcpListener::bind(format!("{host}:{port}")).ok());
    listener.and_then(|listener| listener.local_addr().ok()).expect("a free port")
}

/// A UDP address that nobody listens on.
pub fn free_udp(host: &str) -> SocketAddr {
    let socket = ports().find_map(|port| UdpSocket::bind(format!("{host}:{port}")).ok());
    socket.and_then(|socket| socket.local_addr().ok()).expect("a free port")
}

/// Ports below those that the kernel gives to connections, each for one caller: between the look
/// and its use nobody takes it.
fn ports() -> impl Iterator<Item = u32> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    let start = std::process::id().wrapping_mul(677) % COUNT;
    (0..COUNT).map(move |_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
}

/// A new folder; whoever asked for it removes it.
pub fn fresh_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("weir-{}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir_all(&directory).expect("a writable temporary directory");
    directory
}
