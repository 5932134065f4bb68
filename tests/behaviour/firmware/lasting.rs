//! What is learned of a camera for the next dial, and how connections end.

use std::sync::atomic::Ordering::Relaxed;

use super::{Run, rows};
use crate::common::quirks::habits::{Habits, Login, Refusals, Rtp, Scheme, Stamps};
use crate::common::server::wait_for;

const AGAIN_US: u64 = 8_000_000;

/// A camera that hangs up twice, after less than a second.
fn hanging_up(habits: Habits) -> Habits {
    let refusals = Refusals { frames: Some(70), ..habits.refusals };
    Habits { refusals, ..habits }
}

/// The camera came back, and nothing was lost but the time without it.
fn came_back(run: &Run) {
    let is_back = wait_for(AGAIN_US, || run.seen().plays.load(Relaxed) > 1);
    assert!(is_back, "{}", run.server.log());
    assert!(run.judged.breaks <= 2 && run.judged.spoiled == 0, "{:?}", run.judged);
}

/// The answers of the camera's second dial: how often it was asked by then.
fn asked(run: &Run, method: &str) -> usize {
    came_back(run);
    let requests = run.seen().requests.lock().expect("whole");
    let until = requests.iter().enumerate().filter(|(_, request)| request.method == "PLAY");
    let until = until.map(|(at, _)| at).nth(1).expect("it came back");
    requests[..until].iter().filter(|request| request.method == method).count()
}

rows! {
    row_22_gstreamer_track_as_a_reference: hanging_up(Habits {
        describe: Some("Content-Base: rtsp://{host}/a/stream1?c=1\r\n"),
        uris: &[("SETUP", "rtsp://{host}/a/trackID=0")],
        ..Habits::default()
    }), |run| assert_eq!(asked(run, "SETUP"), 3, "refused once, and then never again");

    row_54_rtspserver_path_alone: hanging_up(Habits {
        uris: &[("DESCRIBE", "/stream1")],
        ..Habits::default()
    }), |run| assert_eq!(asked(run, "DESCRIBE"), 3, "refused once, and then never again");

    row_31_hikvision_sha_256_that_is_broken: hanging_up(Habits {
        userinfo: "viewer:sesame@",
        login: Some(Login {
            challenges: &[
                "Digest realm=\"DS\", nonce=\"{nonce}\", algorithm=SHA-256",
                "Digest realm=\"DS\", nonce=\"{nonce}\"",
                "Basic realm=\"DS\"",
            ],
            realm: "DS",
            takes: Scheme::Md5,
            user: ("viewer", "sesame"),
            nonce_each: false,
        }),
        ..Habits::default()
    }), |run| {
        assert_eq!(asked(run, "DESCRIBE"), 3 + 2, "with it once");
        let logins = run.seen().headers("DESCRIBE", "authorization");
        assert_eq!(logins.iter().filter(|login| login.contains("SHA-256")).count(), 1);
        assert!(!logins.iter().any(|login| login.starts_with("Basic")), "{logins:?}");
    };

    row_32_hikvision_setup_only_after_describe: hanging_up(Habits {
        refusals: Refusals { needs_describe: true, ..Refusals::default() },
        ..Habits::default()
    }), |run| assert_eq!(asked(run, "DESCRIBE"), 2);

    row_56_tapo_timestamps_from_zero: hanging_up(Habits {
        rtp: Rtp { stamps: Stamps::FromZero, ..Rtp::default() },
        ..Habits::default()
    }), came_back;

    row_39_hikvision_busy_at_first: Habits {
        refusals: Refusals { busy_dials: 1, ..Refusals::default() },
        ..Habits::default()
    }, |run| {
        run.whole();
        assert_eq!(run.seen().dials.load(Relaxed), 2);
    };
}

/// The row of a test that ends weir.
pub(super) const END: &[&str] = &["row_35_hikvision_teardown_on_its_own_connection"];

#[test]
fn row_35_hikvision_teardown_on_its_own_connection() {
    let mut run = Run::of(&Habits::default());
    run.server.terminate();
    let seen = run.seen();
    assert_eq!(seen.headers("TEARDOWN", "session"), ["77DA"]);
    assert_eq!(seen.uris("TEARDOWN"), seen.uris("PLAY"), "the base");
    assert_eq!(seen.dials.load(Relaxed), 1);
}
