//! Bounds of the configuration and of files that are imported.

use super::{KIB, PROFILE};

/// Bytes of a camera's name.
pub const CAMERA_NAME_BYTES_MAX: usize = 64;
/// Cameras that may each have a table as long as any is. Where there are more, they are of few
/// kinds and set up alike: the further ones have a name, a URL, a user and a password.
const CONFIG_CAMERAS_LONG: usize = 64;
/// A bound that is `all` for the file, `long` for each of its first cameras and `short` for each of
/// the others.
const fn of_cameras(all: usize, long: usize, short: usize) -> usize {
    let further = PROFILE.cameras.saturating_sub(CONFIG_CAMERAS_LONG);
    all + long * (PROFILE.cameras - further) + short * further
}
/// Bytes of `weir.toml`: 512 for each of 64 cameras, 192 for each further one, and 16 KiB for all
/// the rest.
pub const CONFIG_BYTES_MAX: usize = of_cameras(16 * KIB, 512, 192);
/// TOML tokens of `weir.toml`. A line `key = "value"` has six, so a camera may have 16 lines, and a
/// further one six. The memory to read a file depends on its tokens as well as on its bytes.
pub const CONFIG_TOKENS_MAX: usize = of_cameras(1024, 96, 40);
/// Tokens of `weir.toml` that begin a table, a list or a table within one: `.`, `[` and `{`. A
/// camera has two in `[[camera]]`, and one of the first 64 may have two more.
pub const CONFIG_TABLES_MAX: usize = of_cameras(256, 4, 2);
/// Depth of nested lists and tables, by brackets and braces: the parser recurses for each.
pub const CONFIG_NESTING_MAX: u32 = 16;
/// Library heap to read any file: the defaults, and the parts that double as they grow.
pub const CONFIG_HEAP_BYTES_FIXED: usize = 8 * KIB;
/// Library heap per byte of a file while it is read: the parser reserves a token for each byte.
pub const CONFIG_HEAP_BYTES_PER_BYTE: usize = 25;
/// Library heap per token and what it becomes, at worst in a list of numbers.
pub const CONFIG_HEAP_BYTES_PER_TOKEN: usize = 150;
/// Further library heap per table: a table with one key in it has room for eleven.
pub const CONFIG_HEAP_BYTES_PER_TABLE: usize = 1200;
/// Library heap to read the largest file.
pub const CONFIG_HEAP_BYTES_MAX: usize = CONFIG_HEAP_BYTES_FIXED
    + CONFIG_HEAP_BYTES_PER_BYTE * CONFIG_BYTES_MAX
    + CONFIG_HEAP_BYTES_PER_TOKEN * CONFIG_TOKENS_MAX
    + CONFIG_HEAP_BYTES_PER_TABLE * CONFIG_TABLES_MAX;
/// How many times as much heap it takes to edit a file as to read it, as every token keeps the text
/// around it.
pub const CONFIG_EDIT_HEAP_FACTOR: usize = 3;
/// Bytes of a file that `weir import` reads; mediamtx's own example has 33 KiB.
pub const IMPORT_BYTES_MAX: usize = 256 * KIB;
/// Values and keys of an imported file, with the copies that aliases make. Each takes 100 bytes of
/// the library heap; `weir import` has the whole heap to itself.
pub const IMPORT_NODES_MAX: usize = 8192;
/// Mistakes of a file that are reported one by one.
pub const CONFIG_PROBLEMS_MAX: usize = 128;
/// Characters of each reported mistake.
pub const CONFIG_PROBLEM_CHARS_MAX: usize = 240;
/// Mistakes of the configuration that an API response lists.
pub const CONFIG_PROBLEMS_SHOWN: usize = 16;
/// Connections to the demo camera's RTSP server; weir itself is one.
pub const DEMO_CONNECTIONS_MAX: usize = 4;
/// Bytes that a demo camera writes at once: most frames fit, a key frame takes several.
pub const DEMO_OUTPUT_BYTES: usize = 16 * KIB;
