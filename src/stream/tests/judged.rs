//! What leaves the ring, as a reader of H.264 that was not written here understands it.

use h264_reader::Context;
use h264_reader::annexb::AnnexBReader;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::SliceHeader;
use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::nal::{Nal as _, RefNal, UnitType};
use h264_reader::push::NalInterest;

use crate::demo;
use crate::history::Chunks;
use crate::limits::PAYLOAD_BYTES_DEFAULT;
use crate::mem::arena::Arena;
use crate::rtp::testing::{Camera, Viewer};

/// The NAL units of an Annex B stream, as the other reader splits it.
fn split(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut nals = Vec::new();
    let mut reader = AnnexBReader::accumulate(|nal: RefNal<'_>| {
        if nal.is_complete() {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut nal.reader(), &mut bytes).expect("it is complete");
            nals.push(bytes);
        }
        NalInterest::Buffer
    });
    reader.push(stream);
    reader.reset();
    nals
}

#[test]
fn the_demo_clip_comes_out_of_the_ring_as_pictures() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    let mut viewer = Viewer::new(CHUNKS.take().unwrap(), PAYLOAD_BYTES_DEFAULT);
    let mut camera = Camera::new();
    let nals = split(demo::CLIP);
    let kind = |nal: &[u8]| RefNal::new(nal, &[], true).header().unwrap().nal_unit_type();
    let is_slice = |nal: &[u8]| {
        use UnitType::{
            SliceLayerWithoutPartitioningIdr as Idr, SliceLayerWithoutPartitioningNonIdr as Other,
        };
        matches!(kind(nal), Idr | Other)
    };
    for nal in &nals {
        camera.fragments(nal, 1400, is_slice(nal));
        if is_slice(nal) {
            camera.next_frame();
        }
    }
    viewer.feed(&camera.packets);

    let mut context = Context::new();
    let (mut keys, mut slices) = (0, Vec::new());
    for whole in viewer.nals() {
        let nal = RefNal::new(&whole.nal, &[], true);
        match kind(&whole.nal) {
            UnitType::SeqParameterSet => {
                let sps = SeqParameterSet::from_bits(nal.rbsp_bits()).expect("an SPS");
                assert_eq!(sps.pixel_dimensions().unwrap(), (1280, 720));
                context.put_seq_param_set(sps);
            }
            UnitType::PicParameterSet => {
                let pps = PicParameterSet::from_bits(&context, nal.rbsp_bits()).expect("a PPS");
                context.put_pic_param_set(pps);
            }
            kind => {
                let header = nal.header().unwrap();
                let (slice, ..) =
                    SliceHeader::from_bits(&context, &mut nal.rbsp_bits(), header, None)
                        .expect("a slice, behind its parameter sets");
                assert_eq!(slice.first_mb_in_slice, 0, "each picture of the clip is one slice");
                keys += usize::from(kind == UnitType::SliceLayerWithoutPartitioningIdr);
                slices.push(whole.nal);
            }
        }
    }
    let sent: Vec<Vec<u8>> = nals.into_iter().filter(|nal| is_slice(nal)).collect();
    assert_eq!((keys, slices.len()), (5, 250));
    assert_eq!(slices, sent);
}
