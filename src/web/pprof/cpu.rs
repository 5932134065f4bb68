//! `/debug/pprof/profile`: where the threads spend their CPU time.
//!
//! Nothing grows with the time that is sampled: the samples are in a tree of fixed size, and what
//! is made of it is made in pieces. Addresses are those that the linker gave, so that `addr2line`
//! takes them, and where the program was loaded does not show.

use std::time::Duration;

use hyper::StatusCode;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::profile::{self, Mapping, Writer};
use crate::clock;
use crate::limits::{CALL_NODES_MAX, CPU_PROFILE_S_DEFAULT, CPU_PROFILE_S_MAX, CPU_SAMPLES_PER_S};
use crate::process::build_id;
use crate::process::call_tree::Call;
use crate::process::sampling::{ELSEWHERE, Samples, Sampling, VDSO, image_bytes};
use crate::process::symbols::Symbols;
use crate::web::Reply;
use crate::web::form;
use crate::web::problem::{problem, retry};

/// Nanoseconds of CPU time between two samples of a thread.
const PERIOD_NS: u64 = 1_000_000_000 / CPU_SAMPLES_PER_S as u64;
/// Microseconds between two looks for threads that have begun.
const LOOK_US: u64 = 1_000_000;
/// Functions that are no symbols; a symbol's number comes after them.
const SPECIAL: [&str; 4] = ["[unnamed]", "[kernel's vdso]", "[shared library]", "[truncated]"];
const TRUNCATED: u64 = 4;
const TRUNCATED_AT: u64 = CALL_NODES_MAX as u64 + 1;

/// Reads how long to sample, in seconds, from the request's query.
///
/// # Errors
/// 400 for anything but a number from 1 to [`CPU_PROFILE_S_MAX`].
pub(in crate::web) fn seconds(query: Option<&str>) -> Result<u64, Reply> {
    let Some(text) = query.and_then(|query| form::value(query, "seconds")) else {
        return Ok(CPU_PROFILE_S_DEFAULT);
    };
    let seconds = text.parse().ok().filter(|seconds| (1..=CPU_PROFILE_S_MAX).contains(seconds));
    seconds.ok_or_else(|| {
        let shown: String = text.chars().take(20).collect();
        let detail = format!("seconds={shown}: a number from 1 to {CPU_PROFILE_S_MAX} is needed");
        problem(StatusCode::BAD_REQUEST, &detail)
    })
}

/// Samples for so many seconds, then replies. Dropped before that, it ends the sampling.
pub(in crate::web) async fn reply(seconds: u64) -> Reply {
    let sampling = match Sampling::begin() {
        Some(Ok(sampling)) => sampling,
        Some(Err(error)) => return failed(&error),
        None => {
            let detail =
                "a CPU profile is being taken, and there is one at a time: try again later";
            return retry(StatusCode::CONFLICT, detail, 1);
        }
    };
    let begun_us = clock::now_us();
    match sample(sampling, begun_us + seconds * 1_000_000).await {
        Ok(samples) => answer(samples, clock::now_us() - begun_us).await,
        Err(error) => failed(&error),
    }
}

async fn sample(mut sampling: Sampling, until_us: u64) -> std::io::Result<Samples> {
    loop {
        let left_us = until_us.saturating_sub(clock::now_us());
        if left_us == 0 {
            return Ok(sampling.end());
        }
        sleep(Duration::from_micros(left_us.min(LOOK_US))).await;
        sampling.look_for_threads()?;
    }
}

fn failed(error: &std::io::Error) -> Reply {
    let detail = format!("no CPU profile can be taken here: {error}");
    problem(StatusCode::SERVICE_UNAVAILABLE, &detail)
}

/// Looks up the symbols on the blocking thread, as the file may have to be read from a slow disk.
async fn answer(samples: Samples, duration_us: u64) -> Reply {
    let resolved = spawn_blocking(move || {
        let symbols = resolve(&samples);
        (samples, symbols)
    });
    let (samples, symbols) = match resolved.await {
        Ok(resolved) => resolved,
        Err(error) => return failed(&error.into()),
    };
    let symbols =
        symbols.map_err(|error| log::warn!("a profile has no names: /proc/self/exe: {error}")).ok();
    let tree = samples.tree();
    let mut order: Vec<u16> = Vec::with_capacity(tree.places().count());
    order.extend(tree.places());
    order.sort_unstable_by_key(|at| tree.call(*at).map(function));
    let mut cpu = CpuProfile { samples, symbols, order, duration_us };
    let mut parts = 0..3 * cpu.order.len() + 2;
    let values = [("samples", "count"), ("cpu", "nanoseconds")];
    profile::reply(&values, "cpu", move |writer| {
        let number = parts.next();
        number.is_some_and(|number| {
            cpu.part(number, writer);
            true
        })
    })
}

/// Names are read again as they are sent: by then they are in the kernel's cache.
fn resolve(samples: &Samples) -> std::io::Result<Symbols> {
    let (symbols, tree) = (Symbols::of_this_program()?, samples.tree());
    symbols.resolve(tree)?;
    tree.places().filter_map(|at| tree.call(at)).for_each(|call| {
        symbols.name(call.symbol);
    });
    Ok(symbols)
}

/// A profile that is being sent.
struct CpuProfile {
    samples: Samples,
    symbols: Option<Symbols>,
    /// The places of the tree's nodes, those of one function together.
    order: Vec<u16>,
    duration_us: u64,
}

impl CpuProfile {
    /// Writes a part: the head, then a function, a location and a sample of each node, and what was
    /// truncated.
    fn part(&mut self, number: usize, writer: &mut Writer) {
        let count = self.order.len();
        let Some(index) = number.checked_sub(1) else { return self.head(writer) };
        let Some(at) = self.order.get(index % count.max(1)).filter(|_| index < 3 * count) else {
            return self.truncated(writer);
        };
        let tree = self.samples.tree();
        let Some(call) = tree.call(*at) else { return };
        match index / count {
            0 => self.function(index, call, writer),
            1 => writer.location(u64::from(*at) + 1, function(call), self.address(call)),
            _ if call.samples == 0 => {}
            _ => {
                let samples = u64::from(call.samples);
                let locations = tree.chain(*at).map(|at| u64::from(at) + 1);
                writer.sample(locations, &[samples, samples * PERIOD_NS]);
            }
        }
    }

    fn head(&self, writer: &mut Writer) {
        writer.sampled(self.duration_us, ("cpu", "nanoseconds"), PERIOD_NS);
        let file = std::fs::read_link("/proc/self/exe").unwrap_or_default();
        writer.mapping(&Mapping {
            start: self.base(),
            bytes: image_bytes(),
            file: &file.to_string_lossy(),
            build_id: build_id::of_this_program(),
        });
    }

    /// A function, once: the nodes of one lie side by side.
    fn function(&self, index: usize, call: Call, writer: &mut Writer) {
        let id = function(call);
        let before = index.checked_sub(1).and_then(|before| self.order.get(before));
        if before.and_then(|at| self.samples.tree().call(*at)).map(function) == Some(id) {
            return;
        }
        let special = usize::try_from(id - 1).ok().and_then(|id| SPECIAL.get(id));
        let symbol = || self.symbols.as_ref()?.name(call.symbol);
        match (special, special.is_none().then(symbol).flatten()) {
            (Some(name), _) => writer.function(id, name),
            (None, Some(name)) => writer.function(id, name.as_str()),
            (None, None) => writer.function(id, SPECIAL[0]),
        }
    }

    fn truncated(&self, writer: &mut Writer) {
        let samples = u64::from(self.samples.tree().truncated());
        if samples > 0 {
            writer.function(TRUNCATED, SPECIAL[3]);
            writer.location(TRUNCATED_AT, TRUNCATED, None);
            writer.sample([TRUNCATED_AT], &[samples, samples * PERIOD_NS]);
        }
    }

    fn address(&self, call: Call) -> Option<u64> {
        let is_of_program = !matches!(call.address, VDSO | ELSEWHERE);
        is_of_program.then(|| self.base() + u64::from(call.address))
    }

    fn base(&self) -> u64 {
        self.symbols.as_ref().map_or(0, Symbols::base)
    }
}

/// The number of a node's function in the profile.
fn function(call: Call) -> u64 {
    match call {
        Call { address: VDSO, .. } => 2,
        Call { address: ELSEWHERE, .. } => 3,
        Call { symbol: 0, .. } => 1,
        Call { symbol, .. } => SPECIAL.len() as u64 + u64::from(symbol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seconds_are_bounded() {
        for (query, expected) in [
            (None, Some(30)),
            (Some(""), Some(30)),
            (Some("debug=1"), Some(30)),
            (Some("seconds=1"), Some(1)),
            (Some("a=b&seconds=300"), Some(300)),
            (Some("seconds=301"), None),
            (Some("seconds=0"), None),
            (Some("seconds=-1"), None),
            (Some("seconds=5.5"), None),
            (Some("seconds="), None),
            (Some("seconds=99999999999999999999999999"), None),
        ] {
            assert_eq!(seconds(query).ok(), expected, "{query:?}");
        }
        let refusal = seconds(Some("seconds=301")).expect_err("too many");
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    }
}
