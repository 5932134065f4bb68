//! The configuration read again: what has changed is done, and nothing else is touched.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use weir::clock;
use weir::limits::CAMERAS_MAX;

use crate::common::camera::picture::{Picture, Stamp};
use crate::common::camera::{CameraFarm, Mount};
use crate::common::reassemble::access_units;
use crate::common::server::{Server, Setup, wait_for};
use crate::common::viewer::{Viewer, wall};
use crate::common::whep;

const SECOND_US: u64 = 1_000_000;
const PATIENCE_US: u64 = 10 * SECOND_US;
/// Nobody listens there: a camera that is told apart from others by its name alone.
const NOWHERE: &str = "rtsp://127.0.0.1:1/";

struct Site {
    /// weir; it ends first.
    server: Server,
    farm: CameraFarm,
}

/// Cameras of the configuration: their names, and the mounts of the farm that their URLs lead to.
type Entries<'e> = &'e [(&'e str, &'e str)];

impl Site {
    /// With these mounts, and these cameras of them in the configuration.
    fn open(mounts: &[&str], entries: Entries<'_>) -> Self {
        // An IDR every 0.4 s.
        let picture = Picture { gop: 10, ..Picture::default() };
        let farm = CameraFarm::open(mounts.iter().map(|name| Mount::new(name, picture)).collect());
        let server = Server::start(&setup(&farm, entries));
        let site = Self { server, farm };
        site.await_ready(entries.len());
        site
    }

    fn await_ready(&self, cameras: usize) {
        let ready = self.server.wait_until_ready(cameras, PATIENCE_US);
        assert!(ready, "{}", self.server.get("/api/cameras").body);
    }

    fn configure(&self, entries: Entries<'_>) {
        self.server.configure(&setup(&self.farm, entries));
    }

    /// Configures and reloads; the answer.
    fn go_over_to(&self, entries: Entries<'_>) -> Value {
        self.configure(entries);
        let answer = self.server.reload();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    fn viewer(&self, camera: &str) -> Viewer {
        let viewer = Viewer::connect(self.server.http, camera);
        viewer.unwrap_or_else(|error| panic!("{camera}: {error}"))
    }

    fn cameras(&self) -> Vec<Value> {
        self.server.get("/api/cameras").json()["cameras"].as_array().expect("a list").clone()
    }

    fn names(&self) -> Vec<String> {
        let name = |camera: &Value| camera["name"].as_str().expect("a name").to_owned();
        self.cameras().iter().map(name).collect()
    }

    fn session(&self, viewer: &Viewer) -> Value {
        let address = viewer.local().to_string();
        let listed = self.server.tell("sessions");
        let sessions = listed["sessions"].as_array().expect("a list of sessions");
        let found = sessions.iter().find(|session| session["address"] == address);
        found.unwrap_or_else(|| panic!("no session at {address}")).clone()
    }
}

fn setup(farm: &CameraFarm, entries: Entries<'_>) -> Setup {
    let url = |mount: &str| if mount.is_empty() { NOWHERE.to_owned() } else { farm.url(mount) };
    Setup::of(entries.iter().map(|(name, mount)| ((*name).to_owned(), url(mount))))
}

/// Runs viewers until all have so many more whole frames.
fn run_for_frames(viewers: &mut [Viewer], more: u64) {
    let wanted: Vec<u64> =
        viewers.iter().map(|viewer| viewer.reception.counts.frames + more).collect();
    let came = wall::run(viewers, PATIENCE_US, |viewers| {
        let mut pairs = viewers.iter().zip(&wanted);
        pairs.all(|(viewer, wanted)| viewer.reception.counts.frames >= *wanted)
    });
    let ended: Vec<_> = viewers.iter().map(|viewer| &viewer.ended).collect();
    assert!(came, "{ended:?}");
}

fn assert_untouched(site: &Site, viewer: &Viewer) {
    let counts = &viewer.reception.counts;
    assert_eq!((counts.lost(), counts.late, counts.forged), (0, 0, 0));
    assert_eq!((counts.broken_frames, counts.strange_frames), (0, 0), "frame after frame");
    let session = site.session(viewer);
    assert_eq!((&session["state"], &session["skips"]), (&json!("live"), &json!(0)), "{session}");
}

#[test]
fn cameras_are_added_removed_and_changed_while_the_others_stream() {
    let site = Site::open(
        &["keep", "before", "gone", "after", "new"],
        &[("gone", "gone"), ("keep", "keep"), ("swap", "before")],
    );
    let mut viewers = ["keep", "keep", "swap", "gone"].map(|name| site.viewer(name));
    run_for_frames(&mut viewers, 15);
    let before = site.session(&viewers[2]);

    let answer = site.go_over_to(&[("swap", "after"), ("new", "new"), ("keep", "keep")]);
    let expected = json!({
        "schema": 1, "state": "good", "added": ["new"], "removed": ["gone"], "changed": ["swap"],
        "unchanged": ["keep"], "problems": [], "needs_restart": [],
    });
    assert_eq!(answer, expected);
    assert_eq!(site.names(), ["swap", "new", "keep"], "in the file's order");

    let ended = |viewers: &[Viewer]| viewers[3].ended.is_some();
    assert!(wall::run(&mut viewers, PATIENCE_US, ended), "the viewer of a camera that is gone");
    let [keep, keep_too, swap, gone] = viewers;
    assert_eq!(gone.ended.as_deref(), Some("close_notify"));
    let session = site.session(&gone);
    assert_eq!(session["state"], "ended");
    assert_eq!(session["reason"], "the camera was taken out of the configuration");
    let refused = Viewer::connect(site.server.http, "gone").err().expect("no such camera");
    assert_eq!(refused.status, 404);

    site.await_ready(3);
    let mut viewers = [keep, keep_too, swap, site.viewer("new")];
    run_for_frames(&mut viewers, 30);
    for viewer in [&viewers[0], &viewers[1], &viewers[3]] {
        assert_untouched(&site, viewer);
    }
    assert_goes_on_with_another(&site, &viewers[2], &before);
    let counts = |name: &str, teardowns: u64| {
        let counts = site.farm.counts(name);
        assert_eq!((counts.plays.load(Relaxed), counts.teardowns.load(Relaxed)), (1, teardowns));
    };
    for (name, teardowns) in [("keep", 0), ("before", 1), ("gone", 1), ("after", 0), ("new", 0)] {
        counts(name, teardowns);
    }
}

/// In the same session, without a gap in the numbers, from an IDR of the other camera on.
fn assert_goes_on_with_another(site: &Site, viewer: &Viewer, before: &Value) {
    let session = site.session(viewer);
    for (key, expected) in [("id", &before["id"]), ("state", &json!("live")), ("skips", &json!(0))]
    {
        assert_eq!(&session[key], expected, "{session}");
    }
    let counts = &viewer.reception.counts;
    assert_eq!((counts.lost(), counts.forged, counts.strange_frames), (0, 0, 1));
    let units = access_units(&viewer.reception.packets);
    let units = units.unwrap_or_else(|broken| panic!("{broken:?}"));
    let stamp = |nals: &[Vec<u8>]| Stamp::decode(nals.last().expect("a slice")).expect("a stamp");
    let first = stamp(&units[0].nals).camera;
    let place = units.iter().position(|unit| stamp(&unit.nals).camera != first).expect("another");
    assert!(units[place].is_idr());
    assert!(units[place..].iter().all(|unit| stamp(&unit.nals).camera != first));
    let ticks = units[place].timestamp.wrapping_sub(units[place - 1].timestamp);
    assert!((1..90_000 * 5).contains(&ticks), "time went on: {ticks}");
}

#[test]
fn a_slot_that_another_camera_takes_shows_nothing_of_the_one_before() {
    let mut entries = vec![("old", "old")];
    let others: Vec<String> = (1..CAMERAS_MAX).map(|number| format!("other{number}")).collect();
    let site = Site::open(&["old", "new"], &entries);
    entries.extend(others.iter().map(|name| (name.as_str(), "")));
    let answer = site.go_over_to(&entries);
    assert_eq!(answer["added"].as_array().map(Vec::len), Some(CAMERAS_MAX - 1));
    assert_eq!(site.cameras().len(), CAMERAS_MAX, "every slot is taken");

    for (mount, then) in [("old", "new"), ("new", "old"), ("old", "new")] {
        site.await_ready(1);
        let name = format!("at-{then}");
        let mut viewer = site.viewer(entries[0].0);
        run_for_frames(std::slice::from_mut(&mut viewer), 15);
        entries[0] = (if then == "new" { "at-new" } else { "at-old" }, then);
        site.go_over_to(&entries);
        let fresh = site.cameras()[0].clone();
        assert_eq!((&fresh["name"], &fresh["viewers"]), (&json!(name), &json!(0)), "{fresh}");
        for figure in ["width", "gop_ms", "key_frame_age_ms", "codec"] {
            assert!(fresh[figure].is_null() || fresh["state"] == "playing", "{mount}: {fresh}");
        }
        assert!(wall::run_one(&mut viewer, PATIENCE_US, |viewer| viewer.ended.is_some()));
        site.await_ready(1);
        let mut viewer = site.viewer(&name);
        run_for_frames(std::slice::from_mut(&mut viewer), 15);
        assert_untouched(&site, &viewer);
        let units = access_units(&viewer.reception.packets).expect("whole from the first on");
        assert!(units[0].is_idr());
        let stamp = Stamp::decode(units[0].nals.last().expect("a slice")).expect("a stamp");
        assert_eq!(stamp.camera, u32::from(then == "new"));
    }
    let frames = site.server.metric("weir_camera_frames_total").expect("a metric");
    assert!(frames < 200.0, "counted from the camera's own first frame: {frames}");
    assert_eq!(site.server.metric("weir_sessions"), Some(1.0));
}

#[test]
fn many_reloads_in_a_row_end_with_the_last_one() {
    let site = Site::open(&["keep", "a", "b"], &[("keep", "keep"), ("x", "a")]);
    let mut keep = site.viewer("keep");
    run_for_frames(std::slice::from_mut(&mut keep), 5);
    let began_us = clock::now_us();
    for round in 0..50 {
        // Faster than a camera answers its TEARDOWN, let alone plays.
        match round % 3 {
            0 => site.go_over_to(&[("x", "b"), ("keep", "keep")]),
            1 => site.go_over_to(&[("keep", "keep")]),
            _ => site.go_over_to(&[("keep", "keep"), ("y", "a"), ("x", "a")]),
        };
    }
    assert!(clock::now_us() - began_us < 20 * SECOND_US);
    assert_eq!(site.names(), ["keep"]);
    site.go_over_to(&[("x", "b"), ("keep", "keep")]);
    site.await_ready(2);
    let mut viewers = [keep, site.viewer("x")];
    run_for_frames(&mut viewers, 15);
    for viewer in &viewers {
        assert_untouched(&site, viewer);
    }
}

#[test]
fn a_hang_up_does_the_same() {
    let site = Site::open(&["keep", "new"], &[("keep", "keep")]);
    let mut viewers = [site.viewer("keep")];
    run_for_frames(&mut viewers, 5);
    site.configure(&[("new", "new"), ("keep", "keep")]);
    site.server.hang_up();
    assert!(wait_for(PATIENCE_US, || site.names() == ["new", "keep"]), "{:?}", site.names());
    site.await_ready(2);
    run_for_frames(&mut viewers, 15);
    assert_untouched(&site, &viewers[0]);
    site.server.write("config_version = ");
    site.server.hang_up();
    let is_said = || site.server.log().contains("nothing has changed");
    assert!(wait_for(PATIENCE_US, is_said), "{}", site.server.log());
    assert_eq!(site.names(), ["new", "keep"]);
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing_and_is_said() {
    let site = Site::open(&["keep"], &[("keep", "keep")]);
    let mut viewers = [site.viewer("keep")];
    run_for_frames(&mut viewers, 5);
    site.server.write("config_version = 1\n[[camera]]\nname = \"x\"\nurl = \"rtsp://127.0.");
    let refused = site.server.reload();
    assert_eq!(refused.status, 422, "{}", refused.body);
    let problem = refused.json();
    assert_eq!((&problem["line"], &problem["column"]), (&json!(4), &json!(21)), "{problem}");
    let detail = problem["detail"].as_str().expect("words");
    assert!(detail.starts_with("line 4, column 21: "), "{detail}");
    assert_eq!(site.names(), ["keep"]);
    let standing = || site.server.get("/api/cameras").json()["configuration"].clone();
    assert_eq!(standing()["state"], "last good");
    let message = standing()["message"].as_str().expect("a sentence").to_owned();
    assert!(message.contains("cannot be used") && !message.contains('/'), "{message}");

    std::fs::remove_file(site.server.config()).expect("it was there");
    let refused = site.server.reload();
    assert_eq!((refused.status, &refused.json()["line"]), (422, &Value::Null));
    run_for_frames(&mut viewers, 15);
    assert_untouched(&site, &viewers[0]);
    let answer = site.go_over_to(&[("keep", "keep")]);
    assert_eq!((&answer["state"], &answer["unchanged"]), (&json!("good"), &json!(["keep"])));
    assert_eq!(standing(), json!({"state": "good", "message": null}));
}

#[test]
fn mistakes_and_what_needs_a_restart_are_named() {
    let site = Site::open(&["keep"], &[("keep", "keep")]);
    let good = std::fs::read_to_string(site.server.config()).expect("a file");
    let bad = "[[camera]]\nname = \"bad\"\nurl = \"http://192.0.2.1/\"\n";
    let text = good.replace("[diagnostics]", "payload_bytes = 900\n[diagnostics]") + bad;
    site.server.write(&text);
    let line = text.lines().count();
    let answer = site.server.reload().json();
    assert_eq!(answer["state"], "warnings");
    assert_eq!((&answer["added"], &answer["unchanged"]), (&json!(["bad"]), &json!(["keep"])));
    assert_eq!(answer["needs_restart"], json!(["payload_bytes in [webrtc]"]));
    const BEGIN: &str = "does not begin with rtsp:// or rtsps://";
    let reason = format!("line {line}, column 7: `url` {BEGIN}");
    let problem = format!("line {line}, column 7: camera bad: `url` {BEGIN}");
    assert_eq!(answer["problems"], json!([problem]));
    let camera = site.cameras()[1].clone();
    assert_eq!((&camera["state"], &camera["reason"]), (&json!("disabled"), &json!(reason)));
    // Moved by a line it is the same camera, and what is said of it is true.
    site.server.write(&text.replace("[[camera]]\nname = \"bad\"", "\n[[camera]]\nname = \"bad\""));
    let answer = site.server.reload().json();
    assert_eq!(answer["unchanged"], json!(["keep", "bad"]));
    assert_eq!(answer["needs_restart"], json!(["payload_bytes in [webrtc]"]), "still");
    let moved = format!("line {}, column 7", line + 1);
    let reason = site.cameras()[1]["reason"].as_str().expect("words").to_owned();
    assert!(reason.starts_with(&moved), "{reason}");
}

#[test]
fn without_an_operator_nothing_is_read_anew_over_http() {
    let server = Server::start(&Setup::default());
    let refused = whep::request(server.http, "POST", "/api/reload", &[], "").expect("an answer");
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("`weir console` or SIGHUP"), "{}", refused.body);
    assert_eq!(whep::get(server.http, "/api/reload").expect("an answer").status, 405);
    assert_eq!(server.reload().status, 200);
}
