//! Every table of weir filled to its last place, and one more: the memory profile `test` is so
//! small that this can be done. `WEIR_PROFILE=test` builds it; under any other profile there is
//! nothing here to run.
#![cfg(weir_profile = "test")]

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use common::agent::{self, Agent, NO_FINGERPRINT};
use common::camera::picture::Picture;
use common::camera::{CameraFarm, Microphone, Mount};
use common::fixture::{CAMERA, Fixture};
use common::server::{Server, Setup, wait_for};
use common::viewer::{Options, Viewer, wall};
use common::whep::{HttpError, Response};
use socket2::{Domain, Socket, Type};
use weir::clock;
use weir::limits::PROFILE;

const PATIENCE_US: u64 = 5_000_000;

fn loopback(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn assert_full(refused: &HttpError, detail: &str, retry_after: &str) {
    assert_eq!(refused.status, 503, "{refused}");
    assert_eq!(refused.header("retry-after"), Some(retry_after));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&refused.body).expect("JSON");
    assert_eq!(problem["detail"], detail);
}

/// So many viewers, each at an address of its own from 127.0.0.11 on: nobody has most.
fn one_each(fixture: &Fixture, viewers: usize) -> Vec<Viewer> {
    let locals = (11..).map(loopback).take(viewers);
    locals.map(|local| fixture.viewer_with(&Options { local, ..Options::default() })).collect()
}

/// Viewers who fill the table of sessions.
fn full_house(fixture: &Fixture) -> Vec<Viewer> {
    let viewers = one_each(fixture, PROFILE.sessions);
    assert_eq!(fixture.server.metric("weir_sessions"), Some(4.0));
    viewers
}

/// What a newcomer at an address of its own is told.
fn refusal(fixture: &Fixture) -> HttpError {
    stranger(fixture, 9).err().expect("there is no room")
}

fn stranger(fixture: &Fixture, last: u8) -> Result<Viewer, HttpError> {
    let options = Options { local: loopback(last), ..Options::default() };
    Viewer::connect_with(fixture.server.http, CAMERA, &options)
}

#[test]
fn the_profile_is_the_small_one() {
    assert_eq!(PROFILE.name, "test");
    assert_eq!((PROFILE.sessions, PROFILE.handshakes, PROFILE.offers_waiting), (4, 2, 4));
    assert_eq!((PROFILE.http_connections, PROFILE.http_connections_per_address), (8, 4));
}

#[test]
fn one_session_too_many_is_refused_and_who_leaves_makes_room() {
    let fixture = Fixture::open();
    let mut viewers = full_house(&fixture);
    assert_full(&refusal(&fixture), "sessions full, max 4", "2");

    let first = viewers.remove(0);
    assert_eq!(first.delete().expect("an answer"), 200);
    viewers.push(fixture.viewer());
    assert_full(&refusal(&fixture), "sessions full, max 4", "2");
    let status = fixture.server.tell("status");
    let table = &status["tables"][0];
    let figures = ["used", "most", "max", "full"].map(|figure| table[figure].as_u64());
    assert_eq!((&table["what"], figures), (&"sessions".into(), [4, 4, 4, 2].map(Some)));
    // Those who were there all the time did not notice.
    let more = viewers[0].reception.counts.packets + 50;
    assert!(wall::run(&mut viewers, PATIENCE_US, |viewers| {
        viewers[0].reception.counts.packets > more
    }));
    for viewer in &viewers {
        assert_eq!((&viewer.ended, viewer.reception.counts.lost()), (&None, 0));
    }
}

#[test]
fn a_viewer_who_takes_the_whole_table_leaves_room_for_another_at_once() {
    let fixture = Fixture::open();
    let mut wall: Vec<Viewer> = (0..PROFILE.sessions).map(|_| fixture.viewer()).collect();
    for _ in 0..3 {
        // Its own next offers take nothing from it.
        assert_full(&stranger(&fixture, 1).err().expect("full"), "sessions full, max 4", "2");
    }
    let mut other = stranger(&fixture, 9).expect("room at once");
    let has_media = |viewer: &Viewer| viewer.reception.counts.packets > 0;
    assert!(wall::run_one(&mut other, PATIENCE_US, has_media));
    let oldest = fixture.session(wall.remove(0).local());
    let reason = "the table is full: evicted for a viewer with fewer sessions";
    assert_eq!((&oldest["state"], &oldest["reason"]), (&"ended".into(), &reason.into()));
    assert_full(&stranger(&fixture, 1).err().expect("full"), "sessions full, max 4", "2");
    // Two and two are even, and nobody takes from the other then.
    let mut second = stranger(&fixture, 9).expect("a second one");
    assert_full(&stranger(&fixture, 9).err().expect("full"), "sessions full, max 4", "2");
    assert!(wall::run_one(&mut second, PATIENCE_US, has_media));
    let gone = wall.remove(0);
    assert_eq!(fixture.session(gone.local())["state"], "ended");
    let more = wall[0].reception.counts.packets + 50;
    let goes_on = |viewers: &[Viewer]| viewers[0].reception.counts.packets > more;
    assert!(wall::run(&mut wall, PATIENCE_US, |viewers| goes_on(viewers)));
    // Whoever leaves makes room for the first one again.
    assert_eq!(second.delete().expect("an answer"), 200);
    fixture.viewer();
}

#[test]
fn one_listener_too_many_gets_the_picture_alone_and_who_leaves_makes_room() {
    let sound = Some(Microphone::PCMA);
    let picture = Picture { gop: 10, ..Picture::default() };
    let fixture = Fixture::of(vec![Mount { sound, ..Mount::new(CAMERA, picture) }], |_| {});
    let options = Options { sound: Some(true), ..Options::default() };
    let listeners = PROFILE.subscriptions - PROFILE.sessions;
    let hearing: Vec<Viewer> = (0..listeners).map(|_| fixture.viewer_with(&options)).collect();
    assert!(hearing.iter().all(|viewer| viewer.sound.is_some()));
    let further = fixture.viewer_with(&options);
    assert!(further.sound.is_none() && further.answer.contains("a=inactive\r\n"));
    let used = || labelled(&fixture, "weir_table_used", "table=\"subscriptions\"");
    assert!(wait_for(PATIENCE_US, || used() == (2 * listeners + 1) as f64), "{}", used());
    for viewer in hearing {
        assert!(viewer.delete().is_ok_and(|status| status == 200));
    }
    assert!(fixture.viewer_with(&options).sound.is_some());
}

#[test]
fn an_offer_that_cannot_be_answered_takes_no_session() {
    let fixture = Fixture::open();
    let mut wall: Vec<Viewer> = (0..PROFILE.sessions).map(|_| fixture.viewer()).collect();
    let without_h264 = agent::offer(NO_FINGERPRINT).replace("H264/90000", "VP8/90000");
    for (offer, status) in [("v=0\r\n", 422), (&*without_h264, 422)] {
        let refused = agent::post(loopback(9), fixture.server.http, CAMERA, offer);
        assert_eq!(refused.expect("an answer").status, status, "{offer}");
    }
    let more = wall[0].reception.counts.packets + 50;
    assert!(wall::run(&mut wall, PATIENCE_US, |wall| wall[0].reception.counts.packets > more));
    assert!(wall.iter().all(|viewer| viewer.ended.is_none()));
    stranger(&fixture, 9).expect("a good one takes the place of one of four");
}

#[test]
fn who_vanished_makes_room_for_a_newcomer_after_three_seconds() {
    let fixture = Fixture::open();
    let mut viewers = full_house(&fixture);
    // All have just shown that they live.
    wall::run(&mut viewers, 1_500_000, |_| false);
    let gone = viewers.remove(0);
    let address = gone.local();
    gone.vanish();
    let vanished_us = clock::now_us();
    let (mut newcomer, mut next_us) = (None, 0);
    wall::run(&mut viewers, 2 * PATIENCE_US, |_| {
        if clock::now_us() >= next_us {
            next_us = clock::now_us() + 100_000;
            match stranger(&fixture, 9) {
                Ok(viewer) => newcomer = Some(viewer),
                Err(refused) => assert_full(&refused, "sessions full, max 4", "2"),
            }
        }
        newcomer.is_some()
    });
    let after_us = clock::now_us() - vanished_us;
    let mut newcomer = newcomer.expect("room was made");
    // Its last sign of life was up to a second before it vanished.
    assert!((1_900_000..3_500_000).contains(&after_us), "{after_us} us");
    let evicted = fixture.session(address);
    assert_eq!(evicted["state"], "ended");
    assert_eq!(evicted["reason"], "silent, and evicted for another player");
    let has_media = |viewer: &Viewer| viewer.reception.counts.packets > 0;
    assert!(wall::run_one(&mut newcomer, PATIENCE_US, has_media));
    assert!(viewers.iter().all(|viewer| viewer.ended.is_none()));
}

#[test]
fn who_vanished_and_comes_back_does_not_wait_for_its_old_session() {
    let fixture = Fixture::open();
    let mut viewers = one_each(&fixture, PROFILE.sessions - 1);
    let options = Options { local: loopback(2), ..Options::default() };
    viewers.push(fixture.viewer_with(&options));
    wall::run(&mut viewers, 1_500_000, |_| false);
    let gone = viewers.pop().expect("the last");
    let address = gone.local();
    gone.vanish();
    let vanished_us = clock::now_us();
    let (mut back, mut next_us) = (None, 0);
    wall::run(&mut viewers, PATIENCE_US, |_| {
        if clock::now_us() >= next_us {
            next_us = clock::now_us() + 100_000;
            back = stranger(&fixture, 2).ok();
            // Those who live are not driven out by their own address.
            if back.is_none() {
                let refused = stranger(&fixture, 11).err().expect("full");
                assert_full(&refused, "sessions full, max 4", "2");
            }
        }
        back.is_some()
    });
    let after_us = clock::now_us() - vanished_us;
    let mut back = back.expect("room was made");
    // Its last sign of life was up to a second before it vanished.
    assert!((500_000..2_000_000).contains(&after_us), "{after_us} us");
    let replaced = fixture.session(address);
    assert_eq!(replaced["state"], "ended");
    assert_eq!(replaced["reason"], "silent, and replaced by a session of the same address");
    let has_media = |viewer: &Viewer| viewer.reception.counts.packets > 0;
    assert!(wall::run_one(&mut back, PATIENCE_US, has_media));
    assert!(viewers.iter().all(|viewer| viewer.ended.is_none()));
}

/// Handshakes that hold every slot by checks alone for `us`, while `during` runs.
fn with_slots_held<T>(fixture: &Fixture, us: u64, during: impl FnOnce() -> T) -> T {
    let agents: Vec<Agent> = (0..PROFILE.handshakes)
        .map(|_| Agent::post(fixture.server.http, CAMERA, NO_FINGERPRINT).expect("a slot"))
        .collect();
    std::thread::scope(|scope| {
        for agent in &agents {
            scope.spawn(move || agent.dawdle(us));
        }
        assert!(wait_for(PATIENCE_US, || fixture.server.metric("weir_handshakes") == Some(2.0)));
        during()
    })
}

fn post(fixture: &Fixture, local: IpAddr) -> Result<Response, HttpError> {
    let offer = agent::offer(NO_FINGERPRINT);
    agent::post(local, fixture.server.http, CAMERA, &offer)?.expect(201)
}

#[test]
fn one_waiting_offer_too_many_is_refused_and_the_others_are_served_in_turn() {
    let fixture = Fixture::open();
    std::thread::scope(|scope| {
        let waiting = with_slots_held(&fixture, 1_500_000, || {
            let fixture = &fixture;
            let waiting: Vec<_> = (0..PROFILE.offers_waiting)
                .map(|_| scope.spawn(move || post(fixture, loopback(2))))
                .collect();
            std::thread::sleep(Duration::from_millis(200));
            assert!(waiting.iter().all(|offer| !offer.is_finished()), "they wait");
            let refused = post(fixture, loopback(3)).expect_err("the queue is full");
            assert_full(&refused, "waiting offers full, max 4", "2");
            waiting
        });
        // The slots' holders are quiet now, and after half a second one makes room. Answered offers
        // need no slot before their first check, but a session each.
        let answers: Vec<_> = waiting.into_iter().map(|offer| offer.join().unwrap()).collect();
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
        let refused = answers.into_iter().find_map(Result::err).expect("the table has 4 places");
        assert_full(&refused, "sessions full, max 4", "2");
    });
    let sessions = fixture.sessions();
    let evicted = sessions.iter().filter(|session| {
        session["reason"] == "the handshake made no progress, and was evicted for another player"
    });
    assert_eq!(evicted.count(), 1, "{sessions:?}");
}

#[test]
fn a_slot_that_is_held_by_checks_alone_comes_free_after_a_second() {
    let fixture = Fixture::open();
    let waited_us = with_slots_held(&fixture, 3_000_000, || {
        let began_us = clock::now_us();
        post(&fixture, loopback(2)).expect("a slot came free");
        clock::now_us() - began_us
    });
    assert!((500_000..1_500_000).contains(&waited_us), "{waited_us} us");
}

/// A connection whose request never ends; for a tenth of a second it keeps its place.
fn busy(http: SocketAddr, local: IpAddr) -> TcpStream {
    let mut stream = connect(http, local);
    let head = "POST /gate/whep HTTP/1.1\r\nHost: weir\r\nContent-Type: application/sdp\r\n\
                Content-Length: 100\r\n\r\nv=0";
    stream.write_all(head.as_bytes()).expect("a connection");
    stream
}

fn connect(http: SocketAddr, local: IpAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(local, 0).into()).expect("loopback");
    socket.connect(&http.into()).expect("weir listens");
    socket.set_read_timeout(Some(Duration::from_secs(4))).expect("a socket");
    socket.into()
}

fn read(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn one_http_connection_too_many_of_an_address_is_refused_and_of_all_waits() {
    let fixture = Fixture::open();
    let http = fixture.server.http;
    let per_address = PROFILE.http_connections_per_address;
    let mut taken: Vec<TcpStream> = (0..per_address).map(|_| busy(http, loopback(2))).collect();
    let refused = common::whep::request_from(Some(loopback(2)), http, "GET", "/healthz", &[], "");
    assert_full(
        &refused.expect("an answer").expect(200).expect_err("the address is at its bound"),
        "http connections of one address full, max 4",
        "5",
    );
    taken.extend((0..per_address).map(|_| busy(http, loopback(3))));
    // All places are taken, by requests that do not go on: another waits until one has had its
    // time.
    let began_us = clock::now_us();
    let answer = common::whep::request_from(Some(loopback(4)), http, "GET", "/healthz", &[], "");
    answer.expect("an answer").expect(200).expect("room was made");
    let waited_us = clock::now_us() - began_us;
    assert!(waited_us < 500_000, "{waited_us} us");
    let table = &fixture.server.tell("status")["tables"];
    let tables = table.as_array().expect("a list");
    let table = tables.iter().find(|table| table["what"] == "http connections").expect("a table");
    assert_eq!((&table["most"], &table["max"]), (&8.into(), &8.into()));
    assert!(table["full"].as_u64() >= Some(2), "{table}");
    // Who never ends a request is told so, unless somebody else needs the room; in the end
    // everybody has gone.
    for stream in taken {
        let answer = read(stream);
        let is_told = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 503");
        assert!(is_told || answer.is_empty(), "{answer}");
    }
}

#[test]
fn an_idle_http_connection_makes_room_for_the_next() {
    let fixture = Fixture::open();
    let http = fixture.server.http;
    let idle = connect(http, loopback(2));
    let taken: Vec<TcpStream> = (1..PROFILE.http_connections)
        .map(|number| busy(http, loopback(if number < 4 { 2 } else { 3 })))
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    let answer = common::whep::request_from(Some(loopback(4)), http, "GET", "/healthz", &[], "");
    assert_eq!(answer.expect("an answer").status, 200);
    assert_eq!(read(idle), "", "it was closed");
    drop(taken);
}

/// Asks on a connection that stays; `None` when there is no answer.
fn ask(stream: &mut TcpStream, request: &str) -> Option<String> {
    write!(stream, "{request}").ok()?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1)?.lines().next()?.parse().ok()?;
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read(&mut piece).ok()? {
            0 => return None,
            bytes => answer.extend_from_slice(&piece[..bytes]),
        }
    }
}

fn get(stream: &mut TcpStream, path: &str) -> Option<String> {
    ask(stream, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
}

/// A figure with a label.
fn labelled(fixture: &Fixture, figure: &str, label: &str) -> f64 {
    let (metrics, begin) = (fixture.server.metrics(), format!("{figure}{{{label}}} "));
    let value = metrics.lines().find_map(|line| line.strip_prefix(&begin));
    value.unwrap_or_else(|| panic!("{begin}")).parse().expect("a number")
}

#[test]
fn a_connection_that_keeps_memory_for_ever_is_ended_at_its_budget_and_no_other() {
    let fixture = Fixture::open();
    let mut viewers = vec![fixture.viewer()];
    let http = fixture.server.http;
    let mut neighbour = connect(http, loopback(2));
    assert!(get(&mut neighbour, "/healthz").is_some());
    let mut leaking = connect(http, loopback(3));
    let client = leaking.local_addr().expect("bound");
    let requests = (0..1000).take_while(|_| get(&mut leaking, "/-/leak/own").is_some()).count();
    let budget_kib = PROFILE.http_connection_heap_bytes / 1024;
    assert!((8..budget_kib).contains(&requests), "ended after {requests} requests");
    let words = format!("http connection {client} ended: ");
    assert!(wait_for(PATIENCE_US, || fixture.server.log().contains(&words)));
    let log = fixture.server.log();
    let line = log.lines().find(|line| line.contains(&words)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.ends_with(&format!(" KiB of memory, budget {budget_kib}")), "{line}");
    let kind = "account=\"http connection\"";
    assert_eq!(labelled(&fixture, "weir_accounts_ended_total", kind), 1.0);
    assert_eq!(labelled(&fixture, "weir_accounts_open", kind), 1.0);
    assert!(get(&mut neighbour, "/healthz").is_some());
    // Whoever else there is did not notice, and there is room for more.
    let more = viewers[0].reception.counts.packets + 50;
    assert!(wall::run(&mut viewers, PATIENCE_US, |viewers| {
        viewers[0].reception.counts.packets > more
    }));
    assert_eq!(viewers[0].reception.counts.lost(), 0);
    assert!(get(&mut connect(http, loopback(3)), "/healthz").is_some());
}

#[test]
fn nothing_new_begins_while_memory_is_short_and_what_there_is_goes_on() {
    let fixture = Fixture::open();
    let mut viewers = vec![fixture.viewer()];
    let http = fixture.server.http;
    let [mut inside, mut posting] = [2, 2].map(|last| connect(http, loopback(last)));
    assert!(get(&mut posting, "/healthz").is_some());
    let refusal = loop {
        assert!(get(&mut inside, "/-/leak/shared").is_some(), "{}", fixture.server.log());
        let answer = get(&mut connect(http, loopback(3)), "/healthz").expect("an answer");
        if !answer.starts_with("HTTP/1.1 200 ") {
            break answer;
        }
    };
    // So much that it stays short when this one is gone.
    for _ in 0..2 {
        assert!(get(&mut inside, "/-/leak/shared").is_some());
    }
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert!(refusal.contains("memory is short at this moment"), "{refusal}");
    assert!(refusal.contains("Retry-After: "), "{refusal}");
    // Who is inside is answered, but no body is read, and no configuration.
    let head = "Host: 127.0.0.1\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\r\n";
    let answer = ask(&mut posting, &format!("POST /{CAMERA}/whep HTTP/1.1\r\n{head}v=0"));
    let answer = answer.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("memory is short"), "{answer}");
    fixture.server.hang_up();
    assert!(wait_for(PATIENCE_US, || fixture.server.log().contains("heap: memory is short")));
    let more = viewers[0].reception.counts.packets + 50;
    assert!(wall::run(&mut viewers, PATIENCE_US, |viewers| {
        viewers[0].reception.counts.packets > more
    }));
    assert_eq!(viewers[0].reception.counts.lost(), 0);
    assert!(get(&mut inside, "/-/leak/mend").is_some());
    assert!(get(&mut connect(http, loopback(3)), "/healthz").is_some());
    for what in ["http connection", "request body", "configuration"] {
        let refused =
            labelled(&fixture, "weir_admissions_refused_total", &format!("what=\"{what}\""));
        assert!(refused >= 1.0, "{what}");
    }
}

#[test]
fn one_camera_too_many_is_told_and_the_others_play() {
    let picture = Picture { gop: 10, ..Picture::default() };
    let farm = CameraFarm::open(Mount::many(5, picture, false));
    let urls = (0..5).map(|number| format!("cam{number}"));
    let urls = urls.map(|name| (name.clone(), farm.url(&name)));
    let setup = Setup::of(urls);
    let server = Server::start(&setup);
    assert!(server.wait_until_ready(PROFILE.cameras, PATIENCE_US));
    let listed = server.get("/api/cameras").json();
    assert_eq!(listed["cameras"].as_array().map(Vec::len), Some(4));
    assert!(server.log().contains("camera 5 of the file, max 4 in this build"), "{}", server.log());
    assert_eq!(server.get("/cam4/").status, 404);

    let checked = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["check", "--config"])
        .arg(server.config())
        .output()
        .expect("the weir program runs");
    assert_eq!(checked.status.code(), Some(2));
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("camera 5 of the file, max 4 in this build"), "{said}");
}
