//! What a person at a terminal sees and does, sans-IO: bytes and time in, bytes and [`Event`]s out.
//!
//! Owns the line being typed, the history, the way in by password and the output's queue; knows no
//! command and no password. One thing is under way at a time: while a password is looked at or a
//! command answers, what is typed waits, [`CONSOLE_TYPED_AHEAD_BYTES`] of it, and `^C` ends it.
//! All of it has a fixed size; nothing grows with what comes in.

use super::history::History;
use super::keys::{Key, Keys};
use super::line::Line;
use super::login::Tries;
use super::output::Output;
use crate::limits::{CONSOLE_IDLE_US_MAX, CONSOLE_TYPED_AHEAD_BYTES};
use crate::storage::Secret;

/// `^C`
const CANCEL: u8 = 0x03;
const PROMPT: &str = "weir> ";
const PASSWORD_PROMPT: &str = "password: ";

/// How somebody gets to a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a cable of this speed, and a password.
    Cable {
        /// What both ends have to agree on.
        baud: u32,
    },
    /// By a file whose permissions say who may.
    Local,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// To know where he is: [`Terminal::greet`].
    Hello,
    /// To get in: [`Terminal::let_in`] or [`Terminal::keep_out`].
    Password(Secret),
    /// A command: [`Terminal::done`] when it is over, or [`Terminal::ask`].
    Command(String),
    /// The answer to [`Terminal::ask`]: as after a command.
    Answer(Secret),
    /// To end what is under way, which is over.
    Cancel,
    /// To leave; a cable's terminal asks for the password again.
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Asks for the password.
    LoggedOut,
    /// Asks for a command.
    LoggedIn,
    /// Asks for what a command wants to know.
    Asked,
    /// A password is being looked at.
    Authenticating,
    /// A command is under way.
    Busy,
}

/// The terminal.
#[derive(Debug)]
pub struct Terminal {
    way: Way,
    state: State,
    /// Nothing is asked for but the password before this.
    is_in: bool,
    keys: Keys,
    line: Line,
    history: History,
    tries: Tries,
    output: Output,
    ahead: heapless::Deque<u8, CONSOLE_TYPED_AHEAD_BYTES>,
    event: Option<Event>,
    last_key_us: u64,
}

impl Terminal {
    /// A terminal that nobody has touched; it wants to greet.
    pub fn new(way: Way, now_us: u64) -> Self {
        let mut terminal = Self {
            way,
            state: State::LoggedOut,
            is_in: false,
            keys: Keys::default(),
            line: Line::default(),
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

    /// Takes what was typed.
    pub fn receive(&mut self, bytes: &[u8], now_us: u64) {
        self.last_key_us = now_us;
        for byte in bytes {
            // Behind what waits as well, or a command could not be ended. A password's way is not
            // left halfway.
            if *byte == CANCEL && self.is_in && self.state == State::Busy {
                self.ahead.clear();
                self.event = Some(Event::Cancel);
            } else if self.ahead.push_back(*byte).is_err() {
                // What has no room is not typed.
                break;
            }
            self.advance(now_us);
        }
    }

    /// What somebody wants now. Nothing else happens until it was answered.
    pub fn event(&mut self) -> Option<Event> {
        self.event.take()
    }

    /// Bytes to be sent.
    pub fn waiting(&self) -> &[u8] {
        self.output.waiting()
    }

    /// The first `bytes` of [`Terminal::waiting`] were sent.
    pub fn sent(&mut self, bytes: usize) {
        self.output.sent(bytes);
    }

    /// Shows a line of an answer; left out, and counted, where there is no room.
    pub fn line(&mut self, text: &str) {
        self.output.line(text);
    }

    /// Shows a part of a line, as [`Terminal::line`].
    pub fn part(&mut self, text: &str) {
        self.output.part(text);
    }

    /// Whether a line of so many bytes has room.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.output.has_room(bytes)
    }

    /// Says where somebody is, and asks for the password, or for a command.
    pub fn greet(&mut self, banner: &str, now_us: u64) {
        self.output.line("");
        for line in banner.lines() {
            self.output.line(line);
        }
        self.is_in = self.way == Way::Local;
        self.done(now_us);
    }

    /// The password was right.
    pub fn let_in(&mut self, now_us: u64) {
        self.is_in = self.state == State::Authenticating;
        self.tries.passed();
        self.done(now_us);
    }

    /// It was not, for this reason; whether that counts as a try is `was_wrong`.
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

    /// What was wanted is done.
    pub fn done(&mut self, now_us: u64) {
        self.state = if self.is_in { State::LoggedIn } else { State::LoggedOut };
        self.prompt(now_us);
    }

    /// Asks what a command wants to know.
    pub fn ask(&mut self, question: &str, is_shown: bool, now_us: u64) {
        self.state = State::Asked;
        self.line.begin(question, is_shown, &mut self.output);
        self.advance(now_us);
    }

    /// Somebody left, or the cable did: what was his is forgotten, and the next one is greeted.
    pub fn close(&mut self) {
        self.line.forget();
        self.history.clear();
        self.ahead.clear();
        self.keys = Keys::default();
        self.is_in = false;
        self.state = State::Busy;
        self.event = Some(Event::Hello);
    }

    /// The cable is gone, and what was to be sent over it.
    pub fn hang_up(&mut self) {
        self.close();
        self.output.clear();
    }

    /// Whether nothing is under way and nothing is to be sent.
    pub fn is_at_rest(&self) -> bool {
        !self.is_busy() && self.event.is_none() && self.output.waiting().is_empty()
    }

    /// When [`Terminal::timeout`] is to be called.
    pub fn deadline_us(&self) -> Option<u64> {
        let is_guarded = matches!(self.way, Way::Cable { .. });
        (is_guarded && self.is_in).then(|| self.last_key_us.saturating_add(CONSOLE_IDLE_US_MAX))
    }

    /// Who went away without a word is logged out: a cable does not say that it was pulled.
    pub fn timeout(&mut self, now_us: u64) {
        if self.deadline_us().is_some_and(|deadline_us| deadline_us <= now_us) {
            self.output.line("");
            let minutes = CONSOLE_IDLE_US_MAX / 60_000_000;
            self.output.line(&format!("logged out: nothing was typed for {minutes} minutes"));
            self.last_key_us = now_us;
            self.close();
            self.event = Some(Event::Leave);
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

    /// Goes on with what was typed.
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
                    self.event = Some(Event::Cancel);
                    self.state = State::Busy;
                } else {
                    self.prompt(now_us);
                }
            }
            Key::Close if is_inside && self.line.text().is_empty() => {
                self.output.draw("\r\n");
                self.close();
                self.event = Some(Event::Leave);
            }
            key => self.line.press(key, &mut self.output),
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
                self.event = Some(Event::Hello);
            }
            State::LoggedOut => match self.tries.wait_s(now_us) {
                Some(wait_s) => {
                    self.output.line(&format!("too many wrong ones: next try in {wait_s} s"));
                    self.prompt(now_us);
                }
                None => {
                    self.state = State::Authenticating;
                    self.event = Some(Event::Password(Secret::new(text)));
                }
            },
            State::Asked => {
                self.state = State::Busy;
                self.event = Some(Event::Answer(Secret::new(text)));
            }
            State::LoggedIn if text.trim().is_empty() => self.prompt(now_us),
            State::LoggedIn => {
                self.history.keep(&text);
                self.state = State::Busy;
                self.event = Some(Event::Command(text));
            }
            // Keys are not looked at meanwhile.
            State::Busy | State::Authenticating => {}
        }
    }

    /// After noise: a question is asked again with an empty line.
    fn prompt_again(&mut self, now_us: u64) {
        match self.state {
            State::Asked => self.line.redraw(&mut self.output),
            _ => self.prompt(now_us),
        }
    }
}

/// What is said of bytes that made no sense; the line they were in counts for nothing.
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
