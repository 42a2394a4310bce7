//! Names: a resolver that asks a server (RFC 1034 5.3.1), and what it remembers.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::task::{Poll, Waker};
use core::time::Duration;

use mirage_sig::{Instant, NetErrorKind, UdpSocket as _};

use crate::Error;
use crate::address::is_link_local;
use crate::engine::{Engine, after, register, wake_all};
use crate::handle::Handle;
use crate::packet::{be16, be32};
use crate::race::until;
use crate::udp::UdpSocket;

const PORT: u16 = 53;
/// How long a server has to answer, and how often each is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// How long addresses are remembered, whatever the server says: so many seconds at most.
const TTL_MAX: u32 = 24 * 60 * 60;
/// How long it is remembered that a name has none (RFC 2308 5 allows three hours; a student's new name should be there soon).
const NEGATIVE: Duration = Duration::from_secs(10);
/// Addresses of one name that are of use.
const ADDRESSES_MAX: usize = 16;
/// Names that are asked for at the same time.
const LOOKUPS_MAX: usize = 64;
/// The longest name, as it is sent.
const NAME_MAX: usize = 255;
const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;

/// What is known, and what is being asked.
#[derive(Default)]
pub(crate) struct Names {
    known: Vec<Known>,
    lookups: Vec<(Rc<str>, Rc<Lookup>)>,
}

struct Known {
    name: Rc<str>,
    until: Instant,
    /// None if it has none.
    addresses: Vec<IpAddr>,
}

/// A question under way, and all who wait for its answer.
#[derive(Default)]
struct Lookup {
    result: RefCell<Option<Result<Vec<IpAddr>, Error>>>,
    waiters: RefCell<Vec<Waker>>,
}

/// What one server says of one type.
#[derive(Default)]
struct Answers {
    addresses: Vec<IpAddr>,
    ttl: u32,
}

fn not_found() -> Error {
    Error::new(NetErrorKind::NotFound, "that name has no address: look at its spelling")
}

/// The name in small letters and without the dot at its end; `None` if it cannot be one.
fn normal(name: &str) -> Option<Rc<str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let labels = name.split('.').all(|label| (1..=63).contains(&label.len()));
    let sound = labels && name.len() <= NAME_MAX - 2 && name.bytes().all(|byte| byte.is_ascii_graphic());
    sound.then(|| name.bytes().map(|byte| byte.to_ascii_lowercase() as char).collect::<String>().into())
}

/// The addresses of a name.
pub(crate) async fn resolve(handle: &Handle, name: &str) -> Result<Vec<IpAddr>, Error> {
    if let Ok(address) = name.parse() {
        return Ok([address].into());
    }
    let name = normal(name).ok_or(not_found())?;
    let lookup = {
        let mut engine = handle.engine();
        if let Some(addresses) = engine.recall(&name) {
            return if addresses.is_empty() { Err(not_found()) } else { Ok(addresses) };
        }
        let (lookup, servers) = engine.begin_lookup(&name)?;
        drop(engine);
        if let Some(servers) = servers {
            // A task of its own, so that it does not depend on who asked first.
            let handle = handle.clone();
            handle.shared().world.clone().spawn(Box::pin(async move {
                let result = ask_all(&handle, &name, servers).await;
                handle.engine().end_lookup(name, result);
            }));
        }
        lookup
    };
    poll_fn(|cx| {
        if let Some(result) = &*lookup.result.borrow() {
            return Poll::Ready(result.clone());
        }
        register(&mut lookup.waiters.borrow_mut(), cx.waker());
        Poll::Pending
    })
    .await
}

impl Engine {
    fn recall(&mut self, name: &str) -> Option<Vec<IpAddr>> {
        let now = self.now;
        self.names.known.retain(|known| known.until > now);
        let known = self.names.known.iter().find(|known| *known.name == *name)?;
        self.stats.dns.hits += 1;
        Some(known.addresses.clone())
    }

    /// The question for that name which is under way, or a new one, and whom to ask.
    fn begin_lookup(&mut self, name: &Rc<str>) -> Result<(Rc<Lookup>, Option<Vec<IpAddr>>), Error> {
        if self.closed {
            return Err(Error::closed());
        }
        if let Some((_, lookup)) = self.names.lookups.iter().find(|(known, _)| known == name) {
            return Ok((lookup.clone(), None));
        }
        if self.names.lookups.len() >= LOOKUPS_MAX {
            return Err(Error::new(NetErrorKind::Exhausted, "too many names are being resolved"));
        }
        let servers = self.name_servers();
        if servers.is_empty() {
            return Err(Error::no_dns());
        }
        self.stats.dns.misses += 1;
        let lookup = Rc::new(Lookup::default());
        self.names.lookups.push((name.clone(), lookup.clone()));
        Ok((lookup, Some(servers)))
    }

    fn end_lookup(&mut self, name: Rc<str>, result: Result<Answers, Error>) {
        let now = self.now;
        let result = result.map(|mut answers| {
            let v6 =
                self.addresses.list.iter().any(|own| own.cidr.address.is_ipv6() && !is_link_local(own.cidr.address));
            // Those that we can reach first (RFC 6724 6); the server's order within a family.
            let (mut first, second): (Vec<_>, Vec<_>) =
                answers.addresses.into_iter().partition(|address| address.is_ipv6() == v6);
            first.extend(second);
            answers.addresses = first;
            answers
        });
        let (until, addresses) = match &result {
            Ok(answers) => (after(now, Duration::from_secs(answers.ttl.into())), answers.addresses.clone()),
            Err(error) if *error == not_found() => (after(now, NEGATIVE), Vec::new()),
            Err(_) => (now, Vec::new()),
        };
        if result.is_err() {
            self.stats.dns.failed += 1;
        }
        if until > now {
            if self.names.known.len() >= self.config.limits.names.max(1) {
                self.names.known.remove(0);
            }
            self.names.known.push(Known { name: name.clone(), until, addresses });
        }
        if let Some(at) = self.names.lookups.iter().position(|(known, _)| *known == name) {
            let (_, lookup) = self.names.lookups.swap_remove(at);
            *lookup.result.borrow_mut() = Some(result.map(|answers| answers.addresses));
            wake_all(&mut lookup.waiters.borrow_mut());
        }
    }

    /// Servers, those that were configured first.
    pub fn name_servers(&self) -> Vec<IpAddr> {
        let now = self.now;
        let routers = self.addresses.dns_v6.iter().filter(|(_, until)| *until > now).map(|(server, _)| server);
        self.config.dns.iter().chain(&self.addresses.dns_v4).chain(routers).copied().collect()
    }
}

async fn ask_all(handle: &Handle, name: &str, servers: Vec<IpAddr>) -> Result<Answers, Error> {
    let mut last = Error::new(NetErrorKind::TimedOut, "no server that resolves names has answered");
    for server in core::iter::repeat_n(&servers, ROUNDS).flatten() {
        match ask(handle, name, SocketAddr::new(*server, PORT)).await {
            Ok(answers) if answers.addresses.is_empty() => return Err(not_found()),
            Err(error) if error == not_found() => return Err(error),
            Ok(answers) => return Ok(answers),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks one server for both kinds of addresses.
async fn ask(handle: &Handle, name: &str, server: SocketAddr) -> Result<Answers, Error> {
    // A port of its own each time, and random identifiers: what a forger would have to guess (RFC 5452 9.2).
    let port = handle.engine().bind_udp(0)?;
    let socket = UdpSocket::new(handle.clone(), port);
    let number = handle.engine().random.next();
    let identifiers = [number as u16, (number >> 16) as u16 ^ u16::from(number as u16 == (number >> 16) as u16)];
    let asked = [(identifiers[0], TYPE_A), (identifiers[1], TYPE_AAAA)];
    let deadline = after(handle.world().now(), PATIENCE);
    let mut answers = Answers { addresses: Vec::new(), ttl: TTL_MAX };
    let mut missing = asked.to_vec();
    let work = async {
        for (identifier, kind) in asked {
            socket.send_to(&question(name, identifier, kind), server).await?;
        }
        let mut buffer = [0; 1_500];
        while !missing.is_empty() {
            let (length, from) = socket.receive_from(&mut buffer).await?;
            let message = &buffer[..length];
            let Some(at) = missing.iter().position(|(identifier, _)| *identifier == be16(message, 0)) else { continue };
            if from != server || !answers_to(message, &question(name, missing[at].0, missing[at].1)) {
                handle.engine().drop(crate::Dropped::Unasked);
                continue;
            }
            read_answer(message, &mut answers)?;
            missing.swap_remove(at);
        }
        Ok(())
    };
    match until(handle.world(), deadline, work).await {
        Some(result) => result?,
        // One kind of address is better than none.
        None if !answers.addresses.is_empty() => {}
        None => {
            let what = "a server that resolves names did not answer";
            return Err(Error::new(NetErrorKind::TimedOut, what).at(server));
        }
    }
    answers.addresses.truncate(ADDRESSES_MAX);
    Ok(answers)
}

/// A question, as it is sent.
fn question(name: &str, identifier: u16, kind: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + name.len() + 6);
    message.extend(identifier.to_be_bytes());
    // Recursion is desired; one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    message
}

/// Whether a message is an answer to this very question.
fn answers_to(message: &[u8], question: &[u8]) -> bool {
    let is_response = message.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let same = |range: core::ops::RangeFrom<usize>| {
        let asked = &question[range.clone()];
        message.get(range.start..question.len()).is_some_and(|echoed| echoed.eq_ignore_ascii_case(asked))
    };
    is_response && be16(message, 4) == 1 && same(HEADER..)
}

/// Where a name ends that begins at `at`.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            // The rest is elsewhere.
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

/// Takes the addresses out of an answer to our question. Whose they are is not looked at: the server has followed all aliases.
fn read_answer(message: &[u8], answers: &mut Answers) -> Result<(), Error> {
    let broken = Error::new(NetErrorKind::TimedOut, "the server that resolves names failed");
    match message.get(3).map(|flags| flags & 0xf) {
        Some(0) => {}
        // There is no such name.
        Some(3) => return Err(not_found()),
        _ => return Err(broken),
    }
    let mut at = skip_name(message, HEADER).ok_or(broken)? + 4;
    for _ in 0..be16(message, 6) {
        // One that was cut is used as far as it goes.
        let Some(field) = skip_name(message, at) else { break };
        let (kind, class, ttl) = (be16(message, field), be16(message, field + 2), be32(message, field + 4));
        let length = usize::from(be16(message, field + 8));
        let Some(data) = message.get(field + 10..field + 10 + length) else { break };
        at = field + 10 + length;
        let address = match (kind, data.first_chunk::<4>(), data.first_chunk::<16>()) {
            (TYPE_A, Some(octets), None) => IpAddr::V4(Ipv4Addr::from(*octets)),
            (TYPE_AAAA, _, Some(octets)) => IpAddr::V6(Ipv6Addr::from(*octets)),
            _ => continue,
        };
        if class == CLASS_IN && answers.addresses.len() < 2 * ADDRESSES_MAX {
            answers.ttl = answers.ttl.min(ttl);
            answers.addresses.push(address);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(message in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut answers = Answers::default();
            let _ = read_answer(&message, &mut answers);
            prop_assert!(answers.addresses.len() <= 2 * ADDRESSES_MAX);
            answers_to(&message, &question("a.example", 1, TYPE_A));
        }
    }

    #[test]
    fn an_answer_is_read_through_an_alias() {
        let mut message = question("www.example", 7, TYPE_A);
        message[2] = 0x81;
        message[7] = 2;
        // An alias, whose name points back into the question, and the address of what it stands for.
        message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 16]);
        message.extend([0xc0, 16, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7]);
        assert!(answers_to(&message, &question("WWW.example", 7, TYPE_A)));
        assert!(!answers_to(&message, &question("www.example", 7, TYPE_AAAA)));
        let mut answers = Answers { addresses: vec![], ttl: TTL_MAX };
        read_answer(&message, &mut answers).unwrap();
        assert_eq!((answers.addresses, answers.ttl), (vec![IpAddr::from([192, 0, 2, 7])], 9));
    }

    #[test]
    fn names_are_told_from_what_is_none() {
        assert_eq!(normal("WWW.Example.").as_deref(), Some("www.example"));
        let long = "a".repeat(64);
        for name in ["", ".", "a..b", "with space", long.as_str()] {
            assert_eq!(normal(name), None, "{name}");
        }
    }
}
