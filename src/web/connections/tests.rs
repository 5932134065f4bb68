//! A table of connections by a clock that is turned.

use super::*;
use crate::status::TABLES;

fn table(connections: usize, per_address: usize) -> Rc<ConnectionTable> {
    ConnectionTable::new(Bounds {
        connections,
        per_address,
        idle: Duration::from_secs(5),
        account: AccountKind::HttpConnection,
        usage: &TABLES.http_connections,
    })
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn address(last: u8) -> ClientAddress {
    ClientAddress::of(ip(last))
}

/// When what was idle near 0 makes room.
const LATER_US: u64 = HTTP_EVICTABLE_US + 100;

#[test]
fn a_full_table_evicts_the_longest_idle_and_refuses_when_all_are_busy() {
    let table = table(2, 2);
    let first = table.admit(address(1), 0).expect("room");
    let second = table.admit(address(2), 0).expect("room");
    first.activity.set_since_us(20);
    second.activity.set_since_us(10);
    let full = Full { what: "http connections", max: 2 };
    let waits = |wait| NotAdmitted { full, wait, is_of_address: false };
    let refused = table.admit(address(3), LATER_US).expect_err("the second is still there");
    assert_eq!(refused, waits(Some(Wait::Release)));
    assert!(second.eviction().is_some() && first.eviction().is_none());
    table.release(&second);
    let third = table.admit(address(3), LATER_US).expect("the second is gone");
    first.activity.set_busy(true);
    third.activity.set_busy(true);
    let refused = table.admit(address(1), LATER_US).expect_err("all are busy");
    assert_eq!(refused, waits(None), "no address has more than its own");
    table.release(&second);
    assert!(table.admit(address(1), LATER_US).is_err(), "a slot frees nothing twice");
    table.release(&third);
    assert!(table.admit(address(4), LATER_US).is_ok());
    first.activity.set_busy(false);
    first.activity.set_since_us(LATER_US);
    let refused = table.admit(address(5), LATER_US).expect_err("all have only just come");
    let again_us = LATER_US + HTTP_EVICTABLE_US;
    assert_eq!(refused, waits(Some(Wait::Until(again_us))));
    let refused = table.admit(address(5), again_us).expect_err("one is being evicted");
    assert_eq!(refused, waits(Some(Wait::Release)));
}

#[test]
fn requests_that_wait_keep_out_only_their_own_address() {
    let table = table(4, 3);
    let admit = |last, now_us| table.admit(address(last), now_us);
    let greedy: Vec<_> = (0..3).map(|at| admit(1, at).expect("room")).collect();
    let modest = admit(2, 0).expect("room");
    for slot in greedy.iter().chain([&modest]) {
        slot.activity.set_busy(true);
    }
    let refused = admit(3, HTTP_EVICTABLE_US - 1).expect_err("they asked just now");
    assert_eq!(refused.wait, Some(Wait::Until(HTTP_EVICTABLE_US)));
    assert_eq!(admit(1, LATER_US).expect_err("its own bound").wait, None);
    assert_eq!(admit(3, LATER_US).expect_err("full").wait, Some(Wait::Release));
    assert_eq!(greedy[0].eviction(), Some(Eviction::Waiting), "the longest of those with most");
    assert_eq!(modest.eviction(), None);
    table.release(&greedy[0]);
    assert!(admit(3, LATER_US).is_ok());
    modest.activity.set_busy(false);
    assert_eq!(admit(4, LATER_US).expect_err("full").wait, Some(Wait::Release));
    assert_eq!(modest.eviction(), Some(Eviction::Idle), "it goes before one that waits");
}

#[test]
fn the_idle_of_the_address_that_has_most_go_first() {
    let table = table(3, 3);
    let alone = table.admit(address(1), 0).expect("room");
    let first = table.admit(address(2), 1).expect("room");
    let second = table.admit(address(2), 2).expect("room");
    assert!(table.admit(address(3), LATER_US).is_err());
    let evicted = [&alone, &first, &second].map(|slot| slot.eviction().is_some());
    assert_eq!(evicted, [false, true, false]);
}

#[test]
fn who_asks_ever_again_keeps_no_other_address_out() {
    let table = table(4, 3);
    let alone = table.admit(address(3), 0).expect("room");
    let greedy: Vec<_> =
        (0..3).map(|at| table.admit(address(1), LATER_US - at).expect("room")).collect();
    assert_eq!(table.admit(address(2), LATER_US).expect_err("full").wait, Some(Wait::Release));
    let evicted = greedy.iter().map(|slot| slot.eviction().is_some());
    assert_eq!(evicted.collect::<Vec<_>>(), [false, false, true], "the oldest of who has most");
    assert_eq!(alone.eviction(), None, "though it was idle for longer");
    table.release(&greedy[2]);
    table.admit(address(2), LATER_US).expect("its place");
    // One more than another has is no reason.
    let own_next = table.admit(address(2), LATER_US).expect_err("full");
    assert_eq!(own_next.wait, Some(Wait::Release));
    assert!(alone.eviction().is_some(), "it is idle, and the others are not for long");
}

#[test]
fn one_that_has_a_request_after_all_stays_and_another_is_evicted() {
    let table = table(2, 2);
    let first = table.admit(address(1), 0).expect("room");
    let second = table.admit(address(2), 1).expect("room");
    assert!(table.admit(address(3), LATER_US).is_err());
    assert_eq!(first.eviction(), Some(Eviction::Idle));
    first.activity.set_busy(true);
    first.stay();
    assert!(table.admit(address(3), LATER_US).is_err());
    assert_eq!((first.eviction(), second.eviction()), (None, Some(Eviction::Idle)));
}

#[test]
fn one_connection_at_a_time_is_evicted_for_those_that_wait() {
    let table = table(8, 8);
    let taken: Vec<_> = (0..8).map(|last| table.admit(address(last), 0).expect("room")).collect();
    for _ in 0..3 {
        let refused = table.admit(address(9), LATER_US).expect_err("full");
        assert_eq!(refused.wait, Some(Wait::Release));
    }
    let evicted = taken.iter().filter(|slot| slot.eviction().is_some());
    assert_eq!(evicted.count(), 1);
    assert_eq!(table.taken.borrow().len(), 8, "its place is free when it is gone");
}

#[test]
fn a_proxys_address_may_have_as_many_as_there_are() {
    let bounds = table(4, 2).bounds;
    let table = ConnectionTable::with_shared(bounds, |found| found == ip(1));
    let proxy = table.address_of(ip(1), 0);
    for _ in 0..4 {
        let slot = table.admit(proxy, 0).expect("room for all of its clients");
        slot.activity.set_busy(true);
    }
    assert!(table.admit(proxy, LATER_US).is_err(), "and no more than all");
}

#[test]
fn one_client_of_a_proxy_keeps_no_other_of_its_clients_out() {
    let table = ConnectionTable::with_shared(table(4, 2).bounds, |found| found == ip(1));
    let proxy = table.address_of(ip(1), 0);
    let come = |client, at_us| {
        let slot = table.admit(proxy, at_us).expect("room for all of its clients");
        slot.activity.set_busy(true);
        slot.activity.asks_for(ip(client));
        slot
    };
    let modest = come(50, 0);
    let greedy = [come(51, 1), come(51, 2), come(51, 3)];
    assert_eq!(table.admit(proxy, LATER_US).expect_err("full").wait, Some(Wait::Release));
    assert_eq!(greedy[0].eviction(), Some(Eviction::Waiting), "the longest of who has most");
    assert_eq!(modest.eviction(), None, "though it waits for longer");
    table.release(&greedy[0]);
    let third = come(52, 4);
    // Another address's as well takes from the client that has most.
    assert_eq!(table.admit(address(9), LATER_US).expect_err("full").wait, Some(Wait::Release));
    assert_eq!(greedy[1].eviction(), Some(Eviction::Waiting));
    table.release(&greedy[1]);
    come(53, 5);
    let refused = table.admit(proxy, LATER_US).expect_err("all have one");
    assert_eq!(refused.wait, None);
    assert_eq!((modest.eviction(), third.eviction()), (None, None));
}

#[test]
fn an_address_at_its_bound_makes_room_only_for_itself() {
    let table = table(8, 2);
    let other = table.admit(address(9), 0).expect("room");
    other.activity.set_since_us(1);
    let first = table.admit(address(1), 0).expect("room");
    let second = table.admit(address(1), 0).expect("room");
    first.activity.set_busy(true);
    second.activity.set_busy(true);
    let refused = table.admit(address(1), LATER_US).expect_err("its own two are busy");
    assert_eq!(refused.wait, None);
    second.activity.set_busy(false);
    second.activity.set_since_us(2);
    let refused = table.admit(address(1), LATER_US).expect_err("the second is evicted");
    assert_eq!(refused.wait, Some(Wait::Release));
    assert!(second.eviction().is_some() && other.eviction().is_none());
    table.release(&second);
    assert!(table.admit(address(1), LATER_US).is_ok());
}

#[test]
fn a_host_far_off_is_one_client_whatever_address_of_its_64_it_has() {
    let table = table(64, 32);
    let of = |last: u16, now_us| {
        let ip = IpAddr::from([0x2001, 0xdb8, 0, 6, 0, 0, 0, last]);
        table.admit(table.address_of(ip, now_us), now_us)
    };
    for last in 1..33 {
        of(last, 0).expect("room").activity.set_busy(true);
    }
    let refused = of(33, LATER_US).expect_err("one more than one may have");
    assert!(refused.is_of_address, "{refused:?}");
    assert!(table.admit(address(1), LATER_US).is_ok(), "another has room");
}
