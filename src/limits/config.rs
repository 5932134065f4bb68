//! The configuration, and files that are imported.

use super::{KIB, PROFILE};

/// A camera's name.
pub const CAMERA_NAME_BYTES_MAX: usize = 64;
/// `weir.toml`: 500 bytes for every camera, and 16 KiB for all the rest.
pub const CONFIG_BYTES_MAX: usize = 16 * KIB + 512 * PROFILE.cameras;
/// Its TOML tokens: a line `key = "value"` has six, so a camera may have 16 lines. What a file
/// costs while it is read goes by its tokens as well as by its bytes.
pub const CONFIG_TOKENS_MAX: usize = 1024 + 96 * PROFILE.cameras;
/// Its tokens that begin a table or a list, or a table within one: `.`, `[` and `{`. A camera has two
/// in `[[camera]]`, and may have as many again.
pub const CONFIG_TABLES_MAX: usize = 256 + 4 * PROFILE.cameras;
/// Lists and tables within one another, by brackets and braces: the parser calls itself for each.
pub const CONFIG_NESTING_MAX: u32 = 16;
/// Library heap for any file while it is read: the defaults, and what is doubled as it grows.
pub const CONFIG_HEAP_BYTES_FIXED: usize = 8 * KIB;
/// Library heap for each byte of a file while it is read: the parser makes room for as many tokens.
pub const CONFIG_HEAP_BYTES_PER_BYTE: usize = 25;
/// Library heap for each token, or what becomes of it, at worst: a list of numbers.
pub const CONFIG_HEAP_BYTES_PER_TOKEN: usize = 150;
/// Library heap for each table besides: a table with one key in it has room for eleven.
pub const CONFIG_HEAP_BYTES_PER_TABLE: usize = 1200;
/// Library heap while the largest file is read.
pub const CONFIG_HEAP_BYTES_MAX: usize = CONFIG_HEAP_BYTES_FIXED
    + CONFIG_HEAP_BYTES_PER_BYTE * CONFIG_BYTES_MAX
    + CONFIG_HEAP_BYTES_PER_TOKEN * CONFIG_TOKENS_MAX
    + CONFIG_HEAP_BYTES_PER_TABLE * CONFIG_TABLES_MAX;
/// How much more it takes to change a file than to read it: each token has what is around it.
pub const CONFIG_EDIT_HEAP_FACTOR: usize = 3;
/// A file that `weir import` reads: mediamtx's own example has 33 KiB.
pub const IMPORT_BYTES_MAX: usize = 256 * KIB;
/// Values and keys in it, with what aliases repeat: 100 bytes of the library heap each, of which
/// this command has all.
pub const IMPORT_NODES_MAX: usize = 8192;
/// Mistakes in a file that are named one by one, and characters of each.
pub const CONFIG_PROBLEMS_MAX: usize = 128;
/// See [`CONFIG_PROBLEMS_MAX`].
pub const CONFIG_PROBLEM_CHARS_MAX: usize = 240;
/// Mistakes of the configuration that an answer of the API has.
pub const CONFIG_PROBLEMS_SHOWN: usize = 16;
/// Viewers of the demo camera's RTSP server; weir itself is one.
pub const DEMO_CONNECTIONS_MAX: usize = 4;
