//! The rules about sessions and their media.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::options::VerifyLimits;
use super::rules::{Judgement, names};
use super::session::SessionFacts;

/// The sessions that had media; `None` when there is none.
fn with_media(facts: &Facts) -> Option<Vec<&SessionFacts>> {
    let had: Vec<_> = facts.sessions.iter().filter(|facts| facts.counts.packets > 0).collect();
    (!had.is_empty()).then_some(had)
}

pub(super) fn sessions(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "each sampled camera gives a session with a picture";
    if facts.sessions.is_empty() {
        return Judgement::not_reached(limit);
    }
    let failed = facts.sessions.iter().filter_map(|session| {
        let why = match (&session.failure, session.counts.picture_ms) {
            (Some(why), _) => why.as_str(),
            (None, None) => "no whole key frame came",
            (None, Some(_)) => return None,
        };
        Some(format!("{}: {why}", session.camera))
    });
    let failed: Vec<String> = failed.collect();
    let count = facts.sessions.len();
    let slowest_ms = facts.sessions.iter().filter_map(|session| session.counts.picture_ms).max();
    let found = match slowest_ms {
        Some(slowest_ms) if failed.is_empty() => {
            format!("{count} of {count}, a picture within {slowest_ms} ms")
        }
        _ => format!("{} of {count} failed: {}", failed.len(), names(&failed)),
    };
    Judgement::of(
        failed.is_empty(),
        found,
        limit.to_owned(),
        "without an answer by UDP a firewall or NAT is between, or `announce` is wrong; with HTTP \
         503 a table is full (`weir console memory`); without a key frame the camera's interval \
         between them is too long",
    )
}

pub(super) fn cipher(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "AES-GCM, and every packet authentic";
    let ciphers: BTreeSet<&str> = facts.sessions.iter().filter_map(|one| one.cipher).collect();
    if ciphers.is_empty() {
        return Judgement::not_reached(limit);
    }
    let is_gcm = facts.sessions.iter().all(|one| one.cipher.is_none() || one.is_gcm);
    let forged: u64 = facts.sessions.iter().map(|one| one.counts.forged).sum();
    let mut found = ciphers.into_iter().collect::<Vec<_>>().join(", ");
    if forged > 0 {
        found += &format!("; {forged} packets not authentic");
    }
    Judgement::of(
        is_gcm && forged == 0,
        found,
        limit.to_owned(),
        "weir speaks nothing but AES-GCM: something in between answers in its place, or changes \
         its packets",
    )
}

pub(super) fn udp_port(facts: &Facts, _: &VerifyLimits) -> Judgement {
    let limit = "one UDP port for all media";
    let mut ports: BTreeMap<_, BTreeSet<u16>> = BTreeMap::new();
    for address in facts.sessions.iter().flat_map(|session| &session.addresses) {
        ports.entry(address.ip()).or_default().insert(address.port());
    }
    if ports.is_empty() {
        return Judgement::not_reached(limit);
    }
    let answered = facts.sessions.iter().filter(|session| !session.addresses.is_empty());
    let has_mux = answered.clone().all(|session| session.has_rtcp_mux);
    let is_one = ports.values().all(|ports| ports.len() == 1);
    let shown = ports.iter().map(|(ip, ports)| {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        format!("{ip} port {}", ports.join(" and "))
    });
    let mut found = names(&shown.collect::<Vec<_>>());
    if !has_mux {
        found += "; RTCP on a port of its own";
    }
    let advice = "weir has one: look which program answers on the other, and at `announce`";
    Judgement::of(is_one && has_mux, found, limit.to_owned(), advice)
}

#[allow(clippy::cast_precision_loss)] // frames of a minute
pub(super) fn frames(facts: &Facts, limits: &VerifyLimits) -> Judgement {
    let share = limits.frames_percent;
    let limit = format!("{share} % of each camera's frames come whole");
    let (Some(sessions), Some([cameras, _])) = (with_media(facts), &facts.cameras) else {
        return Judgement::not_reached(&limit);
    };
    let (mut whole, mut broken, mut few) = (0, 0, Vec::new());
    for session in sessions {
        let counts = &session.counts;
        whole += counts.whole_units;
        broken += counts.broken_units;
        let camera = cameras.iter().find(|camera| camera.name == session.camera);
        let rate = camera.and_then(|camera| camera.frames_per_s).unwrap_or(0.0);
        let seconds = counts.settled_ms as f64 / 1_000.0;
        let came = if seconds > 0.0 { counts.settled_units as f64 / seconds } else { 0.0 };
        if came <= 0.0 || came < rate * share / 100.0 {
            few.push(format!("{}: {came:.1} of {rate:.1} per second", session.camera));
        }
    }
    let mut found = format!("{whole} whole, {broken} broken");
    if !few.is_empty() {
        found += &format!("; {}", names(&few));
    }
    Judgement::of(
        few.is_empty(),
        found,
        limit,
        "packets are lost on the way here (see loss), or the camera itself sends irregularly: \
         compare /api/cameras",
    )
}

#[allow(clippy::cast_precision_loss)] // packets of a minute
pub(super) fn loss(facts: &Facts, limits: &VerifyLimits) -> Judgement {
    let limit = format!("under {} %", limits.loss_percent);
    let Some(sessions) = with_media(facts) else { return Judgement::not_reached(&limit) };
    let expected: u64 = sessions.iter().map(|session| session.counts.expected).sum();
    let lost: u64 = sessions.iter().map(|session| session.counts.lost()).sum();
    let percent = lost as f64 * 100.0 / expected.max(1) as f64;
    Judgement::of(
        percent < limits.loss_percent,
        format!("{percent:.3} % ({lost} of {expected} packets)"),
        limit,
        "a cable in place of Wi-Fi here; a link or switch slower than the cameras together; \
         fewer cameras at once (--sample) show whether it is the load",
    )
}

pub(super) fn latency(facts: &Facts, limits: &VerifyLimits) -> Judgement {
    let limit = format!("weir's part and a round trip under {} ms, 95 % each", limits.latency_ms);
    let trips = facts.sessions.iter().flat_map(|session| &session.round_trips_us).copied();
    let Some(p95_us) = percentile(95, trips.collect()) else {
        return Judgement::not_reached(&limit);
    };
    let trip_ms = f64::from(p95_us) / 1_000.0;
    let own_ms = send_delay_ms(facts);
    let own = match own_ms {
        None => "does not tell".to_owned(),
        Some(ms) if ms.is_infinite() => "over its last bound".to_owned(),
        Some(ms) => format!("up to {ms} ms"),
    };
    Judgement::of(
        trip_ms + own_ms.unwrap_or(0.0) < limits.latency_ms,
        format!("weir {own}, round trip {trip_ms:.1} ms"),
        limit,
        "a long round trip: the network in between, by `ping`; a long time in weir: its CPU has \
         nothing in hand (see cpu)",
    )
}

/// The bound that 95 % of the packets kept from the read of a camera to their send while this was
/// measured, in milliseconds; `None` where weir does not tell it, as to viewers.
#[allow(clippy::cast_precision_loss)] // bounds are small
fn send_delay_ms(facts: &Facts) -> Option<f64> {
    let [before, after] = facts.status.as_ref()?;
    let pairs = before.send_delays.iter().zip(&after.send_delays);
    let parts: Vec<(Option<u64>, u64)> =
        pairs.map(|(before, after)| (after.0, after.1.saturating_sub(before.1))).collect();
    let wanted = parts.iter().map(|(_, packets)| packets).sum::<u64>() * 95;
    let mut below = 0;
    let bound = parts.iter().find(|(_, packets)| {
        below += packets * 100;
        below >= wanted
    });
    let (bound_us, _) = bound.filter(|_| wanted > 0)?;
    Some(bound_us.map_or(f64::INFINITY, |us| us as f64 / 1_000.0))
}

pub(super) fn jitter(facts: &Facts, limits: &VerifyLimits) -> Judgement {
    let limit = format!("under {} ms in each session", limits.jitter_ms);
    let Some(sessions) = with_media(facts) else { return Judgement::not_reached(&limit) };
    let most = |most: f64, session: &&SessionFacts| most.max(session.counts.jitter_ms);
    let most_ms = sessions.iter().fold(0.0, most);
    let high = sessions.iter().filter(|session| session.counts.jitter_ms >= limits.jitter_ms);
    let high: Vec<String> = high
        .map(|session| format!("{}: {:.1} ms", session.camera, session.counts.jitter_ms))
        .collect();
    let found = if high.is_empty() { format!("at most {most_ms:.1} ms") } else { names(&high) };
    Judgement::of(
        high.is_empty(),
        found,
        limit,
        "of one camera: its own network or load; of all: the network here, or a box whose CPU has \
         nothing in hand (see cpu)",
    )
}

/// The value that so many percent of the others do not pass; `None` of none.
pub(super) fn percentile(percent: usize, mut values: Vec<u32>) -> Option<u32> {
    values.sort_unstable();
    let at = (values.len() * percent).div_ceil(100).checked_sub(1)?;
    values.get(at).copied()
}
