//! Mutates requests, answers or frames for some seconds: `cargo run --release --example fuzz -- request 60`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example may end with a word")]

#[path = "../tests/fuzz/mod.rs"]
mod fuzz;

use std::time::{Duration, Instant};

/// What an input is tried on.
type Run = fn(&[u8]);

/// What the mutations begin with; the first four bytes say how the rest is split.
const TEXTS: [&str; 8] = [
    "0000GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "0000POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /a/b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "0000POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5;x=y\r\nhello\r\n0\r\nt: u\r\n\r\n",
    "0000GET http://h/%41/%c3%a9?q=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "0000HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: y\r\n z\r\n\r\nhello",
    "0000HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nff\r\nx",
    "0000HTTP/1.0 404\r\n\r\nuntil the end",
    "0000HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 10\r\n\r\n",
];

const FRAMES: [&[u8]; 4] = [
    b"0000\x81\x85\x01\x02\x03\x04igomn\x88\x82\x00\x00\x00\x00\x03\xe8",
    b"0000\x01\x83\x00\x00\x00\x00abc\x89\x80\x00\x00\x00\x00\x80\x83\x00\x00\x00\x00def",
    b"0000\x82\xfe\x00\x80\x00\x00\x00\x00",
    b"0000\x81\x05hello\x88\x02\x03\xe8",
];

/// A generator of numbers that are the same with every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

fn mutate(seed: &[u8], others: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    const WORTH: [&[u8]; 12] =
        [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"%", b"0", b"ffffffffffffffff", b"\xff", b"\r\n\r\n", b"chunked"];
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        match numbers.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
            2 => {
                let end = bytes.len().min(at + numbers.below(12));
                bytes.drain(at..end);
            }
            3 => drop(bytes.splice(at..at, WORTH[numbers.below(WORTH.len())].iter().copied())),
            4 => {
                let other = &others[numbers.below(others.len())];
                let (from, count) = (numbers.below(other.len()), numbers.below(40));
                drop(bytes.splice(at..at, other[from..].iter().take(count).copied()));
            }
            _ => {
                let end = bytes.len().min(at + numbers.below(30));
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
        }
    }
    bytes.truncate(2_000);
    bytes
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (target, seconds) =
        (args.next().unwrap_or_default(), args.next().and_then(|text| text.parse().ok()).unwrap_or(10));
    let texts = |range: std::ops::Range<usize>| TEXTS[range].iter().map(|text| text.as_bytes().to_vec()).collect();
    let (run, mut corpus): (Run, Vec<Vec<u8>>) = match target.as_str() {
        "request" => (fuzz::fuzz_request, texts(0..4)),
        "response" => (fuzz::fuzz_response, texts(4..8)),
        "websocket" => (fuzz::fuzz_websocket, FRAMES.iter().map(|frame| frame.to_vec()).collect()),
        _ => {
            eprintln!("usage: fuzz request|response|websocket [SECONDS]");
            std::process::exit(2);
        }
    };
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (start, mut runs) = (Instant::now(), 0_u64);
    let seeds = corpus.len();
    while start.elapsed() < Duration::from_secs(seconds) {
        let seed = corpus[numbers.below(corpus.len())].clone();
        let bytes = mutate(&seed, &corpus, &mut numbers);
        // Printed only if it fails, so that it can be tried again.
        let guard = Report(&bytes);
        run(&bytes);
        std::mem::forget(guard);
        runs += 1;
        // A mutation now and then becomes a seed, so that mistakes can add up.
        if numbers.below(50) == 0 {
            if corpus.len() < 200 {
                corpus.push(bytes);
            } else {
                let place = seeds + numbers.below(corpus.len() - seeds);
                corpus[place] = bytes;
            }
        }
    }
    println!("{target}: {runs} inputs in {seconds} s, none of them a surprise");
}

/// Says what the input was if the run panics.
struct Report<'a>(&'a [u8]);

impl Drop for Report<'_> {
    fn drop(&mut self) {
        eprintln!("the input was b\"{}\"", self.0.escape_ascii());
    }
}
