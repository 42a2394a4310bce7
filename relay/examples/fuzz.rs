//! Fuzzes one entry for some seconds: `cargo run --release --example fuzz -- door|frame SECONDS [SEED]`.
//!
//! Mutates a corpus of seeds. What makes it grow is not coverage but chance: every so often a mutant takes an old one's place.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mirage_relay::fuzz::{fuzz_door, fuzz_frame};

/// xorshift64*: fast, seeded, and good enough to choose by.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

type Target = fn(&[u8]);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (target, seconds) =
        (arguments.next().unwrap_or_default(), arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10));
    let (fuzz, seeds): (Target, Vec<Vec<u8>>) = match target.as_str() {
        "door" => (fuzz_door, doors()),
        "frame" => (fuzz_frame, frames()),
        _ => {
            eprintln!("usage: fuzz door|frame SECONDS [SEED]");
            return ExitCode::FAILURE;
        }
    };
    let seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (mut random, mut corpus, mut runs) = (Random(seed), seeds.clone(), 0_u64);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        for _ in 0..64 {
            let mut data = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(6) {
                mutate(&mut data, &corpus, &mut random);
            }
            data.truncate(8192);
            fuzz(&data);
            runs += 1;
            if random.below(50) == 0 {
                let kept = seeds.len() + random.below(256);
                if kept < corpus.len() {
                    corpus[kept] = data;
                } else {
                    corpus.push(data);
                }
            }
        }
    }
    println!("{target}: {runs} inputs in {seconds} s from seed {seed}, no panic");
    ExitCode::SUCCESS
}

fn mutate(data: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(data.len());
    match random.below(7) {
        0 if !data.is_empty() => data[at] ^= 1 << random.below(8),
        1 if !data.is_empty() => data[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'/', b'='][random.below(8)],
        2 if !data.is_empty() => data[at] = random.next() as u8,
        3 => data.insert(at, random.next() as u8),
        4 if !data.is_empty() => drop(data.drain(at..(at + 1 + random.below(8)).min(data.len()))),
        5 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len());
            data.extend_from_slice(&other[from..]);
        }
        6 if data.len() >= 2 => {
            let value = (random.next() as u16).to_be_bytes();
            let at = at.min(data.len() - 2);
            data[at..at + 2].copy_from_slice(&value);
        }
        _ => {}
    }
}

fn doors() -> Vec<Vec<u8>> {
    [
        "/\ntoken=0123456789abcdef\nhttp://localhost:5173",
        "/lan/0\na=b&token=0123456789abcdef\nhttps://[::1]",
        "/lan/lab-3\n\nhttps://lab.example.org:*",
        "udp:lab/[::1]:5353:10.0.2.20:53\n\nnull",
        "192.168.1.0/24\ntoken=\nhttp://127.0.0.1:80",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// ARP, DHCP, DNS, a ping, and a TCP connection up to its end, each frame with flags that ask for right checksums.
fn frames() -> Vec<Vec<u8>> {
    let gateway = [0x52, 0x55, 10, 0, 2, 2];
    let ethernet = |to: [u8; 6], kind: u8, payload: &[u8]| {
        let frame = [&to[..], &[2, 0, 0, 0, 0, 1, 8, kind], payload].concat();
        [&[0x80, (frame.len() >> 8) as u8, frame.len() as u8], &frame[..]].concat()
    };
    let ipv4 = |to: [u8; 4], protocol: u8, payload: &[u8]| {
        let length = (payload.len() + 20).to_be_bytes();
        let head = [0x45, 0, length[6], length[7], 0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 0, 2, 15];
        ethernet(gateway, 0, &[&head[..], &to, payload].concat())
    };
    let udp = |to: [u8; 4], port: u8, payload: &[u8]| {
        let length = (payload.len() + 8).to_be_bytes();
        ipv4(to, 17, &[&[0x10, 0, 0, port, length[6], length[7], 0, 0], payload].concat())
    };
    let tcp = |seq: u8, ack: u8, flags: u8, payload: &[u8]| {
        let head = [0x10, 0, 0, 80, 0, 0, 0, seq, 0, 0, 0, ack, 0x50, flags, 0x20, 0, 0, 0, 0, 0];
        ipv4([1, 1, 1, 1], 6, &[&head[..], payload].concat())
    };
    let mut dhcp = vec![1, 1, 6, 0, 1, 2, 3, 4];
    dhcp.resize(28, 0);
    dhcp.extend_from_slice(&[2, 0, 0, 0, 0, 1]);
    dhcp.resize(236, 0);
    dhcp.extend_from_slice(&[0x63, 0x82, 0x53, 0x63, 53, 1, 1, 50, 4, 10, 0, 2, 20, 55, 3, 1, 3, 6, 255]);
    let arp = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2];
    let dns = [&[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x06mirage\x04test\0", &[0, 1, 0, 1]].concat();
    vec![
        ethernet([0xff; 6], 6, &arp),
        udp([255; 4], 67, &dhcp),
        udp([10, 0, 2, 3], 53, &dns),
        udp([192, 168, 0, 1], 9, b"refused"),
        ipv4([10, 0, 2, 2], 1, &[8, 0, 0, 0, 0, 7, 0, 1, b'p', b'i', b'n', b'g']),
        [tcp(1, 0, 2, b""), tcp(2, 1, 16, b""), tcp(2, 1, 24, b"GET /"), tcp(7, 1, 17, b"")].concat(),
        [tcp(1, 0, 2, b""), tcp(9, 0, 4, b"")].concat(),
    ]
}
