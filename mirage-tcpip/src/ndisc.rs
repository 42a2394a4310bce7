//! Neighbour discovery and router advertisements (RFC 4861), and the addresses that come of them (RFC 4862).

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use mirage_sig::{Cidr, Instant, Mac};

use crate::address::Origin;
use crate::engine::{Engine, after, wake};
use crate::icmp::checksum_v6;
use crate::outbox::Fill;
use crate::packet::{self, Dropped, Frame, ICMPV6, Packet, be16, be32, is_unicast};

pub(crate) const ROUTER_SOLICITATION: u8 = 133;
pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
pub(crate) const NEIGHBOUR_SOLICITATION: u8 = 135;
pub(crate) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Nobody who is not on the link can send a packet that arrives with this many hops left.
const HOPS: u8 = 255;

const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;
const PREFIX: u8 = 3;
const NAME_SERVERS: u8 = 25;

const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
const AUTONOMOUS: u8 = 0x40;
/// A lifetime is not cut below this by an advertisement, which anybody can send (RFC 4862 5.5.3 e).
const LIFETIME_FLOOR: Duration = Duration::from_secs(2 * 60 * 60);

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The lower half of our addresses: the Ethernet address (RFC 4291 appendix A).
fn interface(mac: Mac) -> u128 {
    let [a, b, c, d, e, f] = mac.0;
    u128::from(u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]))
}

/// The address for the link.
pub(crate) fn link_local(mac: Mac) -> Cidr {
    let address = Ipv6Addr::from_bits(0xfe80 << 112 | interface(mac));
    Cidr { address: address.into(), prefix: 64 }
}

/// The group in which an address is asked for (RFC 4291 2.7.1).
fn solicited_group(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | address.to_bits() & 0xff_ffff)
}

/// The options of a message: their types, and what follows the length. Ends at the first that is malformed.
fn options(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    core::iter::from_fn(move || {
        let [kind, units, ..] = *bytes else { return None };
        let (option, rest) = bytes.split_at_checked(usize::from(units) * 8)?;
        bytes = rest;
        Some((kind, option.get(2..)?))
    })
}

fn mac_option(bytes: &[u8], wanted: u8) -> Option<Mac> {
    let (_, value) = options(bytes).find(|(kind, _)| *kind == wanted)?;
    Some(Mac(*value.first_chunk()?)).filter(|mac| !mac.is_multicast())
}

fn address_at(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?))
}

fn seconds(now: Instant, count: u32) -> Instant {
    if count == u32::MAX { Instant::END } else { after(now, Duration::from_secs(count.into())) }
}

impl Engine {
    /// Whether it is a group in which one of our addresses is asked for, or that of all.
    pub fn is_solicited(&self, group: IpAddr) -> bool {
        let IpAddr::V6(group) = group else { return false };
        group == ALL_NODES
            || self.addresses.list.iter().any(|own| match own.cidr.address {
                IpAddr::V6(address) => solicited_group(address) == group,
                IpAddr::V4(_) => false,
            })
    }

    /// Neighbour discovery, of which the checksum is right.
    pub fn ndisc_ingress(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> Result<(), Dropped> {
        let message = packet.payload;
        if packet.hop_limit != HOPS || message.get(1) != Some(&0) {
            return Err(Dropped::Spoofed);
        }
        match message[0] {
            NEIGHBOUR_SOLICITATION => self.solicitation(packet),
            NEIGHBOUR_ADVERTISEMENT => self.advertisement(frame, message),
            ROUTER_ADVERTISEMENT => self.router(packet),
            // We are no router.
            _ => Err(Dropped::Elsewhere),
        }
    }

    fn solicitation(&mut self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let target = address_at(packet.payload, 8).ok_or(Dropped::Malformed)?;
        if !self.addresses.has(target.into()) {
            return Err(Dropped::Elsewhere);
        }
        self.stats.neighbours.answered += 1;
        if packet.source.is_unspecified() {
            // Somebody is about to take our address.
            self.advertise(Mac([0x33, 0x33, 0, 0, 0, 1]), ALL_NODES, target, OVERRIDE);
            return Ok(());
        }
        let mac = mac_option(&packet.payload[24..], SOURCE_MAC).ok_or(Dropped::Malformed)?;
        self.heard_of(packet.source, mac, true);
        if let IpAddr::V6(asker) = packet.source {
            self.advertise(mac, asker, target, SOLICITED | OVERRIDE);
        }
        Ok(())
    }

    fn advertisement(&mut self, frame: &Frame<'_>, message: &[u8]) -> Result<(), Dropped> {
        let target = address_at(message, 8).ok_or(Dropped::Malformed)?;
        if self.addresses.has(target.into()) {
            self.stats.neighbours.conflicts += 1;
            let configured =
                |own: &crate::address::Own| own.origin == Origin::Config && own.cidr.address == IpAddr::V6(target);
            let kept = self.addresses.list.iter().any(configured);
            log::warn!("address conflict: {} uses {target} too, which is ours", frame.source);
            if !kept {
                self.remove_addresses(|own| own.cidr.address == IpAddr::V6(target));
            }
            return Ok(());
        }
        let mac = mac_option(&message[24..], TARGET_MAC).unwrap_or(frame.source);
        if self.heard_of(target.into(), mac, false) { Ok(()) } else { Err(Dropped::Unasked) }
    }

    fn router(&mut self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let IpAddr::V6(router) = packet.source else { return Err(Dropped::Malformed) };
        let message = packet.payload;
        if !router.is_unicast_link_local() || message.len() < 16 {
            return Err(Dropped::Spoofed);
        }
        let listening = match self.config.ipv6 {
            crate::Ipv6::Slaac => true,
            crate::Ipv6::Static { gateway, .. } => gateway.is_none(),
            crate::Ipv6::Off => false,
        };
        if !listening {
            return Err(Dropped::Unasked);
        }
        let now = self.now;
        self.addresses.router(router, seconds(now, be16(message, 6).into()), now);
        if let Some(mac) = mac_option(&message[16..], SOURCE_MAC) {
            self.heard_of(packet.source, mac, true);
        }
        for (kind, option) in options(&message[16..]) {
            match kind {
                PREFIX if self.config.ipv6 == crate::Ipv6::Slaac => self.prefix(option),
                NAME_SERVERS => {
                    let until = seconds(now, be32(option, 2));
                    for server in option.get(6..).unwrap_or_default().chunks_exact(16) {
                        if let Some(server) = address_at(server, 0).filter(|server| is_unicast((*server).into())) {
                            self.addresses.name_server(server.into(), until, now);
                        }
                    }
                }
                _ => {}
            }
        }
        self.ipv6.heard = true;
        wake(&mut self.ipv6.waker);
        Ok(())
    }

    /// A prefix of which we may make an address.
    fn prefix(&mut self, option: &[u8]) {
        let (Some(prefix), Some(&[length, flags])) = (address_at(option, 14), option.first_chunk()) else { return };
        let (valid, preferred) = (be32(option, 2), be32(option, 6));
        let usable = is_unicast(prefix.into()) && !prefix.is_unicast_link_local();
        // Ours have 64 bits below the prefix (RFC 4862 5.5.3 d).
        if flags & AUTONOMOUS == 0 || length != 64 || preferred > valid || !usable {
            return;
        }
        let address = Ipv6Addr::from_bits(prefix.to_bits() & !u128::from(u64::MAX) | interface(self.out.mac()));
        let cidr = Cidr { address: address.into(), prefix: 64 };
        let mut until = seconds(self.now, valid);
        let known = self.addresses.list.iter().find(|own| own.cidr == cidr);
        if let Some(Origin::Router(before)) = known.map(|own| own.origin) {
            until = until.max(before.min(after(self.now, LIFETIME_FLOOR)));
        } else if known.is_some() || valid == 0 {
            return;
        }
        let new = known.is_none();
        self.add_address(cidr, Origin::Router(until));
        if new {
            self.solicit_own(address);
        }
    }

    /// Asks whether anybody has the address that we are about to use (RFC 4862 5.4). It is used meanwhile, as its lower half
    /// is our Ethernet address, which two on a link have only if that is wrong already (RFC 4429).
    pub fn solicit_own(&mut self, address: Ipv6Addr) {
        self.neighbour_solicitation(None, Ipv6Addr::UNSPECIFIED, address);
    }

    /// Asks for the Ethernet address of `target`: all, or the one that was known.
    pub fn solicit(&mut self, target: Ipv6Addr, known: Option<Mac>) {
        if let Some(route) = self.addresses.route(target.into(), self.now)
            && let IpAddr::V6(source) = route.source
        {
            self.neighbour_solicitation(known, source, target);
        }
    }

    fn neighbour_solicitation(&mut self, to: Option<Mac>, source: Ipv6Addr, target: Ipv6Addr) {
        let (mac, own) = match to {
            Some(mac) => ((mac, target), self.out.mac()),
            None => {
                let group = solicited_group(target);
                ((packet::group_mac(group.into()), group), self.out.mac())
            }
        };
        // Who has no address yet does not tell of its Ethernet address (RFC 4861 4.3).
        let length = if source.is_unspecified() { 24 } else { 32 };
        self.ndisc(mac, source, length, &mut |message| {
            message[0] = NEIGHBOUR_SOLICITATION;
            message[8..24].copy_from_slice(&target.octets());
            put_mac(&mut message[24..], SOURCE_MAC, own);
        });
    }

    fn advertise(&mut self, mac: Mac, to: Ipv6Addr, target: Ipv6Addr, flags: u8) {
        let own = self.out.mac();
        self.ndisc((mac, to), target, 32, &mut |message| {
            message[0] = NEIGHBOUR_ADVERTISEMENT;
            message[4] = flags;
            message[8..24].copy_from_slice(&target.octets());
            put_mac(&mut message[24..], TARGET_MAC, own);
        });
    }

    /// Asks routers to tell of themselves.
    pub fn solicit_routers(&mut self) {
        let own = self.out.mac();
        let IpAddr::V6(source) = link_local(own).address else { return };
        self.ndisc((packet::group_mac(ALL_ROUTERS.into()), ALL_ROUTERS), source, 16, &mut |message| {
            message[0] = ROUTER_SOLICITATION;
            put_mac(&mut message[8..], SOURCE_MAC, own);
        });
    }

    fn ndisc(&mut self, (mac, to): (Mac, Ipv6Addr), source: Ipv6Addr, length: usize, fill: Fill<'_>) {
        self.answer(mac, (source.into(), to.into()), (ICMPV6, HOPS), length, &mut |message| {
            fill(message);
            checksum_v6(message, source.into(), to.into());
        });
        self.kick();
    }
}

/// Writes an option that holds an Ethernet address, if there is room for it.
fn put_mac(room: &mut [u8], kind: u8, mac: Mac) {
    if let Some(option) = room.first_chunk_mut::<8>() {
        option[..2].copy_from_slice(&[kind, 1]);
        option[2..].copy_from_slice(&mac.0);
    }
}
