//! DHCP messages (RFC 2131, options of RFC 2132): what a client writes, and what it reads of a
//! server's.
//!
//! A message is BOOTP's 236 bytes, a cookie, and options. A server may put options into the fields
//! for names too (option 52). Options of no use to a box are skipped. Everything read is bounded:
//! lists to what the settings allow, and a name to what DNS allows.

use std::fmt;
use std::net::Ipv4Addr;

use heapless::Vec as Few;

use crate::limits::{DHCP_DOMAIN_BYTES_MAX, NAME_SERVERS_MAX, TIME_SERVERS_MAX};

const FIXED_BYTES: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// A BOOTP relay may drop a shorter message (RFC 1542 section 2.1).
const BYTES_MIN: usize = 300;
const BOOT_REQUEST: u8 = 1;
const BOOT_REPLY: u8 = 2;
const ETHERNET: u8 = 1;
/// The answer has to come by broadcast: a client without an address cannot be sent to by the
/// kernel's own means.
const BROADCAST: [u8; 2] = [0x80, 0];

mod option {
    pub(super) const PAD: u8 = 0;
    pub(super) const MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const HOST_NAME: u8 = 12;
    pub(super) const DOMAIN: u8 = 15;
    pub(super) const NTP: u8 = 42;
    pub(super) const REQUESTED: u8 = 50;
    pub(super) const LEASE: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const KIND: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const WANTED: u8 = 55;
    pub(super) const RENEWAL: u8 = 58;
    pub(super) const REBINDING: u8 = 59;
    pub(super) const CLIENT: u8 = 61;
    pub(super) const END: u8 = 255;
}

/// The kinds of message that a client sends or understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DhcpKind {
    Discover,
    Offer,
    Request,
    Acknowledged,
    Refused,
}

impl DhcpKind {
    fn number(self) -> u8 {
        match self {
            Self::Discover => 1,
            Self::Offer => 2,
            Self::Request => 3,
            Self::Acknowledged => 5,
            Self::Refused => 6,
        }
    }

    fn of_number(number: u8) -> Option<Self> {
        let all = [Self::Discover, Self::Offer, Self::Request, Self::Acknowledged, Self::Refused];
        all.into_iter().find(|kind| kind.number() == number)
    }
}

/// What a client sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct DhcpQuery<'c> {
    pub(super) kind: DhcpKind,
    pub(super) transaction: u32,
    /// Seconds since the client began to ask.
    pub(super) seconds: u16,
    pub(super) hardware: [u8; 6],
    /// The address that is in use, when it is renewed.
    pub(super) own: Option<Ipv4Addr>,
    /// The address of an offer, with the server that made it.
    pub(super) chosen: Option<(Ipv4Addr, Ipv4Addr)>,
    pub(super) host_name: Option<&'c str>,
}

/// What a server sent to this client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DhcpAnswer {
    pub(super) kind: DhcpKind,
    pub(super) transaction: u32,
    pub(super) hardware: [u8; 6],
    pub(super) your: Ipv4Addr,
    pub(super) server: Option<Ipv4Addr>,
    pub(super) mask: Option<Ipv4Addr>,
    pub(super) router: Option<Ipv4Addr>,
    pub(super) dns: Few<Ipv4Addr, NAME_SERVERS_MAX>,
    pub(super) ntp: Few<Ipv4Addr, TIME_SERVERS_MAX>,
    pub(super) domain: Option<String>,
    pub(super) lease_s: Option<u32>,
    pub(super) renewal_s: Option<u32>,
    pub(super) rebinding_s: Option<u32>,
}

/// Why a datagram is not a server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MalformedDhcp {
    /// It ends before its options.
    Short(usize),
    /// It is no answer to an Ethernet client.
    NoAnswer,
    /// It has no message type, or one that no server sends.
    Kind,
    /// An option is longer than what is left, or has a wrong length.
    Option(u8),
}

impl fmt::Display for MalformedDhcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(bytes) => {
                write!(f, "{bytes} bytes, at least {}", FIXED_BYTES + COOKIE.len())
            }
            Self::NoAnswer => f.write_str("no answer to an Ethernet client"),
            Self::Kind => f.write_str("no type of message that a server sends"),
            Self::Option(number) => write!(f, "option {number} has a wrong length"),
        }
    }
}

impl DhcpQuery<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_BYTES];
        bytes[..3].copy_from_slice(&[BOOT_REQUEST, ETHERNET, 6]);
        bytes[4..8].copy_from_slice(&self.transaction.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.seconds.to_be_bytes());
        match self.own {
            Some(own) => bytes[12..16].copy_from_slice(&own.octets()),
            None => bytes[10..12].copy_from_slice(&BROADCAST),
        }
        bytes[28..34].copy_from_slice(&self.hardware);
        bytes.extend(COOKIE);
        let mut add = |number: u8, value: &[u8]| {
            // Each value is a few bytes, and a host name at most 63.
            let value = &value[..value.len().min(usize::from(u8::MAX))];
            bytes.push(number);
            bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(value);
        };
        add(option::KIND, &[self.kind.number()]);
        let [a, b, c, d, e, f] = self.hardware;
        add(option::CLIENT, &[ETHERNET, a, b, c, d, e, f]);
        if let Some((address, server)) = self.chosen {
            add(option::REQUESTED, &address.octets());
            add(option::SERVER, &server.octets());
        }
        if let Some(name) = self.host_name {
            add(option::HOST_NAME, name.as_bytes());
        }
        add(
            option::WANTED,
            &[
                option::MASK,
                option::ROUTER,
                option::DNS,
                option::DOMAIN,
                option::NTP,
                option::LEASE,
                option::RENEWAL,
                option::REBINDING,
            ],
        );
        bytes.push(option::END);
        bytes.resize(bytes.len().max(BYTES_MIN), option::PAD);
        bytes
    }
}

impl DhcpAnswer {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, MalformedDhcp> {
        let (fixed, rest) =
            bytes.split_at_checked(FIXED_BYTES).ok_or(MalformedDhcp::Short(bytes.len()))?;
        let (cookie, options) =
            rest.split_at_checked(COOKIE.len()).ok_or(MalformedDhcp::Short(bytes.len()))?;
        if fixed[..3] != [BOOT_REPLY, ETHERNET, 6] || cookie != COOKIE {
            return Err(MalformedDhcp::NoAnswer);
        }
        let four = |at: usize| [fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]];
        let mut answer = Self {
            kind: DhcpKind::Discover,
            transaction: u32::from_be_bytes(four(4)),
            hardware: [fixed[28], fixed[29], fixed[30], fixed[31], fixed[32], fixed[33]],
            your: four(16).into(),
            server: None,
            mask: None,
            router: None,
            dns: Few::new(),
            ntp: Few::new(),
            domain: None,
            lease_s: None,
            renewal_s: None,
            rebinding_s: None,
        };
        let overload = answer.take_all(options)?;
        // RFC 2131 section 4.1: the field for a file first, then the one for a name.
        if overload & 1 != 0 {
            answer.take_all(&fixed[108..236])?;
        }
        if overload & 2 != 0 {
            answer.take_all(&fixed[44..108])?;
        }
        match answer.kind {
            DhcpKind::Offer | DhcpKind::Acknowledged | DhcpKind::Refused => Ok(answer),
            DhcpKind::Discover | DhcpKind::Request => Err(MalformedDhcp::Kind),
        }
    }

    /// Takes the options of one field; returns the value of option 52.
    fn take_all(&mut self, mut rest: &[u8]) -> Result<u8, MalformedDhcp> {
        let mut overload = 0;
        while let Some((number, behind)) = rest.split_first() {
            rest = behind;
            match *number {
                option::PAD => continue,
                option::END => break,
                _ => {}
            }
            let cut_off = MalformedDhcp::Option(*number);
            let (bytes, behind) = rest.split_first().ok_or(cut_off)?;
            let (value, behind) = behind.split_at_checked(usize::from(*bytes)).ok_or(cut_off)?;
            rest = behind;
            if *number == option::OVERLOAD {
                overload = value.first().copied().unwrap_or(0);
            } else {
                self.take(*number, value).ok_or(cut_off)?;
            }
        }
        Ok(overload)
    }

    /// Takes one option; `None` if its length is wrong.
    fn take(&mut self, number: u8, value: &[u8]) -> Option<()> {
        let address = || <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
        let seconds = || <[u8; 4]>::try_from(value).ok().map(u32::from_be_bytes);
        match number {
            option::KIND => {
                let [kind] = value else { return None };
                // A kind that is not known is none that a client waits for.
                self.kind = DhcpKind::of_number(*kind).unwrap_or(DhcpKind::Discover);
            }
            option::MASK => self.mask = Some(address()?),
            option::ROUTER => self.router = addresses(value)?.next(),
            // What is beyond the bound is not used.
            option::DNS => {
                self.dns.extend(addresses(value)?.take(NAME_SERVERS_MAX - self.dns.len()))
            }
            option::NTP => {
                self.ntp.extend(addresses(value)?.take(TIME_SERVERS_MAX - self.ntp.len()))
            }
            option::DOMAIN => self.domain = domain(value),
            option::LEASE => self.lease_s = Some(seconds()?),
            option::SERVER => self.server = Some(address()?),
            option::RENEWAL => self.renewal_s = Some(seconds()?),
            option::REBINDING => self.rebinding_s = Some(seconds()?),
            _ => {}
        }
        Some(())
    }
}

/// A list of addresses; `None` if its length is no multiple of theirs.
fn addresses(value: &[u8]) -> Option<impl Iterator<Item = Ipv4Addr>> {
    let (whole, rest) = value.as_chunks::<4>();
    let is_usable =
        |ip: &Ipv4Addr| !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast();
    rest.is_empty().then(|| whole.iter().map(|four| Ipv4Addr::from(*four)).filter(is_usable))
}

/// A domain to look names up in, if it is one: it goes into a file that others read.
fn domain(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim_end_matches(['\0', '.']);
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let is_name = (1..=DHCP_DOMAIN_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_sign);
    is_name.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 7];

    /// A server's message with these options.
    fn reply(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_BYTES];
        bytes[..3].copy_from_slice(&[BOOT_REPLY, ETHERNET, 6]);
        bytes[4..8].copy_from_slice(&[1, 2, 3, 4]);
        bytes[16..20].copy_from_slice(&[192, 0, 2, 7]);
        bytes[28..34].copy_from_slice(&HARDWARE);
        bytes.extend(COOKIE);
        bytes.extend(options);
        bytes
    }

    #[test]
    fn a_query_is_of_the_form_of_rfc_2131() {
        let query = DhcpQuery {
            kind: DhcpKind::Discover,
            transaction: 0x0102_0304,
            seconds: 5,
            hardware: HARDWARE,
            own: None,
            chosen: None,
            host_name: Some("gate"),
        };
        let bytes = query.bytes();
        assert_eq!(bytes.len(), BYTES_MIN);
        assert_eq!(bytes[..16], [1, 1, 6, 0, 1, 2, 3, 4, 0, 5, 0x80, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[28..34], HARDWARE);
        assert_eq!(bytes[236..243], [99, 130, 83, 99, 53, 1, 1]);
        assert!(bytes.windows(6).any(|option| option == b"\x0c\x04gate"));
        let own = Ipv4Addr::new(192, 0, 2, 7);
        let renewal =
            DhcpQuery { kind: DhcpKind::Request, own: Some(own), host_name: None, ..query };
        let bytes = renewal.bytes();
        assert_eq!(bytes[10..16], [0, 0, 192, 0, 2, 7], "the answer comes to the address");
        let server = Ipv4Addr::new(192, 0, 2, 1);
        let request = DhcpQuery { kind: DhcpKind::Request, chosen: Some((own, server)), ..query };
        let bytes = request.bytes();
        assert!(bytes.windows(6).any(|option| option == [50, 4, 192, 0, 2, 7]));
        assert!(bytes.windows(6).any(|option| option == [54, 4, 192, 0, 2, 1]));
    }

    #[test]
    fn an_answer_is_read_wherever_its_options_are() {
        let mut bytes = reply(&[53, 1, 5, 0, 0, 54, 4, 192, 0, 2, 1, 52, 1, 3, 255, 9, 9, 9]);
        bytes[108..114].copy_from_slice(&[51, 4, 0, 0, 14, 16]);
        bytes[114] = option::END;
        bytes[44..50].copy_from_slice(&[1, 4, 255, 255, 255, 0]);
        bytes[50..56].copy_from_slice(&[3, 4, 192, 0, 2, 254]);
        let answer = DhcpAnswer::read(&bytes).expect("good");
        assert_eq!(answer.kind, DhcpKind::Acknowledged);
        assert_eq!((answer.transaction, answer.hardware), (0x0102_0304, HARDWARE));
        assert_eq!(answer.your, Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(answer.lease_s, Some(3600));
        assert_eq!(answer.mask, Some(Ipv4Addr::new(255, 255, 255, 0)));
        assert_eq!(answer.router, Some(Ipv4Addr::new(192, 0, 2, 254)));
    }

    #[test]
    fn real_servers_are_understood() {
        let own = |name: &[u8]| {
            let answer = DhcpAnswer::read(name).expect("a server's");
            assert_eq!(answer.transaction, u32::from_be_bytes(*b"weir"));
            assert_eq!((answer.hardware, answer.server), (HARDWARE, Some([192, 0, 2, 1].into())));
            answer
        };
        let offer = own(include_bytes!("../../../tests/data/dhcp/dnsmasq-offer.bin"));
        let acknowledged = own(include_bytes!("../../../tests/data/dhcp/dnsmasq-ack.bin"));
        let refused = own(include_bytes!("../../../tests/data/dhcp/dnsmasq-nak.bin"));
        assert_eq!(offer.kind, DhcpKind::Offer);
        assert_eq!(acknowledged, DhcpAnswer { kind: DhcpKind::Acknowledged, ..offer });
        assert_eq!(refused.kind, DhcpKind::Refused);
        let times = (acknowledged.lease_s, acknowledged.renewal_s, acknowledged.rebinding_s);
        assert_eq!(times, (Some(3600), Some(1800), Some(3150)));
        assert_eq!(acknowledged.router, Some([192, 0, 2, 254].into()));
        assert_eq!(acknowledged.dns, [[192, 0, 2, 53], [192, 0, 2, 54]].map(Ipv4Addr::from));
        assert_eq!(acknowledged.ntp, [Ipv4Addr::new(192, 0, 2, 123)]);
        assert_eq!(acknowledged.domain.as_deref(), Some("lan"));
    }

    #[test]
    fn lists_are_cut_at_their_bounds() {
        let mut options = vec![53, 1, 2, 6, 20];
        options.extend((1..=5).flat_map(|host| [192, 0, 2, host]));
        options.extend([42, 24]);
        options.extend((1..=6).flat_map(|host| [192, 0, 3, host]));
        options.extend([6, 4, 192, 0, 2, 99]);
        let answer = DhcpAnswer::read(&reply(&options)).expect("good");
        assert_eq!((answer.dns.len(), answer.ntp.len()), (NAME_SERVERS_MAX, TIME_SERVERS_MAX));
        assert_eq!(answer.dns[0], Ipv4Addr::new(192, 0, 2, 1));
    }

    #[test]
    fn a_domain_is_a_name_or_nothing() {
        let of = |name: &[u8]| {
            let mut options = vec![53, 1, 2, 15, u8::try_from(name.len()).expect("short")];
            options.extend(name);
            DhcpAnswer::read(&reply(&options)).expect("good").domain
        };
        assert_eq!(of(b"lan").as_deref(), Some("lan"));
        assert_eq!(of(b"example.net.\0").as_deref(), Some("example.net"));
        for wrong in [&b""[..], b"lan\nnameserver 192.0.2.66", b"a b", &[0xff]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(DhcpAnswer::read(&[0; 100]), Err(MalformedDhcp::Short(100)));
        assert_eq!(DhcpAnswer::read(&[0; 239]), Err(MalformedDhcp::Short(239)));
        assert_eq!(DhcpAnswer::read(&[0; 240]), Err(MalformedDhcp::NoAnswer));
        assert_eq!(DhcpAnswer::read(&reply(&[])), Err(MalformedDhcp::Kind));
        for kind in [1, 3, 4, 7, 99] {
            assert_eq!(DhcpAnswer::read(&reply(&[53, 1, kind])), Err(MalformedDhcp::Kind));
        }
        for options in [&[53][..], &[53, 2, 5], &[53, 0], &[1, 3, 0, 0, 0], &[6, 5, 0, 0, 0, 0, 0]]
        {
            assert_eq!(DhcpAnswer::read(&reply(options)), Err(MalformedDhcp::Option(options[0])));
        }
        let mut bytes = reply(&[53, 1, 5, 52, 1, 1]);
        bytes[108..236].fill(7);
        assert_eq!(
            DhcpAnswer::read(&bytes),
            Err(MalformedDhcp::Option(7)),
            "cut off in the file field"
        );
        assert_eq!(MalformedDhcp::Option(7).to_string(), "option 7 has a wrong length");
    }
}
