//! `weir selftest`: what is asked on the command line, and the exit code.

use weir::selftest::{SelftestOptions, selftest};

use crate::ENVIRONMENT;
use crate::arguments::Selftest;

/// Measures and prints what was found; the error is the exit code: 1 when a rule is missed.
pub(crate) fn run(&Selftest { cameras, seconds, json }: &Selftest) -> Result<(), u8> {
    let environment = |why: String| {
        eprintln!("{why}");
        ENVIRONMENT
    };
    let cameras = usize::try_from(cameras).map_err(|error| environment(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| environment(error.to_string()))?;
    let measured = runtime.block_on(selftest(SelftestOptions { cameras, seconds }));
    let report = measured.map_err(environment)?;
    if json {
        println!("{}", report.json());
    } else {
        print!("{}", report.table());
    }
    if report.is_good() { Ok(()) } else { Err(ENVIRONMENT) }
}
