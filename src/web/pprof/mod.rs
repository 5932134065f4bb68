//! Profiles on the diagnostics port, at the addresses and in the format that Go's tools know:
//! [`cpu`], [`heap`] and [`tasks`]. [`profile`] writes the format, over [`protobuf`] and [`gzip`];
//! [`named`] is for profiles of what is no function.

pub(super) mod cpu;
mod gzip;
pub(super) mod heap;
mod named;
mod profile;
mod protobuf;
pub(super) mod tasks;

use hyper::StatusCode;

use super::Reply;

const INDEX: &str = "\
/debug/pprof/profile?seconds=30   CPU samples of all threads, 1 to 300 s
/debug/pprof/heap                 memory in use, at most so far and planned, by what it is used for
/debug/pprof/goroutine            threads, tasks and sessions
/debug/pprof/goroutine?debug=1    the same as text
";

/// The list of profiles.
pub(super) fn index() -> Reply {
    super::reply(StatusCode::OK, "text/plain; charset=utf-8", INDEX)
}
