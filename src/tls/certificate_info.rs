//! What a certificate says, for a person to compare it with what a browser shows.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use crate::config::CertificateFingerprint;
use crate::der::{
    COMMON_NAME, EXPLICIT_0, EXPLICIT_3, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, SEQUENCE,
    SET, UTC_TIME, each, expect, next,
};

/// Attributes of a subject beside `CN`, as they are commonly abbreviated (RFC 4514 section 3).
const ATTRIBUTES: [(&[u8], &str); 6] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// Tags in a SubjectAltName (RFC 5280 section 4.2.1.6).
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// The contents of a certificate as texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateInfo {
    /// SHA-256 of the certificate, in pairs of hexadecimal digits with colons, as browsers show it.
    pub fingerprint: String,
    /// The subject, such as `CN=gate, O=example`.
    pub subject: String,
    /// Host names and addresses that it is valid for.
    pub names: Vec<String>,
    /// Begin of its validity, such as `2019-01-01 00:00:00 UTC`.
    pub not_before: String,
    /// End of its validity, in the same form.
    pub not_after: String,
}

impl CertificateInfo {
    /// Parses a certificate. A part that cannot be parsed stays empty.
    pub(super) fn of(certificate: &[u8]) -> Self {
        let fingerprint = CertificateFingerprint::of(certificate).to_string();
        let mut info = Self { fingerprint, ..Self::default() };
        // If parsing stops early, the parts read so far are kept.
        let _ = info.read(certificate);
        info
    }

    fn read(&mut self, certificate: &[u8]) -> Option<()> {
        let (outer, _) = expect(SEQUENCE, certificate)?;
        let (mut rest, _) = expect(SEQUENCE, outer)?;
        if rest.first() == Some(&EXPLICIT_0) {
            rest = expect(EXPLICIT_0, rest)?.1;
        }
        rest = expect(INTEGER, rest)?.1;
        // Signature algorithm and issuer.
        rest = expect(SEQUENCE, rest)?.1;
        rest = expect(SEQUENCE, rest)?.1;
        let (validity, rest) = expect(SEQUENCE, rest)?;
        let mut times = each(validity).map(|(tag, text)| time(tag, text));
        self.not_before = times.next()??;
        self.not_after = times.next()??;
        let (subject, rest) = expect(SEQUENCE, rest)?;
        self.subject = name(subject);
        let (_, rest) = expect(SEQUENCE, rest)?;
        let (_, extensions) = each(rest).find(|(tag, _)| *tag == EXPLICIT_3)?;
        let (extensions, _) = expect(SEQUENCE, extensions)?;
        for (_, extension) in each(extensions) {
            let (id, mut rest) = expect(OID, extension)?;
            if id != SUBJECT_ALT_NAME {
                continue;
            }
            // Skips the optional "critical".
            if rest.first() != Some(&OCTET_STRING) {
                rest = next(rest)?.2;
            }
            let (list, _) = expect(SEQUENCE, expect(OCTET_STRING, rest)?.0)?;
            self.names.extend(each(list).filter_map(|(tag, value)| alternative(tag, value)));
        }
        Some(())
    }
}

impl std::fmt::Display for CertificateInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "fingerprint (SHA-256): {}", self.fingerprint)?;
        writeln!(f, "subject: {}", self.subject)?;
        writeln!(f, "names: {}", self.names.join(", "))?;
        writeln!(f, "valid: {} to {}", self.not_before, self.not_after)
    }
}

/// Formats a time from `20190101000000Z` or, with a year in two digits, `190101000000Z` (RFC 5280
/// section 4.1.2.5).
fn time(tag: u8, text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            (format!("{}{year}", if year < "50" { "20" } else { "19" }), rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    let digits = rest.strip_suffix('Z').filter(|digits| digits.len() == 10)?;
    let part = |at: usize| &digits[at..at + 2];
    let (date, clock) = ([part(0), part(2)].join("-"), [part(4), part(6), part(8)].join(":"));
    Some(format!("{year}-{date} {clock} UTC"))
}

fn name(subject: &[u8]) -> String {
    let mut text = String::new();
    for (_, attribute) in each(subject).filter(|(tag, _)| *tag == SET).flat_map(|(_, s)| each(s)) {
        let Some((id, value)) = expect(OID, attribute) else { continue };
        let known = ATTRIBUTES.iter().find(|(known, _)| *known == id);
        if let (Some((_, short)), Some((_, value, _))) = (known, next(value)) {
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing to a String does not fail.
            let _ = write!(text, "{comma}{short}={}", printable(value));
        }
    }
    text
}

fn alternative(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        DNS_NAME => Some(printable(value)),
        IP_ADDRESS => match *value {
            [a, b, c, d] => Some(IpAddr::from([a, b, c, d]).to_string()),
            _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).to_string()),
        },
        _ => None,
    }
}

/// Replaces control characters, which could move a terminal's cursor.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_forms_are_read() {
        let of = |tag, text: &str| time(tag, text.as_bytes());
        assert_eq!(of(UTC_TIME, "190102030405Z").as_deref(), Some("2019-01-02 03:04:05 UTC"));
        assert_eq!(of(UTC_TIME, "500102030405Z").as_deref(), Some("1950-01-02 03:04:05 UTC"));
        let long = of(GENERALIZED_TIME, "99991231235959Z");
        assert_eq!(long.as_deref(), Some("9999-12-31 23:59:59 UTC"));
        for bad in ["", "Z", "1901020304Z", "190102030405", "19010203040\u{e9}Z"] {
            assert_eq!(of(UTC_TIME, bad), None, "{bad}");
        }
    }

    #[test]
    fn what_could_move_a_cursor_is_not_printed() {
        assert_eq!(printable(b"a\x1b[2Jb\xff"), "a?[2Jb\u{fffd}");
        assert_eq!(alternative(IP_ADDRESS, &[1, 2, 3]), None);
    }
}
