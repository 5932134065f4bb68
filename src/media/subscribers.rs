//! Which sessions subscribe to which stream: one table of subscriptions with a linked list per
//! stream.

use crate::egress::sound::SoundSubscription;
use crate::egress::subscription::Subscription;
use crate::limits::{CAMERAS_MAX, SUBSCRIPTIONS_MAX};
use crate::mem::Full;
use crate::mem::table::{Handle, Table};

/// One subscription, with its session and stream.
pub(super) struct Subscriber {
    /// The slot of its session.
    pub(super) session: u16,
    /// The slot of its camera.
    pub(super) stream: u16,
    /// The stream's next subscription, plus one; 0 for none.
    next: u16,
    pub(super) media: SubscribedMedia,
}

/// What a subscription sends.
// The table has a place of the larger size for each, since any may be a picture.
#[allow(clippy::large_enum_variant)]
pub(super) enum SubscribedMedia {
    /// The stream's picture; a session has one.
    Picture(Subscription),
    /// Its sound, besides the picture.
    Sound(SoundSubscription),
}

impl Subscriber {
    /// The subscription, if it is one of a picture.
    pub(super) fn picture(&mut self) -> Option<&mut Subscription> {
        match &mut self.media {
            SubscribedMedia::Picture(subscription) => Some(subscription),
            SubscribedMedia::Sound(_) => None,
        }
    }
}

/// The table of all subscriptions.
pub struct Subscribers {
    table: Table<Subscriber, SUBSCRIPTIONS_MAX>,
    /// The first subscription per stream, plus one; 0 for none.
    first: [u16; CAMERAS_MAX],
}

impl Subscribers {
    pub(super) const fn new() -> Self {
        Self { table: Table::new(), first: [0; CAMERAS_MAX] }
    }

    /// Subscribes a session to a stream.
    pub(super) fn admit(
        &mut self,
        session: u16,
        stream: u16,
        media: SubscribedMedia,
    ) -> Result<Handle, Full> {
        let next = self.first[usize::from(stream)];
        let handle =
            self.table.admit("subscriptions", Subscriber { session, stream, next, media })?;
        self.first[usize::from(stream)] = handle.index + 1;
        Ok(handle)
    }

    /// Ends a subscription; returns its stream, or `None` if it had ended already.
    pub(super) fn release(&mut self, handle: Handle) -> Option<u16> {
        let gone = self.table.release(handle)?;
        let stream = usize::from(gone.stream);
        if self.first[stream] == handle.index + 1 {
            self.first[stream] = gone.next;
            return Some(gone.stream);
        }
        let mut at = self.first(gone.stream);
        while let Some(index) = at {
            let before = self.table.at_mut(index)?;
            if before.next == handle.index + 1 {
                before.next = gone.next;
                break;
            }
            at = before.next.checked_sub(1);
        }
        Some(gone.stream)
    }

    /// The index of a stream's first subscription.
    pub(super) fn first(&self, stream: u16) -> Option<u16> {
        self.first[usize::from(stream)].checked_sub(1)
    }

    /// The subscription at a table index, and the index of the stream's next one.
    pub(super) fn at(&mut self, index: u16) -> Option<(&mut Subscriber, Option<u16>)> {
        let subscriber = self.table.at_mut(index)?;
        let next = subscriber.next.checked_sub(1);
        Some((subscriber, next))
    }

    /// The subscription with this handle; `None` when it has ended.
    pub(super) fn find(&mut self, handle: Handle) -> Option<&mut Subscriber> {
        self.table.find_mut(handle)
    }

    /// The number of subscriptions to all streams.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The number of subscriptions to one stream's picture.
    pub(super) fn count(&mut self, stream: u16) -> u32 {
        let mut count = 0;
        let mut at = self.first(stream);
        while let Some((subscriber, next)) = at.and_then(|index| self.at(index)) {
            count += u32::from(subscriber.picture().is_some());
            at = next;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::sound::SoundParams;
    use crate::egress::subscription::RtpParams;
    use crate::sound::SoundCodec;

    fn picture(ssrc: u32) -> SubscribedMedia {
        let rtp_params = RtpParams {
            ssrc,
            payload_type: 96,
            playout_delay: None,
            timestamp_offset: 0,
            is_resending: true,
        };
        SubscribedMedia::Picture(Subscription::new(rtp_params, 1))
    }

    fn sound(ssrc: u32) -> SubscribedMedia {
        let codec = SoundCodec::Pcma;
        let params = SoundParams { ssrc, payload_type: 8, codec, timestamp_offset: 0 };
        SubscribedMedia::Sound(SoundSubscription::new(params, 1))
    }

    fn ssrcs(subscribers: &mut Subscribers, stream: u16) -> Vec<u32> {
        let mut ssrcs = Vec::new();
        let mut at = subscribers.first(stream);
        while let Some((subscriber, next)) = at.and_then(|index| subscribers.at(index)) {
            ssrcs.push(match &subscriber.media {
                SubscribedMedia::Picture(subscription) => subscription.ssrc(),
                SubscribedMedia::Sound(subscription) => subscription.ssrc(),
            });
            at = next;
        }
        ssrcs.sort_unstable();
        ssrcs
    }

    #[test]
    fn a_streams_chain_keeps_whole_whoever_leaves() {
        for leaver in 0..3 {
            let mut subscribers = Subscribers::new();
            let handles: Vec<Handle> = (0..3u16)
                .map(|session| subscribers.admit(session, 1, picture(session.into())).unwrap())
                .collect();
            subscribers.admit(3, 0, picture(9)).unwrap();
            assert_eq!(subscribers.release(handles[leaver]), Some(1));
            assert_eq!(subscribers.release(handles[leaver]), None, "once");
            let left: Vec<u32> = (0..3).filter(|ssrc| *ssrc as usize != leaver).collect();
            assert_eq!(ssrcs(&mut subscribers, 1), left);
            assert_eq!(ssrcs(&mut subscribers, 0), [9]);
            assert_eq!(subscribers.count(1), 2);
        }
    }

    #[test]
    fn sound_takes_a_place_and_is_no_viewer() {
        let mut subscribers = Subscribers::new();
        subscribers.admit(0, 1, picture(1)).unwrap();
        let heard = subscribers.admit(0, 1, sound(2)).unwrap();
        assert_eq!((subscribers.count(1), subscribers.len()), (1, 2));
        assert_eq!(ssrcs(&mut subscribers, 1), [1, 2]);
        assert!(subscribers.find(heard).unwrap().picture().is_none());
        assert_eq!(subscribers.release(heard), Some(1));
        assert_eq!((subscribers.count(1), subscribers.len()), (1, 1));
    }
}
