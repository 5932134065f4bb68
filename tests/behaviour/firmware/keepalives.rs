//! Keepalives and reports, which come every 5 s at most often: the cameras of these rows play side
//! by side, to one weir.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::Ordering::Relaxed;

use super::{Judged, judge};
use crate::common::quirks::QuirkCamera;
use crate::common::quirks::habits::{Habits, KeepaliveAnswer, Keepalives, Login, Scheme, Sound};
use crate::common::server::{Server, Setup};
use crate::common::viewer::{Options, Viewer, wall};

/// At 100 per second: until some time after each camera's patience has ended.
const FRAMES: u64 = 850;
/// Until a camera that needs a keepalive or a report hangs up.
const PATIENCE_MS: Option<u64> = Some(7_500);
const PLAY_US: u64 = 30_000_000;
const LOGIN: Option<Login> = Some(Login {
    challenges: &["Digest realm=\"gate\", nonce=\"{nonce}\""],
    realm: "gate",
    takes: Scheme::Md5,
    user: ("viewer", "sesame"),
    nonce_each: false,
});

/// A camera that has played for longer than its patience.
struct Played {
    camera: QuirkCamera,
    judged: Judged,
}

impl Played {
    /// It never hung up, and all its pictures came.
    fn whole(&self) {
        assert_eq!(self.camera.seen.plays.load(Relaxed), 1);
        assert_eq!(self.judged, Judged::default());
    }

    fn keepalives(&self) -> usize {
        // One is the dial's.
        self.camera.seen.uris("OPTIONS").len() - 1
    }
}

fn play(all: &[(&'static str, Habits)]) -> BTreeMap<&'static str, Played> {
    let cameras: Vec<QuirkCamera> =
        all.iter().map(|(_, habits)| QuirkCamera::open(*habits)).collect();
    let names: Vec<String> = (0..all.len()).map(|number| format!("cam{number}")).collect();
    let urls = cameras.iter().map(|camera| camera.url.clone());
    let server = Server::start(&Setup::of(names.iter().cloned().zip(urls)));
    assert!(server.wait_until_ready(all.len(), 10_000_000), "{}", server.log());
    let joined = wall::connect_all(server.http, &names, &Options::default(), 5_000_000);
    let mut viewers: Vec<Viewer> =
        joined.into_iter().map(|viewer| viewer.expect("an answer")).collect();
    let have_all =
        |viewers: &[Viewer]| viewers.iter().all(|viewer| viewer.reception.counts.frames >= FRAMES);
    assert!(wall::run(&mut viewers, PLAY_US, have_all), "{}", server.log());
    let played = all.iter().zip(cameras).zip(&viewers).map(|(((name, _), camera), viewer)| {
        let judged = judge(&viewer.reception.packets, &camera);
        (*name, Played { camera, judged })
    });
    played.collect()
}

fn keepalives(keepalives: Keepalives) -> Habits {
    Habits { keepalives, session: Some("77DA;timeout=10"), ..Habits::default() }
}

fn with_login(habits: Habits) -> Habits {
    Habits { login: LOGIN, userinfo: "viewer:sesame@", ..habits }
}

fn answering(answer: KeepaliveAnswer) -> Keepalives {
    Keepalives { answer, ..Keepalives::default() }
}

macro_rules! rows_together {
    ($($name:ident: $habits:expr, $judge:expr;)+) => {
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),+];
        static PLAYED: LazyLock<BTreeMap<&'static str, Played>> =
            LazyLock::new(|| play(&[$((stringify!($name), $habits)),+]));
        $(
            #[test]
            fn $name() {
                let judge: fn(&Played) = $judge;
                judge(&PLAYED[stringify!($name)]);
            }
        )+
    };
}

rows_together! {
    row_3_arlo_receiver_reports:
        keepalives(Keepalives { reports_every_ms: PATIENCE_MS, ..Keepalives::default() }),
        Played::whole;

    row_107_others_reports_on_the_sound_too: Habits {
        sound: Some(Sound { payload_type: 0, ticks: [160, 160] }),
        sdp: Some(
            "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
             m=audio 0 RTP/AVP 0\r\na=control:track2\r\n",
        ),
        ..keepalives(Keepalives { reports_every_ms: PATIENCE_MS, ..Keepalives::default() })
    }, |played| {
        played.whole();
        assert_eq!(played.camera.seen.uris("SETUP").len(), 2);
    };

    row_41_hikvision_keepalives_with_all_that_is_known: with_login(
        keepalives(Keepalives { every_ms: PATIENCE_MS, ..Keepalives::default() })
    ), Played::whole;

    row_4_axis_new_nonce_at_a_keepalive: with_login(keepalives(Keepalives {
        every_ms: PATIENCE_MS,
        ..answering(KeepaliveAnswer::NewNonce)
    })), |played| {
        played.whole();
        let logins = played.camera.seen.headers("OPTIONS", "authorization");
        assert!(logins[1].contains("n0000") && logins[2].contains("n0001"), "{logins:?}");
    };

    row_58_tapo_keepalives_that_are_refused:
        keepalives(answering(KeepaliveAnswer::Refused)), |played| {
            played.whole();
            assert!(played.keepalives() > 0);
        };

    row_27_gwsecurity_keepalives_without_an_answer:
        keepalives(answering(KeepaliveAnswer::Ignored)), |played| {
            played.whole();
            assert!(played.keepalives() > 0);
        };

    row_96_others_hangs_up_at_other_methods:
        keepalives(Keepalives { only_options: true, ..Keepalives::default() }), |played| {
            played.whole();
            assert!(played.keepalives() > 0);
        };
}
