//! Real frames, as smoltcp writes them.

use std::net::{Ipv4Addr, Ipv6Addr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::*;

pub const ADA: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
pub const BOB: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
pub const ADA4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const BOB4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const ADA6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
pub const BOB6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

/// Checksums of every kind are made.
fn all_checksums() -> ChecksumCapabilities {
    ChecksumCapabilities::default()
}

pub fn ethernet(ethertype: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = EthernetRepr { src_addr: ADA, dst_addr: BOB, ethertype };
    let mut frame = vec![0; repr.buffer_len() + payload.len()];
    repr.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    frame[14..].copy_from_slice(payload);
    frame
}

pub fn arp(operation: ArpOperation, source: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: ADA,
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&mut ArpPacket::new_unchecked(&mut packet));
    ethernet(EthernetProtocol::Arp, &packet)
}

fn ipv4_repr(next_header: IpProtocol, payload_len: usize) -> Ipv4Repr {
    Ipv4Repr { src_addr: ADA4, dst_addr: BOB4, next_header, payload_len, hop_limit: 64 }
}

fn ipv6_repr(next_header: IpProtocol, payload_len: usize) -> Ipv6Repr {
    Ipv6Repr { src_addr: ADA6, dst_addr: BOB6, next_header, payload_len, hop_limit: 255 }
}

pub fn ipv4(protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = ipv4_repr(protocol, payload.len());
    let mut packet = vec![0; repr.buffer_len() + payload.len()];
    repr.emit(&mut Ipv4Packet::new_unchecked(&mut packet), &all_checksums());
    packet[repr.buffer_len()..].copy_from_slice(payload);
    ethernet(EthernetProtocol::Ipv4, &packet)
}

pub fn ipv6(protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = ipv6_repr(protocol, payload.len());
    let mut packet = vec![0; repr.buffer_len() + payload.len()];
    repr.emit(&mut Ipv6Packet::new_unchecked(&mut packet));
    packet[repr.buffer_len()..].copy_from_slice(payload);
    ethernet(EthernetProtocol::Ipv6, &packet)
}

pub fn syn() -> TcpRepr<'static> {
    TcpRepr {
        src_port: 49_152,
        dst_port: 80,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(1_000),
        ack_number: None,
        window_len: 65_535,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    }
}

pub fn tcp(repr: &TcpRepr<'_>) -> Vec<u8> {
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&mut TcpPacket::new_unchecked(&mut packet), &ADA4.into(), &BOB4.into(), &all_checksums());
    ipv4(IpProtocol::Tcp, &packet)
}

pub fn tcp_over_ipv6(repr: &TcpRepr<'_>) -> Vec<u8> {
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&mut TcpPacket::new_unchecked(&mut packet), &ADA6.into(), &BOB6.into(), &all_checksums());
    ipv6(IpProtocol::Tcp, &packet)
}

pub fn udp(src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let repr = UdpRepr { src_port, dst_port };
    let mut packet = vec![0; repr.header_len() + payload.len()];
    let fill = |buffer: &mut [u8]| buffer.copy_from_slice(payload);
    let (from, to) = (ADA4.into(), BOB4.into());
    repr.emit(&mut UdpPacket::new_unchecked(&mut packet), &from, &to, payload.len(), fill, &all_checksums());
    ipv4(IpProtocol::Udp, &packet)
}

pub fn icmp(repr: &Icmpv4Repr<'_>) -> Vec<u8> {
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&mut Icmpv4Packet::new_unchecked(&mut packet), &all_checksums());
    ipv4(IpProtocol::Icmp, &packet)
}

pub fn ping(ident: u16, seq_no: u16, data: &[u8]) -> Vec<u8> {
    icmp(&Icmpv4Repr::EchoRequest { ident, seq_no, data })
}

pub fn port_unreachable() -> Vec<u8> {
    let quoted = [0x30, 0x39, 0, 9, 0, 9, 0, 0];
    let header = ipv4_repr(IpProtocol::Udp, quoted.len() + 1);
    icmp(&Icmpv4Repr::DstUnreachable { reason: Icmpv4DstUnreachable::PortUnreachable, header, data: &quoted })
}

pub fn icmpv6(repr: &Icmpv6Repr<'_>) -> Vec<u8> {
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&ADA6, &BOB6, &mut Icmpv6Packet::new_unchecked(&mut packet), &all_checksums());
    ipv6(IpProtocol::Icmpv6, &packet)
}

pub fn neighbour_solicitation() -> Vec<u8> {
    icmpv6(&Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr: BOB6, lladdr: Some(ADA.into()) }))
}

pub fn neighbour_advertisement() -> Vec<u8> {
    let flags = NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE;
    icmpv6(&Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr: ADA6, lladdr: Some(ADA.into()) }))
}

pub fn router_advertisement() -> Vec<u8> {
    let seconds = smoltcp::time::Duration::from_secs;
    icmpv6(&Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: seconds(1_800),
        reachable_time: seconds(0),
        retrans_time: seconds(0),
        lladdr: Some(ADA.into()),
        mtu: Some(1_500),
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len: 64,
            flags: NdiscPrefixInfoFlags::ON_LINK,
            valid_lifetime: seconds(86_400),
            preferred_lifetime: seconds(14_400),
            prefix: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        }),
    }))
}

pub fn dhcp(message_type: DhcpMessageType, your_ip: Ipv4Addr, requested_ip: Option<Ipv4Addr>) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let repr = DhcpRepr {
        message_type,
        transaction_id: 0x1234_5678,
        secs: 0,
        client_hardware_address: ADA,
        client_ip: none,
        your_ip,
        server_ip: none,
        router: Some(BOB4),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        relay_agent_ip: none,
        broadcast: false,
        requested_ip,
        client_identifier: Some(ADA),
        server_identifier: None,
        parameter_request_list: Some(&[1, 3, 6]),
        dns_servers: None,
        max_size: Some(1_500),
        lease_duration: Some(3_600),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[DhcpOption { kind: 12, data: b"ada" }],
    };
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&mut DhcpPacket::new_unchecked(&mut packet)).unwrap();
    udp(68, 67, &packet)
}

/// example.org, as DNS writes it.
const EXAMPLE: &[u8] = b"\x07example\x03org\0";

pub fn dns_query() -> Vec<u8> {
    let repr = DnsRepr {
        transaction_id: 0x2a2a,
        opcode: DnsOpcode::Query,
        flags: DnsFlags::RECURSION_DESIRED,
        question: DnsQuestion { name: EXAMPLE, type_: DnsQueryType::A },
    };
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&mut DnsPacket::new_unchecked(&mut packet));
    udp(5_000, 53, &packet)
}

/// With an alias, an address, and names that point to earlier ones. smoltcp writes no answers.
pub fn dns_response() -> Vec<u8> {
    let mut message = vec![0x2a, 0x2a, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
    message.extend_from_slice(EXAMPLE);
    message.extend_from_slice(&[0, 1, 0, 1]);
    // example.org is an alias of www.example.org, and that is 93.184.216.34.
    message.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03www\xc0\x0c");
    message.extend_from_slice(b"\xc0\x29\0\x01\0\x01\0\0\0\x3c\0\x04\x5d\xb8\xd8\x22");
    udp(53, 5_000, &message)
}

pub fn dns_no_such_name() -> Vec<u8> {
    let mut message = vec![0x2a, 0x2a, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(EXAMPLE);
    message.extend_from_slice(&[0, 1, 0, 1]);
    udp(53, 5_000, &message)
}

/// A frame in VLAN 5.
pub fn tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat()
}

/// A frame of the shortest length that a wire has.
pub fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(60), 0);
    frame
}

/// Frames of every kind, and what their line is.
pub fn all() -> Vec<(Vec<u8>, &'static str)> {
    let established = TcpRepr {
        control: TcpControl::Psh,
        ack_number: Some(TcpSeqNumber(2_000)),
        seq_number: TcpSeqNumber(1_001),
        window_len: 512,
        payload: b"GET / HTTP/1.1\r\n\r\n",
        ..syn()
    };
    let opening = TcpRepr { max_seg_size: Some(1_460), window_scale: Some(7), sack_permitted: true, ..syn() };
    let missing = TcpRepr {
        control: TcpControl::None,
        ack_number: Some(TcpSeqNumber(2_000)),
        sack_ranges: [Some((3_000, 4_000)), None, None],
        ..syn()
    };
    vec![
        (padded(arp(ArpOperation::Request, ADA4, BOB4)), "ARP who-has 10.0.0.2 tell 10.0.0.1"),
        (arp(ArpOperation::Reply, ADA4, BOB4), "ARP reply 10.0.0.1 is-at 02:00:00:00:00:01"),
        (arp(ArpOperation::Request, ADA4, ADA4), "ARP announce 10.0.0.1 is-at 02:00:00:00:00:01"),
        (arp(ArpOperation::Request, Ipv4Addr::UNSPECIFIED, ADA4), "ARP probe 10.0.0.1 from 02:00:00:00:00:01"),
        (ping(7, 1, b"abcdefgh"), "10.0.0.1 > 10.0.0.2 ICMP echo request id 7 seq 1 len 8"),
        (port_unreachable(), "10.0.0.1 > 10.0.0.2 ICMP port unreachable 10.0.0.1 > 10.0.0.2 UDP 12345 > 9 len 1"),
        (tcp(&syn()), "10.0.0.1 > 10.0.0.2 TCP 49152 > 80 [SYN] seq 1000 ack 0 win 65535 len 0"),
        (tcp(&opening), "10.0.0.1 > 10.0.0.2 TCP 49152 > 80 [SYN] seq 1000 ack 0 win 65535 mss 1460 scale 7 len 0"),
        (tcp(&established), "10.0.0.1 > 10.0.0.2 TCP 49152 > 80 [PSH ACK] seq 1001 ack 2000 win 512 len 18"),
        (tcp(&missing), "10.0.0.1 > 10.0.0.2 TCP 49152 > 80 [ACK] seq 1000 ack 2000 win 65535 sack 3000-4000 len 0"),
        (tagged(&tcp(&syn())), "VLAN 5 10.0.0.1 > 10.0.0.2 TCP 49152 > 80 [SYN] seq 1000 ack 0 win 65535 len 0"),
        (tcp_over_ipv6(&syn()), "fe80::1 > fe80::2 TCP 49152 > 80 [SYN] seq 1000 ack 0 win 65535 len 0"),
        (udp(1_000, 2_000, b"hello"), "10.0.0.1 > 10.0.0.2 UDP 1000 > 2000 len 5"),
        (
            icmpv6(&Icmpv6Repr::EchoReply { ident: 7, seq_no: 2, data: b"abc" }),
            "fe80::1 > fe80::2 ICMPv6 echo reply id 7 seq 2 len 3",
        ),
        (neighbour_solicitation(), "fe80::1 > fe80::2 NDISC who-has fe80::2 from 02:00:00:00:00:01"),
        (neighbour_advertisement(), "fe80::1 > fe80::2 NDISC reply fe80::1 is-at 02:00:00:00:00:01"),
        (
            router_advertisement(),
            "fe80::1 > fe80::2 NDISC router advertisement lifetime 1800 hops 64 from 02:00:00:00:00:01 2001:db8::/64",
        ),
        (
            dhcp(DhcpMessageType::Discover, Ipv4Addr::UNSPECIFIED, None),
            "10.0.0.1 > 10.0.0.2 UDP 68 > 67 len 285 DHCP discover xid 0x12345678",
        ),
        (
            dhcp(DhcpMessageType::Offer, ADA4, None),
            "10.0.0.1 > 10.0.0.2 UDP 68 > 67 len 285 DHCP offer xid 0x12345678 for 10.0.0.1",
        ),
        (
            dhcp(DhcpMessageType::Request, Ipv4Addr::UNSPECIFIED, Some(ADA4)),
            "10.0.0.1 > 10.0.0.2 UDP 68 > 67 len 291 DHCP request xid 0x12345678 for 10.0.0.1",
        ),
        (dns_query(), "10.0.0.1 > 10.0.0.2 UDP 5000 > 53 len 29 DNS query 0x2a2a A example.org"),
        (
            dns_response(),
            "10.0.0.1 > 10.0.0.2 UDP 53 > 5000 len 63 DNS response 0x2a2a A example.org = www.example.org = 93.184.216.34",
        ),
        (
            dns_no_such_name(),
            "10.0.0.1 > 10.0.0.2 UDP 53 > 5000 len 29 DNS response 0x2a2a 3 (no such name) A example.org",
        ),
        (ipv4(IpProtocol::Igmp, &[0x16, 0, 0x09, 0xfa, 224, 0, 0, 5]), "10.0.0.1 > 10.0.0.2 protocol 2 len 8"),
        (
            ethernet(EthernetProtocol::Unknown(0x88b5), b"test"),
            "02:00:00:00:00:01 > 02:00:00:00:00:02 type 0x88b5 len 4",
        ),
    ]
}
