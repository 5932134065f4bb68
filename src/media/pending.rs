//! Streams with packets that some viewer could not be sent yet.

use crate::egress::subscription::Served;
use crate::limits::CAMERAS_MAX;

/// The streams that some viewer is behind on.
pub(super) struct Pending {
    /// How far whoever is furthest behind on a stream has come.
    streams: [Served; CAMERAS_MAX],
    /// How many streams have such a viewer.
    count: usize,
    /// Where the next round begins: the one after the last that was served.
    pub(super) start: usize,
}

impl Pending {
    pub(super) const fn new() -> Self {
        Self { streams: [Served::UpToDate; CAMERAS_MAX], count: 0, start: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the stream's camera is not to be read now: what a viewer who was up to date has yet to
    /// get must not be overwritten. One that is on its way from a key frame has to look after itself.
    pub(super) fn is_held(&self, stream: usize) -> bool {
        self.streams[stream] >= Served::Behind
    }

    /// Whether some viewer is behind on a stream.
    pub(super) fn has(&self, stream: usize) -> bool {
        self.streams[stream] > Served::UpToDate
    }

    /// Some viewer is behind on a stream at least so far.
    pub(super) fn raise(&mut self, stream: usize, served: Served) {
        self.set(stream, served.max(self.streams[stream]));
    }

    /// The viewer furthest behind on a stream is so far.
    pub(super) fn set(&mut self, stream: usize, served: Served) {
        self.count -= usize::from(self.has(stream));
        self.streams[stream] = served;
        self.count += usize::from(self.has(stream));
    }
}
