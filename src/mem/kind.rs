//! The kinds of heap accounts: how many of each may be open, and how many bytes each may hold.

use crate::limits::{
    CAMERAS_DIALLED_MAX, CONFIG_HEAP_BYTES_MAX, CONFIGURATIONS_READ_MAX, CONSOLES_MAX,
    DIAGNOSTICS_CONNECTIONS_MAX, ONVIF_CONVERSATIONS_MAX, ONVIF_HEAP_BYTES, PROFILE,
};

/// The owners that have an account each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// An HTTP connection, with its TLS and its current request.
    HttpConnection,
    /// A connection to the diagnostics port.
    DiagnosticsConnection,
    /// An offer, until its browser is connected or gone: its answer, and the data for a handshake.
    Offer,
    /// A handshake slot: str0m's ICE and DTLS.
    Handshake,
    /// Dialling a camera, the lookup of its name included.
    CameraDial,
    /// A camera whose connection the control thread keeps, because it is encrypted or tunnelled:
    /// its TLS and what is on its way to the media thread.
    BridgedCamera,
    /// A conversation with a camera by ONVIF.
    Onvif,
    /// A console on a serial cable or on the socket.
    Console,
    /// Reading or editing a configuration file.
    Configuration,
}

impl AccountKind {
    /// All kinds, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::HttpConnection,
        Self::DiagnosticsConnection,
        Self::Offer,
        Self::Handshake,
        Self::CameraDial,
        Self::BridgedCamera,
        Self::Onvif,
        Self::Console,
        Self::Configuration,
    ];

    /// The name in `/api/status` and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpConnection => "http connection",
            Self::DiagnosticsConnection => "diagnostics connection",
            Self::Offer => "offer",
            Self::Handshake => "handshake",
            Self::CameraDial => "camera dial",
            Self::BridgedCamera => "encrypted or tunnelled camera",
            Self::Onvif => "onvif conversation",
            Self::Console => "console",
            Self::Configuration => "configuration",
        }
    }

    /// The number that can be open at once.
    pub const fn max(self) -> usize {
        match self {
            Self::HttpConnection => PROFILE.http_connections,
            Self::DiagnosticsConnection => DIAGNOSTICS_CONNECTIONS_MAX,
            Self::Offer => PROFILE.sessions,
            Self::Handshake => PROFILE.handshakes,
            // One more for the camera that a console tries.
            Self::CameraDial => CAMERAS_DIALLED_MAX + 1,
            Self::BridgedCamera => PROFILE.bridged_cameras + 1,
            Self::Onvif => ONVIF_CONVERSATIONS_MAX,
            Self::Console => CONSOLES_MAX,
            Self::Configuration => CONFIGURATIONS_READ_MAX,
        }
    }

    /// The bytes that each may hold.
    pub const fn budget_bytes(self) -> usize {
        match self {
            Self::HttpConnection => PROFILE.http_connection_heap_bytes,
            Self::DiagnosticsConnection => PROFILE.diagnostics_connection_heap_bytes,
            Self::Offer => PROFILE.offer_heap_bytes,
            Self::Handshake => PROFILE.handshake_heap_bytes,
            Self::CameraDial => PROFILE.camera_dial_heap_bytes,
            Self::BridgedCamera => PROFILE.bridged_camera_heap_bytes,
            Self::Onvif => ONVIF_HEAP_BYTES,
            Self::Console => PROFILE.console_heap_bytes,
            // The most to read one; an account gets what its file needs, if that is free.
            Self::Configuration => CONFIG_HEAP_BYTES_MAX,
        }
    }
}
