//! What the tests share: an Ethernet, stacks on it, and servers made by hand.
#![allow(dead_code, unused_imports, clippy::unwrap_used, missing_docs)]

pub mod fuzz;
pub mod hub;
pub mod raw;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mirage_conformance::fakes::FakeRuntime;
use mirage_conformance::poll::join;
use mirage_sig::{Flow as _, Listener as _, Read, Runtime, Sleep, Stack, Write};
use mirage_tcpip::{Config, Flow, Tcpip};

pub use hub::{Faults, Hub, Station};

pub const SECOND: Duration = Duration::from_secs(1);

pub fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

pub fn at(number: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(address(number)), port)
}

/// A stack with the address 10.0.0.`number`.
pub fn stack(runtime: &FakeRuntime, hub: &Hub, number: u8) -> Tcpip {
    stack_with(runtime, hub, number, |_| {})
}

pub fn stack_with(runtime: &FakeRuntime, hub: &Hub, number: u8, change: impl FnOnce(&mut Config)) -> Tcpip {
    let mut config = Config::fixed(address(number), 24);
    change(&mut config);
    Tcpip::new(hub.station(number), runtime, config).unwrap()
}

/// Both ends of a connection from `left` to `right`.
pub async fn pair(left: &Tcpip, right: &Tcpip, number: u8) -> (Flow, Flow) {
    let mut listener = right.listen(0, 1).unwrap();
    let port = mirage_sig::Listener::local(&listener).port();
    let (ours, theirs) = join(left.connect(at(number, port)), listener.accept()).await;
    (ours.unwrap(), theirs.unwrap())
}

/// Runs a test to its end.
pub fn run<T>(runtime: &FakeRuntime, work: impl Future<Output = T>) -> T {
    runtime.run(work).unwrap_or_else(|stuck| panic!("{stuck}"))
}

/// The output of `work`, which must come within that time.
pub async fn within<T>(runtime: &FakeRuntime, span: Duration, work: impl Future<Output = T>) -> T {
    match runtime.timeout(span, work).await {
        Ok(output) => output,
        Err(_) => panic!("not done within {span:?}"),
    }
}

/// Bytes that tell where they are.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

pub async fn send_all(flow: &mut impl Write, bytes: &[u8]) {
    flow.write_all(bytes).await.unwrap();
}

pub async fn read_to_end(flow: &mut impl Read) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        match flow.read(&mut buffer).await.unwrap() {
            0 => return all,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Sends `bytes` one way, and the end; they must arrive unchanged.
pub async fn transfer(from: &mut Flow, to: &mut Flow, bytes: &[u8]) {
    let talk = async {
        send_all(from, bytes).await;
        from.shutdown().await.unwrap();
    };
    let ((), seen) = join(talk, read_to_end(to)).await;
    assert_eq!(seen.len(), bytes.len());
    assert!(seen == bytes, "the bytes have changed");
}

pub async fn settle(runtime: &FakeRuntime) {
    runtime.sleep(Duration::from_millis(20)).await;
}

/// The next TCP segment that comes to a station.
pub async fn segment(station: &Station) -> raw::Seen {
    loop {
        if let Some(segment) = raw::seen(&station.receive().await) {
            return segment;
        }
    }
}

/// Tells a stack of a station whose address is 10.0.0.`number`.
pub fn introduce(station: &Station, number: u8, to: u8) {
    let mac = [2, 0, 0, 0, 0, number];
    let packet = raw::arp(1, mac, address(number), [0; 6], address(to));
    station.send(&raw::ethernet([0xff; 6], mac, 0x0806, &packet));
}
