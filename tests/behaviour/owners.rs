//! Whose a session is: it ends with its user, token or login, and with nothing of anybody else's.

use crate::common::agent::{self, NO_FINGERPRINT, offer};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::server::wait_for;
use crate::common::viewer::{Options, Viewer, wall};
use crate::common::whep::{Response, request};

const PASSWORD: &str = "correct horse";
/// Of [`PASSWORD`], by Python's hashlib.
const HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";
/// Of "another horse", as far as anybody can tell: only that it differs matters.
const OTHER_HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZw$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";
const PATIENCE_US: u64 = 10_000_000;
const SECOND_US: u64 = 1_000_000;

fn user(name: &str, role: &str, hash: &str) -> String {
    format!("[[user]]\nname = \"{name}\"\nrole = \"{role}\"\npassword = \"{hash}\"\n")
}

fn token(name: &str, role: &str) -> String {
    let hash = weir::access::TokenHash::of(name);
    format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nhash = \"{hash}\"\n")
}

/// A camera that plays, and these users and tokens.
fn fixture(parts: &[String]) -> Fixture {
    let fixture = Fixture::open_with(|setup| "tls = \"off\"".clone_into(&mut setup.https));
    change(&fixture, parts);
    let locked = || fixture.server.get("/api/cameras").status == 401;
    assert!(wait_for(PATIENCE_US, locked), "{}", fixture.server.log());
    fixture
}

fn bearer(token: &str) -> (String, String) {
    ("Authorization".to_owned(), format!("Bearer {token}"))
}

fn log_in(fixture: &Fixture, user: &str) -> (String, String) {
    let form = format!("user={user}&password={}&next=/", PASSWORD.replace(' ', "+"));
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = request(fixture.server.http, "POST", "/-/login", &headers, &form);
    let answer = answer.expect("an answer");
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    ("Cookie".to_owned(), cookie.split(';').next().unwrap_or_default().to_owned())
}

fn viewer(fixture: &Fixture, credentials: &(String, String)) -> Viewer {
    let headers = vec![credentials.clone()];
    fixture.viewer_with(&Options { headers, ..Options::default() })
}

/// What another offer with these credentials is answered.
fn offer_again(fixture: &Fixture, credentials: &(String, String)) -> Response {
    let (name, value) = credentials;
    let headers = [("Content-Type", "application/sdp"), (name, value)];
    let path = format!("/{CAMERA}/whep");
    request(fixture.server.http, "POST", &path, &headers, &offer(NO_FINGERPRINT))
        .expect("an answer")
}

/// Replaces the accounts and sends SIGHUP.
fn change(fixture: &Fixture, parts: &[String]) {
    let text = std::fs::read_to_string(fixture.server.config()).expect("the file");
    let mut kept = true;
    let lines = text.lines().filter(|line| {
        if line.starts_with('[') {
            kept = !matches!(*line, "[[user]]" | "[[token]]");
        }
        kept
    });
    let rest: String = lines.map(|line| format!("{line}\n")).collect();
    fixture.server.write(&(rest + &parts.concat()));
    fixture.server.hang_up();
}

/// The session of `viewer` ends within a second with this reason, which its player is told too.
fn assert_ends(fixture: &Fixture, viewer: &Viewer, reason: &str) {
    let ended = || fixture.session(viewer.local())["state"] == "ended";
    assert!(wait_for(SECOND_US, ended), "{}", fixture.server.log());
    assert_eq!(fixture.session(viewer.local())["reason"], reason);
    let told = fixture.server.get(&viewer.location);
    assert_eq!((told.status, &told.json()["detail"]), (404, &reason.into()));
    let said = format!("ended: {reason}");
    assert!(fixture.server.log().contains(&said), "{}", fixture.server.log());
}

fn assert_lives(viewers: &mut [Viewer]) {
    let had: Vec<_> = viewers.iter().map(|viewer| viewer.reception.counts.packets).collect();
    let go_on = wall::run(viewers, PATIENCE_US, |viewers| {
        let mut both = viewers.iter().zip(&had);
        both.all(|(viewer, had)| viewer.reception.counts.packets > had + 50)
    });
    assert!(go_on && viewers.iter().all(|viewer| viewer.ended.is_none()));
}

#[test]
fn a_removed_user_and_a_changed_one_lose_their_sessions_and_nobody_else_does() {
    let users = ["anna", "bert", "carl"].map(|name| user(name, "viewer", HASH));
    let fixture = fixture(&users);
    let logins = ["anna", "bert", "carl"].map(|name| log_in(&fixture, name));
    let [anna, bert, carl] = logins.each_ref().map(|login| viewer(&fixture, login));
    change(&fixture, &[user("bert", "viewer", OTHER_HASH), user("carl", "viewer", HASH)]);
    assert_ends(&fixture, &anna, "the user was removed or changed");
    assert_ends(&fixture, &bert, "the user was removed or changed");
    assert_lives(&mut [carl]);
    assert_eq!(offer_again(&fixture, &logins[0]).status, 401);
    assert_eq!(offer_again(&fixture, &logins[1]).status, 401);
    assert_eq!(offer_again(&fixture, &logins[2]).status, 201);
}

#[test]
fn a_removed_token_loses_its_sessions_and_no_other_token_does() {
    let fixture = fixture(&["wall", "hall"].map(|name| token(name, "viewer")));
    let (wall, hall) = (viewer(&fixture, &bearer("wall")), viewer(&fixture, &bearer("hall")));
    change(&fixture, &[token("hall", "viewer")]);
    assert_ends(&fixture, &wall, "the token was removed or changed");
    assert_lives(&mut [hall]);
    assert_eq!(offer_again(&fixture, &bearer("wall")).status, 401);
}

#[test]
fn a_logout_ends_the_sessions_of_that_login_alone() {
    let fixture = fixture(&[user("anna", "viewer", HASH)]);
    let (here, there) = (log_in(&fixture, "anna"), log_in(&fixture, "anna"));
    let sessions = [&here, &here, &there].map(|login| viewer(&fixture, login));
    let [first, second, other] = sessions;
    let cookie = [(here.0.as_str(), here.1.as_str())];
    let left = request(fixture.server.http, "POST", "/-/logout", &cookie, "");
    assert_eq!(left.expect("an answer").status, 303);
    assert_ends(&fixture, &first, "logged out");
    assert_ends(&fixture, &second, "logged out");
    assert_lives(&mut [other]);
}

#[test]
fn the_first_user_ends_what_was_shown_without_one() {
    let fixture = Fixture::open_with(|setup| "tls = \"off\"".clone_into(&mut setup.https));
    let mut before = fixture.viewer();
    change(&fixture, &[user("anna", "viewer", HASH)]);
    assert!(wall::run_one(&mut before, SECOND_US, |viewer| viewer.ended.is_some()), "it goes on");
    let told = fixture.server.get(&before.location).json();
    assert_eq!(told["detail"], "this needs a login or a token now");
    let refused =
        agent::post(before.local().ip(), fixture.server.http, CAMERA, &offer(NO_FINGERPRINT));
    assert_eq!(refused.expect("an answer").status, 401);
}

/// A DELETE of a session by its public id.
fn end_by_id(fixture: &Fixture, id: u64, headers: &[(&str, &str)]) -> Response {
    let path = format!("/api/sessions/{id}");
    request(fixture.server.http, "DELETE", &path, headers, "").expect("an answer")
}

#[test]
fn an_operator_ends_a_session_by_its_id_and_a_viewer_does_not() {
    let accounts =
        [user("anna", "operator", HASH), user("bert", "viewer", HASH), token("wall", "viewer")];
    let fixture = fixture(&accounts);
    let (anna, bert) = (log_in(&fixture, "anna"), log_in(&fixture, "bert"));
    let (mut meant, other) = (viewer(&fixture, &bearer("wall")), viewer(&fixture, &bearer("wall")));
    let id = fixture.session(meant.local())["id"].as_u64().expect("a number");
    let (anna, bert) = (("Cookie", anna.1.as_str()), ("Cookie", bert.1.as_str()));
    let (_, wall) = bearer("wall");
    let evil = ("Origin", "https://evil.example");
    for (what, headers, status) in [
        ("nobody", &[][..], 401),
        ("a viewer", &[bert], 403),
        ("a viewer's token", &[("Authorization", wall.as_str())], 403),
        ("another site's page", &[anna, evil], 403),
        ("another site's page", &[anna, ("Sec-Fetch-Site", "cross-site")], 403),
    ] {
        assert_eq!(end_by_id(&fixture, id, headers).status, status, "{what}");
    }
    let path = format!("/api/sessions/{id}");
    let got = request(fixture.server.http, "GET", &path, &[anna], "").expect("an answer");
    assert_eq!((got.status, got.header("allow")), (405, Some("DELETE")));
    let unknown = end_by_id(&fixture, id + 99, &[anna]);
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["detail"], format!("there is no session {}", id + 99));
    assert_eq!(fixture.session(meant.local())["state"], "live");

    assert_eq!(end_by_id(&fixture, id, &[anna]).status, 204);
    assert!(wall::run_one(&mut meant, SECOND_US, |viewer| viewer.ended.is_some()), "it is told");
    assert_ends(&fixture, &meant, "ended by an operator");
    let again = end_by_id(&fixture, id, &[anna]);
    assert_eq!(again.status, 404);
    let expected = format!("session {id} has ended already: ended by an operator");
    assert_eq!(again.json()["detail"], expected);
    assert_lives(&mut [other]);
}

#[test]
fn the_console_ends_a_session_by_its_id() {
    let fixture = Fixture::open();
    let mut viewer = fixture.viewer();
    let id = fixture.session(viewer.local())["id"].to_string();
    let (is_done, said) = fixture.server.console(&["end", &id]);
    assert!(is_done && said == format!("session {id} is ended\n"), "{said}");
    assert!(wall::run_one(&mut viewer, SECOND_US, |viewer| viewer.ended.is_some()), "it is told");
    assert_ends(&fixture, &viewer, "ended by an operator");
    let (is_done, said) = fixture.server.console(&["end", &id]);
    assert!(!is_done && said.contains("has ended already"), "{said}");
    assert!(!fixture.server.console(&["end", "x"]).0);
}
