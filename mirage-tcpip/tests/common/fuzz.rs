//! Any frames into a stack that has a listener, a UDP socket in a group, and an established connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mirage_conformance::fakes::FakeRuntime;
use mirage_sig::{Runtime, Sleep, Stack, UdpSocket as _};
use mirage_tcpip::{Config, Ipv6, Tcpip};

use super::raw::{self, Segment};
use super::{Hub, SECOND, address, pair, run};

pub const STACK_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub const OTHER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Frames in the form that [`fuzz_frame`] takes: each behind its length, of two bytes.
pub fn encode(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for frame in frames {
        data.extend((frame.len() as u16).to_le_bytes());
        data.extend_from_slice(frame);
    }
    data
}

/// Feeds the frames in `data` to a stack. It must not panic, keep what it holds within bounds, and still work afterwards.
pub fn fuzz_frame(data: &[u8]) {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let mut config = Config::fixed(address(2), 24);
        config.ipv6 = Ipv6::Slaac;
        (config.tcp.receive_buffer, config.tcp.send_buffer) = (4_096, 4_096);
        config.limits.neighbours = 16;
        config.limits.half_open = 4;
        config.limits.connections = 8;
        let stack = Tcpip::new(hub.station(2), &runtime, config).unwrap();
        let peer = super::stack(&runtime, &hub, 1);
        let _listener = stack.listen(80, 2).unwrap();
        let socket = stack.bind(7).unwrap();
        socket.join(Ipv4Addr::new(224, 0, 0, 9).into()).unwrap();
        let (_ours, _theirs) = pair(&peer, &stack, 2).await;
        let station = hub.station(1);
        let mut rest = data;
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes(*length)).min(after.len());
            let (frame, after) = after.split_at(length);
            station.send(frame);
            rest = after;
            if frame.first().is_some_and(|first| first & 8 != 0) {
                runtime.sleep(SECOND / 10).await;
            }
        }
        runtime.sleep(2 * SECOND).await;
        let stats = stack.stats();
        assert!(stack.neighbours().len() <= 16 && stats.tcp.half_open <= 4 && stats.tcp.established <= 8, "{stats:?}");
        assert!(stack.addresses().len() <= 8 && stack.sockets().len() < 100);
        // Another station, which the frames had nothing to do with, can still talk to it.
        let fresh = super::stack(&runtime, &hub, 200);
        let echo = runtime.timeout(20 * SECOND, fresh.ping(address(2).into(), 10)).await;
        assert!(echo.is_ok_and(|echo| echo.is_ok()), "does not answer any more");
    });
}

/// One frame of each kind, as they should be: what the fuzzers begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let to_us = |kind: u16, packet: &[u8]| raw::ethernet(STACK_MAC, OTHER_MAC, kind, packet);
    let segment = |flags: u8, seq: u32, data: &[u8]| {
        let segment = Segment { from: (address(1), 4_000), to: (address(2), 80), seq, ack: 77, flags, window: 1_000 };
        to_us(0x0800, &segment.packet(data))
    };
    let mut echo = vec![8, 0, 0, 0, 1, 2, 3, 4, 5, 6];
    echo[2..4].copy_from_slice(&[0xef, 0xf3]);
    let (v6, ours) = ("fe80::1".parse::<Ipv6Addr>().unwrap(), "fe80::ff:fe00:2".parse::<Ipv6Addr>().unwrap());
    let ndisc = |message: &[u8]| {
        let mut message = message.to_vec();
        raw::checksum(IpAddr::V6(v6), IpAddr::V6(ours), 58, &mut message, 2);
        to_us(0x86dd, &raw::ipv6(v6, ours, 58, 255, &message))
    };
    let solicit = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &ours.octets(), &[1, 1, 2, 0, 0, 0, 0, 1]].concat();
    let advert = [&[136, 0, 0, 0, 0x60, 0, 0, 0][..], &v6.octets(), &[2, 1, 2, 0, 0, 0, 0, 1]].concat();
    let mut router =
        vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 64, 0xc0, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 0, 0];
    router.extend("fd01::".parse::<Ipv6Addr>().unwrap().octets());
    vec![
        to_us(0x0806, &raw::arp(1, OTHER_MAC, address(1), [0; 6], address(2))),
        to_us(0x0806, &raw::arp(2, OTHER_MAC, address(1), STACK_MAC, address(2))),
        to_us(0x0800, &raw::ipv4(address(1), address(2), 1, &echo)),
        to_us(0x0800, &raw::udp((address(1), 9), (address(2), 7), b"hello")),
        to_us(0x0800, &raw::udp((address(1), 53), (address(2), 68), b"hello")),
        to_us(0x0800, &raw::ipv4(address(1), Ipv4Addr::new(224, 0, 0, 1), 2, &[0x11, 10, 0xee, 0xf5, 0, 0, 0, 0])),
        segment(raw::SYN, 1_000, &[]),
        segment(raw::ACK, 1_001, b"GET /"),
        segment(raw::FIN | raw::ACK, 1_006, &[]),
        segment(raw::RST, 1_007, &[]),
        ndisc(&solicit),
        ndisc(&advert),
        ndisc(&router),
        ndisc(&[128, 0, 0, 0, 1, 2, 3, 4, 5]),
        ndisc(&[1, 4, 0, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 20, 6, 64]),
    ]
}
