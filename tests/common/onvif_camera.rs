//! GStreamer's RTSP server as a camera that can be asked by ONVIF (tests/interop/onvif_camera.py):
//! what it is asked is judged by ONVIF's own schemas, by zeep and by urllib.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A running camera; it ends when this is dropped.
pub struct OnvifCamera {
    child: Child,
    /// Where its RTSP is.
    pub rtsp_port: u16,
    /// Where its ONVIF services are.
    pub onvif_port: u16,
    lines: Arc<Mutex<Vec<String>>>,
}

impl OnvifCamera {
    /// Starts one with these arguments of its program.
    pub fn start(arguments: &[&str]) -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{root}/target"));
        let mut child = Command::new("/usr/bin/python3")
            .arg(format!("{root}/tests/interop/onvif_camera.py"))
            .args(arguments)
            .env("PYTHONPATH", format!("{target}/tools"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = output.next().expect("it listens").expect("text");
        let ports: Vec<u16> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [rtsp_port, onvif_port] = ports[..] else { panic!("{line}") };
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                kept.lock().expect("no panic").push(line);
            }
        });
        Self { child, rtsp_port, onvif_port, lines }
    }

    /// What it was asked so far: operations, and what it refused.
    pub fn asked(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }

    /// How often it was asked this.
    pub fn count(&self, line: &str) -> usize {
        self.asked().iter().filter(|asked| asked.starts_with(line)).count()
    }
}

impl Drop for OnvifCamera {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
