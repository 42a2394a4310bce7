//! What faults do, on virtual time.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use std::rc::Rc;
use std::time::Duration;

use mirage_conformance::fakes::{FakeNetwork, FakeRuntime};
use mirage_conformance::poll::poll_once;
use mirage_net::{Control, Direction, Faults, Impairment, Lan, Port};
use mirage_sig::{Instant, Link, MonotonicClock, Network, SendError, Sleep, Spawn};
use proptest::prelude::*;

/// The fake clock's sleeps end up to 2 ms late.
const LATE: Duration = Duration::from_millis(2);

type Faulty = Faults<Port, FakeRuntime>;

/// A station with faults on the way out, and one without.
fn pair(runtime: &FakeRuntime, seed: u64) -> (Faulty, Control, Port) {
    let lan = Lan::hub();
    let faults = Faults::new(lan.port(), runtime.clone(), seed);
    let control = faults.control();
    (faults, control, lan.port())
}

fn send(network: &impl Network, number: u32) {
    send_long(network, number, 60);
}

fn send_long(network: &impl Network, number: u32, length: usize) {
    network.try_send(length, |frame| frame[14..18].copy_from_slice(&number.to_be_bytes())).unwrap();
}

/// The numbers of the frames that are there.
fn numbers(network: &impl Network) -> Vec<u32> {
    let number = |frame: &mut [u8]| u32::from_be_bytes(frame[14..18].try_into().unwrap());
    core::iter::from_fn(|| network.try_receive(number)).collect()
}

/// Everything that arrives until nothing does for a second: when, and its number.
async fn arrivals(runtime: &FakeRuntime, network: &impl Network) -> Vec<(Instant, u32)> {
    use mirage_sig::Runtime;
    let mut seen = Vec::new();
    while runtime.timeout(Duration::from_secs(1), network.readable()).await.is_ok() {
        seen.extend(numbers(network).into_iter().map(|number| (runtime.now(), number)));
    }
    seen
}

#[test]
fn a_frame_travels_as_long_as_it_is_told_both_ways() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    let delay = Duration::from_millis(50);
    control.set_both(Impairment { delay, ..Impairment::NONE });
    let test = async {
        for (from_ada, span) in [(true, delay), (false, delay)] {
            let start = runtime.now();
            if from_ada {
                send(&ada, 1);
                assert_eq!(numbers(&bob), [0; 0]);
                bob.readable().await;
                assert_eq!(numbers(&bob), [1]);
            } else {
                send(&bob, 1);
                assert_eq!(numbers(&ada), [0; 0]);
                ada.readable().await;
                assert_eq!(numbers(&ada), [1]);
            }
            let took = runtime.now() - start;
            assert!((span..=span + LATE).contains(&took), "{took:?}");
        }
    };
    runtime.run(test).unwrap();
}

/// Nobody waits for `ada`, and the frame leaves all the same; and while it travels, nobody's turn comes.
#[test]
fn a_frame_travels_by_itself() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set(Direction::Sent, Impairment { delay: Duration::from_secs(3_600), ..Impairment::NONE });
    let test = async {
        send(&ada, 1);
        runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!((runtime.tasks(), runtime.timers()), (1, 1));
        runtime.sleep(Duration::from_secs(3_600)).await;
        assert_eq!(numbers(&bob), [1]);
        assert_eq!((runtime.tasks(), runtime.timers()), (0, 0));
    };
    runtime.run(test).unwrap();
}

#[test]
fn jitter_spreads_arrivals_and_keeps_the_order() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    let (delay, jitter) = (Duration::from_millis(100), Duration::from_millis(40));
    control.set(Direction::Sent, Impairment { delay, jitter, ..Impairment::NONE });
    let test = async {
        let mut spans = Vec::new();
        for number in 0..200 {
            let start = runtime.now();
            send(&ada, number);
            bob.readable().await;
            assert_eq!(numbers(&bob), [number]);
            spans.push(runtime.now() - start);
        }
        let (least, most) = (*spans.iter().min().unwrap(), *spans.iter().max().unwrap());
        assert!(least >= delay - jitter && least < delay - jitter / 2, "{least:?}");
        assert!(most <= delay + jitter + LATE && most > delay + jitter / 2, "{most:?}");
        for number in 0..200 {
            send(&ada, number);
        }
        let order: Vec<u32> = arrivals(&runtime, &bob).await.into_iter().map(|(_, number)| number).collect();
        assert_eq!(order, (0..200).collect::<Vec<_>>());
    };
    runtime.run(test).unwrap();
}

#[test]
fn frames_are_lost_as_often_as_it_is_told_and_counted() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set_both(Impairment { loss_ppm: 250_000, ..Impairment::NONE });
    let (mut sent, mut received) = (0, 0);
    for number in 0..10_000 {
        send(&ada, number);
        sent += numbers(&bob).len() as u64;
        send(&bob, number);
        received += numbers(&ada).len() as u64;
    }
    let stats = ada.stats();
    assert!((7_300..7_700).contains(&sent) && (7_300..7_700).contains(&received), "{sent} {received}");
    assert_eq!((stats.tx_frames, stats.tx_dropped), (10_000, 10_000 - sent));
    assert_eq!((stats.rx_frames, stats.rx_dropped), (received, 10_000 - received));
    assert_eq!(control.counters(Direction::Sent).lost, 10_000 - sent);
    assert_eq!(control.counters(Direction::Received).lost, 10_000 - received);
}

#[test]
fn a_seed_is_a_fate() {
    let fate = |seed| {
        let runtime = FakeRuntime::new();
        let (ada, control, bob) = pair(&runtime, seed);
        control.set(
            Direction::Sent,
            Impairment {
                loss_ppm: 100_000,
                duplicate_ppm: 100_000,
                corrupt_ppm: 100_000,
                reorder_ppm: 100_000,
                delay: Duration::from_millis(10),
                jitter: Duration::from_millis(5),
                ..Impairment::NONE
            },
        );
        let test = async {
            for number in 0..300 {
                send(&ada, number);
            }
            arrivals(&runtime, &bob).await
        };
        runtime.run(test).unwrap()
    };
    assert_eq!(fate(7), fate(7));
    assert_ne!(fate(7), fate(8));
}

#[test]
fn a_corrupted_frame_differs_in_one_bit() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set(Direction::Sent, Impairment { corrupt_ppm: 1_000_000, ..Impairment::NONE });
    let mut places = std::collections::BTreeSet::new();
    for _ in 0..2_000 {
        ada.try_send(60, |_| ()).unwrap();
        let frame = bob.try_receive(|frame| frame.to_vec()).unwrap();
        assert_eq!(frame.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        places.insert(frame.iter().position(|byte| *byte != 0).unwrap());
    }
    // Any of them.
    assert_eq!(places.len(), 60);
    assert_eq!(control.counters(Direction::Sent).corrupted, 2_000);
}

#[test]
fn a_doubled_frame_comes_twice() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set_both(Impairment { duplicate_ppm: 1_000_000, ..Impairment::NONE });
    send(&ada, 1);
    send(&ada, 2);
    assert_eq!(numbers(&bob), [1, 1, 2, 2]);
    send(&bob, 3);
    assert_eq!(numbers(&ada), [3, 3]);
    let stats = ada.stats();
    assert_eq!((stats.tx_frames, stats.rx_frames, stats.rx_bytes), (2, 2, 120));
    assert_eq!(control.counters(Direction::Sent).duplicated, 2);
}

#[test]
fn a_frame_that_is_held_back_is_overtaken() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    let test = async {
        let rest = Impairment { delay: Duration::from_millis(1), ..Impairment::NONE };
        control
            .set(Direction::Sent, Impairment { reorder_ppm: 1_000_000, reorder_by: Duration::from_millis(20), ..rest });
        send(&ada, 1);
        control.set(Direction::Sent, rest);
        send(&ada, 2);
        send(&ada, 3);
        // The task sleeps for the first frame, and wakes for the others.
        bob.readable().await;
        assert_eq!(numbers(&bob), [2, 3]);
        bob.readable().await;
        assert_eq!(numbers(&bob), [1]);
        assert_eq!(control.counters(Direction::Sent).reordered, 1);
    };
    runtime.run(test).unwrap();
}

/// The task that moves frames sleeps for one that is held back, and must be woken for those that are not.
#[test]
fn only_those_that_are_held_back_are_late() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    let held = Duration::from_millis(500);
    let delay = Duration::from_millis(1);
    control.set(Direction::Sent, Impairment { reorder_ppm: 500_000, reorder_by: held, delay, ..Impairment::NONE });
    let test = async {
        let sender = async {
            let mut sent = Vec::new();
            for number in 0..40 {
                sent.push(runtime.now());
                send(&ada, number);
                runtime.sleep(Duration::from_millis(5)).await;
            }
            sent
        };
        let (sent, seen) = mirage_conformance::poll::join(sender, arrivals(&runtime, &bob)).await;
        let late = seen.iter().filter(|(at, number)| *at - sent[*number as usize] > delay + LATE).count() as u64;
        assert_eq!((seen.len(), late), (40, control.counters(Direction::Sent).reordered));
        assert!((10..30).contains(&late));
    };
    runtime.run(test).unwrap();
}

/// 1,000 bytes at 800 kbit/s are 10 ms.
const SLOW: Impairment = Impairment { rate_bps: 800_000, ..Impairment::NONE };

#[test]
fn frames_go_at_the_rate() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set(Direction::Sent, SLOW);
    let test = async {
        let start = runtime.now();
        for number in 0..50 {
            send_long(&ada, number, 1_000);
        }
        for (at, number) in arrivals(&runtime, &bob).await {
            let expected = Duration::from_millis(10) * (number + 1);
            let took = at - start;
            assert!((expected..=expected + LATE).contains(&took), "frame {number}: {took:?}");
        }
        assert_eq!(bob.stats().rx_frames, 50);
    };
    runtime.run(test).unwrap();
}

#[test]
fn a_burst_goes_at_once_after_a_pause() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set(Direction::Sent, Impairment { burst_bytes: 3_000, ..SLOW });
    let test = async {
        for _ in 0..2 {
            let start = runtime.now();
            for number in 0..5 {
                send_long(&ada, number, 1_000);
            }
            assert_eq!(numbers(&bob), [0, 1, 2]);
            let rest = arrivals(&runtime, &bob).await;
            let spans: Vec<u128> = rest.iter().map(|(at, _)| (*at - start).as_millis() / 5).collect();
            assert_eq!(spans, [2, 4], "{rest:?}");
            // The bucket fills up again meanwhile.
        }
    };
    runtime.run(test).unwrap();
}

#[test]
fn a_full_queue_drops_the_newest_as_a_router_does() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set(Direction::Sent, Impairment { queue_frames: 4, ..SLOW });
    let test = async {
        for number in 0..10 {
            send_long(&ada, number, 1_000);
        }
        let seen: Vec<u32> = arrivals(&runtime, &bob).await.into_iter().map(|(_, number)| number).collect();
        assert_eq!(seen, [0, 1, 2, 3]);
        assert_eq!((ada.stats().tx_frames, ada.stats().tx_dropped), (10, 6));
        assert_eq!(control.counters(Direction::Sent).overflowed, 6);
        send_long(&ada, 10, 1_000);
        assert_eq!(arrivals(&runtime, &bob).await.len(), 1);
    };
    runtime.run(test).unwrap();
}

#[test]
fn what_is_under_way_is_bounded_and_writable_waits_for_room() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    let delay = Duration::from_secs(10);
    control.set(Direction::Sent, Impairment { delay, ..Impairment::NONE });
    let test = async {
        let start = runtime.now();
        let mut sent = 0;
        while ada.try_send(60, |_| ()).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 4_096);
        assert_eq!(ada.try_send(60, |_| panic!("called, and it was full")), Err::<(), _>(SendError::Full));
        assert_eq!(poll_once(ada.writable()).await, None);
        ada.writable().await;
        assert!((delay..=delay + LATE).contains(&(runtime.now() - start)));
        ada.try_send(60, |_| ()).unwrap();
        // A port's queue has no more.
        assert_eq!(bob.stats().rx_frames, 512);
    };
    runtime.run(test).unwrap();
}

/// The network behind has room for 32 frames; all leave in their order, and none is lost.
#[test]
fn a_network_behind_that_is_full_is_waited_for() {
    let runtime = FakeRuntime::new();
    let (left, right) = FakeNetwork::pair(&runtime, 1_500);
    let ada = Faults::new(left, runtime.clone(), 1);
    ada.control().set(Direction::Sent, Impairment { delay: Duration::from_millis(1), ..Impairment::NONE });
    let seen = runtime.run(async {
        let reader = runtime.spawn({
            let runtime = runtime.clone();
            async move { arrivals(&runtime, &right).await }
        });
        for number in 0..60 {
            send(&ada, number);
        }
        reader.await
    });
    let seen: Vec<u32> = seen.unwrap().unwrap().into_iter().map(|(_, number)| number).collect();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    assert_eq!(ada.stats().tx_dropped, 0);
}

/// Who waits for room behind an unimpaired network, and then it is impaired and the pump waits for the same.
#[test]
fn who_waits_for_room_is_not_forgotten_when_faults_begin() {
    let runtime = FakeRuntime::new();
    let (left, right) = FakeNetwork::pair(&runtime, 1_500);
    let ada = Rc::new(Faults::new(left, runtime.clone(), 1));
    let done = runtime.run(async {
        while ada.try_send(60, |_| ()).is_ok() {}
        let waiter = runtime.spawn({
            let ada = ada.clone();
            async move { ada.writable().await }
        });
        mirage_conformance::poll::yield_now().await;
        ada.control().set(Direction::Sent, Impairment { loss_ppm: 1, ..Impairment::NONE });
        // Takes the only place of a waiter at the network behind.
        send(&*ada, 1);
        let woken = waiter.await;
        runtime.sleep(Duration::from_millis(100)).await;
        (woken, right.stats().rx_frames)
    });
    assert_eq!(done, Ok((Ok(()), 33)));
}

#[test]
fn sliders_move_while_frames_are_under_way() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    let test = async {
        let start = runtime.now();
        control.set(Direction::Sent, Impairment { delay: Duration::from_millis(100), ..Impairment::NONE });
        send(&ada, 1);
        control.set(Direction::Sent, Impairment::NONE);
        assert_eq!(control.impairment(Direction::Sent), Impairment::NONE);
        // Not before the one that left earlier.
        send(&ada, 2);
        assert_eq!(numbers(&bob), [0; 0]);
        bob.readable().await;
        assert_eq!(numbers(&bob), [1, 2]);
        assert!(runtime.now() - start >= Duration::from_millis(100));
        // And then without a detour.
        send(&ada, 3);
        assert_eq!(numbers(&bob), [3]);
    };
    runtime.run(test).unwrap();
}

#[test]
fn a_pulled_cable_loses_what_is_under_way() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set_both(Impairment { delay: Duration::from_millis(10), ..Impairment::NONE });
    let test = async {
        send(&ada, 1);
        send(&bob, 2);
        assert_eq!(poll_once(ada.readable()).await, None);
        control.plug(Link::Down);
        assert_eq!(poll_once(ada.link_change(Link::Up)).await, Some(Link::Down));
        send(&ada, 3);
        send(&bob, 4);
        runtime.sleep(Duration::from_secs(1)).await;
        control.plug(Link::Up);
        runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!((numbers(&ada), numbers(&bob)), (vec![], vec![]));
        let stats = ada.stats();
        assert_eq!((stats.tx_frames, stats.tx_dropped, stats.rx_frames, stats.rx_dropped), (2, 2, 0, 2));
        assert_eq!((runtime.tasks(), runtime.timers()), (0, 0));
    };
    runtime.run(test).unwrap();
}

#[test]
fn a_dropped_network_leaves_nothing_behind() {
    let runtime = FakeRuntime::new();
    let (ada, control, bob) = pair(&runtime, 1);
    control.set(Direction::Sent, Impairment { delay: Duration::from_secs(60), ..Impairment::NONE });
    let test = async {
        send(&ada, 1);
        runtime.sleep(Duration::from_secs(1)).await;
        drop(ada);
        runtime.sleep(Duration::from_millis(1)).await;
        assert_eq!((runtime.tasks(), runtime.timers()), (0, 0));
        // A handle without a network does nothing.
        control.set_both(SLOW);
        control.plug(Link::Down);
        assert_eq!(control.impairment(Direction::Sent), Impairment::NONE);
        runtime.sleep(Duration::from_secs(100)).await;
        assert_eq!(numbers(&bob), [0; 0]);
    };
    runtime.run(test).unwrap();
}

#[test]
fn a_network_that_vanishes_is_gone_through_faults_too() {
    let runtime = FakeRuntime::new();
    let (ada, control, _bob) = pair(&runtime, 1);
    let lan = Lan::hub();
    let port = lan.port();
    let cable = port.cable();
    let faults = Faults::new(port, runtime.clone(), 1);
    faults.control().set_both(Impairment { delay: Duration::from_millis(10), ..Impairment::NONE });
    let test = async {
        send(&faults, 1);
        cable.remove();
        faults.readable().await;
        assert_eq!(faults.link(), Link::Down);
        assert_eq!(faults.link_change(Link::Up).await, Link::Down);
        assert_eq!(faults.try_send(60, |_| ()), Err(SendError::Gone));
        faults.writable().await;
        assert_eq!(faults.stats().tx_dropped, 1);
    };
    runtime.run(test).unwrap();
    drop((ada, control));
}

/// A frame's length, and how long after the one before it is sent, in microseconds.
fn traffic() -> impl Strategy<Value = Vec<(usize, u64)>> {
    proptest::collection::vec((18_usize..1_500, 0_u64..20_000), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is sent: what comes out keeps its order, has travelled long enough and not too long, and in no span of
    /// time is it more than the rate and the burst allow.
    #[test]
    fn a_token_bucket_holds(
        traffic in traffic(),
        seed in any::<u64>(),
        rate_kbps in 100_u64..10_000,
        burst_bytes in 0_u32..5_000,
        delay_us in 0_u64..50_000,
        jitter_us in 0_u64..20_000,
        queue_frames in 1_usize..50,
    ) {
        let runtime = FakeRuntime::new();
        let (ada, control, bob) = pair(&runtime, seed);
        let (delay, jitter) = (Duration::from_micros(delay_us), Duration::from_micros(jitter_us));
        let rate_bps = rate_kbps * 1_000;
        let faults = Impairment { rate_bps, burst_bytes, delay, jitter, queue_frames, ..Impairment::NONE };
        control.set(Direction::Sent, faults);
        let clock = runtime.clone();
        let lengths: Vec<usize> = traffic.iter().map(|(length, _)| *length).collect();
        let (sent, seen, dropped) = runtime.run(async move {
            let reader = clock.spawn({
                let clock = clock.clone();
                async move { arrivals(&clock, &bob).await }
            });
            let mut sent = Vec::new();
            for (number, (length, gap)) in traffic.into_iter().enumerate() {
                sent.push(clock.now());
                send_long(&ada, number as u32, length);
                clock.sleep(Duration::from_micros(gap)).await;
            }
            let seen = reader.await.unwrap();
            (sent, seen, ada.stats().tx_dropped)
        }).unwrap();

        let span = |bytes: u64| Duration::from_nanos(bytes * 8_000_000_000 / rate_bps);
        prop_assert_eq!(seen.len() as u64 + dropped, sent.len() as u64);
        // All that may have been waiting: the queue, of the longest frames.
        let longest = delay + jitter + span(1_500) * (queue_frames as u32 + 1) + LATE;
        for (at, number) in &seen {
            let took = *at - sent[*number as usize];
            prop_assert!(took >= delay.saturating_sub(jitter), "{took:?}");
            prop_assert!(took <= longest + jitter, "{took:?} of {longest:?}");
        }
        for (index, (start, first)) in seen.iter().enumerate() {
            let mut bytes = 0;
            for (end, number) in &seen[index..] {
                prop_assert!(first <= number && start <= end);
                bytes += lengths[*number as usize] as u64;
                // What differs in travel, and how late the clock is, brings frames nearer to each other.
                let allowed = span(u64::from(burst_bytes)) + (*end - *start) + 2 * jitter + LATE + span(1_500);
                prop_assert!(span(bytes) <= allowed + Duration::from_micros(1) * 80, "{bytes} bytes in {:?}", *end - *start);
            }
        }
    }
}
