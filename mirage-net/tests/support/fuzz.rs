//! What any bytes whatever must not break. Each takes a fuzzer's input and panics if something is wrong.

use std::cell::Cell;
use std::time::Duration;

use mirage_conformance::fakes::FakeRuntime;
use mirage_net::decode::{Summary, Value, layers};
use mirage_net::{Direction, Faults, Impairment, Lan, Wiring};
use mirage_sig::{Link, Network, NetworkStats, SendError, Sleep};

/// No line is longer than this, whatever the frame: what a frame can make somebody's log write is bounded.
pub const LINE_MAX: usize = 4_096;

/// Any bytes can be decoded: the layers cover them without a gap, the fields lie in their layers, everything can be
/// shown, and the line is a line.
pub fn fuzz_decode(data: &[u8]) {
    let line = Summary(data).to_string();
    assert!(!line.is_empty() && line.len() <= LINE_MAX, "a line of {} bytes", line.len());
    assert!(!line.contains(|letter: char| letter.is_control()), "{line:?}");

    let layers = layers(data);
    let mut at = 0;
    for layer in &layers {
        assert_eq!(layer.range.start, at, "{layer:?}");
        assert!(layer.range.end >= at);
        at = layer.range.end;
        let mut start = layer.range.start;
        for field in &layer.fields {
            assert!(field.range.start >= start && field.range.end <= layer.range.end, "{field:?} in {layer:?}");
            assert!(!field.range.is_empty());
            start = field.range.start;
            assert!(!field.value.to_string().contains(|letter: char| letter.is_control()));
            if let Value::Bytes(bytes) | Value::Text(bytes) = &field.value {
                assert_eq!(*bytes, &data[field.range.clone()]);
            }
        }
    }
    assert_eq!(at, data.len());
}

/// Takes numbers off a fuzzer's input; zeros when it is used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }
}

/// A program for two stations with faults: sending, receiving, waiting, changing the faults, unplugging. Whatever it
/// does, no frame is made out of nothing, the counters add up and never decrease, and in the end nothing is under way.
pub fn fuzz_faults(data: &[u8]) {
    let runtime = FakeRuntime::new();
    runtime.run(run_faults(&runtime, Input(data))).unwrap();
}

async fn run_faults(runtime: &FakeRuntime, mut input: Input<'_>) {
    let lan = Lan::new(Wiring::Hub, 200);
    let ada = Faults::new(lan.port(), runtime.clone(), input.byte().into());
    let bob = Faults::new(lan.port(), runtime.clone(), input.byte().into());
    let sent = Cell::new(0);
    let taken = Cell::new(0);
    let mut before = [ada.stats(), bob.stats()];
    // Of an input of any length, a program of a length that ends.
    for _ in 0..2_000 {
        if input.0.is_empty() {
            break;
        }
        let action = input.byte();
        let station = if action & 0x80 == 0 { &ada } else { &bob };
        match action & 7 {
            0..=2 => {
                let length = usize::from(input.byte());
                match station.try_send(length, |frame| frame.fill(length as u8)) {
                    Ok(()) => sent.set(sent.get() + 1),
                    Err(SendError::Length { .. }) => assert!(!(14..=214).contains(&length)),
                    Err(error) => assert_eq!(error, SendError::Full),
                }
            }
            3 => {
                while let Some(length) = station.try_receive(|frame| frame.len()) {
                    assert!((14..=214).contains(&length));
                    taken.set(taken.get() + 1);
                }
            }
            4 => runtime.sleep(Duration::from_micros(input.word().into())).await,
            5 => {
                let direction = if action & 8 == 0 { Direction::Sent } else { Direction::Received };
                let chance = |byte: u8| u32::from(byte) * 5_000;
                station.control().set(
                    direction,
                    Impairment {
                        loss_ppm: chance(input.byte()),
                        corrupt_ppm: chance(input.byte()),
                        duplicate_ppm: chance(input.byte()),
                        reorder_ppm: chance(input.byte()),
                        reorder_by: Duration::from_micros(input.word().into()),
                        delay: Duration::from_micros(input.word().into()),
                        jitter: Duration::from_micros(input.word().into()),
                        rate_bps: u64::from(input.word()) * 100,
                        burst_bytes: input.word().into(),
                        queue_frames: input.byte().into(),
                    },
                );
            }
            6 => station.control().plug(if action & 8 == 0 { Link::Down } else { Link::Up }),
            _ => drop(mirage_conformance::poll::poll_times(station.readable(), 2).await),
        }
        let after = [ada.stats(), bob.stats()];
        for (before, after) in before.iter().zip(&after) {
            let counters = |stats: &NetworkStats| {
                [stats.rx_frames, stats.rx_bytes, stats.rx_dropped, stats.tx_frames, stats.tx_bytes, stats.tx_dropped]
            };
            for (before, after) in counters(before).into_iter().zip(counters(after)) {
                assert!(before <= after, "a counter went from {before} to {after}");
            }
        }
        before = after;
    }

    // Plugged in, and given the time that the slowest frame may need, everything comes to rest.
    for station in [&ada, &bob] {
        station.control().plug(Link::Up);
        station.control().set_both(Impairment::NONE);
    }
    runtime.sleep(Duration::from_secs(200_000)).await;
    let stats = [ada.stats(), bob.stats()];
    let frames = |count: fn(&NetworkStats) -> u64| stats.iter().map(count).sum::<u64>();
    let ways = [Direction::Sent, Direction::Received];
    let copies = |station: &Faults<_, _>| ways.map(|way| station.control().counters(way).duplicated);
    let duplicated: u64 = [&ada, &bob].into_iter().flat_map(copies).sum();
    assert_eq!(frames(|stats| stats.tx_frames), sent.get());
    assert_eq!(frames(|stats| stats.rx_frames + stats.rx_dropped + stats.tx_dropped), sent.get() + duplicated);
    for station in [&ada, &bob] {
        while station.try_receive(|_| ()).is_some() {
            taken.set(taken.get() + 1);
        }
    }
    assert_eq!(taken.get(), frames(|stats| stats.rx_frames));
    // The tasks that moved frames have ended.
    assert_eq!((runtime.tasks(), runtime.timers()), (0, 0));
}
