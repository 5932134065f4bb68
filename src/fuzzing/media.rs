//! Targets for what unknown hosts send to the media port: STUN checks and SRTCP.

use std::net::SocketAddr;

use is::stun::StunMessage;
use ring::hmac;

use super::Tape;
use super::handshake::{PASSWORD, SLOT, credentials};
use crate::egress::batch::Path;
use crate::egress::rtcp;
use crate::egress::srtp::{OpenKeys, SRTCP_OVERHEAD_BYTES, Seal, SealKeys};
use crate::limits::DATAGRAM_BYTES_MAX;
use crate::webrtc::consent::{Check, REPLY_BYTES_MAX};
use crate::webrtc::session::{CloseNotify, Live, SessionStart, StoredFlight};

const SECOND_US: u64 = 1_000_000;
const STUN_HEADER_BYTES: usize = 20;
const USE_CANDIDATE: u16 = 0x0025;
const MESSAGE_INTEGRITY: u16 = 0x0008;

fn path(port: u16) -> Path {
    Path { to: SocketAddr::from(([192, 0, 2, 1], port)), from: [192, 0, 2, 9].into() }
}

/// A live session with its browser at port 1, and the keys that the browser seals with; `number`
/// makes those keys.
fn live(number: u8) -> (Live, SealKeys) {
    let keys = |byte| {
        let (key, salt) = ([byte; 16], [byte; 12]);
        (SealKeys::derive(&key, &salt), OpenKeys::derive(&key, &salt))
    };
    let (seal, _) = keys(1);
    let (browser, open) = keys(number);
    let start = SessionStart {
        seal: seal.expect("16 bytes are a key"),
        open: open.expect("16 bytes are a key"),
        path: path(1),
        flight: StoredFlight::new(),
        close_notify: CloseNotify::new(),
    };
    (Live::new(start, 0), browser.expect("16 bytes are a key"))
}

/// SRTCP: what a browser sealed opens once and to the byte. Any other bytes, and any change of
/// those, never authenticate and leave the session as it was. Feedback parsed from an opened
/// compound packet is no more than its bytes have room for.
pub fn srtcp(data: &[u8]) {
    let mut tape = Tape::new(data);
    // The fuzzer watches comparisons and would learn from them what this session's packets are.
    let (mut strange, _) = live(3);
    let (mut live, mut browser) = live(2);
    let edits = Tape::new(tape.bytes(25));
    let mut plain = tape.rest().to_vec();
    plain.truncate(DATAGRAM_BYTES_MAX - SRTCP_OVERHEAD_BYTES);
    refuse(&mut strange, &plain);
    plain.resize(plain.len().max(8), 0);
    let mut sealed = plain.clone();
    sealed.resize(plain.len() + SRTCP_OVERHEAD_BYTES, 0);
    browser.seal_rtcp(&mut sealed, plain.len()).expect("the first number");
    let edited = edits.clone().edited(&sealed);
    if edited != sealed {
        refuse(&mut live, &edited);
    }
    let mut packet = sealed.clone();
    let opened = live.srtcp(&mut packet, path(2), SECOND_US).expect("it is genuine");
    assert_eq!(opened, plain);
    assert_eq!((live.path(), live.last_sign_us()), (path(1), 0), "a report alone moves nothing");
    assert_eq!(live.ask(SECOND_US, || [7; 12]), None, "nor does a sender's first one ask");
    refuse(&mut live, &sealed);
    let mut count = 0;
    rtcp::parse(&plain, |_| count += 1);
    assert!(count <= plain.len() / 4, "{count} of {} bytes", plain.len());
}

/// Asserts that the session refuses this packet and stays as it was.
fn refuse(live: &mut Live, packet: &[u8]) {
    let state = |live: &Live| {
        let ends = [8, 15].map(|second| live.ended(true, second * SECOND_US));
        (live.path(), live.last_sign_us(), ends)
    };
    let before = state(live);
    let taken = live.srtcp(&mut packet.to_vec(), path(3), 7 * SECOND_US).is_ok();
    assert!(!taken, "it is not genuine");
    assert_eq!(state(live), before);
}

/// STUN: a check is authentic only if MESSAGE-INTEGRITY (RFC 8489), computed here once more, is
/// right and USERNAME is the session's. Only then is there a reply, which names the address that
/// the check came from, verifies, and is no check itself. What follows MESSAGE-INTEGRITY does not
/// count.
pub fn stun(data: &[u8]) {
    let credentials = credentials();
    let mut tape = Tape::new(data);
    let datagram = match tape.byte() % 4 {
        0 => tape.rest().to_vec(),
        1 => signed(tape.rest(), PASSWORD, &[]),
        2 => signed(tape.rest(), "another password of 24 ch", &[]),
        _ => {
            let after = tape.record();
            signed(tape.rest(), PASSWORD, after)
        }
    };
    let Some(check) = Check::parse(&datagram) else { return };
    let slot = check.slot();
    if !check.is_authentic(&credentials) {
        return;
    }
    let covered = integrity_at(&datagram).expect("an authentic check has its integrity");
    let (text, mac) = datagram.split_at(covered);
    assert_eq!(mac_of(text, PASSWORD), mac[4..24], "the mac is not right");
    assert_eq!(slot, Some(SLOT));
    assert_eq!(check.nominates(), attributes(text).any(|(kind, ..)| kind == USE_CANDIDATE));
    for peer in ["192.0.2.7:5000", "[2001:db8::7]:5000"] {
        let peer: SocketAddr = peer.parse().expect("an address");
        let mut buffer = [0; REPLY_BYTES_MAX];
        let reply = check.reply(&credentials, peer, &mut buffer).expect("a reply fits");
        assert!(reply.len() <= REPLY_BYTES_MAX && Check::parse(reply).is_none());
        let at = integrity_at(reply).expect("a reply has its integrity");
        assert_eq!(mac_of(&reply[..at], PASSWORD), reply[at + 4..at + 24]);
        let parsed = StunMessage::parse(reply).expect("a reply is stun");
        assert_eq!(parsed.mapped_address(), Some(peer));
        assert_eq!(reply[8..20], datagram[8..20], "the transaction is the check's");
    }
}

/// A binding request with these attributes, signed with `password`, and `after` behind it.
fn signed(attributes: &[u8], password: &str, after: &[u8]) -> Vec<u8> {
    let whole = |bytes: &[u8]| bytes[..bytes.len().min(DATAGRAM_BYTES_MAX / 2) & !3].to_vec();
    let (attributes, after) = (whole(attributes), whole(after));
    let mut datagram = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    datagram.extend(*b"transaction!");
    datagram.extend(attributes);
    let mac = mac_of(&datagram, password);
    datagram.extend([0, 8, 0, 20]);
    datagram.extend(mac);
    datagram.extend(after);
    let length = u16::try_from(datagram.len() - STUN_HEADER_BYTES).expect("less than a datagram");
    datagram[2..4].copy_from_slice(&length.to_be_bytes());
    datagram
}

/// The HMAC over a message that ends before its MESSAGE-INTEGRITY, whose length counts that
/// attribute (RFC 8489 section 14.5).
fn mac_of(text: &[u8], password: &str) -> Vec<u8> {
    let mut text = text.to_vec();
    let length = u16::try_from(text.len() - STUN_HEADER_BYTES + 24).expect("less than a datagram");
    text[2..4].copy_from_slice(&length.to_be_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    hmac::sign(&key, &text).as_ref().to_vec()
}

/// Attributes of a message: type, offset of the type, value.
fn attributes(message: &[u8]) -> impl Iterator<Item = (u16, usize, &[u8])> {
    let mut at = STUN_HEADER_BYTES;
    std::iter::from_fn(move || {
        let [k0, k1, l0, l1] = *message.get(at..)?.first_chunk::<4>()?;
        let bytes = usize::from(u16::from_be_bytes([l0, l1]));
        let value = message.get(at + 4..at + 4 + bytes)?;
        let found = (u16::from_be_bytes([k0, k1]), at, value);
        at += 4 + bytes.next_multiple_of(4);
        Some(found)
    })
}

/// Offset of the first MESSAGE-INTEGRITY, if its value has 20 bytes.
fn integrity_at(message: &[u8]) -> Option<usize> {
    let (_, at, value) = attributes(message).find(|(kind, ..)| *kind == MESSAGE_INTEGRITY)?;
    (value.len() == 20).then_some(at)
}
