//! Bounds of weir-init, the first process of a box: what it reads, how long it waits, and when it
//! gives up.

use super::{KIB, MIB};

/// Bytes of a `box.toml`, of `/data` or of a preset: twenty times what it needs.
pub const BOX_FILE_BYTES_MAX: usize = 8 * KIB;
/// Brackets and braces within one another in a `box.toml`: a list in a table has two.
pub const BOX_FILE_NESTING_MAX: u32 = 8;
/// Bytes of a host name, which is one label (RFC 1035 section 2.3.4).
pub const HOST_NAME_BYTES_MAX: usize = 63;
/// Bytes of an interface's name, in Linux.
pub const INTERFACE_NAME_BYTES_MAX: usize = 15;
/// Mistakes of a preset that are said one by one: the serial line has 24 rows.
pub const PRESET_PROBLEMS_MAX: usize = 8;
/// Bytes of the small files that init itself keeps and that come with the slot.
pub const INIT_FILE_BYTES_MAX: usize = 64 * KIB;
/// Entries of the preset partition's folder that are looked at.
pub const PRESET_ENTRIES_MAX: usize = 256;
/// Update bundles of the preset partition that are remembered as tried; the oldest is forgotten.
pub const BUNDLES_REMEMBERED_MAX: usize = 16;

/// Time servers of the settings and of a DHCP server, each.
pub const TIME_SERVERS_MAX: usize = 4;
/// Bytes of a time server's name, as a DNS name has at most.
pub const TIME_SERVER_BYTES_MAX: usize = 253;
/// The way to a time server and back, at most. Half of it is the worst error of the time.
pub const SNTP_DELAY_US_MAX: u64 = 1_000_000;
/// Between the questions to two time servers.
pub const SNTP_ASK_US_MIN: u64 = 2_000_000;
/// The longest pause after none of them answered.
pub const SNTP_ASK_US_MAX: u64 = 600_000_000;
/// From one good answer to the next question: a crystal of 50 ppm is off by 0.2 s then.
pub const SNTP_AGAIN_US: u64 = 3_600_000_000;
/// A clock that is off by more is set.
pub const CLOCK_STEP_US_MIN: u64 = 500_000;

/// The first pause of a DHCP client (RFC 2131 section 4.1 has 4 s); it doubles.
pub const DHCP_RETRY_US_MIN: u64 = 2_000_000;
/// The longest pause of a DHCP client (RFC 2131 section 4.1).
pub const DHCP_RETRY_US_MAX: u64 = 64_000_000;
/// The shortest pause between two questions for the renewal of a lease (section 4.4.5).
pub const DHCP_RENEW_US_MIN: u64 = 60_000_000;
/// The pause after a server's refusal.
pub const DHCP_REFUSED_US: u64 = 2_000_000;
/// Questions to a server whose offer was taken, until all are asked again.
pub const DHCP_REQUEST_TRIES: u32 = 4;
/// Questions about a lease after the link was gone, until it counts as lost: 14 s.
pub const DHCP_CONFIRM_TRIES: u32 = 3;
/// A shorter lease is taken for one of this many seconds.
pub const DHCP_LEASE_S_MIN: u32 = 120;
/// Bytes of the domain that a DHCP server names.
pub const DHCP_DOMAIN_BYTES_MAX: usize = 253;
/// Bytes of a datagram to the DHCP client: an Ethernet frame's.
pub const DHCP_DATAGRAM_BYTES_MAX: usize = 1500;
/// Datagrams that are read at once.
pub const DHCP_DATAGRAMS_MAX: usize = 16;

/// Entries of a partition table: 128 in practice.
pub const PARTITION_ENTRIES_MAX: u32 = 1024;
/// Bytes of each: 128 in practice.
pub const PARTITION_ENTRY_BYTES_MAX: usize = 1024;
/// UTF-16 units of a partition's name (UEFI 2.10, table 5.6).
pub const PARTITION_NAME_UNITS: usize = 36;
/// How long the box's disk is waited for; USB disks take a few seconds.
pub const DISK_WAIT_US_MAX: u64 = 10_000_000;

/// Ends of weir within [`CRASHES_WINDOW_US`] that cost the slot.
pub const CRASHES_MAX: usize = 5;
/// See [`CRASHES_MAX`].
pub const CRASHES_WINDOW_US: u64 = 120_000_000;
/// The pause before weir is started again.
pub const RESTART_PAUSE_US_MIN: u64 = 250_000;
/// The longest pause, after many ends in a row.
pub const RESTART_PAUSE_US_MAX: u64 = 10_000_000;
/// Ends in a row whose last lines are kept on the disk, and after those one an hour: a weir that
/// ends every ten seconds for years must not wear it out.
pub const LAST_LINES_KEPT_IN_A_ROW: u32 = 5;
/// See [`LAST_LINES_KEPT_IN_A_ROW`].
pub const LAST_LINES_US: u64 = 3_600_000_000;
/// Bytes of weir's last lines.
pub const LAST_LINES_BYTES_MAX: usize = 16 * KIB;
/// Bytes of weir's log in memory, in two files: the full one becomes the older.
pub const WEIR_LOG_BYTES_MAX: usize = 256 * KIB;

/// How long weir may take to get ready: 2 s on a slow board, 10 in an emulator with a test beside.
/// Five such starts fit into [`CRASHES_WINDOW_US`].
pub const WEIR_START_US_MAX: u64 = 20_000_000;
/// How long weir may give no sign of life; it gives two in this time.
pub const WEIR_SIGN_US_MAX: u64 = 10_000_000;
/// How long weir may take to end before it is killed.
pub const WEIR_ABORT_US_MAX: u64 = 3_000_000;
/// How long it may then still be there before the watchdog is left to reset the box.
pub const WEIR_END_US_MAX: u64 = 15_000_000;
/// How long there may be no sign of any weir before the watchdog is left to reset the box.
pub const WEIR_SIGNLESS_US_MAX: u64 = 600_000_000;
const _: () = assert!(
    CRASHES_MAX as u64 * (WEIR_START_US_MAX + RESTART_PAUSE_US_MIN) < CRASHES_WINDOW_US,
    "a weir that never gets ready costs the slot too"
);
const _: () = assert!(WEIR_ABORT_US_MAX < WEIR_END_US_MAX, "it is killed first");

/// How long a slot has to do well until it is good.
pub const TRIAL_GOOD_US: u64 = 60_000_000;
/// How long an update may take until it begins to do well for good.
pub const TRIAL_US_MAX: u64 = 300_000_000;
/// Between two looks at weir.
pub const TRIAL_LOOK_US: u64 = 2_000_000;
/// Looks that are further apart do not count together.
pub const TRIAL_LOOK_GAP_US_MAX: u64 = 10_000_000;
/// How long weir may take for an answer to such a look.
pub const HEALTH_ANSWER_MS_MAX: u64 = 2_000;
/// Bytes that are read of the answer; weir's first page has 8 KiB.
pub const HEALTH_ANSWER_BYTES_MAX: u64 = 64 * KIB as u64;
const _: () = assert!(
    TRIAL_LOOK_US + 4 * 1000 * HEALTH_ANSWER_MS_MAX <= TRIAL_LOOK_GAP_US_MAX,
    "two slow answers are no gap"
);

/// The watchdog's time in seconds, where the board names none.
pub const WATCHDOG_S_DEFAULT: u32 = 15;
/// The longest time between two rounds of init's loop; the watchdog is fed in each.
pub const INIT_ROUND_US_MAX: u64 = 1_000_000;
/// Requests to init at once, each with a thread.
pub const INIT_REQUESTS_MAX: usize = 4;
/// How long a request may take to say what it wants.
pub const INIT_REQUEST_MS_MAX: u64 = 5_000;
/// How long an update's bytes may not come.
pub const INIT_UPDATE_IDLE_MS_MAX: u64 = 30_000;
/// Stack of each of init's threads.
pub const INIT_STACK_BYTES: usize = 256 * KIB;
/// Bytes of a message to init's notification socket (systemd takes 4 KiB).
pub const NOTIFY_BYTES_MAX: usize = 4 * KIB;
/// Messages that are read of it at once.
pub const NOTIFY_MESSAGES_MAX: usize = 16;
/// Bytes of the log's pipe that are read at once.
pub const LOG_PIPE_BYTES: usize = 8 * KIB;
/// Bytes of a message of netlink.
pub const NETLINK_BYTES_MAX: usize = 8 * KIB;
/// How long the kernel may take to answer one.
pub const NETLINK_MS_MAX: u64 = 2_000;
/// Bytes of a kernel module's list, of `/etc/sysctl.conf` and of the kernel's command line.
pub const BOOT_FILE_BYTES_MAX: usize = MIB;
