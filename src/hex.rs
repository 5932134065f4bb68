//! Bytes as hexadecimal digits.

/// Two lower-case digits per byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `N` bytes from twice as many digits of either case; `None` for anything else.
pub(crate) fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_they_are_written() {
        assert_eq!(text(&[0, 0x7f, 0xff]), "007fff");
        assert_eq!(bytes("007FfF"), Some([0, 0x7f, 0xff]));
        for wrong in ["", "007ff", "007fff0", "+07fff", "007ffg", "00 7ff", "0é7ff"] {
            assert_eq!(bytes::<3>(wrong), None, "{wrong}");
        }
    }
}
