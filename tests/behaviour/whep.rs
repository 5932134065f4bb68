//! WHEP as players speak it: answers, sessions' addresses, and refusals that say why.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use serde_json::Value;

use crate::common::agent::{self, NO_FINGERPRINT, attribute, candidates, offer};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::server::CameraEntry;
use crate::common::viewer::{Options, Viewer, wall};
use crate::common::whep::{self, Response};

const PATIENCE_US: u64 = 5_000_000;
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

fn post(fixture: &Fixture, camera: &str, offer: &str) -> Response {
    let answer = agent::post(Ipv4Addr::LOCALHOST.into(), fixture.server.http, camera, offer);
    answer.unwrap_or_else(|error| panic!("{error}"))
}

fn detail(refused: &Response) -> String {
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let problem = refused.json();
    assert_eq!((&problem["schema"], &problem["status"]), (&1.into(), &refused.status.into()));
    problem["detail"].as_str().expect("words").to_owned()
}

fn plain_offer() -> String {
    offer(NO_FINGERPRINT)
}

#[test]
fn an_answer_says_what_weir_does_and_nothing_else() {
    let fixture = Fixture::open();
    let created = post(&fixture, CAMERA, &plain_offer());
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.header("content-type"), Some("application/sdp"));
    assert_eq!(created.header("access-control-allow-origin"), None, "no page asked");
    let exposed = created.header("access-control-expose-headers").unwrap_or_default();
    assert!(exposed.contains("Location") && exposed.contains("ETag"), "{exposed}");
    let location = created.header("location").expect("a Location");
    let secret = location.strip_prefix("/gate/whep/").expect("below its camera");
    assert_eq!(secret.len(), 32);
    let etag = created.header("etag").expect("an ETag");
    assert!(etag.starts_with('"') && etag.ends_with('"'), "strong: {etag}");

    let answer = created.body;
    let lines: Vec<&str> = answer.lines().collect();
    for expected in [
        "a=ice-lite",
        "a=setup:passive",
        "a=group:BUNDLE 0",
        "a=mid:0",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtpmap:96 H264/90000",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 ccm fir",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
    ] {
        assert!(lines.contains(&expected), "{expected} in {answer}");
    }
    assert!(lines.contains(&format!("a=extmap:6 {PLAYOUT_DELAY}").as_str()), "{answer}");
    for absent in ["rtx", "transport-cc", "transport-wide-cc", "goog-remb", "apt=", "red/", "fec"] {
        assert!(!answer.contains(absent), "{absent} in {answer}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("a=extmap:")).count(), 1);
    assert!(attribute(&answer, "fingerprint").is_some_and(|value| value.starts_with("sha-256 ")));
    assert_eq!(candidates(&answer)[0], fixture.server.media);
}

#[test]
fn an_answer_leaves_out_what_was_not_offered() {
    let fixture = Fixture::open();
    let bare: String = plain_offer()
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=extmap:") && !line.starts_with("a=rtcp-fb:"))
        .collect();
    let created = post(&fixture, CAMERA, &bare);
    assert_eq!(created.status, 201);
    assert!(!created.body.contains("extmap") && !created.body.contains("rtcp-fb"));
}

#[test]
fn without_resend_there_is_no_nack() {
    let fixture = Fixture::open_with(|setup| setup.webrtc = "resend = false".to_owned());
    let answer = post(&fixture, CAMERA, &plain_offer()).body;
    assert!(!answer.lines().any(|line| line == "a=rtcp-fb:96 nack"), "{answer}");
    assert!(answer.contains("a=rtcp-fb:96 nack pli\r\n"), "{answer}");
}

#[test]
fn sound_that_is_offered_is_declined_in_its_place() {
    let fixture = Fixture::open();
    let sound = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n\
                 a=recvonly\r\na=rtpmap:111 opus/48000/2\r\n";
    let answer = post(&fixture, CAMERA, &(plain_offer() + sound)).body;
    let media: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media, ["m=video 9 UDP/TLS/RTP/SAVPF 96", "m=audio 0 UDP/TLS/RTP/SAVPF 111"]);
    assert!(answer.contains("a=group:BUNDLE 0\r\n"), "{answer}");
}

#[test]
fn sound_that_shares_the_transport_is_declined_with_all_of_it() {
    const LINES: [&str; 6] = [
        "candidate:",
        "ice-ufrag:",
        "ice-pwd:",
        "fingerprint:sha-256 ",
        "setup:passive",
        "rtcp-mux",
    ];
    let fixture = Fixture::open();
    // First, as GStreamer's whepsrc has it: players look there for the transport.
    let sound = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:sound\r\n\
                 a=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 OPUS/48000/2\r\nm=video";
    let plain = plain_offer().replace("BUNDLE 0", "BUNDLE sound 0");
    let answer = post(&fixture, CAMERA, &plain.replace("m=video", sound)).body;
    assert!(answer.contains("a=group:BUNDLE sound 0\r\n"), "{answer}");
    let sections: Vec<&str> = answer.split("\r\nm=").skip(1).collect();
    assert!(sections[0].starts_with("audio 9 UDP/TLS/RTP/SAVPF 111\r\n"), "{answer}");
    assert!(
        sections[0].contains("a=inactive") && sections[0].contains("a=rtpmap:111 OPUS/48000/2")
    );
    for (section, line) in sections.iter().flat_map(|section| LINES.map(|line| (section, line))) {
        assert!(section.contains(&format!("\r\na={line}")), "{line} in {section}");
    }
}

#[test]
fn a_session_answers_at_its_address_while_it_lives() {
    let fixture = Fixture::open();
    let created = post(&fixture, CAMERA, &plain_offer());
    let location = created.header("location").expect("a Location");
    let etag = created.header("etag").expect("an ETag");
    let ask = |method, headers: &[(&str, &str)], body| {
        let answer = whep::request(fixture.server.http, method, location, headers, body);
        answer.unwrap_or_else(|error| panic!("{error}")).status
    };
    let fragment = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    let patch = ("Content-Type", "application/trickle-ice-sdpfrag");
    assert_eq!(ask("PATCH", &[patch], fragment), 204);
    assert_eq!(ask("PATCH", &[patch, ("If-Match", etag)], fragment), 204);
    assert_eq!(ask("PATCH", &[patch, ("If-Match", "\"other\"")], fragment), 412);
    assert_eq!(ask("PATCH", &[("Content-Type", "text/plain")], fragment), 415);
    assert_eq!(ask("GET", &[], ""), 204);
    assert_eq!(ask("OPTIONS", &[], ""), 200);
    assert_eq!(ask("PUT", &[], ""), 405);
    assert_eq!(ask("DELETE", &[], ""), 200);
    for method in ["GET", "DELETE"] {
        assert_eq!(ask(method, &[], ""), 404, "{method}");
    }
    assert_eq!(ask("PATCH", &[patch], fragment), 404);
}

#[test]
fn players_of_other_sites_are_told_what_they_may_do() {
    let ice_servers = ["stun:stun.example.net", "stuns:[2001:db8::1]:5349"];
    let portal = "https://portal.example";
    let fixture = Fixture::open_with(|setup| {
        setup.http = format!("ice_servers = {ice_servers:?}\norigins = [{portal:?}]");
    });
    let send = |method: &str, path: &str, content_type, body: &str| {
        let headers = [("Origin", portal), ("Content-Type", content_type)];
        let answer = whep::request(fixture.server.http, method, path, &headers, body);
        answer.unwrap_or_else(|error| panic!("{error}"))
    };
    let created = send("POST", "/gate/whep", "application/sdp", &plain_offer());
    let session = created.header("location").expect("a Location");
    let ask = |method, path| send(method, path, "", "");
    let (endpoint, session) = (ask("OPTIONS", "/gate/whep"), ask("OPTIONS", session));
    assert_eq!((endpoint.status, session.status), (200, 200));
    assert_eq!(endpoint.header("accept-post"), Some("application/sdp"));
    let fragment = Some("application/trickle-ice-sdpfrag");
    assert_eq!(
        (session.header("accept-patch"), created.header("accept-patch")),
        (fragment, fragment)
    );
    for answer in [&endpoint, &session, &created] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(portal));
        let allowed = answer.header("access-control-allow-headers").unwrap_or_default();
        for name in ["Authorization", "Content-Type", "If-Match"] {
            assert!(allowed.contains(name), "{name} in {allowed}");
        }
    }
    for answer in [&endpoint, &created] {
        let links: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "link")
            .map(|(_, value)| value.as_str())
            .collect();
        let expected = ice_servers.map(|uri| format!("<{uri}>; rel=\"ice-server\""));
        assert_eq!(links, expected);
    }
    let there = ask("HEAD", "/gate/whep");
    assert_eq!((there.status, there.header("content-type")), (200, Some("application/sdp")));
    assert_eq!(ask("GET", "/gate/whep").status, 204);
    assert_eq!((ask("HEAD", "/attic/whep").status, ask("GET", "/attic/whep").status), (404, 404));
}

#[test]
fn a_camera_that_is_down_is_a_conflict_with_its_reason() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("a bound socket");
    drop(closed);
    let fixture = Fixture::open_with(|setup| {
        setup.cameras.push(CameraEntry {
            name: "down".to_owned(),
            url: format!("rtsp://{address}/"),
            login: None,
        });
    });
    let reason = "the camera refuses the connection: is its RTSP port right?";
    let waits = |camera: &Value| camera["name"] == "down" && camera["state"] == "waiting";
    assert!(crate::common::server::wait_for(PATIENCE_US, || {
        let listed = fixture.server.get("/api/cameras").json();
        listed["cameras"].as_array().expect("a list").iter().any(waits)
    }));
    let refused = post(&fixture, "down", &plain_offer());
    assert_eq!(refused.status, 409);
    assert_eq!(detail(&refused), reason);
    assert_eq!(refused.header("retry-after"), Some("2"));

    let unknown = post(&fixture, "no-such-camera", &plain_offer());
    assert_eq!(
        (unknown.status, detail(&unknown).as_str()),
        (404, "there is no camera of that name")
    );
    assert!(fixture.sessions().is_empty(), "a refusal is no session");
}

#[test]
fn an_offer_weir_cannot_serve_is_told_why() {
    let fixture = Fixture::open();
    let plain = plain_offer();
    for (offer, status, expected) in [
        (plain.replace("H264/90000", "VP8/90000"), 422, "this browser offers no H.264"),
        (
            plain.replace("packetization-mode=1;", ""),
            422,
            "h.264 in offer lacks packetization-mode=1 in its a=fmtp",
        ),
        (
            plain.replace("a=recvonly", "a=sendonly"),
            422,
            "video is sendonly in offer, it must be recvonly or sendrecv",
        ),
        (plain.replace("m=video", "m=audio"), 422, "no video in offer"),
        (
            plain.replace("a=setup:actpass", "a=setup:passive"),
            422,
            "setup:passive in offer, it must be actpass or active",
        ),
        (
            plain.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"),
            422,
            "the offerer is ice-lite, and so is weir",
        ),
        (plain.replace("a=ice-ufrag:hand\r\n", ""), 400, "no a=ice-ufrag in offer"),
        (plain.replace("a=fingerprint:", "a=x:"), 400, "no a=fingerprint in offer"),
        (
            plain.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1"),
            422,
            "a=fingerprint in offer is not by sha-256",
        ),
        (
            plain.replace("a=rtcp-mux\r\n", ""),
            422,
            "no a=rtcp-mux in offer, and weir has one port for media and reports",
        ),
        (plain.replace("sha-256 00:", "sha-256 zz:"), 400, "malformed fingerprint in offer"),
        (
            plain.replace("a=ice-pwd:a-password-of-22-chars", "a=ice-pwd:short"),
            400,
            "malformed ice-pwd in offer",
        ),
        (
            plain.replace("m=video 9 UDP/TLS/RTP/SAVPF 96 97", "m=video 9"),
            400,
            "malformed m-line in offer",
        ),
        ("hello".to_owned(), 400, "the offer is not SDP: it does not begin with v=0"),
        ("v=0\r\n".to_owned(), 422, "no video in offer"),
        (String::new(), 400, "the offer is empty"),
    ] {
        let refused = post(&fixture, CAMERA, &offer);
        assert_eq!((refused.status, detail(&refused).as_str()), (status, expected));
    }
    for (headers, found) in
        [(vec![], "none"), (vec![("Content-Type", "application/json")], "application/json")]
    {
        let answer = whep::request(fixture.server.http, "POST", "/gate/whep", &headers, &plain);
        let refused = answer.expect("an answer");
        assert_eq!(refused.status, 415);
        assert_eq!(
            detail(&refused),
            format!("an offer needs the content type application/sdp, not {found}")
        );
        assert_eq!(refused.header("accept-post"), Some("application/sdp"));
    }
    assert_eq!(fixture.server.metric("weir_sessions"), Some(0.0));
}

#[test]
fn an_offer_over_a_bound_is_told_its_size_and_the_bound() {
    let fixture = Fixture::open();
    let mut plain = plain_offer();
    let sections = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(199);
    let line = "a=candidate:1 1 udp 1 a.local 9 typ host\r\n";
    let long = plain.replace("a=mid:0", &format!("a=mid:{}", "y".repeat(257)));
    for (offer, expected) in [
        (plain.clone() + &sections, "offer of 200 media sections, max 4"),
        (long, "a=mid of 257 bytes in offer, max 256"),
    ] {
        let refused = post(&fixture, CAMERA, &offer);
        assert_eq!((refused.status, detail(&refused).as_str()), (400, expected));
    }
    // weir needs no candidate: on a machine with many networks a player has more than it can use.
    let many = post(&fixture, CAMERA, &(plain.clone() + &line.repeat(200)));
    assert_eq!(many.status, 201, "{}", many.body);
    plain += &"a=x:y\r\n".repeat((20_000 - plain.len()) / 7);
    let refused = post(&fixture, CAMERA, &plain);
    assert_eq!(refused.status, 413);
    assert_eq!(detail(&refused), "request body too long, max 16384 bytes");
}

#[test]
fn a_sessions_address_is_a_secret() {
    let fixture = Fixture::open_with(|setup| {
        setup.environment.push(("RUST_LOG".to_owned(), "trace".to_owned()));
    });
    let viewer = fixture.viewer();
    let secret = viewer.location.rsplit('/').next().expect("a path").to_owned();
    let password = attribute(&viewer.answer, "ice-pwd").expect("it is there").to_owned();
    assert_eq!(viewer.delete().expect("an answer"), 200);
    assert!(fixture.wait_until_empty(PATIENCE_US));
    let shown = [
        fixture.server.tell("sessions").to_string(),
        fixture.server.get("/api/cameras").body,
        fixture.server.metrics(),
        fixture.server.log(),
    ];
    for text in shown {
        assert!(!text.contains(&secret), "the session's secret is in {text}");
        assert!(!text.contains(&password), "the ICE password is in {text}");
    }
}

/// A fixture on all addresses, asked at one of them.
fn watch_at(ip: IpAddr) {
    let mut fixture = Fixture::open_with(|setup| setup.host = "[::]".to_owned());
    let media = SocketAddr::new(ip, fixture.server.media.port());
    fixture.server.http.set_ip(ip);
    let mut viewer = fixture.viewer_with(&Options { local: ip, ..Options::default() });
    assert_eq!(candidates(&viewer.answer)[0], media, "{}", viewer.answer);
    assert_eq!(viewer.remote(), Some(media));
    let packets = viewer.reception.counts.packets;
    let has_more = |viewer: &Viewer| viewer.reception.counts.packets > packets + 50;
    assert!(wall::run_one(&mut viewer, PATIENCE_US, has_more));
    assert_eq!(fixture.session(viewer.local())["state"], "live");
}

#[test]
fn an_ipv4_viewer_of_a_dual_stack_server_gets_ipv4() {
    watch_at(Ipv4Addr::LOCALHOST.into());
}

#[test]
fn an_ipv6_viewer_gets_an_ipv6_candidate_and_its_media() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    watch_at(Ipv6Addr::LOCALHOST.into());
}
