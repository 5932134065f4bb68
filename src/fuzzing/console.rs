//! Target for bytes from a serial cable.

use crate::console::terminal::{Terminal, TerminalEvent, Way};
use crate::limits::{CONSOLE_LINE_BYTES_MAX, CONSOLE_OUTPUT_BYTES};

const PASSWORD: &str = "correct horse";

/// A console: before a right password, only the password is asked for; a line has its bound; and
/// how many bytes the cable takes at once makes no difference.
pub fn console(data: &[u8]) {
    let whole = talk(data, CONSOLE_OUTPUT_BYTES);
    assert_eq!(talk(data, 1), whole);
    assert_eq!(talk(data, 7), whole);
}

/// The events and the output of a console, over a cable that takes `taken` bytes at once.
fn talk(data: &[u8], taken: usize) -> (Vec<TerminalEvent>, Vec<u8>) {
    let mut terminal = Terminal::new(Way::Cable { baud: 115_200 }, 0);
    let (mut events, mut shown, mut is_in) = (Vec::new(), Vec::new(), false);
    for byte in data {
        terminal.receive(&[*byte], 0);
        while let Some(event) = terminal.event() {
            is_in = answer(&mut terminal, &event, is_in);
            events.push(event);
        }
        assert!(terminal.waiting().len() <= CONSOLE_OUTPUT_BYTES);
        while !terminal.waiting().is_empty() {
            let bytes = terminal.waiting().len().min(taken);
            shown.extend_from_slice(&terminal.waiting()[..bytes]);
            terminal.sent(bytes);
        }
    }
    assert!(std::str::from_utf8(&shown).is_ok(), "whole characters");
    (events, shown)
}

/// Answers an event as the program would; returns whether the login holds afterwards.
fn answer(terminal: &mut Terminal, event: &TerminalEvent, is_in: bool) -> bool {
    match event {
        TerminalEvent::Hello => {
            terminal.greet("weir", 0);
            return false;
        }
        TerminalEvent::Leave => {
            terminal.close();
            return false;
        }
        TerminalEvent::Password(password) if password.reveal() == PASSWORD => {
            terminal.let_in(0);
            return true;
        }
        TerminalEvent::Password(_) => terminal.keep_out("wrong", false, 0),
        TerminalEvent::Command(line) => {
            assert!(is_in && line.len() <= CONSOLE_LINE_BYTES_MAX);
            match line.as_str() {
                "ask" => terminal.ask("name: ", true, 0),
                "slow" => {}
                _ => terminal.done(0),
            }
        }
        TerminalEvent::Answer(_) | TerminalEvent::Cancel => {
            assert!(is_in);
            terminal.done(0);
        }
    }
    is_in
}
