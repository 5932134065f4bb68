//! The socket by which weir asks. Each connection has a thread, which reads one request and hands
//! it to the loop; only the loop changes anything, so nothing is done twice at a time.

use std::fs::{self, Permissions};
use std::io::{self, BufReader};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use weir::appliance::request::{BOX_SOCKET, BoxAnswer, BoxRequest, read_request, write_answer};
use weir::limits::{INIT_REQUEST_MS_MAX, INIT_REQUESTS_MAX, INIT_STACK_BYTES};
use weir::storage::FileOwner;

use super::jobs::{Job, Jobs, Question, Reply};
use super::updates;

/// The socket, and what came by it.
#[derive(Debug)]
pub(crate) struct RequestListener {
    listener: Option<UnixListener>,
    jobs: Receiver<Job>,
    own: Option<Jobs>,
    open: Arc<AtomicUsize>,
}

impl RequestListener {
    /// Opens it for root and for weir's group.
    pub(crate) fn open(owner: Option<FileOwner>) -> Self {
        let (sender, jobs) = sync_channel(INIT_REQUESTS_MAX);
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let own = wake.map(|wake| Jobs { sender, wake: Arc::new(wake) });
        let own = own.map_err(|error| log::error!("{BOX_SOCKET}: {error}")).ok();
        let listener = listen(owner).map_err(|error| log::error!("{BOX_SOCKET}: {error}")).ok();
        Self { listener, jobs, own, open: Arc::default() }
    }

    /// The way for a thread of init's own.
    pub(crate) fn jobs(&self) -> Option<Jobs> {
        self.own.clone()
    }

    /// The descriptors to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let listener = self.listener.as_ref().map(|listener| listener.as_fd());
        let wake = self.own.as_ref().map(|jobs| jobs.wake.as_fd());
        [listener, wake].into_iter().flatten()
    }

    /// Takes new connections, and returns what threads ask.
    pub(crate) fn turn(&mut self) -> Vec<Job> {
        if let Some(jobs) = &self.own {
            // What was counted does not matter.
            let _ = rustix::io::read(&jobs.wake, &mut [0; 8]);
        }
        self.accept();
        self.jobs.try_iter().take(INIT_REQUESTS_MAX).collect()
    }

    fn accept(&self) {
        let (Some(listener), Some(jobs)) = (&self.listener, &self.own) else { return };
        for _ in 0..INIT_REQUESTS_MAX {
            let Ok((stream, _)) = listener.accept() else { return };
            if self.open.fetch_add(1, SeqCst) >= INIT_REQUESTS_MAX {
                self.open.fetch_sub(1, SeqCst);
                let why = format!("{INIT_REQUESTS_MAX} requests are being answered, which is all");
                refuse(&stream, why);
                continue;
            }
            let (jobs, open) = (jobs.clone(), Arc::clone(&self.open));
            let serve = move || {
                if let Err(error) = serve(&stream, &jobs) {
                    log::warn!("a request: {error}");
                }
                open.fetch_sub(1, SeqCst);
            };
            let thread =
                thread::Builder::new().name("request".to_owned()).stack_size(INIT_STACK_BYTES);
            if let Err(error) = thread.spawn(serve) {
                self.open.fetch_sub(1, SeqCst);
                log::error!("a request: {error}");
            }
        }
    }
}

fn listen(owner: Option<FileOwner>) -> io::Result<UnixListener> {
    let _ = fs::remove_file(BOX_SOCKET);
    let listener = UnixListener::bind(BOX_SOCKET)?;
    fs::set_permissions(BOX_SOCKET, Permissions::from_mode(0o660))?;
    chown(BOX_SOCKET, None, owner.map(|owner| owner.gid))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn refuse(mut stream: &UnixStream, why: String) {
    // It does not block: the answer is the first thing in the socket.
    let _ = write_answer(&mut stream, &BoxAnswer::Refused(why));
}

fn serve(mut stream: &UnixStream, jobs: &Jobs) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    let patience = Some(Duration::from_millis(INIT_REQUEST_MS_MAX));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    let mut reader = BufReader::new(stream);
    let answer = match read_request(&mut reader) {
        Ok(BoxRequest::Update { bytes }) => return updates::serve(&mut reader, bytes, jobs),
        Ok(BoxRequest::UpdateFrom { name }) => return updates::serve_file(stream, &name, jobs),
        Ok(request) => match jobs.ask(Question::Request(request)) {
            Reply::Answer(answer) => answer,
            Reply::Begin(_) => BoxAnswer::Refused("that was no update".to_owned()),
        },
        Err(error) => BoxAnswer::Refused(error.to_string()),
    };
    write_answer(&mut stream, &answer)
}
