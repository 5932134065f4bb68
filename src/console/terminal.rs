//! The terminal that a person uses, sans-IO: bytes and time in, bytes and [`TerminalEvent`]s out.
//!
//! Owns the line being typed, the history, the password tries and the output queue; knows no
//! command and no password. One thing is under way at a time: while a password is checked or a
//! command runs, typed bytes wait, at most [`CONSOLE_TYPED_AHEAD_BYTES`] of them. `^C` ends a
//! command. All of it has a fixed size; nothing grows with the input.

use super::completion::{self, Completion};
use super::history::History;
use super::keys::{Key, KeyReader};
use super::line::LineEditor;
use super::login::Tries;
use super::output::Output;
use crate::limits::{CONSOLE_COLUMNS, CONSOLE_IDLE_US_MAX, CONSOLE_TYPED_AHEAD_BYTES};
use crate::storage::Secret;

/// The byte that `^C` sends.
const CANCEL: u8 = 0x03;
const PROMPT: &str = "weir> ";
const PASSWORD_PROMPT: &str = "password: ";

/// How a person reaches the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Over a serial line, with a password.
    Cable {
        /// Speed in baud, the same at both ends.
        baud: u32,
    },
    /// Over the Unix socket, whose file permissions are the login.
    Local,
}

/// What the person wants. The caller answers each event before the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalEvent {
    /// A terminal is new, or Return was pressed at an empty password prompt: [`Terminal::greet`].
    Hello,
    /// A password was typed: [`Terminal::let_in`] or [`Terminal::keep_out`].
    Password(Secret),
    /// A command was typed: [`Terminal::done`] when it is over, or [`Terminal::ask`].
    Command(String),
    /// The answer to [`Terminal::ask`] was typed: as after a command.
    Answer(Secret),
    /// `^C`: drop what is under way, then [`Terminal::done`].
    Cancel,
    /// The person leaves; a serial line's terminal then needs [`Terminal::close`].
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Prompting for the password.
    LoggedOut,
    /// Prompting for a command.
    LoggedIn,
    /// Prompting for what a command wants to know.
    Asked,
    /// A password is being checked.
    Authenticating,
    /// A command is running, or the greeting is due.
    Busy,
}

/// A terminal with its line, history, password tries and output queue.
#[derive(Debug)]
pub struct Terminal {
    way: Way,
    state: State,
    /// Whether the login is done; before, only the password is asked for.
    is_in: bool,
    keys: KeyReader,
    line: LineEditor,
    history: History,
    tries: Tries,
    output: Output,
    ahead: heapless::Deque<u8, CONSOLE_TYPED_AHEAD_BYTES>,
    event: Option<TerminalEvent>,
    last_key_us: u64,
}

impl Terminal {
    /// A new terminal; its first event is [`TerminalEvent::Hello`].
    pub fn new(way: Way, now_us: u64) -> Self {
        let mut terminal = Self {
            way,
            state: State::LoggedOut,
            is_in: false,
            keys: KeyReader::default(),
            line: LineEditor::default(),
            history: History::default(),
            tries: Tries::default(),
            output: Output::default(),
            ahead: heapless::Deque::new(),
            event: None,
            last_key_us: now_us,
        };
        terminal.close();
        terminal
    }

    /// Takes typed bytes. Bytes that do not fit the type-ahead are dropped.
    pub fn receive(&mut self, bytes: &[u8], now_us: u64) {
        self.last_key_us = now_us;
        for byte in bytes {
            // Handled before the bytes that wait, or a command could not be ended. A password check
            // is not interrupted.
            if *byte == CANCEL && self.is_in && self.state == State::Busy {
                self.ahead.clear();
                self.event = Some(TerminalEvent::Cancel);
            } else if self.ahead.push_back(*byte).is_err() {
                // The type-ahead is full.
                break;
            }
            self.advance(now_us);
        }
    }

    /// The next event. The terminal does nothing else until the caller has answered it.
    pub fn event(&mut self) -> Option<TerminalEvent> {
        self.event.take()
    }

    /// The bytes to send next; empty when there are none.
    pub fn waiting(&self) -> &[u8] {
        self.output.waiting()
    }

    /// Removes the first `bytes` of [`Terminal::waiting`], which were sent.
    pub fn sent(&mut self, bytes: usize) {
        self.output.sent(bytes);
    }

    /// Shows a line of an answer; one that does not fit is left out and counted.
    pub fn line(&mut self, text: &str) {
        self.output.line(text);
    }

    /// Shows part of a line, as [`Terminal::line`] does.
    pub fn part(&mut self, text: &str) {
        self.output.part(text);
    }

    /// Whether a line of `bytes` would fit now.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.output.has_room(bytes)
    }

    /// Answers [`TerminalEvent::Hello`]: shows the banner, then prompts for the password or, on the
    /// socket, for a command.
    pub fn greet(&mut self, banner: &str, now_us: u64) {
        self.output.line("");
        for line in banner.lines() {
            self.output.line(line);
        }
        self.is_in = self.way == Way::Local;
        self.done(now_us);
    }

    /// Answers [`TerminalEvent::Password`]: the password was right.
    pub fn let_in(&mut self, now_us: u64) {
        self.is_in = self.state == State::Authenticating;
        self.tries.passed();
        self.done(now_us);
    }

    /// Answers [`TerminalEvent::Password`]: not let in, because of `why`. With `was_wrong` it
    /// counts as a failed try.
    pub fn keep_out(&mut self, why: &str, was_wrong: bool, now_us: u64) {
        self.output.line(why);
        if was_wrong {
            self.tries.failed(now_us);
            if let Some(wait_s) = self.tries.wait_s(now_us) {
                self.output.line(&format!("next try in {wait_s} s"));
            }
        }
        self.done(now_us);
    }

    /// Answers an event that needs nothing more: prompts again.
    pub fn done(&mut self, now_us: u64) {
        self.state = if self.is_in { State::LoggedIn } else { State::LoggedOut };
        self.prompt(now_us);
    }

    /// Asks what a command wants to know, and echoes the typed answer if `is_shown`.
    pub fn ask(&mut self, question: &str, is_shown: bool, now_us: u64) {
        self.state = State::Asked;
        self.line.begin(question, is_shown, &mut self.output);
        self.advance(now_us);
    }

    /// Logs out, after the person left or the cable was pulled: forgets line and history, and
    /// greets the next person.
    pub fn close(&mut self) {
        self.line.forget();
        self.history.clear();
        self.ahead.clear();
        self.keys = KeyReader::default();
        self.is_in = false;
        self.state = State::Busy;
        self.event = Some(TerminalEvent::Hello);
    }

    /// The wire is gone: logs out, and drops the output.
    pub fn hang_up(&mut self) {
        self.close();
        self.output.clear();
    }

    /// Whether nothing is under way and no output is waiting.
    pub fn is_at_rest(&self) -> bool {
        !self.is_busy() && self.event.is_none() && self.output.waiting().is_empty()
    }

    /// When to call [`Terminal::timeout`], in microseconds; `None` for never.
    pub fn deadline_us(&self) -> Option<u64> {
        let is_guarded = matches!(self.way, Way::Cable { .. });
        (is_guarded && self.is_in).then(|| self.last_key_us.saturating_add(CONSOLE_IDLE_US_MAX))
    }

    /// Logs out after [`CONSOLE_IDLE_US_MAX`] without a key: a pulled cable is not reported.
    pub fn timeout(&mut self, now_us: u64) {
        if self.deadline_us().is_some_and(|deadline_us| deadline_us <= now_us) {
            self.output.line("");
            let minutes = CONSOLE_IDLE_US_MAX / 60_000_000;
            self.output.line(&format!("logged out: nothing was typed for {minutes} minutes"));
            self.last_key_us = now_us;
            self.close();
            self.event = Some(TerminalEvent::Leave);
        }
    }

    fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy | State::Authenticating)
    }

    fn prompt(&mut self, now_us: u64) {
        match self.state {
            State::LoggedOut => self.line.begin(PASSWORD_PROMPT, false, &mut self.output),
            _ => self.line.begin(PROMPT, true, &mut self.output),
        }
        self.advance(now_us);
    }

    /// Handles typed bytes, until something is under way.
    fn advance(&mut self, now_us: u64) {
        while !self.is_busy() && self.event.is_none() {
            let Some(byte) = self.ahead.pop_front() else { return };
            if let Some(key) = self.keys.receive(byte) {
                self.press(key, now_us);
            }
        }
    }

    fn press(&mut self, key: Key, now_us: u64) {
        let is_inside = self.state == State::LoggedIn;
        match key {
            Key::Enter => self.enter(now_us),
            Key::Tab if is_inside && self.line.is_at_end() => self.complete(),
            Key::Up if is_inside => {
                if let Some(line) = self.history.back(self.line.text()) {
                    self.line.replace(line, &mut self.output);
                }
            }
            Key::Down if is_inside => {
                if let Some(line) = self.history.forth() {
                    self.line.replace(line, &mut self.output);
                }
            }
            Key::Cancel => {
                self.output.draw("^C\r\n");
                let was_asked = self.state == State::Asked;
                if was_asked {
                    self.event = Some(TerminalEvent::Cancel);
                    self.state = State::Busy;
                } else {
                    self.prompt(now_us);
                }
            }
            Key::Close if is_inside && self.line.text().is_empty() => {
                self.output.draw("\r\n");
                self.close();
                self.event = Some(TerminalEvent::Leave);
            }
            key => self.line.press(key, &mut self.output),
        }
    }

    fn complete(&mut self) {
        match completion::of(self.line.text()) {
            Completion::Add(more) => {
                for letter in more.chars() {
                    self.line.press(Key::Char(letter), &mut self.output);
                }
            }
            Completion::Show(words) => {
                self.output.draw("\r\n");
                let mut row = String::new();
                for word in words {
                    if row.len() + 2 + word.len() >= CONSOLE_COLUMNS {
                        self.output.line(&std::mem::take(&mut row));
                    }
                    row += if row.is_empty() { "" } else { "  " };
                    row += word;
                }
                self.output.line(&row);
                self.line.redraw(&mut self.output);
            }
        }
    }

    fn enter(&mut self, now_us: u64) {
        self.output.draw("\r\n");
        let noise_bytes = self.keys.take_noise_bytes();
        if noise_bytes > 0 {
            self.line.forget();
            self.output.line(&noise(noise_bytes, self.way));
            return self.prompt_again(now_us);
        }
        let text = self.line.text().to_owned();
        self.line.forget();
        match self.state {
            State::LoggedOut if text.is_empty() => {
                self.state = State::Busy;
                self.event = Some(TerminalEvent::Hello);
            }
            State::LoggedOut => match self.tries.wait_s(now_us) {
                Some(wait_s) => {
                    self.output.line(&format!("too many wrong ones: next try in {wait_s} s"));
                    self.prompt(now_us);
                }
                None => {
                    self.state = State::Authenticating;
                    self.event = Some(TerminalEvent::Password(Secret::new(text)));
                }
            },
            State::Asked => {
                self.state = State::Busy;
                self.event = Some(TerminalEvent::Answer(Secret::new(text)));
            }
            State::LoggedIn if text.trim().is_empty() => self.prompt(now_us),
            State::LoggedIn => {
                self.history.keep(&text);
                self.state = State::Busy;
                self.event = Some(TerminalEvent::Command(text));
            }
            // Not reached: keys are not handled meanwhile.
            State::Busy | State::Authenticating => {}
        }
    }

    /// Prompts again after noise; a command's question stays, with an empty line.
    fn prompt_again(&mut self, now_us: u64) {
        match self.state {
            State::Asked => self.line.redraw(&mut self.output),
            _ => self.prompt(now_us),
        }
    }
}

/// The message about noise; the line that the noise was in is dropped.
fn noise(bytes: u32, way: Way) -> String {
    match way {
        Way::Cable { baud } => {
            format!("{bytes} bytes of noise: this side speaks {baud} baud, 8 bits, no parity")
        }
        Way::Local => format!("{bytes} bytes that are no UTF-8"),
    }
}

#[cfg(test)]
#[path = "terminal_tests.rs"]
mod tests;
