//! The terminal, as a person sees it.

use super::super::testing::Screen;
use super::*;
use crate::limits::{CONSOLE_FAILURES_FREE, CONSOLE_OUTPUT_BYTES};

const S: u64 = 1_000_000;
const CABLE: Way = Way::Cable { baud: 115_200 };
const PASSWORD: &str = "correct horse";

/// A person at a terminal, and a stand-in that answers: `PASSWORD` is right, commands echo.
struct Dispatcher {
    terminal: Terminal,
    screen: Screen,
    now_us: u64,
    commands: Vec<String>,
    hellos: u32,
    is_slow: bool,
}

impl Dispatcher {
    fn new(way: Way) -> Self {
        let terminal = Terminal::new(way, 0);
        let mut dispatcher = Self {
            terminal,
            screen: Screen::default(),
            now_us: 0,
            commands: Vec::new(),
            hellos: 0,
            is_slow: false,
        };
        dispatcher.settle();
        dispatcher
    }

    fn inside() -> Self {
        let mut dispatcher = Self::new(CABLE);
        dispatcher.types(&format!("{PASSWORD}\r"));
        dispatcher
    }

    fn types(&mut self, text: &str) {
        self.sends(text.as_bytes());
    }

    fn sends(&mut self, bytes: &[u8]) {
        self.terminal.receive(bytes, self.now_us);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(event) = self.terminal.event() {
            match event {
                TerminalEvent::Hello => {
                    self.hellos += 1;
                    self.terminal.greet("weir here", self.now_us);
                }
                TerminalEvent::Password(password) if password.reveal() == PASSWORD => {
                    self.terminal.let_in(self.now_us);
                }
                TerminalEvent::Password(_) => self.terminal.keep_out("wrong", true, self.now_us),
                TerminalEvent::Command(command) => {
                    self.commands.push(command.clone());
                    if self.is_slow {
                        continue;
                    }
                    if command == "ask" {
                        self.terminal.ask("name: ", true, self.now_us);
                        continue;
                    }
                    self.terminal.line(&format!("<{command}>"));
                    self.terminal.done(self.now_us);
                }
                TerminalEvent::Answer(answer) => {
                    self.commands.push(format!("answer {}", answer.reveal()));
                    self.terminal.done(self.now_us);
                }
                TerminalEvent::Cancel => {
                    self.commands.push("cancel".to_owned());
                    self.terminal.done(self.now_us);
                }
                TerminalEvent::Leave => {
                    self.terminal.close();
                }
            }
        }
        while !self.terminal.waiting().is_empty() {
            let bytes = self.terminal.waiting().to_vec();
            self.screen.receive(&bytes);
            self.terminal.sent(bytes.len());
        }
    }

    fn shows(&self, text: &str) -> bool {
        self.screen.text().contains(text)
    }
}

#[test]
fn a_cable_asks_for_the_password_and_a_file_does_not() {
    let mut dispatcher = Dispatcher::new(CABLE);
    assert!(dispatcher.shows("weir here"));
    assert_eq!(dispatcher.screen.row(), "password:");
    dispatcher.types("status\r");
    assert_eq!((dispatcher.screen.row().as_str(), dispatcher.commands.len()), ("password:", 0));
    assert!(!dispatcher.shows("status"));
    dispatcher.types("\r");
    assert_eq!(dispatcher.hellos, 2, "who presses Enter is told where he is");
    dispatcher.types(&format!("{PASSWORD}\r"));
    assert_eq!(dispatcher.screen.row(), "weir>");
    assert!(!dispatcher.shows("horse"));
    dispatcher.types("status\r");
    assert!(dispatcher.shows("weir> status\n<status>"));
    let dispatcher = Dispatcher::new(Way::Local);
    assert_eq!(dispatcher.screen.row(), "weir>");
}

#[test]
fn after_wrong_passwords_even_the_right_one_waits() {
    let mut dispatcher = Dispatcher::new(CABLE);
    for _ in 0..CONSOLE_FAILURES_FREE {
        dispatcher.types("wrong\r");
    }
    assert!(dispatcher.shows("next try in 10 s"));
    dispatcher.types(&format!("{PASSWORD}\r"));
    assert!(dispatcher.shows("too many wrong ones: next try in 10 s"));
    dispatcher.now_us += 10 * S;
    dispatcher.types(&format!("{PASSWORD}\r"));
    assert_eq!(dispatcher.screen.row(), "weir>");
}

#[test]
fn noise_is_no_password_and_no_command() {
    let mut dispatcher = Dispatcher::new(CABLE);
    for _ in 0..100 {
        dispatcher.sends(b"\xfe\xf0\x80stat\x00\r");
    }
    assert!(dispatcher.shows("4 bytes of noise: this side speaks 115200 baud"));
    dispatcher.types(&format!("{PASSWORD}\r"));
    assert_eq!(dispatcher.screen.row(), "weir>", "none of it counted as a try");
    dispatcher.sends(b"reb\xffoot\r");
    assert!(dispatcher.commands.is_empty());
    dispatcher.types("ask\r");
    dispatcher.sends(b"ga\xfdte\r");
    assert_eq!(dispatcher.screen.row(), "name:");
    dispatcher.types("gate\r");
    assert_eq!(dispatcher.commands, ["ask", "answer gate"]);
}

#[test]
fn what_is_typed_ahead_waits_and_is_bounded() {
    let mut dispatcher = Dispatcher::inside();
    dispatcher.is_slow = true;
    dispatcher.types("first\rsecond\rthi");
    assert_eq!(dispatcher.commands, ["first"]);
    dispatcher.is_slow = false;
    dispatcher.terminal.done(0);
    dispatcher.settle();
    dispatcher.types("rd\r");
    assert_eq!(dispatcher.commands, ["first", "second", "third"]);
    dispatcher.is_slow = true;
    dispatcher.types("slow\r");
    dispatcher.types(&"x".repeat(100_000));
    assert_eq!(dispatcher.terminal.ahead.len(), CONSOLE_TYPED_AHEAD_BYTES);
    dispatcher.is_slow = false;
    dispatcher.types("\x03");
    assert_eq!(dispatcher.commands.last().map(String::as_str), Some("cancel"));
    assert_eq!(dispatcher.screen.row(), "weir>", "and what was typed is gone");
}

#[test]
fn lines_of_before_come_back_but_not_for_the_next_one() {
    let mut dispatcher = Dispatcher::inside();
    dispatcher.types("status\rcameras\r");
    dispatcher.types("\x1b[A\x1b[A\r");
    assert_eq!(dispatcher.commands.last().map(String::as_str), Some("status"));
    dispatcher.types("\x04");
    assert_eq!(dispatcher.screen.row(), "password:");
    dispatcher.types("\x1b[A\x1b[A");
    dispatcher.types(&format!("\x15{PASSWORD}\r"));
    dispatcher.types("\x1b[A");
    assert_eq!(dispatcher.screen.row(), "weir>");
}

#[test]
fn nobody_gets_in_by_leaving_halfway() {
    let mut terminal = Terminal::new(CABLE, 0);
    terminal.receive(b"\x03", 0);
    assert_eq!(terminal.event(), Some(TerminalEvent::Hello));
    terminal.greet("weir", 0);
    terminal.receive(b"guess\r\x03\x03\x04", 0);
    let event = terminal.event().expect("a password to look at");
    assert!(matches!(event, TerminalEvent::Password(_)));
    terminal.receive(b"\x03status\r\x03", 0);
    assert_eq!(terminal.event(), None, "it is still being looked at");
    terminal.done(0);
    assert!(!matches!(terminal.event(), Some(TerminalEvent::Command(_))));
    let mut terminal = Terminal::new(CABLE, 0);
    terminal.let_in(0);
    terminal.receive(b"status\r", 0);
    assert_eq!(terminal.event(), Some(TerminalEvent::Hello), "no password was asked for yet");
}

#[test]
fn who_went_away_is_logged_out() {
    let mut dispatcher = Dispatcher::inside();
    let deadline_us = dispatcher.terminal.deadline_us().expect("somebody is in");
    dispatcher.now_us = deadline_us - 1;
    dispatcher.terminal.timeout(dispatcher.now_us);
    dispatcher.types("status\r");
    assert_eq!(dispatcher.commands, ["status"], "not yet, and now it begins again");
    dispatcher.now_us = dispatcher.terminal.deadline_us().expect("still in");
    dispatcher.terminal.timeout(dispatcher.now_us);
    dispatcher.settle();
    assert!(dispatcher.shows("logged out"));
    assert_eq!(
        (dispatcher.screen.row().as_str(), dispatcher.terminal.deadline_us()),
        ("password:", None)
    );
    assert_eq!(Dispatcher::new(Way::Local).terminal.deadline_us(), None);
}

/// A pseudorandom generator (xorshift) for test input.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// All that a terminal holds has a fixed size, so only what it hands out could grow: a line, and
/// the queue. Five in sixteen of the bytes are those that mean something.
#[test]
fn a_million_random_lines_neither_panic_nor_grow() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut terminal = Terminal::new(CABLE, 0);
    let (mut lines, mut commands, mut now_us, mut is_in) = (0_u32, 0_u32, 0, false);
    while lines < 1_000_000 {
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            let [kind, one, other, any, ..] = dice.throw().to_le_bytes();
            let meant = b"\x1b[ABCD3~\x03\x04\x0c\x17\x15 rtsp://\xe2\x82\xac";
            *byte = match kind & 0xf {
                0..=4 => meant[usize::from(one) % meant.len()],
                5..=12 => b' ' + other % 95,
                13 => b'\r',
                _ => any,
            };
            lines += u32::from(*byte == b'\r');
        }
        now_us += dice.throw() % 100_000;
        terminal.receive(&bytes, now_us);
        while let Some(event) = terminal.event() {
            let held = match &event {
                TerminalEvent::Password(text) | TerminalEvent::Answer(text) => text.reveal().len(),
                TerminalEvent::Command(text) => text.len(),
                TerminalEvent::Hello | TerminalEvent::Cancel | TerminalEvent::Leave => 0,
            };
            assert!(held <= crate::limits::CONSOLE_LINE_BYTES_MAX);
            let is_for_insiders = matches!(
                &event,
                TerminalEvent::Command(_) | TerminalEvent::Answer(_) | TerminalEvent::Cancel
            );
            assert!(is_in || !is_for_insiders, "{event:?}");
            match event {
                TerminalEvent::Hello => {
                    is_in = false;
                    terminal.greet("weir", now_us);
                }
                TerminalEvent::Leave => {
                    is_in = false;
                    terminal.close();
                }
                TerminalEvent::Password(_) if !dice.throw().is_multiple_of(4) => {
                    is_in = true;
                    terminal.let_in(now_us);
                }
                TerminalEvent::Password(_) => terminal.keep_out("wrong", true, now_us),
                TerminalEvent::Command(text) if text.len().is_multiple_of(5) => {
                    terminal.ask("?", true, now_us)
                }
                TerminalEvent::Command(text) => {
                    commands += 1;
                    terminal.line(&text);
                    terminal.done(now_us);
                }
                TerminalEvent::Answer(_) | TerminalEvent::Cancel => terminal.done(now_us),
            }
        }
        terminal.timeout(now_us);
        // The cable is slower than the input.
        let waiting = terminal.waiting().len();
        assert!(waiting <= CONSOLE_OUTPUT_BYTES);
        terminal.sent(waiting.min(24));
    }
    assert!(commands > 10_000, "{commands}: the noise got somewhere");
}
