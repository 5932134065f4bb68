//! `selftest` at the console: `weir selftest` as a process of its own, small, and what it says.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::limits::{
    SELFTEST_CONSOLE_BYTES_MAX, SELFTEST_CONSOLE_CAMERAS, SELFTEST_CONSOLE_SECONDS,
    SELFTEST_END_MS_MAX,
};
use crate::plan;
use crate::process::child::ChildProcess;
use crate::process::memory_limit;
use crate::status::tasks::{self, TASKS};

/// Runs it, and returns what it says; it is ended when the person no longer waits.
///
/// # Errors
/// There is no room for it, one runs already, it cannot be started, or a rule is missed: what it
/// says.
pub(super) async fn selftest() -> Result<String, String> {
    if TASKS.selftest.running() > 0 {
        return Err("a selftest is under way".to_owned());
    }
    let limit_bytes = memory_limit::of_this_process();
    if limit_bytes.is_some_and(|bytes| bytes < needed_bytes()) {
        return Err(format!(
            "a second weir and its load may need more than the memory limit of this service: {} \
             KiB; run `weir selftest` at a shell",
            limit_bytes.unwrap_or(0) / 1024
        ));
    }
    log::info!("a selftest begins, as was asked for at the console");
    let (said, answer) = oneshot::channel();
    tasks::spawn(&TASKS.selftest, run(said));
    answer.await.unwrap_or_else(|_| Err("the selftest came to no end".to_owned()))
}

/// What this weir, the one that is judged and the load may take together.
fn needed_bytes() -> u64 {
    let load_bytes = plan::TOTAL_BYTES - plan::ARENA_BYTES;
    (2 * plan::TOTAL_BYTES + load_bytes) as u64
}

/// Runs the program and says how it went; ends it when nobody waits for that any more.
async fn run(mut said: oneshot::Sender<Result<String, String>>) {
    let mut process = match start() {
        Ok(process) => process,
        Err(why) => {
            let _ = said.send(Err(format!("the selftest cannot be started: {why}")));
            return;
        }
    };
    tokio::select! {
        text = read(&mut process) => {
            // It has closed its output, so it is about to end.
            let ended = process.wait(SELFTEST_END_MS_MAX).await;
            let is_good = matches!(ended, Ok(Some(status)) if status.success());
            let _ = said.send(if is_good { text } else { text.and_then(Err) });
        }
        () = said.closed() => {
            // It ends the weir that it started, and takes its folder away.
            let _ = process.end(SELFTEST_END_MS_MAX).await;
        }
    }
}

fn start() -> Result<ChildProcess, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command
        .arg("selftest")
        .args(["--cameras", &SELFTEST_CONSOLE_CAMERAS.to_string()])
        .args(["--seconds", &SELFTEST_CONSOLE_SECONDS.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    ChildProcess::start(command).map_err(|error| error.to_string())
}

/// All that it prints, without what a terminal would obey.
async fn read(process: &mut ChildProcess) -> Result<String, String> {
    let of_pipe = |error: std::io::Error| format!("what the selftest says: {error}");
    let output = process.take_stdout().ok_or("the selftest has no output")?;
    let output = pipe::Receiver::from_owned_fd(OwnedFd::from(output)).map_err(of_pipe)?;
    let mut bytes = Vec::new();
    let mut output = output.take(SELFTEST_CONSOLE_BYTES_MAX as u64);
    output.read_to_end(&mut bytes).await.map_err(of_pipe)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
