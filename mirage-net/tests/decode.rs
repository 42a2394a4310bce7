//! The decoder, on real frames and on any bytes.
#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod support;

use mirage_net::decode::{LAYERS_MAX, Layer, Summary, Value, layers};
use proptest::prelude::*;
use smoltcp::wire::*;
use support::frames::{self, ADA4, BOB4};
use support::fuzz::{LINE_MAX, fuzz_decode};

fn line(frame: &[u8]) -> String {
    Summary(frame).to_string()
}

/// The value of the first field of that name.
fn field<'a>(layers: &[Layer<'a>], layer: &str, name: &str) -> Value<'a> {
    let found = layers.iter().find(|other| other.name == layer).and_then(|layer| {
        let mut fields = layer.fields.iter();
        fields.find(|field| field.name == name)
    });
    found.map(|field| field.value.clone()).unwrap_or_else(|| panic!("no {name} of {layer} in {layers:#?}"))
}

fn names(frame: &[u8]) -> Vec<&'static str> {
    layers(frame).iter().map(|layer| layer.name).collect()
}

#[test]
fn every_kind_of_frame_has_its_line() {
    for (frame, expected) in frames::all() {
        assert_eq!(line(&frame), expected);
    }
}

#[test]
fn real_frames_have_no_problems_and_the_right_checksums() {
    for (frame, line) in frames::all() {
        fuzz_decode(&frame);
        for layer in layers(&frame) {
            assert_eq!(layer.problem, None, "{} of {line}", layer.name);
            let unchecked = line.contains("unreachable") && layer.name != "ICMP";
            for field in layer.fields {
                if let Value::Checksum(_, right) = field.value {
                    assert!(right == Some(true) || unchecked, "{} of {line}", layer.name);
                }
            }
        }
    }
}

/// Every bit of a datagram but those that no checksum covers.
#[test]
fn a_bit_turned_over_is_seen() {
    let frame = frames::udp(1_000, 2_000, b"hello");
    for bit in 14 * 8..frame.len() * 8 {
        let mut frame = frame.clone();
        frame[bit / 8] ^= 1 << (bit % 8);
        let problems = layers(&frame).iter().filter(|layer| layer.problem.is_some()).count();
        assert!(problems > 0, "bit {bit}: {}", line(&frame));
        assert!(line(&frame).contains('('), "bit {bit}: {}", line(&frame));
    }
}

#[test]
fn a_frame_cut_anywhere_is_told_so() {
    for (frame, expected) in frames::all() {
        let end = frame.len() - frame.iter().rev().take_while(|byte| **byte == 0).count().min(18);
        for length in 0..end {
            let frame = &frame[..length];
            fuzz_decode(frame);
            let seen = line(frame);
            // All but the frames whose length is their own to say.
            if !expected.starts_with("02:") {
                assert!(seen.contains("(cut short)") || seen == expected, "{length} bytes of {expected}: {seen}");
            }
        }
    }
}

#[test]
fn what_fills_a_short_frame_is_padding() {
    let frame = frames::padded(frames::ping(1, 1, b"x"));
    assert_eq!(names(&frame), ["Ethernet", "IPv4", "ICMP", "Payload", "Padding"]);
    assert_eq!(layers(&frame)[4].range, 43..60);
    assert_eq!(line(&frame), "10.0.0.1 > 10.0.0.2 ICMP echo request id 1 seq 1 len 1");
}

#[test]
fn fields_say_where_they_are() {
    let frame = frames::tcp(&frames::syn());
    let layers = layers(&frame);
    let port = layers[2].fields.iter().find(|field| field.name == "destination port").unwrap();
    assert_eq!((port.range.clone(), &port.value), (36..38, &Value::Number(80)));
    assert_eq!(frame[36..38], 80_u16.to_be_bytes());
    assert_eq!(layers[2].summary, "TCP 49152 > 80 [SYN] seq 1000 ack 0 win 65535 len 0");
    // Version and header length share a byte.
    assert_eq!(layers[1].fields[0].range, layers[1].fields[1].range);
}

#[test]
fn a_lease_in_every_detail() {
    let frame = frames::dhcp(DhcpMessageType::Ack, ADA4, None);
    let layers = layers(&frame);
    assert_eq!(field(&layers, "DHCP", "message type").to_string(), "5 (ack)");
    assert_eq!(field(&layers, "DHCP", "your address"), Value::Ipv4(ADA4));
    assert_eq!(field(&layers, "DHCP", "router"), Value::Ipv4(BOB4));
    assert_eq!(field(&layers, "DHCP", "subnet mask").to_string(), "255.255.255.0");
    assert_eq!(field(&layers, "DHCP", "lease time"), Value::Number(3_600));
    assert_eq!(field(&layers, "DHCP", "host name").to_string(), "ada");
}

#[test]
fn a_layer_that_cannot_be_read_keeps_its_bytes() {
    let mut frame = frames::padded(frames::ping(1, 1, b"x"));
    frame[14] = 0x55;
    let layers = layers(&frame);
    let seen: Vec<_> = layers.iter().map(|layer| (layer.name, layer.range.clone(), layer.problem)).collect();
    assert_eq!(seen, [("Ethernet", 0..14, None), ("IPv4", 14..60, Some("not version 4"))]);
    assert_eq!(line(&frame), "(not version 4)");
}

/// Found by the fuzzer.
#[test]
fn a_host_without_a_name_has_no_name() {
    let mut frame = frames::dhcp(DhcpMessageType::Discover, BOB4, None);
    let at = frame.windows(5).position(|bytes| bytes == b"\x0c\x03ada").unwrap();
    frame[at + 1] = 0;
    fuzz_decode(&frame);
    assert!(layers(&frame)[3].fields.iter().all(|field| field.name != "host name"));
}

#[test]
fn names_that_go_in_circles_end() {
    // The question's name points at itself; then one that points to the other, and back.
    for name in [&b"\xc0\x0c"[..], b"\x01a\xc0\x0e", b"\x01a\xc0\x0c", b"\xc0\xff"] {
        let mut message = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(name);
        message.extend_from_slice(&[0, 1, 0, 1]);
        let frame = frames::udp(5_000, 53, &message);
        fuzz_decode(&frame);
        assert!(line(&frame).ends_with('…'), "{}", line(&frame));
    }
}

/// Labels that point back to longer ones, again and again, would make a name of kilobytes out of a frame.
#[test]
fn names_are_not_longer_than_names_are() {
    let mut message = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for _ in 0..20 {
        message.push(63);
        message.extend_from_slice(&[b'a'; 63]);
    }
    message.push(0);
    message.extend_from_slice(&[0, 1, 0, 1]);
    let seen = line(&frames::udp(5_000, 53, &message));
    assert!(seen.ends_with("aaa…") || seen.ends_with('…'), "{seen}");
    assert!(seen.len() < 400, "{seen}");
}

#[test]
fn nobody_writes_to_a_terminal_over_the_network() {
    let mut message = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(b"\x07\x1b[2J\n\x80x\0\0\x01\0\x01");
    let seen = line(&frames::udp(5_000, 53, &message));
    assert!(seen.ends_with("A .[2J..x"), "{seen}");
}

#[test]
fn layers_end() {
    // More tags than anybody looks into.
    let mut frame = vec![2; 12];
    for _ in 0..50 {
        frame.extend_from_slice(&[0x81, 0, 0, 1]);
    }
    let seen = layers(&frame);
    assert_eq!(seen.len(), LAYERS_MAX + 1);
    assert_eq!(seen[LAYERS_MAX].name, "Payload");
}

#[test]
fn fragments_are_not_taken_for_whole() {
    let mut frame = frames::udp(1_000, 2_000, b"hello");
    // The second of several, at byte 8.
    frame[20..22].copy_from_slice(&0x2001_u16.to_be_bytes());
    let (right, wrong) = (Value::Flags(1, &["more fragments", "don't fragment"]), "fragment at 8 len 13");
    assert_eq!(field(&layers(&frame), "IPv4", "flags"), right);
    assert!(line(&frame).contains(wrong), "{}", line(&frame));
    assert_eq!(names(&frame), ["Ethernet", "IPv4", "Payload"]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame(data in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        fuzz_decode(&data);
    }

    #[test]
    fn any_real_frame_with_some_bytes_changed_is_a_frame(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let frames = frames::all();
        let (mut frame, _) = which.get(&frames).clone();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        fuzz_decode(&frame);
    }

    /// What smoltcp wrote is what is read.
    #[test]
    fn a_segment_says_what_it_was_told(
        ports in any::<(u16, u16)>(),
        numbers in any::<(u32, u32)>(),
        window_len in any::<u16>(),
        fin in any::<bool>(),
        scale in prop::option::of(0_u8..15),
        mss in prop::option::of(any::<u16>()),
        payload in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        prop_assume!(ports.0 != 0 && ports.1 != 0);
        let repr = TcpRepr {
            src_port: ports.0,
            dst_port: ports.1,
            control: if fin { TcpControl::Fin } else { TcpControl::None },
            seq_number: TcpSeqNumber(numbers.0 as i32),
            ack_number: Some(TcpSeqNumber(numbers.1 as i32)),
            window_len,
            window_scale: scale,
            max_seg_size: mss,
            payload: &payload,
            ..frames::syn()
        };
        let frame = frames::tcp(&repr);
        fuzz_decode(&frame);
        let layers = layers(&frame);
        prop_assert_eq!(field(&layers, "TCP", "source port"), Value::Number(ports.0.into()));
        prop_assert_eq!(field(&layers, "TCP", "destination port"), Value::Number(ports.1.into()));
        prop_assert_eq!(field(&layers, "TCP", "sequence number"), Value::Number(numbers.0));
        prop_assert_eq!(field(&layers, "TCP", "acknowledgment number"), Value::Number(numbers.1));
        prop_assert_eq!(field(&layers, "TCP", "window"), Value::Number(window_len.into()));
        prop_assert_eq!(field(&layers, "TCP", "flags").to_string(), if fin { "FIN ACK" } else { "ACK" });
        if let Some(scale) = scale {
            prop_assert_eq!(field(&layers, "TCP", "window scale"), Value::Number(scale.into()));
        }
        if let Some(mss) = mss {
            prop_assert_eq!(field(&layers, "TCP", "maximum segment size"), Value::Number(mss.into()));
        }
        if !payload.is_empty() {
            prop_assert_eq!(field(&layers, "Payload", "data"), Value::Bytes(&payload));
        }
        prop_assert!(layers.iter().all(|layer| layer.problem.is_none()));
    }

    #[test]
    fn a_ping_says_what_it_was_told(
        ident in any::<u16>(), seq in any::<u16>(), data in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = frames::ping(ident, seq, &data);
        let expected = format!("10.0.0.1 > 10.0.0.2 ICMP echo request id {ident} seq {seq} len {}", data.len());
        prop_assert_eq!(line(&frame), expected);
        prop_assert!(line(&frame).len() < LINE_MAX);
    }
}
