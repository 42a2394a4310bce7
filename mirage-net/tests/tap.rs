//! Looking on changes nothing, and misses nothing.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod support;

use std::cell::RefCell;
use std::sync::Mutex;

use mirage_conformance::fakes::FakeRuntime;
use mirage_net::{Direction, Event, Lan, Tap, Trace};
use mirage_sig::{Link, Network};
use support::frames;

fn send(network: &impl Network, frame: &[u8]) {
    network.try_send(frame.len(), |buffer| buffer.copy_from_slice(frame)).unwrap();
}

/// What was logged, of any test of this file that logs: there is one.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Lines;

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.lock().unwrap().push(format!("{} {} {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

#[test]
fn a_trace_logs_a_line_for_each_frame() {
    log::set_logger(&Lines).unwrap();
    let lan = Lan::hub();
    let ada = Trace::new(lan.port(), FakeRuntime::new());
    let bob = lan.port();
    send(&ada, &frames::ping(1, 2, b"abc"));
    assert!(LINES.lock().unwrap().is_empty(), "nobody has asked for it");

    log::set_max_level(log::LevelFilter::Trace);
    send(&ada, &frames::ping(1, 3, b"abc"));
    send(&bob, &frames::udp(1_000, 2_000, b"hello"));
    assert!(ada.try_receive(|_| ()).is_some());
    assert_eq!(
        *LINES.lock().unwrap(),
        [
            "TRACE frames 1.000000 02:00:00:00:00:01 -> 10.0.0.1 > 10.0.0.2 ICMP echo request id 1 seq 3 len 3",
            "TRACE frames 1.000000 02:00:00:00:00:01 <- 10.0.0.1 > 10.0.0.2 UDP 1000 > 2000 len 5",
        ]
    );
}

#[test]
fn a_sink_sees_what_was_sent_and_what_came_and_nothing_else() {
    let seen = RefCell::new(Vec::new());
    let lan = Lan::hub();
    let sink = |event: &Event<'_>| seen.borrow_mut().push((event.direction, event.frame.to_vec()));
    let ada = Tap::with(lan.port(), FakeRuntime::new(), sink);
    let bob = lan.port();
    let (question, answer) = (frames::ping(1, 1, b"question"), frames::ping(1, 1, b"answer"));
    assert!(ada.try_receive(|_| ()).is_none());
    assert!(ada.try_send(5, |_| ()).is_err());
    send(&ada, &question);
    send(&bob, &answer);
    assert_eq!(ada.try_receive(|frame| frame.fill(0)), Some(()));
    // While the link is down, frames are taken all the same.
    ada.inner().cable().plug(Link::Down);
    send(&ada, &answer);
    assert_eq!(
        *seen.borrow(),
        [(Direction::Sent, question), (Direction::Received, answer.clone()), (Direction::Sent, answer)]
    );
}
