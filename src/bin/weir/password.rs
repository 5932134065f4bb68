//! `weir password` and `weir token`: lines for weir.toml.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use weir::access::{PasswordHash, TokenHash};
use weir::limits::PASSWORD_BYTES_MAX;

use crate::typing::Mode;

/// Asks for a password, or reads it from what is piped in, and prints the line of its hash.
///
/// # Errors
/// In words.
pub(crate) fn password() -> Result<(), String> {
    let typed = if io::stdin().is_terminal() {
        let first = ask("Password: ")?;
        if ask("Once more: ")? != first {
            return Err("these are two different passwords".to_owned());
        }
        first
    } else {
        line()?
    };
    let hash = PasswordHash::make(&typed).map_err(|problem| format!("the password {problem}"))?;
    println!("password = \"{hash}\"");
    Ok(())
}

/// Prints a new token, which is nowhere else, and the line of its hash.
pub(crate) fn token() {
    let (token, hash) = TokenHash::generate();
    println!("# for the player, and nowhere else: {token}");
    println!("hash = \"{hash}\"");
}

/// Asks at the terminal, which does not show what is typed.
fn ask(prompt: &str) -> Result<String, String> {
    let before = Mode::hidden();
    eprint!("{prompt}");
    // What is not flushed is not shown; no more than that.
    let _ = io::stderr().flush();
    let typed = line();
    drop(before);
    eprintln!();
    typed
}

fn line() -> Result<String, String> {
    let mut text = String::new();
    // One more than fits and the line's end, so that what is too long is known to be.
    let mut input = io::stdin().lock().take(PASSWORD_BYTES_MAX as u64 + 3);
    input.read_line(&mut text).map_err(|error| error.to_string())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}
