//! Whose a session is: it ends with its user, token or login, and with nothing of anybody else's.

use crate::common::agent::{self, NO_FINGERPRINT, offer};
use crate::common::server::wait_for;
use crate::common::stage::{CAMERA, Stage};
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
fn stage(parts: &[String]) -> Stage {
    let stage = Stage::open_with(|setup| "tls = \"off\"".clone_into(&mut setup.https));
    change(&stage, parts);
    let locked = || stage.server.get("/api/cameras").status == 401;
    assert!(wait_for(PATIENCE_US, locked), "{}", stage.server.log());
    stage
}

fn bearer(token: &str) -> (String, String) {
    ("Authorization".to_owned(), format!("Bearer {token}"))
}

fn log_in(stage: &Stage, user: &str) -> (String, String) {
    let form = format!("user={user}&password={}&next=/", PASSWORD.replace(' ', "+"));
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = request(stage.server.http, "POST", "/-/login", &headers, &form);
    let answer = answer.expect("an answer");
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    ("Cookie".to_owned(), cookie.split(';').next().unwrap_or_default().to_owned())
}

fn viewer(stage: &Stage, credentials: &(String, String)) -> Viewer {
    let headers = vec![credentials.clone()];
    stage.viewer_with(&Options { headers, ..Options::default() })
}

/// What another offer with these credentials is answered.
fn offer_again(stage: &Stage, credentials: &(String, String)) -> Response {
    let (name, value) = credentials;
    let headers = [("Content-Type", "application/sdp"), (name, value)];
    let path = format!("/{CAMERA}/whep");
    request(stage.server.http, "POST", &path, &headers, &offer(NO_FINGERPRINT)).expect("an answer")
}

/// Replaces the accounts and sends SIGHUP.
fn change(stage: &Stage, parts: &[String]) {
    let text = std::fs::read_to_string(stage.server.config()).expect("the file");
    let mut kept = true;
    let lines = text.lines().filter(|line| {
        if line.starts_with('[') {
            kept = !matches!(*line, "[[user]]" | "[[token]]");
        }
        kept
    });
    let rest: String = lines.map(|line| format!("{line}\n")).collect();
    stage.server.write(&(rest + &parts.concat()));
    stage.server.hang_up();
}

/// The session of `viewer` ends within a second with this reason, which its player is told too.
fn assert_ends(stage: &Stage, viewer: &Viewer, reason: &str) {
    let ended = || stage.session(viewer.local())["state"] == "ended";
    assert!(wait_for(SECOND_US, ended), "{}", stage.server.log());
    assert_eq!(stage.session(viewer.local())["reason"], reason);
    let told = stage.server.get(&viewer.location);
    assert_eq!((told.status, &told.json()["detail"]), (404, &reason.into()));
    let said = format!("ended: {reason}");
    assert!(stage.server.log().contains(&said), "{}", stage.server.log());
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
    let stage = stage(&users);
    let logins = ["anna", "bert", "carl"].map(|name| log_in(&stage, name));
    let [anna, bert, carl] = logins.each_ref().map(|login| viewer(&stage, login));
    change(&stage, &[user("bert", "viewer", OTHER_HASH), user("carl", "viewer", HASH)]);
    assert_ends(&stage, &anna, "the user was removed or changed");
    assert_ends(&stage, &bert, "the user was removed or changed");
    assert_lives(&mut [carl]);
    assert_eq!(offer_again(&stage, &logins[0]).status, 401);
    assert_eq!(offer_again(&stage, &logins[1]).status, 401);
    assert_eq!(offer_again(&stage, &logins[2]).status, 201);
}

#[test]
fn a_removed_token_loses_its_sessions_and_no_other_token_does() {
    let stage = stage(&["wall", "hall"].map(|name| token(name, "viewer")));
    let (wall, hall) = (viewer(&stage, &bearer("wall")), viewer(&stage, &bearer("hall")));
    change(&stage, &[token("hall", "viewer")]);
    assert_ends(&stage, &wall, "the token was removed or changed");
    assert_lives(&mut [hall]);
    assert_eq!(offer_again(&stage, &bearer("wall")).status, 401);
}

#[test]
fn a_logout_ends_the_sessions_of_that_login_alone() {
    let stage = stage(&[user("anna", "viewer", HASH)]);
    let (here, there) = (log_in(&stage, "anna"), log_in(&stage, "anna"));
    let sessions = [&here, &here, &there].map(|login| viewer(&stage, login));
    let [first, second, other] = sessions;
    let cookie = [(here.0.as_str(), here.1.as_str())];
    let left = request(stage.server.http, "POST", "/-/logout", &cookie, "");
    assert_eq!(left.expect("an answer").status, 303);
    assert_ends(&stage, &first, "logged out");
    assert_ends(&stage, &second, "logged out");
    assert_lives(&mut [other]);
}

#[test]
fn the_first_user_ends_what_was_shown_without_one() {
    let stage = Stage::open_with(|setup| "tls = \"off\"".clone_into(&mut setup.https));
    let mut before = stage.viewer();
    change(&stage, &[user("anna", "viewer", HASH)]);
    assert!(wall::run_one(&mut before, SECOND_US, |viewer| viewer.ended.is_some()), "it goes on");
    let told = stage.server.get(&before.location).json();
    assert_eq!(told["detail"], "this needs a login or a token now");
    let refused =
        agent::post(before.local().ip(), stage.server.http, CAMERA, &offer(NO_FINGERPRINT));
    assert_eq!(refused.expect("an answer").status, 401);
}

/// A DELETE of a session by its public id.
fn end_by_id(stage: &Stage, id: u64, headers: &[(&str, &str)]) -> Response {
    let path = format!("/api/sessions/{id}");
    request(stage.server.http, "DELETE", &path, headers, "").expect("an answer")
}

#[test]
fn an_operator_ends_a_session_by_its_id_and_a_viewer_does_not() {
    let accounts =
        [user("anna", "operator", HASH), user("bert", "viewer", HASH), token("wall", "viewer")];
    let stage = stage(&accounts);
    let (anna, bert) = (log_in(&stage, "anna"), log_in(&stage, "bert"));
    let (mut meant, other) = (viewer(&stage, &bearer("wall")), viewer(&stage, &bearer("wall")));
    let id = stage.session(meant.local())["id"].as_u64().expect("a number");
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
        assert_eq!(end_by_id(&stage, id, headers).status, status, "{what}");
    }
    let path = format!("/api/sessions/{id}");
    let got = request(stage.server.http, "GET", &path, &[anna], "").expect("an answer");
    assert_eq!((got.status, got.header("allow")), (405, Some("DELETE")));
    let unknown = end_by_id(&stage, id + 99, &[anna]);
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["detail"], format!("there is no session {}", id + 99));
    assert_eq!(stage.session(meant.local())["state"], "live");

    assert_eq!(end_by_id(&stage, id, &[anna]).status, 204);
    assert!(wall::run_one(&mut meant, SECOND_US, |viewer| viewer.ended.is_some()), "it is told");
    assert_ends(&stage, &meant, "ended by an operator");
    let again = end_by_id(&stage, id, &[anna]);
    assert_eq!(again.status, 404);
    let expected = format!("session {id} has ended already: ended by an operator");
    assert_eq!(again.json()["detail"], expected);
    assert_lives(&mut [other]);
}

#[test]
fn the_console_ends_a_session_by_its_id() {
    let stage = Stage::open();
    let mut viewer = stage.viewer();
    let id = stage.session(viewer.local())["id"].to_string();
    let (is_done, said) = stage.server.console(&["end", &id]);
    assert!(is_done && said == format!("session {id} is ended\n"), "{said}");
    assert!(wall::run_one(&mut viewer, SECOND_US, |viewer| viewer.ended.is_some()), "it is told");
    assert_ends(&stage, &viewer, "ended by an operator");
    let (is_done, said) = stage.server.console(&["end", &id]);
    assert!(!is_done && said.contains("has ended already"), "{said}");
    assert!(!stage.server.console(&["end", "x"]).0);
}
