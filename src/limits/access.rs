//! Users, tokens, passwords and logins.

use super::{KIB, PROFILE};

/// `[[user]]` and `[[token]]` sections, of each; further ones are disabled, with a warning.
pub const USERS_MAX: usize = 32;
/// See [`USERS_MAX`].
pub const TOKENS_MAX: usize = 32;
/// The name of a user or of a token.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 64;
/// A user's password; `weir password` refuses shorter and longer ones.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// See [`PASSWORD_BYTES_MIN`].
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Rounds of PBKDF2-HMAC-SHA256: what OWASP asks for, 0.2 s of a desktop's core and 1 s of a small
/// box's. A hash with fewer is refused.
pub const PASSWORD_ROUNDS_MIN: u32 = 600_000;
/// More would keep everybody waiting for one.
pub const PASSWORD_ROUNDS_MAX: u32 = 10_000_000;
/// Salt of a password's hash: made with so many bytes, read from 16 to so many.
pub const PASSWORD_SALT_BYTES_MAX: usize = 64;
/// Passwords waiting for their hash or in it, one at a time; one more takes the place of the address
/// that has most, or gets 503.
pub const PASSWORDS_WAITING_MAX: usize = 8;
/// Requests that wait for the hash of a password, over all of them: as many as there are connections,
/// so that a wall of 64 pages with one new password is hashed once. A waiting request keeps no other
/// address out: its connection is evicted where the table is full.
pub const PASSWORD_REQUESTS_MAX: usize = PROFILE.http_connections;
/// How long each waits before it gets 503: eight hashes of a small box's second, and some.
pub const PASSWORD_WAIT_MS_MAX: u64 = 12_000;
/// The stack of the thread that hashes: ring needs 2 KiB, the C library's start 16.
pub const PASSWORD_STACK_BYTES: usize = 64 * KIB;
/// A token as a request has it; `weir token` makes 43 characters.
pub const TOKEN_BYTES_MAX: usize = 256;
/// Credentials known to be right, so that a wall of pages is hashed once; the oldest makes room.
pub const CREDENTIALS_REMEMBERED_MAX: usize = 64;
/// How long they are known.
pub const CREDENTIALS_REMEMBERED_US: u64 = 600_000_000;
/// Browsers logged in; the oldest makes room. 90 bytes each in `weir-logins`.
pub const LOGINS_MAX: usize = 64;
/// Logins of one user at a time; the next ends that user's oldest, so that one user cannot end
/// everybody else's.
pub const USER_LOGINS_MAX: usize = 8;
const _: () = assert!(USER_LOGINS_MAX < LOGINS_MAX);
/// How long a login lasts, unless `login_hours` says otherwise: 30 days.
pub const LOGIN_HOURS_DEFAULT: usize = 720;
/// A year.
pub const LOGIN_HOURS_MAX: usize = 8760;
/// What is read of `weir-logins`: a line for each login, twice over.
pub const LOGINS_FILE_BYTES_MAX: usize = LOGINS_MAX * 256;
/// `weir-logins` is written for new logins at most so often: a write is two flushes of an SD card.
/// Logins of the last so many milliseconds are lost with the power; what ends one of the file is
/// written within [`LOGINS_ENDED_WRITE_MS`].
pub const LOGINS_WRITE_MS: u64 = 10_000;
/// The shortest time between two writes of `weir-logins` for logins that ended: a user who logs in
/// and out without end would have it written all the time. A logout is answered when its write is
/// done.
pub const LOGINS_ENDED_WRITE_MS: u64 = 1_000;
const _: () = assert!(LOGINS_ENDED_WRITE_MS < LOGINS_WRITE_MS);
/// How long the end of weir waits for that file, which is written at once then: a small box's hash
/// under way, and a slow card.
pub const LOGINS_LAST_WRITE_MS_MAX: u64 = 3_000;
/// The form of the login page.
pub const LOGIN_FORM_BYTES_MAX: usize = 4 * KIB;
/// Addresses whose failed logins are counted; one more takes the place of the one least locked
/// out, and has one free try instead of [`FAILURES_FREE`].
pub const FAILURE_ADDRESSES_MAX: usize = 64;
/// Failed logins of an address before it has to wait.
pub const FAILURES_FREE: u32 = 5;
/// The wait after that; doubled for each further failure.
pub const FAILURE_WAIT_US_MIN: u64 = 10_000_000;
/// The longest wait.
pub const FAILURE_WAIT_US_MAX: u64 = 900_000_000;
/// Failed logins that a proxy on this machine passes on without being believed: of all its clients
/// together, beside each one's own, since who may write the header makes as many as it likes.
pub const FAILURES_FREE_FORWARDED: u32 = 50;
/// The wait after that, the same for each further failure. A client of such a proxy waits this long
/// because of another; one who guesses has 43,000 tries a day, for all users together.
pub const FAILURE_FORWARDED_WAIT_US: u64 = 2_000_000;
/// Without a failure for so long there is none.
pub const FAILURES_FORGOTTEN_US: u64 = 3_600_000_000;
