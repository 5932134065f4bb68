//! The weir that is judged: this program started again, with a configuration, ports and a folder of
//! its own.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use crate::access::TokenHash;
use crate::limits::{
    SELFTEST_END_MS_MAX, SELFTEST_LOG_BYTES_MAX, SELFTEST_LOOK_MS, SELFTEST_START_MS_MAX,
};
use crate::process::child::ChildProcess;
use crate::verify::{Asked, HttpClient, SiteTrust, SiteUrl};
use crate::{clock, hex, random};

const CONFIGURATION: &str = "weir.toml";
const LOG: &str = "weir.log";
/// Where a folder is made without `$TMPDIR`: an image may have no `/tmp`.
const TEMPORARY: [&str; 2] = ["/tmp", "/dev/shm"];

/// The running program; killed when dropped, and its folder with it.
pub(super) struct JudgedWeir {
    // Fields are dropped in this order: the process goes before its folder.
    process: ChildProcess,
    folder: TemporaryFolder,
    http: u16,
    token: String,
}

impl JudgedWeir {
    /// Starts it with a camera at each of these ports.
    ///
    /// # Errors
    /// There is no folder, no port or no process; a sentence.
    pub(super) fn start(cameras: &[u16]) -> Result<Self, String> {
        let folder = TemporaryFolder::make()?;
        let of_folder = |error: io::Error| format!("{}: {error}", folder.0.display());
        let [http, diagnostics, media] = free_ports().map_err(|error| format!("ports: {error}"))?;
        let (token, hash) = TokenHash::generate();
        let text = configuration([http, diagnostics, media], &hash.to_string(), cameras);
        let path = folder.0.join(CONFIGURATION);
        fs::write(&path, text).map_err(of_folder)?;
        let log = File::create(folder.0.join(LOG)).map_err(of_folder)?;
        let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let mut command = Command::new(program);
        // Nothing of this process's environment is meant for it: no state folder, no watchdog.
        command.env_clear().arg("run").arg("--config").arg(&path).arg("--state").arg(&folder.0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
        let process = ChildProcess::start(command);
        let process = process.map_err(|error| format!("it cannot be started: {error}"))?;
        Ok(Self { process, folder, http, token })
    }

    /// A client of it, with the token of an operator.
    ///
    /// # Errors
    /// Never, as weir makes the token.
    pub(super) fn client(&self) -> Result<HttpClient, String> {
        let site = SiteUrl::parse(&format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.http))?;
        Ok(HttpClient::new(site, SiteTrust::Undecided, Some(&self.token))?)
    }

    /// Waits until this many cameras are ready for viewers; how many are, when the time is up.
    ///
    /// # Errors
    /// It ended, or never answered; a sentence.
    pub(super) async fn wait_for_cameras(&mut self, count: usize) -> Result<usize, String> {
        let client = self.client()?;
        let deadline_us = clock::now_us() + SELFTEST_START_MS_MAX * 1_000;
        let mut answered = None;
        loop {
            if let Some(ended) = self.process.ended().map_err(|error| error.to_string())? {
                return Err(format!("it ended ({ended}): {}", self.last_line()));
            }
            if let Ok(answer) = client.ask(Asked::get("/api/cameras")).await
                && answer.status == StatusCode::OK
            {
                let listed = answer.json();
                let cameras = listed["cameras"].as_array().map_or(&[][..], Vec::as_slice);
                answered = Some(cameras.iter().filter(|camera| camera["ready"] == true).count());
            }
            if answered >= Some(count) || clock::now_us() >= deadline_us {
                break;
            }
            sleep(Duration::from_millis(SELFTEST_LOOK_MS)).await;
        }
        answered
            .ok_or_else(|| format!("no answer in {SELFTEST_START_MS_MAX} ms: {}", self.last_line()))
    }

    /// What it reports of itself, and when.
    ///
    /// # Errors
    /// It does not answer any more; a sentence.
    pub(super) async fn status(&self) -> Result<(Value, u64), String> {
        let answer = self.client()?.ask(Asked::get("/api/status")).await;
        match answer {
            Ok(answer) if answer.status == StatusCode::OK => Ok((answer.json(), clock::now_us())),
            Ok(answer) => Err(format!("/api/status: {}", answer.reason())),
            Err(error) => Err(format!("/api/status: {error}; {}", self.last_line())),
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// It did not end by itself, or not as it should; a sentence.
    pub(super) async fn end(mut self) -> Result<(), String> {
        match self.process.end(SELFTEST_END_MS_MAX).await {
            Ok(Some(ended)) if ended.success() => Ok(()),
            Ok(Some(ended)) => Err(format!("it ended badly ({ended}): {}", self.last_line())),
            Ok(None) => Err(format!("it had not ended {SELFTEST_END_MS_MAX} ms after SIGTERM")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn last_line(&self) -> String {
        last_line(&self.folder.0.join(LOG)).unwrap_or_else(|| "it logged nothing".to_owned())
    }
}

/// The last line of a log.
fn last_line(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(SELFTEST_LOG_BYTES_MAX))).ok()?;
    let mut end = Vec::new();
    file.take(SELFTEST_LOG_BYTES_MAX).read_to_end(&mut end).ok()?;
    let text = String::from_utf8_lossy(&end);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// Two TCP ports and one of UDP on loopback that nobody has.
fn free_ports() -> io::Result<[u16; 3]> {
    let any = (Ipv4Addr::LOCALHOST, 0);
    let (first, second, datagrams) =
        (TcpListener::bind(any)?, TcpListener::bind(any)?, UdpSocket::bind(any)?);
    Ok([first.local_addr()?.port(), second.local_addr()?.port(), datagrams.local_addr()?.port()])
}

/// Its configuration: everything on loopback, for an operator with the token of this hash.
fn configuration(ports: [u16; 3], hash: &str, cameras: &[u16]) -> String {
    let [http, diagnostics, media] = ports;
    let us = Ipv4Addr::LOCALHOST;
    let mut text = format!(
        "config_version = 1\n[http]\nlisten = \"{us}:{http}\"\n[https]\ntls = \"off\"\n\
         [webrtc]\nlisten = \"{us}:{media}\"\n[diagnostics]\nlisten = \"{us}:{diagnostics}\"\n\
         [[token]]\nname = \"selftest\"\nrole = \"operator\"\nhash = \"{hash}\"\n"
    );
    for (at, port) in cameras.iter().enumerate() {
        let name = camera_name(at);
        let _ = write!(text, "[[camera]]\nname = \"{name}\"\nurl = \"rtsp://{us}:{port}/\"\n");
    }
    text
}

/// The name of a camera of the load.
pub(super) fn camera_name(at: usize) -> String {
    format!("camera{}", at + 1)
}

/// A folder for this user alone; removed when dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes one in `$TMPDIR`, or else where there is room for such things.
    fn make() -> Result<Self, String> {
        let name = format!("weir-selftest-{}", hex::text(&random::random::<8>()));
        let roots = match std::env::var_os("TMPDIR") {
            Some(root) => vec![PathBuf::from(root)],
            None => TEMPORARY.map(PathBuf::from).to_vec(),
        };
        let mut why = String::new();
        for root in roots {
            let path = root.join(&name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => why = format!("{}: {error}", path.display()),
            }
        }
        Err(why)
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nothing is left to do where it fails.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn its_configuration_is_good_and_on_loopback() {
        let (_, hash) = TokenHash::generate();
        let text = configuration([8117, 9999, 8118], &hash.to_string(), &[5541, 5542]);
        let loaded = config::parse(&text, Path::new("."));
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        let config = loaded.config;
        assert_eq!(config.cameras.len(), 2);
        for listen in [config.http.listen, config.webrtc.listen, config.diagnostics.listen] {
            assert!(listen.ip().is_loopback(), "{listen}");
        }
    }

    #[test]
    fn a_folder_goes_with_what_is_in_it() {
        let folder = TemporaryFolder::make().expect("a folder");
        let path = folder.0.clone();
        fs::write(path.join(LOG), "one\n two \n\n").expect("room");
        assert_eq!(last_line(&path.join(LOG)).as_deref(), Some("two"));
        drop(folder);
        assert!(!path.exists());
    }
}
