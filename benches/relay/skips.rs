//! Where pictures were left out, and why, by what weir itself counts.

use std::collections::BTreeMap;

use crate::common::server::Server;

/// Counters that tell of frames left out, or of what leads to it. What they count by camera or size
/// is summed up.
const CAUSES: [(&str, &str); 6] = [
    ("weir_camera_frames_abandoned_total", "frames without a carry slot"),
    ("weir_camera_throttled_total", "cameras throttled"),
    ("weir_ring_key_frames_given_up_total", "key frames given up"),
    ("weir_ring_groups_given_up_total", "groups given up"),
    ("weir_ring_history_given_up_total", "chunks of history given up"),
    ("weir_udp_blocked_total", "times the socket was full"),
];
/// The same with a reason on each of their series.
const BY_REASON: [(&str, &str); 2] =
    [("weir_camera_breaks_total", "streams that wait"), ("weir_camera_skips_total", "skips")];

/// What happened so far, or between two moments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Skips {
    /// Of all sessions: skips to a later key frame.
    pub(crate) sessions: u64,
    /// By name; what the server does not count is not there.
    pub(crate) causes: BTreeMap<String, u64>,
}

impl Skips {
    pub(crate) fn now(server: &Server) -> Self {
        let listed = server.tell("sessions");
        let sessions = listed["sessions"].as_array().expect("a list of sessions").iter();
        let sessions = sessions.map(|session| session["skips"].as_u64().expect("a number")).sum();
        let metrics = server.metrics();
        let mut causes = BTreeMap::new();
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            if let Some((cause, count)) = read(line) {
                *causes.entry(cause).or_default() += count;
            }
        }
        Self { sessions, causes }
    }

    pub(crate) fn since(mut self, before: &Self) -> Self {
        self.sessions -= before.sessions;
        for (cause, count) in &mut self.causes {
            *count -= before.causes.get(cause).copied().unwrap_or(0);
        }
        self
    }
}

/// A series' cause and its value, if it is one of ours.
fn read(line: &str) -> Option<(String, u64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let name = series.split('{').next()?;
    let of = |causes: &[(&str, &'static str)]| {
        causes.iter().find(|(metric, _)| *metric == name).map(|(_, cause)| *cause)
    };
    let cause = match of(&CAUSES) {
        Some(cause) => cause.to_owned(),
        None => {
            let (_, reason) = series.split_once("reason=\"")?;
            format!("{}: {}", of(&BY_REASON)?, reason.split('"').next()?)
        }
    };
    Some((cause, value.parse().ok()?))
}
