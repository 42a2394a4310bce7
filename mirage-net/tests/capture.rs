//! Captures, read by a reader of our own, and by tshark where there is one.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use mirage_conformance::fakes::FakeRuntime;
use mirage_net::pcapng::{PACKET_OVERHEAD, PcapNg};
use mirage_net::{Capture, Direction, Lan, Recorder};
use mirage_sig::{Mac, Network, Sleep, WallClock};
use proptest::prelude::*;
use support::frames;
use support::pcapng::{Packet, read};

fn send(network: &impl Network, frame: &[u8]) {
    network.try_send(frame.len(), |buffer| buffer.copy_from_slice(frame)).unwrap();
}

#[test]
fn a_capture_has_every_frame_with_its_time_and_direction() {
    let runtime = FakeRuntime::new();
    let recorder = Recorder::new("the test", 10_000);
    let lan = Lan::hub();
    let ada = Capture::new(lan.port(), runtime.clone(), "ada", &recorder);
    let bob = Capture::new(lan.port(), runtime.clone(), "bob", &recorder);
    let frame = frames::ping(1, 1, b"abc");
    let date = runtime.unix_time();
    let late = runtime.run(async {
        send(&ada, &frame);
        runtime.sleep(Duration::from_millis(10)).await;
        let taken = bob.try_receive(|frame| frame.fill(0));
        assert_eq!(taken, Some(()));
        runtime.unix_time()
    });

    let file = read(&recorder.file()).unwrap();
    assert_eq!(file.section_options, [(4, b"the test".to_vec())]);
    let interfaces: Vec<_> = file.interfaces.iter().map(|interface| (&*interface.name, &*interface.mac)).collect();
    assert_eq!(interfaces, [("ada", &[2, 0, 0, 0, 0, 1][..]), ("bob", &[2, 0, 0, 0, 0, 2][..])]);
    assert!(file.interfaces.iter().all(|interface| interface.link_type == 1 && interface.resolution == 9));
    let (sent, received) = (date.as_nanos() as u64, late.unwrap().as_nanos() as u64);
    assert_eq!(
        file.packets,
        [
            Packet { interface: 0, time: sent, flags: 2, frame: frame.clone() },
            // As it was, although the receiver has changed it.
            Packet { interface: 1, time: received, flags: 1, frame },
        ]
    );
}

#[test]
fn a_recorder_keeps_the_newest_within_its_bound() {
    const CAPACITY: usize = 1_000;
    let runtime = FakeRuntime::new();
    let recorder = Recorder::new("the test", CAPACITY);
    let ada = Capture::new(Lan::hub().port(), runtime, "ada", &recorder);
    let empty = recorder.file().len();
    for number in 0..100_u8 {
        send(&ada, &[number; 60]);
    }
    // 60 bytes and 44 more: nine of them fit.
    assert_eq!((recorder.frames(), recorder.dropped()), (9, 91));
    let bytes = recorder.file();
    let file = read(&bytes).unwrap();
    let kept: Vec<u8> = file.packets.iter().map(|packet| packet.frame[0]).collect();
    assert_eq!(kept, [91, 92, 93, 94, 95, 96, 97, 98, 99]);
    let comment = String::from_utf8(file.section_options[0].1.clone()).unwrap();
    assert!(comment.starts_with("91 frames were dropped"), "{comment}");
    assert!(bytes.len() <= empty + CAPACITY + comment.len() + 8);

    // One that does not fit at all takes no others with it.
    send(&ada, &[1; 1_000]);
    assert_eq!((recorder.frames(), recorder.dropped()), (9, 92));

    recorder.clear();
    assert_eq!((recorder.frames(), recorder.dropped()), (0, 0));
    assert_eq!(read(&recorder.file()).unwrap().interfaces.len(), 1);
    send(&ada, &[7; 60]);
    assert_eq!(recorder.frames(), 1);
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(
        name in "\\PC{0,40}",
        packets in proptest::collection::vec(
            (any::<u64>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 14..200)), 0..20,
        ),
    ) {
        let mut bytes = Vec::new();
        let mut blocks = 0;
        let mut file = PcapNg::new("the test", |block: &[u8]| {
            bytes.extend_from_slice(block);
            blocks += 1;
        });
        let first = file.interface(&name, Mac([2, 0, 0, 0, 0, 1]));
        let second = file.interface("other", Mac([2, 0, 0, 0, 0, 2]));
        for (nanos, sent, frame) in &packets {
            let (interface, direction) = if *sent { (first, Direction::Sent) } else { (second, Direction::Received) };
            file.packet(interface, *nanos, direction, frame);
        }
        let expected: Vec<Packet> = packets.iter().map(|(nanos, sent, frame)| Packet {
            interface: u32::from(!sent), time: *nanos, flags: if *sent { 2 } else { 1 }, frame: frame.clone(),
        }).collect();
        prop_assert_eq!(blocks, 3 + packets.len());
        let frames: usize = packets.iter().map(|(_, _, frame)| frame.len() + PACKET_OVERHEAD).sum();
        prop_assert!(bytes.len() <= 28 + 16 + 20 + 16 + 2 * 60 + 160 + frames);
        let file = read(&bytes).unwrap();
        prop_assert_eq!(file.packets, expected);
        prop_assert_eq!(&file.interfaces[0].name, &name);
    }

    /// What a recorder keeps is the end of what was sent, and a whole file, whatever its bound.
    #[test]
    fn any_recorder_keeps_the_end(
        capacity in 0_usize..2_000,
        lengths in proptest::collection::vec(14_usize..300, 0..60),
    ) {
        let recorder = Recorder::new("the test", capacity);
        let ada = Capture::new(Lan::hub().port(), FakeRuntime::new(), "ada", &recorder);
        let sent: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(number, length)| vec![number as u8; *length]).collect();
        for frame in &sent {
            send(&ada, frame);
        }
        let kept: Vec<Vec<u8>> = read(&recorder.file()).unwrap().packets.into_iter().map(|packet| packet.frame).collect();
        prop_assert_eq!(recorder.frames() as usize, kept.len());
        prop_assert_eq!(recorder.frames() + recorder.dropped(), sent.len() as u64);
        let fits = |frame: &&Vec<u8>| frame.len().next_multiple_of(4) + 44 <= capacity;
        let mut expected: Vec<Vec<u8>> = sent.iter().filter(fits).cloned().collect();
        expected.drain(..expected.len() - kept.len());
        prop_assert_eq!(kept, expected);
    }
}

/// Wireshark's own judgement of frames of every kind.
#[test]
fn tshark_finds_nothing_wrong() {
    let recorder = Recorder::new("mirage-net's tests", 100_000);
    let ada = Capture::new(Lan::hub().port(), FakeRuntime::new(), "ada", &recorder);
    let frames = frames::all();
    for (frame, _) in &frames {
        send(&ada, frame);
    }
    let tshark = |arguments: &[&str]| {
        let mut command = Command::new("tshark");
        command.args(["-n", "-r", "-"]).args(arguments);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.ok()?;
        // Dropped when it has been written, which is the end of the file.
        child.stdin.take().unwrap().write_all(&recorder.file()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Whoever runs it as root is told so, and that has nothing to do with the file.
        let complaints = String::from_utf8(output.stderr).unwrap();
        let complaints: Vec<&str> = complaints.lines().filter(|line| !line.contains("as user \"root\"")).collect();
        assert!(complaints.iter().all(|line| line.trim().is_empty()), "{complaints:#?}");
        Some(String::from_utf8(output.stdout).unwrap())
    };

    // The frames are of no one conversation, so that their order is not looked at.
    let checks = [
        "-o",
        "tcp.analyze_sequence_numbers:FALSE",
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "udp.check_checksum:TRUE",
    ];
    let fields =
        ["-T", "fields", "-e", "frame.number", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction"];
    let Some(all) = tshark(&[&checks[..], &fields].concat()) else {
        println!("skipped: there is no tshark here");
        return;
    };
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), frames.len());
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("{}\tada\t0x00000002", number + 1));
    }
    let bad = "_ws.malformed || _ws.expert.severity >= 0x600000 || ip.checksum.status == \"Bad\" \
               || tcp.checksum.status == \"Bad\" || udp.checksum.status == \"Bad\"";
    let found = tshark(&[&checks[..], &["-Y", bad]].concat()).unwrap();
    assert_eq!(found, "");
}
