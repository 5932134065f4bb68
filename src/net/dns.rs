//! Asks DNS servers for the addresses of a name, over UDP only.
//!
//! A camera's name has a few addresses, and an answer of [`NAME_ANSWER_BYTES_MAX`] bytes holds
//! them. If an answer is truncated (RFC 2181 section 9), the records in it are used. TCP, with
//! answers of up to 64 KiB, is never used. A lookup takes one socket, one answer on its stack, and
//! heap memory for two questions. An answer is accepted only from the server that was asked, with
//! the ID and the question of the request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::{A, Aaaa};
use heapless::Vec;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::limits::{
    NAME_ADDRESSES_MAX, NAME_ANSWER_BYTES_MAX, NAME_DATAGRAMS_MAX, NAME_ONLY_KIND_MS,
    NAME_OTHER_KIND_MS, NAME_SERVERS_MAX,
};
use crate::random::random;

/// The addresses of a host, in the order in which to try them.
pub type Addresses = Vec<IpAddr, NAME_ADDRESSES_MAX>;

/// The DNS servers to ask, and how long.
pub(super) struct Servers {
    pub(super) addresses: Vec<SocketAddr, NAME_SERVERS_MAX>,
    /// How long to wait for an answer.
    pub(super) timeout: Duration,
    /// How many times all servers are asked.
    pub(super) attempts: usize,
}

/// Whether a text is a valid DNS name (RFC 1035 section 2.3.4).
pub(super) fn is_name(text: &str) -> bool {
    text.is_ascii() && text.parse::<Name<std::vec::Vec<u8>>>().is_ok()
}

/// The addresses of a name; none when a server says that there are none.
///
/// # Errors
/// `InvalidInput` for an invalid name; else the last server's failure: no answer in time, a DNS
/// error code, an answer cut off before its first address, or a socket error.
pub(super) async fn addresses(servers: &Servers, name: &str) -> io::Result<Addresses> {
    let not_a_name = |_| io::Error::new(io::ErrorKind::InvalidInput, "no name");
    let name: Name<std::vec::Vec<u8>> = name.parse().map_err(not_a_name)?;
    let mut why = io::Error::new(io::ErrorKind::NotFound, "there is none");
    for _ in 0..servers.attempts {
        for server in &servers.addresses {
            match ask(*server, &name, servers.timeout).await {
                Ok(found) => return Ok(found),
                Err(error) => why = error,
            }
        }
    }
    Err(why)
}

async fn ask(
    server: SocketAddr,
    name: &Name<std::vec::Vec<u8>>,
    patience: Duration,
) -> io::Result<Addresses> {
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // The kernel chooses a random port, and passes on only datagrams from the server.
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    let mut heard = Heard { name, questions: questions() };
    for question in &heard.questions {
        socket.send(&question.text(name)?).await?;
    }
    // Wait for both answers, or for one with addresses; then a moment for the other.
    let first = timeout(patience, heard.listen(&socket, |heard| heard.known().next().is_some()));
    let first = first.await.unwrap_or(Ok(()));
    let wait_ms = match heard.addresses().is_empty() {
        true => NAME_ONLY_KIND_MS,
        false => NAME_OTHER_KIND_MS,
    };
    if first.is_ok() && heard.known().next().is_some() && !heard.is_complete() {
        // If the other question fails or is not answered, use what is known.
        let wait = Duration::from_millis(wait_ms).min(patience);
        let _ = timeout(wait, heard.listen(&socket, Heard::is_complete)).await;
    }
    let found = heard.addresses();
    if !found.is_empty() || heard.is_nowhere() {
        return Ok(found);
    }
    first?;
    Err(heard.failure())
}

/// One question to a server, and its answer.
struct Question {
    id: u16,
    kind: Rtype,
    answer: Option<Answer>,
}

/// A server's answer to one question.
enum Answer {
    /// The addresses of this kind; there may be none.
    Known(Addresses),
    /// The name does not exist, whatever the record type (RFC 8020). Taken only from the answer
    /// about IPv4: servers that say so about IPv6 may know the name all the same (RFC 4074 section
    /// 4.2).
    NoName,
    /// The server refused or failed, with this code; `NOERROR` for an answer cut off too early.
    Failed(Rcode),
}

/// The questions to one server, and its answers so far.
struct Heard<'n> {
    name: &'n Name<std::vec::Vec<u8>>,
    questions: [Question; 2],
}

/// Questions about both kinds of address, with random IDs.
fn questions() -> [Question; 2] {
    let [a, b, c, d] = random();
    [(Rtype::AAAA, [a, b]), (Rtype::A, [c, d])].map(|(kind, id)| Question {
        id: u16::from_be_bytes(id),
        kind,
        answer: None,
    })
}

impl Question {
    /// The question as a DNS message.
    fn text(&self, name: &Name<std::vec::Vec<u8>>) -> io::Result<std::vec::Vec<u8>> {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(self.id);
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        builder.push((name, self.kind, Class::IN)).map_err(io::Error::other)?;
        Ok(builder.finish())
    }

    /// The answer in a message; `None` when the message does not answer this question.
    fn answered(&self, name: &Name<std::vec::Vec<u8>>, message: &Message<[u8]>) -> Option<Answer> {
        let header = message.header();
        let asked = message.sole_question().ok()?;
        if !header.qr()
            || header.id() != self.id
            || asked.qtype() != self.kind
            || asked.qname() != name
        {
            return None;
        }
        match header.rcode() {
            Rcode::NOERROR => {}
            Rcode::NXDOMAIN if self.kind == Rtype::A => return Some(Answer::NoName),
            Rcode::NXDOMAIN => return Some(Answer::Known(Addresses::new())),
            other => return Some(Answer::Failed(other)),
        }
        // The records belong to the name itself, or to the last name in its chain of aliases.
        let owner = message.canonical_name()?;
        let mut found = Addresses::new();
        let answers = message.answer().ok()?;
        // An unreadable record ends the answer: the server cut it off there.
        let v4 = answers.limit_to::<A>().map_while(Result::ok);
        let v4 =
            v4.filter(|record| *record.owner() == owner).map(|record| record.data().addr().into());
        let v6 = answers.limit_to::<Aaaa>().map_while(Result::ok);
        let v6 =
            v6.filter(|record| *record.owner() == owner).map(|record| record.data().addr().into());
        found.extend(v4.chain(v6).take(NAME_ADDRESSES_MAX));
        let is_cut_off = found.is_empty() && header.tc();
        Some(if is_cut_off { Answer::Failed(Rcode::NOERROR) } else { Answer::Known(found) })
    }
}

impl Heard<'_> {
    /// Receives until `is_enough`, or until too many datagrams were no answers.
    async fn listen(
        &mut self,
        socket: &UdpSocket,
        is_enough: impl Fn(&Self) -> bool,
    ) -> io::Result<()> {
        let mut bytes = [0; NAME_ANSWER_BYTES_MAX];
        for _ in 0..NAME_DATAGRAMS_MAX {
            if is_enough(self) || self.is_complete() {
                return Ok(());
            }
            let len = socket.recv(&mut bytes).await?;
            self.take(&bytes[..len]);
        }
        Ok(())
    }

    fn take(&mut self, datagram: &[u8]) {
        let Ok(message) = Message::from_slice(datagram) else { return };
        for question in &mut self.questions {
            // The first answer counts; later ones are ignored.
            if question.answer.is_none() {
                question.answer = question.answered(self.name, message);
            }
        }
    }

    /// The answers that are not failures.
    fn known(&self) -> impl Iterator<Item = &Answer> {
        let answers = self.questions.iter().filter_map(|question| question.answer.as_ref());
        answers.filter(|answer| !matches!(answer, Answer::Failed(_)))
    }

    fn is_complete(&self) -> bool {
        self.questions.iter().all(|question| question.answer.is_some())
            || self.known().any(|answer| matches!(answer, Answer::NoName))
    }

    /// Whether the answers show that the name has no addresses.
    fn is_nowhere(&self) -> bool {
        let is_none = |answer: &Answer| matches!(answer, Answer::Known(found) if found.is_empty());
        self.known().any(|answer| matches!(answer, Answer::NoName))
            || self.known().filter(|answer| is_none(answer)).count() == self.questions.len()
    }

    /// IPv6 and IPv4 alternating, IPv6 first (RFC 8305 section 4), so that the bound excludes
    /// neither.
    fn addresses(&self) -> Addresses {
        let of = |question: &Question| match &question.answer {
            Some(Answer::Known(found)) => found.clone(),
            _ => Addresses::new(),
        };
        let [v6, v4] = [of(&self.questions[0]), of(&self.questions[1])];
        let turns = (0..NAME_ADDRESSES_MAX).flat_map(|turn| [v6.get(turn), v4.get(turn)]);
        turns.flatten().take(NAME_ADDRESSES_MAX).copied().collect()
    }

    /// Why no address was found.
    fn failure(&self) -> io::Error {
        let failed = self.questions.iter().find_map(|question| match &question.answer {
            Some(Answer::Failed(Rcode::NOERROR)) => Some("the answer was truncated".to_owned()),
            Some(Answer::Failed(code)) => Some(format!("it says {code}")),
            _ => None,
        });
        match failed {
            Some(words) => io::Error::other(words),
            None => io::Error::new(io::ErrorKind::TimedOut, "timed out"),
        }
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
