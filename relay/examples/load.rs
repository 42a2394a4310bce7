//! What a relay can carry: `cargo run --release -p mirage-relay --example load`.
//!
//! The relay runs in a process of its own, so that its memory is its own; the clients share the machine with it, and what they
//! use is part of the figures.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails should say where")]

#[path = "../tests/station/mod.rs"]
mod station;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use mirage_relay::{Config, Limits, Nat, Reach, Relay};
use smoltcp::socket::tcp;
use station::{Socket, Station, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// How long each figure is measured.
const MEASURE: Duration = Duration::from_secs(4);
/// Frames of one sender under way at most: less than a client's queue, so that none is dropped.
const WINDOW: usize = 64;
/// Connections at once whose windows are together more than a client's queue.
const PARALLEL: usize = 32;
/// Bytes that are moved through the gateway.
const BULK: usize = 256 << 20;

#[tokio::main]
async fn main() {
    if std::env::args().nth(1).as_deref() == Some("relay") {
        return serve().await;
    }
    println!("one client alone, frames into the switch (they go nowhere)");
    for length in [60, 1514] {
        alone(length).await;
    }
    println!("clients in pairs, each sending to its partner");
    for clients in [2, 100, 1000] {
        for length in [60, 1514] {
            pairs(clients, length).await;
        }
    }
    println!("one client sends to all");
    for clients in [100, 1000] {
        broadcast(clients).await;
    }
    println!("clients that never read, flooded by one that does not stop");
    deaf(500).await;
    println!("TCP through the gateway, one connection, {} MiB", BULK >> 20);
    bulk().await;
    println!("TCP through the gateway, {PARALLEL} connections at once to one client, {} MiB", BULK >> 20);
    parallel().await;
}

/// The relay's process: prints its address, and ends with its standard input.
async fn serve() {
    let limits = Limits { frames_per_second: 0, bytes_per_second: 0, ..Limits::default() };
    let reach = Reach { host: true, ..Reach::default() };
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        limits,
        reach,
        nat: Nat::Only(vec!["nat".parse().unwrap()]),
        ..Config::default()
    };
    let relay = Relay::start(config).await.unwrap();
    println!("{}", relay.address());
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await.unwrap();
    relay.stop().await;
}

struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("relay")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    async fn dial(&self, lan: &str) -> Socket {
        connect_async(format!("ws://{}/lan/{lan}", self.address)).await.unwrap().0
    }

    /// Resident memory in MiB.
    fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// CPU time used so far. The kernel counts it in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
    }

    async fn metric(&self, name: &str) -> u64 {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn mac(n: usize) -> [u8; 6] {
    let [high, low] = (n as u16).to_be_bytes();
    [2, 0, 0, 1, high, low]
}

async fn alone(length: usize) {
    let relay = Process::start();
    let mut socket = relay.dial("x").await;
    let idle = relay.resident();
    let message = Message::binary(frame(mac(9), mac(1), length));
    let began = Instant::now();
    while began.elapsed() < MEASURE {
        for _ in 0..WINDOW {
            socket.feed(message.clone()).await.unwrap();
        }
        socket.flush().await.unwrap();
    }
    let frames = relay.metric("mirage_relay_frames_received_total").await;
    report(1, length, frames, began.elapsed(), idle, &relay);
}

async fn pairs(clients: usize, length: usize) {
    let relay = Process::start();
    let empty = relay.resident();
    let mut sockets = Vec::new();
    for n in 0..clients {
        let mut socket = relay.dial("x").await;
        // So that the switch knows everybody.
        socket.send(Message::binary(frame(mac(n), mac(n), 60))).await.unwrap();
        sockets.push(socket);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = relay.resident();
    println!("  {clients:5} clients idle: {:.1} MiB, {:.1} KiB each", idle, (idle - empty) * 1024.0 / clients as f64);
    let count = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for n in (0..clients).step_by(2) {
        let (receiver, sender) = (sockets.pop().unwrap(), sockets.pop().unwrap());
        let credits = Arc::new(Semaphore::new(WINDOW));
        let (mut sink, mut unread) = sender.split();
        let (mut pongs, mut stream) = receiver.split();
        // Taken from the end: the last receiver is the last client.
        let (to, from) = (mac(clients - 1 - n), mac(clients - 2 - n));
        let message = Message::binary(frame(to, from, length));
        tasks.push(tokio::spawn({
            let credits = credits.clone();
            async move {
                loop {
                    credits.acquire().await.unwrap().forget();
                    sink.feed(message.clone()).await.unwrap();
                    if credits.available_permits() == 0 {
                        sink.flush().await.unwrap();
                    }
                }
            }
        }));
        tasks.push(tokio::spawn(async move { while unread.next().await.is_some() {} }));
        let count = count.clone();
        tasks.push(tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if message.is_binary() {
                    count.fetch_add(1, Ordering::Relaxed);
                    credits.add_permits(1);
                } else {
                    let _ = pongs.flush().await;
                }
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, began) = (count.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(MEASURE).await;
    report(clients, length, count.load(Ordering::Relaxed) - before, began.elapsed(), idle, &relay);
    let dropped = relay.metric("mirage_relay_frames_dropped_total{reason=\"queue full\"}").await;
    if dropped > 0 {
        println!("        {dropped} dropped");
    }
    tasks.iter().for_each(|task| task.abort());
}

async fn broadcast(clients: usize) {
    let relay = Process::start();
    let mut sender = relay.dial("x").await;
    let count = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 1..clients {
        let mut socket = relay.dial("x").await;
        let count = count.clone();
        tasks.push(tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                count.fetch_add(u64::from(message.is_binary()), Ordering::Relaxed);
            }
        }));
    }
    let idle = relay.resident();
    let message = Message::binary(frame([0xff; 6], mac(1), 60));
    let (mut sent, began) = (0, Instant::now());
    while began.elapsed() < MEASURE {
        sender.send(message.clone()).await.unwrap();
        sent += clients as u64 - 1;
        while sent - count.load(Ordering::Relaxed) > WINDOW as u64 * (clients as u64 - 1) {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    }
    report(clients, 60, count.load(Ordering::Relaxed), began.elapsed(), idle, &relay);
    tasks.iter().for_each(|task| task.abort());
}

async fn deaf(clients: usize) {
    let relay = Process::start();
    let mut sender = relay.dial("x").await;
    let mut sockets = Vec::new();
    for _ in 1..clients {
        sockets.push(relay.dial("x").await);
    }
    let idle = relay.resident();
    let message = Message::binary(frame([0xff; 6], mac(1), 1514));
    let (mut sent, began) = (0_u64, Instant::now());
    while began.elapsed() < MEASURE * 2 {
        sender.send(message.clone()).await.unwrap();
        sent += 1;
    }
    let dropped = relay.metric("mirage_relay_frames_dropped_total{reason=\"queue full\"}").await;
    println!(
        "  {clients:5} clients, {sent} floods of 1514 B: {dropped} copies dropped; resident {:.1} MiB (idle {idle:.1})",
        relay.resident()
    );
}

fn report(clients: usize, length: usize, frames: u64, time: Duration, idle: f64, relay: &Process) {
    let rate = frames as f64 / time.as_secs_f64();
    println!(
        "  {clients:5} clients, {length:4} B: {:8.0} frames/s, {:6.0} Mbit/s; resident {:.1} MiB (idle {idle:.1})",
        rate,
        rate * length as f64 * 8.0 / 1e6,
        relay.resident()
    );
}

async fn bulk() {
    let relay = Process::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        // The first connection is sent to, the second one received from.
        let (mut down, _) = listener.accept().await.unwrap();
        let chunk = vec![0x5a; 256 << 10];
        for _ in 0..BULK / chunk.len() {
            down.write_all(&chunk).await.unwrap();
        }
        drop(down);
        let (mut up, _) = listener.accept().await.unwrap();
        let mut chunk = vec![0; 256 << 10];
        while up.read(&mut chunk).await.unwrap() > 0 {}
        up.write_all(b"!").await.unwrap();
        let (_idle, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut client = Station::new(relay.dial("nat").await, 1);
    client.dhcp().await;

    let handle = client.connect(to, 4000);
    let (mut received, began) = (0, Instant::now());
    client
        .run(|sockets, _| {
            let socket = sockets.get_mut::<tcp::Socket>(handle);
            while socket.can_recv() {
                received += socket.recv(|bytes| (bytes.len(), bytes.len())).unwrap();
            }
            (received == BULK).then_some(())
        })
        .await;
    rate("to the client", began.elapsed(), &relay);
    client.sockets.get_mut::<tcp::Socket>(handle).close();
    client.run(|_, _| Some(())).await;

    let handle = client.connect(to, 4001);
    let (mut left, began) = (BULK, Instant::now());
    let chunk = vec![0x5a; 64 << 10];
    client
        .run(|sockets, _| {
            let socket = sockets.get_mut::<tcp::Socket>(handle);
            while socket.can_send() && left > 0 {
                left -= socket.send_slice(&chunk[..chunk.len().min(left)]).unwrap();
            }
            if left == 0 && socket.state() == tcp::State::Established {
                socket.close();
            }
            socket.can_recv().then_some(())
        })
        .await;
    rate("from the client", began.elapsed(), &relay);
    let dropped = relay.metric("mirage_relay_frames_dropped_total{reason=\"queue full\"}").await;
    println!("        {dropped} frames dropped");

    let handle = client.connect(to, 4002);
    client.run(|sockets, _| sockets.get_mut::<tcp::Socket>(handle).may_send().then_some(())).await;
    let before = relay.cpu();
    let idle = Duration::from_secs(10);
    let _ = tokio::time::timeout(idle, client.run(|_, _| None::<()>)).await;
    println!("  one open connection, idle: {:?} of CPU time in {idle:?}", relay.cpu() - before);
}

async fn parallel() {
    let relay = Process::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let chunk = vec![0x5a; 64 << 10];
                for _ in 0..BULK / PARALLEL / chunk.len() {
                    stream.write_all(&chunk).await.unwrap();
                }
            });
        }
    });
    let mut client = Station::new(relay.dial("nat").await, 1);
    client.dhcp().await;
    let handles: Vec<_> = (0..PARALLEL).map(|n| client.connect(to, 4000 + n as u16)).collect();
    let (mut received, began) = (0, Instant::now());
    client
        .run(|sockets, _| {
            for handle in &handles {
                let socket = sockets.get_mut::<tcp::Socket>(*handle);
                while socket.can_recv() {
                    received += socket.recv(|bytes| (bytes.len(), bytes.len())).unwrap();
                }
            }
            (received == BULK).then_some(())
        })
        .await;
    rate("to the client", began.elapsed(), &relay);
    let dropped = relay.metric("mirage_relay_frames_dropped_total{reason=\"queue full\"}").await;
    println!("        {dropped} frames dropped");
}

fn rate(direction: &str, time: Duration, relay: &Process) {
    println!(
        "  {direction}: {:.0} Mbit/s; resident {:.1} MiB",
        BULK as f64 * 8.0 / time.as_secs_f64() / 1e6,
        relay.resident()
    );
}
