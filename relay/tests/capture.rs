//! The capture's file, as others read it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod station;

use std::process::Command;

use futures_util::SinkExt;
use mirage_relay::Config;
use station::*;
use tokio_tungstenite::tungstenite::Message;

const ALL: [u8; 6] = [0xff; 6];

#[tokio::test]
async fn all_frames_of_all_lans_are_in_it() {
    let path = std::env::temp_dir().join(format!("mirage-relay-{}.pcapng", std::process::id()));
    let relay = start(Config { capture: Some(path.clone()), ..with_nat() }).await;
    let mut a = Station::plug(&relay, "lab-1", 1).await;
    a.dhcp().await;
    let (mut b, mut c) = (dial(&relay, "lab-2").await, dial(&relay, "lab-2").await);
    b.send(Message::binary(frame(ALL, [2; 6], 61))).await.unwrap();
    assert_eq!(next_frame(&mut c).await.len(), 61);
    relay.stop().await;
    let file = std::fs::read(&path).unwrap();
    let (interfaces, frames) = read(&file);
    assert_eq!(interfaces, ["lab-1", "lab-2"]);
    assert!(frames.contains(&(1, frame(ALL, [2; 6], 61))));
    // Discover, offer, request, acknowledgement.
    assert!(
        frames
            .iter()
            .filter(|(interface, frame)| *interface == 0 && frame[12..14] == [8, 0] && frame[23] == 17)
            .count()
            >= 4
    );

    match Command::new("tshark")
        .args(["-T", "fields", "-e", "frame.interface_name", "-e", "frame.len", "-r"])
        .arg(&path)
        .output()
    {
        Err(_) => println!("skipped: tshark is not installed"),
        Ok(output) => {
            // tshark warns of running as root; that is not about the file.
            let stderr = String::from_utf8_lossy(&output.stderr);
            let warnings: Vec<_> = stderr.lines().filter(|line| !line.contains("Running as user")).collect();
            assert!(output.status.success() && warnings.is_empty(), "{stderr}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains("lab-1\t") && text.contains("lab-2\t61\n"), "{text}");
            assert_eq!(text.lines().count(), frames.len());
        }
    }
    std::fs::remove_file(path).unwrap();
}

/// Interface names, and frames with the number of their interface.
fn read(mut file: &[u8]) -> (Vec<String>, Vec<(u32, Vec<u8>)>) {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
    let (mut interfaces, mut frames) = (Vec::new(), Vec::new());
    assert_eq!(word(file), 0x0a0d_0d0a);
    while !file.is_empty() {
        let length = word(&file[4..]) as usize;
        let body = &file[8..length - 4];
        match word(file) {
            // The name is the first option, after link type, reserved and snap length.
            1 => {
                assert_eq!(body[8..10], [2, 0]);
                let name = &body[12..12 + usize::from(body[10])];
                interfaces.push(String::from_utf8(name.to_vec()).unwrap());
            }
            6 => frames.push((word(body), body[20..20 + word(&body[12..]) as usize].to_vec())),
            _ => {}
        }
        file = &file[length..];
    }
    (interfaces, frames)
}
