//! Mutates frames for some seconds: `cargo run --release --example fuzz -- frame 60 [SEED]`.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::fuzz::{encode, fuzz_frame, seeds};
use mirage_conformance::fakes::FakeRandom;
use mirage_sig::Random;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().unwrap_or_else(|| "frame".into());
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    let seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    assert_eq!(target, "frame", "the targets are: frame");
    let random = FakeRandom::new(seed);
    let below = |bound: usize| u64::from_le_bytes(random.random()) as usize % bound.max(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut runs, mut frames_sent) = (0_u64, 0_u64);
    while Instant::now() < end {
        let frames: Vec<_> = (0..1 + below(60))
            .map(|_| {
                let seeds = seeds();
                let mut frame = seeds[below(seeds.len())].clone();
                for _ in 0..below(5) {
                    mutate(&mut frame, &below);
                }
                frame
            })
            .collect();
        frames_sent += frames.len() as u64;
        let data = encode(&frames);
        // A panic ends the process: say before what it was about.
        let shown = data.clone();
        std::panic::set_hook(Box::new(move |info| eprintln!("{info}\ninput: {shown:02x?}")));
        fuzz_frame(&data);
        runs += 1;
    }
    println!("{target}: {runs} runs, {frames_sent} frames, seed {seed}: nothing found");
}

fn mutate(frame: &mut Vec<u8>, below: &impl Fn(usize) -> usize) {
    if frame.is_empty() {
        return;
    }
    let at = below(frame.len());
    match below(6) {
        0 => frame[at] ^= 1 << below(8),
        1 => frame[at] = below(256) as u8,
        2 => frame.truncate(at),
        3 => frame.insert(at, below(256) as u8),
        4 => frame[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)],
        _ => frame.extend(core::iter::repeat_n(below(256) as u8, below(1_400))),
    }
}
