//! Why a session ended, as a number for the statistics and in words for people.

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ended {
    /// The player asked for it (DELETE).
    Deleted = 1,
    /// No sign of life for [`crate::limits::SESSION_SILENCE_US`].
    Silent = 2,
    /// A DTLS alert, then no sign of life.
    Left = 3,
    /// No SRTCP ever came: the browser never got the end of our handshake.
    NeverStarted = 4,
    /// Made room for a newer session in a full table.
    Evicted = 5,
    /// weir is stopping.
    Stopping = 6,
    /// The handshake took too long.
    HandshakeTimeout = 7,
    /// The handshake was given up for others that waited.
    HandshakeEvicted = 8,
    /// The handshake failed otherwise.
    HandshakeFailed = 9,
    /// The peer offers no AES-GCM.
    NoGcm = 10,
    /// The peer offers no SRTP at all.
    NoSrtp = 11,
    /// The camera was taken out of the configuration.
    CameraRemoved = 12,
    /// An ICMP error said that nobody is there, then no sign of life.
    Unreachable = 13,
    /// Made room in a full table for its own address, which came back.
    Replaced = 14,
    /// Its user or token was removed or changed.
    AccountGone = 15,
    /// Its login was ended.
    LoggedOut = 16,
    /// Made room in a full table for a viewer with fewer sessions.
    Surplus = 17,
    /// An operator asked for it.
    Operator = 18,
}

impl Ended {
    /// The reason by its number in the statistics.
    pub fn from_number(number: u8) -> Option<Self> {
        const ALL: [Ended; 18] = [
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
        ];
        ALL.into_iter().find(|ended| *ended as u8 == number)
    }

    /// In words, as `/api/sessions` shows it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Deleted => "ended by the player",
            Self::Silent => "silent: no check and no report for 8 s",
            Self::Left => "the player left",
            Self::NeverStarted => "no report within 15 s of the handshake",
            Self::Evicted => "silent, and another player needed the room",
            Self::Stopping => "weir stopped",
            Self::HandshakeTimeout => "handshake not done within 10 s",
            Self::HandshakeEvicted => {
                "the handshake came to no end, and another player needed the room"
            }
            Self::HandshakeFailed => "handshake failed",
            Self::NoGcm => "no AES-GCM: the player offers only other SRTP ciphers",
            Self::Replaced => "silent, and its own address needed the room",
            Self::AccountGone => "the user or token was removed or changed",
            Self::LoggedOut => "logged out",
            Self::Surplus => {
                "the table is full, this viewer has most sessions, and another needed the room"
            }
            Self::Operator => "ended by an operator",
            Self::NoSrtp => "no SRTP: the player offers no use_srtp",
            Self::CameraRemoved => "the camera was taken out of the configuration",
            Self::Unreachable => "the player cannot be reached any more",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_reason() {
        for number in 1..=18 {
            assert_eq!(Ended::from_number(number).map(|ended| ended as u8), Some(number));
        }
        assert_eq!(Ended::from_number(0), None);
        assert_eq!(Ended::from_number(19), None);
    }
}
