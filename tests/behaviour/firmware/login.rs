//! Logins that cameras ask for.

use super::{Run, rows};
use crate::common::quirks::habits::{Habits, Login, Refusals, Scheme};

const MD5: Login = Login {
    challenges: &["Digest realm=\"IP Camera(J9558)\", nonce=\"{nonce}\", stale=\"FALSE\""],
    realm: "IP Camera(J9558)",
    takes: Scheme::Md5,
    user: ("viewer", "sesame"),
    nonce_each: false,
};

fn asking(login: Login) -> Habits {
    Habits { login: Some(login), userinfo: "viewer:sesame@", ..Habits::default() }
}

/// The logins of the requests with this method; empty where there is none.
fn logins(run: &Run, method: &str) -> Vec<String> {
    run.seen().headers(method, "authorization")
}

rows! {
    row_45_longse_digest_without_qop: asking(MD5), Run::whole;

    row_12_dahua_digest_with_qop: asking(Login {
        challenges: &["Digest realm=\"Login to 4F\", qop=\"auth\", nonce=\"{nonce}\", opaque=\"\","],
        realm: "Login to 4F",
        takes: Scheme::Md5Qop,
        ..MD5
    }), |run| {
        run.whole();
        assert!(logins(run, "PLAY")[0].contains("nc=0000000"));
    };

    row_40_hikvision_sha_256_in_quotes: asking(Login {
        challenges: &["Digest realm=\"DS\", nonce=\"{nonce}\", algorithm=\"SHA-256\", stale=\"FALSE\""],
        realm: "DS",
        takes: Scheme::Sha256,
        ..MD5
    }), Run::whole;

    row_87_others_nonce_for_one_request: asking(Login { nonce_each: true, ..MD5 }), |run| {
        run.whole();
        assert_eq!(logins(run, "SETUP").len(), 2, "refused once, then signed again");
    };

    row_88_others_password_with_signs: Habits {
        userinfo: "vie%40wer:p%40:/%25%20@",
        ..asking(Login { user: ("vie@wer", "p@:/% "), ..MD5 })
    }, Run::whole;

    row_72_vstarcam_hangs_up_after_the_login: Habits {
        refusals: Refusals { hangs_up: true, ..Refusals::default() },
        ..asking(MD5)
    }, |run| {
        run.whole();
        assert!(logins(run, "DESCRIBE").last().is_some_and(|login| !login.is_empty()));
    };
}
