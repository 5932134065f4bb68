//! Whole files of both programs.

use super::*;
use crate::config;
use crate::config::{Camera, CameraTrust, CertificateFingerprint};
use crate::limits::CAMERAS_MAX;

const MEDIAMTX: &str = include_str!("../../tests/data/import/mediamtx.yml");
const GO2RTC: &str = include_str!("../../tests/data/import/go2rtc.yaml");

fn cameras(imported: &Imported) -> Vec<Camera> {
    let loaded = config::parse(&imported.fragment, Path::new(""));
    assert_eq!(loaded.problems, [], "{}", imported.fragment);
    loaded.config.cameras
}

fn url(camera: &Camera) -> &str {
    camera.url.as_ref().expect("a good camera").reveal()
}

fn described(camera: &Camera) -> (&str, &str, Option<&str>, &str) {
    (&camera.name, url(camera), camera.user.as_deref(), camera.password.reveal())
}

#[test]
fn the_cameras_of_mediamtx_come_over() {
    let imported = import(MEDIAMTX, None).expect("a mediamtx.yml");
    assert_eq!((imported.kind, imported.taken, imported.found), (ImportKind::MediaMtx, 3, 10));
    let cameras = cameras(&imported);
    let described: Vec<_> = cameras.iter().map(described).collect();
    let viewer = Some("viewer");
    assert_eq!(
        described,
        [
            ("gate", "rtsp://192.0.2.7:554/Streaming/Channels/102", viewer, "gate-secret"),
            (
                "yard-north",
                "rtsp://192.0.2.8/cam/realmonitor?channel=1&subtype=1",
                viewer,
                "yard-secret"
            ),
            ("hall", "rtsps://192.0.2.9:322/stream1", viewer, "hall-secret"),
        ]
    );
    let shown = "33949E05FFFB5FF3E8AA16F8213A6251B4D9363804BA53233C4DA9A46D6F2739";
    let shown = CertificateFingerprint::parse(shown).expect("the one of the file");
    assert_eq!(cameras[2].trust, CameraTrust::Fingerprint(shown));
    let begins = [
        "yard/north: is called yard-north in weir",
        "yard/north: `rtspTransport: udp` not taken over",
        "yard/north: recording not taken over",
        "yard/north: `sourceOnDemand` not taken over",
        "drive: not taken over: its source (`rtmp:`) is RTMP",
        "lobby: not taken over: its source (`https:`) is HTTP (HLS",
        "roof: not taken over: it is published by the command in `runOnInit`",
        "door: not taken over: it waits for somebody to publish",
        "pi: not taken over: it is a Raspberry Pi's own camera",
        "~^cam([0-9]+)$: not taken over: it is a pattern",
        "all_others: not taken over: it is a pattern",
        "users and passwords of viewers are not taken over",
    ];
    assert_notes(&imported, &begins);
}

#[test]
fn the_cameras_of_go2rtc_come_over() {
    let imported = import(GO2RTC, None).expect("a go2rtc.yaml");
    assert_eq!((imported.kind, imported.taken, imported.found), (ImportKind::Go2rtc, 6, 13));
    let cameras = cameras(&imported);
    let described: Vec<_> = cameras.iter().map(described).collect();
    let admin = Some("admin");
    let garden = "rtsp://192.0.2.32/cam/realmonitor?channel=1&subtype=0&unicast=true&proto=Onvif";
    assert_eq!(
        described,
        [
            ("porch", "rtsp://192.0.2.31:554/av_stream/ch0", Some("rtsp"), "porch-secret"),
            ("garden", garden, admin, "gar@den:secret"),
            ("front-door", "rtsp://192.0.2.33/stream1", admin, "front-secret"),
            ("nursery", "rtsp://192.0.2.34/ch0", Some("rtsp"), ""),
            ("unifi", "rtsps://192.0.2.35:7441/unifi-secret", None, ""),
            ("cellar", "rtsp://192.0.2.37/live/ch00_1", admin, "cellar-secret"),
        ]
    );
    let begins = [
        "porch: source 2: not taken over: it has sound alone",
        "front door: is called front-door in weir",
        "front door: source 1: not taken over: its source (`onvif:`) is ONVIF",
        "front door: source 3: not taken over: weir has one source for a camera",
        "nursery: password not taken over: ${NURSERY_PASSWORD} is a variable",
        "pool: not taken over: its address has a variable in it (${POOL_HOST})",
        "attic: not taken over: ffmpeg transcodes it",
        "cellar: without ffmpeg, which only copied it",
        "script: not taken over: its source (`exec:`) is a program's output",
        "flv: not taken over: its source (`http:`) is HTTP",
        "cloud: not taken over: its source (`nest:`) is of a kind",
        "tunnel: not taken over: it is RTSP within a WebSocket",
        "empty: not taken over: it has no source",
        "publishing to other servers is not taken over",
        "users and passwords of viewers are not taken over",
    ];
    assert_notes(&imported, &begins);
}

/// Asserts one note per item of `begins`, in order, that starts with it, and no secret in any.
fn assert_notes(imported: &Imported, begins: &[&str]) {
    let notes = &imported.notes;
    assert_eq!(notes.len(), begins.len(), "{notes:#?}");
    for (note, begin) in notes.iter().zip(begins) {
        assert!(note.starts_with(begin), "{note}\nis not: {begin}");
        assert!(!note.contains("secret"), "{note}");
    }
}

#[test]
fn older_files_of_mediamtx_are_understood() {
    let text = "paths:\n  gate:\n    source: rtsp://192.0.2.7/\n    sourceProtocol: udp\n    \
                readUser: guard\n    readPass: viewers-secret\n  all:\n    source: publisher\n";
    let imported = import(text, None).expect("a mediamtx.yml");
    assert_eq!(imported.taken, 1);
    let begins = [
        "gate: `sourceProtocol: udp` not taken over",
        "all: not taken over: it is a pattern",
        "users and passwords of viewers are not taken over",
    ];
    assert_notes(&imported, &begins);
}

#[test]
fn what_a_path_does_not_say_its_defaults_say() {
    let text = "pathDefaults: {rtspTransport: multicast, record: true}\npaths:\n  gate: {source: \
                'rtsp://192.0.2.7/', record: false}\n  nobody:\n";
    let imported = import(text, None).expect("a mediamtx.yml");
    let begins =
        ["gate: `rtspTransport: multicast` not taken over", "nobody: not taken over: it waits"];
    assert_notes(&imported, &begins);
}

#[test]
fn whose_file_it_is_stands_in_it_or_is_said() {
    let either = "paths:\n  gate: {source: 'rtsp://192.0.2.7/a'}\nstreams:\n  gate: \
                  rtsp://192.0.2.7/b\n";
    assert!(matches!(import(either, None), Err(ImportError::Unknown)));
    let taken = |kind| {
        let imported = import(either, Some(kind)).expect("cameras");
        url(&cameras(&imported)[0]).to_owned()
    };
    assert_eq!(taken(ImportKind::MediaMtx), "rtsp://192.0.2.7/a");
    assert_eq!(taken(ImportKind::Go2rtc), "rtsp://192.0.2.7/b");
    assert!(matches!(import("version: 1\n", None), Err(ImportError::Unknown)));
    assert!(matches!(import("just words", None), Err(ImportError::Unknown)));
    assert!(matches!(
        import(MEDIAMTX, Some(ImportKind::Go2rtc)),
        Err(ImportError::NotOf(ImportKind::Go2rtc))
    ));
    assert!(matches!(
        import("rtspAddress: :8554\n", None),
        Err(ImportError::NotOf(ImportKind::MediaMtx))
    ));
}

#[test]
fn what_ffmpeg_makes_of_a_file_or_another_stream_stays_behind() {
    let text =
        "streams:\n  film: ffmpeg:/media/film.mp4\n  small: ffmpeg:film#video=h264#width=640\n";
    let imported = import(text, None).expect("a go2rtc.yaml");
    let begins = [
        "film: not taken over: its source (`ffmpeg:`) is ffmpeg's output",
        "small: not taken over: ffmpeg transcodes it",
    ];
    assert_notes(&imported, &begins);
}

#[test]
fn frigates_own_file_has_the_streams_one_level_deeper() {
    let text = "mqtt: {host: 192.0.2.5}\ngo2rtc:\n  streams:\n    front:\n      - \
                rtsp://viewer:{FRIGATE_RTSP_PASSWORD}@192.0.2.31:554/sub\n      - \
                'ffmpeg:front#audio=opus'\n    yard: !secret yard_url\ncameras:\n  front: {}\n";
    let imported = import(text, None).expect("Frigate's");
    assert_eq!((imported.kind, imported.taken, imported.found), (ImportKind::Go2rtc, 1, 2));
    let cameras = cameras(&imported);
    assert_eq!(described(&cameras[0]), ("front", "rtsp://192.0.2.31:554/sub", Some("viewer"), ""));
    let begins = [
        "front: password not taken over: {FRIGATE_RTSP_PASSWORD} is a variable",
        "front: source 2: not taken over: it has sound alone",
        "yard: not taken over: its source is `!",
    ];
    let notes = &imported.notes;
    assert_eq!(notes.len(), begins.len(), "{notes:#?}");
    for (note, begin) in notes.iter().zip(begins) {
        assert!(note.starts_with(begin) && !note.contains("yard_url"), "{note}");
    }
    let list = import("paths:\n  gate: {source: !secret gate_url}\n", None).expect("mediamtx's");
    assert!(list.notes[0].contains("another file"), "{:?}", list.notes);
}

#[test]
fn lost_indentation_is_said_to_be_lost() {
    for text in [
        "streams:\nfront: rtsp://192.0.2.31/s\n",
        "streams:\n- front: rtsp://192.0.2.31/s\n",
        "paths:\ngate:\nsource: rtsp://192.0.2.31/s\n",
        "rtspAddress: :8554\npaths:\n",
    ] {
        let error = import(text, None).expect_err(text);
        assert!(error.to_string().contains("indented"), "{error}");
    }
}

#[test]
fn json_is_yaml_too() {
    let imported = import(r#"{"streams":{"gate":["rtsp://u:p@192.0.2.7/"]}}"#, None);
    assert_eq!(cameras(&imported.expect("a go2rtc.json"))[0].user.as_deref(), Some("u"));
}

#[test]
fn what_weir_would_refuse_is_said_in_its_words_and_left_out() {
    let long = "x".repeat(600);
    let text = format!(
        "streams:\n  a: rtsp://u:p@/x\n  b: 'rtsp://h/a b'\n  c: rtsp://h/{long}\n  e: \
         rtsp://u:{long}@192.0.2.7/\n  f: rtsp://é.example/\n  rtsp://u:key-secret@h/: \
         rtmps://h/\n"
    );
    let imported = import(&text, None).expect("a go2rtc.yaml");
    let text = imported.notes.join("\n");
    assert!(!text.contains("secret") && !text.contains("xxxx"), "{text}");
    assert!(imported.notes.iter().all(|note| note.contains(": not taken over: ")), "{text}");
    assert_eq!((imported.taken, imported.found), (0, 6), "{text}");
    assert_eq!(imported.fragment, "");
}

#[test]
fn more_cameras_than_there_is_room_for_stay_behind() {
    let mut text = "streams:\n".to_owned();
    for number in 0..CAMERAS_MAX + 3 {
        text.push_str(&format!("  cam{number}: rtsp://192.0.2.7/{number}\n"));
    }
    let imported = import(&text, None).expect("a go2rtc.yaml");
    assert_eq!((imported.taken, imported.notes.len()), (CAMERAS_MAX, 3), "{:?}", imported.notes);
    assert_eq!(cameras(&imported).len(), CAMERAS_MAX);
}
