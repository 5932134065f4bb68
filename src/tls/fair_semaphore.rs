//! A semaphore for work that costs memory: a TLS handshake, which also costs a signature, and a
//! large record. The profile bounds how many of each run at once. Waiters are served by address
//! ([`crate::access::client`]): the address with the fewest permits comes first. A permit that is
//! held long is overdue when others wait.
//!
//! Every waiter already holds a connection slot, so the number of waiters is bounded.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use crate::limits::TLS_PERMIT_MS;

#[derive(Debug)]
pub(crate) struct FairSemaphore {
    max: usize,
    /// The number of permits in use, shown in the statistics.
    gauge: &'static AtomicU64,
    /// The addresses that hold permits, one entry per permit.
    taken: RefCell<Vec<IpAddr>>,
    waiting: RefCell<Vec<Waiter>>,
    /// Notified when a waiter comes.
    wanted: Notify,
}

#[derive(Debug)]
struct Waiter {
    address: IpAddr,
    granted: oneshot::Sender<FairPermit>,
}

/// A permit. Dropping it passes it to the next waiter.
#[derive(Debug)]
pub(crate) struct FairPermit {
    semaphore: Rc<FairSemaphore>,
    address: IpAddr,
}

impl FairSemaphore {
    pub(crate) fn new(max: usize, gauge: &'static AtomicU64) -> Rc<Self> {
        Rc::new(Self {
            max,
            gauge,
            taken: RefCell::default(),
            waiting: RefCell::default(),
            wanted: Notify::new(),
        })
    }

    /// Waits for a permit.
    pub(crate) async fn take(self: &Rc<Self>, address: IpAddr) -> FairPermit {
        let (granted, grant) = oneshot::channel();
        self.waiting.borrow_mut().push(Waiter { address, granted });
        self.grant();
        self.wanted.notify_waiters();
        grant.await.expect("a waiter is forgotten only when it has gone")
    }

    /// Gives free permits to waiters.
    fn grant(self: &Rc<Self>) {
        while let Some(waiter) = self.next() {
            let address = waiter.address;
            self.taken.borrow_mut().push(address);
            self.gauge.fetch_add(1, Relaxed);
            // A waiter that has gone gives its permit back at once.
            drop(waiter.granted.send(FairPermit { semaphore: Rc::clone(self), address }));
        }
    }

    /// Removes the next waiter from the queue, if there is a permit for it.
    fn next(&self) -> Option<Waiter> {
        let taken = self.taken.borrow();
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|waiter| !waiter.granted.is_closed());
        if taken.len() >= self.max {
            return None;
        }
        let permits_of = |index: &usize| {
            let address = waiting[*index].address;
            taken.iter().filter(|taken| **taken == address).count()
        };
        let next = (0..waiting.len()).min_by_key(permits_of)?;
        Some(waiting.remove(next))
    }

    fn is_wanted(&self) -> bool {
        self.waiting.borrow().iter().any(|waiter| !waiter.granted.is_closed())
    }
}

impl FairPermit {
    /// Returns when the permit has been held for [`TLS_PERMIT_MS`] and others wait for one.
    pub(crate) fn overdue(&self) -> impl Future<Output = ()> + use<> {
        let semaphore = Rc::clone(&self.semaphore);
        async move {
            sleep(Duration::from_millis(TLS_PERMIT_MS)).await;
            while !semaphore.is_wanted() {
                semaphore.wanted.notified().await;
            }
        }
    }
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        let mut taken = self.semaphore.taken.borrow_mut();
        let at = taken.iter().position(|address| *address == self.address);
        taken.swap_remove(at.expect("a permit is in the list until it is dropped"));
        drop(taken);
        self.semaphore.gauge.fetch_sub(1, Relaxed);
        self.semaphore.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use super::*;

    fn semaphore_of(max: usize) -> Rc<FairSemaphore> {
        static GAUGE: AtomicU64 = AtomicU64::new(0);
        FairSemaphore::new(max, &GAUGE)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Polls a future once.
    async fn now<F: Future>(future: &mut Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|context| {
            Poll::Ready(match future.as_mut().poll(context) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            })
        })
        .await
    }

    fn run(test: impl Future<Output = ()>) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime").block_on(test);
    }

    #[test]
    fn an_address_without_a_turn_goes_before_one_that_has_some() {
        run(async {
            let semaphore = semaphore_of(2);
            let first = semaphore.take(address(1)).await;
            let _second = semaphore.take(address(1)).await;
            let mut greedy = pin!(semaphore.take(address(1)));
            let mut modest = pin!(semaphore.take(address(2)));
            assert!(now(&mut greedy).await.is_none());
            assert!(now(&mut modest).await.is_none());
            drop(first);
            assert!(now(&mut greedy).await.is_none());
            let modest = now(&mut modest).await.expect("served first");
            drop(modest);
            assert!(now(&mut greedy).await.is_some());
        });
    }

    #[test]
    fn who_has_gone_is_passed_over() {
        run(async {
            let semaphore = semaphore_of(1);
            let first = semaphore.take(address(1)).await;
            let mut last = pin!(semaphore.take(address(3)));
            {
                let mut gone = pin!(semaphore.take(address(2)));
                assert!(now(&mut gone).await.is_none());
                assert!(now(&mut last).await.is_none());
                drop(first);
                // The permit was granted, and its taker leaves without polling.
            }
            assert!(now(&mut last).await.is_some());
            assert!(semaphore.taken.borrow().is_empty() && semaphore.waiting.borrow().is_empty());
        });
    }

    #[test]
    fn a_long_turn_ends_only_when_another_is_wanted() {
        run(async {
            let semaphore = semaphore_of(1);
            let first = semaphore.take(address(1)).await;
            let mut overdue = pin!(first.overdue());
            let long = Duration::from_millis(TLS_PERMIT_MS + 50);
            assert!(tokio::time::timeout(long, overdue.as_mut()).await.is_err());
            let mut next = pin!(semaphore.take(address(2)));
            assert!(now(&mut next).await.is_none());
            overdue.await;
        });
    }
}
