//! Mutates seeds for some seconds and gives them to one of the entries in `tests/support/fuzz.rs`:
//!
//! ```sh
//! cargo run --release -p mirage-net --example fuzz -- decode 30
//! ```
//!
//! What breaks an entry is written to standard error before it does, as the panic ends the run.
#![allow(missing_docs, reason = "a program")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The longest input, in bytes.
const LENGTH_MAX: usize = 2_000;

type Entry = fn(&[u8]);

/// xorshift64* (Vigna 2016), for which any seed but zero will do.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 32) as usize % bound.max(1)
    }
}

fn mutate(random: &mut Random, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    for _ in 0..=random.below(6) {
        let at = random.below(data.len());
        match random.below(8) {
            0 => data.truncate(at),
            1 => data.insert(at, random.next() as u8),
            2 if !data.is_empty() => drop(data.remove(at)),
            // The ends of ranges, where mistakes are.
            3 if !data.is_empty() => data[at] = [0, 1, 0x7f, 0x80, 0xc0, 0xff][random.below(6)],
            4 if !data.is_empty() => data[at] = random.next() as u8,
            5 if !data.is_empty() => data[at] ^= 1 << random.below(8),
            6 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                data.splice(at.min(data.len()).., other[from.min(other.len())..].iter().copied());
            }
            _ if !data.is_empty() => {
                let copy = data[at..].to_vec();
                data.extend(copy);
            }
            _ => data.push(random.next() as u8),
        }
    }
    data.truncate(LENGTH_MAX);
}

thread_local! {
    /// What is being tried, for the message of a panic.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (target, seconds) = (arguments.next().unwrap_or_default(), arguments.next());
    let (entry, seeds): (Entry, Vec<Vec<u8>>) = match &*target {
        "decode" => (support::fuzz::fuzz_decode, support::frames::all().into_iter().map(|(frame, _)| frame).collect()),
        "faults" => {
            // Both directions with a bit of everything, then frames to and fro.
            let impaired = [5, 20, 20, 20, 20, 1, 0, 2, 0, 0, 100, 3, 232, 0, 200, 10];
            let traffic = [0, 60, 0, 100, 0x80, 14, 4, 1, 0, 3, 0x83, 7, 6, 0, 50, 0x0e, 0x87];
            (support::fuzz::fuzz_faults, vec![traffic.to_vec(), [&[1, 2][..], &impaired, &traffic].concat()])
        }
        _ => {
            eprintln!("usage: fuzz decode|faults SECONDS");
            return ExitCode::from(2);
        }
    };
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(10);
    let end = Instant::now() + Duration::from_secs(seconds);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        INPUT.with_borrow(|input| eprintln!("the input: {input:?}"));
        before(panic);
    }));
    let mut random = Random(0x6d69_7261_6765);
    let mut inputs: u64 = 0;
    while Instant::now() < end {
        let mut data = seeds[random.below(seeds.len())].clone();
        mutate(&mut random, &mut data, &seeds);
        INPUT.replace(data.clone());
        entry(&data);
        inputs += 1;
    }
    println!("{target}: {inputs} inputs in {seconds} s, nothing found");
    ExitCode::SUCCESS
}
