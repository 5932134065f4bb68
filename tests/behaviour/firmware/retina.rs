//! retina as a judge: each camera of the table plays to it too, and gives it the same pictures as
//! to weir, whose test of that row compares them with the camera's as well.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::{answers, description, lasting, login, packets, urls};
use crate::common::quirks::habits::Habits;
use crate::common::quirks::{QuirkCamera, is_slice};
use crate::common::retina_client::{Picture, pictures};

/// More than a group of pictures.
const PICTURES: usize = 60;
const PATIENCE: Duration = Duration::from_secs(5);
/// Cameras that play at once: they mostly wait.
const AT_ONCE: usize = 16;

/// Where retina 0.4.21 has other pictures or none, and what becomes of it there.
const OTHERWISE: &[(&str, &str)] = &[
    ("row_20_live555_packets_of_a_stale_session", "wrong ssrc"),
    ("row_22_gstreamer_track_as_a_reference", "404 response to SETUP"),
    ("row_23_gwsecurity_base_without_a_slash", "Out-of-order packet"),
    ("row_25_gwsecurity_start_codes_and_zeros", "bad nal header"),
    ("row_30_hikvision_session_with_tabs", "Unparseable Session header"),
    ("row_31_hikvision_sha_256_that_is_broken", "Received Unauthorized"),
    ("row_39_hikvision_busy_at_first", "453 response to DESCRIBE"),
    ("row_40_hikvision_sha_256_in_quotes", "Received Unauthorized"),
    ("row_46_luckfox_session_control_that_is_not_the_base", "404 response to SETUP"),
    ("row_54_rtspserver_path_alone", "404 response to DESCRIBE"),
    ("row_55_tapo_cseq_of_the_request_before", "got OK response with CSeq 0"),
    ("row_61_ubiquiti_url_that_asks_for_srtp", "404 response to DESCRIBE"),
    ("row_65_uniview_ssrc_of_each_key_frame", "wrong ssrc"),
    ("row_66_ustreamer_marker_on_each_slice", "another"),
    ("row_72_vstarcam_hangs_up_after_the_login", "EOF while expecting response"),
    ("row_73_vstarcam_cseq_missing", "no/unparseable cseq"),
    ("row_78_xiongmai_half_written_frames", "framing error"),
    ("row_79_xiongmai_blanks_and_tabs", "Unable to parse SDP"),
    ("row_80_others_doubled_scheme", "404 response to SETUP"),
    ("row_81_others_ipv6_without_brackets", "404 response to SETUP"),
    ("row_82_others_relative_base", "404 response to SETUP"),
    ("row_83_others_no_content_type", "unexpected content type"),
    ("row_84_others_redirect_to_another_port", "302 response to DESCRIBE"),
    ("row_87_others_nonce_for_one_request", "Received Unauthorized"),
    ("row_88_others_password_with_signs", "invalid port number"),
    ("row_89_others_lines_twice_and_no_last_end", "Unable to parse SDP"),
    ("row_91_others_transport_without_channels", "missing interleaved"),
    ("row_92_others_channels_that_are_swapped", "RTCP packet header"),
    ("row_95_others_requests_of_the_cameras_own", "no pictures in time"),
    ("row_97_others_timeout_that_is_none", "Invalid timeout=0"),
    ("row_98_others_stap_a_with_zeros", "zero length in STAP-A"),
    ("row_99_others_ssrc_0_at_times", "wrong ssrc"),
    ("row_100_others_sequence_numbers_of_each_key_frame", "Out-of-order packet"),
    ("row_101_others_sequence_numbers_that_stay", "Out-of-order packet"),
];

/// What is wrong with retina's pictures of a camera; nothing where they are the camera's own.
fn judge(habits: &Habits) -> Option<String> {
    let camera = QuirkCamera::open(*habits);
    let seen = match pictures(&camera.url, PICTURES, PATIENCE) {
        Ok(seen) => seen,
        Err(why) => return Some(why.lines().next().unwrap_or_default().to_owned()),
    };
    let slices =
        |picture: &Picture| picture.iter().filter(|nal| is_slice(nal)).cloned().collect::<Vec<_>>();
    let shown = &camera.pictures;
    let first = shown.iter().position(|picture| *picture == slices(&seen[0]));
    let Some(first) = first else { return Some("its first picture is another".to_owned()) };
    let expected = shown.iter().cycle().skip(first);
    let wrong = seen.iter().zip(expected).position(|(seen, shown)| slices(seen) != *shown);
    wrong.map(|_| "a picture is another".to_owned())
}

#[test]
fn retina_has_the_same_pictures_of_each_camera_but_those_that_are_listed() {
    let rows = [
        answers::habits(),
        description::habits(),
        lasting::habits(),
        login::habits(),
        packets::habits(),
        urls::habits(),
    ];
    let rows = Mutex::new(rows.concat().into_iter());
    let judged = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let row = rows.lock().expect("no panic").next();
                    let Some((name, habits)) = row else { break };
                    let wrong = judge(&habits);
                    judged.lock().expect("no panic").push((name, wrong));
                }
            });
        }
    });
    let mut judged = judged.into_inner().expect("no panic");
    judged.sort_unstable();
    for (name, wrong) in &judged {
        println!("{name}: {}", wrong.as_deref().unwrap_or("the same"));
    }
    let wrong: Vec<_> =
        judged.iter().filter_map(|(name, wrong)| Some((*name, wrong.as_deref()?))).collect();
    let is_listed = |(name, wrong): &(&str, &str)| {
        OTHERWISE.iter().any(|(row, why)| row == name && wrong.contains(why))
    };
    let unlisted: Vec<_> = wrong.iter().filter(|one| !is_listed(one)).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    assert_eq!(wrong.len(), OTHERWISE.len(), "some of those listed are the same by now");
}
