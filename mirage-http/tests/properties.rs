//! What holds for all inputs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod fuzz;

use mirage_http::wire::{BodyDecoder, Framing, LAST_CHUNK, push_chunk};
use mirage_http::{FrameDecoder, Incoming, Message, Opcode, Ranged, push_frame};
use proptest::prelude::*;

/// Pieces of requests and answers, so that most of what is put together is nearly right.
fn words() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 44] = [
        "GET ",
        "POST ",
        "OPTIONS ",
        "/",
        "/a/b",
        "/%41/x%20y",
        "*",
        "http://h/",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "Host: a\r\n",
        "Content-Length: 3\r\n",
        "Content-Length: 30\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Expect: 100-continue\r\n",
        "x: y\r\n",
        "\r\n",
        "\r\n\r\n",
        "\r",
        "\n",
        " ",
        "\t",
        ":",
        ",",
        "abc",
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        "1;x\r\na\r\n",
        "0\r\nt: v\r\n\r\n",
        "%2e%2e",
        "..",
        "\0",
        "\u{e9}",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 404\r\n",
        "HTTP/1.1 100 \r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\n",
        "GET /a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "?q=1",
        "#",
        "ffffffffffffffff\r\n",
    ];
    let word = prop_oneof![
        8 => (0..WORDS.len()).prop_map(|at| WORDS[at].as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    (proptest::collection::vec(any::<u8>(), 4), proptest::collection::vec(word, 0..14))
        .prop_map(|(seed, words)| [seed, words.concat()].concat())
}

/// Frames, some of them spoilt.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        Just(Opcode::Text),
        Just(Opcode::Binary),
        Just(Opcode::Continuation),
        Just(Opcode::Ping),
        Just(Opcode::Pong),
        Just(Opcode::Close),
    ];
    let payload =
        prop_oneof![proptest::collection::vec(any::<u8>(), 0..140), "[a-zé]{0,30}".prop_map(String::into_bytes)];
    let frame = (any::<bool>(), opcode, payload, proptest::option::weighted(0.8, any::<[u8; 4]>())).prop_map(
        |(last, opcode, payload, mask)| {
            let mut out = Vec::new();
            push_frame(&mut out, last, opcode, &payload, mask);
            out
        },
    );
    (proptest::collection::vec(any::<u8>(), 4), proptest::collection::vec(frame, 0..6), any::<u8>(), 0_usize..400)
        .prop_map(|(seed, frames, noise, place)| {
            let mut bytes = [seed, frames.concat()].concat();
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= noise;
            }
            bytes
        })
}

/// The bytes that a range asks for, found the slow way.
fn slow_range(first: Option<u64>, last: Option<u64>, size: u64) -> Ranged {
    let wanted = |at: u64| match (first, last) {
        (Some(first), Some(last)) => at >= first && at <= last,
        (Some(first), None) => at >= first,
        (None, Some(count)) => size - at <= count,
        (None, None) => true,
    };
    let mut all = (0..size).filter(|&at| wanted(at));
    match (all.next(), first, last) {
        (_, None, None) => Ranged::Whole,
        (_, Some(first), Some(last)) if first > last => Ranged::Whole,
        (Some(first), ..) => Ranged::Part { first, last: all.next_back().unwrap_or(first) },
        // Of an empty value no part can be told, but its last bytes are all of it.
        (None, None, Some(1..)) => Ranged::Whole,
        (None, ..) => Ranged::Unsatisfiable,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn requests(data in words()) {
        fuzz::fuzz_request(&data);
    }

    #[test]
    fn answers(data in words()) {
        fuzz::fuzz_response(&data);
    }

    #[test]
    fn websockets(data in frames()) {
        fuzz::fuzz_websocket(&data);
    }

    #[test]
    fn a_good_request_is_answered_however_it_is_split(seed in any::<[u8; 4]>(), chunked in any::<bool>()) {
        let body = if chunked { "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" } else { "Content-Length: 5\r\n\r\nhello" };
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{body}");
        fuzz::fuzz_request(&[&seed, request.as_bytes()].concat());
    }

    #[test]
    fn chunks_come_back(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
        read in 1_usize..50,
        out in 1_usize..50,
    ) {
        let mut coded = Vec::new();
        pieces.iter().for_each(|piece| push_chunk(&mut coded, piece));
        coded.extend_from_slice(LAST_CHUNK);
        coded.extend_from_slice(b"behind");
        let mut decoder = BodyDecoder::new(Framing::Chunked);
        let (mut at, mut body) = (0, Vec::new());
        while !decoder.is_done() {
            let mut buffer = vec![0; out];
            let end = coded.len().min(at + read);
            let (used, filled) = decoder.decode(&coded[at..end], &mut buffer).unwrap();
            prop_assert!(used > 0);
            at += used;
            body.extend_from_slice(&buffer[..filled]);
        }
        prop_assert_eq!(body, pieces.concat());
        prop_assert_eq!(&coded[at..], b"behind");
    }

    #[test]
    fn ranges(first in proptest::option::of(0_u64..40), last in proptest::option::of(0_u64..40), size in 0_u64..30) {
        let text = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
        let header = format!("bytes={}-{}", text(first), text(last));
        prop_assert_eq!(Ranged::parse(&header, size), slow_range(first, last, size), "{} of {}", header, size);
    }

    #[test]
    fn any_range_lies_within(text in "(bytes=)?[0-9,\\- ]{0,30}", size in any::<u64>()) {
        if let Ranged::Part { first, last } = Ranged::parse(&text, size) {
            prop_assert!(first <= last && last < size);
        }
    }

    #[test]
    fn messages_come_back(
        payload in proptest::collection::vec(any::<u8>(), 0..400),
        cuts in proptest::collection::vec(0_usize..400, 0..4),
        mask in any::<[u8; 4]>(),
    ) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(payload.len())).collect();
        cuts.extend([0, payload.len()]);
        cuts.sort_unstable();
        let mut out = Vec::new();
        let parts = cuts.len() - 1;
        for (number, cut) in cuts.windows(2).enumerate() {
            let opcode = if number == 0 { Opcode::Binary } else { Opcode::Continuation };
            push_frame(&mut out, number + 1 == parts, opcode, &payload[cut[0]..cut[1]], Some(mask));
        }
        let mut decoder = FrameDecoder::new(true, 400);
        let (used, incoming) = decoder.decode(&out).unwrap();
        prop_assert_eq!(used, out.len());
        prop_assert_eq!(incoming, Some(Incoming::Message(Message::Binary(payload))));
    }
}
