//! GStreamer's RTSP server as a camera (tests/interop/camera.py): software that is not ours.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A running server; it ends when this is dropped.
pub struct GstreamerCamera {
    child: Child,
    port: u16,
}

impl GstreamerCamera {
    /// Serves one mount, with these further keys of camera.py.
    pub fn start(path: &str, keys: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/camera.py");
        let mut child = Command::new("/usr/bin/python3")
            .args([script, "--mount", &format!("path={path},{keys}")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let output = child.stdout.take().expect("a pipe");
        let line = BufReader::new(output).lines().next().expect("it listens").expect("text");
        let port = line.strip_prefix("ready ").and_then(|port| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("{line}")) }
    }

    /// The URL of a mount.
    pub fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for GstreamerCamera {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
