//! A DHCP client for IPv4 (RFC 2131), sans-IO: datagrams and time in, datagrams and leases out.
//!
//! It asks with growing pauses and for ever. A lease is renewed with its server at half of its
//! time, with any server at seven eighths, and is lost at its end. After the link was gone, the
//! lease is confirmed, or lost if no server knows it: the cable may lead to another network now.
//! An answer counts if it has the number of the question and the interface's hardware address;
//! anybody on the link can forge it, as with any DHCP. Nothing is kept over a restart.

mod message;

use std::net::Ipv4Addr;

use self::message::{DhcpAnswer, DhcpKind, DhcpQuery};
use super::network::InterfaceAddress;
use crate::limits::{
    DHCP_CONFIRM_TRIES, DHCP_LEASE_S_MIN, DHCP_REFUSED_US, DHCP_RENEW_US_MIN, DHCP_REQUEST_TRIES,
    DHCP_RETRY_US_MAX, DHCP_RETRY_US_MIN,
};
use crate::random::random;

/// Port of servers, which questions go to.
pub const DHCP_SERVER_PORT: u16 = 67;
/// Port of clients, which answers come to.
pub const DHCP_CLIENT_PORT: u16 = 68;

/// What a server lets this box use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address that the interface may have.
    pub address: InterfaceAddress,
    /// The way to other networks.
    pub gateway: Option<Ipv4Addr>,
    /// DNS servers, at most [`crate::limits::NAME_SERVERS_MAX`].
    pub dns: Vec<Ipv4Addr>,
    /// Time servers, at most [`crate::limits::TIME_SERVERS_MAX`].
    pub ntp: Vec<Ipv4Addr>,
    /// The domain to look names up in.
    pub domain: Option<String>,
    /// The server that gave it.
    pub server: Ipv4Addr,
    /// Seconds from the question on; `u32::MAX` is for ever (RFC 2131 section 3.3).
    pub lease_s: u32,
}

/// What a client wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DhcpStep {
    /// This datagram is to be sent to [`DHCP_SERVER_PORT`] of `to`.
    Send {
        /// The limited broadcast address, or a server's.
        to: Ipv4Addr,
        /// The datagram's content.
        bytes: Vec<u8>,
    },
    /// The lease is over: its address must not be used any more.
    Lost,
}

/// A client for one interface.
#[derive(Debug)]
pub struct DhcpClient {
    hardware: [u8; 6],
    host_name: Option<String>,
    state: State,
    transaction: u32,
    /// When the questions of this transaction began.
    began_us: u64,
    /// When to do the next thing.
    next_us: u64,
    /// Questions without an answer.
    tries: u32,
    random: u64,
}

#[derive(Debug, Clone)]
enum State {
    /// Nothing is known.
    Selecting,
    /// An offer was taken, and its server asked for it.
    Requesting(Lease),
    Bound(Held),
    /// As bound; the server is asked to go on.
    Renewing(Held),
    /// As bound; any server is asked to go on.
    Rebinding(Held),
    /// As bound; any server is asked after the link was gone.
    Confirming(Held),
}

/// A lease with its moments.
#[derive(Debug, Clone)]
struct Held {
    lease: Lease,
    renew_us: u64,
    rebind_us: u64,
    end_us: u64,
}

impl DhcpClient {
    /// A client that has asked nothing yet; the host name is told to servers.
    pub fn new(hardware: [u8; 6], host_name: Option<String>, now_us: u64) -> Self {
        Self::seeded(hardware, host_name, now_us, u64::from_le_bytes(random()))
    }

    fn seeded(hardware: [u8; 6], host_name: Option<String>, now_us: u64, seed: u64) -> Self {
        let mut client = Self {
            hardware,
            host_name,
            state: State::Selecting,
            transaction: 0,
            began_us: now_us,
            next_us: now_us,
            tries: 0,
            // Spread over all bits; the generator stays at zero.
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        };
        client.ask(State::Selecting, now_us, now_us);
        client
    }

    /// The lease that is in use; `None` before the first and after the last.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Selecting | State::Requesting(_) => None,
            State::Bound(held)
            | State::Renewing(held)
            | State::Rebinding(held)
            | State::Confirming(held) => Some(&held.lease),
        }
    }

    /// When [`DhcpClient::step`] has something to do, if nothing is received before.
    pub fn deadline_us(&self) -> u64 {
        self.next_us
    }

    /// Tells that the link is back after it was gone: a lease has to be confirmed now.
    pub fn link_is_back(&mut self, now_us: u64) {
        match std::mem::replace(&mut self.state, State::Selecting) {
            State::Selecting | State::Requesting(_) => self.ask(State::Selecting, now_us, now_us),
            State::Bound(held)
            | State::Renewing(held)
            | State::Rebinding(held)
            | State::Confirming(held) => self.ask(State::Confirming(held), now_us, now_us),
        }
    }

    /// Does what is due; `None` when nothing is. Call it until then.
    pub fn step(&mut self, now_us: u64) -> Option<DhcpStep> {
        if now_us < self.next_us {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Selecting) {
            State::Selecting => Some(self.send(State::Selecting, now_us)),
            State::Requesting(_) if self.tries >= DHCP_REQUEST_TRIES => {
                self.ask(State::Selecting, now_us, now_us);
                Some(self.send(State::Selecting, now_us))
            }
            State::Requesting(lease) => Some(self.send(State::Requesting(lease), now_us)),
            State::Bound(held) => {
                self.ask(State::Renewing(held), now_us, now_us);
                self.step(now_us)
            }
            State::Renewing(held) if now_us >= held.rebind_us => {
                self.ask(State::Rebinding(held), now_us, now_us);
                self.step(now_us)
            }
            State::Renewing(held) => Some(self.send(State::Renewing(held), now_us)),
            State::Rebinding(held) if now_us < held.end_us => {
                Some(self.send(State::Rebinding(held), now_us))
            }
            State::Confirming(held) if now_us < held.end_us && self.tries < DHCP_CONFIRM_TRIES => {
                Some(self.send(State::Confirming(held), now_us))
            }
            State::Rebinding(_) | State::Confirming(_) => {
                self.ask(State::Selecting, now_us, now_us);
                Some(DhcpStep::Lost)
            }
        }
    }

    /// Takes a datagram that came to [`DHCP_CLIENT_PORT`], and says what it changed.
    pub fn receive(&mut self, datagram: &[u8], now_us: u64) -> DhcpReceived {
        let Ok(answer) = DhcpAnswer::read(datagram) else { return DhcpReceived::Nothing };
        if answer.transaction != self.transaction || answer.hardware != self.hardware {
            return DhcpReceived::Nothing;
        }
        match (&self.state, answer.kind) {
            (State::Selecting, DhcpKind::Offer) => {
                // An offer without its server's address cannot be asked for.
                if let Some(lease) = answer.server.and_then(|server| lease(&answer, server)) {
                    self.tries = 0;
                    self.next_us = now_us;
                    self.state = State::Requesting(lease);
                }
                DhcpReceived::Nothing
            }
            (State::Requesting(offer), DhcpKind::Acknowledged) => {
                let server = answer.server.unwrap_or(offer.server);
                self.bind(&answer, server, now_us)
            }
            (
                State::Renewing(held) | State::Rebinding(held) | State::Confirming(held),
                DhcpKind::Acknowledged,
            ) => {
                let server = answer.server.unwrap_or(held.lease.server);
                self.bind(&answer, server, now_us)
            }
            (State::Requesting(_), DhcpKind::Refused) => {
                self.ask(State::Selecting, now_us, now_us + DHCP_REFUSED_US);
                DhcpReceived::Nothing
            }
            (
                State::Renewing(_) | State::Rebinding(_) | State::Confirming(_),
                DhcpKind::Refused,
            ) => {
                self.ask(State::Selecting, now_us, now_us + DHCP_REFUSED_US);
                DhcpReceived::Lost
            }
            _ => DhcpReceived::Nothing,
        }
    }

    /// Begins a transaction in `state`, whose first question is due at `at_us`.
    fn ask(&mut self, state: State, now_us: u64, at_us: u64) {
        self.state = state;
        // The upper half: the lower bits of such a generator are the weaker ones.
        self.transaction = u32::try_from(self.next_random() >> 32).unwrap_or(0);
        self.began_us = now_us;
        self.next_us = at_us;
        self.tries = 0;
    }

    /// The question of `state`, and when it is asked again.
    fn send(&mut self, state: State, now_us: u64) -> DhcpStep {
        let (own, chosen, kind) = match &state {
            State::Selecting => (None, None, DhcpKind::Discover),
            State::Requesting(lease) => {
                (None, Some((lease.address.address, lease.server)), DhcpKind::Request)
            }
            State::Bound(held)
            | State::Renewing(held)
            | State::Rebinding(held)
            | State::Confirming(held) => {
                (Some(held.lease.address.address), None, DhcpKind::Request)
            }
        };
        let seconds = now_us.saturating_sub(self.began_us) / 1_000_000;
        let query = DhcpQuery {
            kind,
            transaction: self.transaction,
            seconds: u16::try_from(seconds).unwrap_or(u16::MAX),
            hardware: self.hardware,
            own,
            chosen,
            host_name: self.host_name.as_deref(),
        };
        let bytes = query.bytes();
        let to = match &state {
            State::Renewing(held) => held.lease.server,
            _ => Ipv4Addr::BROADCAST,
        };
        // RFC 2131 section 4.1: doubled, and one second to either side, so that boxes that were
        // switched on together do not ask together.
        let pause_us = DHCP_RETRY_US_MIN << self.tries.min(16);
        let jitter_us = self.next_random() % 2_000_000;
        let pause_us = pause_us.min(DHCP_RETRY_US_MAX) - 1_000_000 + jitter_us;
        // Section 4.4.5: half of what is left, and not too often.
        let half_us = |until_us: u64| (until_us.saturating_sub(now_us) / 2).max(DHCP_RENEW_US_MIN);
        self.next_us = match &state {
            State::Renewing(held) => {
                (now_us + half_us(held.rebind_us)).min(held.rebind_us.max(now_us + 1))
            }
            State::Rebinding(held) => {
                (now_us + half_us(held.end_us)).min(held.end_us.max(now_us + 1))
            }
            _ => now_us + pause_us,
        };
        self.tries = self.tries.saturating_add(1);
        self.state = state;
        DhcpStep::Send { to, bytes }
    }

    fn bind(&mut self, answer: &DhcpAnswer, server: Ipv4Addr, now_us: u64) -> DhcpReceived {
        let Some(lease) = lease(answer, server) else { return DhcpReceived::Nothing };
        let before = self.lease().map(|lease| lease.address);
        // Counted from the question, not from the answer (section 4.4.1).
        let from_us = self.began_us;
        let after = |seconds: u32| match lease.lease_s {
            u32::MAX => u64::MAX,
            _ => from_us + u64::from(seconds) * 1_000_000,
        };
        let whole_s = lease.lease_s;
        let rebinding_s = answer.rebinding_s.filter(|at_s| *at_s < whole_s);
        let rebinding_s = rebinding_s.unwrap_or(whole_s - whole_s / 8);
        let renewal_s = answer.renewal_s.filter(|at_s| *at_s < rebinding_s);
        let renewal_s = renewal_s.unwrap_or((whole_s / 2).min(rebinding_s));
        let held = Held {
            renew_us: after(renewal_s).max(now_us + DHCP_RENEW_US_MIN / 4),
            rebind_us: after(rebinding_s),
            end_us: after(whole_s),
            lease,
        };
        self.next_us = held.renew_us;
        let is_same = before == Some(held.lease.address);
        self.state = State::Bound(held);
        if is_same { DhcpReceived::Renewed } else { DhcpReceived::Bound }
    }

    /// The next number of an xorshift generator: for numbers of questions and for spreading, where
    /// nothing secret hangs on it.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// What a datagram changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhcpReceived {
    /// There is no other lease than before.
    Nothing,
    /// There is a lease with another address than before.
    Bound,
    /// The lease goes on with the same address; its other values may have changed.
    Renewed,
    /// The server took the lease back: its address must not be used any more.
    Lost,
}

/// The lease in an answer; `None` where its address cannot be a host's.
fn lease(answer: &DhcpAnswer, server: Ipv4Addr) -> Option<Lease> {
    let mask = answer.mask.map_or(u32::MAX << 8, Ipv4Addr::to_bits);
    let prefix_bits = mask.leading_ones();
    // A mask with gaps is none.
    let is_whole = mask.count_ones() == prefix_bits;
    let prefix_bits = u8::try_from(prefix_bits).ok().filter(|_| is_whole)?;
    let lease_s = answer.lease_s.unwrap_or(u32::MAX).max(DHCP_LEASE_S_MIN);
    let address = InterfaceAddress::of(answer.your, prefix_bits)?;
    Some(Lease {
        address,
        gateway: answer.router.filter(|router| *router != address.address),
        dns: answer.dns.to_vec(),
        ntp: answer.ntp.to_vec(),
        domain: answer.domain.clone(),
        server,
        lease_s,
    })
}

#[cfg(test)]
#[path = "dhcp_tests.rs"]
mod tests;
