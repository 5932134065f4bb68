//! One console session: connects a wire, its [`Terminal`] and the [`Dispatcher`] that answers.
//!
//! A wire that is not read blocks nothing: an answer is made as its pieces fit, and log lines that
//! do not fit are left out. When the wire is gone, everything under way is dropped.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::sleep;

use super::command::ConsoleCommand;
use super::dispatcher::Dispatcher;
use super::password::Verdict;
use super::response::{Prompt, Response, Then};
use super::terminal::{Terminal, TerminalEvent, Way};
use super::wire::ConsoleWire;
use crate::clock;
use crate::journal::lines;
use crate::limits::CONSOLE_FOLLOW_MS;

/// Bytes of a line that are shown at once, at most.
const CHUNK_BYTES: usize = 256;
/// Wait when the terminal has no deadline: waking up once a minute costs nothing.
const NOTHING_DUE_US: u64 = 60_000_000;

/// Result of the task under way.
enum Outcome {
    Judged(Verdict),
    Answered(Response),
}

/// What is under way at one terminal.
struct ConsoleSession<'t> {
    dispatcher: Dispatcher,
    way: Way,
    terminal: &'t mut Terminal,
    task: Option<Pin<Box<dyn Future<Output = Outcome>>>>,
    answer: Option<Response>,
    /// The current piece of the answer, and how many bytes of it were shown.
    piece: (String, usize),
    question: Option<Prompt>,
    /// Number of the next log line to show, while the log is followed.
    follow: Option<u64>,
    is_left: bool,
}

/// Serves a terminal until the wire ends or, on the socket, the person leaves.
///
/// # Errors
/// Reading or writing the wire failed.
pub(super) async fn run_session(
    dispatcher: &Dispatcher,
    way: Way,
    terminal: &mut Terminal,
    wire: &ConsoleWire,
) -> io::Result<()> {
    let mut session = ConsoleSession {
        dispatcher: dispatcher.clone(),
        way,
        terminal,
        task: None,
        answer: None,
        piece: (String::new(), 0),
        question: None,
        follow: None,
        is_left: false,
    };
    let mut bytes = [0; CHUNK_BYTES];
    let mut is_read = true;
    loop {
        session.advance();
        let is_over = session.is_left || !is_read;
        if is_over && session.is_at_rest() {
            return Ok(());
        }
        let now_us = clock::now_us();
        let due_us =
            session.terminal.deadline_us().map_or(NOTHING_DUE_US, |at| at.saturating_sub(now_us));
        let is_followed = session.follow.is_some();
        let is_waiting = !session.terminal.waiting().is_empty();
        let task = &mut session.task;
        tokio::select! {
            read = wire.read(&mut bytes), if is_read && !session.is_left => match read? {
                0 => {
                    is_read = false;
                    // While it follows the log, a session would never come to rest.
                    session.follow = None;
                }
                count => session.receive(&bytes[..count]),
            },
            sent = wire.write(session.terminal.waiting()), if is_waiting => {
                session.terminal.sent(sent?);
            }
            outcome = of(task), if task.is_some() => {
                session.task = None;
                session.take(outcome);
            }
            () = sleep(Duration::from_millis(CONSOLE_FOLLOW_MS)), if is_followed => {}
            () = sleep(Duration::from_micros(due_us)) => session.terminal.timeout(clock::now_us()),
        }
    }
}

/// Awaits the task; without one, never completes.
async fn of(task: &mut Option<Pin<Box<dyn Future<Output = Outcome>>>>) -> Outcome {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

impl ConsoleSession<'_> {
    fn receive(&mut self, bytes: &[u8]) {
        self.terminal.receive(bytes, clock::now_us());
    }

    /// Shows what fits, and handles the terminal's events.
    fn advance(&mut self) {
        self.show();
        while !self.is_left
            && let Some(event) = self.terminal.event()
        {
            self.begin(event);
            self.show();
        }
    }

    fn is_at_rest(&self) -> bool {
        let is_idle = self.terminal.is_at_rest() && self.task.is_none() && self.answer.is_none();
        // Before leaving, the output so far is sent.
        is_idle || (self.is_left && self.terminal.waiting().is_empty())
    }

    fn begin(&mut self, event: TerminalEvent) {
        let (dispatcher, now_us) = (self.dispatcher.clone(), clock::now_us());
        match event {
            TerminalEvent::Hello => {
                let is_cable = matches!(self.way, Way::Cable { .. });
                let banner = self.dispatcher.banner(is_cable);
                self.terminal.greet(&banner, now_us);
            }
            TerminalEvent::Password(typed) => {
                self.task =
                    Some(Box::pin(async move { Outcome::Judged(dispatcher.judge(typed).await) }));
            }
            TerminalEvent::Command(line) => match ConsoleCommand::parse(&line) {
                Ok(command) => {
                    let task = async move { Outcome::Answered(dispatcher.answer(command).await) };
                    self.task = Some(Box::pin(task));
                }
                Err(why) => self.take(Outcome::Answered(Response::failure(&why))),
            },
            TerminalEvent::Answer(text) => match self.question.take() {
                Some(question) => {
                    let task = async move {
                        Outcome::Answered(dispatcher.answer_prompt(question, text).await)
                    };
                    self.task = Some(Box::pin(task));
                }
                None => self.terminal.done(now_us),
            },
            TerminalEvent::Cancel => {
                self.forget();
                self.terminal.line("^C");
                self.terminal.done(now_us);
            }
            TerminalEvent::Leave => self.leave(),
        }
    }

    fn take(&mut self, outcome: Outcome) {
        let now_us = clock::now_us();
        match outcome {
            Outcome::Judged(Verdict::Right) => {
                log::info!("console: logged in");
                self.terminal.let_in(now_us);
            }
            Outcome::Judged(Verdict::Wrong) => {
                log::warn!("console: wrong password");
                self.terminal.keep_out("wrong password", true, now_us);
            }
            Outcome::Judged(Verdict::Unknown) => {
                self.terminal.keep_out("too busy to check the password: try again", false, now_us);
            }
            Outcome::Answered(answer) => self.answer = Some(answer),
        }
    }

    fn forget(&mut self) {
        self.task = None;
        self.answer = None;
        self.piece = (String::new(), 0);
        self.question = None;
        self.follow = None;
    }

    fn leave(&mut self) {
        self.forget();
        match self.way {
            Way::Cable { .. } => {
                log::info!("console: logged out");
                self.terminal.close();
            }
            Way::Local => self.is_left = true,
        }
    }

    /// Shows as much of the log and of the answer as fits.
    fn show(&mut self) {
        if let Some(next) = self.follow {
            let since = lines::since(next);
            if since.missed > 0 {
                self.terminal.line(&format!("({} lines missed)", since.missed));
            }
            for line in &since.lines {
                self.terminal.line(&line.to_string());
            }
            self.follow = Some(since.next);
        }
        loop {
            let (piece, shown) = &mut self.piece;
            let rest = &piece[*shown..];
            if rest.is_empty() {
                let Some(answer) = &mut self.answer else { return };
                match (answer.pieces)() {
                    Some(next) => self.piece = (next, 0),
                    None => return self.answered(),
                }
                continue;
            }
            let (chunk, is_line, bytes) = chunk(rest);
            if !self.terminal.has_room(chunk.len()) {
                return;
            }
            if is_line {
                self.terminal.line(chunk);
            } else {
                self.terminal.part(chunk);
            }
            *shown += bytes;
        }
    }

    /// Goes on after an answer was shown to its end.
    fn answered(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        let now_us = clock::now_us();
        match answer.then {
            Then::Next => self.terminal.done(now_us),
            Then::Follow(next) => self.follow = Some(next),
            Then::Ask(question) => {
                let (prompt, is_shown) = question.prompt();
                self.question = Some(question);
                self.terminal.ask(&prompt, is_shown, now_us);
            }
            Then::Leave => self.leave(),
        }
    }
}

/// The next part of `text` to show: a line, or [`CHUNK_BYTES`] of a longer one. Also whether it
/// ends the line, and how many bytes of `text` it takes.
fn chunk(text: &str) -> (&str, bool, usize) {
    let line = text.find('\n').unwrap_or(text.len());
    if line <= CHUNK_BYTES {
        return (&text[..line], line < text.len(), (line + 1).min(text.len()));
    }
    let mut end = CHUNK_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], false, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_in_chunks_of_whole_characters() {
        let text = format!("one\n\n{}\nlast", "é".repeat(300));
        let (mut rest, mut shown, mut lines) = (text.as_str(), String::new(), 0);
        while !rest.is_empty() {
            let (chunk, is_line, bytes) = chunk(rest);
            assert!(chunk.len() <= CHUNK_BYTES && bytes > 0);
            shown += chunk;
            if is_line {
                shown += "\n";
                lines += 1;
            }
            rest = &rest[bytes..];
        }
        assert_eq!((shown, lines), (text, 3));
    }
}
