//! A program that this process starts, and that does not outlive it.

use std::io;
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::time::Duration;

use tokio::time::sleep;

use super::kernel;
use crate::clock;

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A child process. Dropped, it is killed and waited for. If this process is killed it gets SIGTERM
/// from the kernel, unless it has changed its user.
#[derive(Debug)]
pub struct ChildProcess {
    child: Child,
}

impl ChildProcess {
    /// Starts the program. Must be called on the main thread: the kernel takes the end of the
    /// calling thread for that of the process.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(mut command: Command) -> io::Result<Self> {
        kernel::end_with_this_thread(&mut command);
        Ok(Self { child: command.spawn()? })
    }

    /// Its output, if that is piped and was not taken before.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until it ends by itself; `None` if it did not in time.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub async fn wait(&mut self, patience_ms: u64) -> io::Result<Option<ExitStatus>> {
        let deadline_us = clock::now_us() + patience_ms * 1_000;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || clock::now_us() >= deadline_us {
                return Ok(ended);
            }
            sleep(LOOK).await;
        }
    }

    /// The same, after asking it to end by SIGTERM.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub async fn end(&mut self, patience_ms: u64) -> io::Result<Option<ExitStatus>> {
        kernel::terminate(self.child.id())?;
        self.wait(patience_ms).await
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(future)
    }

    fn sleeping() -> ChildProcess {
        let mut command = Command::new("sleep");
        command.arg("60");
        ChildProcess::start(command).expect("a program")
    }

    #[test]
    fn it_ends_when_asked_to_and_not_before() {
        let mut child = sleeping();
        assert_eq!(run(child.wait(50)).expect("told"), None);
        let ended = run(child.end(5_000)).expect("told").expect("it ends");
        assert!(!ended.success(), "by a signal");
    }

    #[test]
    fn dropped_it_is_gone() {
        let child = sleeping();
        let path = format!("/proc/{}", child.child.id());
        assert!(std::path::Path::new(&path).exists());
        drop(child);
        assert!(!std::path::Path::new(&path).exists(), "killed, and waited for");
    }
}
