//! Lookups with misbehaving servers, on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use domain::base::iana::Rcode;
use domain::base::message_builder::AnswerBuilder;
use domain::rdata::Cname;

use super::*;
use crate::clock;

type Octets = std::vec::Vec<u8>;

const NAME: &str = "gate.lan";
const TTL: u32 = 60;

/// A server that answers each question with the result of `answer`; it counts the questions.
async fn serve(
    answer: impl Fn(&Message<[u8]>) -> std::vec::Vec<Octets> + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("bound");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((len, client)) = socket.recv_from(&mut bytes).await {
            count.fetch_add(1, Relaxed);
            for datagram in answer(Message::from_slice(&bytes[..len]).expect("a question")) {
                let _ = socket.send_to(&datagram, client).await;
            }
        }
    });
    (address, asked)
}

fn servers(addresses: &[SocketAddr]) -> Servers {
    let addresses = addresses.iter().copied().collect();
    Servers { addresses, timeout: Duration::from_millis(400), attempts: 1 }
}

fn kind(question: &Message<[u8]>) -> Rtype {
    question.sole_question().expect("one question").qtype()
}

/// The beginning of an answer, to be completed.
fn begin(question: &Message<[u8]>, code: Rcode) -> AnswerBuilder<Octets> {
    MessageBuilder::new_vec().start_answer(question, code).expect("fits")
}

fn name(text: &str) -> Name<Octets> {
    text.parse().expect("a name")
}

fn v4(last: u8) -> A {
    A::from_octets(192, 0, 2, last)
}

/// An answer with these IPv4 addresses to the question about IPv4, and an empty one to the other.
fn with(question: &Message<[u8]>, addresses: impl Iterator<Item = u8>) -> Octets {
    let mut answer = begin(question, Rcode::NOERROR);
    if kind(question) == Rtype::A {
        for last in addresses {
            answer.push((name(NAME), TTL, v4(last))).expect("fits");
        }
    }
    answer.finish()
}

fn texts(found: &Addresses) -> std::vec::Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

async fn timed<T>(lookup: impl Future<Output = T>) -> (T, u64) {
    let began_us = clock::now_us();
    (lookup.await, (clock::now_us() - began_us) / 1000)
}

#[tokio::test(flavor = "current_thread")]
async fn an_answer_that_never_comes_is_not_waited_for_when_there_is_an_address() {
    let (server, _) = serve(|question| match kind(question) {
        Rtype::A => vec![with(question, 7..8)],
        _ => vec![],
    })
    .await;
    let mut servers = servers(&[server]);
    servers.timeout = Duration::from_secs(30);
    let (found, took_ms) = timed(addresses(&servers, NAME)).await;
    assert_eq!(texts(&found.expect("one")), ["192.0.2.7"]);
    assert!(took_ms < NAME_OTHER_KIND_MS + 700, "{took_ms} ms");
}

#[tokio::test(flavor = "current_thread")]
async fn a_name_that_is_not_there_is_known_at_once() {
    let (server, asked) = serve(|question| match kind(question) {
        Rtype::A => vec![begin(question, Rcode::NXDOMAIN).finish()],
        _ => vec![],
    })
    .await;
    let (found, took_ms) = timed(addresses(&servers(&[server, server]), NAME)).await;
    assert_eq!(found.expect("an answer").len(), 0);
    assert!(took_ms < 300, "{took_ms} ms");
    assert_eq!(asked.load(Relaxed), 2, "the second server is not asked");
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_denies_a_name_for_ipv6_may_have_it_for_ipv4() {
    let (server, _) = serve(|question| match kind(question) {
        Rtype::A => vec![with(question, 7..8)],
        _ => vec![begin(question, Rcode::NXDOMAIN).finish()],
    })
    .await;
    let found = addresses(&servers(&[server]), NAME).await.expect("one");
    assert_eq!(texts(&found), ["192.0.2.7"]);
}

#[tokio::test(flavor = "current_thread")]
async fn answers_have_a_bound_and_both_kinds_are_in_it() {
    let (server, _) = serve(|question| {
        let mut answer = begin(question, Rcode::NOERROR);
        for last in 1..=20 {
            let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into());
            match kind(question) {
                Rtype::A => answer.push((name(NAME), TTL, v4(last))),
                _ => answer.push((name(NAME), TTL, Aaaa::new(v6))),
            }
            .expect("fits");
        }
        vec![answer.finish()]
    })
    .await;
    let found = addresses(&servers(&[server]), NAME).await.expect("many");
    assert_eq!(texts(&found), ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_left_of_an_answer_that_is_cut_off_is_used() {
    let (server, asked) = serve(|question| {
        let mut answer = begin(question, Rcode::NOERROR);
        if kind(question) == Rtype::A {
            answer.header_mut().set_tc(true);
            for last in 0..200 {
                answer.push((name(NAME), TTL, v4(last))).expect("fits");
            }
        }
        // As from a server that sends longer datagrams: the buffer ends in the middle of a record.
        vec![answer.finish()]
    })
    .await;
    let found = addresses(&servers(&[server]), NAME).await.expect("some");
    assert_eq!(texts(&found), ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(asked.load(Relaxed), 2, "and nothing more is asked");
    let (server, _) = serve(|question| {
        let mut answer = begin(question, Rcode::NOERROR);
        answer.header_mut().set_tc(true);
        vec![answer.finish()]
    })
    .await;
    let error = addresses(&servers(&[server]), NAME).await.expect_err("nothing is left");
    assert_eq!(error.to_string(), "the answer was truncated");
}

#[tokio::test(flavor = "current_thread")]
async fn only_what_was_asked_is_believed() {
    let (server, _) = serve(|question| {
        let foreign = |change: &dyn Fn(&mut AnswerBuilder<Octets>)| {
            let mut answer = begin(question, Rcode::NOERROR);
            change(&mut answer);
            answer.push((name(NAME), TTL, v4(66))).expect("fits");
            answer.finish()
        };
        let other_name = {
            let mut answer = begin(question, Rcode::NOERROR);
            answer.push((name("other.lan"), TTL, v4(66))).expect("fits");
            if kind(question) == Rtype::A {
                answer.push((name(NAME), TTL, v4(7))).expect("fits");
            }
            answer.finish()
        };
        let mut other_question = foreign(&|_| {});
        other_question[13] ^= 1;
        vec![
            foreign(&|answer| answer.header_mut().set_id(question.header().id() ^ 1)),
            foreign(&|answer| answer.header_mut().set_qr(false)),
            other_question,
            b"x".to_vec(),
            vec![0xff; 512],
            other_name,
        ]
    })
    .await;
    let found = addresses(&servers(&[server]), NAME).await.expect("the right one");
    assert_eq!(texts(&found), ["192.0.2.7"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_flood_of_what_is_no_answer_ends_the_wait() {
    let (server, _) = serve(|_| vec![vec![0xff; 512]; 64]).await;
    let mut servers = servers(&[server]);
    servers.timeout = Duration::from_secs(30);
    let (found, took_ms) = timed(addresses(&servers, NAME)).await;
    assert_eq!(found.expect_err("nothing").kind(), io::ErrorKind::TimedOut);
    assert!(took_ms < 1_000, "{took_ms} ms");
}

#[tokio::test(flavor = "current_thread")]
async fn aliases_are_followed_and_circles_end() {
    let (server, _) = serve(|question| {
        let mut answer = begin(question, Rcode::NOERROR);
        let alias = Cname::new(name("cam-7.lan"));
        answer.push((name(NAME), TTL, alias)).expect("fits");
        if kind(question) == Rtype::A {
            answer.push((name("cam-7.lan"), TTL, v4(7))).expect("fits");
        }
        vec![answer.finish()]
    })
    .await;
    assert_eq!(texts(&addresses(&servers(&[server]), NAME).await.expect("one")), ["192.0.2.7"]);
    let (server, _) = serve(|question| {
        let mut answer = begin(question, Rcode::NOERROR);
        answer.push((name(NAME), TTL, Cname::new(name("b.lan")))).expect("fits");
        answer.push((name("b.lan"), TTL, Cname::new(name(NAME)))).expect("fits");
        vec![answer.finish()]
    })
    .await;
    assert!(addresses(&servers(&[server]), NAME).await.is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_fails_or_is_gone_is_passed_over() {
    let (failing, _) = serve(|question| vec![begin(question, Rcode::SERVFAIL).finish()]).await;
    let gone = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("bound")
    };
    let (good, _) = serve(|question| vec![with(question, 7..8)]).await;
    let found = addresses(&servers(&[failing, gone, good]), NAME).await.expect("the third");
    assert_eq!(texts(&found), ["192.0.2.7"]);
    let error = addresses(&servers(&[gone, failing]), NAME).await.expect_err("neither");
    assert_eq!(error.to_string(), "it says SERVFAIL");
}
