//! A session whose RTP and RTCP come as datagrams: the RTSP connection only keeps it alive.

use super::{RtpRoute, Session, Sink};
use crate::mem::pool::ReorderPool;
use crate::rtsp::reorder::ReorderCounters;
use crate::rtsp::rtcp::RtcpPacket;

const RTP_HEADER_BYTES: usize = 12;

impl Session {
    /// Whether RTP comes as datagrams, for [`Session::datagram`].
    pub fn has_datagrams(&self) -> bool {
        matches!(self.play.route, RtpRoute::Datagrams { .. })
    }

    /// Takes one datagram that came to the RTP port, and calls `sink` for the packets that are in
    /// order now.
    pub fn datagram(
        &mut self,
        bytes: &[u8],
        pool: &mut ReorderPool,
        now_us: u64,
        sink: &mut impl Sink,
    ) {
        let RtpRoute::Datagrams { payload_type, .. } = self.play.route else { return };
        match bytes {
            [first, 200..=204, ..] if first >> 6 == 2 => self.rtcp_datagram(bytes, now_us),
            [first, second, ..]
                if first >> 6 == 2
                    && second & 0x7f == payload_type
                    && bytes.len() >= RTP_HEADER_BYTES =>
            {
                let (reorder, deliver) = (&mut self.reorder, &mut |packet: &_| sink.rtp(packet));
                if reorder.packet(bytes, pool, now_us, deliver) {
                    self.play.rtp_came(bytes, now_us);
                }
            }
            _ => self.play.counters.unknown_content += 1,
        }
    }

    /// Takes one datagram that came to the RTCP port.
    pub fn rtcp_datagram(&mut self, bytes: &[u8], now_us: u64) {
        self.play.reception.rtcp(bytes, now_us);
    }

    /// Gives up packets that were waited for long enough, and calls `sink` for those after them.
    pub fn release_due(&mut self, pool: &mut ReorderPool, now_us: u64, sink: &mut impl Sink) {
        self.reorder.expire(pool, now_us, &mut |packet| sink.rtp(packet));
    }

    /// When [`Session::release_due`] must be called; `u64::MAX` while no packet waits.
    pub fn release_us(&self) -> u64 {
        self.reorder.deadline_us()
    }

    /// What happened to the datagrams so far.
    pub fn reorder_counters(&self) -> ReorderCounters {
        self.reorder.counters
    }

    /// A compound RTCP packet to send to the camera's RTCP port; empty for none. Together with it,
    /// [`Session::punch`] is to be sent to the RTP port.
    pub fn take_rtcp(&mut self) -> RtcpPacket {
        std::mem::take(&mut self.play.rtcp)
    }

    /// An RTP packet without payload, for the firewalls on the way from the camera's RTP port.
    pub fn punch(&self) -> [u8; 12] {
        let mut packet = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        packet[8..].copy_from_slice(&self.play.ssrc.to_be_bytes());
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{REORDER_US_MAX, RTSP_REPORT_INTERVAL_US, RTSP_SILENCE_US_MAX};
    use crate::rtsp::SessionError;
    use crate::rtsp::auth::Auth;
    use crate::rtsp::framing::Broken;
    use crate::rtsp::habits::Keepalive;
    use crate::rtsp::session::Negotiated;
    use crate::rtsp::testing::{carry_pool, frame, reorder_pool, rtp};

    const S: u64 = 1_000_000;

    #[derive(Default)]
    struct Packets(Vec<Vec<u8>>);

    impl Sink for Packets {
        fn rtp(&mut self, packet: &[u8]) {
            self.0.push(packet.to_vec());
        }

        fn sound(&mut self, _: &[u8]) {
            panic!("there is none");
        }

        fn broken(&mut self, _: Broken) {}
    }

    /// A session that was asked to play at time 0, and accepted.
    fn playing(silence_us: Option<u64>) -> Session {
        let mut session = Session::new(Negotiated {
            base: "rtsp://192.0.2.7/live".to_owned(),
            session_id: None,
            timeout_s: None,
            route: RtpRoute::Datagrams { payload_type: 96, silence_us },
            auth: Auth::new(None, false),
            cseq: 4,
            ssrc: 99,
            keepalive: Keepalive::Options,
            leftover: Vec::new(),
        });
        session.play(0);
        let answer = b"RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n";
        session.receive(answer, &mut carry_pool(), 0, &mut Packets::default()).expect("plays");
        session
    }

    #[test]
    fn video_is_handed_on_in_order_and_other_things_are_not() {
        let (mut session, mut pool) = (playing(None), reorder_pool());
        let mut packets = Packets::default();
        let [one, two, three] = [1, 2, 3].map(|number| rtp(number, 0, &[0x41, 0x9a]));
        let mut sound = rtp(1, 0, &[0x41]);
        sound[1] = 97;
        for datagram in [&one, &sound, &three, &vec![], &vec![0x80], &vec![0xff; 40]] {
            session.datagram(datagram, &mut pool, S, &mut packets);
        }
        assert_eq!(packets.0, [one]);
        assert_eq!(session.counters().unknown_content, 4);
        session.datagram(&two, &mut pool, S, &mut packets);
        assert_eq!(packets.0[1..], [two, three]);
        session.datagram(&rtp(5, 0, &[1]), &mut pool, S, &mut packets);
        session.release_due(&mut pool, session.release_us(), &mut packets);
        assert_eq!((packets.0.len(), session.reorder_counters().lost), (4, 1));
        assert!(session.release_us() == u64::MAX && REORDER_US_MAX < S);
    }

    #[test]
    fn the_way_is_opened_before_play_and_with_each_report() {
        let mut session = playing(None);
        let first = session.take_rtcp();
        assert_eq!(first.bytes()[..4], [0x80, 201, 0, 1], "a report without a block");
        assert!(session.take_rtcp().bytes().is_empty(), "once");
        assert_eq!(session.punch(), [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99]);
        let mut packets = Packets::default();
        session.datagram(&rtp(1, 0, &[1]), &mut reorder_pool(), S, &mut packets);
        session.timeout(RTSP_REPORT_INTERVAL_US).expect("it plays");
        assert_eq!(session.take_rtcp().bytes()[..4], [0x81, 201, 0, 7]);
        let text = String::from_utf8(session.transmit().to_vec()).expect("ascii");
        assert!(!text.contains('$'), "nothing interleaved: {text}");
    }

    #[test]
    fn a_camera_that_sends_nothing_is_given_up_early_if_there_is_another_way() {
        let mut session = playing(Some(3 * S));
        assert_eq!(session.deadline_us(), 3 * S);
        session.timeout(3 * S - 1).expect("not yet");
        assert_eq!(session.timeout(3 * S), Err(SessionError::NoDatagrams));
        let mut session = playing(Some(3 * S));
        session.datagram(&rtp(1, 0, &[1]), &mut reorder_pool(), 2 * S, &mut Packets::default());
        session.timeout(4 * S).expect("it plays");
        let mut session = playing(None);
        session.timeout(9 * S).expect("it may begin late");
        assert_eq!(session.timeout(RTSP_SILENCE_US_MAX), Err(SessionError::Silent));
    }

    #[test]
    fn frames_on_the_connection_are_no_video() {
        let (mut session, mut packets) = (playing(None), Packets::default());
        let frame = frame(0, &rtp(1, 0, &[1; 20]));
        session.receive(&frame, &mut carry_pool(), 0, &mut packets).expect("passed over");
        assert!(packets.0.is_empty());
    }
}
