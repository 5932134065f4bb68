//! How many files the process may have open: each camera's sockets, HTTP connections, and a few
//! more. Linux gives a process 1024 unless it asks for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::OPEN_FILES_MAX;

/// Raises the limit to [`OPEN_FILES_MAX`] where it is lower and may be raised. Where it may not,
/// the log says what that means.
pub fn make_room() {
    let limit = getrlimit(Resource::Nofile);
    let Some(raised) = raised(limit) else { return };
    let is_raised = setrlimit(Resource::Nofile, raised).is_ok();
    let most = if is_raised { raised.current } else { limit.current };
    if most.is_some_and(|most| most < OPEN_FILES_MAX) {
        let most = most.unwrap_or_default();
        log::warn!(
            "open files: at most {most}, all cameras and clients at once need {OPEN_FILES_MAX}: \
             set LimitNOFILE in the service, or ulimit -n"
        );
    }
}

/// The limit that is to be set; `None` if there is room.
fn raised(limit: Rlimit) -> Option<Rlimit> {
    limit.current.filter(|current| *current < OPEN_FILES_MAX)?;
    let most = limit.maximum.unwrap_or(OPEN_FILES_MAX).min(OPEN_FILES_MAX);
    Some(Rlimit { current: Some(most), maximum: limit.maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_raised_as_far_as_it_may_be_and_never_lowered() {
        let limit = |current, maximum| Rlimit { current, maximum };
        let of = |current, maximum| raised(limit(current, maximum)).map(|limit| limit.current);
        let room = Some(OPEN_FILES_MAX);
        assert_eq!(of(None, None), None, "there is none");
        assert_eq!(of(room, Some(OPEN_FILES_MAX + 1)), None);
        assert_eq!(of(Some(OPEN_FILES_MAX - 1), None), Some(room));
        assert_eq!(of(Some(64), Some(1 << 20)), Some(room));
        assert_eq!(of(Some(64), Some(128)), Some(Some(128)));
    }
}
