//! Everything here that is a network keeps the contract of one.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod support;

use std::cell::RefCell;
use std::time::Duration;

use mirage_conformance::fakes::FakeRuntime;
use mirage_net::{Capture, Direction, Event, Faults, Impairment, Recorder, Tap, Trace};
use support::rigs::{Fakes, Faulty, Hub, accepted};

#[test]
fn a_port_of_a_hub() {
    accepted(&FakeRuntime::new(), &Hub::new(|port| port));
}

#[test]
fn a_trace() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, &Fakes::new(&runtime, |network| Trace::new(network, runtime.clone())));
    accepted(&runtime, &Hub::new(|port| Trace::new(port, runtime.clone())));
}

#[test]
fn a_capture() {
    let runtime = FakeRuntime::new();
    let recorder = Recorder::new("the suite", 100_000);
    let wrap = |network| Capture::new(network, runtime.clone(), "eth0", &recorder);
    accepted(&runtime, &Fakes::new(&runtime, wrap));
    assert!(recorder.frames() > 0 && recorder.dropped() > 0);
    support::pcapng::read(&recorder.file()).unwrap();
}

#[test]
fn faults_at_rest() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, &Fakes::new(&runtime, |network| Faults::new(network, runtime.clone(), 1)));
    accepted(&runtime, &Hub::new(|port| Faults::new(port, runtime.clone(), 1)));
}

#[test]
fn faults_at_rest_and_unplugged() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, &Faulty { runtime: runtime.clone(), impairment: Impairment::NONE, left: RefCell::default() });
}

/// A network that is only slow is still a network. The suite waits a moment, 5 ms, for what it says must have come by
/// then. What is received is not delayed, as the suite looks which frames a flood leaves in the queue, of which there
/// are two then.
#[test]
fn faults_that_delay() {
    let impairment =
        Impairment { delay: Duration::from_micros(300), jitter: Duration::from_micros(200), ..Impairment::NONE };
    let runtime = FakeRuntime::new();
    accepted(&runtime, &Faulty { runtime: runtime.clone(), impairment, left: RefCell::default() });
    let wrap = |network| {
        let faults = Faults::new(network, runtime.clone(), 3);
        faults.control().set(Direction::Sent, impairment);
        faults
    };
    accepted(&runtime, &Fakes::new(&runtime, wrap));
}

#[test]
fn all_of_them_around_each_other() {
    let runtime = FakeRuntime::new();
    let recorder = Recorder::new("the suite", 100_000);
    let wrap = |network| {
        let captured = Capture::new(network, runtime.clone(), "wire", &recorder);
        let faulty = Faults::new(Faults::new(captured, runtime.clone(), 1), runtime.clone(), 2);
        Tap::with(faulty, runtime.clone(), |event: &Event<'_>| assert!(!event.to_string().is_empty()))
    };
    accepted(&runtime, &Fakes::new(&runtime, wrap));
}
