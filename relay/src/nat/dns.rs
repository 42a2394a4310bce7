//! The DNS forwarder at 10.0.2.3: questions go to the host's resolvers as they are, with another identifier.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::packet::{self, Flow, IPV4_HEADER_LEN, UDP_HEADER_LEN};
use super::{Wire, unguessable};

/// Where resolvers listen.
pub const PORT: u16 = 53;
/// Questions of one LAN that are under way at most.
pub const QUERIES_MAX: usize = 128;
/// How long one resolver has. A stub resolver asks again after five seconds, and by then all have been tried.
const ATTEMPT: Duration = Duration::from_millis(1500);
/// Resolvers that are asked at most, as in libc.
const RESOLVERS_MAX: usize = 3;
/// Bytes of a header (RFC 1035, section 4.1.1).
const HEADER_LEN: usize = 12;
/// Bytes of an answer at most that is read; a client gets those that fit.
const ANSWER_MAX: usize = 4096;

/// The resolvers that `/etc/resolv.conf` names. If it names none, this host's own, as in libc.
pub fn system_resolvers() -> Vec<SocketAddr> {
    resolvers_in(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn resolvers_in(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next()).flatten()?;
        Some(SocketAddr::new(address.parse().ok()?, PORT))
    };
    let found: Vec<_> = text.lines().filter_map(address).take(RESOLVERS_MAX).collect();
    if found.is_empty() { vec![(Ipv4Addr::LOCALHOST, PORT).into()] } else { found }
}

/// Asks one resolver after another, and sends the answer to the client: theirs, or that there is none.
pub async fn forward(flow: Flow, query: Vec<u8>, resolvers: &[SocketAddr], wire: &Wire) {
    if !is_query(&query) {
        return wire.metrics.nat_malformed.up();
    }
    wire.metrics.queries_opened.up();
    let _open = wire.metrics.queries.while_alive();
    let room = wire.mtu.saturating_sub(IPV4_HEADER_LEN + UDP_HEADER_LEN);
    let mut answer = None;
    for resolver in resolvers.iter().take(RESOLVERS_MAX) {
        if let Ok(Some(bytes)) = timeout(ATTEMPT, ask(*resolver, &query)).await {
            answer = Some(bytes);
            break;
        }
    }
    let answer = answer.unwrap_or_else(|| {
        wire.metrics.dns_failures.up();
        failure(&query)
    });
    if let Some(packet) = packet::udp(flow.remote, flow.guest, &cut_to(answer, room), wire.mtu) {
        wire.send(&packet);
    }
}

/// The answer of one resolver. From a port of its own and with an identifier of its own, so that it is not easily forged
/// (RFC 5452).
async fn ask(resolver: SocketAddr, query: &[u8]) -> Option<Vec<u8>> {
    let any: SocketAddr =
        if resolver.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(resolver).await.ok()?;
    let mut question = query.to_vec();
    question[..2].copy_from_slice(&(unguessable() as u16).to_be_bytes());
    socket.send(&question).await.ok()?;
    let mut answer = vec![0; ANSWER_MAX];
    loop {
        let length = socket.recv(&mut answer).await.ok()?;
        if answers(&question, &answer[..length]) {
            answer.truncate(length);
            answer[..2].copy_from_slice(&query[..2]);
            return Some(answer);
        }
    }
}

/// A message that asks one question: not an answer, and no other number of questions (RFC 9619).
fn is_query(message: &[u8]) -> bool {
    message.len() > HEADER_LEN && message[2] & 0x80 == 0 && message[4..6] == [0, 1] && question_end(message).is_some()
}

/// Where the first question ends: labels up to an empty one, type, class. Compression has no place there.
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER_LEN;
    loop {
        match *message.get(at)? {
            0 => break,
            length if length < 64 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
    (at + 5 <= message.len()).then_some(at + 5)
}

/// Whether it is an answer to that very question. Names may come back in another case (RFC 4343).
fn answers(question: &[u8], answer: &[u8]) -> bool {
    let (Some(end), true) = (question_end(question), answer.len() >= HEADER_LEN) else { return false };
    let same_question =
        || answer.get(HEADER_LEN..end).is_some_and(|given| given.eq_ignore_ascii_case(&question[HEADER_LEN..end]));
    // An error may come without the question.
    answer[..2] == question[..2]
        && answer[2] & 0x80 != 0
        && (answer[4..6] == [0, 0] && answer[3] & 0x0f != 0 || same_question())
}

/// "Server failure", with the question.
fn failure(query: &[u8]) -> Vec<u8> {
    let end = question_end(query).unwrap_or(HEADER_LEN);
    let mut answer = query[..end].to_vec();
    // An answer of the same opcode, recursion available, code 2; one question and nothing else.
    answer[2] = answer[2] & 0x79 | 0x80;
    answer[3] = 0x82;
    answer[4..HEADER_LEN].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    answer
}

/// The answer, or its question with the note that the rest was cut (RFC 2181, section 9), so that the client asks by TCP.
fn cut_to(mut answer: Vec<u8>, room: usize) -> Vec<u8> {
    if answer.len() <= room || answer.len() < HEADER_LEN {
        return answer;
    }
    let question = (answer[4..6] == [0, 1]).then(|| question_end(&answer)).flatten();
    answer.truncate(question.unwrap_or(HEADER_LEN));
    answer[2] |= 0x02;
    answer[4..HEADER_LEN].copy_from_slice(&[0, u8::from(question.is_some()), 0, 0, 0, 0, 0, 0]);
    answer
}

/// For [`crate::fuzz`]: any bytes as a question, and as an answer to it.
pub fn fuzz(bytes: &[u8]) {
    if is_query(bytes) {
        let failure = failure(bytes);
        assert!(failure.len() <= bytes.len() && answers(bytes, &failure));
    }
    answers(bytes, &bytes.iter().rev().copied().collect::<Vec<_>>());
    assert!(cut_to(bytes.to_vec(), bytes.len() / 2).len() <= bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query() -> Vec<u8> {
        [&[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x07example\x03org\0", &[0, 1, 0, 1]].concat()
    }

    #[test]
    fn resolvers_are_read_as_libc_reads_them() {
        let text = "# nameserver 9.9.9.9\nsearch x\nnameserver 192.168.1.1\n  nameserver\tfd00::1  \nnameserver nonsense\noptions";
        assert_eq!(
            resolvers_in(text),
            ["192.168.1.1:53".parse().unwrap(), "[fd00::1]:53".parse::<SocketAddr>().unwrap()]
        );
        assert_eq!(resolvers_in(""), ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(resolvers_in(&"nameserver 1.1.1.1\n".repeat(9)).len(), RESOLVERS_MAX);
    }

    #[test]
    fn an_answer_is_to_the_question() {
        let question = query();
        let mut answer = question.clone();
        answer[2] |= 0x80;
        assert!(is_query(&question) && !is_query(&answer));
        assert!(answers(&question, &answer) && !answers(&question, &question));
        let with = |at: usize, byte: u8| {
            let mut other = answer.clone();
            other[at] = byte;
            other
        };
        assert!(
            !answers(&question, &with(0, 0))
                && !answers(&question, &with(14, b'Y'))
                && !answers(&question, &with(27, 2))
        );
        assert!(answers(&question, &with(13, b'E')));
        assert!(!answers(&question, &answer[..20]));
    }

    #[test]
    fn a_failure_has_the_question_and_no_more() {
        let mut question = query();
        question.extend_from_slice(&[0; 11]);
        question[11] = 1;
        let failure = failure(&question);
        assert_eq!(failure[..12], [0xab, 0xcd, 0x81, 0x82, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(failure[12..], query()[12..]);
        assert!(answers(&question, &failure));
    }

    #[test]
    fn an_answer_that_does_not_fit_is_cut_and_says_so() {
        let mut long = query();
        long[2] |= 0x80;
        long[6..8].copy_from_slice(&[0, 9]);
        let length = long.len();
        long.resize(3000, 7);
        let cut = cut_to(long.clone(), 1472);
        assert_eq!((cut.len(), cut[2] & 2, &cut[4..12]), (length, 2, &[0, 1, 0, 0, 0, 0, 0, 0][..]));
        assert_eq!(cut_to(long.clone(), 3000), long);
    }

    proptest! {
        #[test]
        fn any_bytes_may_come(bytes in prop::collection::vec(any::<u8>(), 0..80), room in 0_usize..60) {
            if is_query(&bytes) {
                let failure = failure(&bytes);
                prop_assert!(failure.len() <= bytes.len() && answers(&bytes, &failure));
            }
            answers(&query(), &bytes);
            answers(&bytes, &query());
            prop_assert!(cut_to(bytes.clone(), room).len() <= room.max(bytes.len()));
        }
    }
}
