//! The end that nobody planned. A panic on any thread, and an allocation that the library heap has
//! no room for, are written to stderr in one piece and end the process with [`EXIT_CODE`], so that
//! its supervisor starts it again. There is no core and no signal.
//!
//! Nothing here allocates or waits for a lock: the heap may be what failed, and who holds a lock
//! may be who panicked. Only a backtrace with names, which `RUST_BACKTRACE=1` asks for, does; it
//! comes after everything else was written.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::{build_id, kernel, version};
use crate::journal::Text;
use crate::mem::heap;

/// What the process ends with.
pub const EXIT_CODE: i32 = 3;

/// A write of at most 4096 bytes to a pipe is not torn.
const WORDS_BYTES: usize = 4096;
/// Of those, for the message: the rest is for where, who and the backtrace.
const MESSAGE_BYTES: usize = 3072;

static IS_ENDING: AtomicBool = AtomicBool::new(false);
/// Made beforehand, because it is allocated.
static VERSION: OnceLock<&'static str> = OnceLock::new();

/// From now on a panic or an exhausted heap ends the process in this way.
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
    let message = message.unwrap_or("a panic without words");
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
        // This thread's own words failed, or another thread is about to end us.
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

/// A message with its line breaks as spaces: one event is one line of the log.
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
