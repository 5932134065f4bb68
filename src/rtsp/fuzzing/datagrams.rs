//! Fuzzes the datagrams of a camera: in any order, from any source, at any time.

use super::super::auth::Auth;
use super::super::framing::Broken;
use super::super::habits::Keepalive;
use super::super::session::{Negotiated, RtpRoute, Session, Sink};
use super::super::testing::rtp;
use super::CHANNELS;
use super::conversation::with_pools;
use crate::limits::REORDER_PACKETS_MAX;
use crate::mem::pool::{CarryPool, ReorderPool};

/// Sequence numbers and sources in the order handed on.
#[derive(Default)]
struct Heard(Vec<(u32, u16)>);

impl Sink for Heard {
    fn rtp(&mut self, packet: &[u8]) {
        assert!(packet.len() >= 12 && packet[0] >> 6 == 2);
        let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
        self.0.push((ssrc, u16::from_be_bytes([packet[2], packet[3]])));
    }

    fn sound(&mut self, _: &[u8]) {
        panic!("there is none");
    }

    fn broken(&mut self, _: Broken) {}
}

/// Every four bytes of the input are a datagram: what it is, its number, and the time before it.
/// No packet is handed on twice in a row, few wait, and every slot is returned.
pub fn datagrams(data: &[u8]) {
    with_pools(|carry, reorder| play(data, carry, reorder));
}

fn play(data: &[u8], carry: &mut CarryPool, pool: &mut ReorderPool) {
    let mut session = Session::new(Negotiated {
        base: "rtsp://192.0.2.7/live".to_owned(),
        session_id: None,
        timeout_s: None,
        route: RtpRoute::Datagrams { payload_type: CHANNELS.payload_type, silence_us: Some(1) },
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
        match record[0] >> 4 {
            0 => session.rtcp_datagram(&packet, now_us),
            1 => session.datagram(record, pool, now_us, &mut heard),
            2 => session.datagram(&[], pool, now_us, &mut heard),
            3 => packet.resize(packet.len() + 2000, 1),
            _ => {}
        }
        session.datagram(&packet, pool, now_us, &mut heard);
        if session.release_us() <= now_us {
            session.release_due(pool, now_us, &mut heard);
            assert!(session.release_us() > now_us);
        }
        assert!(pool.counts().used <= REORDER_PACKETS_MAX);
        let _ = session.timeout(now_us);
        session.request_key_frame(now_us);
        let _ = session.take_rtcp();
    }
    assert!(heard.0.windows(2).all(|pair| pair[0] != pair[1]), "twice in a row");
    session.release(carry, pool);
    assert_eq!(pool.counts().used, 0, "every slot is given back");
}
