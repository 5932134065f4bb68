//! `weir verify`: what is asked on the command line, and the exit code.

use weir::config::CertificateFingerprint;
use weir::verify::{self, SiteTrust, VerifyLimits, VerifyOptions};

use crate::arguments::Verify;
use crate::{CONFIGURATION, ENVIRONMENT};

/// The environment variable with a token, which `ps` does not show.
const TOKEN: &str = "WEIR_TOKEN";

/// Looks at a weir and prints what was found; the error is the exit code: 1 when a rule is missed.
pub(crate) fn run(arguments: Verify) -> Result<(), u8> {
    let (is_json, watch, file) = (arguments.json, arguments.watch, arguments.watch_file.clone());
    let options = options(arguments).map_err(|why| {
        eprintln!("{why}");
        CONFIGURATION
    })?;
    let environment = |why: String| {
        eprintln!("{why}");
        ENVIRONMENT
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| environment(error.to_string()))?;
    let (is_good, json, text) = if let Some(duration) = watch {
        let watched = runtime.block_on(verify::watch(&options, duration, &file));
        let summary = watched.map_err(environment)?;
        (summary.is_good(), summary.json(), summary.text())
    } else {
        let report = runtime.block_on(verify::verify(&options)).map_err(environment)?;
        (report.missed().next().is_none(), report.json(), report.table())
    };
    if is_json {
        println!("{json}");
    } else {
        print!("{text}");
    }
    if is_good { Ok(()) } else { Err(ENVIRONMENT) }
}

fn options(arguments: Verify) -> Result<VerifyOptions, String> {
    let token = match (arguments.token, arguments.token_file) {
        (Some(token), _) => Some(token),
        (None, Some(path)) => Some(verify::token_in(&path)?),
        (None, None) => std::env::var(TOKEN).ok().filter(|token| !token.is_empty()),
    };
    let trust = match (arguments.fingerprint, arguments.ca, arguments.insecure) {
        (Some(text), ..) => {
            let fingerprint = CertificateFingerprint::parse(&text);
            let wrong = "--fingerprint is not a SHA-256 in 64 hexadecimal digits";
            SiteTrust::Fingerprint(fingerprint.ok_or(wrong)?)
        }
        (None, Some(path), _) => SiteTrust::Authority(path),
        (None, None, true) => SiteTrust::Any,
        (None, None, false) => SiteTrust::Undecided,
    };
    let sample = if arguments.all { None } else { Some(arguments.sample) };
    let limits = VerifyLimits {
        build_id: arguments.expect_build,
        cameras: arguments.cameras,
        loss_percent: arguments.loss_percent,
        latency_ms: arguments.latency_ms,
        jitter_ms: arguments.jitter_ms,
        cpu_percent: arguments.cpu_percent,
        frames_percent: arguments.frames_percent,
    };
    let seconds = arguments.seconds;
    Ok(VerifyOptions { token, trust, sample, seconds, limits, ..VerifyOptions::of(arguments.url) })
}
