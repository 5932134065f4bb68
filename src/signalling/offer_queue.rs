//! Offers that wait for a handshake slot. The queue is bounded and fair by address, so that one
//! address with many offers does not hold up the others. An offer's address is that of its client
//! ([`crate::access::client`]).

use std::net::IpAddr;

use tokio::sync::oneshot;

use crate::limits::PROFILE;
use crate::mem::Full;

/// The queue. `G` is the type of a grant.
pub(super) struct OfferQueue<G> {
    queue: Vec<Waiter<G>>,
}

struct Waiter<G> {
    address: IpAddr,
    granted: oneshot::Sender<G>,
}

impl<G> OfferQueue<G> {
    pub(super) fn new() -> Self {
        Self { queue: Vec::new() }
    }

    /// Whether the queue is empty.
    pub(super) fn is_empty(&mut self) -> bool {
        self.forget_gone();
        self.queue.is_empty()
    }

    /// The number of offers that wait.
    pub(super) fn len(&mut self) -> usize {
        self.forget_gone();
        self.queue.len()
    }

    /// Queues an offer of an address. The receiver resolves when the offer is granted a slot. The
    /// error means that the queue is full.
    pub(super) fn admit(&mut self, address: IpAddr) -> Result<oneshot::Receiver<G>, Full> {
        self.forget_gone();
        if self.queue.len() >= PROFILE.offers_waiting {
            return Err(Full { what: "waiting offers", max: PROFILE.offers_waiting });
        }
        let (granted, grant) = oneshot::channel();
        self.queue.push(Waiter { address, granted });
        Ok(grant)
    }

    /// Removes the offer whose address has the fewest handshakes now, and among those the one that
    /// has waited longest.
    pub(super) fn next(
        &mut self,
        handshakes_of: impl Fn(IpAddr) -> usize,
    ) -> Option<oneshot::Sender<G>> {
        self.forget_gone();
        let next =
            (0..self.queue.len()).min_by_key(|index| handshakes_of(self.queue[*index].address))?;
        Some(self.queue.remove(next).granted)
    }

    /// The fewest handshakes that the address of any waiting offer has now.
    pub(super) fn least(&mut self, handshakes_of: impl Fn(IpAddr) -> usize) -> Option<usize> {
        self.forget_gone();
        self.queue.iter().map(|waiter| handshakes_of(waiter.address)).min()
    }

    /// Removes the waiters that gave up or timed out.
    fn forget_gone(&mut self) {
        self.queue.retain(|waiter| !waiter.granted.is_closed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_without_handshakes_goes_before_one_with_many() {
        let mut waiting = OfferQueue::new();
        let mut greedy: Vec<_> = (0..2).map(|_| waiting.admit(address(1)).unwrap()).collect();
        let mut modest = waiting.admit(address(2)).unwrap();
        let of = |ip| if ip == address(1) { 3 } else { 0 };
        waiting.next(of).expect("three wait").send(()).unwrap();
        assert!(modest.try_recv().is_ok());
        waiting.next(of).expect("two wait").send(()).unwrap();
        assert!(greedy[0].try_recv().is_ok(), "then in the order of arrival");
        assert!(greedy[1].try_recv().is_err());
    }

    #[test]
    fn the_queue_is_bounded_and_forgets_those_who_left() {
        let mut waiting = OfferQueue::<()>::new();
        let mut grants: Vec<_> =
            (0..PROFILE.offers_waiting).map(|_| waiting.admit(address(1)).unwrap()).collect();
        assert!(waiting.admit(address(2)).is_err());
        grants.pop();
        let last = waiting.admit(address(2)).expect("one left");
        drop(grants);
        assert!(waiting.next(|_| 0).is_some());
        drop(last);
        assert!(waiting.is_empty());
    }
}
