//! A DHCP server (RFC 2131) for the LAN's 10.0.2.0/24. Decides and remembers, and does no input or output.
//!
//! A client is known by its Ethernet address, and gets the address again that it had, for as long as nobody else needed it.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use smoltcp::wire::{DhcpMessageType, DhcpRepr};

use super::{DNS, GATEWAY, PREFIX};
use crate::lan::switch::Mac;

/// Where servers listen, and clients.
pub const SERVER_PORT: u16 = 67;
pub const CLIENT_PORT: u16 = 68;

/// How long an address belongs to a client that does not renew it.
pub const LEASE: Duration = Duration::from_secs(3600);
/// How long an offer holds that nobody takes, and an address is left alone that a client found taken.
const OFFER: Duration = Duration::from_secs(60);

/// The last octets that are given away: 10.0.2.15, as with QEMU, to 10.0.2.254. There is one lease for each at most.
const FIRST: u8 = 15;
const LAST: u8 = 254;

/// The leases of a LAN.
#[derive(Debug, Default)]
pub struct Dhcp {
    leases: HashMap<Mac, Lease>,
    /// Who has the address with that last octet, or had it last.
    holders: HashMap<u8, Mac>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    octet: u8,
    until: Instant,
}

fn address(octet: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 2, octet)
}

fn octet(address: Ipv4Addr) -> Option<u8> {
    let [a, b, c, d] = address.octets();
    ([a, b, c] == [10, 0, 2] && (FIRST..=LAST).contains(&d)).then_some(d)
}

impl Dhcp {
    /// The answer to a message of a client, if it gets one.
    pub fn answer(&mut self, request: &DhcpRepr<'_>, now: Instant) -> Option<DhcpRepr<'static>> {
        let mac = request.client_hardware_address.0;
        let for_us = request.server_identifier.is_none_or(|server| server == GATEWAY);
        match request.message_type {
            DhcpMessageType::Discover => {
                let wish = request.requested_ip.and_then(octet);
                let octet = self.choose(mac, wish, now)?;
                let held = self.leases.get(&mac).filter(|lease| lease.octet == octet).map_or(now, |lease| lease.until);
                self.hold(mac, octet, held.max(now + OFFER));
                Some(reply(request, DhcpMessageType::Offer, address(octet)))
            }
            DhcpMessageType::Request if !for_us => {
                // It took another server's offer (section 4.3.2): ours is free again.
                self.release(mac, now);
                None
            }
            DhcpMessageType::Request => {
                let wish = request.requested_ip.unwrap_or(request.client_ip);
                match octet(wish).filter(|octet| self.is_free_for(mac, *octet, now)) {
                    Some(octet) => {
                        self.hold(mac, octet, now + LEASE);
                        Some(reply(request, DhcpMessageType::Ack, wish))
                    }
                    // There is no other server on this LAN that could have given that address.
                    None => Some(reply(request, DhcpMessageType::Nak, Ipv4Addr::UNSPECIFIED)),
                }
            }
            DhcpMessageType::Release if for_us => {
                self.release(mac, now);
                None
            }
            DhcpMessageType::Decline if for_us => {
                // Somebody uses the address without asking. It belongs to nobody (to the group address that no client has)
                // for a while.
                if let Some(lease) = self.leases.remove(&mac) {
                    self.hold([0xff, 0, 0, 0, 0, lease.octet], lease.octet, now + OFFER);
                }
                None
            }
            // It has an address, and wants the rest (section 4.3.5).
            DhcpMessageType::Inform => Some(reply(request, DhcpMessageType::Ack, Ipv4Addr::UNSPECIFIED)),
            _ => None,
        }
    }

    /// What it has or had; what it wishes; what nobody ever had; what nobody has any more, the longest first.
    fn choose(&self, mac: Mac, wish: Option<u8>, now: Instant) -> Option<u8> {
        let own = self.leases.get(&mac).map(|lease| lease.octet);
        let wish = wish.filter(|wish| self.is_free_for(mac, *wish, now));
        let unused = || (FIRST..=LAST).find(|octet| !self.holders.contains_key(octet));
        let expired = || {
            let old = self.leases.values().filter(|lease| lease.until <= now);
            old.min_by_key(|lease| (lease.until, lease.octet)).map(|lease| lease.octet)
        };
        own.or(wish).or_else(unused).or_else(expired)
    }

    fn is_free_for(&self, mac: Mac, octet: u8, now: Instant) -> bool {
        let Some(holder) = self.holders.get(&octet) else { return true };
        *holder == mac || self.leases.get(holder).is_none_or(|lease| lease.until <= now)
    }

    fn hold(&mut self, mac: Mac, octet: u8, until: Instant) {
        if let Some(old) = self.leases.insert(mac, Lease { octet, until })
            && old.octet != octet
        {
            self.holders.remove(&old.octet);
        }
        if let Some(previous) = self.holders.insert(octet, mac)
            && previous != mac
        {
            self.leases.remove(&previous);
        }
    }

    /// It may have the address again, and so may others.
    fn release(&mut self, mac: Mac, now: Instant) {
        if let Some(lease) = self.leases.get_mut(&mac) {
            lease.until = now;
        }
    }
}

/// An answer from this server, which is the way out and the resolver as well.
fn reply(request: &DhcpRepr<'_>, message_type: DhcpMessageType, your_ip: Ipv4Addr) -> DhcpRepr<'static> {
    let refused = message_type == DhcpMessageType::Nak;
    // A client that only asks for the rest is told no time (section 4.3.5).
    let leased = (!your_ip.is_unspecified()).then_some(LEASE.as_secs() as u32);
    DhcpRepr {
        message_type,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: if message_type == DhcpMessageType::Ack { request.client_ip } else { Ipv4Addr::UNSPECIFIED },
        your_ip,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: (!refused).then_some(GATEWAY),
        subnet_mask: (!refused).then_some(Ipv4Addr::from_bits(u32::MAX << (32 - PREFIX))),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: request.broadcast,
        requested_ip: None,
        // RFC 6842: it comes back.
        client_identifier: request.client_identifier,
        server_identifier: Some(GATEWAY),
        parameter_request_list: None,
        dns_servers: (!refused).then(|| [DNS].into_iter().collect()),
        max_size: None,
        lease_duration: leased,
        renew_duration: leased.map(|seconds| seconds / 2),
        rebind_duration: leased.map(|seconds| seconds / 8 * 7),
        additional_options: &[],
    }
}

/// Where an answer goes (section 4.1): to the client's address if it has one, to all if it asks for that or is refused, and
/// otherwise to the address that it is about to have.
pub fn deliver(request: &DhcpRepr<'_>, answer: &DhcpRepr<'_>) -> (Mac, Ipv4Addr) {
    let mac = request.client_hardware_address.0;
    let refused = answer.message_type == DhcpMessageType::Nak;
    if !refused && !request.client_ip.is_unspecified() {
        (mac, request.client_ip)
    } else if refused || request.broadcast || answer.your_ip.is_unspecified() {
        ([0xff; 6], Ipv4Addr::BROADCAST)
    } else {
        (mac, answer.your_ip)
    }
}

#[cfg(test)]
mod tests;
