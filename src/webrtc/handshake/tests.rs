//! Handshakes with a client of the same libraries, in memory.

use super::*;
use crate::webrtc::consent::Check;
use crate::webrtc::place;

mod browsers;
mod fragments;
mod offered;

use super::client::{Client, local, remote};

const HIGH: CodecProfile = CodecProfile::H264(0x64_00_28);
const UFRAG: &str = "0007abcdefgh";
const PASSWORD: &str = "0123456789abcdefghijklmn";

fn request<'a>(offer: &'a str, candidates: &'a [SocketAddr]) -> HandshakeRequest<'a> {
    HandshakeRequest {
        offer,
        camera_profile: HIGH,
        candidates,
        local_ufrag: UFRAG,
        local_password: PASSWORD,
        ssrc: 0x1234_5678,
        sound: None,
        resend: true,
    }
}

fn accept(offer: &str, now_us: u64) -> (Handshake, Accepted) {
    let identity = DtlsIdentity::new().unwrap();
    let (answered, accepted) =
        Answered::accept(&identity, &request(offer, &[local()]), now_us).unwrap();
    (answered.begin(&identity, &[local()], now_us), accepted)
}

/// The outcome of a handshake.
#[derive(Debug)]
enum End {
    Connected(Box<Connected>),
    Failed(Failure),
    Unfinished,
}

/// A handshake and its client on a link without delay; the test advances `now_us`.
struct Link {
    now_us: u64,
    server: Handshake,
    client: Client,
    /// Every datagram that the server sent.
    sent: Vec<Vec<u8>>,
}

impl Link {
    fn new(mut client: Client) -> Self {
        let offer = client.offer();
        let (server, accepted) = accept(&offer, 0);
        client.answer(&accepted.answer);
        Self { now_us: 0, server, client, sent: Vec::new() }
    }

    /// Runs until the handshake ends or until `until_us`. `passes` decides which of the server's
    /// datagrams reach the client.
    fn run(&mut self, until_us: u64, passes: impl FnMut(&[u8]) -> bool) -> End {
        self.run_from(until_us, |datagram| vec![datagram], passes)
    }

    /// The same, with what `arrives` makes of each of the client's datagrams.
    fn run_from(
        &mut self,
        until_us: u64,
        mut arrives: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>,
        mut passes: impl FnMut(&[u8]) -> bool,
    ) -> End {
        while self.now_us < until_us {
            let sent = self.client.drain(self.now_us);
            for datagram in sent.into_iter().flat_map(&mut arrives) {
                self.server.receive(remote(), local(), &datagram, self.now_us);
                if let Some(end) = self.pump(&mut passes) {
                    return end;
                }
            }
            self.now_us += 10_000;
            if let Some(end) = self.pump(&mut passes) {
                return end;
            }
        }
        End::Unfinished
    }

    /// Polls the server until it waits.
    fn pump(&mut self, passes: &mut impl FnMut(&[u8]) -> bool) -> Option<End> {
        loop {
            match self.server.poll(self.now_us) {
                Progress::Transmit { to, from, datagram } => {
                    assert_eq!((to, from), (remote(), local()));
                    if passes(&datagram) {
                        self.client.receive(&datagram, self.now_us);
                    }
                    self.sent.push(datagram);
                }
                Progress::Wait { .. } => return None,
                Progress::Connected(connected) => return Some(End::Connected(connected)),
                Progress::Failed(failure) => return Some(End::Failed(failure)),
            }
        }
    }

    fn sent_of(&self, kind: u8) -> usize {
        let of_kind = |datagram: &&Vec<u8>| datagram.first() == Some(&kind);
        self.sent.iter().filter(of_kind).count()
    }
}

fn connected(end: End) -> Box<Connected> {
    match end {
        End::Connected(connected) => connected,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_connects_and_both_sides_have_the_same_keys() {
    let mut link = Link::new(Client::new());
    let connected = connected(link.run(3_000_000, |_| true));
    assert_eq!((connected.remote, connected.local), (remote(), local()));
    link.client.drain(link.now_us);
    assert!(link.client.connected);

    let keys = &connected.keys;
    assert_eq!(keys.profile, SrtpProfile::Aes256Gcm);
    assert!(link.client.derived_from(&keys.local_key, &keys.local_salt));
    assert!(link.client.derived_from(&keys.remote_key, &keys.remote_salt));
    assert_ne!(keys.local_key, keys.remote_key);

    let flight = connected.flight;
    let kinds: Vec<_> = Records(&flight).map(|record| (record.kind, record.epoch)).collect();
    assert_eq!(kinds, [(20, 0), (22, 1)]);
    assert_eq!(flight.len(), 75);
    assert_eq!(connected.close_notify.len(), 39);
    // ServerHello's flight once (none of our time-outs fired), then the last one; no alert.
    assert_eq!(link.sent_of(22), 1, "{:?}", link.sent.iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(link.sent_of(20) + link.sent_of(21), 1);
}

#[test]
fn a_browser_that_speaks_before_it_nominates_is_answered_at_once() {
    let mut client = Client::new();
    let (mut server, accepted) = accept(&client.offer(), 0);
    client.answer(&accepted.answer);
    let mut now_us = 0;
    let (mut checks, mut answers) = (0, 0);
    let end = loop {
        for datagram in client.drain(now_us) {
            let check = Check::parse(&datagram);
            if check.as_ref().is_some_and(Check::nominates) {
                continue;
            }
            checks += usize::from(check.is_some());
            server.receive(remote(), local(), &datagram, now_us);
        }
        let (mut spoken_to, mut end) = (Vec::new(), None);
        loop {
            match server.poll(now_us) {
                Progress::Transmit { to, datagram, .. } => {
                    answers += usize::from(place::answer(&datagram).is_some());
                    spoken_to.push(to);
                    client.receive(&datagram, now_us);
                }
                Progress::Wait { .. } => break,
                Progress::Connected(connected) => end = Some(connected),
                Progress::Failed(failure) => panic!("{failure}"),
            }
        }
        assert!(spoken_to.iter().all(|to| *to == remote()));
        if let Some(end) = end {
            break end;
        }
        now_us += 10_000;
        assert!(now_us < 5_000_000, "{checks} checks, {answers} answers");
    };
    assert_eq!((end.remote, end.local), (remote(), local()));
    assert_eq!(answers, checks, "str0m's answer to our own check stays here");
    client.drain(now_us);
    assert!(client.connected);
}

/// A nominating check of the client, with a higher priority than its others.
fn best_check(remote_ufrag: &str) -> Vec<u8> {
    use ring::hmac;
    let hmac_sha1 = |key: &[u8], parts: &[&[u8]]| {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        hmac::sign(&key, &parts.concat()).as_ref().try_into().unwrap()
    };
    let username = format!("{UFRAG}:{remote_ufrag}");
    let (transaction, priority) = (is::stun::TransId::new(), u32::MAX >> 1);
    let check =
        is::stun::StunMessage::binding_request(&username, transaction, true, 7, priority, true);
    let mut bytes = vec![0; 256];
    let length = check.to_bytes(Some(PASSWORD.as_bytes()), &mut bytes, hmac_sha1).unwrap();
    bytes.truncate(length);
    bytes
}

/// Polls the server until it waits. Returns where its DTLS went to, and the outcome if any.
fn polled(
    server: &mut Handshake,
    client: &mut Client,
    now_us: u64,
) -> (Vec<SocketAddr>, Option<End>) {
    let mut spoken_to = Vec::new();
    loop {
        match server.poll(now_us) {
            Progress::Transmit { to, datagram, .. } => {
                if Records(&datagram).next().is_some() {
                    spoken_to.push(to);
                }
                if to == remote() {
                    client.receive(&datagram, now_us);
                }
            }
            Progress::Wait { .. } => return (spoken_to, None),
            Progress::Connected(connected) => return (spoken_to, Some(End::Connected(connected))),
            Progress::Failed(failure) => return (spoken_to, Some(End::Failed(failure))),
        }
    }
}

#[test]
fn the_session_is_where_dtls_was_spoken_and_not_where_a_check_came_from() {
    let elsewhere: SocketAddr = "203.0.113.1:9".parse().unwrap();
    for waits_us in [0, 3_000_000] {
        let mut client = Client::new();
        let (mut server, accepted) = accept(&client.offer(), 0);
        client.answer(&accepted.answer);
        let mut now_us = 0;
        // Runs until the client has its last flight to send.
        let last_flight = loop {
            let sent = client.drain(now_us);
            if sent.iter().any(|datagram| Records(datagram).any(|record| record.kind == 20)) {
                break sent;
            }
            for datagram in sent {
                server.receive(remote(), local(), &datagram, now_us);
                assert!(polled(&mut server, &mut client, now_us).1.is_none());
            }
            now_us += 10_000;
            assert!(now_us < 1_000_000, "it gets so far");
        };
        // Then the check makes str0m send elsewhere, and after a wait it repeats its flight there.
        server.receive(elsewhere, local(), &best_check(accepted.remote_ice.ufrag()), now_us);
        polled(&mut server, &mut client, now_us);
        now_us += waits_us;
        let (repeated, _) = polled(&mut server, &mut client, now_us);
        assert_eq!(repeated.contains(&elsewhere), waits_us > 0, "{repeated:?}");
        let mut ends = last_flight.into_iter().filter_map(|datagram| {
            server.receive(remote(), local(), &datagram, now_us);
            let (spoken_to, end) = polled(&mut server, &mut client, now_us);
            end.map(|end| (spoken_to, end))
        });
        let (spoken_to, end) = ends.next().expect("it ends");
        assert_eq!(spoken_to, [elsewhere], "str0m's last flight");
        assert_eq!((connected(end).remote), remote(), "after {waits_us} us");
    }
}

#[test]
fn after_its_end_it_is_silent() {
    let mut link = Link::new(Client::new());
    connected(link.run(3_000_000, |_| true));
    link.server.receive(remote(), local(), &[22; 60], link.now_us);
    let Progress::Wait { deadline_us } = link.server.poll(link.now_us) else {
        panic!("something to do");
    };
    assert_eq!(deadline_us, u64::MAX);
}

#[test]
fn the_stored_flight_connects_a_client_that_lost_it() {
    let mut link = Link::new(Client::new());
    let connected = connected(link.run(3_000_000, |datagram| datagram[0] != 20));
    link.client.drain(link.now_us);
    assert!(!link.client.connected);
    // The client repeats its own flight; the stored datagram answers it, not a handshake.
    let repeated = (0..100).any(|_| {
        link.now_us += 50_000;
        link.client.drain(link.now_us).iter().any(|datagram| (20..=22).contains(&datagram[0]))
    });
    assert!(repeated);
    link.client.receive(&connected.flight, link.now_us);
    link.client.drain(link.now_us);
    assert!(link.client.connected);

    link.client.receive(&connected.close_notify, link.now_us);
    link.client.drain(link.now_us);
    assert!(link.client.closed, "the stored close_notify ends it at once");
}

#[test]
fn a_lost_server_hello_is_repeated() {
    let mut link = Link::new(Client::new());
    let mut lost = 0;
    let end = link.run(5_000_000, |datagram| {
        let lose = datagram[0] == 22 && lost < 2;
        lost += usize::from(lose);
        !lose
    });
    connected(end);
    assert_eq!(lost, 2);
}

#[test]
fn another_certificate_than_announced_fails() {
    let mut client = Client::new();
    let offer = client.offer();
    let at = offer.find("a=fingerprint:sha-256 ").unwrap() + "a=fingerprint:sha-256 ".len();
    let mut forged = offer.clone();
    let other = if &offer[at..at + 2] == "00" { "01" } else { "00" };
    forged.replace_range(at..at + 2, other);
    let (server, accepted) = accept(&forged, 0);
    client.answer(&accepted.answer);
    let mut link = Link { now_us: 0, server, client, sent: Vec::new() };
    let End::Failed(failure) = link.run(3_000_000, |_| true) else {
        panic!("it connected");
    };
    assert_eq!(failure, Failure::Fingerprint);
    assert_eq!(link.sent_of(20), 0, "no Finished for a stranger");
}

#[test]
fn without_gcm_there_is_an_alert_and_a_reason() {
    for (profiles, refusal) in
        [(&[0x00, 0x01][..], SrtpRefusal::NoGcm), (&[][..], SrtpRefusal::NoSrtp)]
    {
        let mut link = Link::new(Client::new());
        link.client.offer_only(profiles);
        let End::Failed(failure) = link.run(3_000_000, |_| true) else {
            panic!("it connected");
        };
        assert_eq!(failure, Failure::Refused(refusal));
        let alert = link.sent.last().unwrap();
        assert_eq!((alert[0], alert[13], alert[14]), (21, 2, 40));
        assert_eq!(link.sent_of(22), 0, "no ServerHello left us");
    }
}

#[test]
fn gcm_128_alone_is_served() {
    let mut link = Link::new(Client::new());
    link.client.offer_only(&[0x00, 0x07]);
    // The client's Finished covers the hello that it made, not the changed one that the server got.
    // So the handshake gets only as far as our ServerHello, which is what the test is about.
    link.run(500_000, |_| true);
    assert!(link.sent_of(22) > 0);
    assert_eq!(link.sent_of(21), 0);
}

#[test]
fn nobody_there_is_a_time_out() {
    let mut client = Client::new();
    let offer = client.offer();
    let (mut server, _) = accept(&offer, 0);
    let mut now_us = 0;
    let failure = loop {
        match server.poll(now_us) {
            Progress::Wait { deadline_us } => {
                assert!(deadline_us > now_us && deadline_us <= HANDSHAKE_US_MAX);
                now_us = deadline_us;
            }
            Progress::Failed(failure) => break failure,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((now_us, failure), (HANDSHAKE_US_MAX, Failure::TimedOut));
}

#[test]
fn strangers_and_garbage_are_dropped() {
    let mut link = Link::new(Client::new());
    let stranger = "192.0.2.99:9".parse().unwrap();
    for first in 0..=255u8 {
        for bytes in [1, 13, 20, 60, 1400] {
            let mut datagram = vec![first; bytes];
            datagram[bytes / 2] = 7;
            link.server.receive(stranger, local(), &datagram, 0);
            assert!(matches!(link.server.poll(0), Progress::Wait { .. }));
        }
    }
    connected(link.run(3_000_000, |_| true));
}

#[test]
fn no_address_of_ours_is_our_fault() {
    let offer = Client::new().offer();
    let identity = DtlsIdentity::new().unwrap();
    let unspecified = ["0.0.0.0:8118".parse().unwrap()];
    for candidates in [&[][..], &unspecified[..]] {
        let refused = Answered::accept(&identity, &request(&offer, candidates), 0);
        assert_eq!(refused.err(), Some(OfferError::NoCandidate));
    }
}

#[test]
fn nothing_secret_is_shown() {
    let mut link = Link::new(Client::new());
    let shown = format!("{:?}", link.server);
    let connected = connected(link.run(3_000_000, |_| true));
    let key = format!("{:?}", &connected.keys.local_key[..]);
    let shown = shown + &format!("{connected:?}");
    assert!(!shown.contains(&key) && !shown.contains(PASSWORD), "{shown}");
}
