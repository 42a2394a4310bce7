//! Packets to and from bytes, on top of smoltcp's views of them. Addresses and checksums are right, or there is no packet.

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4DstUnreachable, Icmpv4Packet,
    Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};

use super::MAC;
use crate::lan::switch::{HEADER_LEN, Mac};

/// Hops that the gateway's own packets live.
const HOP_LIMIT: u8 = 64;
/// Bytes of an IPv4 header without options.
pub const IPV4_HEADER_LEN: usize = 20;
/// Bytes of a UDP header.
pub const UDP_HEADER_LEN: usize = 8;

/// Whom a packet joins: a client of the LAN, and the address that it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The client's end.
    pub guest: SocketAddrV4,
    /// The other end, as the client sees it.
    pub remote: SocketAddrV4,
}

/// An echo request (RFC 792).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// Who asks.
    pub from: Ipv4Addr,
    /// Who is asked.
    pub to: Ipv4Addr,
    /// The identifier, which comes back with the answer.
    pub ident: u16,
    /// The sequence number, likewise.
    pub sequence: u16,
    /// The data, likewise.
    pub data: Vec<u8>,
}

/// An Ethernet frame from the gateway.
pub fn frame(to: Mac, protocol: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN + payload.len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    frame.set_dst_addr(EthernetAddress(to));
    frame.set_src_addr(EthernetAddress(MAC));
    frame.set_ethertype(protocol);
    frame.payload_mut().copy_from_slice(payload);
    bytes
}

/// An ARP packet from the gateway, in its frame.
pub fn arp(to: Mac, arp: ArpRepr) -> Vec<u8> {
    let mut payload = vec![0; arp.buffer_len()];
    arp.emit(&mut ArpPacket::new_unchecked(&mut payload));
    frame(to, EthernetProtocol::Arp, &payload)
}

/// An IPv4 packet, whose payload is written by `emit`.
fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: IpProtocol, length: usize, emit: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let header =
        Ipv4Repr { src_addr: from, dst_addr: to, next_header: protocol, payload_len: length, hop_limit: HOP_LIMIT };
    let mut bytes = vec![0; IPV4_HEADER_LEN + length];
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
    header.emit(&mut packet, &ChecksumCapabilities::default());
    emit(packet.payload_mut());
    bytes
}

/// A UDP datagram in its IPv4 packet, or `None` if it is larger than `mtu`: the gateway makes no fragments.
pub fn udp(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8], mtu: usize) -> Option<Vec<u8>> {
    let length = UDP_HEADER_LEN + payload.len();
    if IPV4_HEADER_LEN + length > mtu {
        return None;
    }
    Some(ipv4(*from.ip(), *to.ip(), IpProtocol::Udp, length, |bytes| {
        UdpRepr { src_port: from.port(), dst_port: to.port() }.emit(
            &mut UdpPacket::new_unchecked(bytes),
            &IpAddress::Ipv4(*from.ip()),
            &IpAddress::Ipv4(*to.ip()),
            payload.len(),
            |bytes| bytes.copy_from_slice(payload),
            &ChecksumCapabilities::default(),
        );
    }))
}

/// The payload of the UDP datagram in an IPv4 packet, if both are whole and the checksum is right.
pub fn udp_payload(packet: &[u8]) -> Option<&[u8]> {
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
    UdpRepr::parse(&udp, &ip.src_addr().into(), &ip.dst_addr().into(), &ChecksumCapabilities::default()).ok()?;
    Some(udp.payload())
}

/// The answer to an echo request.
pub fn echo_reply(echo: &Echo) -> Vec<u8> {
    let reply = Icmpv4Repr::EchoReply { ident: echo.ident, seq_no: echo.sequence, data: &echo.data };
    icmp(echo.to, echo.from, &reply)
}

/// "Communication administratively prohibited" (RFC 1812, section 5.2.7.1), in answer to an IPv4 packet. `None` if it is not to
/// be answered: an answer to many, or to no packet.
pub fn prohibited(packet: &[u8]) -> Option<Vec<u8>> {
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    let header = Ipv4Repr::parse(&ip, &ChecksumCapabilities::default()).ok()?;
    if header.dst_addr.is_multicast() || header.dst_addr.is_broadcast() || header.dst_addr.octets()[3] == 255 {
        return None;
    }
    // The header and eight bytes (RFC 792), which hold both ports.
    let data = ip.payload().get(..8)?;
    let reply = Icmpv4Repr::DstUnreachable { reason: Icmpv4DstUnreachable::CommProhibited, header, data };
    Some(icmp(super::GATEWAY, header.src_addr, &reply))
}

fn icmp(from: Ipv4Addr, to: Ipv4Addr, message: &Icmpv4Repr<'_>) -> Vec<u8> {
    ipv4(from, to, IpProtocol::Icmp, message.buffer_len(), |bytes| {
        message.emit(&mut Icmpv4Packet::new_unchecked(bytes), &ChecksumCapabilities::default());
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 4000);
    const OTHER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 53);

    proptest! {
        #[test]
        fn a_datagram_comes_back_unless_a_bit_of_it_flips(payload in prop::collection::vec(any::<u8>(), 0..600), bit in any::<prop::sample::Index>()) {
            let mut packet = udp(CLIENT, OTHER, &payload, 1500).unwrap();
            prop_assert_eq!(udp_payload(&packet), Some(&payload[..]));
            let bit = bit.index(packet.len() * 8);
            packet[bit / 8] ^= 1 << (bit % 8);
            // IPv4's own header is checked by whoever sorts the packets. Here: addresses, ports, length, data. A UDP checksum
            // that becomes 0 means that there is none.
            if bit / 8 >= 12 && packet[26..28] != [0, 0] {
                prop_assert_eq!(udp_payload(&packet), None);
            }
        }
    }

    #[test]
    fn a_datagram_larger_than_the_mtu_is_none() {
        assert!(udp(CLIENT, OTHER, &[0; 1472], 1500).is_some());
        assert!(udp(CLIENT, OTHER, &[0; 1473], 1500).is_none());
    }

    #[test]
    fn a_refusal_quotes_what_it_refuses_and_answers_nobody_who_is_many() {
        let packet = udp(CLIENT, OTHER, b"question", 1500).unwrap();
        let refusal = prohibited(&packet).unwrap();
        assert_eq!(refusal[20..22], [3, 13]);
        assert_eq!(refusal[28..56], packet[..28]);
        for many in [Ipv4Addr::BROADCAST, Ipv4Addr::new(239, 1, 2, 3), Ipv4Addr::new(10, 0, 2, 255)] {
            assert_eq!(prohibited(&udp(CLIENT, SocketAddrV4::new(many, 1), b"all of you", 1500).unwrap()), None);
        }
    }
}
