//! The screens: none is wider than 80 columns, and the longest list of cameras fits 24 rows.

use super::*;
use crate::control::{Configuration, KeyFrameStatus};
use crate::diagnosis::{CameraFindings, SessionFindings};
use crate::limits::{CONSOLE_COLUMNS, CONSOLE_ROWS};

fn report() -> StatusReport {
    let configuration = Configuration { state: "last good", ..Configuration::default() };
    StatusReport::now(configuration, 8118)
}

fn playing(name: &str) -> CameraStatus {
    CameraStatus {
        slot: 0,
        name: name.to_owned(),
        state: "playing",
        reason: None,
        transport: Some("tcp"),
        codec: Some("H264"),
        width: Some(3840),
        height: Some(2160),
        frames_per_s: Some(25.0),
        bits_per_s: Some(16_013_984),
        gop_ms: Some(2000),
        key_frame_age_ms: Some(100),
        sound: None,
        key_frame_requests: KeyFrameStatus {
            asked: 0,
            rtcp: "untried",
            onvif: None,
            onvif_problem: None,
        },
        sound_problem: None,
        sound_packets: 0,
        viewers: 512,
        ready: true,
        findings: CameraFindings::new(),
    }
}

fn failed(name: &str) -> CameraStatus {
    let reason = Some("the camera refuses user admin".to_owned());
    let (frames_per_s, bits_per_s) = (None, None);
    CameraStatus {
        state: "failed",
        reason,
        frames_per_s,
        bits_per_s,
        ready: false,
        ..playing(name)
    }
}

/// The status screen with these cameras.
fn status_of(host: &str, cameras: &[CameraStatus]) -> String {
    let playing = cameras.iter().filter(|camera| camera.state == "playing").count();
    let count = CameraCount { all: cameras.len(), playing };
    status(&report(), host, (count, cameras.iter().cloned()))
}

fn assert_fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() < CONSOLE_COLUMNS, "{}: {line}", line.chars().count());
    }
}

#[test]
fn sixty_four_cameras_are_on_a_screen() {
    let mut cameras: Vec<_> =
        (0..63).map(|number| playing(&format!("building-{number:02}-north"))).collect();
    cameras.push(failed("building-63-north"));
    let text = status_of("gate-house.example", &cameras);
    assert_fits(&text);
    // The command itself is above it, the next prompt below.
    assert!(text.lines().count() + 2 <= CONSOLE_ROWS, "{text}");
    for (number, camera) in cameras.iter().enumerate() {
        let (sign, name) =
            if number == 63 { ("#", "building-63-north") } else { ("+", "buil..north") };
        assert!(text.contains(&format!("{sign} {name}")), "{}:\n{text}", camera.name);
    }
    assert!(text.contains("63 of 64 cameras playing"), "{text}");
    assert!(text.contains("configuration: last good"));
}

#[test]
fn of_more_those_in_trouble_are_shown() {
    let mut cameras: Vec<_> = (0..200).map(|number| playing(&format!("cam{number}"))).collect();
    cameras.push(failed("the-last"));
    let text = status_of("box", &cameras);
    assert!(text.contains("# the-last") && text.contains("137 more"), "{text}");
    assert_fits(&text);
    assert!(text.lines().count() + 2 <= CONSOLE_ROWS);
}

#[test]
fn few_cameras_take_few_rows() {
    let text = status_of("box", &[playing("gate"), playing("yard")]);
    assert!(text.contains("+ gate         25.0 + yard         25.0"), "{text}");
    assert!(status_of("box", &[]).lines().count() < 5);
}

#[test]
fn every_table_fits() {
    let name = "n".repeat(64);
    let row = camera_row(&playing(&name));
    assert_fits(&row);
    assert_fits(CAMERA_HEAD);
    assert_fits(SESSION_HEAD);
    assert_fits(&memory(&report()));
    assert!(memory(&report()).lines().count() + 2 <= CONSOLE_ROWS + 2, "{}", memory(&report()));
    let session = SessionStatus {
        id: 123_456,
        camera: name,
        state: "handshake",
        reason: None,
        address: Some("192.168.100.200:65535".to_owned()),
        cipher: None,
        age_ms: 86_400_000 * 10,
        packets: 0,
        bytes: 0,
        sound_packets: 0,
        sound_bytes: 0,
        resends: 0,
        resends_refused: 0,
        key_frame_requests: 0,
        skips: 0,
        skips_by_reason: crate::signalling::SkipsByReason::default(),
        loss_percent: 100.0,
        round_trip_ms: Some(12.3),
        findings: SessionFindings::new(),
    };
    assert_fits(&session_row(&session));
    assert_fits(&net(&report(), &["https://192.168.100.200:8443/".to_owned()]));
    assert!(camera_row(&failed("gate")).ends_with("    the camera refuses user admin\n"));
    assert_eq!(duration(93_784), "1 d 02:03");
    assert_eq!(duration(3_784), "01:03:04");
}

#[test]
fn what_is_found_of_a_camera_is_below_its_row_and_marks_it() {
    let findings = [CameraFinding::H265, CameraFinding::BFrames].into_iter().collect();
    let camera = CameraStatus { findings, ..playing("gate") };
    let row = camera_row(&camera);
    assert_fits(&row);
    let lines: Vec<&str> = row.lines().collect();
    assert!(lines[1].starts_with("    b-frames") && lines[2].starts_with("      turn them off"));
    assert!(lines[3].starts_with("    H.265") && lines.len() == 5, "{row}");
    let text = status_of("box", &[camera, playing("yard")]);
    assert!(text.contains("* gate") && text.contains("+ yard"), "{text}");
    assert_fits(&text);
    let findings = [CameraFinding::H265].into_iter().collect();
    let note = CameraStatus { findings, ..playing("gate") };
    assert!(status_of("box", &[note]).contains("+ gate"), "good to know, and no more");
}
