//! What a frame costs while many connections are idle: `cargo run --release --example idle`.
#![allow(clippy::unwrap_used, missing_docs)]

mod native;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use mirage_conformance::poll::join;
use mirage_sig::{Listener, Read, Stack, Write};
use mirage_tcpip::{Config, Flow, Tcpip};
use native::{Cable, Native};

/// Bytes in memory, as the kernel counts them.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0) * 1_024
}

fn config(number: u8, buffer: usize) -> Config {
    let mut config = Config::fixed(Ipv4Addr::new(10, 0, 0, number), 24);
    (config.tcp.receive_buffer, config.tcp.send_buffer) = (buffer, buffer);
    config
}

async fn pair(client: &Tcpip, listener: &mut impl Listener<Flow = Flow>) -> (Flow, Flow) {
    let to = SocketAddr::from(([10, 0, 0, 2], 80));
    let (ours, theirs) = join(client.connect(to), listener.accept()).await;
    (ours.unwrap(), theirs.ok().unwrap())
}

fn measure(idle: usize, buffer: usize) {
    let runtime = Native::new();
    let (left, right) = Cable::pair(1_500);
    runtime.run(async {
        let client = Tcpip::new(left, &runtime, config(1, buffer)).unwrap();
        let server = Tcpip::new(right, &runtime, config(2, buffer)).unwrap();
        let mut listener = server.listen(80, 16).unwrap();
        let (mut ours, mut theirs) = pair(&client, &mut listener).await;
        let (before, begun) = (resident(), Instant::now());
        let mut kept = Vec::with_capacity(idle);
        for _ in 0..idle {
            kept.push(pair(&client, &mut listener).await);
        }
        let (opening, memory) = (begun.elapsed(), resident().saturating_sub(before));
        // There and back, one byte at a time: each frame is a wake-up of its own. The best of many, as others use the machine.
        let frames = || client.stats().frames.sent + server.stats().frames.sent;
        let (mut best, mut byte) = (f64::MAX, [0]);
        for _ in 0..40 {
            let (sent, begun) = (frames(), Instant::now());
            for _ in 0..5_000 {
                ours.write(&[1]).await.unwrap();
                theirs.read(&mut byte).await.unwrap();
                theirs.write(&byte).await.unwrap();
                ours.read(&mut byte).await.unwrap();
            }
            best = best.min(begun.elapsed().as_nanos() as f64 / (frames() - sent) as f64);
        }
        print!("{idle:>6} idle connections: {best:>5.0} ns a frame");
        if idle > 0 {
            print!(
                ", {:.1} us to open one, {} bytes of memory for both its ends with buffers of {buffer}",
                opening.as_micros() as f64 / idle as f64,
                memory / idle
            );
        }
        println!();
    });
}

fn main() {
    // First the one of which the memory is of interest, as what was freed is used again.
    measure(10_000, 64);
    measure(0, 4_096);
    for idle in [10, 1_000, 10_000] {
        measure(idle, 4_096);
    }
    measure(10_000, 64 << 10);
}
