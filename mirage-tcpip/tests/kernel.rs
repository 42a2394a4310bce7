//! The stack against Linux's own TCP, through a TAP device in a network namespace that the test makes. Skipped, with a line
//! that says so, where that is not allowed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "../examples/native/mod.rs"]
mod native;

use std::cell::{Cell, RefCell};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Poll, Waker};
use std::time::Duration;

use mirage_conformance::fakes::FakeRandom;
use mirage_sig::{Flow, Link, Listener, Mac, Network, NetworkStats, Random, Read, SendError, Stack, Write};
use mirage_tcpip::{Config, Tcpip};
use native::Native;
use tappers::{Interface, Tap};

const CHILD: &str = "MIRAGE_TCPIP_KERNEL_CHILD";
const KERNEL: [u8; 4] = [10, 9, 0, 1];
const OURS: [u8; 4] = [10, 9, 0, 2];
const PORT: u16 = 4_000;

/// A TAP device, of which a thread reads; some frames are lost both ways.
#[derive(Clone)]
struct Wire(Rc<Inner>);

struct Inner {
    tap: Arc<Tap>,
    frames: Receiver<Vec<u8>>,
    next: RefCell<Option<Vec<u8>>>,
    reader: Cell<Option<Waker>>,
    random: FakeRandom,
    lost_in_thousand: Cell<u32>,
}

impl Wire {
    fn lost(&self) -> bool {
        let parts = self.0.lost_in_thousand.get();
        parts > 0 && u32::from_le_bytes(self.0.random.random()) % 1_000 < parts
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.0.next.borrow_mut().take().or_else(|| self.0.frames.try_recv().ok())
    }

    /// Waits for a frame, for so long.
    fn idle(&self, wait: Duration) {
        if let Ok(frame) = self.0.frames.recv_timeout(wait.min(Duration::from_secs(1))) {
            *self.0.next.borrow_mut() = Some(frame);
            if let Some(waker) = self.0.reader.take() {
                waker.wake();
            }
        }
    }
}

impl Network for Wire {
    fn mac(&self) -> Mac {
        Mac([2, 0, 0, 0, 9, 2])
    }

    fn mtu(&self) -> usize {
        1_500
    }

    fn link(&self) -> Link {
        Link::Up
    }

    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        if !(14..=1_514).contains(&length) {
            return Err(SendError::Length { asked: length, longest: 1_514 });
        }
        let mut frame = [0; 1_514];
        let result = fill(&mut frame[..length]);
        if !self.lost() {
            self.0.tap.send(&frame[..length]).unwrap();
        }
        Ok(result)
    }

    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        loop {
            let mut frame = self.take()?;
            if !self.lost() {
                return Some(take(&mut frame));
            }
        }
    }

    async fn readable(&self) {
        std::future::poll_fn(|cx| {
            let frame = self.take();
            if frame.is_some() {
                *self.0.next.borrow_mut() = frame;
                return Poll::Ready(());
            }
            self.0.reader.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    async fn writable(&self) {}

    async fn link_change(&self, _known: Link) -> Link {
        std::future::pending().await
    }

    fn stats(&self) -> NetworkStats {
        NetworkStats::default()
    }
}

/// Bytes that tell where they are.
fn byte(at: usize) -> u8 {
    ((at as u32).wrapping_mul(2_654_435_761) >> 24) as u8
}

fn block(at: usize, length: usize) -> Vec<u8> {
    (at..at + length).map(byte).collect()
}

/// Takes a connection at the kernel's side, and sends back what comes in: all of it, when the end has come.
fn kernel_echo(listener: &TcpListener, length: usize) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut seen = Vec::with_capacity(length);
    stream.read_to_end(&mut seen).unwrap();
    assert_eq!(seen.len(), length);
    assert!(seen.iter().enumerate().all(|(at, seen)| *seen == byte(at)), "the kernel saw other bytes");
    stream.write_all(&seen).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
}

async fn send(flow: &mut mirage_tcpip::Flow, length: usize) {
    let mut at = 0;
    while at < length {
        let block = block(at, (length - at).min(64 << 10));
        flow.write_all(&block).await.unwrap();
        at += block.len();
    }
    flow.shutdown().await.unwrap();
}

async fn receive(flow: &mut mirage_tcpip::Flow, length: usize) {
    let (mut at, mut buffer) = (0, vec![0; 64 << 10]);
    loop {
        match flow.read(&mut buffer).await.unwrap() {
            0 => break,
            count => {
                assert!(buffer[..count].iter().enumerate().all(|(step, seen)| *seen == byte(at + step)));
                at += count;
            }
        }
    }
    assert_eq!(at, length);
}

/// Exchanges `length` bytes each way over a wire that loses so many frames, once opened from here and once from there.
fn exchange(wire: &Wire, length: usize) {
    let runtime = Native::new();
    let listener = TcpListener::bind(SocketAddr::from((KERNEL, PORT))).unwrap();
    let idle = wire.clone();
    let work = async {
        let stack = Tcpip::new(wire.clone(), &runtime, Config::fixed(Ipv4Addr::from(OURS), 24)).unwrap();
        let kernel = std::thread::spawn(move || kernel_echo(&listener, length));
        let begun = std::time::Instant::now();
        // With a fifth of the frames lost, three questions for an address may go without an answer.
        let mut flow = loop {
            match stack.connect(SocketAddr::from((KERNEL, PORT))).await {
                Ok(flow) => break flow,
                Err(error) if wire.0.lost_in_thousand.get() < 200 => panic!("{error}"),
                Err(_) => mirage_sig::Sleep::sleep(&runtime, Duration::from_secs(2)).await,
            }
        };
        send(&mut flow, length).await;
        flow.flush().await.unwrap();
        let there = begun.elapsed();
        receive(&mut flow, length).await;
        let back = begun.elapsed() - there;
        kernel.join().unwrap();
        drop(flow);

        // The other way round: the kernel connects, sends a little, and ends first.
        let mut ours = stack.listen(PORT, 4).unwrap();
        let kernel = std::thread::spawn(|| {
            let mut stream = TcpStream::connect(SocketAddr::from((OURS, PORT))).unwrap();
            stream.write_all(b"from the kernel").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).unwrap();
            seen
        });
        let mut flow = ours.accept().await.unwrap();
        let mut seen = [0; 15];
        flow.read_exact(&mut seen).await.unwrap();
        assert_eq!((&seen, flow.read(&mut [0]).await.unwrap()), (b"from the kernel", 0));
        flow.write_all(b"to the kernel").await.unwrap();
        flow.shutdown().await.unwrap();
        flow.flush().await.unwrap();
        // The kernel's thread waits for the end, which is sent while this one goes on.
        while !kernel.is_finished() {
            mirage_sig::Sleep::sleep(&runtime, Duration::from_millis(5)).await;
        }
        assert_eq!(kernel.join().unwrap(), b"to the kernel");
        let echo = stack.ping(Ipv4Addr::from(KERNEL).into(), 1_000).await;
        assert!(echo.is_ok() || wire.0.lost_in_thousand.get() > 0);
        let rate = |took: Duration| length as f64 * 8.0 / took.as_secs_f64() / 1e6;
        println!(
            "{:>4.1} % lost, {:>9} bytes: {:>6.1} s ({:.1} Mbit/s) to the kernel, {:>6.1} s ({:.1} Mbit/s) from it; {} segments sent again",
            f64::from(wire.0.lost_in_thousand.get()) / 10.0,
            length,
            there.as_secs_f64(),
            rate(there),
            back.as_secs_f64(),
            rate(back),
            stack.stats().tcp.retransmitted,
        );
    };
    runtime.run_with(work, move |wait| idle.idle(wait));
}

fn run(command: &str, arguments: &[&str]) -> bool {
    Command::new(command).args(arguments).status().is_ok_and(|status| status.success())
}

/// In the namespace.
fn child() {
    let mut tap = Tap::new_named(Interface::new("mirage0").unwrap()).unwrap();
    tap.set_up().unwrap();
    assert!(
        run("ip", &["addr", "add", "10.9.0.1/24", "dev", "mirage0"]) && run("ip", &["link", "set", "mirage0", "up"])
    );
    let tap = Arc::new(tap);
    let (sender, frames) = channel();
    let reader = tap.clone();
    // Ends with the process.
    std::thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok(length) = reader.recv(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    let wire = Wire(Rc::new(Inner {
        tap,
        frames,
        next: RefCell::default(),
        reader: Cell::default(),
        random: FakeRandom::new(7),
        lost_in_thousand: Cell::new(0),
    }));
    // Where frames are lost, fewer bytes, so that all of it stays below a minute.
    for (lost_in_thousand, length) in [(0, 100_000_000), (10, 2_000_000), (50, 200_000), (200, 10_000)] {
        wire.0.lost_in_thousand.set(lost_in_thousand);
        exchange(&wire, length);
    }
}

#[test]
fn bytes_go_to_the_kernel_and_back() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    // As root, or as the root of a user namespace of our own.
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let allowed = |way: &&&[&str]| {
        let make = "ip tuntap add dev mirage0 mode tap && ip link del mirage0";
        let output = Command::new("unshare").args(**way).args(["sh", "-c", make]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(allowed) else {
        println!("skipped: no TAP device in a network namespace can be made here (needs unshare, ip and /dev/net/tun)");
        return;
    };
    let test = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(*way)
        .arg(test)
        .args(["--exact", "bytes_go_to_the_kernel_and_back", "--nocapture"])
        .env(CHILD, "1")
        .status()
        .unwrap();
    assert!(status.success(), "the test in the namespace failed");
}
