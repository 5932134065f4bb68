//! Targets for what weir-init reads: answers of DHCP and time servers, and presets.

use std::path::Path;

use super::{SECRET, Tape};
use crate::appliance::box_file::BoxSettings;
use crate::appliance::dhcp::{DhcpClient, DhcpReceived, DhcpStep};
use crate::appliance::preset::{judge_box, judge_config};
use crate::appliance::sntp::SntpQuestion;
use crate::limits::{
    BOX_FILE_BYTES_MAX, DHCP_DOMAIN_BYTES_MAX, DHCP_LEASE_S_MIN, NAME_SERVERS_MAX,
    PRESET_PROBLEMS_MAX, SNTP_DELAY_US_MAX, TIME_SERVERS_MAX,
};
use crate::storage::Secret;

/// Steps of a script, at most.
const STEPS_MAX: usize = 64;

/// A script of a DHCP server: the time that passes, then an answer to the last question, whose
/// options are the script's. A lease is one that can be used, is there only between an
/// acknowledgement and its end, and there is always a next thing to do.
pub fn dhcp(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut now_us = 0;
    let mut client = DhcpClient::new([2, 0, 0, 0, 0, 7], Some("gate".to_owned()), now_us);
    let mut question = Vec::new();
    for _ in 0..STEPS_MAX {
        if tape.is_over() {
            return;
        }
        now_us += u64::from(tape.number()) * 100_000;
        let had_lease = client.lease().cloned();
        let mut was_lost = false;
        while let Some(step) = client.step(now_us) {
            match step {
                DhcpStep::Send { bytes, .. } => question = bytes,
                DhcpStep::Lost => was_lost = true,
            }
        }
        assert!(client.deadline_us() > now_us);
        assert_eq!(had_lease.is_some() && client.lease().is_none(), was_lost);
        if tape.byte() == 0 {
            client.link_is_back(now_us);
            continue;
        }
        let datagram = reply(&question, &mut tape);
        let had_lease = client.lease().cloned();
        match client.receive(&datagram, now_us) {
            DhcpReceived::Nothing => assert_eq!(client.lease(), had_lease.as_ref()),
            DhcpReceived::Lost => assert!(had_lease.is_some() && client.lease().is_none()),
            DhcpReceived::Bound | DhcpReceived::Renewed => {
                let lease = client.lease().expect("bound");
                assert!(
                    !lease.address.address.is_loopback() && !lease.address.address.is_multicast()
                );
                assert!((1..=32).contains(&lease.address.prefix_bits));
                assert!(lease.dns.len() <= NAME_SERVERS_MAX && lease.ntp.len() <= TIME_SERVERS_MAX);
                assert!(lease.lease_s >= DHCP_LEASE_S_MIN);
                let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
                let is_domain = |name: &str| {
                    (1..=DHCP_DOMAIN_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_sign)
                };
                assert!(lease.domain.as_deref().is_none_or(is_domain));
            }
        }
    }
}

/// An answer to `question`: its fixed part with changes, and options of the tape.
fn reply(question: &[u8], tape: &mut Tape<'_>) -> Vec<u8> {
    let mut fixed = question.get(..236).unwrap_or_default().to_vec();
    if let Some(first) = fixed.first_mut() {
        *first = 2;
    }
    if let Some(your) = fixed.get_mut(16..20) {
        your.copy_from_slice(&[192, 0, 2, tape.byte()]);
    }
    let mut datagram = tape.edited(&fixed);
    datagram.extend([99, 130, 83, 99]);
    datagram.extend_from_slice(tape.record());
    datagram
}

/// An answer of a time server, as it comes and with the question's mark in it: what is believed has
/// a bounded delay, and is not before the build.
pub fn sntp(data: &[u8]) {
    const BUILT_S: u64 = 1_796_040_000;
    let mut tape = Tape::new(data);
    let took_us = u64::from(tape.number()) * 100;
    let question = SntpQuestion::new();
    let mut datagram = tape.rest().to_vec();
    assert!(question.judge(&datagram, took_us, BUILT_S).is_err(), "the mark was guessed");
    if let Some(mark) = datagram.get_mut(24..32) {
        mark.copy_from_slice(&question.bytes()[40..]);
    }
    match question.judge(&datagram, took_us, BUILT_S) {
        Ok(answer) => {
            assert!(datagram.len() >= 48 && answer.delay_us <= SNTP_DELAY_US_MAX);
            assert!(answer.delay_us <= took_us && answer.unix_us >= BUILT_S * 1_000_000);
        }
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
}

/// A `box.toml` of a preset: what is taken is the same when written and read again, and a refusal
/// has one line, without the password. Any text that is no `weir.toml` without a mistake is refused
/// in few lines.
pub fn preset(data: &[u8]) {
    match judge_box(data) {
        Ok(preset) => {
            let settings = BoxSettings::default().with(&preset);
            assert!(settings.text().len() <= BOX_FILE_BYTES_MAX);
            assert_eq!(BoxSettings::parse(&settings.text()), Ok(settings));
            let password = preset.password.as_ref().map(Secret::reveal).unwrap_or_default();
            // A short one may stand in the name of a field.
            assert!(password.len() < 12 || !format!("{preset:?}").contains(password));
        }
        Err(why) => {
            assert!(!why.is_empty() && !why.contains(['\n', '\0']), "{why:?}");
            assert!(!why.contains(SECRET), "a password in a message: {why}");
        }
    }
    // A `password_file` could be a pipe without a writer.
    if std::str::from_utf8(data).is_ok_and(|text| !text.contains("_file"))
        && let Err(problems) = judge_config(data, Path::new("/nonexistent"))
    {
        assert!((1..=PRESET_PROBLEMS_MAX + 1).contains(&problems.len()));
    }
}
