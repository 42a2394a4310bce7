//! Connections under loss, at their ends, and at their bounds.
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use common::raw::{self, Segment};
use common::{
    Faults, Hub, SECOND, address, at, pair, pattern, read_to_end, run, send_all, settle, stack, stack_with, transfer,
    within,
};
use mirage_conformance::fakes::FakeRuntime;
use mirage_conformance::poll::join;
use mirage_sig::{Flow as _, Link, Listener, MonotonicClock, NetError, NetErrorKind, Read, Sleep, Spawn, Stack, Write};
use proptest::prelude::*;

/// Sends so many bytes both ways at the same time over a network with such faults; they must arrive unchanged.
fn bulk(lost: u32, bytes: usize) -> (Duration, u64) {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::slow(&runtime, Duration::from_millis(2));
        let (left, right) = (stack(&runtime, &hub, 1), stack(&runtime, &hub, 2));
        hub.set_faults(Faults { lost, repeated: lost, late: lost });
        let (mut ours, mut theirs) = pair(&left, &right, 2).await;
        let begun = runtime.now();
        let (up, down) = (pattern(bytes), pattern(bytes / 2));
        {
            let ((mut reader, mut writer), (mut far_reader, mut far_writer)) = (ours.split(), theirs.split());
            let there = join(send_all(&mut writer, &up), send_all(&mut far_writer, &down));
            let seen = async {
                let (mut to_us, mut to_them) = (vec![0; down.len()], vec![0; up.len()]);
                let both = join(reader.read_exact(&mut to_us), far_reader.read_exact(&mut to_them)).await;
                both.0.unwrap();
                both.1.unwrap();
                assert!(to_us == down && to_them == up, "the bytes have changed");
            };
            let both = mirage_sig::Runtime::timeout(&runtime, 3_600 * SECOND, join(there, seen)).await;
            assert!(both.is_ok(), "stands still: {:?} {:?}", left.sockets(), right.sockets());
        }
        // And each ends in order.
        let (one, two) = join(ours.shutdown(), theirs.shutdown()).await;
        one.unwrap();
        two.unwrap();
        assert_eq!(join(read_to_end(&mut ours), read_to_end(&mut theirs)).await, (vec![], vec![]));
        (runtime.now() - begun, left.stats().tcp.retransmitted)
    })
}

#[test]
fn bytes_arrive_intact_without_loss() {
    let (took, retransmitted) = bulk(0, 4 << 20);
    println!("0 %: {took:?}, {retransmitted} segments sent again");
    assert_eq!(retransmitted, 0);
}

#[test]
fn bytes_arrive_intact_under_loss() {
    for (percent, bytes) in [(1, 2 << 20), (5, 1 << 20), (20, 200 << 10)] {
        let (took, retransmitted) = bulk(percent * 10, bytes);
        println!("{percent} %: {bytes} bytes in {took:?}, {retransmitted} segments sent again");
        assert!(retransmitted > 0);
    }
}

#[test]
fn half_closed_connections_go_on_the_other_way() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let (left, right) = (stack(&runtime, &hub, 1), stack(&runtime, &hub, 2));
        let (mut ours, mut theirs) = pair(&left, &right, 2).await;
        ours.shutdown().await.unwrap();
        assert!(read_to_end(&mut theirs).await.is_empty());
        runtime.sleep(600 * SECOND).await;
        transfer(&mut theirs, &mut ours, &pattern(300_000)).await;
    });
}

#[test]
fn a_peer_that_is_gone_is_noticed_by_keep_alive_only() {
    for keep_alive in [None, Some(10 * SECOND)] {
        let runtime = FakeRuntime::new();
        run(&runtime, async {
            let hub = Hub::new(&runtime);
            let left = stack_with(&runtime, &hub, 1, |config| config.tcp.keep_alive = keep_alive);
            let station = hub.station(2);
            let config = mirage_tcpip::Config::fixed(address(2), 24);
            let right = mirage_tcpip::Tcpip::new(station.clone(), &runtime, config).unwrap();
            let (mut ours, _theirs) = pair(&left, &right, 2).await;
            // While it answers, nothing ends.
            assert!(mirage_sig::Runtime::timeout(&runtime, 300 * SECOND, ours.read(&mut [0])).await.is_err());
            station.plug(Link::Down);
            let begun = runtime.now();
            let read = mirage_sig::Runtime::timeout(&runtime, 300 * SECOND, ours.read(&mut [0])).await;
            match keep_alive {
                None => assert!(read.is_err(), "an idle connection lives without asking"),
                Some(_) => {
                    assert_eq!(NetError::kind(&read.unwrap().unwrap_err()), NetErrorKind::TimedOut);
                    assert!(runtime.now() - begun <= 41 * SECOND);
                }
            }
        });
    }
}

#[test]
fn data_without_an_answer_time_out() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let left = stack(&runtime, &hub, 1);
        let station = hub.station(2);
        let config = mirage_tcpip::Config::fixed(address(2), 24);
        let right = mirage_tcpip::Tcpip::new(station.clone(), &runtime, config).unwrap();
        let (mut ours, theirs) = pair(&left, &right, 2).await;
        // Somebody who does not read is still there.
        while mirage_sig::Runtime::timeout(&runtime, SECOND, ours.write(&[7; 5_000])).await.is_ok() {}
        runtime.sleep(1_000 * SECOND).await;
        assert!(mirage_sig::Runtime::timeout(&runtime, SECOND, ours.flush()).await.is_err());
        station.plug(Link::Down);
        let begun = runtime.now();
        let error = ours.flush().await.unwrap_err();
        assert_eq!(NetError::kind(&error), NetErrorKind::TimedOut);
        let took = runtime.now() - begun;
        assert!(took > 200 * SECOND && took < 400 * SECOND, "{took:?}");
        drop(theirs);
    });
}

#[test]
fn a_connection_that_nobody_holds_ends_by_itself() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let (left, right) = (stack(&runtime, &hub, 1), stack(&runtime, &hub, 2));
        let (mut ours, mut theirs) = pair(&left, &right, 2).await;
        send_all(&mut ours, &pattern(10_000)).await;
        drop(ours);
        // The other side keeps its half open, and says nothing.
        assert_eq!(read_to_end(&mut theirs).await, pattern(10_000));
        runtime.sleep(2 * SECOND).await;
        assert_eq!((left.stats().tcp.orphans, left.stats().tcp.established), (1, 0));
        runtime.sleep(120 * SECOND).await;
        assert_eq!(left.stats().tcp.orphans, 0, "its time is over");
        // What is written to it is answered by a reset.
        let mut error = None;
        for _ in 0..10 {
            error = theirs.write(b"hello?").await.err();
            runtime.sleep(SECOND).await;
        }
        assert_eq!(error.map(|error| NetError::kind(&error)), Some(NetErrorKind::Reset));
    });
}

#[test]
fn orphans_are_bounded() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let left = stack_with(&runtime, &hub, 1, |config| config.limits.orphans = 5);
        let right = stack(&runtime, &hub, 2);
        let mut kept = Vec::new();
        for _ in 0..20 {
            let (ours, theirs) = pair(&left, &right, 2).await;
            drop(ours);
            kept.push(theirs);
            settle(&runtime).await;
            assert!(left.stats().tcp.orphans <= 5);
        }
    });
}

#[test]
fn ended_connections_leave_no_socket_behind() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let left = stack_with(&runtime, &hub, 1, |config| config.limits.time_wait = 10);
        let right = stack(&runtime, &hub, 2);
        for _ in 0..40 {
            let (mut ours, mut theirs) = pair(&left, &right, 2).await;
            ours.shutdown().await.unwrap();
            theirs.shutdown().await.unwrap();
            assert!(read_to_end(&mut ours).await.is_empty());
            assert!(read_to_end(&mut theirs).await.is_empty());
            drop((ours, theirs));
            settle(&runtime).await;
            let stats = left.stats().tcp;
            assert!(stats.orphans + stats.established == 0 && stats.time_wait <= 10, "{stats:?}");
        }
        assert_eq!(left.stats().tcp.time_wait, 10);
        runtime.sleep(60 * SECOND).await;
        assert_eq!(left.stats().tcp.time_wait, 0);
    });
}

#[test]
fn a_request_that_meets_an_ended_connection_opens_a_new_one() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = stack(&runtime, &hub, 2);
        let mut listener = server.listen(80, 4).unwrap();
        let client = hub.station(9);
        let (mac, server_mac) = ([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 2]);
        let send = |seq: u32, ack: u32, flags: u8| {
            let (from, to) = ((address(9), 4_000), (address(2), 80));
            let segment = Segment { from, to, seq, ack, flags, window: 60_000 };
            client.send(&raw::ethernet(server_mac, mac, 0x0800, &segment.packet(&[])));
        };
        let next = async || {
            loop {
                let frame = client.receive().await;
                if frame[12..14] == [8, 6] {
                    client.send(&raw::ethernet(
                        server_mac,
                        mac,
                        0x0806,
                        &raw::arp(2, mac, address(9), server_mac, address(2)),
                    ));
                } else if let Some(segment) = raw::seen(&frame) {
                    return segment;
                }
            }
        };
        let mut seq = 1_000;
        for round in 0..3 {
            send(seq, 0, raw::SYN);
            let answer = within(&runtime, SECOND, next()).await;
            assert_eq!((answer.flags, answer.ack), (raw::SYN | raw::ACK, seq + 1), "round {round}");
            send(seq + 1, answer.seq + 1, raw::ACK);
            // The server ends it first, so the ends are kept out of use there.
            drop(within(&runtime, SECOND, listener.accept()).await.unwrap());
            let fin = within(&runtime, SECOND, next()).await;
            assert_eq!(fin.flags & raw::FIN, raw::FIN);
            send(seq + 1, fin.seq + 1, raw::FIN | raw::ACK);
            assert_eq!(within(&runtime, SECOND, next()).await.ack, seq + 2);
            settle(&runtime).await;
            assert_eq!(server.stats().tcp.time_wait, 1, "round {round}");
            // Its end once more, as if the acknowledgement had been lost: that is given again.
            send(seq + 1, fin.seq + 1, raw::FIN | raw::ACK);
            let again = within(&runtime, SECOND, next()).await;
            assert_eq!((again.flags, again.seq, again.ack), (raw::ACK, fin.seq + 1, seq + 2));
            // An old request is answered in the same way, and an old reset not at all.
            send(seq - 500, 0, raw::SYN);
            assert_eq!(within(&runtime, SECOND, next()).await.flags, raw::ACK);
            send(seq + 3, 0, raw::RST);
            settle(&runtime).await;
            assert_eq!(server.stats().tcp.time_wait, 1);
            if round == 2 {
                // The reset of one that has seen that answer, and wants a new connection.
                send(seq + 2, 0, raw::RST);
                settle(&runtime).await;
                assert_eq!(server.stats().tcp.time_wait, 0);
            }
            seq += 100_000;
        }
    });
}

#[test]
fn a_thousand_idle_connections_schedule_nothing() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let small = |config: &mut mirage_tcpip::Config| (config.tcp.send_buffer, config.tcp.receive_buffer) = (64, 64);
        let (left, right) = (stack_with(&runtime, &hub, 1, small), stack_with(&runtime, &hub, 2, small));
        let mut kept = Vec::new();
        for _ in 0..1_000 {
            kept.push(pair(&left, &right, 2).await);
        }
        runtime.sleep(5 * SECOND).await;
        let carried = hub.carried();
        // The clock jumps over a week in one step if nothing is scheduled: only this test's own sleep is.
        assert_eq!(runtime.timers(), 0, "something is scheduled though nobody does anything");
        runtime.sleep(7 * 24 * 3_600 * SECOND).await;
        assert_eq!(hub.carried(), carried);
        let (ours, theirs) = &mut kept[500];
        transfer(ours, theirs, &pattern(1_000)).await;
    });
}

/// The contract says that wake-ups may be late, and that frames are lost: a model cannot say when what arrives, but what arrives
/// must be a beginning of what was sent.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, u16),
    Read(usize, u16),
    Shut(usize),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2_usize, 1..40_000_u16).prop_map(|(end, count)| Step::Write(end, count)),
        (0..2_usize, 1..40_000_u16).prop_map(|(end, count)| Step::Read(end, count)),
        (0..2_usize).prop_map(Step::Shut),
        (1..5_000_u16).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_conversation_is_kept(steps in prop::collection::vec(step(), 1..60), lost in 0_u32..150, buffer in 1_usize..9_000) {
        let runtime = FakeRuntime::new();
        run(&runtime, async {
            let hub = Hub::new(&runtime);
            let own = |config: &mut mirage_tcpip::Config| {
                (config.tcp.send_buffer, config.tcp.receive_buffer) = (buffer, buffer);
                config.tcp.user_timeout = 100_000 * SECOND;
            };
            let (left, right) = (stack_with(&runtime, &hub, 1, own), stack_with(&runtime, &hub, 2, own));
            let (ours, theirs) = pair(&left, &right, 2).await;
            hub.set_faults(Faults { lost, repeated: lost, late: lost });
            let mut ends = [ours, theirs];
            let (mut written, mut read, mut shut) = ([0_usize; 2], [0_usize; 2], [false; 2]);
            let all = pattern(60 * 40_000);
            for step in steps {
                match step {
                    Step::Write(end, count) => {
                        let bytes = &all[written[end]..written[end] + usize::from(count)];
                        let wrote = mirage_sig::Runtime::timeout(&runtime, SECOND / 100, ends[end].write(bytes)).await;
                        match wrote {
                            Ok(Ok(count)) => { assert!(!shut[end]); written[end] += count; }
                            Ok(Err(error)) => assert!(shut[end], "{error}"),
                            Err(_) => {}
                        }
                    }
                    Step::Read(end, count) => {
                        let mut bytes = vec![0; usize::from(count)];
                        let got = mirage_sig::Runtime::timeout(&runtime, SECOND / 100, ends[end].read(&mut bytes)).await;
                        if let Ok(got) = got {
                            let got = got.unwrap();
                            assert_eq!(&bytes[..got], &all[read[end]..read[end] + got]);
                            read[end] += got;
                            if got == 0 {
                                assert!(shut[1 - end] && read[end] == written[1 - end]);
                            }
                        }
                    }
                    Step::Shut(end) => { ends[end].shutdown().await.unwrap(); shut[end] = true; }
                    Step::Wait(millis) => runtime.sleep(Duration::from_millis(millis.into())).await,
                }
            }
            // All that was accepted arrives, and the end after it.
            let [ours, theirs] = &mut ends;
            ours.shutdown().await.unwrap();
            theirs.shutdown().await.unwrap();
            let (to_us, to_them) = join(read_to_end(ours), read_to_end(theirs)).await;
            assert_eq!(to_us, &all[read[0]..written[1]]);
            assert_eq!(to_them, &all[read[1]..written[0]]);
        });
    }
}

#[test]
fn ports_are_not_told_from_one_another() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let (left, right) = (stack(&runtime, &hub, 1), stack(&runtime, &hub, 2));
        let numbers = Rc::new(RefCell::new(HashMap::new()));
        let noted = numbers.clone();
        hub.tap(move |frame| {
            if let Some(segment) = raw::seen(frame).filter(|segment| segment.flags == raw::SYN) {
                noted.borrow_mut().insert(segment.ports.0, segment.seq);
            }
        });
        for _ in 0..50 {
            drop(pair(&left, &right, 2).await);
        }
        let numbers = numbers.borrow();
        assert!(numbers.len() > 45, "ports come again");
        let mut seqs: Vec<_> = numbers.values().collect();
        seqs.sort_unstable();
        seqs.dedup();
        assert_eq!(seqs.len(), numbers.len());
        let mut ports: Vec<_> = numbers.keys().copied().collect();
        ports.sort_unstable();
        assert!(ports.windows(2).filter(|pair| pair[1] - pair[0] == 1).count() < 10, "ports follow one another");
    });
}

#[test]
fn when_the_stack_goes_all_who_wait_are_told() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let station = hub.station(1);
        let config = mirage_tcpip::Config::fixed(address(1), 24);
        let left = mirage_tcpip::Tcpip::new(station.clone(), &runtime, config).unwrap();
        let right = stack(&runtime, &hub, 2);
        let (mut ours, _theirs) = pair(&left, &right, 2).await;
        let mut listener = left.listen(80, 1).unwrap();
        let told = Rc::new(Cell::new(0));
        for kind in 0..4 {
            let (left, told) = (left.clone(), told.clone());
            drop(runtime.spawn(async move {
                let error = match kind {
                    0 => left.connect(at(2, 9_999)).await.err(),
                    1 => left.ping(address(77).into(), 8).await.err(),
                    2 => {
                        let socket = left.bind(5).unwrap();
                        mirage_sig::UdpSocket::receive_from(&socket, &mut [0; 9]).await.err()
                    }
                    _ => left.connect(at(88, 80)).await.err(),
                };
                told.set(told.get() + u32::from(error.is_some()));
            }));
        }
        settle(&runtime).await;
        let tasks = runtime.tasks();
        station.vanish();
        let error = ours.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(NetError::kind(&error), NetErrorKind::Closed);
        let error = listener.accept().await.err().unwrap();
        assert_eq!(NetError::kind(&error), NetErrorKind::Closed);
        settle(&runtime).await;
        assert_eq!(told.get(), 4);
        assert!(runtime.tasks() < tasks, "the driver has ended");
        assert_eq!(NetError::kind(&left.connect(at(2, 80)).await.err().unwrap()), NetErrorKind::Closed);
        assert_eq!(NetError::kind(&left.listen(81, 1).err().unwrap()), NetErrorKind::Closed);
    });
}

#[test]
fn the_driver_ends_with_the_last_handle_when_all_is_sent() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let right = stack(&runtime, &hub, 2);
        let tasks = runtime.tasks();
        let left = stack(&runtime, &hub, 1);
        let (mut ours, mut theirs) = pair(&left, &right, 2).await;
        send_all(&mut ours, &pattern(50_000)).await;
        drop((left, ours));
        assert_eq!(read_to_end(&mut theirs).await, pattern(50_000));
        drop(theirs);
        runtime.sleep(5 * SECOND).await;
        assert_eq!(runtime.tasks(), tasks);
    });
}

/// A peer made by hand, at 10.0.0.9.
struct Peer<'a> {
    station: common::Station,
    runtime: &'a FakeRuntime,
    port: (u16, u16),
}

impl Peer<'_> {
    fn send(&self, seq: u32, ack: u32, flags: u8, window: u16, options: &[u8]) {
        let (from, to) = ((address(9), self.port.0), (address(2), self.port.1));
        let segment = Segment { from, to, seq, ack, flags, window };
        let mut packet = segment.packet(options);
        // Options are data that the header's length covers.
        packet[32] = 0x50 + (options.len() as u8 / 4) * 0x10;
        let mut message = packet[20..].to_vec();
        raw::checksum(address(9).into(), address(2).into(), 6, &mut message, 16);
        packet.truncate(20);
        packet.extend(message);
        self.station.send(&raw::ethernet([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 9], 0x0800, &packet));
    }

    async fn segment(&self) -> raw::Seen {
        within(self.runtime, SECOND / 2, common::segment(&self.station)).await
    }
}

#[test]
fn a_loss_is_repaired_at_once_though_the_window_opens() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = stack(&runtime, &hub, 2);
        let mut listener = server.listen(80, 1).unwrap();
        let peer = Peer { station: hub.station(9), runtime: &runtime, port: (4_000, 80) };
        common::introduce(&peer.station, 9, 2);
        // That selective acknowledgements are understood, and nothing more.
        peer.send(1_000, 0, raw::SYN, 60_000, &[4, 2, 1, 1]);
        let isn = peer.segment().await.seq;
        peer.send(1_001, isn + 1, raw::ACK, 60_000, &[]);
        let mut flow = listener.accept().await.unwrap();
        send_all(&mut flow, &pattern(2_000)).await;
        let first = peer.segment().await;
        while peer.segment().await.seq + 536 < isn + 2_001 {}
        assert_eq!(first.seq, isn + 1);
        // The first one is missing, and each of the others says so, with another window.
        for (number, window) in [(1, 60_100), (2, 60_200), (3, 60_300), (4, 60_400)] {
            let (from, to) = ((isn + 537).to_be_bytes(), (isn + 537 + number * 100).to_be_bytes());
            peer.send(1_001, isn + 1, raw::ACK, window, &[&[1, 1, 5, 10][..], &from, &to].concat());
        }
        let again = peer.segment().await;
        assert_eq!(again.seq, isn + 1, "sent again without waiting for the timer");
    });
}

#[test]
fn what_is_left_of_an_earlier_connection_does_not_confuse_the_next() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let client = stack(&runtime, &hub, 2);
        let station = hub.station(9);
        common::introduce(&station, 9, 2);
        let opening = runtime.spawn(async move { client.connect(at(9, 80)).await });
        let request = within(&runtime, SECOND, common::segment(&station)).await;
        let peer = Peer { station, runtime: &runtime, port: (80, request.ports.0) };
        // An acknowledgement of something else, which is answered by a reset with its number.
        peer.send(5_000, request.seq + 96_000_000, raw::ACK, 60_000, &[]);
        assert_eq!(peer.segment().await.flags & raw::RST, raw::RST);
        peer.send(7_000, request.seq + 1, raw::SYN | raw::ACK, 60_000, &[]);
        let mut flow = opening.await.unwrap().unwrap();
        assert_eq!(peer.segment().await.seq, request.seq + 1);
        send_all(&mut flow, b"hello").await;
        let data = peer.segment().await;
        assert_eq!((data.seq, data.data), (request.seq + 1, 5));
    });
}

#[test]
fn a_reset_reaches_the_other_side_also_while_something_is_sent_again() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = stack(&runtime, &hub, 2);
        let mut listener = server.listen(80, 1).unwrap();
        let peer = Peer { station: hub.station(9), runtime: &runtime, port: (4_000, 80) };
        common::introduce(&peer.station, 9, 2);
        peer.send(1_000, 0, raw::SYN, 60_000, &[]);
        let isn = peer.segment().await.seq;
        peer.send(1_001, isn + 1, raw::ACK, 60_000, &[]);
        let mut flow = listener.accept().await.unwrap();
        send_all(&mut flow, &pattern(1_500)).await;
        while peer.segment().await.seq + 536 < isn + 1_501 {}
        // All of it has arrived, and none of the acknowledgements: the first is sent again.
        let again = within(&runtime, 2 * SECOND, common::segment(&peer.station)).await;
        assert_eq!(again.seq, isn + 1);
        flow.abort();
        let reset = loop {
            let segment = peer.segment().await;
            if segment.flags & raw::RST != 0 {
                break segment;
            }
        };
        assert_eq!(reset.seq, isn + 1_501, "the number that is next");
    });
}

#[test]
fn the_next_connection_of_the_same_ends_is_ahead_of_the_last() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let (left, right) = (stack(&runtime, &hub, 1), stack(&runtime, &hub, 2));
        let mut listener = right.listen(80, 1).unwrap();
        let numbers = Rc::new(RefCell::new(HashMap::<u16, Vec<u32>>::new()));
        let noted = numbers.clone();
        hub.tap(move |frame| {
            if let Some(segment) = raw::seen(frame).filter(|segment| segment.flags == raw::SYN) {
                noted.borrow_mut().entry(segment.ports.0).or_default().push(segment.seq);
            }
        });
        // Enough for ports to come again, while the listening side still keeps them out of use.
        for _ in 0..2_500 {
            let begun = runtime.now();
            let (ours, theirs) = join(left.connect(at(2, 80)), listener.accept()).await;
            let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
            assert!(runtime.now() - begun < SECOND / 10, "had to wait for an earlier connection");
            theirs.shutdown().await.unwrap();
            assert!(read_to_end(&mut ours).await.is_empty());
            ours.shutdown().await.unwrap();
            assert!(read_to_end(&mut theirs).await.is_empty());
        }
        let numbers = numbers.borrow();
        let again: Vec<_> = numbers.values().filter(|numbers| numbers.len() > 1).collect();
        assert!(again.len() > 50, "{} ports came again", again.len());
        for numbers in again {
            assert!(numbers.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) < 1 << 31), "{numbers:?}");
        }
    });
}
