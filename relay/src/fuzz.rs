//! Entries for fuzzing: any bytes may come, nothing panics, and what must hold is asserted. Driven by a property test
//! (`tests/fuzz.rs`) and, for longer, by `examples/fuzz.rs`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Packet, IpAddress, IpProtocol, Ipv4Packet, TcpPacket, TcpSeqNumber,
    UdpPacket,
};

use crate::door::{Door, Knock, Origin, Token};
use crate::lan::LanName;
use crate::lan::switch::{ADDRESSES_PER_PORT_MAX, Forward, Switch};
use crate::nat::gateway::{Action, Gateway};
use crate::nat::packet::{self, Flow};
use crate::nat::tcp::{self, End};
use crate::nat::{self, Network, Reach};

const SECRET: &str = "0123456789abcdef";
const MTU: usize = 1500;

/// Bytes as what a request says of itself, line by line: path, query, origin. Then as options.
pub fn fuzz_door(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (path, query, origin) = (text(), text(), text());
    let tokens = || SECRET.parse::<Token>().map(|token| (LanName::default(), token));
    let exposed = Door::new(Origin::local(), tokens(), true);
    for from_loopback in [false, true] {
        let knock = Knock { path: &path, query: Some(&query), origin: Some(origin.as_bytes()), from_loopback };
        if let Ok(lan) = exposed.admit(&knock) {
            assert!(lan == LanName::default() && path_is_of_default(&path) && query.contains(SECRET));
            assert!(
                [
                    "http://localhost",
                    "https://localhost",
                    "http://127.0.0.1",
                    "https://127.0.0.1",
                    "http://[::1]",
                    "https://[::1]"
                ]
                .iter()
                .any(|local| origin.strip_prefix(local).is_some_and(|port| port.is_empty() || port.starts_with(':')))
            );
        }
    }
    if let Ok(rule) = origin.parse::<Origin>() {
        let open = Door::new(vec![rule], None, false);
        let _ = open.admit(&Knock { path: "/", query: None, origin: Some(path.as_bytes()), from_loopback: true });
    }
    let _ = (path.parse::<nat::Forward>(), path.parse::<Network>(), path.parse::<Token>());
}

fn path_is_of_default(path: &str) -> bool {
    path == "/" || path == "/lan/0"
}

/// Bytes as frames of three clients into a switch and a gateway: for each frame a byte of flags, its length in two, and itself.
pub fn fuzz_frame(mut data: &[u8]) {
    let mut now = Instant::now();
    let mut switch = Switch::default();
    let ports = [switch.plug(), switch.plug(), switch.plug()];
    let mut lan = Lan { gateway: Gateway::default(), neighbours: Default::default(), ends: HashMap::new() };
    while let [flags, high, low, rest @ ..] = data {
        let length = (usize::from(*high) << 8 | usize::from(*low)).min(rest.len()).min(MTU + 14);
        let mut frame = rest[..length].to_vec();
        data = &rest[length..];
        if flags & 0x80 != 0 {
            repair(&mut frame);
        }
        now += Duration::from_millis(u64::from(flags & 0x7c) * 50);
        let from = ports[usize::from(flags & 3) % 3];
        match switch.forward(from, &frame, now) {
            Forward::To(port) => assert_ne!(port, from, "a frame never goes back"),
            Forward::Flood => lan.receive(&frame, now),
            Forward::Home | Forward::Invalid | Forward::Reserved => {}
        }
        assert!(switch.addresses() <= 3 * ADDRESSES_PER_PORT_MAX);
    }
}

/// A gateway with everything but the host's sockets.
struct Lan {
    gateway: Gateway,
    neighbours: nat::Neighbours,
    /// Each with its first sequence number, once that is known.
    ends: HashMap<Flow, (End, i32)>,
}

impl Lan {
    fn receive(&mut self, frame: &[u8], now: Instant) {
        match self.gateway.receive(frame, &mut self.neighbours, now) {
            Action::None | Action::Malformed | Action::Fragment => {}
            Action::Frame(frame) | Action::Lease(frame) => sent(&frame),
            Action::Tcp { flow, packet, opens } => self.tcp(flow, packet, opens, now),
            Action::Udp { flow, packet } => {
                if let Some(payload) = packet::udp_payload(&packet) {
                    nat::fuzz_query(payload);
                    self.send(&packet::udp(flow.remote, flow.guest, payload, MTU).unwrap_or_default());
                }
                self.send(&packet::prohibited(&packet).unwrap_or_default());
                let _ = Reach::default().udp(flow.remote);
            }
            Action::Ping(echo) => self.send(&packet::echo_reply(&echo)),
        }
    }

    /// Every connection is accepted, and echoes. Acknowledgements count from the gateway's first number, which nobody guesses.
    fn tcp(&mut self, flow: Flow, mut packet: Vec<u8>, opens: bool, now: Instant) {
        if !self.ends.contains_key(&flow) {
            let end = if opens && self.ends.len() < 8 { End::listening(flow, MTU, now) } else { None };
            let Some(end) = end else {
                tcp::refuse(packet, flow).into_iter().for_each(|reset| self.send(&reset));
                return;
            };
            self.ends.insert(flow, (end, 0));
        }
        let mut out = Vec::new();
        if let Some((end, first)) = self.ends.get_mut(&flow) {
            with_tcp(&mut packet, |tcp, from, to| {
                tcp.set_ack_number(TcpSeqNumber(tcp.ack_number().0.wrapping_add(*first)));
                tcp.fill_checksum(from, to);
            });
            end.receive(packet);
            end.poll(now, |packet| out.push(packet));
            let done = end.client_is_done() && end.is_read();
            if let Some(socket) = end.socket() {
                let heard = socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap_or_default();
                let _ = socket.send_slice(&heard);
                if done {
                    socket.close();
                }
            }
            end.poll(now, |packet| out.push(packet));
            if let Some(deadline) = end.deadline(now) {
                end.poll(deadline, |packet| out.push(packet));
            }
            for packet in &mut out {
                with_tcp(packet, |tcp, _, _| {
                    if tcp.syn() {
                        *first = tcp.seq_number().0;
                    }
                });
            }
            if end.is_over() {
                self.ends.remove(&flow);
            }
        }
        out.iter().for_each(|packet| self.send(packet));
    }

    fn send(&mut self, packet: &[u8]) {
        if let Some(frame) = self.neighbours.address(packet) {
            sent(&frame);
        }
    }
}

/// What must hold for each frame of the gateway's.
fn sent(frame: &[u8]) {
    assert!((14..=MTU + 14).contains(&frame.len()) && frame[6..12] == nat::MAC);
}

/// Looks at the TCP segment in an IPv4 packet, if there is one.
fn with_tcp(packet: &mut [u8], look: impl FnOnce(&mut TcpPacket<&mut [u8]>, &IpAddress, &IpAddress)) {
    let Ok(mut ip) = Ipv4Packet::new_checked(packet) else { return };
    let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
    if let Ok(mut tcp) = TcpPacket::new_checked(ip.payload_mut()) {
        look(&mut tcp, &from, &to);
    }
}

/// Makes the checksums right, so that what is behind them is reached.
fn repair(frame: &mut [u8]) {
    let Ok(mut frame) = EthernetFrame::new_checked(frame) else { return };
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return;
    }
    let Ok(mut ip) = Ipv4Packet::new_checked(frame.payload_mut()) else { return };
    ip.fill_checksum();
    let (from, to, protocol) = (ip.src_addr().into(), ip.dst_addr().into(), ip.next_header());
    let payload = ip.payload_mut();
    match protocol {
        IpProtocol::Tcp => drop(TcpPacket::new_checked(payload).map(|mut tcp| tcp.fill_checksum(&from, &to))),
        IpProtocol::Udp => drop(UdpPacket::new_checked(payload).map(|mut udp| udp.fill_checksum(&from, &to))),
        IpProtocol::Icmp => drop(Icmpv4Packet::new_checked(payload).map(|mut icmp| icmp.fill_checksum())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::socket::tcp::State;

    use super::*;

    /// A segment of a client to 1.1.1.1, port 80, in its frame.
    fn segment(seq: u8, ack: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let head = [0x10, 0, 0, 80, 0, 0, 0, seq, 0, 0, 0, ack, 0x50, flags, 0x20, 0, 0, 0, 0, 0];
        let ip = [0x45, 0, 0, (40 + payload.len()) as u8, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 1, 1, 1, 1];
        let mut frame = [&nat::MAC[..], &[2, 0, 0, 0, 0, 1, 8, 0], &ip, &head, payload].concat();
        repair(&mut frame);
        frame
    }

    #[test]
    fn an_open_connection_is_reached() {
        let mut lan = Lan { gateway: Gateway::default(), neighbours: Default::default(), ends: HashMap::new() };
        let mut state = |frame: Vec<u8>| {
            lan.receive(&frame, Instant::now());
            lan.ends.values_mut().next().and_then(|(end, _)| end.socket()).map(|socket| socket.state())
        };
        assert_eq!(state(segment(1, 0, 2, b"")), Some(State::SynReceived));
        assert_eq!(state(segment(2, 1, 16, b"")), Some(State::Established));
        assert_eq!(state(segment(2, 1, 24, b"GET /")), Some(State::Established));
        // The echo is acknowledged together with the client's end; the gateway then closes as well.
        assert_eq!(state(segment(7, 6, 17, b"")), Some(State::LastAck));
        assert_eq!(state(segment(8, 7, 16, b"")), None);
    }
}
