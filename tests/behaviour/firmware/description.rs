//! The SDP: what is broken in it, and the tracks beside the picture.

use super::{Run, rows};
use crate::common::quirks::habits::{Habits, Sound};

fn described(sdp: &'static str) -> Habits {
    Habits { sdp: Some(sdp), ..Habits::default() }
}

const fn sounding(payload_type: u8, ticks: [u32; 2]) -> Option<Sound> {
    Some(Sound { payload_type, ticks })
}

/// The sound came, with timestamps that advance by its samples.
fn heard(run: &Run) {
    run.whole();
    let sounds = run.sounds();
    assert!(sounds.len() > 10, "{} {}", sounds.len(), run.status());
    for pair in sounds.windows(2) {
        assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), 160);
    }
}

rows! {
    row_60_tplink_lines_that_are_malformed: described(
        "v=0\r\no=- 14665860 31787219 1 IN IP4 192.0.2.7\r\ns=Session streamed by \"TP-LINK\"\r\n\
         t=0 0\r\na=smart_encoder:virtualIFrame=1\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n\
         b=AS:4096\r\na=control:track1\r\na=rtpmap:96 H264/90000\r\n\
         a=fmtp:96 packetization-mode=1; profile-level-id=4D0029; sprop-parameter-sets={sets}\r\n\
         m=application/TP-LINK 0 RTP/AVP smart/1/90000\r\na=rtpmap:95 TP-LINK/90000\r\n\
         a=control:track3\r\n",
    ), |run| {
        run.whole();
        assert!(run.path_of("SETUP").ends_with("/track1"));
    };

    row_69_v380_no_origin_and_sets_with_start_codes: described(
        "v=0\r\ns=-\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
         a=fmtp:96 profile-level-id=TeAo;sprop-parameter-sets=AAAAAWdNACmWAAAAAWjuPIA=;\r\n",
    ), Run::whole;

    row_26_gwsecurity_sets_that_are_none: described(
        "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n\
         a=fmtp:96 profile-level-id=5046314;sprop-parameter-sets=Z00=,*;\r\n",
    ), Run::whole;

    row_52_reolink_other_sets_in_the_stream: described(
        "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n\
         a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LgH9oBQBbk,aM48gA==\r\n",
    ), Run::whole;

    row_34_hikvision_other_profile_than_the_sps: described(
        "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n\
         a=fmtp:96 profile-level-id=640033; packetization-mode=1;sprop-parameter-sets={sets}\r\n",
    ), |run| {
        run.whole();
        assert!(run.viewer.answer.contains("profile-level-id=42"), "{}", run.viewer.answer);
    };

    row_1_anjvision_mode_0_and_fragments: described(
        "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n\
         a=fmtp:96 packetization-mode=0\r\n",
    ), Run::whole;

    row_79_xiongmai_blanks_and_tabs: described(
        "v=0\r\nm=video\t0  RTP/AVP 96 \r\na=rtpmap:96 H264/90000 \r\na=control: trackID=3 \r\n",
    ), |run| {
        run.whole();
        assert!(run.path_of("SETUP").ends_with("/trackID=3"));
    };

    row_89_others_lines_twice_and_no_last_end: described(
        "v=0\ns=a\ns=b\nc=nonsense\nt=0 0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n\
         a=control:trackID=0",
    ), Run::whole;

    row_63_ubiquiti_one_type_for_all_tracks: Habits {
        sound: sounding(96, [160, 160]),
        ..described(
            "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96\r\n\
             a=control:trackID=1\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000\r\n\
             a=fmtp:96 sprop-parameter-sets={sets}\r\na=control:trackID=2\r\n\
             m=audio 0 RTP/AVP 96\r\na=rtpmap:96 PCMU/8000\r\na=control:trackID=3\r\n",
        )
    }, |run| {
        heard(run);
        assert!(run.seen().uris("SETUP")[1].ends_with("/trackID=3"));
    };

    row_19_foscam_g711_without_rtpmap: Habits {
        sound: sounding(0, [160, 160]),
        ..described(
            "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
             m=audio 0 RTP/AVP 0\r\na=control:track2\r\n",
        )
    }, heard;

    row_24_gwsecurity_type_8_that_is_mu_law: Habits {
        sound: sounding(8, [160, 160]),
        ..described(
            "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
             m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMU/8000\r\na=control:track2\r\n",
        )
    }, |run| {
        heard(run);
        assert_eq!(run.status()["sound"], "PCMU");
    };

    row_6_axis_sound_that_miscounts: Habits {
        sound: sounding(0, [153, 164]),
        ..described(
            "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
             m=audio 0 RTP/AVP 0\r\na=control:track2\r\n",
        )
    }, heard;

    row_37_hikvision_sound_that_browsers_do_not_take: described(
        "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
         m=audio 0 RTP/AVP 104\r\na=rtpmap:104 MPEG4-GENERIC/16000/1\r\na=control:track2\r\n",
    ), |run| {
        run.whole();
        assert_eq!(run.seen().uris("SETUP").len(), 1);
        let problem = run.status()["sound_problem"].as_str().unwrap_or_default().to_owned();
        assert!(problem.contains("AAC"), "{problem}");
    };

    row_13_dahua_metadata_and_a_way_back: described(
        "v=0\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\na=rtpmap:96 H264/90000\r\n\
         a=recvonly\r\nm=audio 0 RTP/AVP 0\r\na=control:trackID=5\r\na=sendonly\r\n\
         m=application 0 RTP/AVP 107\r\na=control:trackID=4\r\n\
         a=rtpmap:107 vnd.onvif.metadata/90000\r\na=recvonly\r\n",
    ), |run| {
        run.whole();
        assert!(run.path_of("SETUP").ends_with("/trackID=0"));
    };

    row_90_others_all_tracks_marked_sendonly: described(
        "v=0\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\na=rtpmap:96 H264/90000\r\n\
         a=sendonly\r\n",
    ), Run::whole;

    row_75_xiongmai_session_of_each_setup: Habits {
        has_many_sessions: true,
        sound: sounding(0, [160, 160]),
        ..described(
            "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
             m=audio 0 RTP/AVP 0\r\na=control:track2\r\n",
        )
    }, |run| {
        heard(run);
        assert_eq!(run.seen().headers("PLAY", "session"), ["77D1"]);
    };
}
