//! WebSocket, from the handshake to the end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod common;

use std::time::Duration;

use common::{Client, connect, limits, run};
use mirage_conformance::fakes::FakeRuntime;
use mirage_http::{
    FrameDecoder, Incoming, Message, Opcode, Request, Response, SocketError, SocketLimits, WebSocket, push_frame,
    websocket,
};
use mirage_sig::{Sleep, Spawn};

const SHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const MASK: Option<[u8; 4]> = Some([0x12, 0x34, 0x56, 0x78]);

async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.receive().await {
        if socket.send(&message).await.is_err() {
            break;
        }
    }
}

async fn handler(request: Request) -> Response {
    websocket(&request, SocketLimits { message: 200_000, ..SocketLimits::default() }, echo)
}

/// A client after its handshake, and what takes the server's frames apart.
async fn open(runtime: &FakeRuntime, handler: impl AsyncFn(Request) -> Response + 'static) -> (Client, FrameDecoder) {
    let mut client = connect(runtime, limits(), handler);
    client.send(SHAKE).await;
    let head = client.head().await;
    assert_eq!(
        head,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    (client, FrameDecoder::new(false, usize::MAX))
}

/// The next thing that comes; None at the end of the connection.
async fn next(client: &mut Client, decoder: &mut FrameDecoder) -> Option<Incoming> {
    loop {
        let (used, incoming) = decoder.decode(&client.seen).unwrap();
        client.seen.drain(..used);
        if incoming.is_some() {
            return incoming;
        }
        if !client.more().await {
            return None;
        }
    }
}

fn frame(last: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push_frame(&mut out, last, opcode, payload, MASK);
    out
}

fn text(text: &str) -> Option<Incoming> {
    Some(Incoming::Message(Message::Text(text.into())))
}

#[test]
fn messages_both_ways() {
    run(async |runtime| {
        let (mut client, mut decoder) = open(&runtime, handler).await;
        for length in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            client.send(frame(true, Opcode::Binary, &payload)).await;
            let expected = Some(Incoming::Message(Message::Binary(payload)));
            assert!(next(&mut client, &mut decoder).await == expected, "{length}");
        }
        // Fragments, with a ping between them, and a character in two of them.
        client.send(frame(false, Opcode::Text, b"caf\xc3")).await;
        client.send(frame(true, Opcode::Ping, b"are you there")).await;
        client.send(frame(false, Opcode::Continuation, b"")).await;
        client.send(frame(true, Opcode::Continuation, b"\xa9")).await;
        client.send(frame(true, Opcode::Pong, b"")).await;
        // Nobody reads a pong that waits behind a message, so it comes first.
        assert_eq!(next(&mut client, &mut decoder).await, Some(Incoming::Pong));
        assert_eq!(next(&mut client, &mut decoder).await, text("café"));
        client.send(frame(true, Opcode::Close, &[0x0f, 0xa0])).await;
        assert_eq!(next(&mut client, &mut decoder).await, Some(Incoming::Close(Some(4_000))));
        assert_eq!(next(&mut client, &mut decoder).await, None);
        runtime.sleep(Duration::from_secs(3)).await;
        assert_eq!(runtime.tasks(), 0);
    });
}

#[test]
fn what_is_forbidden_ends_it_with_a_code() {
    let unmasked = |opcode, payload: &[u8]| {
        let mut out = Vec::new();
        push_frame(&mut out, true, opcode, payload, None);
        out
    };
    let table: Vec<(&str, Vec<u8>, u16)> = vec![
        ("no mask", unmasked(Opcode::Text, b"x"), 1002),
        ("reserved bit", [0xc1, 0x80, 0, 0, 0, 0].into(), 1002),
        ("unknown opcode", [0x83, 0x80, 0, 0, 0, 0].into(), 1002),
        ("unknown control opcode", [0x8b, 0x80, 0, 0, 0, 0].into(), 1002),
        ("ping in fragments", frame(false, Opcode::Ping, b"x"), 1002),
        ("long ping", frame(true, Opcode::Ping, &[0; 126]), 1002),
        ("fragment of nothing", frame(true, Opcode::Continuation, b"x"), 1002),
        ("text within text", [frame(false, Opcode::Text, b"x"), frame(true, Opcode::Text, b"y")].concat(), 1002),
        ("length in too many bytes", [0x81, 0xfe, 0, 125, 0, 0, 0, 0].into(), 1002),
        ("length in far too many", [0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0].into(), 1002),
        ("length beyond 63 bits", [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].into(), 1002),
        ("too long", [0x82, 0xff, 0, 0, 0, 0, 0, 3, 0x0d, 0x41, 0, 0, 0, 0].into(), 1009),
        (
            "too long in sum",
            [frame(false, Opcode::Text, &[b'x'; 150_000]), frame(true, Opcode::Continuation, &[b'x'; 50_001])].concat(),
            1009,
        ),
        ("no UTF-8", frame(true, Opcode::Text, b"\xff"), 1007),
        ("half a character", frame(true, Opcode::Text, b"\xc3"), 1007),
        ("half a code", frame(true, Opcode::Close, b"x"), 1002),
        ("a code nobody may send", frame(true, Opcode::Close, &1005_u16.to_be_bytes()), 1002),
        ("no code", frame(true, Opcode::Close, &999_u16.to_be_bytes()), 1002),
        ("a reason that is no text", frame(true, Opcode::Close, &[0x03, 0xe8, 0xff]), 1007),
    ];
    for (what, bytes, code) in table {
        run(async |runtime| {
            let (mut client, mut decoder) = open(&runtime, handler).await;
            // A server that has refused reads no further.
            let _ = mirage_sig::Write::write_all(&mut client.flow, &bytes).await;
            assert_eq!(next(&mut client, &mut decoder).await, Some(Incoming::Close(Some(code))), "{what}");
            assert_eq!(next(&mut client, &mut decoder).await, None, "{what}");
        });
    }
}

#[test]
fn what_is_no_handshake() {
    run(async |runtime| {
        for (from, to, expected) in [
            ("Connection: keep-alive, Upgrade\r\n", "", 426),
            ("Upgrade: WebSocket\r\n", "Upgrade: h2c\r\n", 426),
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
            ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
            ("GET", "POST", 426),
            ("HTTP/1.1", "HTTP/1.0", 426),
        ] {
            let mut client = connect(&runtime, limits(), handler);
            client.send(SHAKE.replace(from, to)).await;
            let head = client.head().await;
            assert_eq!(common::status(&head), expected, "{head}");
        }
    });
}

#[test]
fn an_application_can_close_and_is_waited_for() {
    run(async |runtime| {
        let handler = async |request: Request| {
            websocket(&request, SocketLimits::default(), async |mut socket: WebSocket| {
                socket.send_text("bye").await.unwrap();
                socket.close(1001, "going away");
            })
        };
        let (mut client, mut decoder) = open(&runtime, handler).await;
        assert_eq!(next(&mut client, &mut decoder).await, text("bye"));
        assert_eq!(next(&mut client, &mut decoder).await, Some(Incoming::Close(Some(1_001))));
        // A client that does not answer the close is not waited for long.
        runtime.sleep(Duration::from_secs(4)).await;
        assert_eq!(runtime.tasks(), 1);
        runtime.sleep(Duration::from_secs(5)).await;
        assert_eq!(runtime.tasks(), 0);
    });
}

#[test]
fn a_silent_client_is_asked_and_then_given_up() {
    run(async |runtime| {
        let told = std::rc::Rc::new(std::cell::Cell::new(None));
        let tell = told.clone();
        let clock = runtime.clone();
        let handler = async move |request: Request| {
            let (tell, clock) = (tell.clone(), clock.clone());
            websocket(&request, SocketLimits::default(), async move |mut socket: WebSocket| {
                // A task of its own, as the application is dropped with its client.
                drop(clock.spawn(async move { tell.set(Some(socket.receive().await)) }));
                std::future::pending().await
            })
        };
        let (mut client, mut decoder) = open(&runtime, handler).await;
        for _ in 0..3 {
            assert_eq!(next(&mut client, &mut decoder).await, Some(Incoming::Ping(vec![])));
            client.send(frame(true, Opcode::Pong, b"")).await;
        }
        assert_eq!(next(&mut client, &mut decoder).await, Some(Incoming::Ping(vec![])));
        assert_eq!(told.take(), None);
        while next(&mut client, &mut decoder).await.is_some() {}
        assert_eq!(told.take(), Some(Err(SocketError::Gone)));
    });
}

#[test]
fn a_client_that_goes_away_and_one_that_does_not_read() {
    run(async |runtime| {
        let (client, _) = open(&runtime, handler).await;
        drop(client);
        runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!(runtime.tasks(), 0);

        let flood = async |request: Request| {
            websocket(
                &request,
                SocketLimits::default(),
                async |mut socket: WebSocket| {
                    while socket.send_binary(&[0; 10_000]).await.is_ok() {}
                },
            )
        };
        let (_client, _) = open(&runtime, flood).await;
        runtime.sleep(Duration::from_secs(60)).await;
        assert_eq!(runtime.tasks(), 0);
    });
}
