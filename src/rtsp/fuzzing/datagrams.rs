//! Fuzzes the datagrams of a camera: in any order, from any source, at any time.

use super::super::auth::Auth;
use super::super::framing::Broken;
use super::super::habits::Keepalive;
use super::super::sdp::SoundTrack;
use super::super::session::{CameraTrack, Negotiated, RtpRoute, Session, Sink};
use super::super::testing::rtp;
use super::CHANNELS;
use super::conversation::with_pools;
use crate::limits::{REORDER_PACKETS_MAX, REORDER_SOUND_PACKETS_MAX};
use crate::mem::pool::{CarryPool, ReorderPool};
use crate::sound::SoundCodec;

const SOUND: SoundTrack = SoundTrack { payload_type: 8, codec: SoundCodec::Pcma };

/// Sequence numbers and sources in the order handed on, of each track.
#[derive(Default)]
struct Heard {
    picture: Vec<(u32, u16)>,
    sound: Vec<(u32, u16)>,
}

fn source_and_number(packet: &[u8]) -> (u32, u16) {
    assert!(packet.len() >= 12 && packet[0] >> 6 == 2);
    let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
    (ssrc, u16::from_be_bytes([packet[2], packet[3]]))
}

impl Sink for Heard {
    fn rtp(&mut self, packet: &[u8]) {
        assert_eq!(packet[1] & 0x7f, CHANNELS.payload_type);
        self.picture.push(source_and_number(packet));
    }

    fn sound(&mut self, packet: &[u8]) {
        assert_eq!(packet[1] & 0x7f, SOUND.payload_type);
        self.sound.push(source_and_number(packet));
    }

    fn broken(&mut self, _: Broken) {}
}

/// Every four bytes of the input are a datagram: what it is and to which port it comes, its number,
/// and the time before it.
/// No packet is handed on twice in a row, few wait, and every slot is returned.
pub fn datagrams(data: &[u8]) {
    with_pools(|carry, reorder| play(data, carry, reorder));
}

fn play(data: &[u8], carry: &mut CarryPool, pool: &mut ReorderPool) {
    let mut session = Session::new(Negotiated {
        base: "rtsp://192.0.2.7/live".to_owned(),
        session_id: None,
        timeout_s: None,
        route: RtpRoute::Datagrams {
            payload_type: CHANNELS.payload_type,
            sound: Some(SOUND),
            silence_us: Some(1),
        },
        auth: Auth::new(None, false),
        cseq: 4,
        ssrc: 7,
        keepalive: Keepalive::Options,
        leftover: Vec::new(),
    });
    let mut heard = Heard::default();
    let mut now_us = 0;
    session.play(now_us);
    for record in data.chunks_exact(4) {
        now_us += u64::from(record[3]) * 500;
        let number = u16::from_be_bytes([record[1], record[2]]);
        let mut packet = rtp(number, 0, &[0x41; 8]);
        packet[11] = record[0] & 3;
        let track = match record[0] & 4 {
            0 => CameraTrack::Picture,
            _ => CameraTrack::Sound,
        };
        if record[0] & 8 != 0 {
            packet[1] = SOUND.payload_type;
        }
        match record[0] >> 4 {
            0 => session.rtcp_datagram(track, &packet, now_us, &mut heard),
            1 => session.datagram(track, record, pool, now_us, &mut heard),
            2 => session.datagram(track, &[], pool, now_us, &mut heard),
            3 => packet.resize(packet.len() + 2000, 1),
            _ => {}
        }
        session.datagram(track, &packet, pool, now_us, &mut heard);
        for track in [CameraTrack::Picture, CameraTrack::Sound] {
            if session.release_us(track) <= now_us {
                session.release_due(track, pool, now_us, &mut heard);
                assert!(session.release_us(track) > now_us);
            }
            let _ = session.take_rtcp(track);
        }
        assert!(pool.counts().used <= REORDER_PACKETS_MAX + REORDER_SOUND_PACKETS_MAX);
        let _ = session.timeout(now_us);
        session.request_key_frame(true, now_us);
    }
    for handed_on in [heard.picture, heard.sound] {
        assert!(handed_on.windows(2).all(|pair| pair[0] != pair[1]), "twice in a row");
    }
    session.release(carry, pool);
    assert_eq!(pool.counts().used, 0, "every slot is given back");
}
