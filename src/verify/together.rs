//! When sessions connect and when they end: each by itself after some seconds of media, or a group
//! of them together. A group connects some at a time, so that weir has handshake slots for them and
//! this process has room for their DTLS, and then plays until it is told to end.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::demo::SentPictures;
use crate::limits::VERIFY_SESSIONS_AT_ONCE_MAX;

/// Sessions that play at the same time.
pub(crate) struct SessionGroup {
    /// For POST until media comes, and for DELETE.
    permits: Semaphore,
    playing: Cell<usize>,
    end_us: Cell<u64>,
}

impl SessionGroup {
    pub(crate) fn new() -> Self {
        let permits = Semaphore::new(VERIFY_SESSIONS_AT_ONCE_MAX);
        Self { permits, playing: Cell::new(0), end_us: Cell::new(u64::MAX) }
    }

    /// How many have media.
    pub(crate) fn playing(&self) -> usize {
        self.playing.get()
    }

    /// Ends all of them at this time; those that come later too.
    pub(crate) fn end_at(&self, at_us: u64) {
        self.end_us.set(at_us);
    }
}

/// When one session is over, and what is known of what it will get. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SessionPlan {
    /// Microseconds of media, where it plays by itself.
    media_us: u64,
    group: Option<Rc<SessionGroup>>,
    /// What the camera notes, if it is in this process.
    pub(super) sent: Option<Rc<SentPictures>>,
}

/// One session that plays, counted in its group.
pub(super) struct Playing<'g>(Option<&'g SessionGroup>);

impl SessionPlan {
    /// A session by itself, with so many seconds of media.
    pub(crate) fn of_seconds(seconds: u64) -> Self {
        Self { media_us: seconds * 1_000_000, group: None, sent: None }
    }

    /// A session of a group, with a camera of this process.
    pub(crate) fn of_group(group: Rc<SessionGroup>, sent: Rc<SentPictures>) -> Self {
        Self { media_us: u64::MAX, group: Some(group), sent: Some(sent) }
    }

    /// Waits until it may ask weir for something; at once for a session by itself.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        let group = self.group.as_ref()?;
        group.permits.acquire().await.ok()
    }

    /// Counts the session as one that plays, until this is dropped.
    pub(super) fn playing(&self) -> Playing<'_> {
        let group = self.group.as_deref();
        if let Some(group) = group {
            group.playing.set(group.playing.get() + 1);
        }
        Playing(group)
    }

    /// Whether the session is over, whose media began then.
    pub(super) fn is_over(&self, begun_us: Option<u64>, now_us: u64) -> bool {
        let is_ended = self.group.as_ref().is_some_and(|group| now_us >= group.end_us.get());
        let is_seen = |begun_us: u64| now_us.saturating_sub(begun_us) >= self.media_us;
        is_ended || begun_us.is_some_and(is_seen)
    }
}

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            group.playing.set(group.playing.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_by_itself_ends_after_its_media_and_one_of_a_group_when_told() {
        let alone = SessionPlan::of_seconds(2);
        assert!(!alone.is_over(None, 9_000_000) && !alone.is_over(Some(1), 2_000_000));
        assert!(alone.is_over(Some(1), 2_000_001));
        let group = Rc::new(SessionGroup::new());
        let member = SessionPlan::of_group(Rc::clone(&group), Rc::new(SentPictures::new(1)));
        let counted = member.playing();
        assert_eq!(group.playing(), 1);
        assert!(!member.is_over(Some(1), 9_000_000));
        group.end_at(9_000_000);
        assert!(member.is_over(Some(1), 9_000_000) && member.is_over(None, 9_000_000));
        drop(counted);
        assert_eq!(group.playing(), 0);
    }
}
