//! Users, tokens, passwords and logins.

use super::{KIB, PROFILE};

/// Largest number of `[[user]]` and of `[[token]]` sections; more are disabled, with a warning.
pub const USERS_MAX: usize = 32;
/// See [`USERS_MAX`].
pub const TOKENS_MAX: usize = 32;
/// Bytes of the name of a user or a token.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 64;
/// Bytes of a user's password; `weir password` refuses shorter and longer ones.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// See [`PASSWORD_BYTES_MIN`].
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Least rounds of PBKDF2-HMAC-SHA256: the number that OWASP asks for. They take 0.2 s of a
/// desktop's core and 1 s of a small box's. A hash with fewer is refused.
pub const PASSWORD_ROUNDS_MIN: u32 = 600_000;
/// Most rounds of PBKDF2-HMAC-SHA256: a hash with more would hold up all other logins.
pub const PASSWORD_ROUNDS_MAX: u32 = 10_000_000;
/// Bytes of the salt of a password's hash. New salts have 16; 16 up to this many are read.
pub const PASSWORD_SALT_BYTES_MAX: usize = 64;
/// Passwords that wait for their hash or are being hashed, one at a time. When full, a further one
/// evicts one of the address that has most, or gets 503.
pub const PASSWORDS_WAITING_MAX: usize = 8;
/// Requests that wait for the hash of a password. As many as there are connections, so that 64
/// pages with the same new password cost one hash. A waiting request does not keep other addresses
/// out: its connection is evicted when the connection table is full.
pub const PASSWORD_REQUESTS_MAX: usize = PROFILE.http_connections;
/// The longest wait of each, then 503: eight hashes of 1 s on a small box, and a margin.
pub const PASSWORD_WAIT_MS_MAX: u64 = 12_000;
/// The stack of the hashing thread: ring needs 2 KiB, the C library's start 16.
pub const PASSWORD_STACK_BYTES: usize = 64 * KIB;
/// Bytes of a token in a request; `weir token` makes 43 characters.
pub const TOKEN_BYTES_MAX: usize = 256;
/// Credentials remembered as right, so that many pages cost one hash; when full, the oldest goes.
pub const CREDENTIALS_REMEMBERED_MAX: usize = 64;
/// How long credentials are remembered.
pub const CREDENTIALS_REMEMBERED_US: u64 = 600_000_000;
/// Logins at once; when full, the oldest ends. 90 bytes each in `weir-logins`.
pub const LOGINS_MAX: usize = 64;
/// Logins of one user at once. A further one ends that user's oldest, so that one user cannot end
/// the logins of all others.
pub const USER_LOGINS_MAX: usize = 8;
const _: () = assert!(USER_LOGINS_MAX < LOGINS_MAX);
/// How long a login lasts, unless `login_hours` says otherwise: 30 days.
pub const LOGIN_HOURS_DEFAULT: usize = 720;
/// The largest `login_hours`: a year.
pub const LOGIN_HOURS_MAX: usize = 8760;
/// The largest `weir-logins` that is read: twice a line for each login.
pub const LOGINS_FILE_BYTES_MAX: usize = LOGINS_MAX * 256;
/// The shortest time between two writes of `weir-logins` for new logins: a write is two flushes of
/// an SD card. A power cut loses the logins of this time. The end of a login that is in the file is
/// written within [`LOGINS_ENDED_WRITE_MS`].
pub const LOGINS_WRITE_MS: u64 = 10_000;
/// The shortest time between two writes of `weir-logins` for logins that ended. It bounds the
/// writes of a user who logs in and out all the time. A logout is answered when its write is done.
pub const LOGINS_ENDED_WRITE_MS: u64 = 1_000;
const _: () = assert!(LOGINS_ENDED_WRITE_MS < LOGINS_WRITE_MS);
/// How long the shutdown waits for `weir-logins`, which is then written at once: for a hash that is
/// being computed on a small box, and for a slow card.
pub const LOGINS_LAST_WRITE_MS_MAX: u64 = 3_000;
/// Bytes of the login page's form.
pub const LOGIN_FORM_BYTES_MAX: usize = 4 * KIB;
/// Addresses whose failed logins are counted. A further one replaces the one that is locked out
/// least, and has one free try instead of [`FAILURES_FREE`].
pub const FAILURE_ADDRESSES_MAX: usize = 64;
/// Failed logins of an address before it has to wait.
pub const FAILURES_FREE: u32 = 5;
/// The wait after the free tries; doubled for each further failure.
pub const FAILURE_WAIT_US_MIN: u64 = 10_000_000;
/// The longest wait of an address after failed logins.
pub const FAILURE_WAIT_US_MAX: u64 = 900_000_000;
/// Failed logins that are free of a wait, of all clients together behind a proxy on this machine
/// whose forwarded addresses are not trusted. Counted besides each client's own, since a client
/// that can write the header can invent any number of addresses.
pub const FAILURES_FREE_FORWARDED: u32 = 50;
/// The wait after those, the same for each further failure. A client of such a proxy waits this
/// long because of another client. It leaves an attacker 43,000 tries a day, for all users
/// together.
pub const FAILURE_FORWARDED_WAIT_US: u64 = 2_000_000;
/// An address without a failure for this long starts from zero.
pub const FAILURES_FORGOTTEN_US: u64 = 3_600_000_000;
