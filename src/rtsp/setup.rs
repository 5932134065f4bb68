//! The Transport header of SETUP: the channels of the interleaved connection (RFC 2326 section
//! 12.39).

/// The Transport header for SETUP, with two channels from `first` on. It has no `mode`, which
/// breaks some servers.
pub(super) fn transport(first: u8) -> String {
    format!("Transport: RTP/AVP/TCP;unicast;interleaved={first}-{}", first.saturating_add(1))
}

/// The RTP and RTCP channels in a camera's Transport header. Cameras choose other channels than
/// asked for (Dahua), name only one, or none. `interleaved` decides, not the protocol's name (Escam
/// says RTP/AVP). `first` is the first channel that was asked for. `None` when the camera will not
/// send over this connection.
pub(super) fn channels(transport: Option<&str>, first: u8) -> Option<(u8, u8)> {
    let asked = (first, first.saturating_add(1));
    let Some(transport) = transport else {
        return Some(asked);
    };
    let mut parts = transport.split([';', ',']).map(str::trim);
    let interleaved = parts.clone().find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("interleaved").then_some(value)
    });
    if let Some(value) = interleaved {
        let (first, second) = value.split_once('-').unwrap_or((value, ""));
        let Ok(first) = first.trim().parse::<u8>() else {
            return Some(asked);
        };
        let second = second.trim().parse().unwrap_or(first.wrapping_add(1));
        return Some((first, second));
    }
    let is_udp = parts.any(|part| {
        let part = part.to_ascii_lowercase();
        part.starts_with("client_port") || part.starts_with("rtp/avp/udp") || part == "multicast"
    });
    (!is_udp).then_some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(channels(Some(transport), 0), expected, "{transport}");
        }
        assert_eq!(channels(None, 2), Some((2, 3)));
    }
}
