//! What a LAN does besides keeping the contract of its ports.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use mirage_conformance::fakes::FakeRuntime;
use mirage_conformance::poll::{join, poll_once};
use mirage_net::{Lan, Port, Wiring};
use mirage_sig::{Link, Mac, Network, SendError};
use proptest::prelude::*;

const NOBODY: Mac = Mac([2, 9, 9, 9, 9, 9]);

fn send(from: &Port, to: Mac) {
    send_as(from, from.mac(), to);
}

fn send_as(from: &Port, source: Mac, to: Mac) {
    let sent = from.try_send(60, |frame| {
        frame[..6].copy_from_slice(&to.0);
        frame[6..12].copy_from_slice(&source.0);
    });
    sent.unwrap();
}

/// How many frames each has got.
fn got<const N: usize>(ports: [&Port; N]) -> [usize; N] {
    ports.map(|port| core::iter::from_fn(|| port.try_receive(|_| ())).count())
}

#[test]
fn a_hub_sends_everything_to_everybody_else() {
    let lan = Lan::hub();
    let (ada, bob, eve) = (lan.port(), lan.port(), lan.port());
    send(&bob, ada.mac());
    send(&ada, bob.mac());
    assert_eq!(got([&ada, &bob, &eve]), [1, 1, 2]);
}

#[test]
fn a_switch_learns_where_everybody_is() {
    let lan = Lan::switch();
    let (ada, bob, eve) = (lan.port(), lan.port(), lan.port());
    // Not heard yet, so to all; then heard.
    send(&ada, bob.mac());
    assert_eq!(got([&ada, &bob, &eve]), [0, 1, 1]);
    send(&bob, ada.mac());
    assert_eq!(got([&ada, &bob, &eve]), [1, 0, 0]);
    send(&ada, bob.mac());
    assert_eq!(got([&ada, &bob, &eve]), [0, 1, 0]);
    send(&ada, Mac::BROADCAST);
    send(&ada, Mac([0x33, 0x33, 0, 0, 0, 1]));
    assert_eq!(got([&ada, &bob, &eve]), [0, 2, 2]);
    send(&ada, NOBODY);
    assert_eq!(got([&ada, &bob, &eve]), [0, 1, 1]);
    // A frame for who is on the same port has arrived already.
    send_as(&ada, NOBODY, ada.mac());
    send(&ada, NOBODY);
    assert_eq!(got([&ada, &bob, &eve]), [0, 0, 0]);
}

#[test]
fn a_switch_follows_who_moves() {
    let lan = Lan::switch();
    let (ada, bob, eve) = (lan.port(), lan.port(), lan.port());
    send_as(&ada, NOBODY, Mac::BROADCAST);
    send_as(&eve, NOBODY, Mac::BROADCAST);
    got([&ada, &bob, &eve]);
    send(&bob, NOBODY);
    assert_eq!(got([&ada, &bob, &eve]), [0, 0, 1]);
    // Who pulls the cable is not where he was.
    eve.cable().plug(Link::Down);
    eve.cable().plug(Link::Up);
    send(&bob, NOBODY);
    assert_eq!(got([&ada, &bob, &eve]), [1, 0, 1]);
    // Nobody is behind all addresses at once.
    send_as(&ada, Mac::BROADCAST, NOBODY);
    got([&ada, &bob, &eve]);
    send(&bob, Mac::BROADCAST);
    assert_eq!(got([&ada, &bob, &eve]), [1, 0, 1]);
}

#[test]
fn an_unplugged_station_neither_hears_nor_is_heard() {
    let runtime = FakeRuntime::new();
    let lan = Lan::hub();
    let (ada, bob) = (lan.port(), lan.port());
    let cable = ada.cable();
    let pull = async { cable.plug(Link::Down) };
    let (seen, ()) = runtime.run(join(ada.link_change(Link::Up), pull)).unwrap();
    assert_eq!((seen, ada.link(), bob.link()), (Link::Down, Link::Down, Link::Up));
    send(&ada, bob.mac());
    send(&bob, ada.mac());
    assert_eq!(got([&ada, &bob]), [0, 0]);
    assert_eq!((ada.stats().tx_frames, ada.stats().tx_dropped), (1, 1));
    cable.plug(Link::Up);
    send(&bob, ada.mac());
    assert_eq!(got([&ada]), [1]);
}

#[test]
fn a_station_that_is_removed_is_gone() {
    let lan = Lan::switch();
    let (ada, bob) = (lan.port(), lan.port());
    send(&ada, Mac::BROADCAST);
    ada.cable().remove();
    ada.cable().plug(Link::Up);
    assert_eq!(ada.link(), Link::Down);
    assert_eq!(ada.try_send(60, |_| ()), Err(SendError::Gone));
    send(&bob, ada.mac());
    assert_eq!(got([&ada, &bob]), [0, 1]);
    // Dropped, it is gone as well, and its address is anybody's.
    let (mac, cable) = (bob.mac(), bob.cable());
    drop(bob);
    let eve = lan.port_of(mac);
    cable.plug(Link::Up);
    assert_eq!(eve.mac(), mac);
    let carol = lan.port();
    assert_eq!(carol.mac(), Mac([2, 0, 0, 0, 0, 4]));
    send(&carol, mac);
    assert_eq!(got([&eve]), [1]);
}

#[test]
fn a_station_that_sleeps_loses_the_newest_and_nobody_else_any() {
    let lan = Lan::hub();
    let (ada, bob, eve) = (lan.port(), lan.port(), lan.port());
    let mut heard = 0;
    for number in 0..1_000_u16 {
        ada.try_send(60, |frame| frame[58..].copy_from_slice(&number.to_be_bytes())).unwrap();
        heard += got([&eve])[0];
    }
    assert_eq!(heard, 1_000);
    assert_eq!((bob.stats().rx_frames, bob.stats().rx_dropped), (512, 488));
    assert_eq!(bob.try_receive(|frame| frame[58..].to_vec()), Some(vec![0, 0]));
}

#[test]
fn jumbo_frames_pass_where_they_may() {
    let lan = Lan::new(Wiring::Switch, 9_000);
    let (ada, bob) = (lan.port(), lan.port());
    assert_eq!(ada.mtu(), 9_000);
    assert_eq!(ada.try_send(9_015, |_| ()), Err(SendError::Length { asked: 9_015, longest: 9_014 }));
    ada.try_send(9_014, |frame| frame[..6].fill(0xff)).unwrap();
    assert_eq!(bob.try_receive(|frame| frame.len()), Some(9_014));
}

/// A frame wakes its receiver, and nobody else.
#[test]
fn a_sleeper_costs_nothing() {
    let runtime = FakeRuntime::new();
    let lan = Lan::switch();
    let (ada, bob, eve) = (lan.port(), lan.port(), lan.port());
    send(&bob, Mac::BROADCAST);
    got([&ada, &eve]);
    let seen = runtime.run(async {
        send(&ada, bob.mac());
        (poll_once(bob.readable()).await, poll_once(eve.readable()).await)
    });
    assert_eq!(seen, Ok((Some(()), None)));
}

/// A sender may be a receiver's waker, or may be inside of its own frame.
#[test]
fn sending_from_within_a_frame() {
    let lan = Lan::hub();
    let (ada, bob) = (lan.port(), lan.port());
    let inner = ada.try_send(60, |_| ada.try_send(61, |_| bob.try_send(62, |_| ())));
    assert_eq!(inner, Ok(Ok(Ok(()))));
    assert_eq!(ada.try_receive(|_| bob.try_receive(|frame| frame.len())), Some(Some(61)));
    assert_eq!(bob.try_receive(|frame| frame.len()), Some(60));
}

proptest! {
    /// A switch is a hub that spares those who are not meant: whoever a frame is for gets it from both, and nobody gets
    /// one from the switch that the hub would not have given.
    #[test]
    fn a_switch_loses_nothing_that_a_hub_does_not(
        frames in proptest::collection::vec((0_usize..4, 0_usize..4), 0..100),
    ) {
        let mut seen = Vec::new();
        for wiring in [Wiring::Switch, Wiring::Hub] {
            let lan = Lan::new(wiring, 100);
            let ports: [Port; 4] = core::array::from_fn(|_| lan.port());
            let mut all = Vec::new();
            for (from, to) in &frames {
                send(&ports[*from], ports[*to].mac());
                all.push(got([&ports[0], &ports[1], &ports[2], &ports[3]]));
            }
            seen.push(all);
        }
        for (number, (from, to)) in frames.iter().enumerate() {
            for (station, (switched, hubbed)) in seen[0][number].into_iter().zip(seen[1][number]).enumerate() {
                prop_assert!(switched <= hubbed);
                prop_assert_eq!(hubbed, usize::from(station != *from));
                if station == *to && from != to {
                    prop_assert_eq!(switched, 1);
                }
            }
        }
    }
}
