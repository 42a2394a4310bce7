//! Frames and packets as they arrive: taken apart with every length checked, and nothing copied.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mirage_sig::Mac;
use smoltcp::wire::{IpAddress, IpProtocol, checksum};

/// An Ethernet header: two addresses and a type.
pub(crate) const ETHERNET: usize = 14;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86dd;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ICMP: u8 = 1;
pub(crate) const IGMP: u8 = 2;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
pub(crate) const ICMPV6: u8 = 58;
const DESTINATION: u8 = 60;

/// IPv6 extension headers that are skipped in one packet, at most. Nobody sends more than two.
const EXTENSIONS_MAX: usize = 4;

/// Why something that arrived was thrown away. [`Stats::drops`](crate::Stats::drops) counts each kind, and the first of a
/// kind is told on the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Dropped {
    /// Lengths or fields that contradict one another.
    Malformed,
    /// The checksum is wrong.
    Checksum,
    /// Our own Ethernet or IP address as the sender: a loop in the network, or a second station with our address.
    Looped,
    /// A sender that nobody can be: a group, broadcast, loopback, or none.
    Spoofed,
    /// A fragment of a packet. Fragments are not put together.
    Fragment,
    /// Neither to us nor to a group that we are in.
    Elsewhere,
    /// A protocol that we do not speak.
    Protocol,
    /// An answer that nobody asked for: ARP, neighbour discovery, DHCP, DNS, ping.
    Unasked,
    /// No room: a queue was full.
    Full,
}

impl Dropped {
    /// All kinds, in the order of [`Stats::drops`](crate::Stats::drops).
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Checksum,
        Self::Looped,
        Self::Spoofed,
        Self::Fragment,
        Self::Elsewhere,
        Self::Protocol,
        Self::Unasked,
        Self::Full,
    ];

    /// In a few words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Checksum => "a wrong checksum",
            Self::Looped => "our own address as its sender: the network has a loop, or a second station our address",
            Self::Spoofed => "a sender that nobody can be",
            Self::Fragment => "a fragment: fragments are not put together",
            Self::Elsewhere => "not meant for us",
            Self::Protocol => "a protocol that we do not speak",
            Self::Unasked => "an answer that nobody asked for",
            Self::Full => "no room for it",
        }
    }
}

/// An Ethernet frame.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub target: Mac,
    pub source: Mac,
    pub kind: u16,
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (target, rest) = bytes.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (kind, payload) = rest.split_first_chunk()?;
        Some(Self { target: Mac(*target), source: Mac(*source), kind: u16::from_be_bytes(*kind), payload })
    }
}

/// Writes an Ethernet header.
pub(crate) fn ethernet(header: &mut [u8], target: Mac, source: Mac, kind: u16) {
    if let Some(header) = header.first_chunk_mut::<ETHERNET>() {
        header[..6].copy_from_slice(&target.0);
        header[6..12].copy_from_slice(&source.0);
        header[12..].copy_from_slice(&kind.to_be_bytes());
    }
}

/// An IP packet, whole.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub source: IpAddr,
    pub target: IpAddr,
    pub protocol: u8,
    pub hop_limit: u8,
    /// Whether the payload comes right after the header that smoltcp knows.
    pub plain: bool,
    /// From the IP header to the end of the payload; what Ethernet was padded with is cut off.
    pub bytes: &'a [u8],
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    pub fn parse_v4(bytes: &'a [u8], verify: bool) -> Result<Self, Dropped> {
        let header = bytes.first_chunk::<20>().ok_or(Dropped::Malformed)?;
        let header_length = usize::from(header[0] & 0xf) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let bytes = bytes.get(..total).ok_or(Dropped::Malformed)?;
        if header[0] >> 4 != 4 || header_length < 20 {
            return Err(Dropped::Malformed);
        }
        let (options, payload) = bytes.split_at_checked(header_length).ok_or(Dropped::Malformed)?;
        if verify && checksum::data(options) != !0 {
            return Err(Dropped::Checksum);
        }
        // More fragments, or not the first one.
        if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
            return Err(Dropped::Fragment);
        }
        let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
        Ok(Self {
            source: address(12).into(),
            target: address(16).into(),
            protocol: header[9],
            hop_limit: header[8],
            plain: true,
            bytes,
            payload,
        })
    }

    pub fn parse_v6(bytes: &'a [u8]) -> Result<Self, Dropped> {
        let header = bytes.first_chunk::<40>().ok_or(Dropped::Malformed)?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let bytes = bytes.get(..40 + length).ok_or(Dropped::Malformed)?;
        if header[0] >> 4 != 6 {
            return Err(Dropped::Malformed);
        }
        let address = |at: usize| Ipv6Addr::from(*bytes[at..].first_chunk::<16>().unwrap_or(&[0; 16]));
        let (mut protocol, mut payload, mut plain) = (header[6], &bytes[40..], true);
        for _ in 0..EXTENSIONS_MAX {
            match protocol {
                HOP_BY_HOP | ROUTING | DESTINATION => {
                    let [next, length, ..] = *payload else { return Err(Dropped::Malformed) };
                    // A route that is not at its end would have us forward.
                    if protocol == ROUTING && payload.get(3) != Some(&0) {
                        return Err(Dropped::Elsewhere);
                    }
                    payload = payload.get(usize::from(length) * 8 + 8..).ok_or(Dropped::Malformed)?;
                    (protocol, plain) = (next, false);
                }
                FRAGMENT => return Err(Dropped::Fragment),
                _ => break,
            }
        }
        Ok(Self {
            source: address(8).into(),
            target: address(24).into(),
            protocol,
            hop_limit: header[7],
            plain,
            bytes,
            payload,
        })
    }

    /// Whether the checksum of TCP, UDP or ICMPv6, which covers the addresses, is right.
    pub fn checksum_holds(&self) -> bool {
        let (source, target) = (IpAddress::from(self.source), IpAddress::from(self.target));
        let protocol = IpProtocol::from(self.protocol);
        let pseudo = checksum::pseudo_header(&source, &target, protocol, self.payload.len() as u32);
        checksum::combine(&[pseudo, checksum::data(self.payload)]) == !0
    }
}

/// A field of 16 bits, most significant byte first; 0 where there is none.
pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |field| u16::from_be_bytes([field[0], field[1]]))
}

/// A field of 32 bits, most significant byte first; 0 where there is none.
pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from(be16(bytes, at)) << 16 | u32::from(be16(bytes, at + 2))
}

/// Whether one station can have that address.
pub(crate) fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_multicast() || address.is_broadcast() || address.is_unspecified() || address.is_loopback())
                && address.octets()[0] != 0
        }
        IpAddr::V6(address) => !(address.is_multicast() || address.is_unspecified() || address.is_loopback()),
    }
}

/// The Ethernet address of a multicast group (RFC 1112 6.4, RFC 2464 7).
pub(crate) fn group_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, a, b, c] = group.octets();
            Mac([0x01, 0x00, 0x5e, a & 0x7f, b, c])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            Mac([0x33, 0x33, a, b, c, d])
        }
    }
}

/// The type of the Ethernet frames that carry packets to such an address.
pub(crate) const fn kind_of(address: IpAddr) -> u16 {
    if address.is_ipv4() { IPV4 } else { IPV6 }
}
