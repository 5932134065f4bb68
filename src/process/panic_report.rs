//! The report of a fatal error. A panic on any thread, and an allocation that the library heap has
//! no room for, are written to stderr in one piece and end the process with [`EXIT_CODE`], so that
//! its supervisor restarts it. There is no core dump and no signal.
//!
//! Nothing here allocates or waits for a lock: the heap may be the cause, and the thread that
//! panicked may hold a lock. The only exception is a backtrace with names, which `RUST_BACKTRACE=1`
//! asks for; it comes after everything else is written.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::{build_id, kernel, version};
use crate::journal::Text;
use crate::mem::heap;

/// The process's exit code after a panic or an exhausted heap.
pub const EXIT_CODE: i32 = 3;

/// Bytes of the report: a write of at most 4096 bytes to a pipe is atomic.
const WORDS_BYTES: usize = 4096;
/// Of those, for the message and its place; the rest is for thread, version and backtrace.
const MESSAGE_BYTES: usize = 3072;

static IS_ENDING: AtomicBool = AtomicBool::new(false);
/// Set before it is needed, because making it allocates.
static VERSION: OnceLock<&'static str> = OnceLock::new();

/// Makes a panic or an exhausted heap end the process in this way from now on.
pub fn prepare() {
    build_id::of_this_program();
    let _ = VERSION.set(version());
    std::panic::set_hook(Box::new(panicked));
    heap::when_exhausted(exhausted);
}

fn panicked(info: &PanicHookInfo) {
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("a panic without a message");
    let mut what = Text::<MESSAGE_BYTES>::of(format_args!("panic"));
    if let Some(place) = info.location() {
        what.add(format_args!(" at {place}"));
    }
    what.add(format_args!(": {}", OneLine(message)));
    end(&what);
}

fn exhausted(bytes: usize) {
    let (used, high_water) = (heap::used_bytes(), heap::high_water_bytes());
    end(&Text::of(format_args!(
        "library heap exhausted: need {bytes} bytes, {used} of {} in use, at most {high_water} so \
         far",
        heap::REGION_BYTES
    )));
}

fn end(what: &Text<MESSAGE_BYTES>) {
    if IS_ENDING.swap(true, SeqCst) {
        // The report itself failed, or another thread is about to end the process.
        kernel::end(EXIT_CODE);
    }
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    let version = VERSION.get().copied().unwrap_or(crate::VERSION);
    let mut words = Text::<{ WORDS_BYTES - 1 }>::of(format_args!(
        "[ERROR] {}; thread {name}; weir {version}; backtrace",
        what.as_str()
    ));
    for offset in kernel::backtrace() {
        words.add(format_args!(" {offset:#x}"));
    }
    let mut line = [b'\n'; WORDS_BYTES];
    let bytes = words.as_str().len();
    line[..bytes].copy_from_slice(words.as_str().as_bytes());
    kernel::write_to_stderr(&line[..=bytes]);
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        kernel::write_to_stderr(backtrace.to_string().as_bytes());
    }
    kernel::end(EXIT_CODE);
}

/// A message with spaces for its line breaks, so that one event is one line of the log.
struct OneLine<'m>(&'m str);

impl std::fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, line) in self.0.lines().enumerate() {
            let between = if index == 0 { "" } else { " " };
            write!(f, "{between}{}", line.trim())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
