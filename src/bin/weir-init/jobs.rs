//! The way from the threads of requests and updates to the loop, which alone changes anything.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use weir::appliance::boot_order::BootOrder;
use weir::appliance::request::{BoxAnswer, BoxRequest};

use super::update_job::UpdateJob;

/// How long the loop may take for an answer: longer than any of its rounds.
const ANSWER: Duration = Duration::from_secs(15);

/// What a thread asks of the loop.
#[derive(Debug)]
pub(crate) enum Question {
    /// A request of weir's, which is no update.
    Request(BoxRequest),
    /// An update wants to begin.
    BeginUpdate,
    /// An update has ended; the boot order if it was installed.
    EndUpdate(Option<BootOrder>),
}

/// What the loop answers.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(BoxAnswer),
    /// The update may begin.
    Begin(Box<UpdateJob>),
}

/// A question with the way back.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) question: Question,
    pub(crate) reply: SyncSender<Reply>,
}

/// The way from a thread to the loop.
#[derive(Debug, Clone)]
pub(crate) struct Jobs {
    pub(crate) sender: SyncSender<Job>,
    /// A counter that the loop waits for.
    pub(crate) wake: Arc<OwnedFd>,
}

impl Jobs {
    /// Asks the loop and waits for its answer.
    pub(crate) fn ask(&self, question: Question) -> Reply {
        let (reply, answer) = sync_channel(1);
        let asked = self.sender.send(Job { question, reply });
        // A full counter wakes the loop as well.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        let answer = asked.ok().and_then(|()| answer.recv_timeout(ANSWER).ok());
        answer.unwrap_or_else(|| {
            Reply::Answer(BoxAnswer::Refused("weir-init does not answer itself".to_owned()))
        })
    }
}
