//! ICE restarts by PATCH: the session and its picture go on, whatever becomes of the restart.

use std::net::UdpSocket;
use std::time::Duration;

use crate::common::agent::{self, Agent, NO_FINGERPRINT, attribute, candidates};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::viewer::restart::PATCH_TYPE;
use crate::common::viewer::{Viewer, wall};
use crate::common::whep::{self, Response};

const SECOND_US: u64 = 1_000_000;
const ICE: &str = "a=ice-ufrag:other\r\na=ice-pwd:another-password-of-ice\r\n";

fn patch(viewer: &Viewer, if_match: Option<&str>, fragment: &str) -> Response {
    viewer.patch(if_match, fragment).unwrap_or_else(|error| panic!("{error}"))
}

fn detail(refused: &Response) -> String {
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    refused.json()["detail"].as_str().expect("words").to_owned()
}

/// Runs a viewer that must go on seeing every packet.
fn watch(viewer: &mut Viewer, us: u64) {
    let packets = viewer.reception.counts.packets;
    wall::run_one(viewer, us, |viewer| viewer.ended.is_some());
    assert_eq!((&viewer.ended, viewer.reception.counts.lost()), (&None, 0));
    let more = viewer.reception.counts.packets - packets;
    assert!(u64::from(more > 0) * more * SECOND_US / us > 30, "{more} packets in {us} us");
}

/// Whether weir answers a check with these credentials, from a stranger's address.
fn answers(viewer: &Viewer, answer: &str) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
    let weir = viewer.remote().expect("it is connected");
    socket.send_to(&agent::check(answer, "stranger"), weir).expect("loopback takes it");
    socket.recv(&mut [0; 512]).is_ok()
}

#[test]
fn a_restart_gives_new_credentials_and_the_picture_goes_on() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    watch(&mut viewer, SECOND_US);
    let (before, first_etag) = (viewer.answer.clone(), viewer.etag.clone().expect("an ETag"));
    let restart = viewer.begin_restart();
    let answer = patch(&viewer, Some(&first_etag), &restart.fragment);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/trickle-ice-sdpfrag"));
    let etag = answer.header("etag").expect("a new ETag").to_owned();
    assert!(etag != first_etag && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    let lines: Vec<&str> = answer.body.lines().collect();
    for expected in ["a=ice-lite", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=end-of-candidates"] {
        assert!(lines.contains(&expected), "{expected} in {}", answer.body);
    }
    assert_eq!(candidates(&answer.body), [fixture.server.media]);
    for name in ["ice-ufrag", "ice-pwd"] {
        assert_ne!(attribute(&answer.body, name), attribute(&before, name));
    }

    // The browser has not proven the new pair yet: both are answered.
    watch(&mut viewer, SECOND_US);
    assert!(answers(&viewer, &before) && answers(&viewer, &answer.body));
    viewer.finish_restart(restart, &answer.body);
    watch(&mut viewer, 4 * SECOND_US);
    assert!(!answers(&viewer, &before), "the old pair is over");
    assert!(answers(&viewer, &answer.body));
    let session = fixture.session(viewer.local());
    assert_eq!((&session["state"], &session["resends"]), (&"live".into(), &0.into()));

    // The old ETag is over too; the new one is good for the next restart.
    let restart = viewer.begin_restart();
    assert_eq!(patch(&viewer, Some(&first_etag), &restart.fragment).status, 412);
    let answer = patch(&viewer, Some(&etag), &restart.fragment);
    assert_eq!(answer.status, 200, "{}", answer.body);
    viewer.finish_restart(restart, &answer.body);
    watch(&mut viewer, 4 * SECOND_US);
    assert_eq!(viewer.delete().expect("an answer"), 200);
}

#[test]
fn a_restart_from_another_port_moves_the_session() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    watch(&mut viewer, SECOND_US);
    let restart = viewer.begin_restart();
    let answer = patch(&viewer, Some("*"), &restart.fragment);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let old = viewer.rebind();
    viewer.finish_restart(restart, &answer.body);
    let packets = viewer.reception.counts.packets;
    let has_media = |viewer: &Viewer| viewer.reception.counts.packets > packets + 50;
    assert!(wall::run_one(&mut viewer, 4 * SECOND_US, has_media), "media at the new port");
    let mut buffer = [0; 2048];
    while old.recv(&mut buffer).is_ok() {}
    wall::run_one(&mut viewer, 4 * SECOND_US, |viewer| viewer.ended.is_some());
    assert_eq!(viewer.ended, None);
    assert!(old.recv(&mut buffer).is_err(), "nothing goes to the old port");
}

#[test]
fn a_restart_whose_answer_is_lost_changes_nothing() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let before = viewer.answer.clone();
    let restart = viewer.begin_restart();
    assert_eq!(patch(&viewer, Some("*"), &restart.fragment).status, 200);
    drop(restart);
    watch(&mut viewer, 4 * SECOND_US);
    assert!(answers(&viewer, &before));
    // Asking again is as good as the first time.
    let restart = viewer.begin_restart();
    let answer = patch(&viewer, Some("*"), &restart.fragment);
    assert_eq!(answer.status, 200, "{}", answer.body);
    viewer.finish_restart(restart, &answer.body);
    watch(&mut viewer, 4 * SECOND_US);
    assert!(!answers(&viewer, &before));
}

#[test]
fn what_is_no_restart_gets_its_reason_and_the_session_lives_on() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let before = viewer.answer.clone();
    let candidate = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    for (if_match, fragment, status, expected) in [
        (None, ICE, 428, "an ICE restart needs If-Match with * or the session's ETag"),
        (Some("\"other\""), ICE, 412, "the session has another ETag"),
        (Some("other"), ICE, 400, "malformed If-Match"),
        (Some("*"), "", 400, "the fragment is empty"),
        (Some("*"), "v0", 400, "line 1 of the fragment is not SDP"),
        (
            Some("*"),
            "a=ice-ufrag:other\r\na=ice-pwd:short\r\n",
            400,
            "malformed a=ice-pwd in line 2 of the fragment",
        ),
        (Some("*"), &"m=video 9 X 96\r\n".repeat(5), 400, "fragment of 5 media sections, max 4"),
        (Some("*"), &"a=x:y\r\n".repeat(2400), 413, "request body too long, max 16384 bytes"),
    ] {
        let refused = patch(&viewer, if_match, fragment);
        assert_eq!((refused.status, detail(&refused).as_str()), (status, expected));
        assert_eq!(refused.header("etag"), None);
    }
    // Candidates, and those of a generation that weir never heard of, are dropped without a word.
    for fragment in
        [candidate, &candidate.repeat(200), &("a=ice-ufrag:other\r\n".to_owned() + candidate)]
    {
        let taken = patch(&viewer, None, fragment);
        assert_eq!((taken.status, taken.header("etag"), taken.body.as_str()), (204, None, ""));
    }
    watch(&mut viewer, 3 * SECOND_US);
    assert!(answers(&viewer, &before));
}

#[test]
fn a_session_in_handshake_has_to_wait_for_its_restart() {
    let fixture = Fixture::open();
    let agent = Agent::post(fixture.server.http, CAMERA, NO_FINGERPRINT).expect("201");
    agent.nominate();
    let headers = [PATCH_TYPE, ("If-Match", "*")];
    let refused = whep::request(fixture.server.http, "PATCH", &agent.location, &headers, ICE);
    let refused = refused.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(refused.status, 409);
    assert_eq!(detail(&refused), "an ICE restart has to wait until the session is connected");
    assert_eq!(refused.header("retry-after"), Some("1"));
    agent.nominate();
}

#[test]
fn a_flood_of_restarts_costs_its_sender_and_nobody_else() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let mut other = fixture.viewer();
    let before = viewer.answer.clone();
    let mut granted = 0;
    for round in 0..300 {
        let fragment = ICE.replace("other", &format!("other{round}"));
        let answer = patch(&viewer, Some("*"), &fragment);
        match answer.status {
            200 => granted += 1,
            429 => {
                assert_eq!(detail(&answer), "an ICE restart was less than 1 s ago");
                assert_eq!(answer.header("retry-after"), Some("1"));
            }
            status => panic!("{status}: {}", answer.body),
        }
        wall::run_one(&mut other, 2_000, |_| false);
        wall::run_one(&mut viewer, 2_000, |_| false);
    }
    assert!((1..10).contains(&granted), "{granted} restarts");
    watch(&mut viewer, 2 * SECOND_US);
    assert!(answers(&viewer, &before), "the pair in use is the last that goes");
    watch(&mut other, SECOND_US);
}

/// A webrtcbin without `max-bundle` has credentials for each section, and candidates for them all.
#[test]
fn candidates_for_a_section_that_is_not_used_are_no_restart() {
    let fixture = Fixture::open();
    let sound = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=rtcp-mux\r\na=recvonly\r\n\
                 a=ice-ufrag:sound\r\na=ice-pwd:a-password-of-the-sound\r\n";
    let offer = agent::offer(NO_FINGERPRINT).replace("BUNDLE 0", "BUNDLE 0 1") + sound;
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    let agent = Agent::post_from(local, fixture.server.http, CAMERA, &offer).expect("201");
    agent.nominate();
    let patch = |fragment: &str| {
        let headers = [PATCH_TYPE, ("If-Match", "*")];
        let answer =
            whep::request(fixture.server.http, "PATCH", &agent.location, &headers, fragment);
        answer.unwrap_or_else(|error| panic!("{error}")).status
    };
    let candidate = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    assert_eq!(patch(&(sound.to_owned() + candidate)), 204);
    assert_eq!(patch(&(sound.replace(":sound", ":other") + candidate)), 409, "that is a restart");
}
