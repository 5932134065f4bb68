//! DTLS 1.2 records in a datagram (RFC 6347 section 4.1), as far as they are readable without keys.

pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;

/// Bytes of the header of a handshake message in a record's fragment.
pub(crate) const HANDSHAKE_HEADER_BYTES: usize = 12;

const HEADER_BYTES: usize = 13;

/// Iterates over the records of a datagram, up to the first truncated one.
#[derive(Debug)]
pub(crate) struct Records<'a>(pub(crate) &'a [u8]);

/// One record of a DTLS datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DtlsRecord<'a> {
    /// The record's content type.
    pub(crate) kind: u8,
    /// 0 in plaintext, 1 when encrypted.
    pub(crate) epoch: u16,
    /// Its header and its fragment.
    pub(crate) whole: &'a [u8],
    /// The record without its header.
    pub(crate) fragment: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = DtlsRecord<'a>;

    fn next(&mut self) -> Option<DtlsRecord<'a>> {
        let header = self.0.get(..HEADER_BYTES)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (whole, rest) = self.0.split_at_checked(HEADER_BYTES + length)?;
        self.0 = rest;
        Some(DtlsRecord {
            kind: header[0],
            epoch: u16::from_be_bytes([header[3], header[4]]),
            whole,
            fragment: &whole[HEADER_BYTES..],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_apart_and_a_cut_one_is_left_out() {
        let mut datagram = vec![HANDSHAKE, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 7, 8];
        datagram.extend([ALERT, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 9]);
        let found: Vec<_> = Records(&datagram).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind, found[0].epoch), (HANDSHAKE, 1));
        assert_eq!(found[0].fragment, [7, 8]);
        assert_eq!((found[1].kind, found[1].whole.len()), (ALERT, 14));
        datagram.pop();
        assert_eq!(Records(&datagram).count(), 1);
    }
}
