//! `weir password` and `weir token`: lines for weir.toml.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use weir::access::{PasswordHash, TokenHash};
use weir::limits::PASSWORD_BYTES_MAX;

use crate::typing::Mode;

/// Asks for a password, or reads it from what is piped in, and prints the line of its hash.
///
/// # Errors
/// The two passwords differ, weir refuses the password, or stdin cannot be read; a sentence.
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

/// Prints a new token, which is stored nowhere, and the line of its hash.
pub(crate) fn token() {
    let (token, hash) = TokenHash::generate();
    println!("# for the player, and nowhere else: {token}");
    println!("hash = \"{hash}\"");
}

/// Prompts at the terminal, without echo.
fn ask(prompt: &str) -> Result<String, String> {
    let before = Mode::hidden();
    eprint!("{prompt}");
    // If this fails the prompt is not shown; no more than that.
    let _ = io::stderr().flush();
    let typed = line();
    drop(before);
    eprintln!();
    typed
}

fn line() -> Result<String, String> {
    let mut text = String::new();
    // One byte more than the longest password and its line's end, so that a longer one is noticed.
    let mut input = io::stdin().lock().take(PASSWORD_BYTES_MAX as u64 + 3);
    input.read_line(&mut text).map_err(|error| error.to_string())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}
