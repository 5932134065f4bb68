//! Why a session ended: a number for the statistics, and a text for people.

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ended {
    /// The player sent DELETE.
    Deleted = 1,
    /// No sign of life for [`crate::limits::SESSION_SILENCE_US`].
    Silent = 2,
    /// No sign of life for [`crate::limits::SESSION_HINTED_SILENCE_US`] after a DTLS alert.
    Left = 3,
    /// No SRTCP ever came: the browser never got our last DTLS flight.
    NeverStarted = 4,
    /// Silent, and evicted for a newer session in a full table.
    Evicted = 5,
    /// The process is stopping.
    Stopping = 6,
    /// The handshake, or the wait for it, took too long ([`crate::limits::HANDSHAKE_US_MAX`]).
    HandshakeTimeout = 7,
    /// The handshake, or the offer without a check, was evicted for another client.
    HandshakeEvicted = 8,
    /// The offer or the handshake failed otherwise.
    HandshakeFailed = 9,
    /// The browser offers SRTP without AES-GCM.
    NoGcm = 10,
    /// The browser offers no SRTP.
    NoSrtp = 11,
    /// The camera was removed from the configuration.
    CameraRemoved = 12,
    /// No sign of life for [`crate::limits::SESSION_HINTED_SILENCE_US`] after an ICMP error.
    Unreachable = 13,
    /// Silent, and evicted in a full table for a new session of its own address.
    Replaced = 14,
    /// The session's user or token was removed or changed.
    AccountGone = 15,
    /// The session's login was ended.
    LoggedOut = 16,
    /// Evicted in a full table for a viewer with fewer sessions.
    Surplus = 17,
    /// An operator ended the session.
    Operator = 18,
    /// The camera came back with another codec than the session's answer names.
    CodecChanged = 19,
}

impl Ended {
    /// The reason that has this number in the statistics.
    pub fn from_number(number: u8) -> Option<Self> {
        const ALL: [Ended; 19] = [
            Ended::Deleted,
            Ended::Silent,
            Ended::Left,
            Ended::NeverStarted,
            Ended::Evicted,
            Ended::Stopping,
            Ended::HandshakeTimeout,
            Ended::HandshakeEvicted,
            Ended::HandshakeFailed,
            Ended::NoGcm,
            Ended::NoSrtp,
            Ended::CameraRemoved,
            Ended::Unreachable,
            Ended::Replaced,
            Ended::AccountGone,
            Ended::LoggedOut,
            Ended::Surplus,
            Ended::Operator,
            Ended::CodecChanged,
        ];
        ALL.into_iter().find(|ended| *ended as u8 == number)
    }

    /// The text that `/api/sessions` shows.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Deleted => "ended by the player",
            Self::Silent => "silent: no check and no report for 8 s",
            Self::Left => "the player left",
            Self::NeverStarted => "no report within 15 s of the handshake",
            Self::Evicted => "silent, and evicted for another player",
            Self::Stopping => "weir stopped",
            Self::HandshakeTimeout => "the handshake timed out",
            Self::HandshakeEvicted => {
                "the handshake made no progress, and was evicted for another player"
            }
            Self::HandshakeFailed => "handshake failed",
            Self::NoGcm => "no AES-GCM: the player offers only other SRTP ciphers",
            Self::Replaced => "silent, and replaced by a session of the same address",
            Self::AccountGone => "the user or token was removed or changed",
            Self::LoggedOut => "logged out",
            Self::Surplus => "the table is full: evicted for a viewer with fewer sessions",
            Self::Operator => "ended by an operator",
            Self::CodecChanged => "the camera sends another codec now",
            Self::NoSrtp => "no SRTP: the player offers no use_srtp",
            Self::CameraRemoved => "the camera was taken out of the configuration",
            Self::Unreachable => "the player is unreachable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_reason() {
        for number in 1..=19 {
            assert_eq!(Ended::from_number(number).map(|ended| ended as u8), Some(number));
        }
        assert_eq!(Ended::from_number(0), None);
        assert_eq!(Ended::from_number(20), None);
    }
}
