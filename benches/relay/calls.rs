//! The server's system calls, counted by perf, or by strace where perf may not. Counting costs
//! time, so it has a window of its own.

use std::process::{Child, Command, Stdio};

use weir::clock;

use crate::common::camera::CameraFarm;
use crate::common::server::Server;
use crate::common::viewer::{Viewer, wall};
use crate::load::Load;
use crate::window::{camera_packets, viewer_packets};

/// Beyond the counted seconds: the tool's start and end.
const SLACK_US: u64 = 10_000_000;

/// System calls for each RTP packet, in and out counted together, and the tool that counted.
pub(crate) fn per_packet(
    load: &Load,
    farm: &CameraFarm,
    server: &Server,
    viewers: &mut [Viewer],
) -> Result<(f64, &'static str), String> {
    let mut reasons = Vec::new();
    for tool in [Tool::Perf, Tool::Strace] {
        match tool.count(load, farm, server, viewers) {
            Ok(calls) => return Ok((calls, tool.name())),
            Err(reason) => reasons.push(format!("{}: {reason}", tool.name())),
        }
    }
    Err(reasons.join("; "))
}

#[derive(Clone, Copy)]
enum Tool {
    Perf,
    Strace,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Strace => "strace",
        }
    }

    fn start(self, pid: u32, seconds: u64) -> std::io::Result<Child> {
        let (pid, seconds) = (pid.to_string(), seconds.to_string());
        let mut command = match self {
            Self::Perf => Command::new("perf"),
            Self::Strace => Command::new("timeout"),
        };
        match self {
            Self::Perf => command
                .args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &pid])
                .args(["--", "sleep", &seconds]),
            Self::Strace => {
                command.args(["-s", "INT", &seconds, "strace", "-q", "-f", "-c", "-p", &pid])
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    }

    fn count(
        self,
        load: &Load,
        farm: &CameraFarm,
        server: &Server,
        viewers: &mut [Viewer],
    ) -> Result<f64, String> {
        let packets = |viewers: &[Viewer]| camera_packets(farm) + viewer_packets(viewers);
        let packets_before = packets(viewers);
        let began_us = clock::now_us();
        let started = self.start(server.pid(), load.seconds);
        let mut child = started.map_err(|error| error.to_string())?;
        let timeout_us = load.seconds * 1_000_000 + SLACK_US;
        let ended = wall::run(viewers, timeout_us, |_| {
            clock::now_us() > began_us + 100_000 && matches!(child.try_wait(), Ok(Some(_)))
        });
        if !ended {
            let _ = child.kill();
        }
        let wall_us = clock::now_us() - began_us;
        let counted = packets(viewers) - packets_before;
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        let calls = match self {
            Self::Perf => perf_calls(&said),
            Self::Strace => strace_calls(&said),
        };
        let calls = calls.ok_or_else(|| said.trim().replace('\n', " "))?;
        // The tool counted for exactly `seconds`; the packets include its start and end.
        let calls_per_s = calls as f64 / load.seconds as f64;
        let packets_per_s = counted as f64 * 1e6 / wall_us as f64;
        if counted == 0 || calls == 0 {
            return Err(format!("{calls} calls for {counted} packets"));
        }
        Ok(calls_per_s / packets_per_s)
    }
}

/// `12345,,raw_syscalls:sys_enter,…`
fn perf_calls(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("raw_syscalls:sys_enter"))?;
    line.split(',').next()?.parse().ok()
}

/// The last line: percent, seconds, microseconds a call, calls, errors if any, `total`.
fn strace_calls(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.trim_end().ends_with("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
