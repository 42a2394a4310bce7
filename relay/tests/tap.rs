//! A TAP interface: the kernel of a network namespace and a station on a LAN ping each other. Needs root, `ip` and `ping`; says
//! so where they are missing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]
#![cfg(target_os = "linux")]

mod station;

use std::net::Ipv4Addr;
use std::process::Command;

use mirage_relay::{Config, Relay, StartError};
use station::*;

/// Whether the command worked; `None` if there is no such command.
fn run(line: &str) -> Option<bool> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().ok()?;
    Some(output.status.success())
}

/// A namespace that ends with the test.
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.0));
    }
}

#[tokio::test]
async fn the_kernel_and_a_station_ping_each_other() {
    let number = std::process::id() % 100_000;
    let (name, tap) = (format!("mirage-relay-{number}"), format!("mrelay{number}"));
    if run(&format!("ip netns add {name}")) != Some(true) {
        println!("skipped: no network namespace can be made here (root and iproute2 are needed)");
        return;
    }
    let _namespace = Namespace(name.clone());
    let taps = vec![("lab".parse().unwrap(), tap.clone())];
    let relay = match Relay::start(Config { taps, ..plain() }).await {
        Ok(relay) => relay,
        Err(StartError::Tap(_, error)) => {
            println!("skipped: no TAP interface can be made here: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    for line in [
        format!("ip link set {tap} netns {name}"),
        format!("ip -n {name} addr add 10.77.0.1/24 dev {tap}"),
        format!("ip -n {name} link set {tap} up"),
    ] {
        assert_eq!(run(&line), Some(true), "{line}");
    }
    let mut a = Station::plug(&relay, "lab", 1).await;
    a.set_address("10.77.0.2/24".parse().unwrap(), None);
    assert!(a.ping(Ipv4Addr::new(10, 77, 0, 1), PATIENCE).await);
    if run("ping -V").is_none() {
        println!("skipped half: ping is not installed");
        return;
    }
    let ping =
        tokio::task::spawn_blocking(move || run(&format!("ip netns exec {name} ping -c 3 -i 0.2 -W 5 10.77.0.2")));
    let pinged = tokio::select! {
        pinged = ping => pinged.unwrap(),
        () = a.run(|_, _| None) => None,
    };
    assert_eq!(pinged, Some(true));
}
