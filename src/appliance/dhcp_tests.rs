//! The DHCP client against a server of a few lines and a clock that is turned by hand.

use super::*;

const S: u64 = 1_000_000;
const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 7];
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn client() -> DhcpClient {
    DhcpClient::seeded(HARDWARE, Some("gate".to_owned()), 0, 42)
}

/// A server's answer to a question, with further options.
fn answer(question: &[u8], kind: u8, options: &[u8]) -> Vec<u8> {
    let mut bytes = question[..236].to_vec();
    bytes[0] = 2;
    bytes[12..16].fill(0);
    bytes[16..20].copy_from_slice(&OWN.octets());
    bytes.extend([99, 130, 83, 99, 53, 1, kind, 54, 4]);
    bytes.extend(SERVER.octets());
    bytes.extend(options);
    bytes.push(255);
    bytes
}

/// A lease of 3600 s in a network of 24 bits.
const LEASE: [u8; 12] = [51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0];
const OFFER: u8 = 2;
const ACKNOWLEDGED: u8 = 5;
const REFUSED: u8 = 6;

/// The question that is due now, with its kind.
fn sent(client: &mut DhcpClient, now_us: u64) -> (Ipv4Addr, u8, Vec<u8>) {
    let step = client.step(now_us);
    let Some(DhcpStep::Send { to, bytes }) = step else { panic!("{step:?} at {now_us}") };
    assert_eq!(bytes[240..242], [53, 1]);
    (to, bytes[242], bytes)
}

/// The whole exchange at `now_us`.
fn bound(client: &mut DhcpClient, now_us: u64) {
    let (to, kind, discover) = sent(client, now_us);
    assert_eq!((to, kind), (Ipv4Addr::BROADCAST, 1));
    assert_eq!(client.receive(&answer(&discover, OFFER, &LEASE), now_us), DhcpReceived::Nothing);
    let (to, kind, request) = sent(client, now_us);
    assert_eq!((to, kind), (Ipv4Addr::BROADCAST, 3));
    assert_eq!(
        client.receive(&answer(&request, ACKNOWLEDGED, &LEASE), now_us),
        DhcpReceived::Bound
    );
    assert_eq!(client.step(now_us), None);
}

#[test]
fn four_messages_make_a_lease() {
    let mut client = client();
    assert_eq!(client.lease(), None);
    let (_, _, discover) = sent(&mut client, 0);
    let more = [&LEASE[..], &[3, 4, 192, 0, 2, 254, 6, 4, 192, 0, 2, 53, 15, 3], b"lan"].concat();
    client.receive(&answer(&discover, OFFER, &more), S);
    let (_, _, request) = sent(&mut client, S);
    assert_eq!(client.lease(), None, "an offer is no lease");
    assert_eq!(client.receive(&answer(&request, ACKNOWLEDGED, &more), S), DhcpReceived::Bound);
    let lease = client.lease().expect("one");
    assert_eq!(lease.address, InterfaceAddress::of(OWN, 24).expect("a host's"));
    assert_eq!(lease.gateway, Some(Ipv4Addr::new(192, 0, 2, 254)));
    assert_eq!(lease.dns, [Ipv4Addr::new(192, 0, 2, 53)]);
    assert_eq!((lease.domain.as_deref(), lease.server), (Some("lan"), SERVER));
    assert_eq!(client.deadline_us(), 1800 * S, "half of the lease, from the question on");
}

#[test]
fn a_silent_server_is_asked_for_ever_with_growing_pauses() {
    let mut client = client();
    let (mut now_us, mut pauses) = (0, Vec::new());
    for _ in 0..20 {
        let (to, kind, _) = sent(&mut client, now_us);
        assert_eq!((to, kind), (Ipv4Addr::BROADCAST, 1));
        assert_eq!(client.step(now_us), None);
        pauses.push(client.deadline_us() - now_us);
        now_us = client.deadline_us();
    }
    let mut expected_us = DHCP_RETRY_US_MIN;
    for pause_us in pauses {
        assert!(pause_us.abs_diff(expected_us) <= S, "{pause_us} of {expected_us}");
        expected_us = (2 * expected_us).min(DHCP_RETRY_US_MAX);
    }
}

#[test]
fn an_offer_whose_server_falls_silent_is_given_up() {
    let mut client = client();
    let (_, _, discover) = sent(&mut client, 0);
    client.receive(&answer(&discover, OFFER, &LEASE), 0);
    let mut now_us = 0;
    for _ in 0..DHCP_REQUEST_TRIES {
        assert_eq!(sent(&mut client, now_us).1, 3);
        now_us = client.deadline_us();
    }
    assert_eq!(sent(&mut client, now_us).1, 1, "it asks everybody again");
}

#[test]
fn a_refusal_begins_again_after_a_pause() {
    let mut client = client();
    let (_, _, discover) = sent(&mut client, 0);
    client.receive(&answer(&discover, OFFER, &LEASE), 0);
    let (_, _, request) = sent(&mut client, 0);
    assert_eq!(client.receive(&answer(&request, REFUSED, &[]), 0), DhcpReceived::Nothing);
    assert_eq!(client.step(0), None);
    assert_eq!(client.deadline_us(), DHCP_REFUSED_US);
    bound(&mut client, DHCP_REFUSED_US);
}

#[test]
fn a_lease_is_renewed_by_its_server_then_by_any_then_lost() {
    let mut client = client();
    bound(&mut client, 0);
    let (to, kind, renewal) = sent(&mut client, 1800 * S);
    assert_eq!((to, kind), (SERVER, 3));
    assert_eq!(renewal[12..16], OWN.octets());
    assert_eq!(
        client.receive(&answer(&renewal, ACKNOWLEDGED, &LEASE), 1800 * S),
        DhcpReceived::Renewed
    );
    // From now on nobody answers.
    let mut now_us = client.deadline_us();
    assert_eq!(now_us, 3600 * S);
    let (mut unicast, mut broadcast) = (0, 0);
    let lost_us = loop {
        match client.step(now_us) {
            Some(DhcpStep::Send { to: SERVER, .. }) => unicast += 1,
            Some(DhcpStep::Send { .. }) => broadcast += 1,
            Some(DhcpStep::Lost) => break now_us,
            None => {
                assert!(client.deadline_us() > now_us, "no busy loop");
                now_us = client.deadline_us();
            }
        }
        assert!(client.lease().is_some(), "still in use");
    };
    assert_eq!(lost_us, (1800 + 3600) * S);
    assert!((2..10).contains(&unicast) && (2..10).contains(&broadcast), "{unicast} {broadcast}");
    assert_eq!(client.lease(), None);
    bound(&mut client, lost_us);
}

#[test]
fn a_server_that_takes_a_lease_back_is_obeyed() {
    let mut client = client();
    bound(&mut client, 0);
    let (_, _, renewal) = sent(&mut client, 1800 * S);
    assert_eq!(client.receive(&answer(&renewal, REFUSED, &[]), 1800 * S), DhcpReceived::Lost);
    assert_eq!(client.lease(), None);
    bound(&mut client, 1800 * S + DHCP_REFUSED_US);
}

#[test]
fn after_the_link_was_gone_a_lease_is_confirmed_or_lost() {
    let mut client = client();
    bound(&mut client, 0);
    client.link_is_back(60 * S);
    let (to, kind, question) = sent(&mut client, 60 * S);
    assert_eq!((to, kind), (Ipv4Addr::BROADCAST, 3));
    assert_eq!(
        client.receive(&answer(&question, ACKNOWLEDGED, &LEASE), 60 * S),
        DhcpReceived::Renewed
    );
    client.link_is_back(120 * S);
    let mut now_us = 120 * S;
    for _ in 0..DHCP_CONFIRM_TRIES {
        assert_eq!(sent(&mut client, now_us).1, 3);
        now_us = client.deadline_us();
    }
    assert_eq!(client.step(now_us), Some(DhcpStep::Lost));
    bound(&mut client, now_us);
    client.link_is_back(now_us);
    sent(&mut client, now_us);
    client.link_is_back(now_us);
    assert_eq!(sent(&mut client, now_us).1, 3, "it came and went");
}

#[test]
fn what_is_not_for_this_question_changes_nothing() {
    let mut client = client();
    let (_, _, discover) = sent(&mut client, 0);
    let good = answer(&discover, OFFER, &LEASE);
    for (at, what) in [(4, "the number"), (28, "the hardware address"), (0, "the direction")] {
        let mut other = good.clone();
        other[at] ^= 3;
        assert_eq!(client.receive(&other, 0), DhcpReceived::Nothing);
        assert_eq!(client.step(0), None, "{what}");
    }
    assert_eq!(client.receive(&answer(&discover, ACKNOWLEDGED, &LEASE), 0), DhcpReceived::Nothing);
    assert_eq!(client.lease(), None, "nobody asked for that yet");
    for your in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255], [192, 0, 2, 0]]
    {
        let mut other = good.clone();
        other[16..20].copy_from_slice(&your);
        client.receive(&other, 0);
        assert_eq!(client.step(0), None, "{your:?} is no host's");
    }
    let gaps = answer(&discover, OFFER, &[51, 4, 0, 0, 14, 16, 1, 4, 255, 0, 255, 0]);
    client.receive(&gaps, 0);
    assert_eq!(client.step(0), None, "a mask with gaps");
    client.receive(&good, 0);
    assert_eq!(sent(&mut client, 0).1, 3);
}

#[test]
fn times_that_make_no_sense_become_those_of_the_rfc() {
    let bind = |options: &[u8]| {
        let mut client = client();
        let (_, _, discover) = sent(&mut client, 0);
        client.receive(&answer(&discover, OFFER, options), 0);
        let (_, _, request) = sent(&mut client, 0);
        assert_eq!(
            client.receive(&answer(&request, ACKNOWLEDGED, options), 0),
            DhcpReceived::Bound
        );
        client
    };
    let times = |renewal: u8, rebinding: u8| {
        [51, 4, 0, 0, 0, 200, 58, 4, 0, 0, 0, renewal, 59, 4, 0, 0, 0, rebinding]
    };
    assert_eq!(bind(&times(50, 150)).deadline_us(), 50 * S);
    assert_eq!(bind(&times(180, 150)).deadline_us(), 100 * S);
    assert_eq!(bind(&times(220, 250)).deadline_us(), 100 * S);
    let short = bind(&[51, 4, 0, 0, 0, 0]);
    assert_eq!(short.lease().map(|lease| lease.lease_s), Some(DHCP_LEASE_S_MIN));
    for endless in [&[51, 4, 255, 255, 255, 255][..], &[]] {
        assert_eq!(bind(endless).deadline_us(), u64::MAX, "for ever");
    }
}

#[test]
fn questions_have_numbers_of_their_own() {
    let mut numbers = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let mut client = DhcpClient::seeded(HARDWARE, None, 0, seed * 2);
        let (_, _, discover) = sent(&mut client, 0);
        numbers.insert(discover[4..8].to_vec());
    }
    assert!(numbers.len() > 90, "{}", numbers.len());
}
