//! Answers, headers and what else comes on the connection.

use std::sync::atomic::Ordering::Relaxed;

use super::{Run, rows};
use crate::common::quirks::habits::{Answers, Cseq, Framing, Habits, Refusals};

fn framing(framing: Framing) -> Habits {
    Habits { framing, ..Habits::default() }
}

fn refusing(refusals: Refusals) -> Habits {
    Habits { refusals, ..Habits::default() }
}

fn cseq(cseq: Cseq) -> Habits {
    Habits { answers: Answers { cseq, ..Answers::default() }, ..Habits::default() }
}

rows! {
    row_10_reolink_rtp_before_the_answer_to_play:
        framing(Framing { is_early: true, ..Framing::default() }), Run::whole;

    row_20_live555_packets_of_a_stale_session:
        framing(Framing { has_stale_session: true, ..Framing::default() }),
        // Whichever source comes first is kept; until they have met, they were mixed.
        |run| assert!(run.judged.breaks <= 1 && run.judged.spoiled == 0, "{:?}", run.judged);

    row_93_others_tracks_that_nobody_set_up:
        framing(Framing { has_other_channels: true, ..Framing::default() }), Run::whole;

    row_92_others_channels_that_are_swapped:
        framing(Framing { swaps_channels: true, ..Framing::default() }), Run::whole;

    row_78_xiongmai_half_written_frames:
        framing(Framing { garbles: true, ..Framing::default() }), |run| {
            let judged = &run.judged;
            assert!((1..=4).contains(&judged.breaks) && judged.spoiled <= 4, "{judged:?}");
            assert_eq!(run.seen().plays.load(Relaxed), 1, "the connection stands");
        };

    row_95_others_requests_of_the_cameras_own:
        framing(Framing { asks: true, ..Framing::default() }), |run| {
            run.whole();
            let answers = run.seen().answers.lock().expect("whole").concat();
            assert!(answers.contains("RTSP/1.0 200 OK\r\nCSeq: 1\r\n"), "{answers}");
            assert!(answers.contains("RTSP/1.0 501 Not Implemented\r\nCSeq: 2\r\n"), "{answers}");
        };

    row_94_others_line_ends_between_frames: Habits {
        answers: Answers { has_blank_lines: true, ..Answers::default() },
        ..Habits::default()
    }, Run::whole;

    row_77_xiongmai_cseq_in_lower_case: cseq(Cseq::Lower), Run::whole;
    row_73_vstarcam_cseq_missing: cseq(Cseq::Missing), Run::whole;
    row_55_tapo_cseq_of_the_request_before: cseq(Cseq::Previous), Run::whole;

    row_11_dahua_other_channels: Habits {
        transport: Some("RTP/AVP/TCP;unicast;interleaved=8-9;ssrc= d6a3"),
        channel: Some(8),
        ..Habits::default()
    }, Run::whole;

    row_16_escam_interleaved_without_tcp: Habits {
        transport: Some("RTP/AVP;unicast;interleaved=0"),
        ..Habits::default()
    }, Run::whole;

    row_91_others_transport_without_channels: Habits {
        transport: Some("RTP/AVP/TCP;unicast"),
        ..Habits::default()
    }, Run::whole;

    row_30_hikvision_session_with_tabs: Habits {
        session: Some("\t\t77DA;  timeout = 60 "),
        play: Some("Session:\t77DA; timeout=120\r\n"),
        ..Habits::default()
    }, |run| {
        run.whole();
        assert_eq!(run.seen().headers("PLAY", "session"), ["77DA"]);
    };

    row_97_others_timeout_that_is_none: Habits {
        session: Some("77DA;timeout=0"),
        play: Some("Session: 77DA;timeout=soon\r\n"),
        ..Habits::default()
    }, Run::whole;

    row_51_reolink_no_session_in_the_answer_to_play:
        Habits { play: Some(""), ..Habits::default() }, Run::whole;

    row_48_omny_rtp_info_that_is_wrong: Habits {
        play: Some("Session: 77DA\r\nRTP-Info: url=trackID=1;seq=0;rtptime=-1;ssrc=9,url=x;\r\n"),
        ..Habits::default()
    }, Run::whole;

    row_33_hikvision_method_that_is_refused:
        refusing(Refusals { methods: &["OPTIONS", "GET_PARAMETER"], ..Refusals::default() }),
        Run::whole;

    row_86_others_no_answer_without_user_agent:
        refusing(Refusals { needs_user_agent: true, ..Refusals::default() }), Run::whole;

    row_50_parrot_range_and_no_mode:
        refusing(Refusals { is_strict: true, ..Refusals::default() }), Run::whole;
}
