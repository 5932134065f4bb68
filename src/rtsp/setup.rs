//! How RTP is asked for in SETUP, and the Transport header of the answer (RFC 2326 section 12.39).
//!
//! Without the operator's choice TCP is asked for first: it needs no ports and loses nothing. A
//! camera that refuses it (461, or an answer with another transport) is asked for UDP, then for
//! multicast if its SDP has a group.

use std::net::{IpAddr, Ipv4Addr};

/// A way for RTP to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// On the RTSP connection, interleaved.
    #[default]
    Tcp,
    /// As datagrams to ports of weir's own.
    Udp,
    /// As datagrams to a group.
    Multicast,
}

impl Transport {
    /// As the configuration and the API have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Multicast => "multicast",
        }
    }
}

/// Where a camera's datagrams come from, and where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The camera's ports for RTP and RTCP, if it named them.
    pub server: Option<(u16, u16)>,
    /// The address that the camera says it sends from.
    pub source: Option<IpAddr>,
    /// The multicast group and its ports for RTP and RTCP; `None` for unicast.
    pub group: Option<(Ipv4Addr, u16, u16)>,
}

/// What a camera's answer to SETUP grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Granted {
    /// The channels for RTP and RTCP.
    Channels(u8, u8),
    Datagrams(Delivery),
}

/// The transports of one dialog: which one is asked for, and which are left.
#[derive(Debug)]
pub(super) struct Transports {
    pub(super) now: Transport,
    left: heapless::Vec<Transport, 2>,
    /// The operator chose one.
    is_fixed: bool,
    /// The even port of weir's pair for the video, once it is open.
    pub(super) client_port: Option<u16>,
    /// The same for the sound.
    pub(super) sound_port: Option<u16>,
    /// What the camera granted for the video, if not the connection.
    pub(super) delivery: Option<Delivery>,
}

impl Transports {
    /// `fixed` is the operator's choice; without it `first` is asked for first.
    pub(super) fn new(fixed: Option<Transport>, first: Transport) -> Self {
        // The last one is next.
        let others = [Transport::Multicast, Transport::Udp, Transport::Tcp].into_iter();
        let left = others.filter(|other| fixed.is_none() && *other != first).collect();
        Self {
            now: fixed.unwrap_or(first),
            left,
            is_fixed: fixed.is_some(),
            client_port: None,
            sound_port: None,
            delivery: None,
        }
    }

    /// Whether weir's ports must be opened before the next SETUP, which is that of the sound or of
    /// another track.
    pub(super) fn needs_ports(&self, is_sound: bool) -> bool {
        self.now == Transport::Udp && self.port(is_sound).is_none()
    }

    fn port(&self, is_sound: bool) -> Option<u16> {
        if is_sound { self.sound_port } else { self.client_port }
    }

    /// Whether another transport can be tried if this one brings nothing.
    pub(super) fn is_free(&self) -> bool {
        !self.is_fixed
    }

    /// The camera refused this transport; `false` when none is left.
    pub(super) fn next(&mut self, has_group: bool) -> bool {
        while let Some(next) = self.left.pop() {
            if next != Transport::Multicast || has_group {
                self.now = next;
                return true;
            }
        }
        false
    }

    /// The Transport header for SETUP. Interleaved, the track gets two channels from `first` on;
    /// with UDP the sound has ports of its own, and tracks that are discarded get the video's. It
    /// has no `mode`, which breaks some servers, and says `unicast`, without which VLC answers
    /// multicast.
    pub(super) fn header(&self, first: u8, is_sound: bool) -> String {
        let port = self.port(is_sound).unwrap_or_default();
        match self.now {
            Transport::Tcp => format!(
                "Transport: RTP/AVP/TCP;unicast;interleaved={first}-{}",
                first.saturating_add(1)
            ),
            Transport::Udp => {
                format!("Transport: RTP/AVP;unicast;client_port={port}-{}", port.saturating_add(1))
            }
            Transport::Multicast => "Transport: RTP/AVP;multicast".to_owned(),
        }
    }

    /// What the answer's header grants; `None` when it is not what was asked for. `first` is the
    /// first channel that was asked for, `group` that of the SDP.
    pub(super) fn granted(
        &self,
        header: Option<&str>,
        first: u8,
        group: Option<(Ipv4Addr, u16)>,
    ) -> Option<Granted> {
        let header = header.unwrap_or_default();
        match self.now {
            Transport::Tcp => {
                channels(header, first).map(|(rtp, rtcp)| Granted::Channels(rtp, rtcp))
            }
            Transport::Udp => unicast(header).map(Granted::Datagrams),
            Transport::Multicast => multicast(header, group).map(Granted::Datagrams),
        }
    }
}

/// The value of a parameter of the header, trimmed.
fn value<'a>(header: &'a str, wanted: &str) -> Option<&'a str> {
    header.split([';', ',']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// Whether the header has this word.
fn has(header: &str, word: &str) -> bool {
    header.split([';', ',']).any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// Two ports from `6000-6001`, or from `6000` alone; `None` for 0 and anything else.
fn ports(text: &str) -> Option<(u16, u16)> {
    let (first, second) = text.split_once('-').unwrap_or((text, ""));
    let first: u16 = first.trim().parse().ok().filter(|port| *port > 0)?;
    let second = second.trim().parse().ok().filter(|port| *port > 0);
    Some((first, second.or(first.checked_add(1))?))
}

fn source(header: &str) -> Option<IpAddr> {
    let source: IpAddr = value(header, "source")?.parse().ok()?;
    Some(source.to_canonical()).filter(|ip| !ip.is_unspecified() && !ip.is_multicast())
}

/// The RTP and RTCP channels in a camera's Transport header. Cameras choose other channels than
/// asked for (Dahua), name only one, or none. `interleaved` decides, not the protocol's name (Escam
/// says RTP/AVP). `first` is the first channel that was asked for. `None` when the camera will not
/// send over this connection.
fn channels(header: &str, first: u8) -> Option<(u8, u8)> {
    let asked = (first, first.saturating_add(1));
    if let Some(value) = value(header, "interleaved") {
        let (first, second) = value.split_once('-').unwrap_or((value, ""));
        let Ok(first) = first.trim().parse::<u8>() else {
            return Some(asked);
        };
        let second = second.trim().parse().unwrap_or(first.wrapping_add(1));
        return Some((first, second));
    }
    let is_udp = header.split([';', ',']).any(|part| {
        let part = part.trim().to_ascii_lowercase();
        part.starts_with("client_port") || part.starts_with("rtp/avp/udp") || part == "multicast"
    });
    (!is_udp).then_some(asked)
}

/// The camera's side of unicast. Its ports may be missing (OpenIPC) or 0, and so may be its
/// address; another address than the RTSP connection's counts as well.
fn unicast(header: &str) -> Option<Delivery> {
    if value(header, "interleaved").is_some() || has(header, "multicast") {
        return None;
    }
    let server = value(header, "server_port").and_then(ports);
    Some(Delivery { server, source: source(header), group: None })
}

/// The group of the answer, else that of the SDP. Only IPv4 groups are known.
fn multicast(header: &str, described: Option<(Ipv4Addr, u16)>) -> Option<Delivery> {
    if value(header, "interleaved").is_some() || has(header, "unicast") {
        return None;
    }
    let answered = value(header, "destination").and_then(|group| group.parse().ok());
    let group = answered.or(described.map(|(group, _)| group)).filter(Ipv4Addr::is_multicast)?;
    // live555 says `port`; a few say `client_port` or `server_port`.
    let named = ["port", "client_port", "server_port"].map(|name| value(header, name));
    let named = named.into_iter().flatten().find_map(ports);
    let described = || {
        let port = described.map(|(_, port)| port).filter(|port| *port > 0)?;
        Some((port, port.checked_add(1)?))
    };
    let (rtp, rtcp) = named.or_else(described)?;
    Some(Delivery { server: None, source: source(header), group: Some((group, rtp, rtcp)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

    #[test]
    fn channels_are_those_of_the_answer() {
        for (transport, expected) in [
            ("RTP/AVP/TCP;unicast;interleaved=8-9;ssrc= d6a3", Some((8, 9))),
            ("RTP/AVP;unicast; Interleaved = 2-3 ;server_port=", Some((2, 3))),
            ("RTP/AVP/TCP;interleaved=4", Some((4, 5))),
            ("RTP/AVP/TCP;interleaved=a-b", Some((0, 1))),
            ("RTP/AVP/TCP;unicast", Some((0, 1))),
            ("RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001", None),
            ("RTP/AVP/UDP;unicast", None),
            ("", Some((0, 1))),
        ] {
            assert_eq!(channels(transport, 0), expected, "{transport}");
        }
        assert_eq!(channels("", 2), Some((2, 3)));
    }

    #[test]
    fn a_cameras_ports_and_source_are_taken_if_they_can_be() {
        let v4 = |last| Some(IpAddr::from([192, 0, 2, last]));
        for (transport, expected) in [
            (
                "RTP/AVP/UDP;unicast;client_port=5000-5001;server_port=6000-6001;source=192.0.2.7",
                Some((Some((6000, 6001)), v4(7))),
            ),
            (
                "RTP/AVP;unicast;Server_Port= 6000 - 6005 ;ssrc= 1f",
                Some((Some((6000, 6005)), None)),
            ),
            (
                "RTP/AVP;unicast;client_port=5000-5001;server_port=6000",
                Some((Some((6000, 6001)), None)),
            ),
            ("RTP/AVP;unicast;server_port=0-0;source=", Some((None, None))),
            ("RTP/AVP;unicast;server_port=;source=cam.lan", Some((None, None))),
            ("RTP/AVP;unicast;server_port=65535;source=0.0.0.0", Some((None, None))),
            ("RTP/AVP;source=::ffff:192.0.2.9;unicast", Some((None, v4(9)))),
            ("", Some((None, None))),
            ("RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001", None),
            ("RTP/AVP/TCP;unicast;interleaved=0-1", None),
        ] {
            let found = unicast(transport).map(|delivery| (delivery.server, delivery.source));
            assert_eq!(found, expected, "{transport}");
        }
    }

    #[test]
    fn a_group_is_that_of_the_answer_or_of_the_sdp() {
        let described = Some((Ipv4Addr::new(239, 9, 9, 9), 7000));
        for (transport, described, expected) in [
            (
                "RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;ttl=16",
                described,
                Some((GROUP, 5000, 5001)),
            ),
            (
                "RTP/AVP;multicast;client_port=5000-5001;destination=239.1.2.3",
                None,
                Some((GROUP, 5000, 5001)),
            ),
            ("RTP/AVP;multicast", described, Some((Ipv4Addr::new(239, 9, 9, 9), 7000, 7001))),
            ("", described, Some((Ipv4Addr::new(239, 9, 9, 9), 7000, 7001))),
            ("RTP/AVP;multicast;destination=239.1.2.3", None, None),
            ("RTP/AVP;multicast;port=5000-5001", None, None),
            ("RTP/AVP;multicast;destination=192.0.2.7;port=5000-5001", None, None),
            ("RTP/AVP;unicast;client_port=5000-5001", described, None),
        ] {
            let found = multicast(transport, described).and_then(|delivery| delivery.group);
            assert_eq!(found, expected, "{transport}");
        }
    }

    #[test]
    fn each_transport_is_tried_once_and_a_choice_is_final() {
        let order = |fixed, first, has_group| {
            let mut transports = Transports::new(fixed, first);
            let mut order = vec![transports.now];
            while transports.next(has_group) {
                order.push(transports.now);
            }
            order
        };
        use Transport::{Multicast, Tcp, Udp};
        assert_eq!(order(None, Tcp, false), [Tcp, Udp]);
        assert_eq!(order(None, Udp, true), [Udp, Tcp, Multicast]);
        assert_eq!(order(None, Multicast, true), [Multicast, Tcp, Udp]);
        assert_eq!(order(Some(Udp), Tcp, true), [Udp]);
    }
}
