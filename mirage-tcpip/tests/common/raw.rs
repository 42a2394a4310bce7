//! Frames made by hand, for stations that are not stacks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [&to[..], &from, &kind.to_be_bytes()].concat();
    frame.extend_from_slice(payload);
    frame
}

pub fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
    header.extend(from.octets());
    header.extend(to.octets());
    let length = (20 + payload.len()) as u16;
    header[2..4].copy_from_slice(&length.to_be_bytes());
    let check = fold(sum(&header));
    header[10..12].copy_from_slice(&check.to_be_bytes());
    header.extend_from_slice(payload);
    header
}

pub fn ipv6(from: Ipv6Addr, to: Ipv6Addr, protocol: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, protocol, hops];
    packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend_from_slice(payload);
    packet
}

fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> u32 {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    sum(&octets(from)) + sum(&octets(to)) + u32::from(protocol) + length as u32
}

/// Fills in the checksum of a message at `at`.
pub fn checksum(from: IpAddr, to: IpAddr, protocol: u8, message: &mut [u8], at: usize) {
    message[at..at + 2].fill(0);
    let check = fold(pseudo(from, to, protocol, message.len()) + sum(message));
    message[at..at + 2].copy_from_slice(&check.to_be_bytes());
}

pub fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), data: &[u8]) -> Vec<u8> {
    let mut message = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    message.extend(((8 + data.len()) as u16).to_be_bytes());
    message.extend([0, 0]);
    message.extend_from_slice(data);
    checksum(from.0.into(), to.0.into(), 17, &mut message, 6);
    ipv4(from.0, to.0, 17, &message)
}

pub struct Segment {
    pub from: (Ipv4Addr, u16),
    pub to: (Ipv4Addr, u16),
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
}

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

impl Segment {
    pub fn packet(&self, data: &[u8]) -> Vec<u8> {
        let mut message = [self.from.1.to_be_bytes(), self.to.1.to_be_bytes()].concat();
        message.extend(self.seq.to_be_bytes());
        message.extend(self.ack.to_be_bytes());
        message.extend([0x50, self.flags]);
        message.extend(self.window.to_be_bytes());
        message.extend([0, 0, 0, 0]);
        message.extend_from_slice(data);
        checksum(self.from.0.into(), self.to.0.into(), 6, &mut message, 16);
        ipv4(self.from.0, self.to.0, 6, &message)
    }
}

/// The fields of a TCP segment in an IPv4 frame: source, ports, sequence, acknowledgement, flags.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub ports: (u16, u16),
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub data: usize,
}

pub fn seen(frame: &[u8]) -> Option<Seen> {
    if frame.len() < 54 || frame[12..14] != [8, 0] || frame[23] != 6 {
        return None;
    }
    let tcp = &frame[34..];
    let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().unwrap());
    let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    Some(Seen {
        ports: (u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]])),
        seq: word(4),
        ack: word(8),
        flags: tcp[13],
        data: total - 20 - usize::from(tcp[12] >> 4) * 4,
    })
}

pub fn arp(operation: u8, mac: [u8; 6], sender: Ipv4Addr, target_mac: [u8; 6], target: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    packet.extend(mac);
    packet.extend(sender.octets());
    packet.extend(target_mac);
    packet.extend(target.octets());
    packet
}
