//! Echoes, both ways, and what cannot be reached (RFC 792, RFC 4443).

use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;

use mirage_sig::{Instant, NetErrorKind};
use smoltcp::wire::{IpProtocol, checksum};

use crate::Error;
use crate::engine::{Engine, ip_header, wake};
use crate::ndisc;
use crate::neighbour::Answer;
use crate::packet::{Dropped, Frame, ICMP, ICMPV6, Packet, TCP, be16, kind_of};
use crate::world::World;

const REPLY_V4: u8 = 0;
const UNREACHABLE_V4: u8 = 3;
const REQUEST_V4: u8 = 8;
const UNREACHABLE_V6: u8 = 1;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;
/// Type, code, checksum, and what differs.
const HEADER: usize = 8;
/// Echo requests under way, at most.
const ECHOES_MAX: usize = 256;
/// Of a packet that cannot be delivered, so much comes back (RFC 792 asks for 8 bytes after its header).
const QUOTED: usize = 128;

/// Echo requests under way.
#[derive(Default)]
pub(crate) struct Echoes(Vec<Echo>);

struct Echo {
    number: u32,
    to: IpAddr,
    answered: Option<Instant>,
    waker: Option<Waker>,
}

impl Echoes {
    pub fn close(&mut self) {
        self.0.iter_mut().for_each(|echo| wake(&mut echo.waker));
    }

    /// When the answer came, if it has.
    pub fn poll(&mut self, number: u32, waker: &Waker) -> Option<Instant> {
        let echo = self.0.iter_mut().find(|echo| echo.number == number)?;
        if echo.answered.is_none() {
            echo.waker = Some(waker.clone());
        }
        echo.answered
    }

    pub fn forget(&mut self, number: u32) {
        self.0.retain(|echo| echo.number != number);
    }
}

/// Fills in the checksum of an ICMPv6 message, which covers the addresses.
pub(crate) fn checksum_v6(message: &mut [u8], source: IpAddr, target: IpAddr) {
    let pseudo = checksum::pseudo_header(&source.into(), &target.into(), IpProtocol::Icmpv6, message.len() as u32);
    put_checksum(message, pseudo);
}

fn put_checksum(message: &mut [u8], pseudo: u16) {
    if message.len() >= 4 {
        message[2..4].fill(0);
        let sum = !checksum::combine(&[pseudo, checksum::data(message)]);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Fills in the checksum of a message between these two.
fn finish(message: &mut [u8], source: IpAddr, target: IpAddr) {
    if source.is_ipv4() { put_checksum(message, 0) } else { checksum_v6(message, source, target) }
}

const fn protocol_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { ICMP } else { ICMPV6 }
}

impl Engine {
    pub fn icmp_ingress(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> Result<(), Dropped> {
        if packet.payload.len() < HEADER {
            return Err(Dropped::Malformed);
        }
        if self.verify() && checksum::data(packet.payload) != !0 {
            return Err(Dropped::Checksum);
        }
        match packet.payload[0] {
            REQUEST_V4 => self.echo(frame, packet, REPLY_V4),
            REPLY_V4 => self.echo_reply(packet),
            UNREACHABLE_V4 => self.told_unreachable(packet),
            _ => Err(Dropped::Protocol),
        }
    }

    pub fn icmpv6_ingress(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> Result<(), Dropped> {
        if packet.payload.len() < HEADER {
            return Err(Dropped::Malformed);
        }
        if self.verify() && !packet.checksum_holds() {
            return Err(Dropped::Checksum);
        }
        match packet.payload[0] {
            REQUEST_V6 => self.echo(frame, packet, REPLY_V6),
            REPLY_V6 => self.echo_reply(packet),
            UNREACHABLE_V6 => self.told_unreachable(packet),
            ndisc::ROUTER_SOLICITATION..=ndisc::NEIGHBOUR_ADVERTISEMENT if packet.plain => {
                self.ndisc_ingress(frame, packet)
            }
            crate::group::MLD_QUERY => self.mld_ingress(packet),
            _ => Err(Dropped::Protocol),
        }
    }

    /// Answers an echo request: to where it came from, without looking for the way.
    fn echo(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, reply: u8) -> Result<(), Dropped> {
        // Who answers what went to all is a tool for flooding others (RFC 1122 3.2.2.6 leaves it to us).
        if !self.addresses.has(packet.target) || packet.source.is_unspecified() {
            return Err(Dropped::Elsewhere);
        }
        self.stats.icmp.echoed += 1;
        let (source, target) = (packet.target, packet.source);
        self.answer(frame.source, (source, target), (protocol_of(source), 64), packet.payload.len(), &mut |message| {
            message.copy_from_slice(packet.payload);
            message[0] = reply;
            finish(message, source, target);
        });
        Ok(())
    }

    fn echo_reply(&mut self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let number = u32::from(be16(packet.payload, 4)) << 16 | u32::from(be16(packet.payload, 6));
        let now = self.now;
        let mut echoes = self.echoes.0.iter_mut();
        let echo = echoes.find(|echo| echo.number == number && echo.to == packet.source && echo.answered.is_none());
        let Some(echo) = echo else { return Err(Dropped::Unasked) };
        echo.answered = Some(now);
        wake(&mut echo.waker);
        self.stats.icmp.answers += 1;
        Ok(())
    }

    /// A router or the other host says that a packet of ours was not delivered. Of interest only to a connection that is not
    /// yet established: others see for themselves, and anybody could say so (RFC 5927 5.2).
    fn told_unreachable(&mut self, packet: &Packet<'_>) -> Result<(), Dropped> {
        self.stats.icmp.unreachable += 1;
        let (code, quoted) = (packet.payload[1], &packet.payload[HEADER..]);
        // The quoted packet is cut, so its lengths say nothing.
        let (length, protocol, port_code) = match quoted.first() {
            Some(first) if first >> 4 == 4 => (usize::from(first & 0xf) * 4, quoted.get(9), 3),
            Some(_) => (40, quoted.get(6), 4),
            None => return Err(Dropped::Malformed),
        };
        let (Some(protocol), Some(segment)) = (protocol, quoted.get(length..)) else { return Err(Dropped::Malformed) };
        let address = |at: usize, v6: usize| -> Option<IpAddr> {
            if length == 40 && quoted[0] >> 4 == 6 {
                Some(IpAddr::from(*quoted.get(v6..)?.first_chunk::<16>()?))
            } else {
                Some(IpAddr::from(*quoted.get(at..)?.first_chunk::<4>()?))
            }
        };
        let (Some(source), Some(target)) = (address(12, 8), address(16, 24)) else { return Err(Dropped::Malformed) };
        if *protocol == TCP && self.addresses.has(source) {
            let kind = if code == port_code { NetErrorKind::Refused } else { NetErrorKind::Unreachable };
            self.give_up_opening((source, be16(segment, 0)), (target, be16(segment, 2)), kind);
        }
        Ok(())
    }

    /// Tells a sender that nobody is at that port.
    pub fn port_unreachable(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        if frame.target.is_multicast() || !self.addresses.has(packet.target) {
            return;
        }
        let quoted = &packet.bytes[..packet.bytes.len().min(QUOTED)];
        let (source, target) = (packet.target, packet.source);
        let kind = if source.is_ipv4() { [UNREACHABLE_V4, 3] } else { [UNREACHABLE_V6, 4] };
        self.answer(frame.source, (source, target), (protocol_of(source), 64), HEADER + quoted.len(), &mut |message| {
            message[..2].copy_from_slice(&kind);
            message[HEADER..].copy_from_slice(quoted);
            finish(message, source, target);
        });
    }

    /// Sends an echo request with `length` bytes of data. Its number, by which the answer is known; `None` if `waker` is to be
    /// woken when it is worth to try again.
    pub fn ping(&mut self, world: &dyn World, to: IpAddr, length: usize, waker: &Waker) -> Result<Option<u32>, Error> {
        let headers = if to.is_ipv4() { 20 } else { 40 } + HEADER;
        if length > self.mtu - headers {
            let what = "an echo request is one packet, and this is more than fits into one; it can hold bytes:";
            return Err(Error::new(NetErrorKind::Exhausted, what).number(self.mtu - headers));
        }
        if self.echoes.0.len() >= ECHOES_MAX {
            return Err(Error::new(NetErrorKind::Exhausted, "too many echo requests are under way"));
        }
        let Some((route, mac)) = self.way(to, waker)? else { return Ok(None) };
        let number = self.random.next() as u32;
        let kind = if to.is_ipv4() { REQUEST_V4 } else { REQUEST_V6 };
        let header = ip_header(route.source, to, protocol_of(to), 64, HEADER + length);
        let header_length = header.header_len();
        self.out.send(world, (mac, kind_of(to)), header_length + HEADER + length, &mut |packet| {
            header.emit(&mut *packet, &Default::default());
            let message = &mut packet[header_length..];
            message[0] = kind;
            message[4..8].copy_from_slice(&number.to_be_bytes());
            message[HEADER..].iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8);
            finish(message, route.source, to);
        });
        self.count_sent(to);
        self.stats.icmp.pings += 1;
        self.echoes.0.push(Echo { number, to, answered: None, waker: None });
        Ok(Some(number))
    }

    /// The way to an address, and the Ethernet address of its next station. `None` if `waker` is to be woken when that is known,
    /// or when the network has room.
    pub fn way(
        &mut self,
        to: IpAddr,
        waker: &Waker,
    ) -> Result<Option<(crate::address::Route, mirage_sig::Mac)>, Error> {
        if self.closed {
            return Err(Error::closed());
        }
        let at = core::net::SocketAddr::new(to, 0);
        let route = self.addresses.route(to, self.now).ok_or(Error::no_route().at(at))?;
        if self.out.stalled || !self.out.is_empty() {
            crate::engine::register(&mut self.writers, waker);
            self.kick();
            return Ok(None);
        }
        let mac = if to.is_multicast() {
            crate::packet::group_mac(to)
        } else if self.addresses.is_broadcast(to) {
            mirage_sig::Mac::BROADCAST
        } else {
            match self.neighbour(route.hop) {
                Answer::Known(mac) => mac,
                Answer::Asking => {
                    self.neighbours.wake_on(route.hop, waker);
                    return Ok(None);
                }
                Answer::Nobody => return Err(Error::nobody().at(at)),
            }
        };
        Ok(Some((route, mac)))
    }
}
