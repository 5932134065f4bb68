//! Bounds of the appliance: what its disk, its update bundles and its init hold and say.

use super::{KIB, MIB};

/// Bytes of a state block: one sector, so that a power cut leaves it old or new on most disks, and
/// a torn one is told by its checksum.
pub const STATE_BLOCK_BYTES: usize = 512;
/// Bytes of a slot's header: eight sectors, one page of most flash.
pub const SLOT_HEADER_BYTES: usize = 4 * KIB;
/// Where the header's text ends and the checksums for U-Boot begin.
pub const SLOT_TEXT_BYTES_MAX: usize = 0xfc0;
/// Unit of places and lengths in a slot, as U-Boot reads disks in it.
pub const SLOT_BLOCK_BYTES: u64 = 512;
/// Bytes of a whole slot, header included: its partition on every board.
pub const SLOT_BYTES_MAX: u64 = 32 * MIB as u64;
/// Starts of a slot before the other one's turn. U-Boot counts them down.
pub const SLOT_TRIES_MAX: u8 = 3;
/// Bytes of the reason why a slot was given up. Two of them fit into a state block beside
/// everything else, which an assert in `appliance::boot_order` holds.
pub const SLOT_WHY_BYTES_MAX: usize = 120;
/// Bytes of a board's name, of a version and of a build in a slot's header or a manifest.
pub const SLOT_WORD_BYTES_MAX: usize = 40;
/// Variables of an environment block. A slot's header has 18.
pub const ENVIRONMENT_VARIABLES_MAX: usize = 64;

/// Bytes of a bundle's manifest: ten times what it needs.
pub const UPDATE_MANIFEST_BYTES_MAX: usize = 4 * KIB;
/// Tables, lists and dots in keys of a manifest: it has none, and a later one may have some.
pub const UPDATE_MANIFEST_TABLES_MAX: usize = 16;
/// Bytes of a bundle's signature in minisign's format: it has 300, and a comment.
pub const UPDATE_SIGNATURE_BYTES_MAX: usize = KIB;
/// Bytes of a public key in minisign's format, with its comment.
pub const UPDATE_KEY_BYTES_MAX: usize = KIB;
/// Bytes that an update reads and writes in one piece, all that it holds of a slot in memory.
pub const UPDATE_PIECE_BYTES: usize = 64 * KIB;
/// Bytes of a slot that are written until they are brought to the disk: a card of 1 MB/s takes 4 s
/// for them, less than the shortest watchdog of a board (15 s).
pub const UPDATE_SYNC_BYTES: u64 = 4 * MIB as u64;
const _: () = assert!(UPDATE_SYNC_BYTES.is_multiple_of(UPDATE_PIECE_BYTES as u64));

/// Bytes of a whole bundle: the largest slot, and what stands before and behind it.
pub const UPDATE_BYTES_MAX: u64 = SLOT_BYTES_MAX + 64 * KIB as u64;
/// Milliseconds without a byte until an upload of a bundle is given up.
pub const UPDATE_SILENCE_MS_MAX: u64 = 30_000;
/// Milliseconds for which the rest of a refused upload is still taken: most clients read no reply
/// before they have sent everything.
pub const UPDATE_DRAIN_MS_MAX: u64 = 30_000;

/// Bytes of a request to weir-init, and of each of its answers.
pub const BOX_REQUEST_BYTES_MAX: usize = 8 * KIB;
/// Progress answers of one update. More could fill the socket while the other side still sends.
pub const BOX_PROGRESS_ANSWERS_MAX: u64 = 64;
/// Seconds without a byte in either direction until a request to weir-init has failed. An update
/// is silent while a card writes [`UPDATE_SYNC_BYTES`], and once more at its end.
pub const BOX_SILENCE_S_MAX: u64 = 60;
/// Milliseconds that `/metrics` waits for weir-init: a page that is asked for each few seconds goes
/// without its figures rather than come late.
pub const BOX_METRICS_WAIT_MS: u64 = 2_000;

/// Partitions and disks that are looked at; a box has one disk with seven, and a few of its flash.
pub const PARTITIONS_MAX: usize = 256;
/// Bytes that are read of a device's description in `/sys`.
pub const UEVENT_BYTES_MAX: usize = 4 * KIB;
