//! The relay as a switch, from outside: who gets which frame, who may come in, and what bad clients can do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod station;

use std::time::{Duration, Instant};

use futures_util::{FutureExt, SinkExt, StreamExt};
use mirage_relay::{Config, Limits, Relay, StartError};
use station::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const C: [u8; 6] = [2, 0, 0, 0, 0, 0xc];
const ALL: [u8; 6] = [0xff; 6];
const SECRET: &str = "0123456789abcdef";

/// An answer to a plain HTTP request.
async fn http(relay: &Relay, path: &str) -> String {
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// The status with which a client with these headers is refused, or 101.
async fn knock(relay: &Relay, path: &str, origin: Option<&str>) -> u16 {
    let mut request = format!("ws://{}{path}", relay.address()).into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

/// The code that the relay says goodbye with.
async fn goodbye(socket: &mut Socket) -> Option<u16> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a goodbye in time")? {
            Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

#[tokio::test]
async fn frames_go_to_where_their_destination_was_heard() {
    let relay = start(plain()).await;
    let (mut a, mut b, mut c) = (dial(&relay, "x").await, dial(&relay, "x").await, dial(&relay, "x").await);
    let mut elsewhere = dial(&relay, "y").await;
    a.send(Message::binary(frame(ALL, A, 60))).await.unwrap();
    assert_eq!(next_frame(&mut b).await, frame(ALL, A, 60));
    assert_eq!(next_frame(&mut c).await, frame(ALL, A, 60));
    b.send(Message::binary(frame(A, B, 1514))).await.unwrap();
    assert_eq!(next_frame(&mut a).await, frame(A, B, 1514), "the first that comes: its own was not sent back");
    c.send(Message::binary(frame(ALL, C, 14))).await.unwrap();
    assert_eq!(next_frame(&mut b).await, frame(ALL, C, 14), "what was for A alone did not come");
    assert_eq!(next_frame(&mut a).await, frame(ALL, C, 14));
    elsewhere.send(Message::binary(frame(ALL, A, 61))).await.unwrap();
    a.send(Message::binary(frame(C, A, 62))).await.unwrap();
    assert_eq!(next_frame(&mut c).await, frame(C, A, 62), "what is in another LAN did not come");
    // C went to another tab: the LAN follows.
    drop(c);
    let mut c = dial(&relay, "x").await;
    c.send(Message::binary(frame(ALL, C, 63))).await.unwrap();
    assert_eq!(next_frame(&mut a).await, frame(ALL, C, 63));
    a.send(Message::binary(frame(C, A, 64))).await.unwrap();
    assert_eq!(next_frame(&mut c).await, frame(C, A, 64));
    relay.stop().await;
}

#[tokio::test]
async fn the_root_is_lan_0() {
    let relay = start(plain()).await;
    let mut root = connect_async(format!("ws://{}/", relay.address())).await.unwrap().0;
    let mut zero = dial(&relay, "0").await;
    root.send(Message::binary(frame(ALL, A, 60))).await.unwrap();
    assert_eq!(next_frame(&mut zero).await, frame(ALL, A, 60));
}

#[tokio::test]
async fn the_door_looks_at_origin_and_path() {
    let relay = start(plain()).await;
    for (path, origin, status) in [
        ("/", None, 101),
        ("/lan/a", Some("http://localhost:5173"), 101),
        ("/lan/a", Some("http://127.0.0.1"), 101),
        ("/lan/a", Some("https://example.org"), 403),
        ("/lan/a", Some("http://localhost.example.org"), 403),
        ("/lan/a", Some("null"), 403),
        ("/lan/a%20b", None, 404),
        ("/lan/", None, 404),
        ("/nowhere", None, 404),
    ] {
        assert_eq!(knock(&relay, path, origin).await, status, "{path} {origin:?}");
    }
    assert_eq!(metric(&relay, "mirage_relay_refused_total{reason=\"origin\"}"), 3);
}

#[tokio::test]
async fn a_lan_with_a_token_opens_to_it_alone() {
    let token = |lan: &str| (lan.parse().unwrap(), SECRET.parse().unwrap());
    let relay = start(Config { tokens: vec![token("lab")], ..plain() }).await;
    assert_eq!(knock(&relay, "/lan/open", None).await, 101);
    assert_eq!(knock(&relay, "/lan/lab", None).await, 403);
    assert_eq!(knock(&relay, "/lan/lab?token=0123456789abcdeX", None).await, 403);
    assert_eq!(knock(&relay, &format!("/lan/lab?token={SECRET}"), None).await, 101);
    assert_eq!(metric(&relay, "mirage_relay_refused_total{reason=\"token\"}"), 2);

    let exposed = Config { listen: ([0, 0, 0, 0], 0).into(), ..plain() };
    assert!(matches!(Relay::start(exposed.clone()).await, Err(StartError::Exposed(_))));
    let relay = start(Config { tokens: vec![token("lab")], ..exposed }).await;
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], relay.address().port()));
    let status = async |path: &str| match connect_async(format!("ws://{address}{path}")).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(status("/lan/open").await, 403, "beyond loopback no LAN is open");
    assert_eq!(status(&format!("/lan/lab?token={SECRET}")).await, 101);
}

#[tokio::test]
async fn pages_say_what_this_is() {
    let relay = start(plain()).await;
    let page = http(&relay, "/").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("ws://HOST:PORT/lan/NAME"), "{page}");
    assert!(http(&relay, "/lan/x").await.starts_with("HTTP/1.1 426"));
    assert!(http(&relay, "/health").await.ends_with("ok\n"));
    assert!(http(&relay, "/nothing").await.starts_with("HTTP/1.1 404"));
    let _client = dial(&relay, "lab").await;
    let metrics = http(&relay, "/metrics").await;
    assert!(
        metrics.contains("text/plain; version=0.0.4") && metrics.contains("\nmirage_relay_clients 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("\nmirage_relay_lan_clients{lan=\"lab\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn what_is_no_frame_is_counted_and_its_client_lives() {
    let relay = start(plain()).await;
    let (mut a, mut b) = (dial(&relay, "x").await, dial(&relay, "x").await);
    for length in [0, 1, 13] {
        a.send(Message::binary(vec![0; length])).await.unwrap();
    }
    a.send(Message::binary(frame(ALL, A, 1515))).await.unwrap();
    a.send(Message::binary(frame(ALL, A, 60_000))).await.unwrap();
    a.send(Message::binary(frame(ALL, ALL, 60))).await.unwrap();
    a.send(Message::binary(frame([1, 0x80, 0xc2, 0, 0, 0], A, 60))).await.unwrap();
    a.send(Message::text("hello")).await.unwrap();
    a.send(Message::binary(frame(ALL, A, 60))).await.unwrap();
    assert_eq!(next_frame(&mut b).await, frame(ALL, A, 60));
    for (name, count) in [
        ("frames_dropped_total{reason=\"size\"}", 5),
        ("frames_dropped_total{reason=\"source\"}", 1),
        ("frames_dropped_total{reason=\"reserved destination\"}", 1),
        ("text_messages_total", 1),
        ("frames_received_total", 1),
    ] {
        assert_eq!(metric(&relay, &format!("mirage_relay_{name}")), count, "{name}");
    }
}

#[tokio::test]
async fn who_sends_text_or_no_websocket_is_hung_up_on() {
    let relay = start(Config { limits: Limits { texts_max: 3, ..Limits::default() }, ..plain() }).await;
    let mut a = dial(&relay, "x").await;
    for _ in 0..3 {
        a.send(Message::text("hello")).await.unwrap();
    }
    assert_eq!(goodbye(&mut a).await, Some(1003));

    // Longer than any message that is read.
    let mut a = dial(&relay, "x").await;
    a.send(Message::binary(vec![0; 70_000])).await.unwrap();
    assert!(matches!(goodbye(&mut a).await, None | Some(1009)));

    // A frame that announces 2^62 bytes, and one that is not masked.
    for bytes in [&[0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4][..], &[0x82, 0x01, 0x00]] {
        let mut raw = upgraded(&relay).await;
        raw.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, raw.read_to_end(&mut rest)).await.unwrap().ok();
    }
    eventually("all are gone", || metric(&relay, "mirage_relay_clients") == 0).await;
    assert_eq!(metric(&relay, "mirage_relay_clients_lost_total{reason=\"protocol\"}"), 3);
}

/// A connection that has become a WebSocket, to write bytes of any kind into.
async fn upgraded(relay: &Relay) -> TcpStream {
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    let request = "GET /lan/x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

#[tokio::test]
async fn who_never_reads_is_dropped_and_holds_nobody_up() {
    let limits = Limits {
        queue: 64,
        ping_every: Duration::from_secs(1),
        silence_max: Duration::from_secs(4),
        ..Limits::default()
    };
    let relay = start(Config { limits, ..plain() }).await;
    let _deaf = upgraded(&relay).await;
    let (mut a, mut b) = (dial(&relay, "x").await, dial(&relay, "x").await);
    b.send(Message::binary(frame(ALL, B, 60))).await.unwrap();
    next_frame(&mut a).await;
    // Floods fill what the kernel holds for the deaf one, and then its queue.
    let began = Instant::now();
    while metric(&relay, "mirage_relay_frames_dropped_total{reason=\"queue full\"}") == 0 {
        assert!(began.elapsed() < PATIENCE);
        for _ in 0..32 {
            a.send(Message::binary(frame(ALL, A, 1514))).await.unwrap();
        }
        for _ in 0..32 {
            next_frame(&mut b).await;
        }
        // Pings are answered by whoever reads.
        let _ = a.next().now_or_never();
    }
    let lost = || metric(&relay, "mirage_relay_clients_lost_total{reason=\"no answer to pings\"}");
    tokio::select! {
        () = eventually("it is hung up on", || lost() > 0) => {}
        _ = async { loop { tokio::select! { _ = a.next() => {} _ = b.next() => {} } } } => {}
    }
    assert_eq!((lost(), metric(&relay, "mirage_relay_clients")), (1, 2));
    a.send(Message::binary(frame(B, A, 99))).await.unwrap();
    assert_eq!(next_frame(&mut b).await, frame(B, A, 99));
}

#[tokio::test]
async fn who_answers_pings_stays() {
    let relay = start(Config { limits: impatient(), ..plain() }).await;
    let mut a = dial(&relay, "x").await;
    let until = Instant::now() + Duration::from_millis(2500);
    let mut pings = 0;
    while let Ok(message) = timeout(until.saturating_duration_since(Instant::now()), a.next()).await {
        // Answered by tungstenite.
        assert!(matches!(message, Some(Ok(Message::Ping(_)))));
        pings += 1;
    }
    assert!(pings >= 3, "{pings}");
    assert_eq!(metric(&relay, "mirage_relay_clients"), 1);
}

#[tokio::test]
async fn a_flood_is_slowed_down_and_the_others_are_served() {
    let relay = start(Config { limits: Limits { frames_per_second: 1000, ..Limits::default() }, ..plain() }).await;
    let (mut flood, mut a, mut b) = (dial(&relay, "x").await, dial(&relay, "x").await, dial(&relay, "x").await);
    b.send(Message::binary(frame(ALL, B, 60))).await.unwrap();
    next_frame(&mut a).await;
    let flooding = tokio::spawn(async move {
        loop {
            // It goes nowhere: only the flooder knows that address.
            if flood.send(Message::binary(frame(C, C, 60))).await.is_err() {
                return;
            }
        }
    });
    let began = Instant::now();
    for n in 0..200 {
        a.send(Message::binary(frame(B, A, 60 + n))).await.unwrap();
        assert_eq!(next_frame(&mut b).await, frame(B, A, 60 + n));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let most = began.elapsed().as_millis() as u64 + 250 + 250 + 100;
    let received = metric(&relay, "mirage_relay_frames_received_total");
    assert!(received <= most + 200, "{received} frames in {:?}", began.elapsed());
    assert!(metric(&relay, "mirage_relay_slowed_total") > 0);
    flooding.abort();
}

#[tokio::test]
async fn there_is_room_for_so_many() {
    let limits = Limits { clients: 3, clients_per_lan: 2, ..Limits::default() };
    let relay = start(Config { limits, ..plain() }).await;
    let (_a, b) = (dial(&relay, "x").await, dial(&relay, "x").await);
    assert_eq!(knock(&relay, "/lan/x", None).await, 503);
    let _c = dial(&relay, "y").await;
    assert_eq!(knock(&relay, "/lan/z", None).await, 503);
    drop(b);
    eventually("its place is free", || metric(&relay, "mirage_relay_clients") == 2).await;
    assert_eq!(knock(&relay, "/lan/z", None).await, 101);
    assert_eq!(metric(&relay, "mirage_relay_refused_total{reason=\"full\"}"), 2);
}

#[tokio::test]
async fn it_says_goodbye_when_it_ends() {
    let relay = start(plain()).await;
    let address = relay.address();
    let mut a = dial(&relay, "x").await;
    let _deaf = upgraded(&relay).await;
    eventually("both are in", || metric(&relay, "mirage_relay_clients") == 2).await;
    let began = Instant::now();
    let (code, ()) = tokio::join!(goodbye(&mut a), relay.stop());
    assert_eq!(code, Some(1001));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_goodbye_is_answered() {
    let relay = start(plain()).await;
    let mut a = dial(&relay, "x").await;
    a.close(Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() })).await.unwrap();
    assert_eq!(goodbye(&mut a).await, Some(1000));
    assert!(timeout(PATIENCE, a.next()).await.unwrap().is_none(), "and then the connection is closed");
    eventually("it is gone", || metric(&relay, "mirage_relay_clients") == 0).await;
}

#[tokio::test]
async fn a_slow_request_is_given_up() {
    let relay = start(plain()).await;
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed").ok();
}
