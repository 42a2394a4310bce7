//! Who is where on the LAN: IPv4 addresses to Ethernet addresses (RFC 826), for one /24.

use std::net::Ipv4Addr;

use smoltcp::wire::{ArpOperation, ArpRepr, EthernetAddress, EthernetProtocol, Ipv4Packet};

use super::packet;
use super::{DNS, GATEWAY, MAC};
use crate::lan::switch::{Mac, is_group};

/// The neighbours of the gateway: one place for each address of its /24, so it needs no other bound.
pub struct Neighbours([Neighbour; 256]);

#[derive(Clone, Default)]
enum Neighbour {
    #[default]
    Unknown,
    /// It was asked for, and one packet waits for the answer.
    Asked(Vec<u8>),
    Known(Mac),
}

impl Default for Neighbours {
    fn default() -> Self {
        Self([const { Neighbour::Unknown }; 256])
    }
}

/// Whether a client may have that address.
pub fn is_client(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    [a, b, c] == [10, 0, 2] && address != GATEWAY && address != DNS && d != 0 && d != 255
}

impl Neighbours {
    /// Remembers where `address` was heard. Returns the frame that waited for it, if one did.
    pub fn learn(&mut self, address: Ipv4Addr, mac: Mac) -> Option<Vec<u8>> {
        if !is_client(address) || is_group(mac) || mac == MAC {
            return None;
        }
        match std::mem::replace(self.entry(address), Neighbour::Known(mac)) {
            Neighbour::Asked(packet) => Some(packet::frame(mac, EthernetProtocol::Ipv4, &packet)),
            Neighbour::Unknown | Neighbour::Known(_) => None,
        }
    }

    /// Remembers who sent a packet. Who is being asked for is left to his answer, which takes the waiting packet along.
    pub fn hear(&mut self, address: Ipv4Addr, mac: Mac) {
        if !(is_client(address) && matches!(self.entry(address), Neighbour::Asked(_))) {
            self.learn(address, mac);
        }
    }

    /// The frame that brings `packet` nearer to its destination: itself, or the question who that is. `None` if it is for
    /// nobody on the LAN.
    pub fn address(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let destination = Ipv4Packet::new_checked(packet).ok()?.dst_addr();
        if !is_client(destination) {
            return None;
        }
        let entry = self.entry(destination);
        if let Neighbour::Known(mac) = entry {
            return Some(packet::frame(*mac, EthernetProtocol::Ipv4, packet));
        }
        *entry = Neighbour::Asked(packet.to_vec());
        Some(packet::arp(
            EthernetAddress::BROADCAST.0,
            ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Request,
                source_hardware_addr: EthernetAddress(MAC),
                source_protocol_addr: GATEWAY,
                target_hardware_addr: EthernetAddress([0; 6]),
                target_protocol_addr: destination,
            },
        ))
    }

    fn entry(&mut self, address: Ipv4Addr) -> &mut Neighbour {
        &mut self.0[usize::from(address.octets()[3])]
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use super::*;

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

    fn packet_to(address: Ipv4Addr) -> Vec<u8> {
        packet::udp(SocketAddrV4::new(GATEWAY, 1), SocketAddrV4::new(address, 2), b"hello", 1500).unwrap()
    }

    #[test]
    fn who_is_not_known_is_asked_for_and_gets_the_last_packet() {
        let mut neighbours = Neighbours::default();
        let question = neighbours.address(&packet_to(CLIENT)).unwrap();
        assert_eq!((&question[..6], &question[12..14]), (&[0xff; 6][..], &[8, 6][..]));
        assert_eq!(question[38..42], CLIENT.octets());
        let mac = [2, 0, 0, 0, 0, 9];
        let frame = neighbours.learn(CLIENT, mac).unwrap();
        assert_eq!(frame[..14], [2, 0, 0, 0, 0, 9, 0x52, 0x55, 10, 0, 2, 2, 8, 0]);
        assert_eq!(frame[14..], packet_to(CLIENT));
        assert_eq!(neighbours.learn(CLIENT, mac), None);
        assert_eq!(neighbours.address(&packet_to(CLIENT)).unwrap()[..6], mac);
    }

    #[test]
    fn nobody_takes_the_gateways_addresses() {
        let mut neighbours = Neighbours::default();
        for address in [GATEWAY, DNS, Ipv4Addr::new(10, 0, 2, 255), Ipv4Addr::new(10, 0, 3, 15), Ipv4Addr::LOCALHOST] {
            neighbours.learn(address, [2; 6]);
            assert_eq!(neighbours.address(&packet_to(address)), None, "{address}");
        }
    }
}
