//! What is a frame to the gateway? Answers ARP, DHCP and pings itself, and sorts the rest. Does no input or output.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpPacket, UdpPacket,
};

use super::arp::{Neighbours, is_client};
use super::dhcp::{self, Dhcp};
use super::packet::{self, Echo, Flow};
use super::{BROADCAST, DNS, GATEWAY, MAC};
use crate::lan::switch::Mac;

/// What is to be done with a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is not for the gateway.
    None,
    /// Nothing: it is damaged.
    Malformed,
    /// Nothing: it is a part of a packet, and the gateway puts none together.
    Fragment,
    /// This frame goes out.
    Frame(Vec<u8>),
    /// This answer of the DHCP server goes out.
    Lease(Vec<u8>),
    /// The IPv4 packet belongs to a TCP connection; `opens`: it would be its first.
    Tcp { flow: Flow, packet: Vec<u8>, opens: bool },
    /// The IPv4 packet holds a datagram.
    Udp { flow: Flow, packet: Vec<u8> },
    /// Somebody beyond the gateway is asked for an echo.
    Ping(Echo),
}

/// What the gateway remembers of its LAN, apart from flows.
#[derive(Default)]
pub struct Gateway {
    dhcp: Dhcp,
}

impl Gateway {
    /// Takes a frame that the switch brought.
    pub fn receive(&mut self, frame: &[u8], neighbours: &mut Neighbours, now: Instant) -> Action {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return Action::Malformed };
        let source = frame.src_addr().0;
        // What is for others comes here only by flooding.
        if frame.dst_addr().0 != MAC && !frame.dst_addr().is_broadcast() {
            return Action::None;
        }
        match frame.ethertype() {
            EthernetProtocol::Arp => arp(frame.payload(), source, neighbours),
            EthernetProtocol::Ipv4 => self.ipv4(frame.payload(), source, neighbours, now),
            // IPv6 is not routed.
            _ => Action::None,
        }
    }

    fn ipv4(&mut self, bytes: &[u8], source: Mac, neighbours: &mut Neighbours, now: Instant) -> Action {
        let Ok(ip) = Ipv4Packet::new_checked(bytes) else { return Action::Malformed };
        if ip.version() != 4 || !ip.verify_checksum() {
            return Action::Malformed;
        }
        if ip.more_frags() || ip.frag_offset() != 0 {
            return Action::Fragment;
        }
        let Ok(header) = Ipv4Repr::parse(&ip, &ChecksumCapabilities::ignored()) else { return Action::Malformed };
        // Without the padding of short frames.
        let Some(packet) = bytes.get(..usize::from(ip.total_len())) else { return Action::Malformed };
        if header.next_header == IpProtocol::Udp
            && let Ok(udp) = UdpPacket::new_checked(ip.payload())
            && udp.dst_port() == dhcp::SERVER_PORT
            && (header.dst_addr.is_broadcast() || header.dst_addr == GATEWAY)
        {
            return self.dhcp(packet, source, now).map_or(Action::None, Action::Lease);
        }
        // Beyond DHCP, only who has an address of this network is served; answers would not find anybody else.
        if !is_client(header.src_addr) || !is_one(header.dst_addr) {
            return Action::None;
        }
        neighbours.hear(header.src_addr, source);
        match header.next_header {
            IpProtocol::Tcp => tcp(packet, ip.payload(), &header),
            IpProtocol::Udp => match UdpPacket::new_checked(ip.payload()) {
                Ok(udp) => Action::Udp { flow: flow(&header, udp.src_port(), udp.dst_port()), packet: packet.to_vec() },
                Err(_) => Action::Malformed,
            },
            IpProtocol::Icmp => icmp(ip.payload(), &header, source),
            _ => Action::None,
        }
    }

    fn dhcp(&mut self, packet: &[u8], source: Mac, now: Instant) -> Option<Vec<u8>> {
        let message = DhcpPacket::new_checked(packet::udp_payload(packet)?).ok()?;
        let request = DhcpRepr::parse(&message).ok()?;
        // Who asks for others takes their addresses away, and there are no relay agents on one LAN.
        if request.client_hardware_address.0 != source || !request.relay_agent_ip.is_unspecified() {
            return None;
        }
        let answer = self.dhcp.answer(&request, now)?;
        let mut payload = vec![0; answer.buffer_len()];
        answer.emit(&mut DhcpPacket::new_unchecked(&mut payload)).ok()?;
        let (to, address) = dhcp::deliver(&request, &answer);
        let from = SocketAddrV4::new(GATEWAY, dhcp::SERVER_PORT);
        // An answer is shorter than the least MTU.
        let packet = packet::udp(from, SocketAddrV4::new(address, dhcp::CLIENT_PORT), &payload, usize::MAX)?;
        Some(packet::frame(to, EthernetProtocol::Ipv4, &packet))
    }
}

fn arp(bytes: &[u8], source: Mac, neighbours: &mut Neighbours) -> Action {
    let Ok(ArpRepr::EthernetIpv4 {
        operation, source_hardware_addr, source_protocol_addr, target_protocol_addr, ..
    }) = ArpPacket::new_checked(bytes).and_then(|packet| ArpRepr::parse(&packet))
    else {
        return Action::Malformed;
    };
    if source_hardware_addr.0 != source {
        return Action::None;
    }
    if let Some(waiting) = neighbours.learn(source_protocol_addr, source) {
        return Action::Frame(waiting);
    }
    if operation != ArpOperation::Request || ![GATEWAY, DNS].contains(&target_protocol_addr) {
        return Action::None;
    }
    Action::Frame(packet::arp(
        source,
        ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: EthernetAddress(MAC),
            source_protocol_addr: target_protocol_addr,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        },
    ))
}

fn tcp(packet: &[u8], payload: &[u8], header: &Ipv4Repr) -> Action {
    let Ok(tcp) = TcpPacket::new_checked(payload) else { return Action::Malformed };
    if !tcp.verify_checksum(&header.src_addr.into(), &header.dst_addr.into())
        || tcp.src_port() == 0
        || tcp.dst_port() == 0
    {
        return Action::Malformed;
    }
    let opens = tcp.syn() && !tcp.ack() && !tcp.rst() && !tcp.fin();
    Action::Tcp { flow: flow(header, tcp.src_port(), tcp.dst_port()), packet: packet.to_vec(), opens }
}

fn icmp(payload: &[u8], header: &Ipv4Repr, source: Mac) -> Action {
    let checksums = ChecksumCapabilities::default();
    let Ok(message) = Icmpv4Packet::new_checked(payload) else { return Action::Malformed };
    let Ok(Icmpv4Repr::EchoRequest { ident, seq_no, data }) = Icmpv4Repr::parse(&message, &checksums) else {
        return Action::None;
    };
    let (from, to): (Ipv4Addr, Ipv4Addr) = (header.src_addr, header.dst_addr);
    let echo = Echo { from, to, ident, sequence: seq_no, data: data.to_vec() };
    if to == GATEWAY || to == DNS {
        return Action::Frame(packet::frame(source, EthernetProtocol::Ipv4, &packet::echo_reply(&echo)));
    }
    Action::Ping(echo)
}

/// Whether the address is one station's, and not that of many or of none: flows have two ends.
fn is_one(address: Ipv4Addr) -> bool {
    !(address.is_multicast() || address.is_broadcast() || address.is_unspecified() || address == BROADCAST)
}

fn flow(header: &Ipv4Repr, from: u16, to: u16) -> Flow {
    Flow { guest: SocketAddrV4::new(header.src_addr, from), remote: SocketAddrV4::new(header.dst_addr, to) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
    const CLIENT_MAC: Mac = [2, 0, 0, 0, 0, 1];

    /// A frame from the client to the gateway.
    fn from_client(protocol: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
        let mut frame = packet::frame(MAC, protocol, payload);
        frame[6..12].copy_from_slice(&CLIENT_MAC);
        frame
    }

    fn receive(frame: &[u8]) -> Action {
        Gateway::default().receive(frame, &mut Neighbours::default(), Instant::now())
    }

    fn datagram(to: Ipv4Addr) -> Vec<u8> {
        packet::udp(SocketAddrV4::new(CLIENT, 1000), SocketAddrV4::new(to, 2000), b"hello", 1500).unwrap()
    }

    fn question(sender: Mac, target: Ipv4Addr) -> Vec<u8> {
        let arp = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: EthernetAddress(sender),
            source_protocol_addr: CLIENT,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: target,
        };
        let mut frame = packet::arp([0xff; 6], arp);
        frame[6..12].copy_from_slice(&CLIENT_MAC);
        frame
    }

    #[test]
    fn it_says_where_its_two_addresses_are_and_no_others() {
        for address in [GATEWAY, DNS] {
            let Action::Frame(answer) = receive(&question(CLIENT_MAC, address)) else { panic!("{address}: no answer") };
            assert_eq!(
                (&answer[..6], &answer[20..22], &answer[28..32]),
                (&CLIENT_MAC[..], &[0, 2][..], &address.octets()[..])
            );
        }
        assert_eq!(receive(&question(CLIENT_MAC, CLIENT)), Action::None);
        assert_eq!(receive(&question([2; 6], GATEWAY)), Action::None, "the sender is another than the frame's");
    }

    #[test]
    fn it_answers_pings_to_itself_and_passes_others_on() {
        let echo = |to| Echo { from: CLIENT, to, ident: 3, sequence: 4, data: b"data".to_vec() };
        let ping = |to| {
            // An answer in the other direction, made a question.
            let mut packet = packet::echo_reply(&Echo { from: to, to: CLIENT, ..echo(to) });
            packet[20] = 8;
            Icmpv4Packet::new_unchecked(&mut packet[20..]).fill_checksum();
            receive(&from_client(EthernetProtocol::Ipv4, &packet))
        };
        let Action::Frame(answer) = ping(GATEWAY) else { panic!("no answer") };
        assert_eq!(answer[14..], packet::echo_reply(&echo(GATEWAY)));
        let far = Ipv4Addr::new(1, 1, 1, 1);
        assert_eq!(ping(far), Action::Ping(echo(far)));
    }

    #[test]
    fn padding_is_left_away_and_damage_is_seen() {
        let to = Ipv4Addr::new(1, 1, 1, 1);
        let flow = Flow { guest: SocketAddrV4::new(CLIENT, 1000), remote: SocketAddrV4::new(to, 2000) };
        let mut frame = from_client(EthernetProtocol::Ipv4, &datagram(to));
        frame.resize(60, 0);
        assert_eq!(receive(&frame), Action::Udp { flow, packet: datagram(to) });
        frame[14 + 12] ^= 1;
        assert_eq!(receive(&frame), Action::Malformed);
        for length in 14..47 {
            assert_eq!(
                receive(&from_client(EthernetProtocol::Ipv4, &datagram(to))[..length]),
                Action::Malformed,
                "{length}"
            );
        }
    }

    #[test]
    fn what_is_not_for_it_is_left_alone() {
        let mut other = from_client(EthernetProtocol::Ipv4, &datagram(GATEWAY));
        other[0] = 2;
        assert_eq!(receive(&other), Action::None, "another's frame");
        for to in [BROADCAST, Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(227, 42, 1, 1)] {
            assert_eq!(receive(&from_client(EthernetProtocol::Ipv4, &datagram(to))), Action::None, "{to}");
        }
        let stranger =
            packet::udp(SocketAddrV4::new(GATEWAY, 1), SocketAddrV4::new(Ipv4Addr::new(1, 1, 1, 1), 2), b"", 1500)
                .unwrap();
        assert_eq!(receive(&from_client(EthernetProtocol::Ipv4, &stranger)), Action::None, "as if from the gateway");
        let mut part = datagram(GATEWAY);
        part[6] = 0x20;
        Ipv4Packet::new_unchecked(&mut part).fill_checksum();
        assert_eq!(receive(&from_client(EthernetProtocol::Ipv4, &part)), Action::Fragment);
        assert_eq!(receive(&from_client(EthernetProtocol::Ipv6, &[0x60; 40])), Action::None);
    }
}
