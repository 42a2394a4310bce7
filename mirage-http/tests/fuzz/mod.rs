//! What any bytes must leave standing. Driven by tests/properties.rs, and by examples/fuzz.rs for as long as one likes.

use mirage_conformance::fakes::{FakeFlow, FakeRuntime};
use mirage_http::wire::{BodyDecoder, Refusal, RequestParser, ResponseParser};
use mirage_http::{FrameDecoder, Incoming, Limits, Request, Response, Router, Violation, serve_flow};
use mirage_sig::{Flow, Read, Runtime, Write};

/// Splits bytes at places that the first of them choose: the pieces' ends.
fn splits(data: &[u8]) -> (Vec<usize>, &[u8]) {
    let (seed, rest) = data.split_at(data.len().min(4));
    let mut state = seed.iter().fold(1_u32, |state, byte| state.wrapping_mul(257).wrapping_add(u32::from(*byte)));
    let (mut ends, mut at) = (Vec::new(), 0);
    while at < rest.len() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        at = rest.len().min(at + 1 + (state >> 24) as usize % 40);
        ends.push(at);
    }
    (ends, rest)
}

fn limits() -> Limits {
    Limits { head: 300, uri: 60, fields: 6, body: 500, date: false, ..Limits::default() }
}

fn parse_request(input: &[u8], ends: &[usize]) -> Result<Option<usize>, Refusal> {
    let mut parser = RequestParser::default();
    for end in ends {
        let parsed = parser.advance(&input[..*end], &limits())?;
        if let Some(length) = parsed {
            let head = parser.finish(input[..length].to_vec()).expect("the head is complete");
            assert!(input[..length].ends_with(b"\r\n\r\n"));
            assert!(head.path.starts_with('/') || head.path == "*");
            assert!(head.path.split('/').all(|segment| segment != ".." && segment != "."));
            assert!(!head.path.bytes().any(|byte| byte.is_ascii_control()));
            assert!(head.target().starts_with(['/', '?', '*']) || head.target().is_empty(), "{:?}", head.target());
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// A request, or several: the parser gives the same answer however they are split, and the server answers and comes to an end.
pub fn fuzz_request(data: &[u8]) {
    let (ends, input) = splits(data);
    let whole = parse_request(input, &[input.len()]);
    assert_eq!(parse_request(input, &ends), whole);
    let answers = serve(input, &ends);
    // Whether a client is told to go on depends on whether it has done so.
    let without = |text: String| text.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    let answers = without(answers);
    assert_eq!(without(serve(input, &[input.len()])), answers);
    for head in answers.split("HTTP/1.1 ").skip(1) {
        // A body may have these words in it, and what is no number then is no status.
        if let Ok(status) = head.get(..3).unwrap_or_default().parse::<u16>() {
            assert!((100..600).contains(&status) || !head.contains("\r\n\r\n"), "{answers}");
        }
    }
    if let Err(refusal) = whole {
        assert!(answers.starts_with(&format!("HTTP/1.1 {} ", refusal.status)), "{refusal:?}: {answers}");
    }
}

/// All that a server answers to these pieces.
fn serve(input: &[u8], ends: &[usize]) -> String {
    let runtime = FakeRuntime::new();
    let (mut ours, theirs) = FakeFlow::pair(&runtime, "192.0.2.1:1".parse().unwrap(), "192.0.2.2:80".parse().unwrap());
    let router = Router::new()
        .any("/", async |mut request: Request| request.bytes(400).await.map(|body| Response::of("x/y", body)))
        .get("/:a/:b", async |request: Request| request.param("b").unwrap_or_default().to_string());
    let mut seen = Vec::new();
    let work = async {
        let serving = serve_flow(&runtime, theirs, limits(), router);
        let talking = async {
            let (mut reader, mut writer) = ours.split();
            let sending = async {
                let mut start = 0;
                for end in ends {
                    if writer.write_all(&input[start..*end]).await.is_err() {
                        return;
                    }
                    start = *end;
                }
            };
            let receiving = async {
                let mut buffer = [0; 300];
                while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                    seen.extend_from_slice(&buffer[..count]);
                }
            };
            mirage_conformance::poll::join(sending, receiving).await;
        };
        mirage_conformance::poll::join(serving, talking).await;
    };
    let hour = std::time::Duration::from_secs(3_600);
    runtime.run(runtime.timeout(hour, work)).expect("somebody is awake").expect("the server comes to an end");
    String::from_utf8_lossy(&seen).into_owned()
}

type Answer = (u16, Vec<(String, String)>, Vec<u8>, bool);

fn parse_response(input: &[u8], ends: &[usize]) -> Result<Option<Answer>, Refusal> {
    let mut parser = ResponseParser::default();
    let mut ends = ends.iter();
    let (end, length) = loop {
        let Some(end) = ends.next() else { return Ok(None) };
        if let Some(length) = parser.advance(&input[..*end], 300, 6)? {
            break (*end, length);
        }
    };
    let head = parser.finish(false)?;
    let mut decoder = BodyDecoder::new(head.framing);
    let (mut body, mut at, mut end) = (Vec::new(), length, end);
    loop {
        let mut part = [0; 7];
        let (used, filled) = decoder.decode(&input[at..end], &mut part)?;
        assert!(used <= end - at && filled <= used);
        at += used;
        body.extend_from_slice(&part[..filled]);
        if filled == 0 {
            assert!(decoder.is_done() || at == end, "bytes were left that could be used");
            match ends.next() {
                Some(next) if !decoder.is_done() => end = *next,
                _ => return Ok(Some((head.status, head.headers, body, decoder.is_done()))),
            }
        }
    }
}

/// An answer with its body: the same however it is split.
pub fn fuzz_response(data: &[u8]) {
    let (ends, input) = splits(data);
    assert_eq!(parse_response(input, &ends), parse_response(input, &[input.len()]));
}

fn parse_frames(input: &[u8], ends: &[usize], masked: bool) -> (Vec<Incoming>, Option<Violation>) {
    const MOST: usize = 300;
    let mut decoder = FrameDecoder::new(masked, MOST);
    let (mut all, mut start) = (Vec::new(), 0);
    for end in ends {
        while start < *end {
            match decoder.decode(&input[start..*end]) {
                Err(violation) => return (all, Some(violation)),
                Ok((used, incoming)) => {
                    assert!(used > 0 && used <= end - start);
                    start += used;
                    if let Some(Incoming::Message(mirage_http::Message::Binary(bytes))) = &incoming {
                        assert!(bytes.len() <= MOST);
                    }
                    all.extend(incoming);
                }
            }
        }
    }
    (all, None)
}

/// Frames of a client or a server: the same messages however they are split.
pub fn fuzz_websocket(data: &[u8]) {
    let (ends, input) = splits(data);
    for masked in [true, false] {
        assert_eq!(parse_frames(input, &ends, masked), parse_frames(input, &[input.len()], masked));
    }
}
