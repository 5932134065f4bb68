//! Consoles, by a serial line or by the socket.

use super::KIB;

/// Consoles at once: one by a serial cable, the others by the socket in the state folder; one more
/// is told so and closed.
pub const CONSOLES_MAX: usize = 3;
/// A line typed at a console; the longest, that adds a camera, has a name and a URL.
pub const CONSOLE_LINE_BYTES_MAX: usize = 512;
/// Lines of before that a console keeps; the oldest makes room. 8 KiB each console.
pub const CONSOLE_HISTORY_LINES: usize = 16;
/// Bytes waiting to be sent to a console, 0.7 s of a cable of 115200 baud; a line without room is
/// left out as a whole, and counted.
pub const CONSOLE_OUTPUT_BYTES: usize = 8 * KIB;
/// Bytes typed while a command answers, for after it; more are not taken.
pub const CONSOLE_TYPED_AHEAD_BYTES: usize = 256;
/// What `weir console` sends first: its words, or that it wants to be a terminal.
pub const CONSOLE_REQUEST_BYTES_MAX: usize = 2 * KIB;
/// How long `weir console` may take to say what it wants, and to take each piece of the answer.
pub const CONSOLE_REQUEST_MS_MAX: u64 = 10_000;
/// How often a console that follows the log looks for new lines.
pub const CONSOLE_FOLLOW_MS: u64 = 200;
/// Between two tries to open a serial device that is not there.
pub const CONSOLE_REOPEN_MS: u64 = 2_000;
/// Speeds of a serial line; a number in between is the operator's affair.
pub const CONSOLE_BAUD_MIN: usize = 1_200;
/// See [`CONSOLE_BAUD_MIN`].
pub const CONSOLE_BAUD_MAX: usize = 4_000_000;
/// What the board's serial line is set to where weir is built for one (`scripts/build --board`), else
/// what most are.
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
/// What a terminal shows.
pub const CONSOLE_COLUMNS: usize = 80;
/// See [`CONSOLE_COLUMNS`].
pub const CONSOLE_ROWS: usize = 24;
/// Nothing typed for this long logs out from a cable, which does not say that it was pulled.
pub const CONSOLE_IDLE_US_MAX: u64 = 1_800_000_000;
/// Wrong passwords at a console before one has to wait.
pub const CONSOLE_FAILURES_FREE: u32 = 3;
/// The wait after that; doubled for each further one.
pub const CONSOLE_WAIT_US_MIN: u64 = 10_000_000;
/// The longest: who stands before the box with the right password has come a long way.
pub const CONSOLE_WAIT_US_MAX: u64 = 300_000_000;
