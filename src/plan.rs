//! The memory plan: the most memory that weir may use, item by item, each with its holder.
//! `weir memory` prints it and the README includes it. A profile whose plan exceeds its total does
//! not compile.

use std::fmt::Write;

use crate::journal;
use crate::limits::{
    BRIDGE_SOCKET_BYTES, CAMERA_DATAGRAM_SOCKETS_BYTES, CAMERA_SOCKET_BYTES, CAMERAS_MAX,
    CARRY_LARGE_BYTES, CARRY_MEDIUM_BYTES, CARRY_SMALL_BYTES, CHUNKS_MAX,
    HTTP_PLACELESS_SOCKETS_MAX, HTTP_SOCKETS_MAX, PASSWORD_STACK_BYTES, PROFILE, SESSIONS_MAX,
    SUBSCRIPTIONS_MAX, TCP_BUFFER_BYTES,
};
use crate::media::{Memory, sizes};
use crate::mem::accounts::AccountKind;
use crate::process::sampling;
use crate::status::{CameraStats, SessionStats, Tables};

/// The kind of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    /// weir's own static memory: exact, and touched at start.
    Arena,
    /// The region behind the global allocator; resident up to its highest use so far.
    LibraryHeap,
    /// Thread stacks; resident up to their highest use so far.
    Stack,
    /// The program's own pages.
    Program,
    /// The kernel's memory: neither in the process nor in the total.
    Kernel,
}

/// One line of the plan.
struct Item {
    tier: Tier,
    what: &'static str,
    holder: &'static str,
    count: usize,
    bytes: usize,
}

const fn item(
    tier: Tier,
    what: &'static str,
    holder: &'static str,
    count: usize,
    bytes: usize,
) -> Item {
    Item { tier, what, holder, count, bytes }
}

const ITEMS: [Item; 39] = [
    item(Tier::Arena, "history ring chunks", "history", CHUNKS_MAX, sizes::CHUNKS / CHUNKS_MAX),
    item(Tier::Arena, "streams", "stream", CAMERAS_MAX, sizes::STREAM),
    item(Tier::Arena, "sound", "stream", CAMERAS_MAX, sizes::SOUND),
    item(Tier::Arena, "carry slots, small", "rtsp", PROFILE.carry_small, CARRY_SMALL_BYTES),
    item(Tier::Arena, "carry slots, medium", "rtsp", PROFILE.carry_medium, CARRY_MEDIUM_BYTES),
    item(Tier::Arena, "carry slots, large", "rtsp", PROFILE.carry_large, CARRY_LARGE_BYTES),
    item(
        Tier::Arena,
        "reorder slots",
        "rtsp",
        PROFILE.reorder_packets,
        sizes::REORDER / PROFILE.reorder_packets,
    ),
    item(Tier::Arena, "camera connections", "media", CAMERAS_MAX, sizes::CAMERAS / CAMERAS_MAX),
    item(Tier::Arena, "read scratch", "media", 1, PROFILE.read_scratch_bytes),
    item(Tier::Arena, "receive room", "net", 1, sizes::INBOX),
    item(Tier::Arena, "send batch", "egress", 1, sizes::BATCH),
    item(Tier::Arena, "sessions", "webrtc", SESSIONS_MAX, sizes::SESSION_SLOTS / SESSIONS_MAX),
    item(
        Tier::Arena,
        "subscriptions",
        "egress",
        SUBSCRIPTIONS_MAX,
        sizes::SUBSCRIBERS / SUBSCRIPTIONS_MAX,
    ),
    item(Tier::Arena, "address table", "webrtc", 1, sizes::DEMUX),
    item(Tier::Arena, "statistics", "status", 1, STATISTICS_BYTES),
    item(Tier::Arena, "last warnings, log budgets", "journal", 1, journal::BYTES),
    item(Tier::Arena, "samples of a CPU profile", "process", 1, sampling::BYTES),
    heap("http connections", AccountKind::HttpConnection),
    heap_more("while a request body is read", PROFILE.http_bodies, PROFILE.http_body_heap_bytes),
    heap_more(
        "while in a large TLS record",
        PROFILE.tls_large_records,
        PROFILE.tls_large_record_heap_bytes,
    ),
    heap("diagnostics connections", AccountKind::DiagnosticsConnection),
    heap("offers", AccountKind::Offer),
    heap("handshakes", AccountKind::Handshake),
    heap("cameras being dialled", AccountKind::CameraDial),
    heap("encrypted and tunnelled cameras", AccountKind::BridgedCamera),
    heap("conversations by ONVIF", AccountKind::Onvif),
    heap("consoles", AccountKind::Console),
    item(Tier::LibraryHeap, "shared", "all", 1, PROFILE.shared_heap_bytes),
    item(Tier::LibraryHeap, "reserve", "what is under way", 1, PROFILE.heap_reserve_bytes),
    item(Tier::LibraryHeap, "rest", "reading a configuration", 1, HEAP_REST_BYTES),
    item(Tier::Stack, "stacks", "threads", PROFILE.threads, PROFILE.stack_bytes),
    item(Tier::Stack, "stack for password hashes", "access", 1, PASSWORD_STACK_BYTES),
    item(Tier::Program, "program pages", "text and data", 1, PROFILE.program_bytes),
    item(Tier::Kernel, "udp socket buffers", "kernel", 2, PROFILE.udp_socket_buffer_bytes),
    // The kernel takes twice what is asked for, in both directions.
    item(Tier::Kernel, "http socket buffers", "kernel", HTTP_SOCKETS_MAX, 4 * TCP_BUFFER_BYTES),
    item(
        Tier::Kernel,
        "http sockets without a place",
        "kernel",
        HTTP_PLACELESS_SOCKETS_MAX,
        2 * TCP_BUFFER_BYTES,
    ),
    item(Tier::Kernel, "camera socket buffers", "kernel", CAMERAS_MAX, CAMERA_SOCKET_BYTES),
    item(
        Tier::Kernel,
        "bridges to encrypted and tunnelled cameras",
        "kernel",
        PROFILE.bridged_cameras,
        BRIDGE_SOCKET_BYTES,
    ),
    item(
        Tier::Kernel,
        "camera udp socket buffers",
        "kernel",
        CAMERAS_MAX,
        CAMERA_DATAGRAM_SOCKETS_BYTES,
    ),
];

/// The line for the heap accounts of one kind.
const fn heap(what: &'static str, kind: AccountKind) -> Item {
    item(Tier::LibraryHeap, what, kind.name(), kind.max(), kind.budget_bytes())
}

/// The line for further heap that `count` HTTP connections may hold at once.
const fn heap_more(what: &'static str, count: usize, bytes: usize) -> Item {
    item(Tier::LibraryHeap, what, AccountKind::HttpConnection.name(), count, bytes)
}

/// The sum of all heap accounts that can be open at once, the shared part and the reserve. Accounts
/// for reading a configuration are not included: it is read in what happens to be free, in one go,
/// or later.
const HEAP_PROMISED_BYTES: usize = {
    let (mut sum, mut at) = (PROFILE.shared_heap_bytes + PROFILE.heap_reserve_bytes, 0);
    while at < AccountKind::ALL.len() {
        let kind = AccountKind::ALL[at];
        if !matches!(kind, AccountKind::Configuration) {
            sum += kind.max() * kind.budget_bytes();
        }
        at += 1;
    }
    sum + PROFILE.http_bodies * PROFILE.http_body_heap_bytes
        + PROFILE.tls_large_records * PROFILE.tls_large_record_heap_bytes
};
/// The rest of the region, so that the lines of the library heap add up to it.
const HEAP_REST_BYTES: usize = PROFILE.library_heap_bytes.saturating_sub(HEAP_PROMISED_BYTES);

/// Bytes of the statistics, which are statics of their own.
const STATISTICS_BYTES: usize = CAMERAS_MAX * size_of::<CameraStats>()
    + SESSIONS_MAX * size_of::<SessionStats>()
    + size_of::<Tables>();

/// The most that the process may use, in bytes, without the kernel's part.
pub const TOTAL_BYTES: usize = total_of(None);
/// The bytes of all arenas.
pub const ARENA_BYTES: usize = total_of(Some(Tier::Arena));

const _: () = {
    let memory = size_of::<Memory>() + STATISTICS_BYTES + journal::BYTES + sampling::BYTES;
    // Division by a count rounds down, and carry slots have a flag each: less than a page.
    let slack = 4096 * 2;
    assert!(memory <= ARENA_BYTES + slack, "an item of the media thread's arena is not listed");
};

/// A line of the plan for static memory.
#[derive(Debug, Clone, Copy)]
pub struct ArenaLine {
    /// What it holds, in words.
    pub what: &'static str,
    /// How many of them there are.
    pub count: usize,
    /// The bytes of each.
    pub bytes: usize,
}

/// The lines for static memory.
pub fn arenas() -> impl Iterator<Item = ArenaLine> {
    let arenas = ITEMS.iter().filter(|item| item.tier == Tier::Arena);
    arenas.map(|item| ArenaLine { what: item.what, count: item.count, bytes: item.bytes })
}

/// The sum of one tier's lines in bytes; with `None`, of all tiers but the kernel's.
const fn total_of(tier: Option<Tier>) -> usize {
    let mut total = 0;
    let mut at = 0;
    while at < ITEMS.len() {
        let item = &ITEMS[at];
        let counts = match tier {
            Some(tier) => item.tier as u8 == tier as u8,
            None => item.tier as u8 != Tier::Kernel as u8,
        };
        if counts {
            total += item.count * item.bytes;
        }
        at += 1;
    }
    total
}

/// The plan as a table in Markdown.
pub fn table() -> String {
    let mut text = String::new();
    let mut line = |tier: &str, what: &str, holder: &str, count: usize, bytes: usize| {
        let (each, all) = (kib(bytes), kib(count * bytes));
        // Writing to a String does not fail.
        let _ = writeln!(text, "| {tier} | {what} | {holder} | {count} | {each} | {all} |");
    };
    for item in ITEMS {
        line(item.tier.name(), item.what, item.holder, item.count, item.bytes);
    }
    let head = "| tier | what | holder | count | KiB each | KiB |\n|---|---|---|--:|--:|--:|\n";
    let (total, max) = (kib(TOTAL_BYTES), kib(PROFILE.total_bytes));
    let name = PROFILE.name;
    format!(
        "{head}{text}| | **total** (`{name}`, at most {max}; the kernel's apart) | | | | **{total}** |\n"
    )
}

/// Kibibytes with one decimal.
fn kib(bytes: usize) -> String {
    let tenths = bytes * 10 / 1024;
    format!("{}.{}", tenths / 10, tenths % 10)
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Self::Arena => "arena",
            Self::LibraryHeap => "library heap",
            Self::Stack => "stack",
            Self::Program => "program",
            Self::Kernel => "kernel",
        }
    }
}

/// A text that is composed at compile time.
pub(crate) struct ConstMessage {
    bytes: [u8; 128],
    length: usize,
}

impl ConstMessage {
    const fn text(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() {
            self.bytes[self.length] = text[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    const fn number(mut self, number: usize) -> Self {
        let mut digits = 1;
        let mut rest = number / 10;
        while rest > 0 {
            digits += 1;
            rest /= 10;
        }
        let mut rest = number;
        let mut at = digits;
        while at > 0 {
            at -= 1;
            self.bytes[self.length + at] = b'0' + digit(rest);
            rest /= 10;
        }
        self.length += digits;
        self
    }

    pub(crate) const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "the plan is over its total",
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // below ten
const fn digit(number: usize) -> u8 {
    (number % 10) as u8
}

/// The compile error for a profile over a bound: the bytes it needs and the limit.
const fn over(need: usize, limit_name: &str, limit: usize) -> ConstMessage {
    ConstMessage { bytes: [0; 128], length: 0 }
        .text("memory profile ")
        .text(PROFILE.name)
        .text(" needs ")
        .number(need)
        .text(" bytes, its ")
        .text(limit_name)
        .text(" allows ")
        .number(limit)
}

const fn assert_within(need: usize, limit_name: &str, limit: usize) {
    if need > limit {
        let message = over(need, limit_name, limit);
        panic!("{}", message.as_str());
    }
}
const _: () = assert_within(TOTAL_BYTES, "total_bytes", PROFILE.total_bytes);
const _: () = assert_within(HEAP_PROMISED_BYTES, "library_heap_bytes", PROFILE.library_heap_bytes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_need_and_limit() {
        let message = over(usize::MAX, "library_heap_bytes", usize::MAX);
        let (name, most) = (PROFILE.name, usize::MAX);
        assert_eq!(
            message.as_str(),
            format!(
                "memory profile {name} needs {most} bytes, its library_heap_bytes allows {most}"
            )
        );
    }

    #[test]
    fn the_library_heaps_lines_add_up_to_its_region() {
        assert_eq!(total_of(Some(Tier::LibraryHeap)), PROFILE.library_heap_bytes);
    }

    #[test]
    fn the_table_has_every_item_and_the_total() {
        let table = table();
        assert_eq!(table.lines().count(), ITEMS.len() + 3);
        assert!(table.contains(&kib(TOTAL_BYTES)));
    }
}
