//! Runs the load against the judged weir and measures.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::SelftestOptions;
use super::cameras::LoadCameras;
use super::facts::{Latencies, SelftestFacts, WindowFacts};
use super::judged::{JudgedWeir, camera_name};
use super::sealing;
use crate::clock;
use crate::limits::{
    SELFTEST_CONNECT_MS_MAX, SELFTEST_END_MS_MAX, SELFTEST_LOOK_MS, SELFTEST_SETTLE_MS,
    SELFTEST_TRAIL_MS,
};
use crate::process::usage;
use crate::verify::{LatencyCounts, SessionFacts, SessionGroup, SessionPlan, StatusFacts, look};
use crate::webrtc::provider::generate_certificate;

/// Measures. Needs a `LocalSet` around it.
///
/// # Errors
/// This process cannot be the load; a sentence.
pub(super) async fn measure(options: SelftestOptions) -> Result<SelftestFacts, String> {
    let mut facts = SelftestFacts { seal_ns: sealing::seal_ns(), ..SelftestFacts::default() };
    let cameras = LoadCameras::open(options.cameras).await;
    let cameras = cameras.map_err(|error| format!("cameras on loopback: {error}"))?;
    let mut weir = match JudgedWeir::start(&cameras.ports) {
        Ok(weir) => weir,
        Err(why) => {
            facts.run = Some(Err(why));
            return Ok(facts);
        }
    };
    let ran = load(&mut weir, &cameras, options.seconds, &mut facts).await;
    facts.run = Some(match ran {
        Ok(()) => weir.end().await,
        Err(why) => Err(why),
    });
    Ok(facts)
}

/// Has viewers watch all cameras, and measures while they do.
///
/// # Errors
/// The judged weir does not answer; a sentence.
async fn load(
    weir: &mut JudgedWeir,
    cameras: &LoadCameras,
    seconds: u64,
    facts: &mut SelftestFacts,
) -> Result<(), String> {
    let count = cameras.ports.len();
    let playing = weir.wait_for_cameras(count).await?;
    facts.playing = Some(playing);
    if playing < count {
        return Ok(());
    }
    let mut viewers = Viewers::start(weir, cameras)?;
    viewers.connect().await?;
    if viewers.group.playing() > 0 {
        sleep(Duration::from_millis(SELFTEST_SETTLE_MS)).await;
        let measured = window(weir, cameras, seconds).await;
        viewers.end().await?;
        let (mut measured, reports) = measured?;
        facts.looked.status = Some(reports);
        facts.looked.apart_ms = measured.window_ms;
        measured.take(&viewers.found);
        facts.window = Some(measured);
    } else {
        viewers.end().await?;
    }
    facts.looked.sessions = viewers.found;
    Ok(())
}

/// One window: what is counted in it, and the judged weir's reports at its ends.
///
/// # Errors
/// The judged weir does not answer; a sentence.
async fn window(
    weir: &JudgedWeir,
    cameras: &LoadCameras,
    seconds: u64,
) -> Result<(WindowFacts, [StatusFacts; 2]), String> {
    let (before, begun_us) = weir.status().await?;
    let load_before_ms = usage::cpu_ms();
    let now_us = clock::now_us();
    for sent in &cameras.sent {
        sent.begin_window(&(now_us..now_us + seconds * 1_000_000));
    }
    sleep(Duration::from_secs(seconds)).await;
    let (after, ended_us) = weir.status().await?;
    let load_after_ms = usage::cpu_ms();
    sleep(Duration::from_millis(SELFTEST_TRAIL_MS)).await;
    let between = |after: Option<u64>, before: Option<u64>| after?.checked_sub(before?);
    let counted = |name: &str| {
        let count = |report: &Value| report["network"][name].as_u64();
        between(count(&after), count(&before)).unwrap_or(0)
    };
    let reports = [&before, &after].map(StatusFacts::read);
    let measured = WindowFacts {
        window_ms: ended_us.saturating_sub(begun_us) / 1_000,
        cpu_ms: between(reports[1].cpu_ms, reports[0].cpu_ms),
        load_cpu_ms: between(load_after_ms, load_before_ms),
        packets: counted("udp_packets_sent"),
        calls: counted("udp_calls"),
        has_gso: after["network"]["udp_gso"] == true,
        pictures_sent: cameras.sent.iter().map(|sent| sent.in_window()).sum(),
        ..WindowFacts::default()
    };
    Ok((measured, reports))
}

impl WindowFacts {
    /// Adds what the viewers saw of the window's pictures.
    fn take(&mut self, sessions: &[SessionFacts]) {
        let mut all = LatencyCounts::default();
        sessions.iter().for_each(|session| all.merge(&session.latencies));
        self.pictures_whole = all.total();
        self.latencies = Latencies::of(&all);
    }
}

/// A session with each camera.
struct Viewers {
    group: Rc<SessionGroup>,
    running: JoinSet<(usize, SessionFacts)>,
    /// In the order of the cameras; of those that run, what is said if they never end.
    found: Vec<SessionFacts>,
}

impl Viewers {
    fn start(weir: &JudgedWeir, cameras: &LoadCameras) -> Result<Self, String> {
        let certificate = Rc::new(generate_certificate().map_err(|error| error.to_string())?);
        let client = Rc::new(weir.client()?);
        let group = Rc::new(SessionGroup::new());
        let (mut running, mut found) = (JoinSet::new(), Vec::new());
        for (at, sent) in cameras.sent.iter().enumerate() {
            let (client, certificate) = (Rc::clone(&client), Rc::clone(&certificate));
            let plan = SessionPlan::of_group(Rc::clone(&group), Rc::clone(sent));
            let camera = camera_name(at);
            let failure = Some("it was under way when the time was up".to_owned());
            found.push(SessionFacts { camera: camera.clone(), failure, ..SessionFacts::default() });
            running.spawn_local(
                async move { (at, look(&client, &camera, &plan, &certificate).await) },
            );
        }
        Ok(Self { group, running, found })
    }

    /// Waits until each has media or has failed, or the time is up.
    async fn connect(&mut self) -> Result<(), String> {
        let deadline_us = clock::now_us() + SELFTEST_CONNECT_MS_MAX * 1_000;
        while self.group.playing() < self.running.len() && clock::now_us() < deadline_us {
            let joined = self.running.join_next();
            if let Ok(Some(joined)) = timeout(Duration::from_millis(SELFTEST_LOOK_MS), joined).await
            {
                let (at, facts) = joined.map_err(|error| error.to_string())?;
                self.found[at] = facts;
            }
        }
        Ok(())
    }

    /// Ends all that play, and takes what they found.
    async fn end(&mut self) -> Result<(), String> {
        self.group.end_at(clock::now_us());
        let deadline_us = clock::now_us() + SELFTEST_END_MS_MAX * 1_000;
        while clock::now_us() < deadline_us {
            let left = Duration::from_micros(deadline_us.saturating_sub(clock::now_us()));
            let Ok(Some(joined)) = timeout(left, self.running.join_next()).await else { break };
            let (at, facts) = joined.map_err(|error| error.to_string())?;
            self.found[at] = facts;
        }
        self.running.abort_all();
        Ok(())
    }
}
