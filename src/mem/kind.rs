//! What has an account on the library heap: how many of each there are, and what each may hold.

use crate::limits::{
    CAMERAS_DIALLED_MAX, CONFIG_HEAP_BYTES_MAX, CONFIGURATIONS_READ_MAX, CONSOLES_MAX,
    DIAGNOSTICS_CONNECTIONS_MAX, PROFILE,
};

/// What has an account each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// An HTTP connection, with its TLS and the request it is at.
    HttpConnection,
    /// A connection to the diagnostics port.
    DiagnosticsConnection,
    /// An offer, until its browser is connected or gone: its answer, and what a handshake needs.
    Offer,
    /// A handshake slot: str0m's ICE and DTLS.
    Handshake,
    /// A camera being dialled, its name being looked up included.
    CameraDial,
    /// A console, by a cable or by the socket.
    Console,
    /// A configuration file being read or changed.
    Configuration,
}

impl AccountKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::HttpConnection,
        Self::DiagnosticsConnection,
        Self::Offer,
        Self::Handshake,
        Self::CameraDial,
        Self::Console,
        Self::Configuration,
    ];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpConnection => "http connection",
            Self::DiagnosticsConnection => "diagnostics connection",
            Self::Offer => "offer",
            Self::Handshake => "handshake",
            Self::CameraDial => "camera dial",
            Self::Console => "console",
            Self::Configuration => "configuration",
        }
    }

    /// How many can be open at once.
    pub const fn max(self) -> usize {
        match self {
            Self::HttpConnection => PROFILE.http_connections,
            Self::DiagnosticsConnection => DIAGNOSTICS_CONNECTIONS_MAX,
            Self::Offer => PROFILE.sessions,
            Self::Handshake => PROFILE.handshakes,
            // And the one that a console tries.
            Self::CameraDial => CAMERAS_DIALLED_MAX + 1,
            Self::Console => CONSOLES_MAX,
            Self::Configuration => CONFIGURATIONS_READ_MAX,
        }
    }

    /// What each may hold.
    pub const fn budget_bytes(self) -> usize {
        match self {
            Self::HttpConnection => PROFILE.http_connection_heap_bytes,
            Self::DiagnosticsConnection => PROFILE.diagnostics_connection_heap_bytes,
            Self::Offer => PROFILE.offer_heap_bytes,
            Self::Handshake => PROFILE.handshake_heap_bytes,
            Self::CameraDial => PROFILE.camera_dial_heap_bytes,
            Self::Console => PROFILE.console_heap_bytes,
            // At most, to read one; each has what its file needs, as long as that is free.
            Self::Configuration => CONFIG_HEAP_BYTES_MAX,
        }
    }
}
