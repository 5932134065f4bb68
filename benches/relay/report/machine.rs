//! A report as one line of JSON.

use serde_json::{Map, Value, json};

use super::{Report, percent};
use crate::common::reception::Counts;

const SCHEMA: u32 = 2;

impl Report {
    pub(crate) fn json(&self) -> Value {
        let mut all = merged([self.load_json(), self.json_of_any()]);
        let skips = self.skips.as_ref();
        let floor = self.floor.as_ref();
        let calls = self.calls_per_packet;
        let more = json!({
            "schema": SCHEMA,
            "weir": weir::VERSION,
            "skips": skips.map(|skips| skips.sessions),
            "skip_causes": skips.map(|skips| &skips.causes),
            "floor_cpu_percent": floor.map(|floor| floor.cpu_percent),
            "floor_packets_per_s": floor.map(|floor| floor.packets_per_s),
            "floor_received_per_s": floor.map(|floor| floor.received_per_s),
            "cpu_over_floor": self.over_floor(),
            "calls_per_packet": calls.map(|(calls, _)| calls),
            "calls_counted_by": calls.map(|(_, tool)| tool),
            "relay": self.relay.as_ref().map(|relay| Value::Object(relay.json_of_any())),
            "not_measured": self.not_measured,
        });
        all.extend(object(more));
        Value::Object(all)
    }

    fn load_json(&self) -> Map<String, Value> {
        let load = &self.load;
        let uniform = |value: u32| (!load.mix).then_some(value);
        object(json!({
            "cameras": load.cameras,
            "viewers": load.viewers,
            "same_instant": load.same_instant,
            "key_frames_apart": load.key_frames_apart,
            "mix": load.mix,
            "h265_percent": load.h265_percent,
            "sound": load.sound,
            "port_mbit_s": load.mounts().first().and_then(|mount| mount.port_mbit_s),
            "bits_per_s": uniform(load.bitrate),
            "key_frame_bytes": load.key_frame_bytes,
            "gop": uniform(load.gop),
        }))
    }

    /// What is measured of any relay.
    fn json_of_any(&self) -> Map<String, Value> {
        let window = &self.window;
        let arrived = object(json!({
            "packets_in_per_s": self.per_s(window.packets_in),
            "packets_out_per_s": self.per_s(window.packets_out),
            "packets_received": window.packets_out,
            "packets_lost": self.sum(Counts::lost),
            "packets_late": self.sum(|counts| counts.late),
            "sound_packets_sent": window.sound.sent,
            "sound_packets_received": window.sound.received,
            "sound_packets_lost": window.sound.lost,
            "packets_forged": self.sum(|counts| counts.forged),
            "frames_sent": window.frames_sent,
            "frames_whole": self.sum(|counts| counts.frames),
            "frames_broken": self.sum(|counts| counts.broken_frames),
            "frames_strange": self.sum(|counts| counts.strange_frames),
            "latency_p50_ms": self.latency_ms(500),
            "latency_p99_ms": self.latency_ms(990),
            "latency_max_ms": self.latency_ms(1000),
        }));
        let process = object(json!({
            "seconds": window.wall_us as f64 / 1e6,
            "all_connected_ms": self.joined.connected_us as f64 / 1e3,
            "first_picture_p50_ms": self.first_picture_ms(500),
            "first_picture_p95_ms": self.first_picture_ms(950),
            "first_picture_max_ms": self.first_picture_ms(1000),
            "first_pictures": self.joined.first_pictures_us.len(),
            "cpu_percent": self.cpu_percent(),
            "cpu_ns_per_packet": self.cpu_ns_per_packet(),
            "instrument_cpu_percent": percent(window.own_cpu_ns, window.wall_us),
            "vm_hwm_kib": window.usage.peak_kib,
            "vm_rss_kib": window.usage.resident_kib,
            "threads": window.usage.threads,
            "camera_stalls": window.camera_stalls,
            "viewers_ended": self.ended_viewers,
        }));
        merged([arrived, process])
    }
}

fn merged(maps: [Map<String, Value>; 2]) -> Map<String, Value> {
    maps.into_iter().flatten().collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => unreachable!("{other} is no object"),
    }
}
