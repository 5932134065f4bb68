//! The RTP of the picture.

use super::{Run, rows};
use crate::common::quirks::habits::{
    Habits, Marker, Numbers, Packing, Reports, Rtp, Sets, Source, Stamps,
};

fn rtp(rtp: Rtp) -> Habits {
    Habits { rtp, ..Habits::default() }
}

fn packed(packing: Packing) -> Habits {
    rtp(Rtp { packing, ..Rtp::default() })
}

fn stamped(stamps: Stamps) -> Habits {
    rtp(Rtp { stamps, ..Rtp::default() })
}

fn with_sets(sets: Sets) -> Habits {
    rtp(Rtp { sets, ..Rtp::default() })
}

rows! {
    row_8_axis_parameter_sets_in_the_sdp_alone: with_sets(Sets::SdpOnly), Run::whole;
    row_5_axis_slices: rtp(Rtp { slices: 4, ..Rtp::default() }), Run::whole;
    row_7_axis_header_extensions: rtp(Rtp { is_dressed: true, ..Rtp::default() }), Run::whole;
    row_53_reolink_parameter_sets_of_the_frame_before: with_sets(Sets::OfFrameBefore), Run::whole;
    row_47_lvip22_sei_with_the_marker: with_sets(Sets::WithSei), Run::whole;
    row_18_flir_no_marker: rtp(Rtp { marker: Marker::Never, ..Rtp::default() }), Run::whole;

    row_66_ustreamer_marker_on_each_slice:
        rtp(Rtp { marker: Marker::EachSlice, slices: 3, ..Rtp::default() }), Run::whole;

    row_67_v380_key_frame_as_one_sps: packed(Packing::AnnexB), Run::whole;
    row_68_v380_the_same_in_fragments: packed(Packing::AnnexBFragments), Run::whole;
    row_25_gwsecurity_start_codes_and_zeros: packed(Packing::StartCodes), Run::whole;
    row_98_others_stap_a_with_zeros: packed(Packing::PaddedStapA), Run::whole;
    row_9_tiandy_odd_fragments: packed(Packing::OddFragments), Run::whole;

    row_64_ubiquiti_whole_nal_units_in_packets:
        rtp(Rtp { payload_bytes: 60_000, ..Rtp::default() }), Run::whole;

    row_21_geovision_packets_of_type_50:
        rtp(Rtp { has_type_50: true, ..Rtp::default() }), Run::whole;

    row_65_uniview_ssrc_of_each_key_frame:
        rtp(Rtp { source: Source::OfKeyFrame, ..Rtp::default() }), Run::whole;

    row_99_others_ssrc_0_at_times:
        rtp(Rtp { source: Source::ZeroAtTimes, ..Rtp::default() }), Run::whole;

    row_101_others_sequence_numbers_that_stay:
        rtp(Rtp { numbers: Numbers::Fixed, ..Rtp::default() }), Run::whole;

    row_100_others_sequence_numbers_of_each_key_frame:
        rtp(Rtp { numbers: Numbers::OfKeyFrame, ..Rtp::default() }), Run::whole;

    row_43_intelbras_frames_stamped_hours_away: stamped(Stamps::FarAway), Run::whole;
    row_15_wyze_clock_that_is_set_back: stamped(Stamps::SetBack), Run::whole;
    row_44_intelbras_two_frames_of_one_stamp: stamped(Stamps::Shared), Run::whole;

    row_59_tapo_reports_of_another_source:
        rtp(Rtp { reports: Reports::Strange, ..Rtp::default() }), Run::whole;
}
