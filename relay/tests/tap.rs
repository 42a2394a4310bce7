//! A TAP interface: the kernel of a network namespace is on a LAN, with a station and with the gateway. Needs root, `ip`, `ping`
//! and `curl`; says so where they are missing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]
#![cfg(target_os = "linux")]

mod station;

use std::net::Ipv4Addr;
use std::process::Command;

use mirage_relay::{Config, Reach, Relay, StartError};
use station::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a command printed, if it worked; `None` if there is no such command.
fn run(line: &str) -> Option<Result<String, String>> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().ok()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Some(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

fn done(line: &str) {
    run(line).expect("it is installed").unwrap_or_else(|error| panic!("{line}: {error}"));
}

/// A namespace that ends with the test.
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.0));
    }
}

/// A relay, and a kernel with that address in its LAN `lab`.
async fn kernel(config: Config, number: u32, address: &str) -> Option<(Relay, Namespace)> {
    let number = (std::process::id() * 2 + number) % 100_000;
    let (name, tap) = (format!("mirage-relay-{number}"), format!("mrelay{number}"));
    if !matches!(run(&format!("ip netns add {name}")), Some(Ok(_))) {
        println!("skipped: no network namespace can be made here (root and iproute2 are needed)");
        return None;
    }
    let namespace = Namespace(name.clone());
    let taps = vec![("lab".parse().unwrap(), tap.clone())];
    let relay = match Relay::start(Config { taps, ..config }).await {
        Ok(relay) => relay,
        Err(StartError::Tap(_, error)) => {
            println!("skipped: no TAP interface can be made here: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    done(&format!("ip link set {tap} netns {name}"));
    done(&format!("ip -n {name} addr add {address} dev {tap}"));
    done(&format!("ip -n {name} link set {tap} up"));
    Some((relay, namespace))
}

#[tokio::test]
async fn the_kernel_and_a_station_ping_each_other() {
    let Some((relay, namespace)) = kernel(plain(), 0, "10.77.0.1/24").await else { return };
    let mut a = Station::plug(&relay, "lab", 1).await;
    a.set_address("10.77.0.2/24".parse().unwrap(), None);
    assert!(a.ping(Ipv4Addr::new(10, 77, 0, 1), PATIENCE).await);
    if run("ping -V").is_none() {
        println!("skipped half: ping is not installed");
        return;
    }
    let ping = format!("ip netns exec {} ping -c 3 -i 0.2 -W 5 10.77.0.2", namespace.0);
    tokio::select! {
        pinged = tokio::task::spawn_blocking(move || done(&ping)) => pinged.unwrap(),
        () = a.run(|_, _| None) => {}
    }
}

/// Linux' TCP against the gateway's: another implementation, with SACK, timestamps and windows of its own.
#[tokio::test]
async fn the_kernel_reaches_the_host_through_the_gateway() {
    const SIZE: usize = 20 << 20;
    let config = Config { reach: Reach { host: true, ..Reach::default() }, ..with_nat() };
    let Some((_relay, namespace)) = kernel(config, 1, "10.0.2.99/24").await else { return };
    if run("curl --version").is_none() {
        println!("skipped: curl is not installed");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Takes a body of SIZE bytes, and sends as many.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let mut body = vec![0; if head.starts_with(b"POST") { SIZE } else { 0 }];
            stream.read_exact(&mut body).await.unwrap();
            assert!(body.iter().all(|byte| *byte == b'u'));
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'd'; SIZE]).await.unwrap();
        }
    });
    let file = std::env::temp_dir().join(&namespace.0);
    std::fs::write(&file, vec![b'u'; SIZE]).unwrap();
    let name = namespace.0.clone();
    let body = format!("@{}", file.display());
    let answers = tokio::task::spawn_blocking(move || {
        let curl = format!("ip netns exec {name} curl -s -S --max-time 60 http://10.0.2.2:{port}/");
        let upload = format!("{curl} -H Expect: -X POST --data-binary {body}");
        [curl, upload].map(|line| run(&line).unwrap().unwrap_or_else(|error| panic!("{line}: {error}")))
    });
    for answer in answers.await.unwrap() {
        assert!(answer.len() == SIZE && answer.bytes().all(|byte| byte == b'd'), "{} bytes", answer.len());
    }
    std::fs::remove_file(file).unwrap();
}
