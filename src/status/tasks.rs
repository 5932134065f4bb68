//! The tasks of the control thread, by what they do: how many there are, and what each waits for.
//! They are started by [`spawn`], which counts them.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::task::spawn_local;

/// Tasks that do the same.
#[derive(Debug)]
pub struct TaskKind {
    /// What they do, in one or two words.
    pub what: &'static str,
    /// What each waits for while it does nothing.
    pub waits_for: &'static str,
    running: AtomicU64,
}

macro_rules! tasks {
    ($($name:ident: $what:literal, $waits_for:literal;)*) => {
        /// All tasks of the control thread.
        #[derive(Debug)]
        pub struct Tasks {
            $(#[doc = concat!("Those that are listed as `", $what, "`.")] pub $name: TaskKind,)*
        }

        /// The tasks of this process.
        pub static TASKS: Tasks = Tasks {
            $($name: TaskKind {
                what: $what,
                waits_for: $waits_for,
                running: AtomicU64::new(0),
            },)*
        };

        impl Tasks {
            /// All kinds, in the order of `/metrics`.
            pub fn all(&self) -> impl Iterator<Item = &TaskKind> {
                [$(&self.$name),*].into_iter()
            }
        }
    };
}

tasks! {
    camera: "camera slot", "its camera: a dial, the end of its connection, the next try";
    media_events: "media events", "what the media thread tells";
    handshakes: "handshake driver", "datagrams, offers, the next timer of a handshake";
    key_frames: "key frames", "what viewers ask for, and whether it came";
    onvif: "onvif conversation", "a camera's answer, or others that are asked";
    warnings: "warnings", "the next look at the statistics";
    supervisor: "service manager", "the next sign of life";
    reload: "reload", "SIGHUP";
    tls_files: "tls files", "the next look at the certificate's files";
    gauges: "gauges", "the next half second";
    site: "pages listener", "a connection, or a slot for one";
    diagnostics: "diagnostics listener", "a connection, or a slot for one";
    connection: "http connection", "a request, an answer, or its client";
    refusal: "http refusal", "a client that is told why it is refused";
    password: "password", "the hash of a password";
    logins: "logins", "a change of the logins";
    console_socket: "console listener", "a connection to the console's socket";
    console: "console", "a line, or what it asked for";
    cable: "serial console", "a line";
    selftest: "selftest", "the program that runs it";
    demo: "demo camera", "a connection";
}

impl TaskKind {
    /// How many there are now.
    pub fn running(&self) -> u64 {
        self.running.load(Relaxed)
    }
}

/// One task that is running.
struct Running(&'static TaskKind);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// Starts a task on the control thread; must be called there.
pub fn spawn<F: Future + 'static>(kind: &'static TaskKind, future: F) {
    kind.running.fetch_add(1, Relaxed);
    let running = Running(kind);
    // Boxed, as a future that awaits another one has room for it twice.
    let mut future = Box::pin(future);
    spawn_local(async move {
        poll_fn(|context| future.as_mut().poll(context).map(drop)).await;
        // Freed before it counts as ended.
        drop(future);
        drop(running);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_counted_until_they_end() {
        static KIND: TaskKind =
            TaskKind { what: "test", waits_for: "the test", running: AtomicU64::new(0) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let (send, receive) = tokio::sync::oneshot::channel::<()>();
            spawn(&KIND, receive);
            spawn(&KIND, std::future::pending::<()>());
            tokio::task::yield_now().await;
            assert_eq!(KIND.running(), 2);
            send.send(()).expect("it waits");
            tokio::task::yield_now().await;
            assert_eq!(KIND.running(), 1);
        });
        assert_eq!(KIND.running(), 0, "dropped with the runtime");
    }
}
