//! Decisions, with a clock turned by hand and hashes that are made up.

use std::net::IpAddr;

use super::*;
use crate::access::client::key;
use crate::access::{Token, TokenHash, User};
use crate::limits::{CREDENTIALS_REMEMBERED_US, FAILURES_FREE, PASSWORD_REQUESTS_MAX};

const NOW: Now = Now { us: 1_000_000_000, unix_s: 1_800_000_000 };

fn later(us: u64) -> Now {
    Now { us: NOW.us + us, unix_s: NOW.unix_s + us / 1_000_000 }
}

fn account(name: &str, role: Role) -> Account {
    Account { name: name.to_owned(), role }
}

/// anna the operator, bert the viewer, and the token "wall-token" of a wall.
fn policy() -> Policy {
    let user = |name, role| User::new(account(name, role), PasswordHash::of_nobody(0));
    let wall = account("wall", Role::Viewer);
    Policy {
        users: vec![user("anna", Role::Operator), user("bert", Role::Viewer)],
        tokens: vec![Token { account: wall, hash: TokenHash::of("wall-token") }],
        has_accounts: true,
        ..Policy::default()
    }
}

fn access() -> Access {
    Access::new(Logins::default())
}

fn client(last: u8) -> Sender {
    let ip = IpAddr::from([192, 0, 2, last]);
    Sender::new(ip, ip)
}

fn asked(presented: PresentedCredentials) -> AuthRequest {
    AuthRequest { sender: client(1), is_local: false, presented, login: None }
}

/// What comes of it at once.
fn known(verdict: Result<AuthVerdict, Denial>) -> Result<(Option<String>, Role, Means), Denial> {
    match verdict? {
        AuthVerdict::Known(Identity { name, role, means }) => Ok((name, role, means)),
        AuthVerdict::Hashing { .. } => panic!("it is being hashed"),
    }
}

/// Tries a password that has to be hashed, and says how that ended.
fn hash(access: &mut Access, user: &str, password: &str, from: u8, now: Now, is_right: bool) {
    let verdict = access.try_password(&policy(), user, password, &client(from), now);
    let Ok(AuthVerdict::Hashing { mut outcome, .. }) = verdict else {
        panic!("{:?}", known(verdict));
    };
    let job = access.next_job().expect("nothing else is being hashed");
    assert_eq!((job.password.as_str(), job.is_unknown_user), (password, user == "nobody"));
    access.hashed(job.attempt, Some(is_right), now);
    assert_eq!(outcome.try_recv(), Ok(is_right));
}

#[test]
fn without_accounts_this_machine_may_view_and_others_what_is_open() {
    let mut policy = Policy::default();
    let ask = |policy: &Policy, is_local| {
        let asked =
            AuthRequest { is_local, ..asked(PresentedCredentials::Token("any".to_owned())) };
        known(access().identify(policy, &asked, NOW))
    };
    assert_eq!(ask(&policy, true), Ok((None, Role::Viewer, Means::Local)));
    assert_eq!(ask(&policy, false), Err(Denial::NoAccounts));
    policy.open = true;
    assert_eq!(ask(&policy, false), Ok((None, Role::Viewer, Means::Open)));
    policy.has_accounts = true;
    assert_eq!(ask(&policy, false), Err(Denial::Wrong), "a bad section opens nothing");
    assert_eq!(ask(&policy, true), Err(Denial::Wrong), "not even to this machine");
}

#[test]
fn a_token_is_known_at_once_and_wrong_ones_keep_nobody_out() {
    let mut access = access();
    let policy = policy();
    let ask = |access: &mut Access, token: &str| {
        known(access.identify(&policy, &asked(PresentedCredentials::Token(token.to_owned())), NOW))
    };
    let right = Ok((Some("wall".to_owned()), Role::Viewer, Means::Token));
    assert_eq!(ask(&mut access, "wall-token"), right);
    for _ in 0..FAILURES_FREE {
        assert_eq!(ask(&mut access, "wrong"), Err(Denial::Wrong));
    }
    assert_eq!(ask(&mut access, "wrong"), Err(Denial::Wait { seconds: 10 }));
    assert_eq!(ask(&mut access, "wall-token"), right);
    hash(&mut access, "anna", "right", 1, NOW, true);
}

#[test]
fn a_good_login_goes_before_what_a_proxy_passes_on() {
    let mut access = access();
    let policy = policy();
    let login = access.log_in(&policy, "anna", NOW).expect("a user");
    let foreign =
        || PresentedCredentials::Password { user: "proxy".to_owned(), password: "x".to_owned() };
    let wrong_token = || PresentedCredentials::Token("of another".to_owned());
    let as_anna = Ok((Some("anna".to_owned()), Role::Operator, Means::Login));
    for _ in 0..2 * FAILURES_FREE {
        for presented in [
            foreign(),
            wrong_token(),
            PresentedCredentials::Unreadable,
            PresentedCredentials::Nothing,
        ] {
            let asked = AuthRequest { login: Some(login.clone()), ..asked(presented) };
            assert_eq!(known(access.identify(&policy, &asked, NOW)), as_anna);
        }
    }
    let wall = PresentedCredentials::Token("wall-token".to_owned());
    let asked_by_wall = AuthRequest { login: Some(login), ..asked(wall) };
    let by_token = Ok((Some("wall".to_owned()), Role::Viewer, Means::Token));
    assert_eq!(known(access.identify(&policy, &asked_by_wall, NOW)), by_token, "a right token");
    assert!(access.hashing.is_empty(), "nothing of it was tried");
    assert_eq!(known(access.identify(&policy, &asked(wrong_token()), NOW)), Err(Denial::Wrong));
    hash(&mut access, "anna", "right", 1, NOW, true);
}

#[test]
fn a_right_password_is_remembered_for_a_while() {
    let mut access = access();
    let policy = policy();
    let verdict = access.try_password(&policy, "anna", "right", &client(1), NOW);
    assert!(matches!(verdict, Ok(AuthVerdict::Hashing { .. })), "not known yet");
    let job = access.next_job().expect("it waits");
    access.hashed(job.attempt, Some(true), NOW);
    let role = |access: &mut Access, now| {
        access.try_password(&policy, "anna", "right", &client(2), now).map(
            |verdict| match verdict {
                AuthVerdict::Known(identity) => Some(identity.role),
                AuthVerdict::Hashing { .. } => None,
            },
        )
    };
    let last = later(CREDENTIALS_REMEMBERED_US - 1);
    assert_eq!(role(&mut access, last), Ok(Some(Role::Operator)));
    let mut changed = policy.clone();
    changed.users[0] = User::new(account("anna", Role::Viewer), policy.users[0].password.clone());
    let verdict = access.try_password(&changed, "anna", "right", &client(3), NOW);
    assert!(
        matches!(verdict, Ok(AuthVerdict::Hashing { .. })),
        "another section, another password"
    );
    assert_eq!(role(&mut access, later(CREDENTIALS_REMEMBERED_US)), Ok(None));
}

#[test]
fn the_same_password_at_one_instant_is_hashed_once() {
    let mut access = access();
    let policy = policy();
    let mut outcomes = Vec::new();
    let most = u8::try_from(PASSWORD_REQUESTS_MAX).expect("few connections");
    for number in 0..most {
        let verdict = access.try_password(&policy, "anna", "right", &client(number), NOW);
        let Ok(AuthVerdict::Hashing { outcome, .. }) = verdict else { panic!("not known yet") };
        outcomes.push(outcome);
    }
    let one_more = access.try_password(&policy, "anna", "right", &client(most), NOW);
    assert_eq!(one_more.map(|_| ()), Err(Denial::Busy), "the requests that wait are bounded");
    let job = access.next_job().expect("it waits");
    assert!(access.next_job().is_none());
    access.hashed(job.attempt, Some(true), NOW);
    assert!(access.next_job().is_none());
    assert!(outcomes.iter_mut().all(|outcome| outcome.try_recv() == Ok(true)));
}

#[test]
fn tries_at_one_instant_count_before_they_are_known_to_fail() {
    let mut access = access();
    let policy = policy();
    let mut try_from = |from: u8, number: u32| {
        access.try_password(&policy, "anna", &format!("guess {number}"), &client(from), NOW)
    };
    for number in 0..FAILURES_FREE {
        assert!(try_from(1, number).is_ok());
    }
    let wait = Err(Denial::Wait { seconds: 10 });
    assert_eq!(try_from(1, FAILURES_FREE).map(|_| ()), wait);
    for number in 0..3 {
        assert!(try_from(2, 100 + number).is_ok(), "another address");
    }
    assert!(try_from(2, 103).is_ok(), "the first address, which has five, makes room");
    assert_eq!(try_from(2, 104).map(|_| ()), Err(Denial::Busy), "both have four");
}

#[test]
fn one_address_with_many_passwords_delays_another_by_one_hash() {
    let mut access = access();
    let policy = policy();
    let try_from = |access: &mut Access, from: u8, guess: &str| {
        let verdict = access.try_password(&policy, "anna", guess, &client(from), NOW);
        match verdict {
            Ok(AuthVerdict::Hashing { outcome, .. }) => Ok(outcome),
            Ok(AuthVerdict::Known(_)) => panic!("{guess} is not known"),
            Err(denial) => Err(denial),
        }
    };
    let hash_next = |access: &mut Access| {
        let job = access.next_job().expect("some wait");
        access.hashed(job.attempt, Some(false), NOW);
        (job.attempt.sender, job.password)
    };
    let mut held = Vec::new();
    for guess in ["a", "b", "c", "d", "e"] {
        held.push(try_from(&mut access, 1, guess).expect("room"));
    }
    assert_eq!(hash_next(&mut access), (client(1), "a".to_owned()));
    held.push(try_from(&mut access, 2, "x").expect("room"));
    assert_eq!(hash_next(&mut access), (client(1), "b".to_owned()), "both have waited as long");
    assert_eq!(hash_next(&mut access), (client(2), "x".to_owned()));
    assert_eq!(hash_next(&mut access), (client(1), "c".to_owned()));
}

#[test]
fn a_full_queue_takes_from_the_address_that_has_most() {
    let mut access = access();
    let policy = policy();
    let mut try_from = |from: u8, guess: &str| {
        let verdict = access.try_password(&policy, "anna", guess, &client(from), NOW);
        verdict.map(|verdict| match verdict {
            AuthVerdict::Hashing { outcome, .. } => outcome,
            AuthVerdict::Known(_) => panic!("{guess} is not known"),
        })
    };
    let mut of_one: Vec<_> = (0..5).map(|n| try_from(1, &format!("{n}")).expect("room")).collect();
    let mut others: Vec<_> = (2..5).map(|from| try_from(from, "y").map(drop)).collect();
    assert!(others.iter().all(Result::is_ok), "the same password, one hash");
    for from in 2..4 {
        others.push(try_from(from, &format!("of {from}")).map(drop));
    }
    assert!(others.iter().all(Result::is_ok));
    let mut honest = try_from(9, "right").expect("the address with five makes room");
    let empty = Err(oneshot::error::TryRecvError::Empty);
    assert_eq!(honest.try_recv(), empty);
    let closed = Err(oneshot::error::TryRecvError::Closed);
    assert_eq!(of_one[4].try_recv(), closed, "its newest");
    assert_eq!(of_one[3].try_recv(), empty);
}

#[test]
fn who_is_locked_out_learns_nothing_and_a_right_password_later_clears_it() {
    let mut access = access();
    let policy = policy();
    let try_one = |access: &mut Access, password: &str, from: u8, now, is_right| {
        let verdict = access.try_password(&policy, "anna", password, &client(from), now);
        match verdict {
            Err(denial) => Some(denial),
            Ok(AuthVerdict::Known(_)) => None,
            Ok(AuthVerdict::Hashing { .. }) => {
                let job = access.next_job().expect("nothing else is being hashed");
                access.hashed(job.attempt, Some(is_right), now);
                None
            }
        }
    };
    assert_eq!(try_one(&mut access, "right", 2, NOW, true), None);
    for number in 0..FAILURES_FREE {
        assert_eq!(try_one(&mut access, &number.to_string(), 1, NOW, false), None);
    }
    // The password is remembered, for another address; a guess at it gets no other answer.
    for guess in ["right", "wrong"] {
        let seconds = 10;
        assert_eq!(try_one(&mut access, guess, 1, NOW, true), Some(Denial::Wait { seconds }));
    }
    let after = later(10_000_000);
    assert_eq!(try_one(&mut access, "new and right", 1, after, true), None);
    for number in 0..FAILURES_FREE {
        assert_eq!(try_one(&mut access, &number.to_string(), 1, after, false), None);
    }
}

#[test]
fn a_user_there_is_not_takes_as_long() {
    let mut access = access();
    let policy = policy();
    assert!(access.try_password(&policy, "nobody", "x", &client(1), NOW).is_ok());
    let nobody = access.next_job().expect("a password of nobody is hashed too");
    assert!(nobody.is_unknown_user);
    assert_eq!(nobody.rounds, policy.users[0].password.rounds());
    assert_eq!(nobody.hash.rounds(), nobody.rounds);
    access.hashed(nobody.attempt, Some(false), NOW);
    assert!(access.log_in(&policy, "nobody", NOW).is_none());
}

#[test]
fn a_login_is_its_users_as_long_as_the_section_stays_as_it_is() {
    let mut access = access();
    let mut policy = policy();
    assert!(!access.follow(&policy));
    let anna = access.log_in(&policy, "anna", NOW).expect("a user");
    let bert = access.log_in(&policy, "bert", NOW).expect("a user");
    let ask = |access: &mut Access, policy: &Policy, login: &str, now| {
        let asked =
            AuthRequest { login: Some(login.to_owned()), ..asked(PresentedCredentials::Nothing) };
        known(access.identify(policy, &asked, now)).map(|(name, ..)| name.unwrap_or_default())
    };
    assert_eq!(ask(&mut access, &policy, &anna, NOW), Ok("anna".to_owned()));
    let month = Now { unix_s: NOW.unix_s + 720 * 3600, ..NOW };
    assert_eq!(ask(&mut access, &policy, &anna, month), Err(Denial::Unknown));

    let before = policy.clone();
    policy.users[1] = User::new(account("bert", Role::Operator), policy.users[1].password.clone());
    assert!(access.follow(&policy), "a role is part of the section");
    assert_eq!(ask(&mut access, &policy, &anna, NOW), Ok("anna".to_owned()));
    assert_eq!(ask(&mut access, &policy, &bert, NOW), Err(Denial::Unknown));
    access.follow(&before);
    assert_eq!(ask(&mut access, &before, &bert, NOW), Err(Denial::Unknown), "it does not return");

    assert!(access.log_out(&anna).is_some());
    assert_eq!(ask(&mut access, &policy, &anna, NOW), Err(Denial::Unknown));
}

#[test]
fn a_hash_that_failed_is_no_answer_to_anybody() {
    let mut access = access();
    let verdict = access.try_password(&policy(), "anna", "right", &client(1), NOW);
    let Ok(AuthVerdict::Hashing { mut outcome, .. }) = verdict else { panic!("not known yet") };
    let job = access.next_job().expect("it waits");
    access.hashed(job.attempt, None, NOW);
    assert!(outcome.try_recv().is_err());
    assert!(access.hashing.is_empty());
}

#[test]
fn without_users_no_password_is_hashed_and_each_try_counts() {
    let mut access = access();
    let policy = Policy { users: Vec::new(), ..policy() };
    for number in 0..FAILURES_FREE {
        let guess = format!("guess {number}");
        let tried = access.try_password(&policy, "anna", &guess, &client(1), NOW);
        assert_eq!(tried.map(|_| ()), Err(Denial::Wrong));
    }
    let once_more = access.try_password(&policy, "anna", "guess", &client(1), NOW);
    assert_eq!(once_more.map(|_| ()), Err(Denial::Wait { seconds: 10 }));
    assert!(access.next_job().is_none());
}

#[test]
fn who_fails_on_a_lan_locks_out_itself_alone() {
    let mut access = access();
    let policy = policy();
    let from = |text: &str| {
        let ip = text.parse().expect("an address");
        Sender::new(ip, key(ip, NOW.us))
    };
    let mut fail = |text: &str, number: u32| {
        let guess = format!("{text} {number}");
        let verdict = access.try_password(&policy, "anna", &guess, &from(text), NOW);
        let Ok(AuthVerdict::Hashing { .. }) = verdict else { return false };
        let job = access.next_job().expect("nothing else is being hashed");
        access.hashed(job.attempt, Some(false), NOW);
        true
    };
    assert!((0..FAILURES_FREE).all(|number| fail("fe80::1", number)));
    assert!(!fail("fe80::1", 9), "it is locked out");
    assert!(fail("fe80::2", 0), "another host of the link is not");
    assert!((0..FAILURES_FREE).all(|number| fail("2001:db8::1", number)));
    assert!(!fail("2001:db8::2", 0), "elsewhere a host has a /64 to itself");
    assert!(fail("2001:db8:0:1::1", 0));
}

#[test]
fn a_password_that_was_not_looked_at_is_no_failure() {
    let mut access = access();
    let policy = policy();
    let mut try_one = |number: u32, is_right| {
        let guess = format!("guess {number}");
        let verdict = access.try_password(&policy, "anna", &guess, &client(1), NOW);
        if verdict.is_ok() {
            let job = access.next_job().expect("nothing else is being hashed");
            access.hashed(job.attempt, is_right, NOW);
        }
        verdict.map(|_| ())
    };
    for number in 0..2 * FAILURES_FREE {
        assert_eq!(try_one(number, None), Ok(()), "no thread, or no memory, for it");
    }
    for number in 0..FAILURES_FREE {
        assert_eq!(try_one(number, Some(false)), Ok(()));
    }
    assert_eq!(try_one(0, None), Err(Denial::Wait { seconds: 10 }));
}

#[test]
fn a_password_that_another_address_pushed_out_is_no_failure() {
    let mut access = access();
    let policy = policy();
    let mut try_from = |from: u8, number: u32| {
        let guess = format!("guess {number} of {from}");
        access.try_password(&policy, "anna", &guess, &client(from), NOW).map(|_| ())
    };
    for number in 0..FAILURES_FREE {
        assert_eq!(try_from(1, number), Ok(()));
    }
    assert_eq!(try_from(1, 9), Err(Denial::Wait { seconds: 10 }));
    for from in 2..5 {
        assert_eq!(try_from(from, 0), Ok(()));
    }
    assert_eq!(try_from(5, 0), Ok(()), "the newest of the first makes room");
    let job = access.next_job().expect("they wait");
    access.hashed(job.attempt, Some(false), NOW);
    let again = access.try_password(&policy, "anna", "another", &client(1), NOW);
    assert_eq!(again.map(|_| ()), Ok(()), "it has had four");
    let once_more = access.try_password(&policy, "anna", "yet another", &client(1), NOW);
    assert_eq!(once_more.map(|_| ()), Err(Denial::Wait { seconds: 10 }));
}

#[test]
fn an_address_that_may_be_made_up_makes_room_for_one_that_is_not() {
    let mut access = access();
    let policy = policy();
    let forwarded = |last: u8| client(99).forwarded(Some(IpAddr::from([127, 1, 1, last])));
    let mut try_from = |sender: Sender, number: u32| {
        let guess = format!("guess {number} of {sender:?}");
        let verdict = access.try_password(&policy, "anna", &guess, &sender, NOW);
        let AuthVerdict::Hashing { outcome, .. } = verdict? else { panic!("not known yet") };
        Ok(outcome)
    };
    let mut made_up: Vec<_> =
        (0..8).map(|last| try_from(forwarded(last), 0).expect("room")).collect();
    let full = try_from(forwarded(9), 0).map(drop);
    assert_eq!(full, Err(Denial::Busy), "it has as many as each of them");
    let _direct = try_from(client(1), 0).expect("the newest of them makes room");
    let closed = Err(oneshot::error::TryRecvError::Closed);
    assert_eq!(made_up[7].try_recv(), closed);
    assert!((1..FAILURES_FREE).all(|number| try_from(client(1), number).is_ok()));
    assert_eq!(try_from(forwarded(9), 0).map(drop), Err(Denial::Busy), "not from the address");
    let job = access.next_job().expect("they wait");
    assert_eq!(job.attempt.sender, client(1), "it does not wait behind them");
}
