//! Bytes between two stacks in one thread: `cargo run --release --example throughput [SECONDS]`.
#![allow(clippy::unwrap_used, missing_docs)]

mod native;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mirage_conformance::poll::join;
use mirage_sig::{Flow, Listener, Read, Stack, Write};
use mirage_tcpip::{Checksums, Config, Tcpip};
use native::{Cable, Native};

fn measure(mtu: usize, buffer: usize, checksums: Checksums, span: Duration) {
    let runtime = Native::new();
    let (left, right) = Cable::pair(mtu);
    runtime.run(async {
        let config = |number: u8| {
            let mut config = Config::fixed(Ipv4Addr::new(10, 0, 0, number), 24);
            (config.tcp.receive_buffer, config.tcp.send_buffer, config.checksums) = (buffer, buffer, checksums);
            config
        };
        let client = Tcpip::new(left, &runtime, config(1)).unwrap();
        let server = Tcpip::new(right, &runtime, config(2)).unwrap();
        let mut listener = server.listen(80, 1).unwrap();
        let to = SocketAddr::from(([10, 0, 0, 2], 80));
        let (ours, theirs) = join(client.connect(to), listener.accept()).await;
        let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
        let begun = Instant::now();
        let send = async {
            let block = vec![7; 64 << 10];
            while begun.elapsed() < span {
                ours.write_all(&block).await.unwrap();
            }
            ours.shutdown().await.unwrap();
        };
        let receive = async {
            let (mut total, mut block) = (0_u64, vec![0; 64 << 10]);
            loop {
                match theirs.read(&mut block).await.unwrap() {
                    0 => return total,
                    count => total += count as u64,
                }
            }
        };
        let ((), total) = join(send, receive).await;
        let seconds = begun.elapsed().as_secs_f64();
        let frames = client.stats().frames.sent + server.stats().frames.sent;
        println!(
            "MTU {mtu:>5}, buffers of {:>3} KiB, checksums {checksums:?}: {:.2} Gbit/s, {:.2} million frames/s, {} sent again",
            buffer >> 10,
            total as f64 * 8.0 / seconds / 1e9,
            frames as f64 / seconds / 1e6,
            client.stats().tcp.retransmitted,
        );
    });
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    let span = Duration::from_secs(seconds);
    for buffer in [16 << 10, 64 << 10, 256 << 10] {
        measure(1_500, buffer, Checksums::Verify, span);
        measure(1_500, buffer, Checksums::Trusted, span);
    }
    measure(9_000, 256 << 10, Checksums::Verify, span);
}
