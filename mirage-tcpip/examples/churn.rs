//! Connections that are opened, used once and closed, one after the other: `cargo run --release --example churn`.
#![allow(clippy::unwrap_used, missing_docs)]

mod native;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use mirage_conformance::poll::join;
use mirage_sig::{Flow, Listener, Read, Stack, Write};
use mirage_tcpip::{Config, Tcpip};
use native::{Cable, Native};

fn measure(buffer: usize) {
    let runtime = Native::new();
    let (left, right) = Cable::pair(1_500);
    runtime.run(async {
        let config = |number: u8| {
            let mut config = Config::fixed(Ipv4Addr::new(10, 0, 0, number), 24);
            (config.tcp.receive_buffer, config.tcp.send_buffer) = (buffer, buffer);
            config
        };
        let client = Tcpip::new(left, &runtime, config(1)).unwrap();
        let server = Tcpip::new(right, &runtime, config(2)).unwrap();
        let mut listener = server.listen(80, 16).unwrap();
        let to = SocketAddr::from(([10, 0, 0, 2], 80));
        let (mut best, mut text) = (f64::MAX, [0; 64]);
        for _ in 0..20 {
            let begun = Instant::now();
            for _ in 0..500 {
                let (ours, theirs) = join(client.connect(to), listener.accept()).await;
                let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
                ours.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
                theirs.read(&mut text).await.unwrap();
                theirs.write_all(b"HTTP/1.0 204 No Content\r\n\r\n").await.unwrap();
                // The one that answers ends it, as HTTP/1.0 does.
                theirs.shutdown().await.unwrap();
                drop(theirs);
                while ours.read(&mut text).await.unwrap() > 0 {}
            }
            best = best.min(begun.elapsed().as_micros() as f64 / 500.0);
        }
        let stats = server.stats().tcp;
        println!(
            "buffers of {:>2} KiB: {best:.1} us for a connection, both sides; {} ended ones kept",
            buffer >> 10,
            stats.time_wait
        );
    });
}

fn main() {
    measure(4 << 10);
    measure(64 << 10);
}
