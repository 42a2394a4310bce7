//! Requests from senders that do not exist, and listeners that nobody accepts from.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::raw::{self, Segment};
use common::{Hub, SECOND, address, at, pair, pattern, run, segment, stack, stack_with, transfer, within};
use mirage_conformance::fakes::FakeRuntime;
use mirage_conformance::poll::join;
use mirage_sig::{Listener, MonotonicClock, NetError, NetErrorKind, Read, Runtime, Sleep, Spawn, Stack, Write};
use mirage_tcpip::Dropped;

/// 10,000 requests a second, each from another station that is not there.
async fn flood(runtime: FakeRuntime, hub: Hub, seconds: u64) {
    let attacker = hub.station(66);
    let end = runtime.now() + SECOND * seconds as u32;
    let mut number = 0_u32;
    while runtime.now() < end {
        for _ in 0..50 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [_, _, a, b] = number.to_be_bytes();
            let segment = Segment {
                from: (Ipv4Addr::new(10, 0, 0, 100 + a % 100), u16::from_be_bytes([b, a]) | 1_024),
                to: (address(2), 80),
                seq: number,
                ack: 0,
                flags: raw::SYN,
                window: 60_000,
            };
            attacker.send(&raw::ethernet([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 66], 0x0800, &segment.packet(&[])));
        }
        runtime.sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_flood_of_requests_does_not_keep_others_out() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let (client, server) = (stack(&runtime, &hub, 1), stack(&runtime, &hub, 2));
        let mut listener = server.listen(80, 4).unwrap();
        let limit = mirage_tcpip::Limits::default().half_open;
        let flooding = runtime.spawn(flood(runtime.clone(), hub.clone(), 20));
        runtime.sleep(SECOND).await;
        for _ in 0..18 {
            let begun = runtime.now();
            let both = join(client.connect(at(2, 80)), listener.accept());
            let (ours, theirs) = within(&runtime, 10 * SECOND, both).await;
            let took = runtime.now() - begun;
            assert!(took < SECOND, "{took:?} to connect");
            transfer(&mut ours.unwrap(), &mut theirs.unwrap(), &pattern(20_000)).await;
            let stats = server.stats().tcp;
            assert!(stats.half_open <= limit && stats.established < 4, "{stats:?}");
            runtime.sleep(SECOND).await;
        }
        let stats = server.stats();
        println!("{} requests, {} answered by a cookie", stats.tcp.received, stats.tcp.cookies);
        assert!(stats.tcp.cookies > 100_000 && stats.tcp.accepted == 18, "{stats:?}");
        assert_eq!(stats.tcp.half_open, limit);
        drop(flooding);
        // What is left of it goes by itself.
        runtime.sleep(60 * SECOND).await;
        assert_eq!(server.stats().tcp.half_open, 0);
    });
}

#[test]
fn a_forged_cookie_opens_nothing() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = stack_with(&runtime, &hub, 2, |config| config.limits.half_open = 0);
        let _listener = server.listen(80, 100).unwrap();
        let station = hub.station(9);
        let send = |seq: u32, ack: u32, flags: u8| {
            let (from, to) = ((address(9), 4_000), (address(2), 80));
            let segment = Segment { from, to, seq, ack, flags, window: 60_000 };
            station.send(&raw::ethernet([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 9], 0x0800, &segment.packet(&[])));
        };
        send(1_000, 0, raw::SYN);
        let cookie = segment(&station).await.seq;
        for guess in [0, cookie, cookie.wrapping_add(2), !cookie] {
            send(1_001, guess, raw::ACK);
            let answer = segment(&station).await;
            assert_eq!((answer.flags, answer.seq), (raw::RST, guess));
        }
        // The right one does, but not with another sequence number of the sender's, and not for ever.
        send(2_001, cookie.wrapping_add(1), raw::ACK);
        assert_eq!(segment(&station).await.flags, raw::RST);
        runtime.sleep(200 * SECOND).await;
        send(1_001, cookie.wrapping_add(1), raw::ACK);
        assert_eq!(segment(&station).await.flags, raw::RST);
        assert_eq!(server.stats().tcp.established, 0);
        send(5_000, 0, raw::SYN);
        let cookie = segment(&station).await.seq;
        send(5_001, cookie.wrapping_add(1), raw::ACK);
        runtime.sleep(SECOND).await;
        assert_eq!(server.stats().tcp.established, 1);
    });
}

#[test]
fn connections_by_cookie_carry_bytes_both_ways() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let left = stack(&runtime, &hub, 1);
        let right = stack_with(&runtime, &hub, 2, |config| config.limits.half_open = 0);
        let (mut ours, mut theirs) = pair(&left, &right, 2).await;
        assert_eq!(right.stats().tcp.cookies, 1);
        transfer(&mut theirs, &mut ours, &pattern(200_000)).await;
        transfer(&mut ours, &mut theirs, &pattern(200_000)).await;
    });
}

#[test]
fn what_is_not_accepted_is_bounded_by_the_backlog() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let (left, right) = (stack(&runtime, &hub, 1), stack(&runtime, &hub, 2));
        let mut listener = right.listen(80, 3).unwrap();
        let attempts: Vec<_> = (0..10_u8)
            .map(|number| {
                let left = left.clone();
                runtime.spawn(async move {
                    let mut flow = left.connect(at(2, 80)).await.unwrap();
                    flow.write_all(&[number]).await.unwrap();
                    flow
                })
            })
            .collect();
        runtime.sleep(5 * SECOND).await;
        // Some may believe that they are connected, as in every TCP; none of them beyond the backlog is here.
        assert_eq!(right.stats().tcp.established, 3);
        let mut seen = Vec::new();
        for _ in 0..10 {
            let mut flow = within(&runtime, 200 * SECOND, listener.accept()).await.unwrap();
            let mut number = [0];
            within(&runtime, 200 * SECOND, flow.read_exact(&mut number)).await.unwrap();
            seen.push(number[0]);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>(), "each gets through when there is room");
        for attempt in attempts {
            attempt.await.unwrap();
        }
    });
}

#[test]
fn connections_are_bounded() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let left = stack_with(&runtime, &hub, 1, |config| config.limits.connections = 3);
        let right = stack(&runtime, &hub, 2);
        let mut kept = Vec::new();
        for _ in 0..3 {
            kept.push(pair(&left, &right, 2).await);
        }
        let error = left.connect(at(2, 80)).await.err().unwrap();
        assert_eq!(NetError::kind(&error), NetErrorKind::Exhausted);
        let _listener = left.listen(80, 9).unwrap();
        assert!(runtime.timeout(5 * SECOND, right.connect(at(1, 80))).await.is_err(), "not answered");
        kept.pop();
        runtime.sleep(SECOND).await;
        assert!(left.connect(at(2, 9)).await.is_err_and(|error| NetError::kind(&error) == NetErrorKind::Refused));
    });
}

#[test]
fn queues_of_datagrams_are_bounded() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let left = stack(&runtime, &hub, 1);
        let right = stack_with(&runtime, &hub, 2, |config| config.limits.datagrams = 10_000);
        let (ours, theirs) = (left.bind(0).unwrap(), right.bind(7).unwrap());
        for length in (0..100).map(|number| number * 14) {
            mirage_sig::UdpSocket::send_to(&ours, &vec![0; length], at(2, 7)).await.unwrap();
        }
        runtime.sleep(SECOND).await;
        let stats = right.stats();
        assert_eq!(stats.udp.received + stats.udp.dropped, 100);
        assert_eq!(stats.dropped(Dropped::Full), stats.udp.dropped);
        assert!(right.sockets().iter().any(|socket| socket.protocol == "udp" && socket.receive_queue <= 10_000));
        // The oldest are there.
        let (length, _) = mirage_sig::UdpSocket::receive_from(&theirs, &mut [0; 9]).await.unwrap();
        assert_eq!(length, 0);
    });
}
