//! What should not arrive, and does.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{IpAddr, Ipv4Addr};

use common::fuzz::{OTHER_MAC, STACK_MAC, encode, fuzz_frame, seeds};
use common::raw::{self, Segment};
use common::{Hub, SECOND, address, introduce, pair, pattern, run, segment, stack, transfer};
use mirage_conformance::fakes::FakeRuntime;
use mirage_sig::{Listener, Sleep, Stack};
use mirage_tcpip::Dropped;
use proptest::prelude::*;

/// Changes to a frame of the seeds, which leave much of it as it should be.
fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let frame = (any::<prop::sample::Index>(), prop::collection::vec(change, 0..6), prop::option::of(0_usize..200));
    let frame = frame.prop_map(|(seed, changes, cut)| {
        let seeds = seeds();
        let mut frame = seeds[seed.index(seeds.len())].clone();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame.truncate(cut.unwrap_or(frame.len()));
        frame
    });
    prop::collection::vec(frame, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_frames_do_no_harm(frames in frames()) {
        fuzz_frame(&encode(&frames));
    }

    #[test]
    fn any_bytes_do_no_harm(data in prop::collection::vec(any::<u8>(), 0..2_000)) {
        fuzz_frame(&data);
    }

    /// A peer that keeps to the form of TCP and to nothing else.
    #[test]
    fn absurd_segments_do_no_harm(
        segments in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u8>(), any::<u16>(), 0_usize..1_400, any::<bool>()), 1..60),
    ) {
        let runtime = FakeRuntime::new();
        run(&runtime, async {
            let hub = Hub::new(&runtime);
            let server = stack(&runtime, &hub, 2);
            let mut listener = server.listen(80, 8).unwrap();
            let station = hub.station(1);
            introduce(&station, 1, 2);
            let (from, to) = ((address(1), 4_000), (address(2), 80));
            let send = |seq: u32, ack: u32, flags: u8, window: u16, data: &[u8]| {
                let segment = Segment { from, to, seq, ack, flags, window };
                station.send(&raw::ethernet(STACK_MAC, OTHER_MAC, 0x0800, &segment.packet(data)));
            };
            send(1_000, 0, raw::SYN, 500, &[]);
            let isn = segment(&station).await.seq;
            send(1_001, isn.wrapping_add(1), raw::ACK, 500, &[]);
            let mut flow = listener.accept().await.unwrap();
            let _ = mirage_sig::Runtime::timeout(&runtime, SECOND / 10, mirage_sig::Write::write_all(&mut flow, &pattern(5_000))).await;
            for (seq, ack, flags, window, length, near) in segments {
                // Half of them near to what is expected.
                let (seq, ack) = if near { (1_001 + seq % 3_000, isn.wrapping_add(ack % 6_000)) } else { (seq, ack) };
                send(seq, ack, flags, window, &pattern(length));
                runtime.sleep(SECOND / 50).await;
            }
            runtime.sleep(3 * SECOND).await;
            let mut buffer = [0; 100];
            let _ = mirage_sig::Runtime::timeout(&runtime, SECOND, mirage_sig::Read::read(&mut flow, &mut buffer)).await;
            drop(flow);
            runtime.sleep(600 * SECOND).await;
            assert!(server.stats().tcp.orphans == 0, "gone in the end");
        });
    }
}

#[test]
fn each_kind_is_counted() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let stack = stack(&runtime, &hub, 2);
        let station = hub.station(1);
        let (us, them) = (address(2), address(1));
        let ip = |from: Ipv4Addr, to: Ipv4Addr| raw::ipv4(from, to, 17, &[0; 20]);
        let send = |packet: &[u8]| station.send(&raw::ethernet(STACK_MAC, OTHER_MAC, 0x0800, packet));
        let expect = async |kind: Dropped, count: u64, what: &str| {
            runtime.sleep(SECOND / 100).await;
            assert_eq!(stack.stats().dropped(kind), count, "{what}: {:?}", stack.stats().drops);
        };

        // Lengths that contradict one another.
        station.send(&[1, 2, 3]);
        send(&[]);
        send(&ip(them, us)[..25]);
        let mut short = ip(them, us);
        short[0] = 0x44;
        send(&short);
        let mut long = ip(them, us);
        long[0] = 0x4f;
        send(&long);
        expect(Dropped::Malformed, 5, "malformed").await;

        let mut damaged = ip(them, us);
        damaged[10] ^= 1;
        send(&damaged);
        expect(Dropped::Checksum, 1, "damaged").await;

        // Our own addresses.
        send(&ip(us, us));
        station.send(&raw::ethernet([0xff; 6], STACK_MAC, 0x0800, &ip(them, us)));
        expect(Dropped::Looped, 2, "looped").await;

        for from in [[224, 0, 0, 1], [255; 4], [127, 0, 0, 1], [0; 4], [10, 0, 0, 255]] {
            send(&ip(Ipv4Addr::from(from), us));
        }
        station.send(&raw::ethernet(STACK_MAC, [3, 0, 0, 0, 0, 1], 0x0800, &ip(them, us)));
        expect(Dropped::Spoofed, 6, "spoofed").await;

        for bits in [0x2000_u16, 0x0001] {
            let mut fragment = ip(them, us);
            fragment[6..8].copy_from_slice(&bits.to_be_bytes());
            fragment[10..12].fill(0);
            let sum: u32 = fragment[..20].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
            let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
            fragment[10..12].copy_from_slice(&sum.to_be_bytes());
            send(&fragment);
        }
        expect(Dropped::Fragment, 2, "fragments").await;

        send(&ip(them, address(9)));
        station.send(&raw::ethernet([2; 6], OTHER_MAC, 0x0800, &ip(them, us)));
        expect(Dropped::Elsewhere, 2, "for others").await;

        send(&raw::ipv4(them, us, 99, &[0; 20]));
        station.send(&raw::ethernet(STACK_MAC, OTHER_MAC, 0x1234, &[0; 40]));
        expect(Dropped::Protocol, 2, "unknown").await;

        send(&raw::ipv4(them, us, 1, &[0, 0, 0xff, 0xff, 0, 0, 0, 0]));
        station.send(&raw::ethernet(STACK_MAC, OTHER_MAC, 0x0806, &raw::arp(2, OTHER_MAC, address(7), STACK_MAC, us)));
        expect(Dropped::Unasked, 2, "unasked").await;
        assert_eq!(stack.neighbours(), [], "an answer that nobody asked for is not believed");
    });
}

#[test]
fn options_are_skipped() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let stack = stack(&runtime, &hub, 2);
        let station = hub.station(1);
        // An echo request with a record-route option of eight bytes.
        let mut packet = vec![0x47, 0, 0, 38, 0, 0, 0, 0, 64, 1, 0, 0];
        packet.extend(address(1).octets());
        packet.extend(address(2).octets());
        packet.extend([7, 7, 4, 0, 0, 0, 0, 0]);
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend([8, 0, 0xf7, 0xff, 0, 0, 0, 0, 0, 0]);
        station.send(&raw::ethernet(STACK_MAC, OTHER_MAC, 0x0800, &packet));
        runtime.sleep(SECOND).await;
        assert_eq!(stack.stats().icmp.echoed, 1, "{:?}", stack.stats());
    });
}

#[test]
fn a_connection_survives_what_others_say_of_it() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let (left, right) = (stack(&runtime, &hub, 1), stack(&runtime, &hub, 2));
        let (mut ours, mut theirs) = pair(&left, &right, 2).await;
        let port = mirage_sig::Flow::local(&ours).port();
        let theirs_port = mirage_sig::Flow::local(&theirs).port();
        let station = hub.station(66);
        let from = (address(1), port);
        let to = (address(2), theirs_port);
        for number in 0..1_000_u32 {
            // Resets and requests with sequence numbers that are not in the window.
            let seq = number.wrapping_mul(2_654_435_761);
            for flags in [raw::RST, raw::SYN] {
                let segment = Segment { from, to, seq, ack: 0, flags, window: 0 };
                // A reset in the window does end it, as the window is 2^16 of 2^32: this one is not.
                station.send(&raw::ethernet(STACK_MAC, [2, 0, 0, 0, 0, 66], 0x0800, &segment.packet(&[])));
            }
            // That it cannot be reached.
            let mut message = vec![3, 1, 0, 0, 0, 0, 0, 0];
            message.extend(&raw::ipv4(address(1), address(2), 6, &[port.to_be_bytes(), to.1.to_be_bytes()].concat()));
            let sum: u32 = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
            let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            let packet = raw::ipv4(address(2), address(1), 1, &message);
            station.send(&raw::ethernet(OTHER_MAC, [2, 0, 0, 0, 0, 66], 0x0800, &packet));
            if number % 50 == 0 {
                runtime.sleep(SECOND / 10).await;
            }
        }
        runtime.sleep(SECOND).await;
        if right.stats().tcp.resets_received == 0 {
            transfer(&mut ours, &mut theirs, &pattern(10_000)).await;
        }
        assert_eq!(left.stats().icmp.unreachable, 1_000);
        let _: IpAddr = address(1).into();
    });
}
