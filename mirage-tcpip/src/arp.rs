//! ARP (RFC 826), and what it takes to have an IPv4 address to oneself (RFC 5227).

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use mirage_sig::Mac;

use crate::address::Origin;
use crate::engine::{Engine, wake};
use crate::packet::{self, Dropped, Frame, is_unicast};

/// Ethernet and IPv4, with addresses of 6 and 4 bytes.
const HEADER: [u8; 6] = [0, 1, 8, 0, 6, 4];
const LENGTH: usize = 28;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
/// An address is defended once in this time (RFC 5227 1.1, DEFEND_INTERVAL).
const DEFEND_EVERY: Duration = Duration::from_secs(10);

impl Engine {
    /// An ARP packet has arrived.
    pub fn arp_ingress(&mut self, frame: &Frame<'_>) -> Result<(), Dropped> {
        let fields = frame.payload.first_chunk::<LENGTH>().ok_or(Dropped::Malformed)?;
        if fields[..6] != HEADER || fields[6] != 0 {
            return Err(Dropped::Malformed);
        }
        let address = |at: usize| Ipv4Addr::new(fields[at], fields[at + 1], fields[at + 2], fields[at + 3]);
        let sender_mac = Mac([fields[8], fields[9], fields[10], fields[11], fields[12], fields[13]]);
        let (operation, sender, target) = (fields[7], address(14), address(24));
        if sender_mac == self.out.mac() {
            return Err(Dropped::Looped);
        }
        if sender_mac.is_multicast() || !sender.is_unspecified() && !is_unicast(sender.into()) {
            return Err(Dropped::Spoofed);
        }

        // Somebody else uses the address that we try out, or tries it out as well (RFC 5227 2.1.1).
        if let Some(trying) = self.ipv4.trying
            && (sender == trying || sender.is_unspecified() && target == trying && operation == REQUEST)
        {
            self.ipv4.taken = Some(trying);
            wake(&mut self.ipv4.waker);
            return Ok(());
        }
        if self.addresses.has(sender.into()) {
            self.conflict(sender, sender_mac);
            return Ok(());
        }

        let ours = self.addresses.has(target.into());
        let near = self.addresses.on_link(sender.into());
        if !sender.is_unspecified() && near {
            // Those who ask for us will talk to us.
            let known = self.heard_of(sender.into(), sender_mac, ours && operation == REQUEST);
            if !known && operation == REPLY && ours {
                return Err(Dropped::Unasked);
            }
        }
        if ours && operation == REQUEST {
            self.stats.neighbours.answered += 1;
            self.arp(REPLY, sender_mac, target, sender_mac, sender);
        }
        Ok(())
    }

    /// Another station says that our address is its own. It is told once that it is not; if it goes on, an address that we
    /// can do without is given up (RFC 5227 2.4 b), any other kept and defended at times (c).
    fn conflict(&mut self, address: Ipv4Addr, mac: Mac) {
        self.stats.neighbours.conflicts += 1;
        let recent = self.ipv4.defended.is_some_and(|last| self.now - last < DEFEND_EVERY);
        if !recent {
            log::warn!("address conflict: {mac} uses {address} too, which is ours; give one of us another address");
            self.ipv4.defended = Some(self.now);
            self.announce(address);
            return;
        }
        let kept = self.addresses.list.iter().any(|own| own.cidr.address == address && own.origin == Origin::Config);
        if !kept && self.ipv4.taken.is_none() {
            self.ipv4.taken = Some(address);
            wake(&mut self.ipv4.waker);
        }
    }

    /// Tells all stations that this address is ours (RFC 5227 2.3).
    pub fn announce(&mut self, address: Ipv4Addr) {
        self.arp(REQUEST, Mac::BROADCAST, address, Mac([0; 6]), address);
    }

    /// Asks whether anybody has this address, without saying that we want it (RFC 5227 2.1.1).
    pub fn probe(&mut self, address: Ipv4Addr) {
        self.arp(REQUEST, Mac::BROADCAST, Ipv4Addr::UNSPECIFIED, Mac([0; 6]), address);
    }

    /// Asks for the Ethernet address of `target`: all, or the one that was known.
    pub fn arp_ask(&mut self, target: Ipv4Addr, known: Option<Mac>) {
        if let Some(route) = self.addresses.route(target.into(), self.now)
            && let IpAddr::V4(source) = route.source
        {
            self.arp(REQUEST, known.unwrap_or(Mac::BROADCAST), source, Mac([0; 6]), target);
        }
    }

    fn arp(&mut self, operation: u8, to: Mac, sender: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) {
        let mac = self.out.mac();
        self.out.push(to, packet::ARP, LENGTH, &mut |fields| {
            fields[..6].copy_from_slice(&HEADER);
            fields[7] = operation;
            fields[8..14].copy_from_slice(&mac.0);
            fields[14..18].copy_from_slice(&sender.octets());
            fields[18..24].copy_from_slice(&target_mac.0);
            fields[24..28].copy_from_slice(&target.octets());
        });
        self.kick();
    }
}
