//! How full each thing with a bound is: now, at most since the start, and how often somebody found
//! it full. What the policy then was stands in the table of docs/limits.md.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::limits::{
    ADDRESSES_MAX, CHUNKS_MAX, CONSOLES_MAX, DIAGNOSTICS_CONNECTIONS_MAX, PROFILE, SESSIONS_MAX,
    SUBSCRIPTIONS_MAX,
};

/// The use of one thing with a bound.
#[derive(Debug)]
pub struct Usage {
    /// What it is, in words.
    pub what: &'static str,
    /// How many there can be.
    pub max: usize,
    pub(crate) used: AtomicU64,
    most: AtomicU64,
    full: AtomicU64,
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $max:expr;)*) => {
        /// Everything that can be full while weir runs.
        #[derive(Debug)]
        pub struct Tables {
            $($(#[$doc])* pub $name: Usage,)*
        }

        /// The tables of this process.
        pub static TABLES: Tables = Tables { $($name: Usage::new($what, $max),)* };

        impl Tables {
            /// All tables, in the order of `/metrics`.
            pub fn all(&self) -> impl Iterator<Item = &Usage> {
                [$(&self.$name),*].into_iter()
            }
        }
    };
}

tables! {
    /// Browser connections, in handshake or live; full: one made room, or was refused.
    sessions: "sessions", SESSIONS_MAX;
    /// Streams being sent.
    subscriptions: "subscriptions", SUBSCRIPTIONS_MAX;
    /// Handshake slots; full: an offer had to wait.
    handshakes: "handshakes", PROFILE.handshakes;
    /// Offers waiting for one; full: refused.
    offers_waiting: "offers waiting", PROFILE.offers_waiting;
    /// Datagrams on their way to a handshake; full: dropped.
    handshake_datagrams: "handshake datagrams", PROFILE.handshake_datagrams;
    /// Addresses of sessions; full: one took the place of its session's oldest.
    addresses: "addresses", ADDRESSES_MAX;
    /// Commands on their way to the media thread; full: an offer was refused before they were.
    commands: "commands", PROFILE.commands;
    /// Carry slots of 2 KiB; full: a larger one was asked for.
    carry_small: "carry slots, small", PROFILE.carry_small;
    /// Carry slots of 8 KiB; full: a larger one was asked for.
    carry_medium: "carry slots, medium", PROFILE.carry_medium;
    /// Carry slots of 64 KiB; full: a frame was abandoned.
    carry_large: "carry slots, large", PROFILE.carry_large;
    /// Packets of UDP cameras that wait for an earlier one; full: that one was given up.
    reorder: "reorder slots", PROFILE.reorder_packets;
    /// Ring chunks; full: a camera was not read until viewers had been served.
    ring_chunks: "ring chunks", CHUNKS_MAX;
    /// HTTP connections; full: an idle one made room, or the new one was refused.
    http_connections: "http connections", PROFILE.http_connections;
    /// HTTP request bodies being read; full: refused.
    http_bodies: "http bodies", PROFILE.http_bodies;
    /// Consoles by the socket in the state folder; full: one was sent away.
    consoles: "consoles", CONSOLES_MAX - 1;
    /// Connections to the diagnostics port; full: as with HTTP connections.
    diagnostics_connections: "diagnostics connections", DIAGNOSTICS_CONNECTIONS_MAX;
}

impl Usage {
    /// A table with nothing in use.
    pub const fn new(what: &'static str, max: usize) -> Self {
        Self {
            what,
            max,
            used: AtomicU64::new(0),
            most: AtomicU64::new(0),
            full: AtomicU64::new(0),
        }
    }

    /// So many are used now.
    pub fn set(&self, used: usize) {
        self.used.store(used as u64, Relaxed);
        self.most.fetch_max(used as u64, Relaxed);
    }

    /// One more is used, where another thread gives it back.
    pub fn take(&self) {
        let before = self.used.fetch_add(1, Relaxed);
        self.most.fetch_max(before + 1, Relaxed);
    }

    /// One less is used.
    pub fn give(&self) {
        self.used.fetch_sub(1, Relaxed);
    }

    /// Somebody found it full.
    pub fn was_full(&self) {
        self.full.fetch_add(1, Relaxed);
    }

    /// What its owner has counted itself.
    pub fn copy(&self, counts: Counts) {
        self.used.store(counts.used as u64, Relaxed);
        self.most.store(counts.most as u64, Relaxed);
        self.full.store(counts.full, Relaxed);
    }

    /// How many are in use.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Used at most since the start.
    pub fn most(&self) -> u64 {
        self.most.load(Relaxed)
    }

    /// How often it was found full since the start.
    pub fn full(&self) -> u64 {
        self.full.load(Relaxed)
    }
}

/// The same three as an owner on the media thread counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many are in use.
    pub used: usize,
    /// Used at most since the start.
    pub most: usize,
    /// How often it was found full since the start.
    pub full: u64,
}

impl Counts {
    /// A table with nothing in use.
    pub const ZERO: Self = Self { used: 0, most: 0, full: 0 };

    /// One more is used.
    pub fn take(&mut self) {
        self.used += 1;
        self.most = self.most.max(self.used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_stays_and_full_is_counted() {
        let usage = Usage::new("things", 2);
        usage.take();
        usage.take();
        usage.was_full();
        usage.give();
        assert_eq!((usage.used(), usage.most(), usage.full()), (1, 2, 1));
        usage.set(0);
        assert_eq!((usage.used(), usage.most()), (0, 2));
        let mut counts = Counts::ZERO;
        counts.take();
        counts.used -= 1;
        assert_eq!(counts, Counts { used: 0, most: 1, full: 0 });
    }

    #[test]
    fn tables_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = TABLES.all().map(|table| table.what).collect();
        assert_eq!(names.len(), TABLES.all().count());
        assert!(TABLES.all().all(|table| table.max > 0));
    }
}
