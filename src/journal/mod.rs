//! The log, bounded: lines on stderr, and the last warnings and errors for `/api/status`.
//!
//! A line that repeats, and a place in the program that logs much, are written a bounded number of
//! times ([`limit`]); the next line that is written says how many were left out. [`events`] counts
//! every warning and error, written or not. [`lines`] keeps the last written lines for the console.
//! All of it is static memory of a fixed size. The media thread logs nothing: it reports in its
//! statistics.

pub mod events;
mod limit;
pub mod lines;
mod text;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::clock;

pub use text::Text;

/// Bytes of the journal's statics, for the memory plan.
pub(crate) const BYTES: usize = events::BYTES + limit::BYTES + lines::BYTES;

static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Lines not written since the start, because they came too often.
pub fn lines_left_out() -> u64 {
    LEFT_OUT.load(Relaxed)
}

/// Sends the program's log to stderr: one line per event, without time or colour, as the service
/// manager's journal adds its own. `RUST_LOG` sets the level of weir's own lines. Lines of
/// libraries below `info` are never shown, as they contain ICE passwords.
pub fn to_stderr() {
    let logger =
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
            .format_timestamp(None)
            .format_target(false)
            .build();
    let level = logger.filter().max(LevelFilter::Warn);
    if log::set_boxed_logger(Box::new(Journal { logger })).is_ok() {
        log::set_max_level(level);
    }
}

struct Journal {
    logger: env_logger::Logger,
}

impl Journal {
    fn write(&self, record: &Record, now_us: u64) {
        lines::note(record.level(), record.args(), now_us);
        self.logger.log(record);
    }
}

/// Whether a line may be shown at all, whatever level is asked for.
fn may_be_shown(metadata: &Metadata) -> bool {
    let own = metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    own || metadata.level() <= Level::Info
}

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= Level::Warn || may_be_shown(metadata) && self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        let now_us = clock::now_us();
        if record.level() <= Level::Warn {
            events::note(record.level(), record.args(), now_us);
        }
        if !may_be_shown(record.metadata()) || !self.logger.matches(record) {
            return;
        }
        // A level below `info` was asked for on purpose, so all of it is written.
        let left_out =
            if record.level() <= Level::Info { limit::admit(record, now_us) } else { Some(0) };
        match left_out {
            None => {
                LEFT_OUT.fetch_add(1, Relaxed);
            }
            Some(0) => self.write(record, now_us),
            Some(more) => self.write(
                &Record::builder()
                    .metadata(record.metadata().clone())
                    .args(format_args!("{} ({more} more like this)", record.args()))
                    .build(),
                now_us,
            ),
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_show_nothing_below_info() {
        let shown =
            |target, level| may_be_shown(&Metadata::builder().target(target).level(level).build());
        assert!(shown("weir::control", Level::Trace) && shown("weir", Level::Debug));
        assert!(shown("str0m::ice", Level::Info));
        for target in ["str0m::ice", "is", "weird", ""] {
            assert!(!shown(target, Level::Debug), "{target}");
        }
    }
}
