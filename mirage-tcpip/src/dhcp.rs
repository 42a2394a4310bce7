//! The DHCP client (RFC 2131), and what is done when no server answers.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::task::Poll;
use core::time::Duration;

use mirage_sig::{Cidr, Instant, Mac};

use crate::address::Origin;
use crate::engine::after;
use crate::handle::Shared;
use crate::packet::{be32, is_unicast};
use crate::race::{first, until};

pub(crate) const SERVER: u16 = 67;
pub(crate) const CLIENT: u16 = 68;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const ACK: u8 = 5;
const NAK: u8 = 6;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Where options begin.
const OPTIONS: usize = 240;
/// The shortest message that all servers understand (RFC 1542 2.1).
const SHORTEST: usize = 300;

/// How long the first question waits for its answer; each further one twice as long, up to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(64);
/// How often a request is sent before the offer is given up.
const REQUESTS: u32 = 4;
/// Between two attempts to renew a lease, at least (RFC 2131 4.4.5).
const RENEW_EVERY: Duration = Duration::from_secs(60);
/// After an address was declined (RFC 2131 3.1 5).
const DECLINED_WAIT: Duration = Duration::from_secs(10);

/// What a server has given or offers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lease {
    address: Ipv4Addr,
    prefix: u8,
    server: Ipv4Addr,
    gateway: Option<Ipv4Addr>,
    dns: Vec<IpAddr>,
    /// Seconds until it is to be renewed, by anybody, and until it is over.
    renew: u32,
    rebind: u32,
    valid: u32,
}

/// A message from a server: its kind, and what it gives. `None` if it is malformed or not for us.
fn read(message: &[u8], transaction: u32, mac: Mac) -> Option<(u8, Lease)> {
    let ours = message.len() >= OPTIONS
        && message[0] == 2
        && be32(message, 4) == transaction
        && message[28..34] == mac.0
        && message[236..240] == COOKIE;
    if !ours {
        return None;
    }
    let address = |bytes: &[u8]| bytes.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
    let mut lease = Lease {
        address: address(&message[16..])?,
        prefix: 24,
        server: Ipv4Addr::UNSPECIFIED,
        gateway: None,
        dns: Vec::new(),
        renew: 0,
        rebind: 0,
        valid: 0,
    };
    let mut kind = None;
    let mut options = &message[OPTIONS..];
    while let [option, rest @ ..] = options {
        match option {
            0 => options = rest,
            255 => break,
            _ => {
                let (&length, rest) = rest.split_first()?;
                let (value, rest) = rest.split_at_checked(length.into())?;
                options = rest;
                match option {
                    1 => {
                        let mask = address(value)?.to_bits();
                        // The ones come first, or it is no mask.
                        (mask.leading_ones() == mask.count_ones() && mask != 0).then_some(())?;
                        lease.prefix = mask.leading_ones() as u8;
                    }
                    3 => lease.gateway = address(value).filter(|router| is_unicast((*router).into())),
                    6 => {
                        let servers = value.chunks_exact(4).filter_map(address).map(IpAddr::from);
                        lease.dns = servers.filter(|server| is_unicast(*server)).take(4).collect();
                    }
                    51 => lease.valid = be32(value, 0),
                    53 => kind = value.first().copied(),
                    54 => lease.server = address(value)?,
                    58 => lease.renew = be32(value, 0),
                    59 => lease.rebind = be32(value, 0),
                    _ => {}
                }
            }
        }
    }
    let kind = kind?;
    if kind == OFFER || kind == ACK {
        (is_unicast(lease.address.into()) && is_unicast(lease.server.into()) && lease.valid > 0).then_some(())?;
        // The usual parts of the time, where the server says nothing or nonsense (RFC 2131 4.4.5).
        if lease.rebind == 0 || lease.rebind > lease.valid {
            lease.rebind = lease.valid / 8 * 7;
        }
        if lease.renew == 0 || lease.renew > lease.rebind {
            lease.renew = lease.rebind.min(lease.valid / 2);
        }
    }
    Some((kind, lease))
}

/// A message of ours.
struct Message<'a> {
    kind: u8,
    transaction: u32,
    /// The address that we have, if any.
    own: Ipv4Addr,
    /// The address that we want, and from whom.
    wanted: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    hostname: &'a str,
}

impl Message<'_> {
    fn write(&self, mac: Mac) -> Vec<u8> {
        let mut message = alloc::vec![0; OPTIONS];
        // A request, by Ethernet.
        message[..3].copy_from_slice(&[1, 1, 6]);
        message[4..8].copy_from_slice(&self.transaction.to_be_bytes());
        // Who has no address yet cannot be sent to, but by broadcast.
        message[10] = if self.own.is_unspecified() { 0x80 } else { 0 };
        message[12..16].copy_from_slice(&self.own.octets());
        message[28..34].copy_from_slice(&mac.0);
        message[236..].copy_from_slice(&COOKIE);
        let mut option = |kind: u8, value: &[u8]| {
            message.extend([kind, value.len() as u8]);
            message.extend(value);
        };
        option(53, &[self.kind]);
        option(61, &[&[1], &mac.0[..]].concat());
        if let Some(address) = self.wanted {
            option(50, &address.octets());
        }
        if let Some(server) = self.server {
            option(54, &server.octets());
        }
        if !self.hostname.is_empty() && self.hostname.len() <= 64 {
            option(12, self.hostname.as_bytes());
        }
        if self.kind != DECLINE {
            // The mask, routers, servers for names; the three times.
            option(55, &[1, 3, 6, 51, 58, 59]);
        }
        message.push(255);
        message.resize(message.len().max(SHORTEST), 0);
        message
    }
}

/// Something that the client waits for.
enum Event {
    Message(Vec<u8>),
    Plugged,
    Taken,
    Time,
    Closed,
}

/// The next event, or the time.
async fn next(shared: &Shared, deadline: Instant, bound: bool) -> Event {
    let mail = poll_fn(|cx| {
        let mut engine = shared.engine();
        if engine.closed {
            return Poll::Ready(Event::Closed);
        }
        if bound && engine.ipv4.taken.take().is_some() {
            return Poll::Ready(Event::Taken);
        }
        if let Some(message) = engine.ipv4.messages.pop_front() {
            return Poll::Ready(Event::Message(message));
        }
        if core::mem::take(&mut engine.ipv4.plugged) {
            return Poll::Ready(Event::Plugged);
        }
        engine.ipv4.waker = Some(cx.waker().clone());
        Poll::Pending
    });
    until(&*shared.world, deadline, mail).await.unwrap_or(Event::Time)
}

/// Sends to all, from no address or the one that we have.
fn broadcast(shared: &Shared, message: &Message<'_>) {
    let mut engine = shared.engine();
    let bytes = message.write(engine.out.mac());
    let ends = (SocketAddr::new(message.own.into(), CLIENT), SocketAddr::new(Ipv4Addr::BROADCAST.into(), SERVER));
    engine.send_datagram(&*shared.world, Mac::BROADCAST, ends, &bytes);
    engine.kick();
}

/// Sends to the server that gave the lease. Whoever does not answer is left to the next attempt.
async fn unicast(shared: &Shared, server: Ipv4Addr, message: &Message<'_>, deadline: Instant) {
    let bytes = message.write(shared.engine().out.mac());
    let to = SocketAddr::new(server.into(), SERVER);
    let send = poll_fn(|cx| match shared.engine().udp_send(&*shared.world, CLIENT, &bytes, to, cx.waker()) {
        Ok(false) => Poll::Pending,
        Ok(true) | Err(_) => Poll::Ready(()),
    });
    until(&*shared.world, deadline, send).await;
}

/// Looks after the IPv4 address, until the stack is closed.
pub(crate) async fn run(shared: Rc<Shared>, patience: Duration) {
    let hostname = {
        let mut engine = shared.engine();
        engine.ipv4.wanted = true;
        engine.config.hostname.clone()
    };
    loop {
        // Whichever comes first; when a server answers after all, the address that was made up goes.
        let lease = first(acquire(&shared, &hostname), async {
            crate::autoip::run(&shared, patience).await;
            None
        });
        let Some(lease) = lease.await else { return };
        if !keep(&shared, &hostname, lease).await {
            return;
        }
    }
}

/// Asks until a server has given a lease. `None` when the stack is closed.
async fn acquire(shared: &Shared, hostname: &str) -> Option<Lease> {
    let mut wait = FIRST_WAIT;
    loop {
        let (transaction, mac) = {
            let mut engine = shared.engine();
            engine.ipv4.messages.clear();
            (engine.random.next() as u32, engine.out.mac())
        };
        let own = Ipv4Addr::UNSPECIFIED;
        let mut message = Message { kind: DISCOVER, transaction, own, wanted: None, server: None, hostname };
        broadcast(shared, &message);
        let Some(offer) = answer(shared, transaction, mac, wait, |kind| kind == OFFER).await? else {
            wait = wait.saturating_mul(2).min(LAST_WAIT);
            continue;
        };
        message.kind = REQUEST;
        (message.wanted, message.server) = (Some(offer.1.address), Some(offer.1.server));
        for attempt in 0..REQUESTS {
            broadcast(shared, &message);
            let patience = FIRST_WAIT * 2_u32.pow(attempt);
            match answer(shared, transaction, mac, patience, |kind| kind == ACK || kind == NAK).await? {
                Some((ACK, lease)) => return Some(lease),
                // The server has thought better of it.
                Some(_) => break,
                None => {}
            }
        }
        wait = FIRST_WAIT;
    }
}

/// The first message of a kind that is wanted, if one comes in time. The outer `None` is the end.
async fn answer(
    shared: &Shared,
    transaction: u32,
    mac: Mac,
    patience: Duration,
    wanted: impl Fn(u8) -> bool,
) -> Option<Option<(u8, Lease)>> {
    // So that a class of students that boots together does not stay together (RFC 2131 4.1).
    let jitter = Duration::from_millis(shared.engine().random.below(500).into());
    let deadline = after(shared.world.now(), patience + jitter);
    loop {
        match next(shared, deadline, false).await {
            Event::Message(message) => match read(&message, transaction, mac) {
                Some(answer) if wanted(answer.0) => return Some(Some(answer)),
                _ => shared.engine().drop(crate::Dropped::Unasked),
            },
            Event::Time | Event::Plugged | Event::Taken => return Some(None),
            Event::Closed => return None,
        }
    }
}

fn apply(shared: &Shared, lease: &Lease) {
    let mut engine = shared.engine();
    let cidr = Cidr { address: lease.address.into(), prefix: lease.prefix };
    engine.remove_addresses(|own| own.origin == Origin::Dhcp && own.cidr != cidr);
    engine.addresses.gateway = lease.gateway;
    engine.addresses.dns_v4 = lease.dns.clone();
    engine.add_address(cidr, Origin::Dhcp);
    engine.announce(lease.address);
}

fn release(shared: &Shared) {
    let mut engine = shared.engine();
    engine.addresses.gateway = None;
    engine.addresses.dns_v4.clear();
    engine.remove_addresses(|own| own.origin == Origin::Dhcp);
}

/// Uses a lease, and renews it in time. Whether to look for another one: not if the stack is closed.
async fn keep(shared: &Shared, hostname: &str, mut lease: Lease) -> bool {
    let span = |seconds: u32| Duration::from_secs(seconds.into());
    let ends = |begun: Instant, seconds: u32| {
        if seconds == u32::MAX { Instant::END } else { after(begun, span(seconds)) }
    };
    'leased: loop {
        let begun = shared.world.now();
        apply(shared, &lease);
        let (rebind, end) = (ends(begun, lease.rebind), ends(begun, lease.valid));
        let mut at = if end == Instant::END { end } else { after(begun, span(lease.renew)) };
        let (transaction, mac) = {
            let mut engine = shared.engine();
            (engine.random.next() as u32, engine.out.mac())
        };
        let renewal = Message { kind: REQUEST, transaction, own: lease.address, wanted: None, server: None, hostname };
        loop {
            match next(shared, at, true).await {
                Event::Closed => return false,
                Event::Message(message) => match read(&message, transaction, mac) {
                    Some((ACK, renewed)) => {
                        lease = renewed;
                        continue 'leased;
                    }
                    Some((NAK, _)) => {
                        log::warn!("the DHCP server takes {} back; asking for another address", lease.address);
                        release(shared);
                        return true;
                    }
                    _ => shared.engine().drop(crate::Dropped::Unasked),
                },
                Event::Taken => {
                    let (wanted, server) = (Some(lease.address), Some(lease.server));
                    let own = Ipv4Addr::UNSPECIFIED;
                    log::warn!("another station uses {}; asking the DHCP server for another address", lease.address);
                    release(shared);
                    broadcast(shared, &Message { kind: DECLINE, transaction, own, wanted, server, hostname });
                    shared.world.sleep_until(after(shared.world.now(), DECLINED_WAIT)).await;
                    return true;
                }
                // Perhaps into another network: ask whether the address is good there.
                Event::Plugged => {
                    broadcast(shared, &renewal);
                    at = at.min(after(shared.world.now(), RENEW_EVERY));
                }
                Event::Time => {
                    let now = shared.world.now();
                    if now >= end {
                        log::warn!("the lease of {} is over, and no DHCP server renews it", lease.address);
                        release(shared);
                        return true;
                    }
                    if now < rebind {
                        unicast(shared, lease.server, &renewal, after(now, FIRST_WAIT)).await;
                    } else {
                        broadcast(shared, &renewal);
                    }
                    // In the middle of what is left, but not too often, and not after the end.
                    let limit = if now < rebind { rebind } else { end };
                    let middle = after(now, ((limit - now) / 2).max(RENEW_EVERY));
                    at = middle.min(limit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    proptest! {
        #[test]
        fn any_message_is_read_or_refused(options in prop::collection::vec(any::<u8>(), 0..400), cut in 0_usize..700) {
            let mut message = vec![0; OPTIONS];
            message[0] = 2;
            message[28..34].copy_from_slice(&MAC.0);
            message[236..].copy_from_slice(&COOKIE);
            message.extend(options);
            message.truncate(cut);
            if let Some((OFFER | ACK, lease)) = read(&message, 0, MAC) {
                prop_assert!(lease.renew <= lease.rebind && lease.rebind <= lease.valid && lease.valid > 0);
                prop_assert!((1..=32).contains(&lease.prefix));
            }
        }
    }

    #[test]
    fn what_is_for_another_is_not_ours() {
        let message = Message {
            kind: REQUEST,
            transaction: 7,
            own: Ipv4Addr::UNSPECIFIED,
            wanted: None,
            server: None,
            hostname: "web",
        };
        let mut bytes = message.write(MAC);
        assert!(bytes.len() >= SHORTEST && read(&bytes, 7, MAC).is_none(), "a request is no answer");
        bytes[0] = 2;
        assert_eq!(read(&bytes, 7, MAC).map(|(kind, _)| kind), Some(REQUEST));
        assert!(read(&bytes, 8, MAC).is_none());
        assert!(read(&bytes, 7, Mac([2, 0, 0, 0, 0, 2])).is_none());
    }
}
