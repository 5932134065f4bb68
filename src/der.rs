//! DER as certificates use it: the known tags, and a reader of one element after another. The input
//! is untrusted: nothing is allocated, and truncated input is `None`.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const EXPLICIT_0: u8 = 0xa0;
pub(crate) const EXPLICIT_3: u8 = 0xa3;

/// The OID of the attribute `CN`.
pub(crate) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The tag and contents of the element that `input` begins with, and the rest of `input`.
pub(crate) fn next(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (length, rest) = rest.split_at_checked(2)?;
            (usize::from(u16::from_be_bytes([length[0], length[1]])), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// The contents of the element that `input` begins with, which must have `tag`, and the rest.
pub(crate) fn expect(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, contents, rest) = next(input)?;
    (found == tag).then_some((contents, rest))
}

/// The elements of `input`, up to the first truncated one.
pub(crate) fn each(input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let (tag, contents, behind) = next(rest)?;
        rest = behind;
        Some((tag, contents))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_length_form_are_read_whole_or_not_at_all() {
        for (head, length) in
            [(&[OID, 3][..], 3), (&[OID, 0x81, 200][..], 200), (&[OID, 0x82, 1, 2][..], 258)]
        {
            let mut bytes = head.to_vec();
            bytes.extend(vec![7; length]);
            assert!(expect(OID, &bytes).is_some_and(|(contents, _)| contents.len() == length));
            assert!(expect(SET, &bytes).is_none());
            for cut in 0..bytes.len() {
                assert!(next(&bytes[..cut]).is_none());
            }
        }
        assert!(next(&[OID, 0x80, 0, 0]).is_none(), "no indefinite lengths in DER");
        assert_eq!(each(&[SET, 1, 9, OID, 0, 1]).count(), 2);
    }
}
