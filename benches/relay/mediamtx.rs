//! MediaMTX between the same cameras and viewers: a relay that is not ours. Its program is
//! whoever's runs the bench; nothing of it is here.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::camera::CameraFarm;
use crate::common::server::{free_tcp, free_udp, wait_for};
use crate::common::whep;
use crate::load::Load;
use crate::report::Report;
use crate::window::{self, Relay};

const READY_US: u64 = 30_000_000;
const HOST: &str = "127.0.0.1";

/// MediaMTX's figures under the load.
pub(crate) fn measure(load: &Load, program: &Path) -> Result<Report, String> {
    let farm = CameraFarm::open(load.mounts());
    let running = MediaMtx::start(load, program, &farm).map_err(|error| error.to_string())?;
    if !running.wait_until_ready(load.cameras) {
        return Err(format!("not every camera became ready: {}", running.log()));
    }
    let relay = Relay {
        http: running.http,
        pid: running.child.id(),
        edit_offer: |offer| as_client(&offer),
    };
    let (mut viewers, joined) = window::join(load, relay);
    let window = window::measure(load, &farm, relay, &mut viewers);
    let mut report = Report::new(load, joined, window);
    report.close(viewers);
    Ok(report)
}

/// Left the choice it would be the DTLS client, which our viewers are.
fn as_client(offer: &str) -> String {
    offer.replace("a=setup:actpass", "a=setup:active")
}

struct MediaMtx {
    child: Child,
    http: SocketAddr,
    api: SocketAddr,
    directory: PathBuf,
}

impl MediaMtx {
    fn start(load: &Load, program: &Path, farm: &CameraFarm) -> std::io::Result<Self> {
        let (http, api, media) = (free_tcp(HOST), free_tcp(HOST), free_udp(HOST));
        let directory = std::env::temp_dir().join(format!("weir-relay-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let config = directory.join("mediamtx.yml");
        fs::write(&config, configuration(load, farm, http, api, media))?;
        let log = File::create(directory.join("log"))?;
        let child = Command::new(program)
            .arg(&config)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { child, http, api, directory })
    }

    fn wait_until_ready(&self, cameras: u32) -> bool {
        wait_for(READY_US, || {
            let answer = whep::get(self.api, "/v3/paths/list?itemsPerPage=1000");
            answer.is_ok_and(|answer| {
                let listed = serde_json::from_str::<serde_json::Value>(&answer.body);
                let listed = listed.unwrap_or_default();
                let paths = listed["items"].as_array().map_or(&[][..], Vec::as_slice);
                paths.iter().filter(|path| path["ready"] == true).count() >= cameras as usize
            })
        })
    }

    /// The end of what it has said.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("; ")
    }
}

impl Drop for MediaMtx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Nothing but WHEP, on loopback, and the API that says when a camera is there.
fn configuration(
    load: &Load,
    farm: &CameraFarm,
    http: SocketAddr,
    api: SocketAddr,
    media: SocketAddr,
) -> String {
    let mut text = format!(
        "logLevel: warn\napi: true\napiAddress: {api}\nrtsp: false\nrtmp: false\nhls: false\n\
         srt: false\nmoq: false\nwebrtc: true\nwebrtcAddress: {http}\n\
         webrtcLocalUDPAddress: {media}\nwebrtcIPsFromInterfaces: false\n\
         webrtcAdditionalHosts: [{HOST}]\npaths:\n"
    );
    for name in load.names() {
        let url = farm.url(&name);
        text += &format!("  {name}:\n    source: {url}\n    rtspTransport: tcp\n");
    }
    text
}
