//! What is learnt of the ways, by a clock that the test turns.

use super::*;
use crate::control::dial_error::DialError;
use crate::mem::accounts::Refused;

const MS: u64 = 1000;
const S: u64 = 1_000_000;
const FOR_KEY_FRAME: KeyFrameStep = KeyFrameStep::Converse { for_key_frame: true };

fn service() -> OnvifService {
    OnvifService::testing()
}

/// The ways of a camera that was asked at `asked_us`, whose last key frame is long ago.
fn asked(mut ways: KeyFrameWays, asked_us: u64) -> KeyFrameWays {
    assert_eq!(ways.next(0, asked_us), KeyFrameStep::Rest);
    ways.asked(asked_us);
    ways
}

#[test]
fn a_key_frame_in_time_says_that_rtcp_works() {
    let mut ways = asked(KeyFrameWays::new(false), S);
    assert_eq!(ways.names(), ("untried", None));
    assert_eq!(ways.next(0, S + 1), KeyFrameStep::At(2 * S));
    assert_eq!(ways.next(S + 40 * MS, 2 * S), KeyFrameStep::Rest);
    assert_eq!(ways.names(), ("works", None));
}

#[test]
fn rtcp_is_given_up_after_three_failures_in_a_row() {
    let mut ways = KeyFrameWays::new(false);
    let fail = |ways: &mut KeyFrameWays, at_us: u64| {
        ways.asked(at_us);
        assert_eq!(ways.next(0, at_us + S - 1), KeyFrameStep::At(at_us + S));
        assert_eq!(ways.next(0, at_us + S), KeyFrameStep::Rest);
    };
    fail(&mut ways, S);
    fail(&mut ways, 3 * S);
    assert_eq!((ways.names().0, ways.is_rtcp_in_vain()), ("unanswered", false));
    // One that works in between sets the count back.
    ways.asked(5 * S);
    assert_eq!(ways.next(5 * S, 5 * S), KeyFrameStep::Rest);
    assert_eq!(ways.names().0, "works");
    for second in [7, 9, 11] {
        assert!(!ways.is_rtcp_in_vain());
        fail(&mut ways, second * S);
    }
    assert_eq!((ways.names().0, ways.is_rtcp_in_vain()), ("given up", true));
    // Then a request is of no effect.
    ways.asked(13 * S);
    assert_eq!(ways.next(0, 13 * S), KeyFrameStep::Rest);
    assert_eq!(ways.next(13 * S + 5, 14 * S), KeyFrameStep::Rest);
    assert_eq!(ways.names().0, "given up", "a key frame that nobody asked for");
}

#[test]
fn onvif_is_asked_once_rtcp_had_its_time_and_at_once_when_that_is_in_vain() {
    let mut ways = KeyFrameWays::new(true);
    for (number, second) in [10, 20, 30, 40].into_iter().enumerate() {
        let at_us = second * S;
        ways.asked(at_us);
        let mut asked_us = at_us;
        if number < 3 {
            assert_eq!(ways.next(0, at_us), KeyFrameStep::At(at_us + KEY_FRAME_RTCP_US));
            asked_us += KEY_FRAME_RTCP_US;
        }
        assert_eq!(ways.next(0, asked_us), FOR_KEY_FRAME);
        // Others who ask meanwhile are served by it.
        ways.asked(asked_us + 1);
        assert_eq!(ways.next(0, asked_us + 2), KeyFrameStep::Rest);
        ways.conversed(Ok((service(), Some(asked_us + 5))));
        assert_eq!(ways.next(0, asked_us + 9), KeyFrameStep::At(asked_us + 5 + S));
        assert_eq!(ways.next(asked_us + 8, asked_us + 5 + S), KeyFrameStep::Rest);
        let rtcp = if number < 2 { "unanswered" } else { "given up" };
        assert_eq!(ways.names(), (rtcp, Some("works")));
    }
    assert!(ways.is_rtcp_in_vain());
}

#[test]
fn a_camera_that_takes_requests_and_does_nothing_is_not_asked_for_ever() {
    let mut ways = KeyFrameWays::new(true);
    for second in [10, 20, 30] {
        ways.asked(second * S);
        assert_eq!(ways.next(0, second * S + KEY_FRAME_RTCP_US), FOR_KEY_FRAME);
        ways.conversed(Ok((service(), Some(second * S + S))));
        assert_eq!(ways.next(0, second * S + 2 * S), KeyFrameStep::Rest);
    }
    assert_eq!(ways.given_up_for(), Some("it takes the request, and makes no key frame"));
    // RTCP had 0.3 s each time: it is judged again by a whole second.
    assert_eq!(ways.names(), ("untried", Some("given up")));
    ways.asked(40 * S);
    assert_eq!(ways.next(0, 40 * S), KeyFrameStep::At(41 * S));
    assert_eq!(ways.next(40 * S + 700 * MS, 41 * S), KeyFrameStep::Rest);
    assert_eq!(ways.names(), ("works", Some("given up")));
}

#[test]
fn a_refused_login_is_not_tried_twice() {
    let mut ways = KeyFrameWays::new(true);
    assert_eq!(ways.prepare(), KeyFrameStep::Converse { for_key_frame: false });
    ways.conversed(Err(OnvifError::Login(crate::rtsp::LoginRefused::Wrong)));
    assert!(ways.given_up_for().expect("given up").contains("refuses user and password"));
    ways.plays();
    assert_eq!(ways.prepare(), KeyFrameStep::Rest);
}

#[test]
fn a_service_is_looked_for_once_per_connection_and_a_viewer_who_asks_meanwhile_is_heard() {
    let mut ways = KeyFrameWays::new(true);
    assert_eq!(ways.prepare(), KeyFrameStep::Converse { for_key_frame: false });
    assert_eq!(ways.prepare(), KeyFrameStep::Rest);
    ways.asked(S);
    ways.conversed(Err(OnvifError::Timeout));
    assert_eq!(ways.next(0, 2 * S), FOR_KEY_FRAME);
    ways.conversed(Err(OnvifError::Timeout));
    assert_eq!(ways.prepare(), KeyFrameStep::Rest);
    ways.plays();
    assert_eq!(ways.prepare(), KeyFrameStep::Converse { for_key_frame: false });
    ways.conversed(Ok((service(), None)));
    assert_eq!((ways.problem(), ways.names().1), (None, Some("unanswered")));
    ways.plays();
    assert_eq!(ways.prepare(), KeyFrameStep::Rest, "it is known");
}

#[test]
fn what_weir_had_no_room_for_is_no_fault_of_the_cameras() {
    let mut ways = KeyFrameWays::new(true);
    assert_eq!(ways.prepare(), KeyFrameStep::Converse { for_key_frame: false });
    ways.conversed(Err(OnvifError::Dial(DialError::Refused(Refused::Reserve))));
    assert_eq!((ways.names(), ways.problem()), (("untried", Some("untried")), None));
}

#[test]
fn without_a_port_for_onvif_nobody_is_asked_by_it() {
    let mut ways = KeyFrameWays::new(false);
    assert_eq!(ways.prepare(), KeyFrameStep::Rest);
    ways.asked(S);
    assert_eq!(ways.next(0, 5 * S), KeyFrameStep::Rest);
}
