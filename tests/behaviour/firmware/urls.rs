//! The URLs that cameras announce: bases, controls, and the forms that they want to be asked with.

use super::{Run, rows};
use crate::common::quirks::habits::{Habits, Refusals};

/// A camera with this answer to DESCRIBE, besides its type.
fn based(describe: &'static str) -> Habits {
    Habits { describe: Some(describe), ..Habits::default() }
}

/// A camera whose picture has this control, and whose session has another.
fn controlled(sdp: &'static str) -> Habits {
    Habits { sdp: Some(sdp), ..Habits::default() }
}

/// A camera that is set up at one URL alone.
fn at(uris: &'static [(&'static str, &'static str)], habits: Habits) -> Habits {
    Habits { uris, ..habits }
}

rows! {
    row_2_anjvision_base_without_a_scheme: at(
        &[("SETUP", "rtsp://{host}/stream0/trackID=0"), ("PLAY", "rtsp://{host}/stream0/")],
        based("Content-Base: {host}/stream0/\r\n"),
    ), Run::whole;

    row_14_dahua_base_with_a_query: Habits {
        path: "cam/realmonitor?channel=1&subtype=0",
        ..at(
            &[
                ("SETUP", "rtsp://{host}/cam/realmonitor?channel=1&subtype=0/trackID=0"),
                ("PLAY", "rtsp://{host}/cam/realmonitor?channel=1&subtype=0/"),
            ],
            based("Content-Base: rtsp://{host}/cam/realmonitor?channel=1&subtype=0/\r\n"),
        )
    }, Run::whole;

    row_23_gwsecurity_base_without_a_slash: at(
        &[("SETUP", "rtsp://{host}/H264?channel=1&proto=Onvif/trackID=0")],
        Habits {
            play: Some("Session: 77DA\r\nRTP-Info: url=rtsp://{host}/H264/video;seq=3;rtptime=9\r\n"),
            ..based("Content-Base: rtsp://{host}/H264?channel=1&proto=Onvif\r\n")
        },
    ), Run::whole;

    row_28_hanwha_login_in_the_base: based("Content-Base: rtsp://admin:hunter2@{host}/media.smp/\r\n"),
    |run| {
        run.whole();
        assert_eq!(run.path_of("SETUP"), "rtsp://{host}/media.smp/trackID=0");
        assert!(!run.server.log().contains("hunter2"));
    };

    row_29_hikvision_absolute_control_with_a_query: at(
        &[("SETUP", "rtsp://{host}/101/trackID=1?transportmode=unicast&profile=Profile_1")],
        controlled(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=Media Presentation\r\na=control:*\r\n\
             m=video 0 RTP/AVP 96\r\na=recvonly\r\na=rtpmap:96 H264/90000\r\n\
             a=control:rtsp://{host}/101/trackID=1?transportmode=unicast&profile=Profile_1\r\n\
             a=Media_header:MEDIAINFO=494D4B48;\r\na=appversion:1.0\r\n",
        ),
    ), Run::whole;

    row_46_luckfox_session_control_that_is_not_the_base: at(
        &[("SETUP", "rtsp://{host}/live/0/track1"), ("PLAY", "rtsp://{host}/live/0")],
        controlled(
            "v=0\r\na=control:rtsp://{host}/live/0\r\nm=video 0 RTP/AVP 96\r\n\
             a=control:track1\r\na=rtpmap:96 H264/90000\r\n",
        ),
    ), Run::whole;

    row_61_ubiquiti_url_that_asks_for_srtp: Habits {
        path: "key?enableSrtp",
        uris: &[("DESCRIBE", "rtsp://{host}/key")],
        ..Habits::default()
    }, Run::whole;

    row_74_xiongmai_base_of_another_host: at(
        &[("SETUP", "rtsp://192.0.2.9:554/user=admin&password=&channel=1/trackID=0")],
        based("Content-Base: rtsp://192.0.2.9:554/user=admin&password=&channel=1/\r\n"),
    ), Run::whole;

    row_80_others_doubled_scheme: at(
        &[("SETUP", "rtsp://{host}/stream1/trackID=0")],
        based("Content-Base: rtsp://rtsp://{host}/stream1/\r\n"),
    ), Run::whole;

    row_81_others_ipv6_without_brackets: at(
        &[("SETUP", "rtsp://{host}/onvif/trackID=0")],
        based("Content-Base: rtsp://::ffff:127.0.0.1/onvif/\r\n"),
    ), Run::whole;

    row_82_others_relative_base: at(
        &[("SETUP", "rtsp://{host}/live/trackID=0")],
        based("Content-Base: /live/\r\n"),
    ), Run::whole;

    row_83_others_no_content_type: based(
        "Content-Type: application/sdp; charset=utf-8\r\n",
    ), Run::whole;

    row_84_others_redirect_to_another_port: Habits {
        refusals: Refusals { redirects: true, ..Refusals::default() },
        ..Habits::default()
    }, |run| {
        run.whole();
        assert!(run.seen().uris("DESCRIBE")[1].ends_with("/moved"));
    };
}
