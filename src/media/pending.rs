//! Streams with packets that could not be sent to every viewer yet.

use crate::egress::context::Served;
use crate::limits::CAMERAS_MAX;

use super::slot_set::SlotSet;

/// The streams on which some viewer is behind.
pub(super) struct PendingStreams {
    /// Per stream, the state of the viewer that is furthest behind.
    streams: [Served; CAMERAS_MAX],
    /// The streams on which some viewer is behind.
    behind: SlotSet,
    /// The stream with which the next round begins.
    pub(super) start: usize,
}

impl PendingStreams {
    pub(super) const fn new() -> Self {
        Self { streams: [Served::UpToDate; CAMERAS_MAX], behind: SlotSet::EMPTY, start: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.behind.is_empty()
    }

    /// Whether the stream's camera must not be read now, because packets that a viewer which was up
    /// to date still lacks must not be overwritten. A viewer that is catching up from a key frame
    /// is not protected.
    pub(super) fn is_held(&self, stream: usize) -> bool {
        self.streams[stream] >= Served::Behind
    }

    /// The streams on which some viewer is behind.
    pub(super) fn behind(&self) -> SlotSet {
        self.behind
    }

    /// Records that some viewer is at least this far behind.
    pub(super) fn raise(&mut self, stream: usize, served: Served) {
        self.set(stream, served.max(self.streams[stream]));
    }

    /// Sets the state of the viewer that is furthest behind.
    pub(super) fn set(&mut self, stream: usize, served: Served) {
        self.streams[stream] = served;
        self.behind.set(stream, served > Served::UpToDate);
    }
}
