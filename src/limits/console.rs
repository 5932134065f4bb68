//! Bounds of consoles, on a serial line or on the socket.

use super::KIB;

/// Consoles at once: one on a serial cable, the others on the socket in the state folder. A further
/// one gets a message and is closed.
pub const CONSOLES_MAX: usize = 3;
/// Bytes of a line typed at a console. The longest command adds a camera, with a name and a URL.
pub const CONSOLE_LINE_BYTES_MAX: usize = 512;
/// Earlier lines that a console keeps; the oldest goes first. 8 KiB per console.
pub const CONSOLE_HISTORY_LINES: usize = 16;
/// Bytes waiting to be sent to a console: 0.7 s on a cable of 115200 baud. A line that does not fit
/// is left out as a whole, and counted.
pub const CONSOLE_OUTPUT_BYTES: usize = 8 * KIB;
/// Bytes typed ahead while a command runs; more are dropped.
pub const CONSOLE_TYPED_AHEAD_BYTES: usize = 256;
/// Bytes of the first message of `weir console`: a command, or that it wants a terminal.
pub const CONSOLE_REQUEST_BYTES_MAX: usize = 2 * KIB;
/// How long `weir console` may take to send its first message, and to take each piece of the
/// answer.
pub const CONSOLE_REQUEST_MS_MAX: u64 = 10_000;
/// How often a console that follows the log looks for new lines.
pub const CONSOLE_FOLLOW_MS: u64 = 200;
/// Milliseconds between two tries to open a serial device that does not exist.
pub const CONSOLE_REOPEN_MS: u64 = 2_000;
/// The slowest speed of a serial line; the operator may set any from here to
/// [`CONSOLE_BAUD_MAX`].
pub const CONSOLE_BAUD_MIN: usize = 1_200;
/// The fastest speed of a serial line.
pub const CONSOLE_BAUD_MAX: usize = 4_000_000;
/// Default speed of the serial line: the board's, if weir is built for one
/// (`scripts/build --board`), else the usual 115200 baud.
pub const CONSOLE_BAUD_DEFAULT: u32 = match option_env!("WEIR_SERIAL_BAUD") {
    None => 115_200,
    Some(baud) => match u32::from_str_radix(baud, 10) {
        Ok(baud) => baud,
        Err(_) => panic!("WEIR_SERIAL_BAUD is no number"),
    },
};
const _: () = assert!(
    CONSOLE_BAUD_DEFAULT as usize >= CONSOLE_BAUD_MIN
        && CONSOLE_BAUD_DEFAULT as usize <= CONSOLE_BAUD_MAX,
    "WEIR_SERIAL_BAUD is no speed of a serial line"
);
/// Columns that are assumed of every terminal.
pub const CONSOLE_COLUMNS: usize = 80;
/// Columns of a row that a prompt may take; what is typed behind it has the rest. The longest
/// question has 58.
pub const CONSOLE_PROMPT_COLUMNS_MAX: usize = 60;
/// Rows that are assumed of every terminal.
pub const CONSOLE_ROWS: usize = 24;
/// A console on a cable is logged out if nothing is typed for this long, as a cable does not tell
/// that it was unplugged.
pub const CONSOLE_IDLE_US_MAX: u64 = 1_800_000_000;
/// Wrong passwords at a console before a wait.
pub const CONSOLE_FAILURES_FREE: u32 = 3;
/// The wait after those; doubled for each further wrong password.
pub const CONSOLE_WAIT_US_MIN: u64 = 10_000_000;
/// The longest wait at a console. Kept short, as a person with the right password is at the box.
pub const CONSOLE_WAIT_US_MAX: u64 = 300_000_000;
