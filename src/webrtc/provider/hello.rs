//! Parses our own ServerHello for the SRTP profile it agrees on. In DTLS 1.2 it is plaintext.

use super::records::{HANDSHAKE, HANDSHAKE_HEADER_BYTES, Records};

const SERVER_HELLO: u8 = 2;
/// The extension that negotiates SRTP (RFC 5764 section 4.1.1); below, the profiles weir serves.
const USE_SRTP: u16 = 14;
const GCM_PROFILES: [u16; 2] = [0x0007, 0x0008];

/// Why a browser gets no session although its handshake could be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpRefusal {
    /// The browser does not do SRTP over DTLS.
    NoSrtp,
    /// The browser does SRTP, but neither AEAD_AES_256_GCM nor AEAD_AES_128_GCM.
    NoGcm,
}

impl std::fmt::Display for SrtpRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSrtp => "no srtp",
            Self::NoGcm => "no aes-gcm",
        })
    }
}

/// Why weir refuses what the ServerHello in `packet` agrees on; `None` if it is fine or not there.
pub(super) fn refusal(packet: &[u8]) -> Option<SrtpRefusal> {
    let mut records =
        Records(packet).filter(|record| record.kind == HANDSHAKE && record.epoch == 0);
    let hello = records.find(|record| record.fragment.first() == Some(&SERVER_HELLO))?;
    match srtp_profile(hello.fragment.get(HANDSHAKE_HEADER_BYTES..)?) {
        None => Some(SrtpRefusal::NoSrtp),
        Some(profile) if !GCM_PROFILES.contains(&profile) => Some(SrtpRefusal::NoGcm),
        Some(_) => None,
    }
}

/// The profile in a ServerHello's use_srtp extension.
fn srtp_profile(hello: &[u8]) -> Option<u16> {
    let session_id = hello.get(2 + 32..)?;
    let behind_it = session_id.get(1 + usize::from(*session_id.first()?)..)?;
    // Cipher suite, compression method, length of the extensions.
    let mut extensions = behind_it.get(2 + 1 + 2..)?;
    while let Some(header) = extensions.get(..4) {
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let content = extensions.get(4..4 + length)?;
        if kind == USE_SRTP {
            // Two bytes for the list's size, then the one profile chosen.
            return Some(u16::from_be_bytes([*content.get(2)?, *content.get(3)?]));
        }
        extensions = &extensions[4 + length..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, message: &[u8]) -> Vec<u8> {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        let mut out = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0];
        out.extend(length);
        out.extend(message);
        out
    }

    fn server_hello(extensions: &[u8]) -> Vec<u8> {
        let mut message = vec![SERVER_HELLO, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xfd];
        message.extend([0; 32]);
        message.extend([1, 99, 0xc0, 0x2b, 0]);
        message.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        message.extend(extensions);
        record(HANDSHAKE, 0, &message)
    }

    #[test]
    fn a_server_hello_without_gcm_is_found() {
        let ems = [0, 23, 0, 0];
        let srtp = |profile| [0, 23, 0, 0, 0, 14, 0, 5, 0, 2, 0, profile, 0];
        assert_eq!(refusal(&server_hello(&ems)), Some(SrtpRefusal::NoSrtp));
        assert_eq!(refusal(&server_hello(&srtp(1))), Some(SrtpRefusal::NoGcm));
        assert_eq!(refusal(&server_hello(&srtp(7))), None);
        assert_eq!(refusal(&server_hello(&srtp(8))), None);
    }

    #[test]
    fn other_packets_are_no_server_hello() {
        assert_eq!(refusal(&record(HANDSHAKE, 0, &[11, 0, 0, 0])), None);
        assert_eq!(refusal(&record(HANDSHAKE, 1, &[SERVER_HELLO; 64])), None);
        assert_eq!(refusal(&[]), None);
    }
}
