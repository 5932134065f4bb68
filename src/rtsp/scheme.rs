//! How a camera is reached: the scheme of its URL.

/// The scheme of a camera's URL. Those of a tunnel are MediaMTX's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlScheme {
    /// `rtsp://`: RTSP in the open.
    Rtsp,
    /// `rtsps://`: RTSP within TLS.
    Rtsps,
    /// `rtsp+http://`: RTSP within two HTTP requests, as QuickTime first had it.
    RtspHttp,
    /// `rtsps+http://`: the same within TLS.
    RtspsHttp,
}

impl UrlScheme {
    const ALL: [Self; 4] = [Self::Rtsp, Self::Rtsps, Self::RtspHttp, Self::RtspsHttp];

    /// The scheme with its `://`, as it stands in a configuration.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp://",
            Self::Rtsps => "rtsps://",
            Self::RtspHttp => "rtsp+http://",
            Self::RtspsHttp => "rtsps+http://",
        }
    }

    /// The scheme with its `://` in RTSP requests. A tunnel is none of RTSP's own.
    pub(super) const fn request_prefix(self) -> &'static str {
        match self {
            Self::Rtsps => Self::Rtsps.prefix(),
            Self::Rtsp | Self::RtspHttp | Self::RtspsHttp => Self::Rtsp.prefix(),
        }
    }

    /// The port of a URL that has none.
    pub(super) const fn port_default(self) -> u16 {
        match self {
            Self::Rtsp => 554,
            Self::Rtsps => 322, // RFC 7826 section 22.16
            Self::RtspHttp => 80,
            Self::RtspsHttp => 443,
        }
    }

    /// Whether the connection is encrypted.
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Rtsps | Self::RtspsHttp)
    }

    /// Whether RTSP is spoken within HTTP.
    pub const fn is_tunnelled(self) -> bool {
        matches!(self, Self::RtspHttp | Self::RtspsHttp)
    }

    /// Whether the media thread cannot read the camera's connection itself, so that the control
    /// thread reads it and hands on what it brings.
    pub const fn is_bridged(self) -> bool {
        self.is_encrypted() || self.is_tunnelled()
    }

    /// The scheme that `text` begins with, in any case, and the text after it.
    pub fn strip(text: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|scheme| {
            let (start, rest) = text.split_at_checked(scheme.prefix().len())?;
            start.eq_ignore_ascii_case(scheme.prefix()).then_some((scheme, rest))
        })
    }
}
